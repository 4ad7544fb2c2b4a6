//! Requests for edge gateways and their documents.
//!
//! Invariants:
//! - A gateway has exactly one uplink, and that one says whether it uses an IP space: clients refuse
//!   to work with anything else.
//! - Lists go on until an empty page.
//!
//! Source: VCD `OpenAPI`, `edgeGateways`; CAPVCD and go-vcloud-director.

use std::net::Ipv4Addr;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::{Change, Operation, owner};
use super::desk::{Desk, right};
use super::kinds;
use super::model::{Gateway, LoadBalancing, Subnet};
use super::rules::require_one_of;
use super::{balancer_api, firewall_api, nat_api, specs};
use crate::sim::call::ApiVersion;
use crate::sim::directory::derived_urn;
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// First version that tells `usingIpSpace`.
const IP_SPACES_SINCE: ApiVersion = ApiVersion {
    major: 37,
    minor: 1,
};
/// First version that tells `supportedFeatureSet` instead of `licenseType`.
const FEATURE_SETS_SINCE: ApiVersion = ApiVersion {
    major: 37,
    minor: 0,
};

/// Where a gateway's own DNS and DHCP run, unless somebody chose another network.
const SERVICE_NETWORK: &str = "192.168.255.225/27";

/// Answers `/cloudapi/1.0.0/edgeGateways` and everything below it.
pub(super) fn handle(desk: &mut Desk<'_, '_>, rest: &[&str]) -> Result<Reply, Problem> {
    let get = *desk.call.method == Method::GET;
    match rest {
        [] if get => list(desk),
        [urn] if get => {
            desk.require(&[right::GATEWAYS])?;
            let gateway = desk.gateway(urn)?;
            let document = document(desk, gateway);
            Ok(Reply::json(200, desk.call.version, &document))
        }
        [urn, "usedIpAddresses"] if get => used_addresses(desk, urn),
        [urn, "loadBalancer"] => load_balancer(desk, urn),
        [urn, "loadBalancer", "poolSummaries"] if get => {
            balancer_api::pool_summaries(desk, desk.gateway(urn)?)
        }
        [urn, "loadBalancer", "virtualServiceSummaries"] if get => {
            balancer_api::service_summaries(desk, desk.gateway(urn)?)
        }
        [urn, "nat", "rules", rest @ ..] => {
            let gateway = desk.gateway(urn)?.uuid.clone();
            nat_api::handle(desk, &gateway, rest)
        }
        [urn, "firewall", "rules"] if get => firewall_api::rules(desk, desk.gateway(urn)?),
        []
        | [_]
        | [_, "usedIpAddresses"]
        | [
            _,
            "loadBalancer",
            "poolSummaries" | "virtualServiceSummaries",
        ]
        | [_, "firewall", "rules"] => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn list(desk: &Desk<'_, '_>) -> Result<Reply, Problem> {
    desk.require(&[right::GATEWAYS])?;
    let keys = [
        "id",
        "name",
        "description",
        "status",
        "ownerRef.id",
        "ownerRef.name",
        "orgVdc.id",
        "orgVdc.name",
        "orgRef.id",
        "orgRef.name",
        "gatewayBacking.gatewayType",
    ];
    let listing = Listing::of("EdgeGateways", &keys);
    let gateways = desk.services.gateways.values();
    let rows = gateways
        .filter(|gateway| desk.sees(&gateway.org_id))
        .map(|gateway| document(desk, gateway))
        .collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

fn document(desk: &Desk<'_, '_>, gateway: &Gateway) -> Value {
    let vdc = desk.infra.vdcs.get(&gateway.vdc);
    let vdc =
        vdc.map(|vdc| json!({"name": vdc.name, "id": format!("urn:vcloud:vdc:{}", vdc.uuid)}));
    let org = desk.ctx.directory.org_name(&gateway.org_id);
    let busy = desk.services.busy.contains_key(&gateway.uuid)
        && !desk.ctx.settings.busy_gateways_stay_realized;
    let networks = desk.services.networks.values();
    let networks = networks.filter(|details| details.gateway.as_ref() == Some(&gateway.uuid));
    json!({
        "status": if busy { "CONFIGURING" } else { "REALIZED" },
        "id": gateway.urn(),
        "name": gateway.name,
        "description": gateway.description,
        "edgeGatewayUplinks": [uplink(desk, gateway)],
        "distributedRoutingEnabled": true,
        "nonDistributedRoutingEnabled": false,
        "orgVdcNetworkCount": networks.count(),
        "gatewayBacking": {
            "backingId": format!("sim-{}", gateway.uuid),
            "gatewayType": "NSXT_BACKED",
            "networkProvider": {"name": "nsxt1", "id": derived_urn("nsxtmanager", "nsxt1")},
        },
        "orgVdc": vdc,
        "ownerRef": vdc,
        "orgRef": {"name": org, "id": gateway.org_id},
        "serviceNetworkDefinition": SERVICE_NETWORK,
        "distributedRouterUplinkNetworkDefinition": null,
        "edgeClusterConfig": {
            "primaryEdgeCluster": {
                "edgeClusterRef": {
                    "name": "edge-cluster1",
                    "id": derived_urn("edgeCluster", "edge-cluster1"),
                },
                "backingId": "edge-cluster1",
            },
            "secondaryEdgeCluster": null,
        },
    })
}

fn uplink(desk: &Desk<'_, '_>, gateway: &Gateway) -> Value {
    let used = desk.services.used_addresses(gateway);
    let within = |subnet: &Subnet| {
        let used = used.iter().filter(|(address, category)| {
            *category != "PRIMARY_IP" && subnet.range.contains(*address)
        });
        used.count()
    };
    let subnets: Vec<Value> = gateway
        .subnets
        .iter()
        .map(|subnet| {
            json!({
                "gateway": subnet.gateway,
                "prefixLength": subnet.prefix,
                "dnsSuffix": null,
                "dnsServer1": "",
                "dnsServer2": "",
                "ipRanges": {"values": [
                    {"startAddress": subnet.range.first, "endAddress": subnet.range.last},
                ]},
                "enabled": true,
                "totalIpCount": subnet.range.size(),
                "usedIpCount": within(subnet),
                "primaryIp": subnet.primary,
                "autoAllocateIpRanges": false,
            })
        })
        .collect();
    let using = gateway.ip_space.is_some();
    let mut uplink = json!({
        "uplinkId": format!("urn:vcloud:network:{}", gateway.uplink),
        "uplinkName": gateway.uplink_name,
        "subnets": if using { Value::Null } else { json!({"values": subnets}) },
        "connected": true,
        "quickAddAllocatedIpCount": null,
        "dedicated": false,
        "vrfLiteBacked": false,
        "backingType": "NSXT_TIER0",
    });
    if desk.call.version >= IP_SPACES_SINCE
        && let Some(uplink) = uplink.as_object_mut()
    {
        uplink.insert("usingIpSpace".to_owned(), json!(using));
    }
    uplink
}

fn used_addresses(desk: &Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    desk.require(&[right::GATEWAYS])?;
    let gateway = desk.gateway(urn)?;
    let keys = ["ipAddress", "category", "networkRef.id", "networkRef.name"];
    let listing = Listing::of("GatewayUsedIpAddresses", &keys);
    let network = json!({
        "name": gateway.uplink_name,
        "id": format!("urn:vcloud:network:{}", gateway.uplink),
    });
    let row = |(address, category): (Ipv4Addr, &str)| {
        json!({
            "networkRef": network,
            "ipAddress": address,
            "category": category,
        })
    };
    let used = desk.services.used_addresses(gateway);
    let rows = used.into_iter().map(row).collect();
    paging::list(desk.call, desk.ctx.site, &listing, rows)
}

/// What a client writes about a gateway's load balancing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BalancingBody {
    enabled: bool,
    service_network_definition: Option<String>,
    supported_feature_set: Option<String>,
    transparent_mode_enabled: Option<bool>,
}

fn load_balancer(desk: &mut Desk<'_, '_>, urn: &str) -> Result<Reply, Problem> {
    if *desk.call.method == Method::GET {
        desk.require(&[right::BALANCERS, right::BALANCE])?;
        let gateway = desk.gateway(urn)?;
        let document = balancing_document(desk.call.version, &gateway.load_balancing);
        return Ok(Reply::json(200, desk.call.version, &document));
    }
    if *desk.call.method != Method::PUT {
        return Err(Problem::wrong_method());
    }
    desk.require(&[right::BALANCE])?;
    let gateway = desk.gateway(urn)?;
    let (uuid, owner) = (gateway.uuid.clone(), owner(&gateway.urn(), &gateway.name));
    let mut balancing = gateway.load_balancing.clone();
    let body: BalancingBody = specs::read(desk.call)?;
    balancing.enabled = body.enabled;
    if let Some(network) = body.service_network_definition {
        balancing.service_network = network;
    }
    if let Some(set) = body.supported_feature_set {
        require_one_of("supportedFeatureSet", &set, &["STANDARD", "PREMIUM"])?;
        balancing.feature_set = set;
    }
    balancing.transparent = body
        .transparent_mode_enabled
        .unwrap_or(balancing.transparent);
    let mut pools = desk.services.pools.values();
    if !balancing.enabled && pools.any(|pool| pool.gateway == uuid) {
        return Err(Problem::bad_request(
            "Load balancing cannot be disabled while the edge gateway has load balancer pools.",
        ));
    }
    desk.services.require_free("gateway", &uuid)?;
    let operation = Operation {
        kind: kinds::BALANCING,
        starter: &desk.starter(),
        owner,
        holds: vec![uuid.clone()],
        change: Change::Balancing(uuid, balancing),
    };
    let task = desk.services.submit(operation, desk.ctx);
    Ok(desk.accepted(&task))
}

fn balancing_document(version: ApiVersion, balancing: &LoadBalancing) -> Value {
    let mut document = json!({
        "enabled": balancing.enabled,
        "serviceNetworkDefinition": balancing.service_network,
        "ipv6ServiceNetworkDefinition": null,
        "loadBalancerCloudRef": {
            "name": "cloud1",
            "id": derived_urn("loadBalancerCloud", "cloud1"),
        },
    });
    if let Some(members) = document.as_object_mut() {
        if version >= FEATURE_SETS_SINCE {
            members.insert(
                "supportedFeatureSet".to_owned(),
                json!(balancing.feature_set),
            );
        } else {
            let license = if balancing.feature_set == "PREMIUM" {
                "ENTERPRISE"
            } else {
                "BASIC"
            };
            members.insert("licenseType".to_owned(), json!(license));
        }
        if version >= IP_SPACES_SINCE {
            let transparent = json!(balancing.transparent);
            members.insert("transparentModeEnabled".to_owned(), transparent);
        }
    }
    document
}
