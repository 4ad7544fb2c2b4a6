//! What preflight finds, in words the tenant can act on.
//!
//! Invariants:
//! - The set is closed; [`PreflightProblem::name`] is stable and goes into `errorSet` and searches.
//! - A sentence says what is wrong, where, and what to do about it.
//! - Names that tenants chose are [`Quoted`]: short, escaped and in quotes.
//! - Every problem says whether waiting alone can heal it; nothing else decides about repetition.

use super::words::{Quoted, Resource};
use crate::domain::cluster::{AddressRange, SpecProblem};
use crate::domain::ids::EntityId;

/// One reason why a creation cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreflightProblem {
    /// The request itself is wrong.
    #[error("{0}")]
    Spec(SpecProblem),
    /// The YAML names another organization.
    #[error(
        "the YAML's VCDCluster is for organization {yaml}, but the cluster belongs to organization {entity}; \
         set spec.org of the VCDCluster to {entity}"
    )]
    OrganizationMismatch {
        /// In the YAML.
        yaml: Quoted,
        /// Of the entity.
        entity: Quoted,
    },
    /// The token is one of the provider's.
    #[error(
        "the API token belongs to a user of the provider's organization; a cluster's own controllers cannot \
         work with it: create the cluster again with an API token of a user of organization {org}"
    )]
    TokenOfSystemAdministrator {
        /// Of the cluster.
        org: Quoted,
    },
    /// The token's user can write neither this entity nor all of them.
    #[error(
        "the API token belongs to user {user}, who does not own the cluster and lacks the right \
         \"vmware:capvcdCluster: Administrator Full access\"; use an API token of the cluster's owner"
    )]
    TokenOfAnotherUser {
        /// Whose it is.
        user: Quoted,
    },
    /// The token's user may not do what a creation does.
    #[error(
        "user {user} lacks rights that creating a cluster needs: {}; give the user the role \"Kubernetes \
         Cluster Author\", or add these rights to the role",
        list(rights)
    )]
    RightsMissing {
        /// Whose.
        user: Quoted,
        /// By their names in VCD.
        rights: Vec<&'static str>,
    },
    /// No such VDC.
    #[error(
        "VDC {name} does not exist or is not visible to the cluster's author; check the name, and whether \
         the author has access to the VDC"
    )]
    VdcNotFound {
        /// As asked for.
        name: Quoted,
    },
    /// The VDC is switched off.
    #[error("VDC {name} is disabled; ask your provider to enable it, or choose another VDC")]
    VdcDisabled {
        /// Its name.
        name: Quoted,
    },
    /// A limit of the VDC.
    #[error(
        "VDC {vdc} has {left} {resource} left and the cluster needs {needed}; free some, ask your provider \
         for more, or ask for a smaller cluster"
    )]
    VdcExhausted {
        /// Its name.
        vdc: Quoted,
        /// What is scarce.
        resource: Resource,
        /// What is asked for, the bootstrap VM included.
        needed: u64,
        /// What there is.
        left: u64,
    },
    /// No such network.
    #[error(
        "network {name} is not available in VDC {vdc}, or not visible to the cluster's author; check the name, \
         and that the network belongs to the VDC or is shared with it"
    )]
    NetworkNotFound {
        /// As asked for.
        name: Quoted,
        /// Where.
        vdc: Quoted,
    },
    /// A network that no load balancer can be put before.
    #[error(
        "network {name} is {kind}; a cluster needs a routed network behind an NSX-T edge gateway: \
         choose or create one"
    )]
    NetworkUnsupported {
        /// Its name.
        name: Quoted,
        /// What it is instead.
        kind: String,
    },
    /// A network whose machines could get addresses by DHCP at most.
    #[error(
        "network {name} has no static IP pool, and DHCP alone is not supported; add a static IP pool to it"
    )]
    NetworkWithoutPool {
        /// Its name.
        name: Quoted,
    },
    /// Not enough addresses.
    #[error(
        "the static IP pool of network {name} has {free} free addresses and the cluster needs {needed}, one of \
         them for the bootstrap VM; add addresses to the pool or free some"
    )]
    NetworkAddressesExhausted {
        /// Its name.
        name: Quoted,
        /// What is asked for.
        needed: u64,
        /// What there is.
        free: u64,
    },
    /// The cluster's own ranges contain nodes or name servers.
    #[error(
        "{what}, {range}, and {cluster}, {own}, overlap; choose ranges for pods and services that are apart \
         from the network"
    )]
    NetworkRangeOverlap {
        /// Which part of the network.
        what: &'static str,
        /// Its addresses.
        range: AddressRange,
        /// Which range of the cluster.
        cluster: &'static str,
        /// Its addresses.
        own: AddressRange,
    },
    /// The bootstrap VM could not reach it.
    #[error(
        "{what}, {range}, lies in {reserved}, which the bootstrap VM uses for its containers; choose a network \
         outside 172.17.0.0/16 and 172.18.0.0/16"
    )]
    NetworkRangeReserved {
        /// Which part of the network.
        what: &'static str,
        /// Its addresses.
        range: AddressRange,
        /// The container network it meets.
        reserved: AddressRange,
    },
    /// A gateway that CAPVCD does not work with.
    #[error(
        "edge gateway {gateway} has {uplinks} uplinks, and the cluster's controllers work with exactly one; \
         choose a network behind another edge gateway"
    )]
    EdgeGatewayUnsupported {
        /// Its name.
        gateway: Quoted,
        /// How many.
        uplinks: usize,
    },
    /// No load balancing.
    #[error(
        "load balancing is switched off on edge gateway {gateway}; ask your provider to enable the NSX \
         Advanced Load Balancer for it"
    )]
    LoadBalancerDisabled {
        /// Its name.
        gateway: Quoted,
    },
    /// Nothing to run load balancers on.
    #[error(
        "no service engine group is assigned to edge gateway {gateway}; ask your provider to assign one"
    )]
    ServiceEnginesMissing {
        /// Its name.
        gateway: Quoted,
    },
    /// No room for one more load balancer.
    #[error(
        "the service engine groups of edge gateway {gateway} have as many virtual services as they may; \
         remove unused load balancers, or ask your provider for more"
    )]
    ServiceEnginesFull {
        /// Its name.
        gateway: Quoted,
    },
    /// No address for the control plane.
    #[error(
        "edge gateway {gateway} has no free external IP address for the cluster's control plane; free one, ask \
         your provider for more, or set a control plane IP of your own"
    )]
    ExternalAddressesExhausted {
        /// Its name.
        gateway: Quoted,
    },
    /// No such template.
    #[error(
        "template {name} does not exist in catalog {catalog}, or is not visible to the cluster's author; check \
         both names, and that the catalog is shared with the author"
    )]
    TemplateNotFound {
        /// As asked for.
        name: Quoted,
        /// Where.
        catalog: Quoted,
    },
    /// A template that is still being made.
    #[error("template {name} is not complete yet; wait until its upload or copy has ended")]
    TemplateUnfinished {
        /// Its name.
        name: Quoted,
    },
    /// A template of something else.
    #[error(
        "template {name} is no TKG image: its first VM has no product property VERSION; choose an Ubuntu TKG \
         template"
    )]
    TemplateNoImage {
        /// Its name.
        name: Quoted,
    },
    /// A template of another version.
    #[error(
        "template {name} holds Kubernetes {holds}, but {group} asks for {asked}; choose the template of that \
         version, or ask for the version of the template"
    )]
    TemplateVersion {
        /// Its name.
        name: Quoted,
        /// What is in it.
        holds: Quoted,
        /// Who uses it.
        group: String,
        /// What is asked for.
        asked: Quoted,
    },
    /// A version nobody supports.
    #[error("Kubernetes {version} is too old; clusters can be created from v1.19.1 on")]
    KubernetesUnsupported {
        /// As asked for.
        version: Quoted,
    },
    /// Nodes newer than the API server.
    #[error(
        "{group} asks for Kubernetes {version}, which is newer than the control plane's {control_plane}; ask for \
         the same version"
    )]
    WorkersAhead {
        /// Which pool.
        group: String,
        /// Its version.
        version: Quoted,
        /// That of the control plane.
        control_plane: Quoted,
    },
    /// The bootstrap VM's size is not there.
    #[error(
        "VM sizing policy {name}, which the provider has chosen for bootstrap VMs, is not published to VDC \
         {vdc}; ask your provider to publish it"
    )]
    BootstrapPolicyNotPublished {
        /// Its name.
        name: Quoted,
        /// Where.
        vdc: Quoted,
    },
    /// A size that is not there.
    #[error(
        "VM sizing policy {name} of {group} is not published to VDC {vdc}; choose another one, or ask your \
         provider to publish it"
    )]
    SizingPolicyNotPublished {
        /// Its name.
        name: Quoted,
        /// Who uses it.
        group: String,
        /// Where.
        vdc: Quoted,
    },
    /// A policy that is no size.
    #[error("policy {name} of {group} is no VM sizing policy; choose a sizing policy")]
    SizingPolicyUnsuitable {
        /// Its name.
        name: Quoted,
        /// Who uses it.
        group: String,
    },
    /// A place that is not there.
    #[error(
        "VM placement policy {name} of {group} is not published to VDC {vdc}; choose another one, or ask your \
         provider to publish it"
    )]
    PlacementPolicyNotPublished {
        /// Its name.
        name: Quoted,
        /// Who uses it.
        group: String,
        /// Where.
        vdc: Quoted,
    },
    /// Storage that is not there.
    #[error("storage profile {name} is not available in VDC {vdc}; choose one that is")]
    StorageProfileNotFound {
        /// As asked for.
        name: Quoted,
        /// Where.
        vdc: Quoted,
    },
    /// Storage that is switched off.
    #[error(
        "storage profile {name} is disabled; choose another one, or ask your provider to enable it"
    )]
    StorageProfileDisabled {
        /// Its name.
        name: Quoted,
    },
    /// Not enough storage.
    #[error(
        "storage profile {name} has {left} MiB left and the cluster needs {needed} MiB; free some, ask your \
         provider for more, or ask for smaller disks"
    )]
    StorageExhausted {
        /// Its name.
        name: Quoted,
        /// What is asked for, in MiB.
        needed: u64,
        /// What there is, in MiB.
        left: u64,
    },
    /// A disk size that cannot be had.
    #[error(
        "{group} asks for disks of another size than 20 GiB, which VDC {vdc} cannot give because it uses fast \
         provisioning; ask for 20Gi, or ask your provider to switch fast provisioning off"
    )]
    DiskSizeFixed {
        /// Who uses it.
        group: String,
        /// Where.
        vdc: Quoted,
    },
    /// Two clusters of one name.
    #[error(
        "another cluster of the organization is named {name} ({by}); choose another name, or delete that cluster \
         first"
    )]
    ClusterNameTaken {
        /// The name.
        name: Quoted,
        /// The other one.
        by: EntityId,
    },
    /// A vApp in the way.
    #[error(
        "a vApp named {name} exists in VDC {vdc} that does not belong to this cluster; rename or delete it, or \
         choose another name for the cluster"
    )]
    VappNameTaken {
        /// The name.
        name: Quoted,
        /// Where.
        vdc: Quoted,
    },
    /// Problems that are not told one by one.
    #[error("{count} further problems were found; they are told once those above are mended")]
    More {
        /// How many.
        count: usize,
    },
}

fn list(rights: &[&'static str]) -> String {
    let quoted: Vec<String> = rights.iter().map(|right| format!("\"{right}\"")).collect();
    quoted.join(", ")
}

impl PreflightProblem {
    /// The error's stable name in `errorSet`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Spec(problem) => problem.code(),
            Self::OrganizationMismatch { .. } => "OrganizationMismatch",
            Self::TokenOfSystemAdministrator { .. } => "ApiTokenOfSystemAdministrator",
            Self::TokenOfAnotherUser { .. } => "ApiTokenOfAnotherUser",
            Self::RightsMissing { .. } => "RightsMissing",
            Self::VdcNotFound { .. } => "VdcNotFound",
            Self::VdcDisabled { .. } => "VdcDisabled",
            Self::VdcExhausted { resource, .. } => match resource {
                Resource::Vms => "VmQuotaExceeded",
                Resource::Nics => "NicQuotaExceeded",
                Resource::Cpu => "CpuLimitExceeded",
                Resource::Memory => "MemoryLimitExceeded",
            },
            Self::NetworkNotFound { .. } => "NetworkNotFound",
            Self::NetworkUnsupported { .. } => "NetworkUnsupported",
            Self::NetworkWithoutPool { .. } => "NetworkWithoutPool",
            Self::NetworkAddressesExhausted { .. } => "NetworkAddressesExhausted",
            Self::NetworkRangeOverlap { .. } => "NetworkRangeOverlap",
            Self::NetworkRangeReserved { .. } => "NetworkRangeReserved",
            Self::EdgeGatewayUnsupported { .. } => "EdgeGatewayUnsupported",
            Self::LoadBalancerDisabled { .. } => "LoadBalancerDisabled",
            Self::ServiceEnginesMissing { .. } => "ServiceEnginesMissing",
            Self::ServiceEnginesFull { .. } => "ServiceEnginesFull",
            Self::ExternalAddressesExhausted { .. } => "ExternalAddressesExhausted",
            Self::TemplateNotFound { .. } => "TemplateNotFound",
            Self::TemplateUnfinished { .. } => "TemplateUnfinished",
            Self::TemplateNoImage { .. } => "TemplateNoTkgImage",
            Self::TemplateVersion { .. } => "TemplateVersionMismatch",
            Self::KubernetesUnsupported { .. } => "KubernetesVersionUnsupported",
            Self::WorkersAhead { .. } => "WorkerVersionAhead",
            Self::BootstrapPolicyNotPublished { .. } => "BootstrapSizingPolicyNotPublished",
            Self::SizingPolicyNotPublished { .. } => "SizingPolicyNotPublished",
            Self::SizingPolicyUnsuitable { .. } => "SizingPolicyUnsuitable",
            Self::PlacementPolicyNotPublished { .. } => "PlacementPolicyNotPublished",
            Self::StorageProfileNotFound { .. } => "StorageProfileNotFound",
            Self::StorageProfileDisabled { .. } => "StorageProfileDisabled",
            Self::StorageExhausted { .. } => "StorageLimitExceeded",
            Self::DiskSizeFixed { .. } => "DiskSizeNotPossible",
            Self::ClusterNameTaken { .. } => "ClusterNameTaken",
            Self::VappNameTaken { .. } => "VappNameTaken",
            Self::More { .. } => "MoreProblems",
        }
    }

    /// Whether it can be gone a while later though nobody changes the request: somebody frees something,
    /// or a copy ends.
    pub const fn waiting_helps(&self) -> bool {
        match self {
            Self::VdcExhausted { .. }
            | Self::NetworkAddressesExhausted { .. }
            | Self::ServiceEnginesFull { .. }
            | Self::ExternalAddressesExhausted { .. }
            | Self::TemplateUnfinished { .. }
            | Self::StorageExhausted { .. } => true,
            Self::Spec(_)
            | Self::OrganizationMismatch { .. }
            | Self::TokenOfSystemAdministrator { .. }
            | Self::TokenOfAnotherUser { .. }
            | Self::RightsMissing { .. }
            | Self::VdcNotFound { .. }
            | Self::VdcDisabled { .. }
            | Self::NetworkNotFound { .. }
            | Self::NetworkUnsupported { .. }
            | Self::NetworkWithoutPool { .. }
            | Self::NetworkRangeOverlap { .. }
            | Self::NetworkRangeReserved { .. }
            | Self::EdgeGatewayUnsupported { .. }
            | Self::LoadBalancerDisabled { .. }
            | Self::ServiceEnginesMissing { .. }
            | Self::TemplateNotFound { .. }
            | Self::TemplateNoImage { .. }
            | Self::TemplateVersion { .. }
            | Self::KubernetesUnsupported { .. }
            | Self::WorkersAhead { .. }
            | Self::BootstrapPolicyNotPublished { .. }
            | Self::SizingPolicyNotPublished { .. }
            | Self::SizingPolicyUnsuitable { .. }
            | Self::PlacementPolicyNotPublished { .. }
            | Self::StorageProfileNotFound { .. }
            | Self::StorageProfileDisabled { .. }
            | Self::DiskSizeFixed { .. }
            | Self::ClusterNameTaken { .. }
            | Self::VappNameTaken { .. }
            | Self::More { .. } => false,
        }
    }
}
