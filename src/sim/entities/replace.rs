//! `PUT /cloudapi/1.0.0/entities/{id}`: a whole new representation of an entity.
//!
//! Flow: [`replace`] checks and decides, and a [`Replacement`] is what was decided; a hook that may veto
//! the beginning of a deletion lies between deciding and doing.
//!
//! Invariants:
//! - What is checked, in this order: access, hooks, tag, body, owner and type, schema. Nothing changes
//!   before all hold.
//! - A resolved entity is valid, or the `PUT` is refused; an unresolved one is not looked at.
//!
//! Not here: restricted fields (`write`).
//! Source: VCD `OpenAPI` 37.2, update of a defined entity and its states.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::api::{check_hooks, check_tag, hooks_wanted, invisible, need, shown};
use super::content::Content;
use super::life::Lives;
use super::render::View;
use super::write::{fill_defaults, merge, restricted_change};
use super::{Due, Entity, RdeState};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::choices::{InvalidRewrite, RestrictedWrites, UnresolvableRewrite};
use crate::sim::context::Context;
use crate::sim::registry::{Registry, TypeRules};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::Starter;
use crate::sim::world;

/// What a `PUT` asks for.
struct Wanted {
    name: String,
    content: Map<String, Value>,
    external_id: Option<String>,
    type_urn: Option<String>,
    owner_id: Option<String>,
    deletion: bool,
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, Problem> {
        let body: Value = call.json()?;
        let Value::Object(mut body) = body else {
            return Err(Problem::bad_request("The body is no object"));
        };
        let text = |body: &Map<String, Value>, key: &str| {
            body.get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let Some(Value::Object(content)) = body.remove("entity") else {
            return Err(Problem::bad_request("entity is missing or no object"));
        };
        let name = text(&body, "name").ok_or_else(|| Problem::bad_request("name is missing"))?;
        let owner = body.get("owner").and_then(Value::as_object);
        Ok(Self {
            name,
            content,
            external_id: text(&body, "externalId"),
            type_urn: text(&body, "entityType"),
            owner_id: owner.and_then(|owner| text(owner, "id")),
            deletion: text(&body, "entityState").as_deref() == Some("IN_DELETION"),
        })
    }
}

/// What a `PUT` makes of an entity, decided but not done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Replacement {
    name: String,
    content: Map<String, Value>,
    external_id: Option<String>,
    type_urn: String,
    owner_id: String,
    state: RdeState,
    message: Option<String>,
}

/// Answers the `PUT`.
pub(super) fn replace(
    call: &Call<'_>,
    (id, level): (&str, Level),
    lives: &mut Lives<'_, '_>,
) -> Result<Reply, Problem> {
    let invisible = || invisible(id, call.version);
    let entity = lives.entities.get(id).ok_or_else(invisible)?;
    need(call, level, Level::ReadWrite, id)?;
    check_hooks(call, entity, lives.registry)?;
    check_tag(call, entity)?;
    let wanted = Wanted::read(call)?;
    let begins = wanted.deletion && entity.state != RdeState::InDeletion;
    let change = decide(call, (entity, level), wanted, (lives.ctx, lives.registry))?;
    let mut change = Box::new(change);
    let (starter, hooks) = (Starter::of(call), hooks_wanted(call));
    if begins && hooks {
        change = match lives.ask_to_mark(id, &starter, change) {
            Ok(task) => return Ok(accepted(lives.ctx.site, &task)),
            Err(change) => change,
        };
    }
    change.apply(id, lives)?;
    let hook = if hooks {
        lives.changed(id, &starter)
    } else {
        None
    };
    let entity = lives.entities.get_mut(id).ok_or_else(invisible)?;
    let reply = shown(call, entity, level, lives.ctx);
    Ok(match hook {
        Some(task) => reply.with_header(
            "x-vmware-vcloud-task-location",
            format!("{}/api/task/{task}", lives.ctx.site),
        ),
        None => reply,
    })
}

fn decide(
    call: &Call<'_>,
    (entity, level): (&Entity, Level),
    wanted: Wanted,
    (ctx, registry): (&Context<'_>, &Registry),
) -> Result<Replacement, Problem> {
    if entity.state == RdeState::PreValidated {
        return Err(Problem::bad_request(format!(
            "Entity {} awaits its validation and can only be deleted.",
            entity.id
        )));
    }
    let owner_id = new_owner(&wanted, entity, ctx)?;
    let new_type = wanted
        .type_urn
        .as_deref()
        .filter(|urn| *urn != entity.type_urn);
    if owner_id.is_some() || new_type.is_some() || wanted.deletion {
        need(call, level, Level::FullControl, &entity.id)?;
    }
    let rules = match new_type {
        Some(urn) => other_version(urn, entity, registry)?,
        None => Arc::clone(&entity.rules),
    };
    let view = View::of(call, level);
    let stored = entity.content.parse();
    if !view.full && call.settings.restricted_writes == RestrictedWrites::Refused {
        let fields = &entity.rules.fields;
        if let Some(field) = restricted_change(&stored, &wanted.content, fields) {
            return Err(Problem::forbidden(format!(
                "Full control of {} is needed to change {field}.",
                entity.id
            )));
        }
    }
    let mut content = merge(&stored, wanted.content, &entity.rules.fields, view);
    if new_type.is_some() {
        fill_defaults(&mut content, &rules.fields);
    }
    let (state, message) = next_state(entity, (&rules, &content), ctx)?;
    Ok(Replacement {
        name: wanted.name,
        content,
        external_id: wanted.external_id.or_else(|| entity.external_id.clone()),
        type_urn: rules.type_urn.clone(),
        owner_id: owner_id.unwrap_or_else(|| entity.owner_id.clone()),
        state: if wanted.deletion {
            RdeState::InDeletion
        } else {
            state
        },
        message,
    })
}

fn new_owner(
    wanted: &Wanted,
    entity: &Entity,
    ctx: &Context<'_>,
) -> Result<Option<String>, Problem> {
    let owner = wanted.owner_id.as_ref();
    let Some(owner) = owner.filter(|owner| **owner != entity.owner_id) else {
        return Ok(None);
    };
    if ctx.directory.users.contains_key(owner) {
        return Ok(Some(owner.clone()));
    }
    Err(Problem::bad_request(format!(
        "The owner {owner} does not exist."
    )))
}

/// The rules of the type `urn`, if it is another version of the entity's.
pub(super) fn other_version(
    urn: &str,
    entity: &Entity,
    registry: &Registry,
) -> Result<Arc<TypeRules>, Problem> {
    let same = |rules: &TypeRules| {
        (&rules.vendor, &rules.nss) == (&entity.rules.vendor, &entity.rules.nss)
    };
    let found = registry.types.get(urn).filter(|found| same(&found.rules));
    let found = found.ok_or_else(|| {
        Problem::bad_request(format!("{urn} is no version of {}.", entity.type_urn))
    })?;
    Ok(Arc::clone(&found.rules))
}

/// State and message after a `PUT` of `content`.
fn next_state(
    entity: &Entity,
    (rules, content): (&TypeRules, &Map<String, Value>),
    ctx: &Context<'_>,
) -> Result<(RdeState, Option<String>), Problem> {
    let unchanged = (entity.state, entity.message.clone());
    match entity.state {
        RdeState::PreValidated | RdeState::PreCreated | RdeState::InDeletion => Ok(unchanged),
        RdeState::ResolutionError => Ok(match ctx.settings.unresolvable_rewrite {
            UnresolvableRewrite::PreCreated => (RdeState::PreCreated, None),
            UnresolvableRewrite::ResolutionError => unchanged,
        }),
        RdeState::Resolved => match (rules.validate(content), ctx.settings.invalid_rewrite) {
            (Ok(()), _) => Ok(unchanged),
            (Err(reason), InvalidRewrite::Refused) => Err(Problem::bad_request(reason)),
            (Err(reason), InvalidRewrite::Stored) => Ok((RdeState::ResolutionError, Some(reason))),
        },
    }
}

impl Replacement {
    /// Does what was decided.
    pub(super) fn apply(self, id: &str, lives: &mut Lives<'_, '_>) -> Result<(), Problem> {
        let gone = || Problem::forbidden(format!("Entity {id} or its type is gone."));
        let registered = lives.registry.types.get(&self.type_urn).ok_or_else(gone)?;
        let entity = lives.entities.get_mut(id).ok_or_else(gone)?;
        let begins = self.state == RdeState::InDeletion && entity.state != self.state;
        entity.rules = Arc::clone(&registered.rules);
        entity.type_urn = self.type_urn;
        entity.content = Content::of(&self.content);
        entity.name = self.name;
        entity.external_id = self.external_id;
        entity.owner_id = self.owner_id;
        entity.state = self.state;
        entity.message = self.message;
        entity.touch(lives.ctx.wall);
        lives.ctx.history.count("entity.replaced", id);
        if begins && lives.ctx.settings.marked_entities_go {
            let due = Due::Deletion { id: id.to_owned() };
            let end = lives.ctx.now.plus(lives.ctx.timings.delete);
            (lives.ctx.schedule).put(end, world::Due::Entities(due));
        }
        Ok(())
    }
}
