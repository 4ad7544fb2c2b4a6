//! Requests for load balancer pools and virtual services, and their documents.
//!
//! Invariants:
//! - Every change is 202 with a task whose owner is the object; the id of an update is the path's.
//! - A pool tells as many members as it counts: clients size their lists by `memberCount`.
//!
//! Source: VCD `OpenAPI`, `loadBalancer/pools` and `loadBalancer/virtualServices`; CAPVCD takes no
//! other code than 202, and reads `healthStatus` and `status` of the summaries.

use http::Method;
use serde_json::{Map, Value, json};

use super::desk::{Desk, right};
use super::model::{Gateway, Pool, VirtualService};
use super::pools::PoolHealth;
use super::specs::{self, PoolSpec, VirtualServiceSpec};
use crate::sim::call::ApiVersion;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Most virtual services that a pool's summary names.
const MAX_REFS: usize = 10;
/// First version that knows transparent mode.
const TRANSPARENT_SINCE: ApiVersion = ApiVersion {
    major: 37,
    minor: 1,
};
/// First version that knows IPv6 virtual addresses and member groups.
const IPV6_SINCE: ApiVersion = ApiVersion {
    major: 37,
    minor: 0,
};

/// Answers `/cloudapi/1.0.0/loadBalancer/pools[/{id}]`.
pub(super) fn pools(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    match (&method, rest) {
        (&Method::POST, []) => {
            desk.require(&[right::BALANCE])?;
            let spec: PoolSpec = specs::read(desk.call)?;
            let gateway = desk.gateway(&spec.gateway_ref.id)?.uuid.clone();
            let starter = desk.starter();
            let begun = desk
                .services
                .create_pool(&gateway, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&begun.task))
        }
        (&Method::GET, [urn]) => {
            desk.require(&[right::BALANCERS, right::BALANCE])?;
            let pool = desk.pool(urn)?;
            let document = pool_document(desk, pool);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => {
            desk.require(&[right::BALANCE])?;
            let uuid = desk.pool(urn)?.uuid.clone();
            let spec: PoolSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let task = desk
                .services
                .replace_pool(&uuid, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::DELETE, [urn]) => {
            desk.require(&[right::BALANCE])?;
            let uuid = desk.pool(urn)?.uuid.clone();
            let starter = desk.starter();
            let task = desk.services.delete_pool(&uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

/// Answers `/cloudapi/1.0.0/loadBalancer/virtualServices[/{id}]`.
pub(super) fn virtual_services(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    match (&method, rest) {
        (&Method::POST, []) => {
            desk.require(&[right::BALANCE])?;
            let spec: VirtualServiceSpec = specs::read(desk.call)?;
            let gateway = desk.gateway(&spec.gateway_ref.id)?.uuid.clone();
            let starter = desk.starter();
            let begun = desk
                .services
                .create_virtual_service(&gateway, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&begun.task))
        }
        (&Method::GET, [urn]) => {
            desk.require(&[right::BALANCERS, right::BALANCE])?;
            let service = desk.virtual_service(urn)?;
            let document = service_document(desk, service);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => {
            desk.require(&[right::BALANCE])?;
            let uuid = desk.virtual_service(urn)?.uuid.clone();
            let spec: VirtualServiceSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let task = desk
                .services
                .replace_virtual_service(&uuid, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::DELETE, [urn]) => {
            desk.require(&[right::BALANCE])?;
            let uuid = desk.virtual_service(urn)?.uuid.clone();
            let starter = desk.starter();
            let task = desk
                .services
                .delete_virtual_service(&uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

/// Answers `.../edgeGateways/{gw}/loadBalancer/poolSummaries`.
pub(super) fn pool_summaries(desk: &Desk<'_, '_>, gateway: &Gateway) -> Result<Reply, Problem> {
    desk.require(&[right::BALANCERS, right::BALANCE])?;
    let keys = ["id", "name", "status", "enabled", "healthStatus"];
    let listing = Listing::of("EdgeLoadBalancerPoolSummaries", &keys);
    let pools = desk.services.pools.values();
    let shown = pools.filter(|pool| {
        pool.gateway == gateway.uuid
            && (pool.realized || !desk.ctx.settings.new_balancers_are_hidden)
    });
    let rows = shown.map(|pool| pool_summary(desk, pool)).collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

/// Answers `.../edgeGateways/{gw}/loadBalancer/virtualServiceSummaries`.
pub(super) fn service_summaries(desk: &Desk<'_, '_>, gateway: &Gateway) -> Result<Reply, Problem> {
    desk.require(&[right::BALANCERS, right::BALANCE])?;
    let keys = [
        "id",
        "name",
        "status",
        "enabled",
        "healthStatus",
        "virtualIpAddress",
        "loadBalancerPoolRef.id",
        "loadBalancerPoolRef.name",
        "serviceEngineGroupRef.id",
        "serviceEngineGroupRef.name",
    ];
    let listing = Listing::of("EdgeLoadBalancerVirtualServiceSummaries", &keys);
    let services = desk.services.virtuals.values();
    let shown = services.filter(|service| {
        service.gateway == gateway.uuid
            && (service.realized || !desk.ctx.settings.new_balancers_are_hidden)
    });
    let rows = shown
        .map(|service| service_summary(desk, service))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

/// `PENDING` until it is realized for the first time, `CONFIGURING` while a task changes it.
fn status(desk: &Desk<'_, '_>, uuid: &str, realized: bool) -> &'static str {
    if !realized {
        "PENDING"
    } else if desk.services.busy.contains_key(uuid) {
        "CONFIGURING"
    } else {
        "REALIZED"
    }
}

/// The members of an object; other values have none.
pub(super) fn members_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// A spec as the client wrote it.
pub(super) fn written(spec: &impl serde::Serialize) -> Map<String, Value> {
    members_of(serde_json::to_value(spec).unwrap_or_default())
}

fn virtual_service_refs(desk: &Desk<'_, '_>, pool: &Pool) -> Vec<Value> {
    let services = desk.services.virtuals.values();
    services
        .filter(|service| service.pool == pool.uuid)
        .map(|service| json!({"name": service.spec.name, "id": service.urn()}))
        .collect()
}

/// What the engines tell about a pool, besides its members one by one.
fn pool_state(desk: &Desk<'_, '_>, pool: &Pool, health: &PoolHealth) -> Value {
    let message = match health.status {
        "UP" => "",
        "DISABLED" => "The pool is disabled.",
        "UNKNOWN" => "The pool is being created.",
        "RUNNING" => "Some servers are down.",
        _ => "No servers are up.",
    };
    json!({
        "status": status(desk, &pool.uuid, pool.realized),
        "id": pool.urn(),
        "healthStatus": health.status,
        "healthMessage": message,
        "memberCount": pool.spec.members.len(),
        "enabledMemberCount": health.enabled,
        "upMemberCount": health.up_count(),
    })
}

fn pool_document(desk: &Desk<'_, '_>, pool: &Pool) -> Value {
    let health = desk.services.pool_health(pool, desk.ctx, desk.infra);
    let mut document = members_of(pool_state(desk, pool, &health));
    document.extend(written(&pool.spec));
    if desk.call.version < IPV6_SINCE {
        document.remove("memberGroupRef");
    }
    let members = pool
        .spec
        .members
        .iter()
        .zip(&health.up)
        .map(|(member, up)| {
            let mut row = written(member);
            row.entry("port").or_insert(json!(pool.spec.default_port));
            let marked: &[&str] = if *up { &[] } else { &["TCP"] };
            let status = match (member.enabled, up) {
                (false, _) => "DISABLED",
                (true, true) => "UP",
                (true, false) => "DOWN",
            };
            row.insert("healthStatus".to_owned(), json!(status));
            row.insert("markedDownBy".to_owned(), json!(marked));
            row.insert("detailedHealthMessage".to_owned(), Value::Null);
            Value::Object(row)
        });
    document.insert("members".to_owned(), members.collect());
    let refs = virtual_service_refs(desk, pool);
    document.insert("virtualServiceRefs".to_owned(), json!(refs));
    Value::Object(document)
}

fn pool_summary(desk: &Desk<'_, '_>, pool: &Pool) -> Value {
    let health = desk.services.pool_health(pool, desk.ctx, desk.infra);
    let mut summary = members_of(pool_state(desk, pool, &health));
    let mut refs = virtual_service_refs(desk, pool);
    refs.truncate(MAX_REFS);
    let spec = &pool.spec;
    let group = spec.member_group_ref.as_ref().map(|_| "IP_SET");
    let more = json!({
        "name": spec.name,
        "description": spec.description,
        "enabled": spec.enabled,
        "passiveMonitoringEnabled": spec.passive_monitoring_enabled,
        "activeMonitoringEnabled": !spec.health_monitors.is_empty(),
        "memberSslEnabled": spec.ssl_enabled,
        "memberGroupType": group,
        "virtualServiceRefs": refs,
    });
    summary.extend(members_of(more));
    Value::Object(summary)
}

/// What the engines tell about a virtual service.
fn service_state(desk: &Desk<'_, '_>, service: &VirtualService) -> Map<String, Value> {
    let pool = desk.services.pools.get(&service.pool);
    let pool = pool.map(|pool| desk.services.pool_health(pool, desk.ctx, desk.infra));
    let health = service.health(pool.as_ref());
    let message = match health {
        "UP" => "",
        "PENDING" => "The virtual service is being placed on a service engine.",
        "DISABLED" => "The virtual service is disabled.",
        _ => "The pool of the virtual service is down.",
    };
    let state = json!({
        "status": status(desk, &service.uuid, service.realized),
        "id": service.urn(),
        "healthStatus": health,
        "healthMessage": message,
        "detailedHealthMessage": message,
    });
    members_of(state)
}

fn service_document(desk: &Desk<'_, '_>, service: &VirtualService) -> Value {
    let mut document = service_state(desk, service);
    document.extend(written(&service.spec));
    if desk.call.version < TRANSPARENT_SINCE {
        document.remove("transparentModeEnabled");
    }
    if desk.call.version < IPV6_SINCE {
        document.remove("ipv6VirtualIpAddress");
    }
    for at in ["ipv6VirtualIpAddress", "virtualIpAddress"] {
        if document.get(at).is_some_and(|text| *text == "") {
            document.insert(at.to_owned(), Value::Null);
        }
    }
    let ports = document
        .get_mut("servicePorts")
        .and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let start = port.get("portStart").cloned();
        if let Some(port) = port.as_object_mut() {
            // A single port ends where it starts.
            let end = port.entry("portEnd").or_insert(Value::Null);
            if end.as_u64().unwrap_or(0) == 0 {
                *end = start.unwrap_or_default();
            }
        }
    }
    Value::Object(document)
}

fn service_summary(desk: &Desk<'_, '_>, service: &VirtualService) -> Value {
    let mut summary = members_of(service_document(desk, service));
    summary.remove("applicationProfile");
    let kind = &service.spec.application_profile.kind;
    summary.insert("applicationProfileType".to_owned(), json!(kind));
    Value::Object(summary)
}
