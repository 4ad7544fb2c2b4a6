//! Requests for organization VDC networks and their documents.
//!
//! Invariants:
//! - Pages hold 32 networks at most, and go on until an empty one.
//! - A network has one subnet, and one range of addresses in it.
//!
//! Source: VCD `OpenAPI`, `orgVdcNetworks`; CAPVCD finds a cluster's gateway through
//! `connection.routerRef`.

use std::net::Ipv4Addr;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::{Change, Edit, Operation, owner};
use super::desk::{Desk, right};
use super::kinds::{self, Kind};
use super::model::{NetworkDetails, Range};
use super::networks::{NewNetwork, require_unused};
use super::rules::{duplicate, require_name, require_one_of};
use super::specs::{self, AddressRange, DhcpSpec, EntityRef};
use crate::sim::directory::bare;
use crate::sim::infra::site::Network;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Largest page of the network list; larger ones are refused.
const MAX_PAGE: usize = 32;
/// Seconds that a DHCP lease lasts unless somebody said otherwise.
const LEASE_SECS: u32 = 86_400;

/// Answers `/cloudapi/1.0.0/orgVdcNetworks` and everything below it.
pub(super) fn handle(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let method = desk.call.method.clone();
    let read = matches!(method, Method::GET);
    desk.require(if read {
        &[right::NETWORKS, right::EDIT_NETWORKS]
    } else {
        &[right::EDIT_NETWORKS]
    })?;
    match (&method, rest) {
        (&Method::GET, []) => list(desk),
        (&Method::POST, []) => create(desk),
        (&Method::GET, [urn]) => {
            let document = document(desk, network(desk, urn)?);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        (&Method::PUT, [urn]) => replace(desk, urn),
        (&Method::DELETE, [urn]) => delete(desk, urn),
        (&Method::GET, [urn, "allocatedIpAddresses"]) => allocated(desk, urn),
        (_, [urn, "dhcp"]) => dhcp(desk, urn),
        (&Method::GET, [urn, "dhcp", "bindings"]) => {
            network(desk, urn)?;
            let listing = Listing::of("VdcNetworkDhcpBindings", &[]);
            paging::list(desk.call, desk.ctx.site, &listing, Vec::new())
        }
        (&Method::GET, [urn, "segmentProfiles"]) => {
            network(desk, urn)?;
            let body = json!({
                "segmentProfileTemplateRef": null,
                "ipDiscoveryProfile": null,
                "macDiscoveryProfile": null,
                "spoofGuardProfile": null,
                "qosProfile": null,
                "segmentSecurityProfile": null,
            });
            Ok(Reply::json(200, desk.call.version, &body))
        }
        (_, [] | [_] | [_, "allocatedIpAddresses" | "segmentProfiles"]) => {
            Err(Problem::wrong_method())
        }
        (_, [_, "dhcp", "bindings"]) => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

/// URN of the organization that a network's VDC belongs to.
fn org_of<'d>(desk: &'d Desk<'_, '_>, network: &Network) -> Option<&'d str> {
    let vdc = desk.infra.vdcs.get(&network.vdc)?;
    Some(&vdc.org_id)
}

/// The network, if the caller may see it.
fn network<'d>(desk: &'d Desk<'_, '_>, urn: &str) -> Result<&'d Network, Problem> {
    let found = desk.infra.networks.get(bare(urn));
    found
        .filter(|network| org_of(desk, network).is_some_and(|org| desk.sees(org)))
        .ok_or_else(|| desk.missing(urn))
}

fn list(desk: &Desk<'_, '_>) -> Result<Reply, Problem> {
    let keys = [
        "id",
        "name",
        "description",
        "orgVdc.id",
        "orgVdc.name",
        "ownerRef.id",
        "ownerRef.name",
        "orgRef.id",
        "networkType",
        "connection.routerRef.id",
        "connection.routerRef.name",
        "shared",
        "status",
    ];
    let mut listing = Listing::of("OrgVdcNetworks", &keys);
    listing.max_page_size = MAX_PAGE;
    let networks = desk.infra.networks.values();
    let rows = networks
        .filter(|network| org_of(desk, network).is_some_and(|org| desk.sees(org)))
        .map(|network| document(desk, network))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

fn document(desk: &Desk<'_, '_>, network: &Network) -> Value {
    let vdc = desk.infra.vdcs.get(&network.vdc);
    let org = vdc.map(|vdc| {
        let name = desk.ctx.directory.org_name(&vdc.org_id);
        json!({"name": name, "id": vdc.org_id})
    });
    let vdc =
        vdc.map(|vdc| json!({"name": vdc.name, "id": format!("urn:vcloud:vdc:{}", vdc.uuid)}));
    let details = desk.services.networks.get(&network.uuid);
    let gateway = details.and_then(|details| details.gateway.as_ref());
    let gateway = gateway.and_then(|gateway| desk.services.gateways.get(gateway));
    let connection = gateway.map(|gateway| {
        json!({
            "routerRef": {"name": gateway.name, "id": gateway.urn()},
            "connectionType": "INTERNAL",
            "connectionTypeValue": "INTERNAL",
            "connected": true,
        })
    });
    let busy = desk.services.busy.contains_key(&network.uuid);
    let (total, used) = (pool_size(network), network.used.len());
    json!({
        "id": format!("urn:vcloud:network:{}", network.uuid),
        "name": network.name,
        "description": details.map_or("", |details| details.description.as_str()),
        "subnets": {"values": [subnet(network, details)]},
        "backingNetworkId": format!("seg-{}", network.uuid),
        "backingNetworkType": "NSXT_FLEXIBLE_SEGMENT",
        "parentNetworkId": null,
        "networkType": kind(details, gateway.is_some()),
        "orgVdc": vdc,
        "ownerRef": vdc,
        "orgVdcIsNsxTBacked": true,
        "orgRef": org,
        "connection": connection,
        "isDefaultNetwork": null,
        "shared": details.is_some_and(|details| details.shared),
        "enableDualSubnetNetwork": false,
        "guestVlanTaggingAllowed": false,
        "retainNicResources": false,
        "crossVdcNetworkId": null,
        "totalIpCount": total,
        "usedIpCount": used,
        "routeAdvertised": false,
        "securityGroups": null,
        "segmentProfileTemplateRef": null,
        "status": if busy { "CONFIGURING" } else { "REALIZED" },
    })
}

fn kind(details: Option<&NetworkDetails>, routed: bool) -> &str {
    let told = details.and_then(|details| details.kind.as_deref());
    told.unwrap_or(if routed { "NAT_ROUTED" } else { "ISOLATED" })
}

/// Addresses of the pool; networks without one have a range that ends before it begins.
fn pool_size(network: &Network) -> u32 {
    let (first, last) = network.pool;
    Range { first, last }.size()
}

fn subnet(network: &Network, details: Option<&NetworkDetails>) -> Value {
    let total = pool_size(network);
    let ranges = if total == 0 {
        json!([])
    } else {
        json!([{"startAddress": network.pool.0, "endAddress": network.pool.1}])
    };
    json!({
        "gateway": network.gateway,
        "prefixLength": network.prefix,
        "dnsSuffix": details.and_then(|details| details.dns_suffix.as_deref()),
        "dnsServer1": if network.dns.is_unspecified() { json!("") } else { json!(network.dns) },
        "dnsServer2": details.map_or("", |details| details.dns_second.as_str()),
        "ipRanges": {"values": ranges},
        "enabled": true,
        "totalIpCount": total,
        "usedIpCount": network.used.len(),
    })
}

/// A list of `T` as the `OpenAPI` nests one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Values<T: Default> {
    values: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SubnetBody {
    gateway: String,
    prefix_length: u8,
    dns_suffix: Option<String>,
    dns_server1: String,
    dns_server2: String,
    ip_ranges: Values<AddressRange>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConnectionBody {
    router_ref: EntityRef,
}

/// What a client writes about a network.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    name: String,
    description: String,
    network_type: String,
    owner_ref: Option<EntityRef>,
    org_vdc: Option<EntityRef>,
    connection: Option<ConnectionBody>,
    subnets: Values<SubnetBody>,
    shared: bool,
}

fn address(field: &str, text: &str) -> Result<Ipv4Addr, Problem> {
    text.parse()
        .ok()
        .ok_or_else(|| Problem::bad_request(format!("{field} is no IPv4 address.")))
}

/// The pool of a subnet; without a range it has no addresses.
fn pool(subnet: &SubnetBody, gateway: Ipv4Addr) -> Result<Range, Problem> {
    let Some(range) = subnet.ip_ranges.values.first() else {
        return Ok(Range {
            first: Ipv4Addr::new(0, 0, 0, 1),
            last: Ipv4Addr::UNSPECIFIED,
        });
    };
    let first = address("ipRanges.startAddress", &range.start_address)?;
    let last = address("ipRanges.endAddress", &range.end_address)?;
    let host_bits = 32_u32.saturating_sub(u32::from(subnet.prefix_length));
    let part = |one: Ipv4Addr| u32::from(one).checked_shr(host_bits).unwrap_or(0);
    if last < first || part(first) != part(gateway) || part(last) != part(gateway) {
        return Err(Problem::bad_request(
            "ipRanges must lie within the subnet, the start before the end.",
        ));
    }
    Ok(Range { first, last })
}

/// Checks what is written about a network in the VDC `vdc`; `known` is the one that is replaced.
fn read(
    desk: &Desk<'_, '_>,
    body: Body,
    vdc: &str,
    known: Option<&str>,
) -> Result<NewNetwork, Problem> {
    require_name(&body.name)?;
    require_one_of(
        "networkType",
        &body.network_type,
        &["NAT_ROUTED", "ISOLATED"],
    )?;
    let mut others = desk.infra.networks.values();
    let taken = others.any(|other| {
        other.vdc == vdc && other.name == body.name && Some(other.uuid.as_str()) != known
    });
    if taken {
        return Err(duplicate("network", &body.name));
    }
    let router = body.connection.map(|connection| connection.router_ref.id);
    let gateway = match (body.network_type.as_str(), router) {
        ("NAT_ROUTED", router) => {
            let found = desk.gateway(&router.unwrap_or_default())?;
            desk.services.require_free("gateway", &found.uuid)?;
            Some(found.uuid.clone())
        }
        _ => None,
    };
    let subnet = body.subnets.values.into_iter().next();
    let subnet = subnet.ok_or_else(|| Problem::bad_request("subnets must not be empty."))?;
    if !(1..=30).contains(&subnet.prefix_length) {
        return Err(Problem::bad_request(
            "prefixLength must be between 1 and 30.",
        ));
    }
    let inside = address("subnets.gateway", &subnet.gateway)?;
    let dns = match subnet.dns_server1.as_str() {
        "" => Ipv4Addr::UNSPECIFIED,
        text => address("subnets.dnsServer1", text)?,
    };
    let dhcp = known.and_then(|known| desk.services.networks.get(known)?.dhcp.clone());
    Ok(NewNetwork {
        name: body.name,
        vdc: vdc.to_owned(),
        gateway: inside,
        prefix: subnet.prefix_length,
        dns,
        pool: pool(&subnet, inside)?,
        details: NetworkDetails {
            description: body.description,
            gateway,
            kind: None,
            dns_suffix: subnet.dns_suffix,
            dns_second: subnet.dns_server2,
            shared: body.shared,
            dhcp,
        },
    })
}

fn create(desk: &mut Desk<'_, '_>) -> Result<Reply, Problem> {
    let body: Body = specs::read(desk.call)?;
    let asked = body.owner_ref.as_ref().or(body.org_vdc.as_ref());
    let asked = asked.map(|vdc| vdc.id.clone()).unwrap_or_default();
    let vdc = desk.infra.vdcs.get(bare(&asked));
    let vdc = vdc.filter(|vdc| desk.sees(&vdc.org_id));
    let vdc = vdc.ok_or_else(|| desk.missing(&asked))?.uuid.clone();
    let new = read(desk, body, &vdc, None)?;
    let uuid = desk.ctx.uuid();
    Ok(start(
        desk,
        kinds::NETWORK.create,
        &uuid,
        Edit::Create(Box::new(new)),
    ))
}

fn replace(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    let found = network(desk, urn)?;
    let (uuid, vdc) = (found.uuid.clone(), found.vdc.clone());
    let body: Body = specs::read(desk.call)?;
    desk.services.require_free("network", &uuid)?;
    let new = read(desk, body, &vdc, Some(&uuid))?;
    Ok(start(
        desk,
        kinds::NETWORK.update,
        &uuid,
        Edit::Replace(Box::new(new)),
    ))
}

fn delete(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    let uuid = network(desk, urn)?.uuid.clone();
    desk.services.require_free("network", &uuid)?;
    let gateway = gateway_of(desk, &uuid);
    if let Some(gateway) = &gateway {
        desk.services.require_free("gateway", gateway)?;
    }
    require_unused(&uuid, desk.infra)?;
    Ok(start(desk, kinds::NETWORK.delete, &uuid, Edit::Delete))
}

fn gateway_of(desk: &Desk<'_, '_>, network: &str) -> Option<String> {
    desk.services.networks.get(network)?.gateway.clone()
}

/// Starts a change of the network; it and its gateway are busy meanwhile.
fn start(desk: &mut Desk<'_, '_>, kind: Kind, uuid: &str, edit: Edit<NewNetwork>) -> Reply {
    let (name, gateway) = match &edit {
        Edit::Create(new) | Edit::Replace(new) => (new.name.clone(), new.details.gateway.clone()),
        Edit::Delete => {
            let network = desk.infra.networks.get(uuid);
            let name = network.map(|network| network.name.clone());
            (name.unwrap_or_default(), gateway_of(desk, uuid))
        }
    };
    let operation = Operation {
        kind,
        starter: &desk.starter(),
        owner: owner(&format!("urn:vcloud:network:{uuid}"), &name),
        holds: gateway.into_iter().chain([uuid.to_owned()]).collect(),
        change: Change::Network(uuid.to_owned(), edit),
    };
    let task = desk.services.submit(operation, desk.ctx);
    desk.accepted(&task)
}

fn allocated(desk: &Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    let network = network(desk, urn)?;
    let org = org_of(desk, network);
    let org = org.map(|org| json!({"name": desk.ctx.directory.org_name(org), "id": org}));
    let row = |(address, holder): (&Ipv4Addr, &String)| {
        let vm = desk.infra.vms.get(holder);
        let vapp = vm.and_then(|vm| desk.infra.vapps.get(&vm.vapp));
        json!({
            "entityId": format!("urn:vcloud:vm:{holder}"),
            "entityName": vm.map(|vm| vm.name.as_str()),
            "vAppName": vapp.map(|vapp| vapp.name.as_str()),
            "ipAddress": address,
            "deployed": vm.is_some_and(|vm| vm.deployed),
            "allocationType": "VM_ALLOCATED",
            "networkRef": {
                "name": network.name,
                "id": format!("urn:vcloud:network:{}", network.uuid),
            },
            "orgRef": org,
        })
    };
    let rows = network.used.iter().map(row).collect();
    let keys = ["ipAddress", "entityId", "entityName", "allocationType"];
    let listing = Listing::of("UsedIpAddresses", &keys);
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

/// DHCP takes effect at once, as nobody in the simulator asks it for an address.
fn dhcp(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    let uuid = network(desk, urn)?.uuid.clone();
    match *desk.call.method {
        Method::GET => {}
        Method::PUT => {
            let spec: DhcpSpec = specs::read(desk.call)?;
            require_one_of("mode", &spec.mode, &["EDGE", "NETWORK", "RELAY", ""])?;
            desk.services.networks.entry(uuid.clone()).or_default().dhcp = Some(spec);
        }
        Method::DELETE => {
            desk.services.networks.entry(uuid).or_default().dhcp = None;
            return Ok(Reply::empty(204));
        }
        _ => return Err(Problem::wrong_method()),
    }
    let details = desk.services.networks.get(&uuid);
    let spec = details.and_then(|details| details.dhcp.clone());
    let spec = spec.unwrap_or_else(|| DhcpSpec {
        lease_time: LEASE_SECS,
        mode: "EDGE".to_owned(),
        ..DhcpSpec::default()
    });
    let document = serde_json::to_value(spec).unwrap_or_default();
    Ok(Reply::json(200, desk.call.version, &document))
}
