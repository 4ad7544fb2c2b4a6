//! Requests for IP spaces and their allocations, and their documents.
//!
//! Invariants:
//! - A list of allocations needs their type in its filter, a list of suggestions the gateway.
//! - The organization of an allocation is never `null`: go-vcloud-director reads on without a look.
//!
//! Source: VCD `OpenAPI` 37.1, `ipSpaces`; CAPVCD's choice of a floating address.

use http::Method;
use serde_json::{Value, json};

use super::desk::{Desk, right};
use super::model::{Allocation, IpSpace};
use super::specs::{self, AllocationRequest, AllocationSpec};
use crate::sim::directory::bare;
use crate::sim::gate::decode;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply, stamp};

/// Most unused addresses that a suggestion names.
const SUGGESTED: usize = 5;

/// Rights of which one is enough to look at public IP spaces.
const LOOK: [&str; 3] = [right::ALLOCATE, right::SPACES, right::PRIVATE_SPACES];

/// Answers `/cloudapi/1.0.0/ipSpaces` and everything below it.
pub(super) fn handle(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    desk.require(&LOOK)?;
    match (&method, rest) {
        (&Method::GET, [] | ["summaries"]) => list(desk),
        (&Method::GET, ["floatingIpSuggestions"]) => suggestions(desk),
        (&Method::GET, [urn]) => {
            let document = document(desk, space(desk, urn)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::POST, [urn, "allocate"]) => allocate(desk, urn),
        (_, [urn, "allocations", rest @ ..]) => {
            let space = space(desk, urn)?.uuid.clone();
            allocations(desk, &space, rest)
        }
        (_, [] | [_] | [_, "allocate"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

/// The IP space, if the caller may see it.
fn space<'d>(desk: &'d Desk<'_, '_>, urn: &str) -> Result<&'d IpSpace, Problem> {
    let found = desk.services.ip_spaces.get(bare(urn));
    found
        .filter(|space| desk.sees(&space.org_id))
        .ok_or_else(|| desk.missing(urn))
}

fn list(desk: &Desk<'_, '_>) -> Result<Reply, Problem> {
    let listing = Listing::of("IpSpaces", &["id", "name", "type", "status"]);
    let spaces = desk.services.ip_spaces.values();
    let rows = spaces
        .filter(|space| desk.sees(&space.org_id))
        .map(|space| document(desk, space))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

fn allocated(desk: &Desk<'_, '_>, space: &IpSpace) -> u32 {
    let all = desk.services.allocations.values();
    let ours = all.filter(|one| one.space == space.uuid).count();
    u32::try_from(ours).unwrap_or(u32::MAX)
}

fn document(desk: &Desk<'_, '_>, space: &IpSpace) -> Value {
    let (total, taken) = (space.range.size(), allocated(desk, space));
    let all = desk.services.allocations.values();
    let used = all.filter(|one| one.space == space.uuid && desk.services.usage(one) != "UNUSED");
    let used = u32::try_from(used.count()).unwrap_or(u32::MAX);
    let percentage =
        |part: u32| (f64::from(part) * 1000.0 / f64::from(total.max(1))).round() / 10.0;
    json!({
        "id": space.urn(),
        "name": space.name,
        "description": "",
        "type": "PUBLIC",
        "orgRef": null,
        "utilization": {
            "floatingIPs": {
                "totalCount": total.to_string(),
                "allocatedCount": taken.to_string(),
                "usedCount": used.to_string(),
                "unusedCount": taken.saturating_sub(used).to_string(),
                "allocatedPercentage": percentage(taken),
                "usedPercentage": percentage(used),
            },
            "ipPrefixes": null,
        },
        "ipSpaceInternalScope": [space.internal_scope],
        "ipSpaceExternalScope": "0.0.0.0/0",
        "ipSpacePrefixes": [],
        "ipSpaceRanges": {
            "ipRanges": [{
                "id": space.range_id,
                "startIpAddress": space.range.first,
                "endIpAddress": space.range.last,
                "totalIpCount": total.to_string(),
                "allocatedIpCount": taken.to_string(),
                "allocatedIpPercentage": percentage(taken),
            }],
            "defaultFloatingIpQuota": -1,
        },
        "routeAdvertisementEnabled": false,
        "status": "REALIZED",
    })
}

/// What the filter demands of `key`; lists that need a key look for it before they filter.
fn demanded(desk: &Desk<'_, '_>, key: &str) -> Option<String> {
    let filter = desk.call.query("filter")?;
    let after = filter.split_once(&format!("{key}=="))?.1;
    let value = after.split([';', ',', ')']).next()?.trim();
    let encoded = desk.call.query("filterEncoded");
    let encoded = encoded.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Some(if encoded {
        decode(value)
    } else {
        value.to_owned()
    })
}

fn suggestions(desk: &Desk<'_, '_>) -> Result<Reply, Problem> {
    let asked = demanded(desk, "gatewayId");
    let asked = asked.ok_or_else(|| Problem::bad_request("The filter gatewayId is required."))?;
    let gateway = desk.gateway(&asked)?;
    let space = gateway.ip_space.as_ref();
    let space = space.and_then(|space| desk.services.ip_spaces.get(space));
    let space = space.ok_or_else(|| {
        Problem::forbidden(format!(
            "The edge gateway {} does not use IP Spaces.",
            gateway.name
        ))
    })?;
    let unused: Vec<_> = desk
        .services
        .allocations
        .values()
        .filter(|one| {
            one.space == space.uuid
                && one.org_id == gateway.org_id
                && desk.services.usage(one) == "UNUSED"
        })
        .map(|one| one.value)
        .take(SUGGESTED)
        .collect();
    let row = json!({
        "gatewayId": gateway.urn(),
        "ipType": "IPV4",
        "ipSpaceRef": {"name": space.name, "id": space.urn()},
        "unusedValues": unused,
    });
    let keys = ["gatewayId", "ipType", "ipSpaceRef.name", "ipSpaceRef.id"];
    let listing = Listing::of("IpSpaceFloatingIpSuggestions", &keys);
    paging::list(desk.call, desk.ctx.site, &listing, vec![row])
}

fn allocate(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    desk.require(&[right::ALLOCATE])?;
    let space = space(desk, urn)?.clone();
    let request: AllocationRequest = specs::read(desk.call)?;
    let org = desk.call.principal.acting_org_id.clone();
    let starter = desk.starter();
    let task = desk
        .services
        .start_allocation((&space, &org), &request, &starter, desk.ctx)?;
    Ok(desk.accepted(&task))
}

fn allocations(desk: &mut Desk<'_, '_>, space: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    match (&method, rest) {
        (&Method::GET, []) => allocation_list(desk, space),
        (&Method::GET, [urn]) => {
            let document = allocation_document(desk, allocation(desk, space, urn)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => {
            desk.require(&[right::ALLOCATE])?;
            let uuid = allocation(desk, space, urn)?.uuid.clone();
            let spec: AllocationSpec = specs::read(desk.call)?;
            let starter = desk.starter();
            let task = desk
                .services
                .start_marking(&uuid, spec, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (&Method::DELETE, [urn]) => {
            desk.require(&[right::ALLOCATE])?;
            let uuid = allocation(desk, space, urn)?.uuid.clone();
            let starter = desk.starter();
            let task = desk.services.start_release(&uuid, &starter, desk.ctx)?;
            Ok(desk.accepted(&task))
        }
        (_, [] | [_]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn allocation<'d>(
    desk: &'d Desk<'_, '_>,
    space: &str,
    urn: &str,
) -> Result<&'d Allocation, Problem> {
    let found = desk.services.allocations.get(bare(urn));
    found
        .filter(|one| one.space == space && desk.sees(&one.org_id))
        .ok_or_else(|| desk.missing(urn))
}

fn allocation_list(desk: &Desk<'_, '_>, space: &str) -> Result<Reply, Problem> {
    if demanded(desk, "type").is_none() {
        return Err(Problem::bad_request("The filter type is required."));
    }
    let keys = [
        "id",
        "type",
        "value",
        "usageState",
        "description",
        "orgRef.id",
    ];
    let listing = Listing::of("IpSpaceIpAllocations", &keys);
    let all = desk.services.allocations.values();
    let rows = all
        .filter(|one| one.space == space && desk.sees(&one.org_id))
        .map(|one| allocation_document(desk, one))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

fn allocation_document(desk: &Desk<'_, '_>, allocation: &Allocation) -> Value {
    let used = desk.services.used_by(allocation);
    let categories = used.as_ref().map(|used| vec![used.category]);
    json!({
        "id": allocation.urn(),
        "type": "FLOATING_IP",
        "value": allocation.value,
        "description": allocation.description,
        "orgRef": {
            "name": desk.ctx.directory.org_name(&allocation.org_id).unwrap_or_default(),
            "id": allocation.org_id,
        },
        "usageState": desk.services.usage(allocation),
        "usageCategories": categories,
        "usedByRef": used.map(|used| json!({"name": used.name, "id": used.urn})),
        "allocationDate": stamp(allocation.allocated),
    })
}
