//! Behaviors at work: invocations on entities, and the ones that hooks bring about.
//!
//! Invariants:
//! - A behavior sees the content with its secure fields, as it is when the invocation ends; private
//!   fields only if its caller has full control. A hook sees everything.
//! - The caller needs the level that the type's behavior access control asks for; full control
//!   where it asks for none.
//!
//! Not here: what follows from a hook (`life`). Nobody answers `MQTT` and `WebHook` behaviors: they fail
//! when their time is over.
//! Source: VCD `OpenAPI` 37.2, invocations; no-op behaviors, which echo unless they are told what to
//! return; `extensibility.timeout`.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::invisible;
use super::life::Purpose;
use super::{Due, Entities, Entity, RdeState};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::registry::{Behavior, FieldRules, Registry};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::{Reference, Starter, TaskState};
use crate::sim::versions;
use crate::sim::world;

/// How long an extension has to answer, unless its behavior says otherwise.
const EXTENSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that a behavior can give an extension.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// What an invocation does when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Execution {
    /// Answers with what it was given and the whole entity.
    Noop,
    /// A no-op with a result of its own, as JSON text.
    Returns(String),
    /// A no-op with an error of its own.
    Fails(Problem),
    /// The built-in that hands out a cluster's kubeconfig.
    KubeConfig,
    /// Anything that an extension would have to answer.
    Extension,
}

/// A running invocation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Invocation {
    /// Bare UUID.
    pub(crate) task: String,
    pub(super) entity_id: String,
    behavior_id: String,
    execution: Execution,
    arguments: Value,
    metadata: Value,
    /// Whether private fields are shown.
    full: bool,
    pub(super) starter: Starter,
    pub(super) purpose: Purpose,
}

impl Execution {
    fn of(behavior: &Behavior) -> Self {
        let text = |key: &str| behavior.execution.get(key).and_then(Value::as_str);
        let kind = text("type").unwrap_or_default().to_ascii_lowercase();
        match (kind.as_str(), text("id").unwrap_or_default()) {
            ("noop", _) => Self::noop(behavior),
            ("activity", "CreateKubeConfigActivity") => Self::KubeConfig,
            _ => Self::Extension,
        }
    }

    fn noop(behavior: &Behavior) -> Self {
        if let Some(error) = property(behavior, "returnError") {
            let text = |key: &str| error.get(key).and_then(Value::as_str);
            let code = error.get("majorErrorCode").and_then(Value::as_u64);
            let code = code
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or(500);
            let message = text("message").unwrap_or_default();
            let minor = text("minorErrorCode").unwrap_or("INTERNAL_SERVER_ERROR");
            return Self::Fails(Problem {
                minor: Cow::Owned(minor.to_owned()),
                ..Problem::new(code, "", message)
            });
        }
        match property(behavior, "returnValue") {
            Some(value) => Self::Returns(value.to_string()),
            None => Self::Noop,
        }
    }
}

/// A special property of an execution, which stands in it or one level down.
fn property<'b>(behavior: &'b Behavior, name: &str) -> Option<&'b Value> {
    let execution = &behavior.execution;
    let properties = execution.get("execution_properties");
    let found = properties.and_then(|properties| properties.get(name));
    found
        .or_else(|| execution.get(name))
        .filter(|value| !value.is_null())
}

impl Invocation {
    /// A hook's invocation, not yet started.
    pub(super) fn hook(
        entity: &Entity,
        behavior: &Behavior,
        starter: &Starter,
        purpose: Purpose,
    ) -> Self {
        Self {
            task: String::new(),
            entity_id: entity.id.clone(),
            behavior_id: behavior.id.clone(),
            execution: Execution::of(behavior),
            arguments: json!({}),
            metadata: json!({}),
            full: true,
            starter: starter.clone(),
            purpose,
        }
    }
}

/// Starts an invocation; its task by bare UUID.
pub(super) fn start(
    mut invocation: Invocation,
    (entity, behavior): (&Entity, &Behavior),
    ctx: &mut Context<'_>,
) -> String {
    let owner = Reference::entity(&entity.id);
    let operation = format!("Invoked {} {}({})", behavior.name, entity.name, entity.id);
    let task = ctx.start_task(&invocation.starter, ("executeBehavior", operation), owner);
    ctx.history.count("behavior.invoked", &entity.id);
    invocation.task.clone_from(&task);
    let takes = match invocation.execution {
        Execution::Extension => {
            let own = property(behavior, "invocation_timeout").and_then(Value::as_u64);
            own.map_or(EXTENSION_TIMEOUT, Duration::from_secs)
                .min(LONGEST_TIMEOUT)
        }
        Execution::Noop | Execution::Returns(_) | Execution::Fails(_) | Execution::KubeConfig => {
            ctx.timings.vary(ctx.timings.behavior, ctx.rng)
        }
    };
    let due = Due::Behavior(Box::new(invocation));
    (ctx.schedule).put(ctx.now.plus(takes), world::Due::Entities(due));
    task
}

/// `POST .../behaviors/{behavior}/invocations`.
pub(super) fn invoke(
    call: &Call<'_>,
    (entity, level): (&Entity, Level),
    behavior: &str,
    (ctx, registry): (&mut Context<'_>, &Registry),
) -> Result<Reply, Problem> {
    let known = permitted(call, (entity, level), behavior, registry)?;
    if call.settings.behaviors_need_resolution && entity.state != RdeState::Resolved {
        let message = format!("Entity {} is not resolved.", entity.id);
        return Err(Problem::new(400, "RDE_ENTITY_NOT_RESOLVED", message));
    }
    let body = call.json()?;
    let given = |key: &str| body.get(key).cloned().unwrap_or_else(|| json!({}));
    let invocation = Invocation {
        arguments: given("arguments"),
        metadata: given("metadata"),
        full: level == Level::FullControl,
        ..Invocation::hook(entity, known, &Starter::of(call), Purpose::Call)
    };
    let task = start(invocation, (entity, known), ctx);
    Ok(accepted(ctx.site, &task))
}

/// `GET .../invocations/{invocation}/log`: what an invocation, known by its task, wrote. Nothing here does.
pub(super) fn log(
    call: &Call<'_>,
    entity: &Entity,
    invocation: &str,
    ctx: &Context<'_>,
) -> Result<Reply, Problem> {
    let task = ctx.tasks.get(bare(invocation));
    task.filter(|task| task.operation_name == "executeBehavior" && task.owner.id == entity.id)
        .map(|_| Reply::json(200, call.version, &json!("")))
        .ok_or_else(|| {
            Problem::forbidden(format!("{invocation} not found or you lack access to it."))
        })
}

/// The behavior named, if it exists and `level` is enough for it.
fn permitted<'r>(
    call: &Call<'_>,
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
    let closed = required.is_none() && call.settings.ungoverned_behaviors_are_closed;
    if level >= required.unwrap_or(Level::FullControl) && !closed {
        return Ok(known);
    }
    Err(Problem::forbidden(format!(
        "You lack the access level to invoke {behavior}."
    )))
}

/// Ends an invocation and tells how.
pub(super) fn finish(
    invocation: &Invocation,
    ctx: &mut Context<'_>,
    entities: &Entities,
) -> TaskState {
    let outcome = match entities.get(&invocation.entity_id) {
        Some(entity) => outcome(invocation, entity, ctx.directory.org_name(&entity.org_id)),
        None => TaskState::Failed(invisible(
            &invocation.entity_id,
            versions::highest(&versions::DEFAULT),
        )),
    };
    ctx.tasks
        .finish(&invocation.task, outcome.clone(), ctx.wall);
    outcome
}

fn outcome(invocation: &Invocation, entity: &Entity, org: Option<&str>) -> TaskState {
    let success = |result: String| TaskState::Success {
        result: Some(result),
    };
    match &invocation.execution {
        Execution::Noop => success(echo(invocation, entity, org).to_string()),
        Execution::Returns(value) => success(value.clone()),
        Execution::Fails(problem) => TaskState::Failed(problem.clone()),
        Execution::KubeConfig => {
            let path = ["status", "capvcd", "private", "kubeConfig"];
            match entity.content.text_at(&path) {
                Some(config) => success(config),
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

fn echo(invocation: &Invocation, entity: &Entity, org: Option<&str>) -> Value {
    let mut content = entity.content.parse();
    if !invocation.full {
        hide_private(&mut content, &entity.rules.fields);
    }
    json!({
        "arguments": invocation.arguments,
        "entityId": entity.id,
        "typeId": entity.type_urn,
        "entity": content,
        "_metadata": {
            "behaviorId": invocation.behavior_id,
            "executionType": "noop",
            "apiVersion": null,
            "invocation": invocation.metadata,
            "tenant": org,
            "taskId": format!("urn:vcloud:task:{}", invocation.task),
        },
    })
}

fn hide_private(content: &mut Map<String, Value>, rules: &FieldRules) {
    content.retain(|name, _| {
        !rules
            .properties
            .get(name)
            .is_some_and(|rules| rules.private)
    });
    for (name, rules) in &rules.properties {
        match content.get_mut(name) {
            Some(Value::Object(below)) => hide_private(below, rules),
            Some(Value::Array(items)) => {
                let Some(rules) = rules.items.as_deref() else {
                    continue;
                };
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    hide_private(item, rules);
                }
            }
            _ => {}
        }
    }
}
