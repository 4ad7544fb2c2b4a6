//! `/cloudapi/1.0.0/entities/{id}`: read, replace, resolve, delete.
//!
//! Invariants:
//! - Missing and invisible entities are told apart by nobody: both are 403, on every verb.
//! - The `ETag` goes out with reads by id, replacements and resolutions; a stale `If-Match` is a 412
//!   whose text says so; a missing `If-Match` overwrites.
//! - What is checked, in this order: access, tag, body, schema. Nothing changes before all hold.
//!
//! Not here: lists (`list`), creation (`create`), behaviors, grants.
//! Source: VCD `OpenAPI` 37.2, defined entities.

use http::{Method, header};
use serde_json::{Map, Value, json};

use super::content::Content;
use super::render::{self, View};
use super::write::{fill_defaults, merge};
use super::{Due, Entities, Entity, RdeState, behaviors, grants, list};
use crate::sim::access::{self, Level, Subject, TypeRights};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::paging::{self, Listing};
use crate::sim::registry::{EntityType, Registry};
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::TaskState;
use crate::sim::world;

/// Answers `/cloudapi/1.0.0/entities...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    (entities, registry): (&mut Entities, &Registry),
) -> Result<Reply, Problem> {
    let (id, rest) = match rest {
        ["types" | "interfaces", ..] => return list::handle(call, rest, ctx, (entities, registry)),
        [id, rest @ ..] => (*id, rest),
        [] => return Err(Problem::no_such_url()),
    };
    let entity = entities.get(id).ok_or_else(|| invisible(id))?;
    let level = level(call, entity, registry).ok_or_else(|| invisible(id))?;
    match (call.method, rest) {
        (&Method::GET, []) => return Ok(shown(call, entity, level, ctx)),
        (&Method::GET, ["fullContents"]) => return full_contents(call, entity, ctx),
        _ => {}
    }
    let entity = entities.get_mut(id).ok_or_else(|| invisible(id))?;
    match (call.method, rest) {
        (&Method::PUT, []) => replace(call, (entity, level), ctx, registry),
        (&Method::DELETE, []) => {
            deletable(call, (entity, level))?;
            entities.delete(id, ctx);
            Ok(Reply::empty(204))
        }
        (&Method::POST, ["resolve"]) => {
            need(call, level, Level::ReadWrite, id)?;
            entities.resolve(id, ctx).ok_or_else(|| invisible(id))?;
            let entity = entities.get_mut(id).ok_or_else(|| invisible(id))?;
            Ok(shown(call, entity, level, ctx))
        }
        (&Method::POST, ["behaviors", behavior, "invocations"]) => {
            behaviors::invoke(call, (entity, level), behavior, (ctx, registry))
        }
        (_, ["accessControls", rest @ ..]) => {
            need(call, level, Level::FullControl, id)?;
            grants::handle(call, (id, rest), ctx, &mut entity.grants)
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// `GET /cloudapi/1.0.0/entity/{urn}`: where an entity of any kind is.
pub(crate) fn resolve_urn(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &Context<'_>,
    (entities, registry): (&Entities, &Registry),
) -> Result<Reply, Problem> {
    let (&Method::GET, [urn]) = (call.method, rest) else {
        return Err(Problem::wrong_method());
    };
    let entity = entities
        .get(urn)
        .filter(|entity| level(call, entity, registry).is_some());
    let entity = entity.ok_or_else(|| invisible(urn))?;
    let link = format!("{}/cloudapi/1.0.0/entities/{}", ctx.site, entity.id);
    let body = json!({"id": entity.id, "name": entity.name, "link": link});
    Ok(Reply::json(200, call.version, &body))
}

/// `GET /cloudapi/1.0.0/accessLevels`.
pub(crate) fn access_levels(call: &Call<'_>, site: &str) -> Result<Reply, Problem> {
    let rows = Level::ALL.map(|level| json!({"id": level.urn(), "name": level.name()}));
    paging::list(
        call,
        site,
        &Listing::of("AccessLevels", &["id", "name"]),
        rows.to_vec(),
    )
}

/// 403 for an entity that is missing or invisible.
pub(super) fn invisible(id: &str) -> Problem {
    Problem::forbidden(format!("Entity {id} not found or you lack access to it."))
}

/// The caller's level on one entity; `None` when it is invisible.
pub(super) fn level(call: &Call<'_>, entity: &Entity, registry: &Registry) -> Option<Level> {
    let rights = TypeRights::of(&call.principal, &entity.rules.right_prefix());
    level_with(call, entity, registry.types.get(&entity.type_urn), rights)
}

/// The same with the type and the rights on it at hand; for lists.
pub(super) fn level_with(
    call: &Call<'_>,
    entity: &Entity,
    found: Option<&EntityType>,
    rights: TypeRights,
) -> Option<Level> {
    let of_type = found.into_iter().flat_map(|found| found.grants.values());
    let subject = Subject {
        owner_id: &entity.owner_id,
        org_id: &entity.org_id,
    };
    access::level(
        &call.principal,
        rights,
        subject,
        entity.grants.values().chain(of_type),
    )
}

fn need(call: &Call<'_>, level: Level, needed: Level, id: &str) -> Result<(), Problem> {
    if level >= needed {
        return Ok(());
    }
    Err(Problem::forbidden(format!(
        "{} of {} needs {} access to {id} to perform this operation.",
        call.principal.user_name,
        call.principal.org_name,
        needed.name()
    )))
}

/// `200` with the entity and its tag.
pub(super) fn shown(call: &Call<'_>, entity: &Entity, level: Level, ctx: &Context<'_>) -> Reply {
    let text = render::text(entity, View::of(level, call.version), ctx.directory);
    Reply::json_text(200, call.version, text).with_header("etag", entity.etag())
}

fn full_contents(call: &Call<'_>, entity: &Entity, ctx: &Context<'_>) -> Result<Reply, Problem> {
    let owns = entity.owner_id == call.principal.user_id;
    let granted = access::highest_grant(&call.principal, &mut entity.grants.values());
    // Administrator rights do not open this door; it wants a grant by name.
    if !owns && granted != Some(Level::FullControl) {
        return Err(Problem::forbidden(format!(
            "Full control of {} must be granted to you.",
            entity.id
        )));
    }
    let text = render::full_text(entity, call.version, ctx.directory);
    Ok(Reply::json_text(200, call.version, text))
}

/// Refuses a write that was decided on another version than the present one.
fn check_tag(call: &Call<'_>, entity: &Entity) -> Result<(), Problem> {
    let Some(sent) = call.header(header::IF_MATCH.as_str()).map(str::trim) else {
        return Ok(());
    };
    let tag = entity.etag();
    // Clients that strip the quotes are let in: the value is theirs to echo.
    if sent == tag || sent == tag.trim_matches('"') || sent == "*" {
        return Ok(());
    }
    let message = "The ETag in If-Match does not match the current state of the entity.";
    Err(Problem::new(412, "PRECONDITION_FAILED", message))
}

/// Skipping hooks needs the administrator's full access to the type.
fn check_hooks(call: &Call<'_>, entity: &Entity) -> Result<(), Problem> {
    let rights = TypeRights::of(&call.principal, &entity.rules.right_prefix());
    let skips = call
        .query("invokeHooks")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    if skips && rights.administrator != Some(Level::FullControl) {
        return Err(Problem::forbidden(
            "invokeHooks=false needs the administrator's full access.",
        ));
    }
    Ok(())
}

fn deletable(call: &Call<'_>, (entity, level): (&Entity, Level)) -> Result<(), Problem> {
    need(call, level, Level::FullControl, &entity.id)?;
    check_hooks(call, entity)?;
    check_tag(call, entity)?;
    if entity.state == RdeState::PreCreated {
        let message = format!(
            "Entity {} is not resolved; resolve it before you delete it.",
            entity.id
        );
        return Err(Problem::new(400, "RDE_ENTITY_NOT_RESOLVED", message));
    }
    Ok(())
}

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

fn replace(
    call: &Call<'_>,
    (entity, level): (&mut Entity, Level),
    ctx: &mut Context<'_>,
    registry: &Registry,
) -> Result<Reply, Problem> {
    need(call, level, Level::ReadWrite, &entity.id)?;
    check_hooks(call, entity)?;
    check_tag(call, entity)?;
    let wanted = Wanted::read(call)?;
    let new_owner = wanted.owner_id.filter(|owner| *owner != entity.owner_id);
    let new_type = wanted.type_urn.filter(|urn| *urn != entity.type_urn);
    if new_owner.is_some() || new_type.is_some() || wanted.deletion {
        need(call, level, Level::FullControl, &entity.id)?;
    }
    if let Some(owner) = &new_owner
        && !ctx.directory.users.contains_key(owner)
    {
        return Err(Problem::bad_request(format!(
            "The owner {owner} does not exist."
        )));
    }
    let rules = match &new_type {
        Some(urn) => {
            let found = registry.types.get(urn).filter(|found| {
                (&found.rules.vendor, &found.rules.nss) == (&entity.rules.vendor, &entity.rules.nss)
            });
            let found =
                found.ok_or_else(|| Problem::bad_request(format!("No such version: {urn}")))?;
            std::sync::Arc::clone(&found.rules)
        }
        None => std::sync::Arc::clone(&entity.rules),
    };
    let view = View::of(level, call.version);
    let stored = entity.content.parse();
    let mut content = merge(&stored, wanted.content, &entity.rules.fields, view);
    if new_type.is_some() {
        fill_defaults(&mut content, &rules.fields);
    }
    if entity.state == RdeState::Resolved {
        rules.validate(&content).map_err(Problem::bad_request)?;
    }
    if entity.state == RdeState::ResolutionError {
        entity.state = RdeState::PreCreated;
        entity.message = None;
    }
    entity.type_urn.clone_from(&rules.type_urn);
    entity.rules = rules;
    entity.content = Content::of(&content);
    entity.name = wanted.name;
    entity.external_id = wanted.external_id.or(entity.external_id.take());
    entity.owner_id = new_owner.unwrap_or_else(|| entity.owner_id.clone());
    if wanted.deletion && entity.state != RdeState::InDeletion {
        entity.state = RdeState::InDeletion;
        let due = Due::Deletion {
            id: entity.id.clone(),
        };
        ctx.schedule
            .put(ctx.now.plus(ctx.timings.delete), world::Due::Entities(due));
    }
    entity.touch(ctx.wall);
    ctx.history.count("entity.replaced", &entity.id);
    Ok(shown(call, entity, level, ctx))
}

impl Entities {
    /// Takes `id` out of the world; the task that created it, if it still runs, fails.
    pub(super) fn delete(&mut self, id: &str, ctx: &mut Context<'_>) {
        let Some(entity) = self.remove(id) else {
            return;
        };
        ctx.history.count("entity.deleted", id);
        if let Some(task) = entity.create_task {
            let gone = Problem::new(
                400,
                "BAD_REQUEST",
                format!("Entity {id} was deleted before it was resolved."),
            );
            ctx.tasks.finish(&task, TaskState::Failed(gone), ctx.wall);
        }
    }
}
