//! `/cloudapi/1.0.0/interfaces` and the behaviors of interfaces.
//!
//! Invariants:
//! - Once an entity type implements an interface, only its name changes, and it gains no behavior.
//!
//! Source: VCD `OpenAPI` 37.2, defined interfaces.

use http::Method;
use serde_json::{Value, json};

use super::{
    Behavior, Interface, Registry, behavior_document, identity, interface_urn, provider_only, text,
};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

const KEYS: [&str; 5] = ["id", "name", "vendor", "nss", "version"];

/// Answers `/cloudapi/1.0.0/interfaces...`.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    registry: &mut Registry,
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        provider_only(call)?;
    }
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
        (_, [id, rest @ ..]) if registry.interfaces.contains_key(*id) => match rest {
            [] => one(call, id, registry),
            ["behaviors", rest @ ..] => behaviors(call, (id, rest), ctx, registry),
            _ => Err(super::not_found(id)),
        },
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
            "DUPLICATE_NAME",
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

fn one(call: &Call<'_>, id: &str, registry: &mut Registry) -> Result<Reply, Problem> {
    let in_use = registry.in_use(id);
    let interface = registry
        .interfaces
        .get_mut(id)
        .ok_or_else(|| super::not_found(id))?;
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &document(interface))),
        Method::PUT => {
            let name = text(&call.json()?, "name");
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
    registry: &mut Registry,
) -> Result<Reply, Problem> {
    let in_use = registry.in_use(id);
    let interface = registry
        .interfaces
        .get_mut(id)
        .ok_or_else(|| super::not_found(id))?;
    match (call.method, rest) {
        (&Method::GET, []) => {
            let rows = interface
                .behaviors
                .values()
                .map(behavior_document)
                .collect();
            paging::list(
                call,
                ctx.site,
                &Listing::of("Behaviors", &["id", "name"]),
                rows,
            )
        }
        (&Method::POST | &Method::DELETE, _) if in_use => Err(Problem::bad_request(format!(
            "The interface {id} is in use by an entity type."
        ))),
        (&Method::POST, []) => {
            let body = call.json()?;
            let name = text(&body, "name").filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Problem::bad_request("name is missing"))?;
            if interface
                .behaviors
                .values()
                .any(|behavior| behavior.name == name)
            {
                return Err(Problem::new(
                    400,
                    "RDE_BEHAVIOR_ALREADY_EXISTS",
                    format!("The behavior {name} already exists."),
                ));
            }
            let execution = body.get("execution").cloned().unwrap_or_default();
            let behavior_id = registry.put_behavior(id, &name, execution);
            let behavior_id = behavior_id.ok_or_else(|| super::not_found(id))?;
            let stored = registry
                .interfaces
                .get_mut(id)
                .and_then(|found| found.behaviors.get_mut(&behavior_id));
            let stored = stored.ok_or_else(|| super::not_found(&behavior_id))?;
            stored.description = text(&body, "description");
            Ok(Reply::json(201, call.version, &behavior_document(stored)))
        }
        (_, [behavior]) => one_behavior(call, interface, behavior),
        _ => Err(Problem::wrong_method()),
    }
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
