//! `/cloudapi/1.0.0/interfaces` and the behaviors of interfaces.
//!
//! Invariants:
//! - Once an entity type implements an interface, only its name changes, and none of its behaviors.
//! - What is built in does not change at all.
//!
//! Source: VCD `OpenAPI` 37.2, defined interfaces.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::{
    Behavior, Interface, Registry, behavior_document, identity, interface_urn, provider_only, text,
};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const KEYS: [&str; 5] = ["id", "name", "vendor", "nss", "version"];

/// Answers `/cloudapi/1.0.0/interfaces...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    (registry, entities): (&mut Registry, &Entities),
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        provider_only(call)?;
    }
    let until_entities = call.settings.interfaces_free_until_entities;
    let entities = until_entities.then_some(entities);
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = registry.interfaces.values().map(document).collect();
            paging::list(
                call,
                ctx.site,
                &Listing::of("DefinedInterfaces", &KEYS),
                rows,
            )
        }
        (&Method::POST, []) => create(call, registry),
        (_, [id, rest @ ..]) if registry.interfaces.contains_key(*id) => {
            let in_use = registry.in_use(id, entities);
            match rest {
                [] => one(call, id, (registry, in_use)),
                ["behaviors", rest @ ..] => behaviors(call, (id, rest), ctx, (registry, in_use)),
                _ => Err(super::not_found(id)),
            }
        }
        (_, [id, ..]) => Err(super::not_found(id)),
        _ => Err(Problem::wrong_method()),
    }
}

fn document(interface: &Interface) -> Value {
    json!({
        "id": interface.id,
        "name": interface.name,
        "vendor": interface.vendor,
        "nss": interface.nss,
        "version": interface.version,
        "readonly": interface.readonly,
    })
}

fn create(call: &Call<'_>, registry: &mut Registry) -> Result<Reply, Problem> {
    let body = call.json()?;
    let (vendor, nss, version) = identity(&body)?;
    let name = text(&body, "name").unwrap_or_default();
    let id = interface_urn((&vendor, &nss, &version));
    if registry.interfaces.contains_key(&id) {
        return Err(Problem::new(
            400,
            "RDE_INTERFACE_ALREADY_EXISTS",
            format!("The interface {id} already exists."),
        ));
    }
    let id = registry.put_interface((&vendor, &nss, &version), &name, false);
    let interface = registry
        .interfaces
        .get(&id)
        .ok_or_else(|| super::not_found(&id))?;
    Ok(Reply::json(201, call.version, &document(interface)))
}

fn one(
    call: &Call<'_>,
    id: &str,
    (registry, in_use): (&mut Registry, bool),
) -> Result<Reply, Problem> {
    let interface = registry
        .interfaces
        .get_mut(id)
        .ok_or_else(|| super::not_found(id))?;
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &document(interface))),
        Method::PUT => {
            let body = call.json()?;
            let own = [
                ("vendor", &interface.vendor),
                ("nss", &interface.nss),
                ("version", &interface.version),
            ];
            let moved =
                |(key, own): &(&str, &String)| text(&body, key).is_some_and(|sent| sent != **own);
            if interface.readonly || own.iter().any(moved) {
                return Err(Problem::bad_request(
                    "vendor, nss and version of an interface cannot change, nor a built-in one",
                ));
            }
            let name = text(&body, "name");
            interface.name = name.ok_or_else(|| Problem::bad_request("name is missing"))?;
            Ok(Reply::json(200, call.version, &document(interface)))
        }
        Method::DELETE if in_use || interface.readonly => Err(Problem::bad_request(format!(
            "The interface {id} is in use or built in."
        ))),
        Method::DELETE => {
            registry.interfaces.remove(id);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

fn behaviors(
    call: &Call<'_>,
    (id, rest): (&str, &[&str]),
    ctx: &mut Context<'_>,
    (registry, in_use): (&mut Registry, bool),
) -> Result<Reply, Problem> {
    let interface = registry
        .interfaces
        .get_mut(id)
        .ok_or_else(|| super::not_found(id))?;
    let change = *call.method != Method::GET;
    if change && (in_use || interface.readonly) {
        return Err(Problem::bad_request(format!(
            "The interface {id} is in use by an entity type or built in."
        )));
    }
    match (call.method, rest) {
        (&Method::GET, []) => listed(call, ctx, interface),
        (&Method::POST, []) => {
            let behavior = read(&call.json()?, interface)?;
            if interface.behaviors.contains_key(&behavior.id) {
                return Err(exists(&behavior.name));
            }
            let reply = Reply::json(201, call.version, &behavior_document(&behavior));
            interface.behaviors.insert(behavior.id.clone(), behavior);
            Ok(reply)
        }
        (&Method::PUT, []) => {
            let body = call.json()?;
            let values = body.get("values").and_then(Value::as_array);
            let values = values.ok_or_else(|| Problem::bad_request("values is missing"))?;
            let mut wanted = BTreeMap::new();
            for value in values {
                let behavior = read(value, interface)?;
                let name = behavior.name.clone();
                if wanted.insert(behavior.id.clone(), behavior).is_some() {
                    return Err(exists(&name));
                }
            }
            interface.behaviors = wanted;
            listed(call, ctx, interface)
        }
        (_, [behavior]) => one_behavior(call, interface, behavior),
        _ => Err(Problem::wrong_method()),
    }
}

fn listed(call: &Call<'_>, ctx: &Context<'_>, interface: &Interface) -> Result<Reply, Problem> {
    let behaviors = interface.behaviors.values();
    let rows = behaviors.map(behavior_document).collect();
    let listing = Listing::of("Behaviors", &["id", "ref", "name"]);
    paging::list(call, ctx.site, &listing, rows)
}

fn exists(name: &str) -> Problem {
    Problem::new(
        400,
        "RDE_BEHAVIOR_ALREADY_EXISTS",
        format!("The behavior {name} already exists."),
    )
}

/// Reads a behavior of `interface`; its name makes its id.
fn read(body: &Value, interface: &Interface) -> Result<Behavior, Problem> {
    let name = text(body, "name").filter(|name| !name.is_empty() && !name.contains(':'));
    let name = name.ok_or_else(|| Problem::bad_request("name is missing or holds a colon"))?;
    let id = interface.behavior_id(&name);
    Ok(Behavior {
        id: id.clone(),
        reference: id,
        name,
        description: text(body, "description"),
        execution: body.get("execution").cloned().unwrap_or_default(),
    })
}

fn one_behavior(call: &Call<'_>, interface: &mut Interface, id: &str) -> Result<Reply, Problem> {
    let stored: &mut Behavior = interface
        .behaviors
        .get_mut(id)
        .ok_or_else(|| super::no_behavior(id))?;
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &behavior_document(stored))),
        Method::PUT => {
            let body = call.json()?;
            if text(&body, "name").is_some_and(|name| name != stored.name) {
                return Err(Problem::bad_request(
                    "The name of a behavior cannot change.",
                ));
            }
            stored.description = text(&body, "description");
            stored.execution = body.get("execution").cloned().unwrap_or_default();
            Ok(Reply::json(200, call.version, &behavior_document(stored)))
        }
        Method::DELETE => {
            interface.behaviors.remove(id);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}
