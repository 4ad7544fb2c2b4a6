//! `POST /cloudapi/1.0.0/entityTypes/{type}`: a new entity.
//!
//! Invariants:
//! - Not idempotent, and names are not unique: the same request twice makes two entities.
//! - The task names the entity from its first read on, and runs until the entity is resolved.
//!
//! Source: VCD `OpenAPI` 37.2, creation of a defined entity.

use serde_json::Value;

use super::api::{hooks_wanted, may_skip_hooks};
use super::life::Lives;
use super::{Entities, NewEntity};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::registry::{Registry, types};
use crate::sim::reply::{Problem, Reply};
use crate::sim::task_api::accepted;
use crate::sim::tasks::{Reference, Starter};

/// Creates an entity of `type_urn` in the organization the caller acts in.
pub(crate) fn create(
    call: &Call<'_>,
    type_urn: &str,
    ctx: &mut Context<'_>,
    (entities, registry): (&mut Entities, &Registry),
) -> Result<Reply, Problem> {
    let found = registry
        .types
        .get(type_urn)
        .filter(|found| types::is_visible(call, found));
    let found = found.ok_or_else(|| {
        Problem::forbidden(format!("{type_urn} not found or you lack access to it."))
    })?;
    let rights = types::rights(&call.principal, &found.rules, Some(found));
    if rights.own.max(rights.administrator) < Some(Level::ReadWrite) {
        return Err(Problem::forbidden(format!(
            "Either you need some or all of the following rights [{}: Modify].",
            found.rules.right_prefix()
        )));
    }
    may_skip_hooks(call, Some(found))?;
    let body: Value = call.json()?;
    let text = |key: &str| {
        body.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let name = text("name")
        .ok_or_else(|| Problem::bad_request("name is missing"))?
        .to_owned();
    let content = body.get("entity").and_then(Value::as_object).cloned();
    let content = content.ok_or_else(|| Problem::bad_request("entity is missing or no object"))?;
    if text("entityType").is_some_and(|urn| urn != type_urn) {
        return Err(Problem::bad_request(
            "entityType does not match the type in the path",
        ));
    }
    let new = NewEntity {
        rules: std::sync::Arc::clone(&found.rules),
        name: name.clone(),
        external_id: text("externalId").map(str::to_owned),
        content,
        owner_id: call.principal.user_id.clone(),
        org_id: call.principal.acting_org_id.clone(),
    };
    let id = entities.add(new, ctx);
    ctx.history.count("entity.created", &id);
    let owner = Reference::entity(&id);
    let operation = format!("Creating Runtime Defined Entity {name}({id})");
    let task = ctx.start_task(
        &Starter::of(call),
        ("createDefinedEntity", operation),
        owner,
    );
    if let Some(entity) = entities.get_mut(&id) {
        entity.create_task = Some(task.clone());
    }
    let resolve = call
        .query("resolveEntity")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let lives = &mut Lives::of(ctx, entities, registry);
    lives.born(&id, &Starter::of(call), (hooks_wanted(call), resolve));
    Ok(accepted(ctx.site, &task))
}
