//! Networks and edge gateways in JSON, as far as preflight reads them.
//!
//! Invariants:
//! - A field that is missing or null is unknown, not zero.
//!
//! Source: VCD `OpenAPI` 37.2, `VdcNetwork`, `EdgeGateway`, `LoadBalancerServiceEngineGroupAssignment`,
//! `IpSpace`.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::cluster::AddressRange;
use crate::domain::ids::GatewayId;
use crate::domain::site::{Allowance, GatewayOffer, NetworkKind, NetworkOffer};
use crate::vcd::model::IdName;
use crate::vcd::uplinks::Uplinks;

/// `{"values": [...]}`
#[derive(Deserialize)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

fn items<T>(values: Option<Values<T>>) -> Vec<T> {
    values.map(|list| list.values).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct NetworkRead {
    #[serde(default)]
    network_type: String,
    connection: Option<ConnectionRead>,
    subnets: Option<Values<SubnetRead>>,
    total_ip_count: Option<u64>,
    used_ip_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionRead {
    router_ref: Option<IdName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetRead {
    gateway: Option<String>,
    prefix_length: Option<u8>,
    dns_server1: Option<String>,
    dns_server2: Option<String>,
    ip_ranges: Option<Values<RangeRead>>,
    total_ip_count: Option<u64>,
    used_ip_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RangeRead {
    start_address: String,
    end_address: String,
}

impl SubnetRead {
    /// The subnet as a range; none for IPv6.
    fn range(&self) -> Option<AddressRange> {
        let (gateway, prefix) = (self.gateway.as_ref()?, self.prefix_length?);
        AddressRange::parse(&format!("{gateway}/{prefix}"))
    }

    fn name_servers(&self) -> impl Iterator<Item = AddressRange> {
        let servers = [&self.dns_server1, &self.dns_server2].into_iter().flatten();
        servers.filter_map(|server| AddressRange::parse(server))
    }
}

impl NetworkRead {
    pub(in crate::vcd) fn into_offer(self) -> NetworkOffer {
        let subnets = items(self.subnets);
        let kind = match self.network_type.as_str() {
            "NAT_ROUTED" => NetworkKind::Routed,
            "ISOLATED" => NetworkKind::Isolated,
            "DIRECT" | "DIRECT_UPLINK" => NetworkKind::Direct,
            other => NetworkKind::Other(other.to_owned()),
        };
        let sum = |of: fn(&SubnetRead) -> Option<u64>| {
            let counts = subnets.iter().map(of);
            counts.sum::<Option<u64>>().filter(|_| !subnets.is_empty())
        };
        let total = self
            .total_ip_count
            .or_else(|| sum(|one| one.total_ip_count));
        let used = self.used_ip_count.or_else(|| sum(|one| one.used_ip_count));
        let router = self.connection.and_then(|connection| connection.router_ref);
        NetworkOffer {
            kind,
            gateway: router.and_then(|router| GatewayId::parse(&router.id).ok()),
            name_servers: subnets.iter().flat_map(SubnetRead::name_servers).collect(),
            pool: total.zip(used).map(|(total, used)| Allowance {
                limit: Some(total),
                used,
            }),
            subnets: subnets.iter().filter_map(SubnetRead::range).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct GatewayRead {
    #[serde(default)]
    name: String,
    #[serde(default)]
    edge_gateway_uplinks: Vec<UplinkRead>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UplinkRead {
    subnets: Option<Values<SubnetRead>>,
    using_ip_space: Option<bool>,
}

impl GatewayRead {
    pub(in crate::vcd) fn into_uplinks(self) -> Uplinks {
        let uplinks = self.edge_gateway_uplinks;
        let count = uplinks.len();
        let uses_ip_spaces = uplinks.iter().any(|one| one.using_ip_space == Some(true));
        let subnets: Vec<SubnetRead> = uplinks
            .into_iter()
            .flat_map(|uplink| items(uplink.subnets))
            .collect();
        let networks = subnets.iter().filter_map(SubnetRead::range).collect();
        let ranges = subnets.into_iter().flat_map(|one| items(one.ip_ranges));
        let ends = ranges.filter_map(|range| {
            let first = range.start_address.parse().ok()?;
            Some((first, range.end_address.parse().ok()?))
        });
        Uplinks {
            offer: GatewayOffer {
                name: self.name,
                uplinks: count,
                subnets: networks,
                uses_ip_spaces,
                balancing: None,
                engines: None,
                free_address: None,
            },
            ranges: ends.collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct UsedAddress {
    ip_address: Option<String>,
}

impl UsedAddress {
    pub(in crate::vcd) fn address(&self) -> Option<Ipv4Addr> {
        self.ip_address.as_ref()?.parse().ok()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct AssignmentRead {
    gateway_ref: Option<IdName>,
    max_virtual_services: Option<u64>,
    num_deployed_virtual_services: Option<u64>,
}

impl AssignmentRead {
    pub(in crate::vcd) fn is_at(&self, gateway: &GatewayId) -> bool {
        let at = self.gateway_ref.as_ref();
        at.is_none_or(|at| at.id == gateway.as_str())
    }

    /// Where no number is told, there is room.
    pub(in crate::vcd) fn has_room(&self) -> bool {
        let numbers = self
            .max_virtual_services
            .zip(self.num_deployed_virtual_services);
        numbers.is_none_or(|(most, deployed)| deployed < most)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct SuggestionRead {
    ip_space_ref: IdName,
    #[serde(default)]
    unused_values: Vec<Value>,
}

impl SuggestionRead {
    pub(in crate::vcd) fn has_unused(&self) -> bool {
        !self.unused_values.is_empty()
    }

    pub(in crate::vcd) fn space(&self) -> &str {
        &self.ip_space_ref.id
    }
}

#[derive(Deserialize)]
pub(in crate::vcd) struct IpSpaceRead {
    utilization: Option<Utilization>,
}

#[derive(Deserialize)]
struct Utilization {
    #[serde(rename = "floatingIPs")]
    floating: Option<FloatingUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FloatingUse {
    total_count: Option<Value>,
    allocated_count: Option<Value>,
}

impl IpSpaceRead {
    /// Whether an address can be allocated.
    pub(in crate::vcd) fn has_room(&self) -> Option<bool> {
        let floating = self.utilization.as_ref()?.floating.as_ref()?;
        let total = count(floating.total_count.as_ref()?)?;
        Some(count(floating.allocated_count.as_ref()?)? < total)
    }
}

/// Counts of IP spaces come as texts.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
