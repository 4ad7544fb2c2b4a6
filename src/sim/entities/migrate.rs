//! `POST /cloudapi/1.0.0/entityTypes/{id}/migrateEntities`: all entities of a type to another version.
//!
//! Invariants:
//! - Only what the caller may write migrates, whatever its tag; hooks do not run.
//! - A resolved entity that would become invalid stays as it is, or with force becomes
//!   `RESOLUTION_ERROR`.
//!
//! Source: VCD `OpenAPI` 37.2, `DefinedEntitiesVersionMigrate`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::level;
use super::content::Content;
use super::write::fill_defaults;
use super::{Due, Entities, RdeState};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::registry::Registry;
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::{Reference, Starter, TaskState};
use crate::sim::world;

/// A migration under way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Migration {
    /// Bare UUID.
    task: String,
    entities: Vec<String>,
    target: String,
    force: bool,
}

/// Begins the migration of the entities of `source`.
pub(crate) fn migrate(
    call: &Call<'_>,
    source: &str,
    ctx: &mut Context<'_>,
    (entities, registry): (&Entities, &Registry),
) -> Result<Reply, Problem> {
    let body = call.json()?;
    let target = body.get("targetEntityType").and_then(Value::as_str);
    let target = target.unwrap_or_default();
    let kind = |urn: &str| urn.rsplit_once(':').map(|(kind, _)| kind.to_owned());
    if !registry.types.contains_key(target) || kind(target) != kind(source) {
        return Err(Problem::bad_request(format!(
            "targetEntityType is no version of {source}: {target}"
        )));
    }
    let writable = entities.iter().filter(|entity| {
        entity.type_urn == source && level(call, entity, registry) == Some(Level::FullControl)
    });
    let owner = Reference {
        href: String::new(),
        id: source.to_owned(),
        name: "entityType".to_owned(),
        media_type: "application/json".to_owned(),
    };
    let found = writable.map(|entity| entity.id.clone()).collect();
    let operation = format!("Migrating entities of {source} to {target}");
    let task = ctx.start_task(
        &Starter::of(call),
        ("migrateDefinedEntities", operation),
        owner,
    );
    let migration = Migration {
        task: task.clone(),
        entities: found,
        target: target.to_owned(),
        force: body.get("forceMigrate").and_then(Value::as_bool) == Some(true),
    };
    let end = ctx
        .now
        .plus(ctx.timings.vary(ctx.timings.behavior, ctx.rng));
    let due = Due::Migration(Box::new(migration));
    ctx.schedule.put(end, world::Due::Entities(due));
    Ok(accepted(ctx.site, &task))
}

/// Carries the migration out.
pub(super) fn finish(
    migration: &Migration,
    ctx: &mut Context<'_>,
    (entities, registry): (&mut Entities, &Registry),
) {
    let outcome = match registry.types.get(&migration.target) {
        None => TaskState::Failed(Problem::bad_request("The target type is gone.")),
        Some(target) => {
            for id in &migration.entities {
                let Some(entity) = entities.get_mut(id) else {
                    continue;
                };
                let mut content = entity.content.parse();
                fill_defaults(&mut content, &target.rules.fields);
                let invalid = target.rules.validate(&content).err();
                let resolved = entity.state == RdeState::Resolved;
                if let Some(reason) = invalid.filter(|_| resolved) {
                    if !migration.force {
                        continue;
                    }
                    entity.state = RdeState::ResolutionError;
                    entity.message = Some(reason);
                }
                entity.content = Content::of(&content);
                entity.type_urn.clone_from(&target.rules.type_urn);
                entity.rules = Arc::clone(&target.rules);
                entity.touch(ctx.wall);
            }
            TaskState::Success { result: None }
        }
    };
    ctx.tasks.finish(&migration.task, outcome, ctx.wall);
}
