//! What a tenant's site offers: the login behind a token, limits, networks, gateways, policies.
//!
//! Flow: `vcd` reads these with the tenant's token; `reconcile::preflight` compares them with what a
//! cluster asks for.
//!
//! Invariants:
//! - What VCD did not tell is `None`, never a zero or a guess.
//! - Texts come from VCD and from tenants: whoever shows them cuts and escapes them.
//!
//! Source: VCD `OpenAPI` 37.2, `sessions`, `orgVdcNetworks`, `edgeGateways`, `loadBalancer`,
//! `vdcComputePolicies`; vCloud API 37.2, `Vdc`, `VdcStorageProfile`, `VAppTemplate`.

use std::collections::BTreeSet;

use super::cluster::AddressRange;
use super::ids::GatewayId;

/// The login that an API token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `urn:vcloud:user:<uuid>`
    pub user_id: String,
    /// Login name.
    pub user: String,
    /// Name of the user's organization.
    pub org: String,
    /// Names of the user's rights, where the role can be read.
    pub rights: Option<BTreeSet<String>>,
}

/// How much of something there may be, and is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The most there may be; `None` where nothing is limited.
    pub limit: Option<u64>,
    /// What is in use.
    pub used: u64,
}

impl Allowance {
    /// What is left; `None` where nothing is limited.
    pub fn left(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }
}

/// Limits of a VDC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VdcLimits {
    /// How its compute capacity is sold, such as `Flex`.
    pub allocation_model: String,
    /// Most VMs.
    pub vms: Option<u64>,
    /// Most network cards.
    pub nics: Option<u64>,
    /// Processors, in MHz.
    pub cpu_mhz: Allowance,
    /// Memory, in MiB.
    pub memory_mib: Allowance,
}

/// How a network of a VDC is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// Through an edge gateway.
    Routed,
    /// Not at all.
    Isolated,
    /// Straight to a network of the provider.
    Direct,
    /// Otherwise, in VCD's word.
    Other(String),
}

/// A network as machines find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOffer {
    /// How it is connected.
    pub kind: NetworkKind,
    /// The edge gateway that routes it.
    pub gateway: Option<GatewayId>,
    /// Its subnets.
    pub subnets: Vec<AddressRange>,
    /// Its name servers.
    pub name_servers: Vec<AddressRange>,
    /// Addresses of its static pools: all of them and those in use.
    pub pool: Option<Allowance>,
}

/// Room for virtual services on a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineRoom {
    /// No group of service engines is assigned to the gateway.
    Unassigned,
    /// All assigned groups have as many virtual services as they may.
    Full,
    /// There is room.
    Free,
}

/// An edge gateway as load balancers find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayOffer {
    /// Its name.
    pub name: String,
    /// Number of its uplinks; CAPVCD works with exactly one.
    pub uplinks: usize,
    /// Subnets of its uplinks.
    pub subnets: Vec<AddressRange>,
    /// Whether its external addresses come from IP spaces.
    pub uses_ip_spaces: bool,
    /// Whether load balancing is switched on.
    pub balancing: Option<bool>,
    /// Room for virtual services.
    pub engines: Option<EngineRoom>,
    /// Whether an external address is free.
    pub free_address: Option<bool>,
}

/// A compute policy that a VDC offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyOffer {
    /// `urn:vcloud:vdcComputePolicy:<uuid>`
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it says how big a VM is, and not where it runs.
    pub sizing_only: bool,
    /// Processors of a VM; absent where the VM's own count.
    pub cpus: Option<u64>,
    /// Speed of a processor, in MHz.
    pub cpu_mhz: Option<u64>,
    /// Memory of a VM, in MiB; absent where the VM's own counts.
    pub memory_mib: Option<u64>,
}

/// A storage profile of a VDC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOffer {
    /// Its name.
    pub name: String,
    /// What VCD tells of it beyond its name.
    pub details: Option<StorageDetails>,
}

/// What a storage profile allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageDetails {
    /// Whether it can be used at all.
    pub enabled: bool,
    /// Whether it is the one of disks that name none.
    pub is_default: bool,
    /// Space, in MiB.
    pub space_mib: Allowance,
}

/// Where a VM template of a catalog stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateState {
    /// It could not be looked up.
    Unknown,
    /// There is none, or none that is visible.
    Absent,
    /// It is still being made.
    Unfinished,
    /// It can be copied.
    Ready {
        /// Its product property `VERSION`: what a TKG image is.
        version: Option<String>,
    },
}

/// A VM template of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateOffer {
    /// Name of the catalog.
    pub catalog: String,
    /// Name of the template.
    pub name: String,
    /// Where it stands.
    pub state: TemplateState,
}
