//! `/cloudapi/1.0.0/entities/{id}`: read, resolve, delete, and the way to everything below an entity.
//!
//! Invariants:
//! - Missing and invisible entities are told apart by nobody: both are 403, on every verb.
//! - The `ETag` goes out with reads by id, replacements and resolutions; a stale `If-Match` is a 412
//!   whose text says so; a missing `If-Match` overwrites.
//!
//! Not here: lists (`list`), creation (`create`), `PUT` (`replace`), behaviors, grants, metadata.
//! Source: VCD `OpenAPI` 37.2, defined entities.

use http::{Method, header};
use serde_json::json;

use super::life::Lives;
use super::render::{self, View};
use super::{Entities, Entity, RdeState, behaviors, convert, grants, list, metadata, replace};
use crate::sim::access::{self, Level, Subject, TypeRights};
use crate::sim::call::{ApiVersion, Call, Principal};
use crate::sim::choices::UnresolvedDeletion;
use crate::sim::context::Context;
use crate::sim::paging::{self, Listing};
use crate::sim::registry::{EntityType, Registry, types};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::{Starter, TaskState};

/// Up to here the refusal of a missing entity said in so many words that there is none.
const PLAIN_UNTIL: ApiVersion = ApiVersion {
    major: 36,
    minor: 0,
};

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
    let invisible = || invisible(id, call.version);
    let entity = entities.get(id).ok_or_else(invisible)?;
    if let ["accessControls", rest @ ..] = rest {
        let level = level_to_share(call, entity, registry).ok_or_else(invisible)?;
        let entity = entities.get_mut(id).ok_or_else(invisible)?;
        return grants::handle(call, (id, rest), ctx, (&mut entity.grants, level));
    }
    let level = level(call, entity, registry).ok_or_else(invisible)?;
    match (call.method, rest) {
        (&Method::GET, []) => convert::read(call, (entity, level), ctx, registry),
        (&Method::GET, ["fullContents"]) => full_contents(call, entity, ctx),
        (&Method::PUT, []) => {
            let lives = &mut Lives::of(ctx, entities, registry);
            replace::replace(call, (id, level), lives)
        }
        (&Method::DELETE, []) => {
            deletable(call, (entity, level), registry)?;
            let lives = &mut Lives::of(ctx, entities, registry);
            Ok(delete(call, id, lives))
        }
        (&Method::POST, ["resolve"]) => {
            need(call, level, Level::ReadWrite, id)?;
            entities.resolve(id, ctx).ok_or_else(invisible)?;
            let entity = entities.get(id).ok_or_else(invisible)?;
            Ok(shown(call, entity, level, ctx))
        }
        (&Method::POST, ["behaviors", behavior, "invocations"]) => {
            behaviors::invoke(call, (entity, level), behavior, (ctx, registry))
        }
        (&Method::GET, ["behaviors", _, "invocations", invocation, "log"]) => {
            behaviors::log(call, entity, invocation, ctx)
        }
        (_, ["metadata", rest @ ..]) => {
            let entity = entities.get_mut(id).ok_or_else(invisible)?;
            metadata::handle(call, (entity, level), rest, ctx)
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// `GET /cloudapi/1.0.0/entity/{urn}`: where an object of any kind is.
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
        .filter(|entity| level(call, entity, registry).is_some())
        .map(|entity| (entity.name.as_str(), "entities"));
    let registered = registry
        .types
        .get(*urn)
        .filter(|found| types::is_visible(call, found))
        .map(|found| (found.definition.name.as_str(), "entityTypes"));
    let interface = registry
        .interfaces
        .get(*urn)
        .map(|found| (found.name.as_str(), "interfaces"));
    let found = entity.or(registered).or(interface);
    let (name, collection) = found.ok_or_else(|| invisible(urn, call.version))?;
    let link = format!("{}/cloudapi/1.0.0/{collection}/{urn}", ctx.site);
    let body = json!({"id": urn, "name": name, "link": link});
    Ok(Reply::json(200, call.version, &body))
}

/// `GET /cloudapi/1.0.0/accessLevels` and one of them.
pub(crate) fn access_levels(call: &Call<'_>, rest: &[&str], site: &str) -> Result<Reply, Problem> {
    let row = |level: Level| json!({"id": level.urn(), "name": level.name(), "readOnly": true});
    if let [urn] = rest {
        let level = Level::parse(urn).ok_or_else(|| {
            Problem::forbidden(format!("{urn} not found or you lack access to it."))
        })?;
        return Ok(Reply::json(200, call.version, &row(level)));
    }
    let listing = Listing::of("AccessLevels", &["id", "name"]);
    paging::list(call, site, &listing, Level::ALL.map(row).to_vec())
}

/// 403 for an entity that is missing or invisible.
pub(super) fn invisible(id: &str, version: ApiVersion) -> Problem {
    Problem::forbidden(if version <= PLAIN_UNTIL {
        format!("Entity {id} does not exist or you lack access to it.")
    } else {
        format!("Entity {id} not found or you lack access to it.")
    })
}

/// The caller's level on one entity; `None` when it is invisible.
pub(super) fn level(call: &Call<'_>, entity: &Entity, registry: &Registry) -> Option<Level> {
    let found = registry.types.get(&entity.type_urn);
    let rights = types::rights(&call.principal, &entity.rules, found);
    level_with(call, entity, found, rights)
}

/// The same with the type and the rights on it at hand; for lists.
pub(super) fn level_with(
    call: &Call<'_>,
    entity: &Entity,
    found: Option<&EntityType>,
    rights: TypeRights,
) -> Option<Level> {
    level_of((call, &call.principal), entity, found, rights)
}

fn level_of(
    (call, who): (&Call<'_>, &Principal),
    entity: &Entity,
    found: Option<&EntityType>,
    rights: TypeRights,
) -> Option<Level> {
    let of_type = found
        .filter(|_| call.settings.type_grants_open_entities)
        .into_iter()
        .flat_map(|found| found.grants.values());
    let subject = Subject {
        owner_id: &entity.owner_id,
        org_id: &entity.org_id,
    };
    let barrier = call.settings.tenancy_barrier;
    let grants = entity.grants.values().chain(of_type);
    let grants = grants.filter(|grant| !barrier || grant.reaches(&who.acting_org_id));
    access::level(who, rights, subject, grants)
}

/// The level with which a caller shares an entity. A provider that shares with a tenant names it as its
/// context, and still shares what is its own.
fn level_to_share(call: &Call<'_>, entity: &Entity, registry: &Registry) -> Option<Level> {
    let found = registry.types.get(&entity.type_urn);
    let rights = types::rights(&call.principal, &entity.rules, found);
    let at_home = Principal {
        acting_org_id: call.principal.org_id.clone(),
        in_context: false,
        ..call.principal.clone()
    };
    let home = level_of((call, &at_home), entity, found, rights);
    level_with(call, entity, found, rights).max(home.filter(|_| call.principal.provider))
}

/// Refuses a caller whose level is not enough.
pub(super) fn need(call: &Call<'_>, level: Level, needed: Level, id: &str) -> Result<(), Problem> {
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
    let text = render::text(entity, View::of(call, level), ctx.directory);
    Reply::json_text(200, call.version, text).with_header("etag", etag(call, entity))
}

/// The tag of an entity as this site spells it.
pub(super) fn etag(call: &Call<'_>, entity: &Entity) -> String {
    let tag = entity.etag();
    if call.settings.bare_etags {
        tag.trim_matches('"').to_owned()
    } else {
        tag
    }
}

fn full_contents(
    call: &Call<'_>,
    entity: &Entity,
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    let owns = entity.owner_id == call.principal.user_id;
    let granted = access::highest_grant(&call.principal, &mut entity.grants.values());
    // Administrator rights do not open this door; it wants a grant by name.
    if !owns && granted != Some(Level::FullControl) {
        return Err(Problem::forbidden(format!(
            "Full control of {} must be granted to you.",
            entity.id
        )));
    }
    ctx.history.count("entity.disclosed", &entity.id);
    let text = render::full_text(call, entity, ctx.directory);
    Ok(Reply::json_text(200, call.version, text))
}

/// Whether the request was decided on another version than the one with `tag`.
pub(super) fn tag_is_stale(call: &Call<'_>, tag: &str) -> bool {
    let Some(sent) = call.header(header::IF_MATCH.as_str()).map(str::trim) else {
        return false;
    };
    if sent == "*" {
        return call.settings.wildcard_tag_is_stale;
    }
    // Clients that strip the quotes are let in: the value is theirs to echo.
    sent != tag && sent != tag.trim_matches('"')
}

/// Refuses a write that was decided on another version than the present one.
pub(super) fn check_tag(call: &Call<'_>, entity: &Entity) -> Result<(), Problem> {
    if !tag_is_stale(call, &entity.etag()) {
        return Ok(());
    }
    let message = "The ETag in If-Match does not match the current state of the entity.";
    Err(Problem::new(412, "PRECONDITION_FAILED", message))
}

/// Whether the hooks of the type are to run.
pub(super) fn hooks_wanted(call: &Call<'_>) -> bool {
    !call
        .query("invokeHooks")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"))
}

/// Skipping hooks needs full control of the type: the administrator's right, or a grant on the type.
pub(super) fn may_skip_hooks(call: &Call<'_>, found: Option<&EntityType>) -> Result<(), Problem> {
    let rights = found.map(|found| TypeRights::of(&call.principal, &found.rules.right_prefix()));
    let administers = rights.and_then(|rights| rights.administrator) == Some(Level::FullControl);
    let granted =
        found.and_then(|found| access::highest_grant(&call.principal, &mut found.grants.values()));
    if administers || granted == Some(Level::FullControl) || hooks_wanted(call) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "invokeHooks=false needs full control of the entity type.",
    ))
}

/// The same for the type of an entity.
pub(super) fn check_hooks(
    call: &Call<'_>,
    entity: &Entity,
    registry: &Registry,
) -> Result<(), Problem> {
    may_skip_hooks(call, registry.types.get(&entity.type_urn))
}

fn deletable(
    call: &Call<'_>,
    (entity, level): (&Entity, Level),
    registry: &Registry,
) -> Result<(), Problem> {
    need(call, level, Level::FullControl, &entity.id)?;
    check_hooks(call, entity, registry)?;
    check_tag(call, entity)?;
    let forced = call.settings.unhooked_deletion_of_unresolved && !hooks_wanted(call);
    if entity.state != RdeState::PreCreated || forced {
        return Ok(());
    }
    let status = match call.settings.unresolved_deletion {
        UnresolvedDeletion::BadRequest => 400,
        UnresolvedDeletion::Conflict => 409,
        UnresolvedDeletion::Allowed => return Ok(()),
    };
    let message = format!(
        "Entity {} is not resolved; resolve it before you delete it.",
        entity.id
    );
    Err(Problem::new(status, "RDE_ENTITY_NOT_RESOLVED", message))
}

fn delete(call: &Call<'_>, id: &str, lives: &mut Lives<'_, '_>) -> Reply {
    match lives.delete(id, &Starter::of(call), hooks_wanted(call)) {
        Some(task) => accepted(lives.ctx.site, &task),
        None => Reply::empty(204),
    }
}

impl Entities {
    /// Takes `id` out of the world; the task that created it, if it still runs, fails.
    pub(in crate::sim) fn delete(&mut self, id: &str, ctx: &mut Context<'_>) {
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
