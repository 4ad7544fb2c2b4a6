//! Behaviors of an entity type: what its interfaces give it, what it overrides, and who may call them.
//!
//! Invariants:
//! - An override keeps the name of the behavior it stands in for, and goes by that one's reference, too.
//!
//! Not here: invocations (`sim::entities`), behaviors of interfaces (`interfaces`).
//! Source: VCD `OpenAPI` 37.2, behaviors and behavior access controls of defined entity types.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::{Behavior, EntityType, Registry, behavior_document, text};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Behaviors of a type: those of its interfaces, overridden where it overrides them.
fn of_type<'r>(found: &'r EntityType, registry: &'r Registry) -> Vec<&'r Behavior> {
    let interfaces = found.definition.interfaces.iter();
    let inherited = interfaces.filter_map(|id| registry.interfaces.get(id));
    let inherited = inherited.flat_map(|interface| interface.behaviors.values());
    inherited
        .map(|behavior| found.overrides.get(&behavior.id).unwrap_or(behavior))
        .collect()
}

/// Answers `.../behaviors...` of the type `id`.
pub(super) fn behaviors(
    call: &Call<'_>,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    registry: &mut Registry,
) -> Result<Reply, Problem> {
    let found = registry.types.get(id).ok_or_else(|| super::not_found(id))?;
    let all = of_type(found, registry);
    let [wanted] = rest else {
        let rows = all.into_iter().map(behavior_document).collect();
        return paging::list(
            call,
            ctx.site,
            &Listing::of("Behaviors", &["id", "name"]),
            rows,
        );
    };
    let mut same = all
        .into_iter()
        .filter(|behavior| behavior.id == *wanted || behavior.reference == *wanted);
    let behavior = same
        .next()
        .ok_or_else(|| super::no_behavior(wanted))?
        .clone();
    match *call.method {
        Method::GET => Ok(Reply::json(
            200,
            call.version,
            &behavior_document(&behavior),
        )),
        Method::PUT => {
            let over = overriding(call, id, behavior)?;
            let reply = Reply::json(200, call.version, &behavior_document(&over));
            if let Some(found) = registry.types.get_mut(id) {
                found.overrides.insert(over.reference.clone(), over);
            }
            Ok(reply)
        }
        Method::DELETE => {
            if let Some(found) = registry.types.get_mut(id) {
                found.overrides.remove(&behavior.reference);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// The behavior that stands in for `inherited` in the type `id`, as the body describes it.
fn overriding(call: &Call<'_>, id: &str, inherited: Behavior) -> Result<Behavior, Problem> {
    let body = call.json()?;
    if text(&body, "name").is_some_and(|name| name != inherited.name) {
        return Err(Problem::bad_request(
            "The name of an overridden behavior cannot change.",
        ));
    }
    let prefix = format!("urn:vcloud:behavior-interface:{}:", inherited.name);
    let reference = &inherited.reference;
    let interface = reference.strip_prefix(&prefix).unwrap_or(reference);
    let scope = id.trim_start_matches("urn:vcloud:type:");
    Ok(Behavior {
        id: format!(
            "urn:vcloud:behavior-type:{}:{scope}:{interface}",
            inherited.name
        ),
        description: text(&body, "description"),
        execution: body.get("execution").cloned().unwrap_or_default(),
        ..inherited
    })
}

/// Answers `.../behaviorAccessControls` of a type.
pub(super) fn behavior_levels(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    found: &mut EntityType,
) -> Result<Reply, Problem> {
    let read = |value: &Value| -> Result<(String, String), Problem> {
        let level = text(value, "accessLevelId").filter(|level| Level::parse(level).is_some());
        text(value, "behaviorId")
            .zip(level)
            .ok_or_else(|| Problem::bad_request("behaviorId and a known accessLevelId are needed"))
    };
    let show = |(behavior, level): (&String, &String)| json!({"behaviorId": behavior, "accessLevelId": level});
    match *call.method {
        Method::GET => {}
        Method::POST => {
            let body = call.json()?;
            let (behavior, level) = read(&body)?;
            let row = show((&behavior, &level));
            found.behavior_levels.insert(behavior, level);
            return Ok(Reply::json(201, call.version, &row));
        }
        Method::PUT => {
            let body = call.json()?;
            let values = body
                .get("values")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let levels: BTreeMap<String, String> =
                values.iter().map(read).collect::<Result<_, _>>()?;
            found.behavior_levels = levels;
        }
        _ => return Err(Problem::wrong_method()),
    }
    let rows = found.behavior_levels.iter().map(show).collect();
    let listing = Listing::of("BehaviorAccesses", &["behaviorId", "accessLevelId"]);
    paging::list(call, ctx.site, &listing, rows)
}
