//! `/cloudapi/1.0.0/entityTypes`, their behaviors and who may call them.
//!
//! Invariants:
//! - Schema and identity of a type with entities do not change, and such a type is not deleted.
//! - Below 39.0 a tenant sees only the types it holds a right on.
//!
//! Not here: creating an entity (`POST` on one type, `sim::entities::create`).
//! Source: VCD `OpenAPI` 37.2, defined entity types.

use http::Method;
use serde_json::{Value, json};

use super::{
    Behavior, EntityType, Registry, TypeDefinition, behavior_document, identity, provider_only,
    text,
};
use crate::sim::access::{Level, TypeRights};
use crate::sim::call::{ApiVersion, Call};
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::entities::grants;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights;

const KEYS: [&str; 5] = ["id", "name", "vendor", "nss", "version"];

/// From here on a tenant sees all entity types.
const ALL_VISIBLE_SINCE: ApiVersion = ApiVersion {
    major: 39,
    minor: 0,
};

/// Answers `/cloudapi/1.0.0/entityTypes...`, except the creation of entities.
pub(crate) fn handle(
    call: &Call<'_>,
    rest: &[&str],
    ctx: &mut Context<'_>,
    (registry, entities): (&mut Registry, &Entities),
) -> Result<Reply, Problem> {
    if *call.method != Method::GET {
        provider_only(call)?;
    }
    match (call.method, rest) {
        (&Method::GET, []) => {
            let visible = registry
                .types
                .values()
                .filter(|found| is_visible(call, found));
            let rows = visible.map(document).collect();
            paging::list(
                call,
                ctx.site,
                &Listing::of("DefinedEntityTypes", &KEYS),
                rows,
            )
        }
        (&Method::POST, []) => create(call, ctx, registry),
        (_, [id, rest @ ..]) => {
            let found = registry
                .types
                .get_mut(*id)
                .filter(|found| is_visible(call, found));
            let found = found.ok_or_else(|| super::not_found(id))?;
            match rest {
                [] => {
                    let in_use = entities.iter().any(|entity| entity.type_urn == *id);
                    one(call, id, registry, in_use)
                }
                ["behaviors", rest @ ..] => behaviors(call, (id, rest), ctx, registry),
                ["behaviorAccessControls"] => behavior_levels(call, ctx, found),
                ["accessControls", rest @ ..] => {
                    grants::handle(call, (id, rest), ctx, &mut found.grants)
                }
                _ => Err(super::not_found(id)),
            }
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Whether the caller may know of the type.
pub(crate) fn is_visible(call: &Call<'_>, found: &EntityType) -> bool {
    let who = &call.principal;
    who.provider
        || call.version >= ALL_VISIBLE_SINCE
        || TypeRights::of(who, &found.rules.right_prefix()).any()
}

fn document(found: &EntityType) -> Value {
    let definition = &found.definition;
    json!({
        "id": found.rules.type_urn,
        "name": definition.name,
        "description": definition.description,
        "vendor": definition.vendor,
        "nss": definition.nss,
        "version": definition.version,
        "inheritedVersion": definition.inherited_version,
        "externalId": definition.external_id,
        "schema": definition.schema,
        "interfaces": definition.interfaces,
        "hooks": definition.hooks,
        "readonly": found.readonly,
        "maxImplicitRight": definition.max_implicit_right,
    })
}

fn definition(body: &Value) -> Result<TypeDefinition, Problem> {
    let (vendor, nss, version) = identity(body)?;
    let schema = body
        .get("schema")
        .filter(|schema| schema.is_object())
        .cloned();
    let interfaces = body
        .get("interfaces")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    Ok(TypeDefinition {
        vendor,
        nss,
        version,
        name: text(body, "name").unwrap_or_default(),
        description: text(body, "description"),
        external_id: text(body, "externalId"),
        inherited_version: text(body, "inheritedVersion"),
        schema: schema.ok_or_else(|| Problem::bad_request("schema is missing"))?,
        interfaces: interfaces
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        hooks: body.get("hooks").filter(|hooks| !hooks.is_null()).cloned(),
        max_implicit_right: text(body, "maxImplicitRight"),
    })
}

fn check_interfaces(definition: &TypeDefinition, registry: &Registry) -> Result<(), Problem> {
    let mut interfaces = definition.interfaces.iter();
    match interfaces.find(|id| !registry.interfaces.contains_key(*id)) {
        Some(unknown) => Err(Problem::bad_request(format!(
            "The interface {unknown} does not exist."
        ))),
        None => Ok(()),
    }
}

fn create(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    registry: &mut Registry,
) -> Result<Reply, Problem> {
    let definition = definition(&call.json()?)?;
    check_interfaces(&definition, registry)?;
    let TypeDefinition {
        vendor,
        nss,
        version,
        ..
    } = &definition;
    let id = format!("urn:vcloud:type:{vendor}:{nss}:{version}");
    if registry.types.contains_key(&id) {
        return Err(Problem::new(
            400,
            "DUPLICATE_NAME",
            format!("The type {id} already exists."),
        ));
    }
    let prefix = format!("{vendor}:{nss}");
    let id = registry.put_type(definition)?;
    rights::add_type(ctx.directory, &prefix);
    let found = registry
        .types
        .get(&id)
        .ok_or_else(|| super::not_found(&id))?;
    Ok(Reply::json(201, call.version, &document(found)))
}

fn one(call: &Call<'_>, id: &str, registry: &mut Registry, in_use: bool) -> Result<Reply, Problem> {
    let found = registry.types.get(id).ok_or_else(|| super::not_found(id))?;
    let refused = || Problem::bad_request(format!("The type {id} has entities or is built in."));
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &document(found))),
        Method::PUT => {
            let mut wanted = definition(&call.json()?)?;
            let kept = &found.definition;
            if (&wanted.vendor, &wanted.nss, &wanted.version)
                != (&kept.vendor, &kept.nss, &kept.version)
            {
                return Err(Problem::bad_request(
                    "vendor, nss and version of a type cannot change",
                ));
            }
            if (in_use && wanted.schema != kept.schema) || found.readonly {
                return Err(refused());
            }
            check_interfaces(&wanted, registry)?;
            let kept = found.clone();
            wanted.external_id = wanted.external_id.or(kept.definition.external_id);
            registry.put_type(wanted)?;
            let found = registry
                .types
                .get_mut(id)
                .ok_or_else(|| super::not_found(id))?;
            found.overrides = kept.overrides;
            found.behavior_levels = kept.behavior_levels;
            found.grants = kept.grants;
            if in_use {
                found.rules = kept.rules;
            }
            Ok(Reply::json(200, call.version, &document(found)))
        }
        Method::DELETE if in_use || found.readonly => Err(refused()),
        Method::DELETE => {
            registry.types.remove(id);
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}

/// Behaviors of a type: those of its interfaces, overridden where it overrides them.
fn of_type<'r>(found: &'r EntityType, registry: &'r Registry) -> Vec<&'r Behavior> {
    let interfaces = found.definition.interfaces.iter();
    let inherited = interfaces.filter_map(|id| registry.interfaces.get(id));
    let inherited = inherited.flat_map(|interface| interface.behaviors.values());
    inherited
        .map(|behavior| found.overrides.get(&behavior.id).unwrap_or(behavior))
        .collect()
}

fn behaviors(
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

fn behavior_levels(
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
            found.behavior_levels.insert(behavior, level);
            return Ok(Reply::json(201, call.version, &body));
        }
        Method::PUT => {
            let body = call.json()?;
            let values = body
                .get("values")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            found.behavior_levels = values.iter().map(read).collect::<Result<_, _>>()?;
        }
        _ => return Err(Problem::wrong_method()),
    }
    let rows = found.behavior_levels.iter().map(show).collect();
    paging::list(
        call,
        ctx.site,
        &Listing::of("BehaviorAccesses", &["behaviorId"]),
        rows,
    )
}
