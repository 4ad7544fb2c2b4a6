//! What the networking services consist of: gateways, engine groups, IP spaces, certificates.
//!
//! Invariants:
//! - Every map key and every field named after another object holds a bare UUID; organizations are URNs.
//! - What a client wrote is kept as it wrote it (`specs`); what it did not say has VCD's default.
//!
//! Not here: addresses and machines behind a gateway (`infra::site::Network`).
//! Source: VCD `OpenAPI`, edge gateways, load balancer, NAT and IP spaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::specs::{NatSpec, PoolSpec, ProfileSpec, VirtualServiceSpec};

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) first: Ipv4Addr,
    pub(crate) last: Ipv4Addr,
}

impl Range {
    /// All addresses, lowest first.
    pub(crate) fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from)
    }

    /// Whether `address` lies within.
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        self.first <= address && address <= self.last
    }

    /// Number of addresses; one that ends before it begins has none.
    pub(crate) fn size(self) -> u32 {
        if self.last < self.first {
            return 0;
        }
        u32::from(self.last)
            .saturating_sub(u32::from(self.first))
            .saturating_add(1)
    }
}

/// A subnet of an uplink, with the part of it that the gateway may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) gateway: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) primary: Ipv4Addr,
    pub(crate) range: Range,
}

/// Load balancing as a gateway has it switched on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LoadBalancing {
    pub(crate) enabled: bool,
    /// CIDR that service engines take their addresses from.
    pub(crate) service_network: String,
    /// `STANDARD` or `PREMIUM`.
    pub(crate) feature_set: String,
    pub(crate) transparent: bool,
}

impl Default for LoadBalancing {
    fn default() -> Self {
        Self {
            enabled: true,
            service_network: "192.168.255.1/25".to_owned(),
            feature_set: "PREMIUM".to_owned(),
            transparent: false,
        }
    }
}

/// An edge gateway with its one uplink.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) vdc: String,
    /// The external network it is connected to.
    pub(crate) uplink: String,
    pub(crate) uplink_name: String,
    /// Empty where the uplink takes its addresses from an IP space.
    pub(crate) subnets: Vec<Subnet>,
    /// IP space behind the uplink, if any.
    pub(crate) ip_space: Option<String>,
    pub(crate) load_balancing: LoadBalancing,
}

impl Gateway {
    /// `urn:vcloud:gateway:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:gateway:{}", self.uuid)
    }
}

/// What the `OpenAPI` knows about an organization VDC network besides its addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct NetworkDetails {
    pub(crate) description: String,
    /// Gateway it is routed by; an isolated network has none.
    pub(crate) gateway: Option<String>,
    /// Its `networkType`, where it is another one than its gateway tells.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    pub(crate) dns_suffix: Option<String>,
    pub(crate) dns_second: String,
    pub(crate) shared: bool,
    /// As last written to `/dhcp`.
    pub(crate) dhcp: Option<super::specs::DhcpSpec>,
}

/// A group of load balancer service engines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EngineGroup {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) max_virtual_services: u32,
}

impl EngineGroup {
    /// `urn:vcloud:serviceEngineGroup:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:serviceEngineGroup:{}", self.uuid)
    }
}

/// An engine group lent to a gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) uuid: String,
    pub(crate) group: String,
    pub(crate) gateway: String,
    pub(crate) max_virtual_services: u32,
    pub(crate) min_virtual_services: u32,
}

/// A load balancer pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) uuid: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) gateway: String,
    /// False while the task that creates it runs.
    pub(crate) realized: bool,
    pub(crate) spec: PoolSpec,
}

impl Pool {
    /// `urn:vcloud:loadBalancerPool:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:loadBalancerPool:{}", self.uuid)
    }
}

/// A virtual service in front of a pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VirtualService {
    pub(crate) uuid: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) gateway: String,
    pub(crate) pool: String,
    pub(crate) engine_group: String,
    /// False while the task that creates it runs.
    pub(crate) realized: bool,
    /// Whether the engines have reported its health once.
    pub(crate) settled: bool,
    pub(crate) spec: VirtualServiceSpec,
}

impl VirtualService {
    /// `urn:vcloud:loadBalancerVirtualService:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:loadBalancerVirtualService:{}", self.uuid)
    }
}

/// A NAT rule of a gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NatRule {
    /// Bare UUID, which is also the id that the API shows.
    pub(crate) uuid: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) gateway: String,
    /// Goes up with every update.
    pub(crate) version: u32,
    pub(crate) spec: NatSpec,
}

/// An application port profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PortProfile {
    pub(crate) uuid: String,
    /// `urn:vcloud:org:<uuid>`; those of the scope SYSTEM belong to nobody.
    pub(crate) org_id: Option<String>,
    pub(crate) spec: ProfileSpec,
}

impl PortProfile {
    /// `urn:vcloud:applicationPortProfile:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:applicationPortProfile:{}", self.uuid)
    }
}

/// A public IP space.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IpSpace {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// Organization whose gateways may use it, by URN.
    pub(crate) org_id: String,
    /// CIDR within which the ranges lie.
    pub(crate) internal_scope: String,
    pub(crate) range_id: String,
    pub(crate) range: Range,
}

impl IpSpace {
    /// `urn:vcloud:ipSpace:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:ipSpace:{}", self.uuid)
    }
}

/// A floating address that an organization has taken out of an IP space.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Allocation {
    pub(crate) uuid: String,
    pub(crate) space: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) value: Ipv4Addr,
    pub(crate) description: String,
    /// Whether somebody set it to `USED_MANUAL`.
    pub(crate) claimed: bool,
    pub(crate) allocated: Timestamp,
}

impl Allocation {
    /// `urn:vcloud:ipSpaceIpAllocation:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:ipSpaceIpAllocation:{}", self.uuid)
    }
}

/// A certificate of an organization's library.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) uuid: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) alias: String,
    pub(crate) description: String,
    pub(crate) pem: String,
    /// Whether a private key came with it; the key itself is never shown and not kept.
    pub(crate) has_key: bool,
}

impl Certificate {
    /// `urn:vcloud:certificateLibraryItem:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:certificateLibraryItem:{}", self.uuid)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

/// A task that holds an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Busy {
    /// Bare UUID.
    pub(crate) task: String,
    /// Such as `NAT_RULE_CREATE`.
    pub(crate) operation: String,
}

/// All networking services of the site; every map goes by bare UUID.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Services {
    pub(crate) gateways: BTreeMap<String, Gateway>,
    /// By organization VDC network.
    pub(crate) networks: BTreeMap<String, NetworkDetails>,
    pub(crate) engine_groups: BTreeMap<String, EngineGroup>,
    pub(crate) assignments: BTreeMap<String, Assignment>,
    pub(crate) pools: BTreeMap<String, Pool>,
    /// Virtual services.
    pub(crate) virtuals: BTreeMap<String, VirtualService>,
    pub(crate) nat_rules: BTreeMap<String, NatRule>,
    pub(crate) profiles: BTreeMap<String, PortProfile>,
    pub(crate) ip_spaces: BTreeMap<String, IpSpace>,
    pub(crate) allocations: BTreeMap<String, Allocation>,
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// Objects that a running task holds.
    pub(crate) busy: BTreeMap<String, Busy>,
}
