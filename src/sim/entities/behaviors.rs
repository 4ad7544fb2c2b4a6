//! Behavior invocations on entities.
//!
//! Invariants:
//! - A behavior sees the content with its secure fields, as it is when the invocation ends.
//! - The caller needs the level that the type's behavior access control asks for; full control
//!   where it asks for none.
//!
//! Not here: hooks and extensions; nobody answers `MQTT` and `WebHook` behaviors, so they fail.
//! Source: VCD `OpenAPI` 37.2, invocations; a `noop` echoes its input.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::invisible;
use super::{Due, Entities, Entity, RdeState};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::registry::{Behavior, Registry};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::{Reference, Starter, TaskState};
use crate::sim::timings::Timings;
use crate::sim::world;

/// What an invocation does when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Execution {
    /// Answers with what it was given and the whole entity.
    Noop,
    /// The built-in that hands out a cluster's kubeconfig.
    KubeConfig,
    /// Anything that an extension would have to answer.
    Extension,
}

/// A running invocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) task: String,
    entity_id: String,
    behavior_id: String,
    execution: Execution,
    arguments: Value,
    metadata: Value,
}

impl Execution {
    fn of(behavior: &Behavior) -> Self {
        let text = |key: &str| behavior.execution.get(key).and_then(Value::as_str);
        let kind = text("type").unwrap_or_default().to_ascii_lowercase();
        match (kind.as_str(), text("id").unwrap_or_default()) {
            ("noop", _) => Self::Noop,
            ("activity", "CreateKubeConfigActivity") => Self::KubeConfig,
            _ => Self::Extension,
        }
    }
}

/// `POST .../behaviors/{behavior}/invocations`.
pub(super) fn invoke(
    call: &Call<'_>,
    (entity, level): (&Entity, Level),
    behavior: &str,
    (ctx, registry): (&mut Context<'_>, &Registry),
) -> Result<Reply, Problem> {
    let known = permitted((entity, level), behavior, registry)?;
    if ctx.settings.behaviors_need_resolution && entity.state != RdeState::Resolved {
        let message = format!("Entity {} is not resolved.", entity.id);
        return Err(Problem::new(400, "RDE_ENTITY_NOT_RESOLVED", message));
    }
    let body = call.json()?;
    let owner = Reference::entity(&entity.id);
    let operation = format!("Invoked {} {}({})", known.name, entity.name, entity.id);
    let task = ctx.start_task(&Starter::of(call), ("executeBehavior", operation), owner);
    ctx.history.count("behavior.invoked", &entity.id);
    let given = |key: &str| body.get(key).cloned().unwrap_or_else(|| json!({}));
    let invocation = Invocation {
        task: task.clone(),
        entity_id: entity.id.clone(),
        behavior_id: known.id.clone(),
        execution: Execution::of(known),
        arguments: given("arguments"),
        metadata: given("metadata"),
    };
    let end = ctx.now.plus(Timings::vary(ctx.timings.behavior, ctx.rng));
    let due = Due::Behavior(Box::new(invocation));
    ctx.schedule.put(end, world::Due::Entities(due));
    Ok(accepted(ctx.site, &task))
}

/// The behavior named, if it exists and `level` is enough for it.
fn permitted<'r>(
    (entity, level): (&Entity, Level),
    behavior: &str,
    registry: &'r Registry,
) -> Result<&'r Behavior, Problem> {
    let found = registry.types.get(&entity.type_urn);
    // The behavior's interface need not be one of the type's: the published set-up of CSE registers
    // the type with `vmware:k8s` alone and still invokes `getFullEntity` of `cse:capvcd`.
    let overriding = found.and_then(|found| found.overrides.get(behavior));
    let known = overriding.or_else(|| registry.behavior(behavior));
    let known = known.ok_or_else(|| {
        let message = format!(
            "The behavior {behavior} is not defined for {}.",
            entity.type_urn
        );
        Problem::new(400, "RDE_INVALID_BEHAVIOR_SCOPE", message)
    })?;
    let required = found.and_then(|found| {
        let level = found.behavior_levels.get(&known.id);
        Level::parse(level.or_else(|| found.behavior_levels.get(&known.reference))?)
    });
    if level >= required.unwrap_or(Level::FullControl) {
        return Ok(known);
    }
    Err(Problem::forbidden(format!(
        "You lack the access level to invoke {behavior}."
    )))
}

/// Ends an invocation.
pub(super) fn finish(invocation: &Invocation, ctx: &mut Context<'_>, entities: &Entities) {
    let outcome = match entities.get(&invocation.entity_id) {
        Some(entity) => outcome(invocation, entity, ctx.directory.org_name(&entity.org_id)),
        None => TaskState::Failed(invisible(&invocation.entity_id)),
    };
    ctx.tasks.finish(&invocation.task, outcome, ctx.wall);
}

fn outcome(invocation: &Invocation, entity: &Entity, org: Option<&str>) -> TaskState {
    match invocation.execution {
        Execution::Noop => {
            let echo = json!({
                "arguments": invocation.arguments,
                "entityId": entity.id,
                "typeId": entity.type_urn,
                "entity": entity.content.parse(),
                "_metadata": {
                    "behaviorId": invocation.behavior_id,
                    "executionType": "noop",
                    "apiVersion": null,
                    "invocation": invocation.metadata,
                    "tenant": org,
                    "taskId": format!("urn:vcloud:task:{}", invocation.task),
                },
            });
            TaskState::Success {
                result: Some(echo.to_string()),
            }
        }
        Execution::KubeConfig => {
            let path = ["status", "capvcd", "private", "kubeConfig"];
            match entity.content.text_at(&path) {
                Some(config) => TaskState::Success {
                    result: Some(config),
                },
                None => {
                    TaskState::Failed(Problem::bad_request("The cluster has no kubeconfig yet."))
                }
            }
        }
        Execution::Extension => TaskState::Failed(Problem::new(
            500,
            "INTERNAL_SERVER_ERROR",
            "The extension did not answer within its time limit.",
        )),
    }
}
