//! Requests for service engine groups and their assignments to gateways, and their documents.
//!
//! Source: VCD `OpenAPI`, `loadBalancer/serviceEngineGroups`; CAPVCD takes the first assignment of its
//! gateway that has room, and an empty first page for an error.

use http::Method;
use serde_json::{Value, json};

use super::desk::{Desk, right};
use super::model::{Assignment, EngineGroup};
use crate::sim::directory::bare;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Answers `/cloudapi/1.0.0/loadBalancer/serviceEngineGroups` and everything below it.
pub(super) fn handle(desk: &Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    if *desk.call.method != Method::GET {
        return Err(Problem::wrong_method());
    }
    desk.require(&[right::BALANCERS, right::BALANCE])?;
    match rest {
        ["assignments"] => assignments(desk),
        ["assignments", urn] => {
            let found = desk.services.assignments.get(bare(urn));
            let found = found.filter(|one| visible(desk, one));
            let found = found.ok_or_else(|| desk.missing(urn))?;
            let document = assignment_document(desk, found);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        [] => {
            let listing = Listing::of("LoadBalancerServiceEngineGroups", &["id", "name"]);
            let groups = desk.services.engine_groups.values();
            // The groups themselves are the provider's business.
            let groups = groups.filter(|_| desk.call.principal.provider);
            let rows = groups.map(|group| group_document(desk, group)).collect();
            paging::list(desk.call, desk.ctx.site, &listing, rows)
        }
        [urn] => {
            let found = desk.services.engine_groups.get(bare(urn));
            let found = found.filter(|_| desk.call.principal.provider);
            let found = found.ok_or_else(|| desk.missing(urn))?;
            let document = group_document(desk, found);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn visible(desk: &Desk<'_, '_>, assignment: &Assignment) -> bool {
    let gateway = desk.services.gateways.get(&assignment.gateway);
    gateway.is_some_and(|gateway| desk.sees(&gateway.org_id))
}

fn assignments(desk: &Desk<'_, '_>) -> Result<Reply, Problem> {
    let keys = [
        "id",
        "gatewayRef.id",
        "gatewayRef.name",
        "serviceEngineGroupRef.id",
        "serviceEngineGroupRef.name",
        "gatewayOwnerRef.id",
        "gatewayOrgRef.id",
    ];
    let listing = Listing::of("LoadBalancerServiceEngineGroupAssignments", &keys);
    let all = desk.services.assignments.values();
    let rows = all
        .filter(|one| visible(desk, one))
        .map(|one| assignment_document(desk, one))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

fn assignment_document(desk: &Desk<'_, '_>, assignment: &Assignment) -> Value {
    let services = &desk.services;
    let group = services.engine_groups.get(&assignment.group);
    let group = group.map(|group| json!({"name": group.name, "id": group.urn()}));
    let gateway = services.gateways.get(&assignment.gateway);
    let gateway_ref = gateway.map(|one| json!({"name": one.name, "id": one.urn()}));
    let owner = gateway.and_then(|gateway| desk.infra.vdcs.get(&gateway.vdc));
    let owner =
        owner.map(|vdc| json!({"name": vdc.name, "id": format!("urn:vcloud:vdc:{}", vdc.uuid)}));
    let org = gateway.map(|gateway| {
        let name = desk.ctx.directory.org_name(&gateway.org_id);
        json!({"name": name, "id": gateway.org_id})
    });
    let features = gateway.map(|gateway| gateway.load_balancing.feature_set.as_str());
    json!({
        "id": format!("urn:vcloud:serviceEngineGroupAssignment:{}", assignment.uuid),
        "maxVirtualServices": assignment.max_virtual_services,
        "minVirtualServices": assignment.min_virtual_services,
        "numDeployedVirtualServices": services.deployed(&assignment.gateway, &assignment.group),
        "serviceEngineGroupRef": group,
        "gatewayRef": gateway_ref,
        "gatewayOwnerRef": owner,
        "gatewayOrgRef": org,
        "serviceEngineGroupSupportedFeatureSet": "PREMIUM",
        "gatewaySupportedFeatureSet": features,
        "serviceEngineGroupHaMode": "ELASTIC_N_PLUS_M_BUFFER",
    })
}

fn group_document(desk: &Desk<'_, '_>, group: &EngineGroup) -> Value {
    let services = desk.services.virtuals.values();
    let deployed = services.filter(|service| service.engine_group == group.uuid);
    json!({
        "status": "REALIZED",
        "id": group.urn(),
        "name": group.name,
        "description": "",
        "serviceEngineGroupBacking": {
            "backingId": format!("sim-{}", group.uuid),
            "loadBalancerCloudRef": null,
        },
        "haMode": "ELASTIC_N_PLUS_M_BUFFER",
        "reservationType": "SHARED",
        "maxVirtualServices": group.max_virtual_services,
        "numDeployedVirtualServices": deployed.count(),
        "reservedVirtualServices": 0,
        "overAllocated": false,
        "supportedFeatureSet": "PREMIUM",
    })
}
