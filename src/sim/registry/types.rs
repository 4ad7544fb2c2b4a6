//! `/cloudapi/1.0.0/entityTypes`: register, read, change, delete, and who has access to a type.
//!
//! Invariants:
//! - Schema and identity of a type with entities do not change, and such a type is not deleted.
//! - Below 39.0 a tenant sees only the types it holds a right on.
//!
//! - A new version takes the access of the version below it, unless it names another.
//!
//! Not here: behaviors of types (`type_behaviors`); creating an entity (`POST` on one type, `sim::entities::create`).
//! Source: VCD `OpenAPI` 37.2, defined entity types.

use http::Method;
use serde_json::{Value, json};

use super::type_behaviors::{behavior_levels, behaviors};
use super::{EntityType, Registry, TypeDefinition, TypeRules, identity, provider_only, text};
use crate::sim::access::{self, Level, TypeRights};
use crate::sim::call::{ApiVersion, Call, Principal};
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::entities::{grants, hooks};
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};
use crate::sim::rights;

const KEYS: [&str; 5] = ["id", "name", "vendor", "nss", "version"];

/// From here on a tenant sees all entity types.
const ALL_VISIBLE_SINCE: ApiVersion = ApiVersion {
    major: 39,
    minor: 0,
};

/// From here on types have `maxImplicitRight`.
const IMPLICIT_RIGHTS_SINCE: ApiVersion = ApiVersion {
    major: 37,
    minor: 1,
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
            let rows = visible.map(|found| document(call, found)).collect();
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
                    one(call, id, ctx, (registry, in_use))
                }
                ["behaviors", rest @ ..] => behaviors(call, (id, rest), ctx, registry),
                ["behaviorAccessControls"] => behavior_levels(call, ctx, found),
                ["accessControls", rest @ ..] => {
                    let level = level(call, found).filter(|level| *level == Level::FullControl);
                    let level = level.ok_or_else(|| {
                        Problem::forbidden(format!("Full control of {id} is needed."))
                    })?;
                    grants::handle(call, (id, rest), ctx, (&mut found.grants, level))
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
        || rights(who, &found.rules, Some(found)).any()
}

/// The caller's level on the type itself, as opposed to its entities.
fn level(call: &Call<'_>, found: &EntityType) -> Option<Level> {
    if call.principal.provider {
        return Some(Level::FullControl);
    }
    access::highest_grant(&call.principal, &mut found.grants.values())
}

/// What `who` may do with entities of a type: the rights of its role, and those that the type implies
/// for whoever has a grant on it.
pub(crate) fn rights(who: &Principal, rules: &TypeRules, found: Option<&EntityType>) -> TypeRights {
    let mut rights = TypeRights::of(who, &rules.right_prefix());
    let implied = found.and_then(|found| {
        let most = Level::parse(found.definition.max_implicit_right.as_deref()?)?;
        let granted = access::highest_grant(who, &mut found.grants.values())?;
        Some(most.min(granted))
    });
    rights.own = rights.own.max(implied);
    rights
}

fn document(call: &Call<'_>, found: &EntityType) -> Value {
    let definition = &found.definition;
    let mut document = json!({
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
    });
    if call.version < IMPLICIT_RIGHTS_SINCE
        && let Some(document) = document.as_object_mut()
    {
        document.shift_remove("maxImplicitRight");
    }
    document
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

fn check(definition: &TypeDefinition, registry: &Registry) -> Result<(), Problem> {
    let mut interfaces = definition.interfaces.iter();
    if let Some(unknown) = interfaces.find(|id| !registry.interfaces.contains_key(*id)) {
        return Err(Problem::bad_request(format!(
            "The interface {unknown} does not exist."
        )));
    }
    let implicit = definition.max_implicit_right.as_deref();
    if implicit.is_some_and(|level| Level::parse(level).is_none()) {
        return Err(Problem::bad_request("maxImplicitRight is no access level"));
    }
    let hooks = definition.hooks.as_ref();
    let objection =
        hooks.and_then(|hooks| hooks::objection(hooks, &definition.interfaces, registry));
    match objection {
        Some(objection) => Err(Problem::new(400, "RDE_INVALID_BEHAVIOR_SCOPE", objection)),
        None => Ok(()),
    }
}

fn create(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    registry: &mut Registry,
) -> Result<Reply, Problem> {
    let definition = definition(&call.json()?)?;
    check(&definition, registry)?;
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
            "RDE_TYPE_ALREADY_EXISTS",
            format!("The type {id} already exists."),
        ));
    }
    let prefix = format!("{vendor}:{nss}");
    let parent = parent(&definition, registry).cloned();
    let id = registry.put_type(definition)?;
    rights::add_type(ctx.directory, &prefix);
    let found = registry.types.get_mut(&id);
    let found = found.ok_or_else(|| super::not_found(&id))?;
    if let Some(parent) = parent {
        found.grants = parent.grants;
        found.behavior_levels = parent.behavior_levels;
    }
    Ok(Reply::json(201, call.version, &document(call, found))
        .with_header("content-location", address(ctx, &id)))
}

fn address(ctx: &Context<'_>, id: &str) -> String {
    format!("{}/cloudapi/1.0.0/entityTypes/{id}", ctx.site)
}

/// The version of the same type that a new one takes its access from: the one it names, or else the
/// highest below it. `0` names none.
fn parent<'r>(definition: &TypeDefinition, registry: &'r Registry) -> Option<&'r EntityType> {
    let numbers = |version: &str| -> Vec<u32> {
        let parts = version.split('.');
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    let own = numbers(&definition.version);
    let versions = registry.types.values().filter(|found| {
        let known = &found.definition;
        (&known.vendor, &known.nss) == (&definition.vendor, &definition.nss)
    });
    let mut versions = versions.filter(|found| found.definition.version != definition.version);
    match definition.inherited_version.as_deref() {
        Some("0") => None,
        Some(named) => versions.find(|found| found.definition.version == named),
        None => versions
            .filter(|found| numbers(&found.definition.version) < own)
            .max_by_key(|found| numbers(&found.definition.version)),
    }
}

fn one(
    call: &Call<'_>,
    id: &str,
    ctx: &mut Context<'_>,
    (registry, in_use): (&mut Registry, bool),
) -> Result<Reply, Problem> {
    let found = registry.types.get(id).ok_or_else(|| super::not_found(id))?;
    let refused = || Problem::bad_request(format!("The type {id} has entities or is built in."));
    match *call.method {
        Method::GET => Ok(Reply::json(200, call.version, &document(call, found))),
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
            check(&wanted, registry)?;
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
            Ok(Reply::json(200, call.version, &document(call, found)))
        }
        Method::DELETE if in_use || found.readonly => Err(refused()),
        Method::DELETE => {
            let prefix = found.rules.right_prefix();
            registry.types.remove(id);
            let mut left = registry.types.values();
            if !left.any(|other| other.rules.right_prefix() == prefix) {
                rights::remove_type(ctx.directory, &prefix);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(Problem::wrong_method()),
    }
}
