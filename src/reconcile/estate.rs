//! The estate of a cluster: everything in VCD that belongs to it, each object with the proof that it does.
//!
//! Flow: `controller::estate` surveys it; the removal of a cluster or of a failed attempt is decided on it.
//!
//! Invariants:
//! - An object without a [`Proof`] is never removed; it is reported.
//! - Objects are removed by id. Names are for people and for the look-up.
//!
//! Source: names, metadata and descriptions written by CAPVCD, CPI and CSI (Cluster API on VCD).

use std::collections::BTreeMap;

use super::observation::Power;
use crate::domain::ids::{VappId, VmId};

/// Why an object is known to belong to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Its name holds the entity's UUID.
    Named,
    /// Its metadata `CapvcdInfraId`, its description or its claim marker names the entity.
    Marked,
    /// The entity names it by its id: `externalId` or a `vcdResourceSet`.
    Recorded,
    /// It looks like the cluster's, by its name alone: never removed.
    Unproven,
}

impl Proof {
    /// Whether the object may be removed.
    pub const fn suffices(self) -> bool {
        match self {
            Self::Named | Self::Marked | Self::Recorded => true,
            Self::Unproven => false,
        }
    }
}

/// Kind of an object besides vApps and VMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EstateKind {
    /// Virtual service of the load balancer.
    VirtualService,
    /// Pool of the load balancer; can go when no virtual service uses it.
    Pool,
    /// DNAT rule of the edge gateway.
    NatRule,
    /// Application port profile; can go when no NAT rule uses it.
    PortProfile,
    /// Address allocated from an IP space.
    AddressClaim,
    /// Named disk, the storage of a persistent volume.
    Disk,
}

impl EstateKind {
    /// Name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtualService => "virtual service",
            Self::Pool => "load balancer pool",
            Self::NatRule => "NAT rule",
            Self::PortProfile => "application port profile",
            Self::AddressClaim => "IP address allocation",
            Self::Disk => "named disk",
        }
    }
}

/// Whom an object of the network serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serves {
    /// The Kubernetes API of the cluster.
    ControlPlane,
    /// A Service of type `LoadBalancer`.
    Service,
    /// A persistent volume.
    Volume,
}

/// One object of the estate that is neither vApp nor VM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EstateItem {
    /// What it is.
    pub kind: EstateKind,
    /// Its URN, or the bare id where VCD knows no URN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// URN of what it lies in, where its address needs that: gateway of a NAT rule, IP space of an
    /// allocation.
    pub within: Option<String>,
    /// Whom it serves.
    pub serves: Serves,
    /// Why it is the cluster's.
    pub proof: Proof,
    /// Whether VCD is at work on it.
    pub busy: bool,
    /// VMs a disk is attached to.
    pub attached_to: Vec<VmId>,
}

/// A node VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVm {
    /// Its id.
    pub id: VmId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub power: Power,
    /// Whether it has to be undeployed before it can be deleted.
    pub deployed: bool,
    /// Why it is the cluster's; CAPVCD describes every VM it makes as `Auto-created VM`. A VM that
    /// somebody else has put into the cluster's vApp is not proven.
    pub proof: Proof,
    /// Whether VCD is at work on it.
    pub busy: bool,
}

/// The cluster's vApp, or one that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterVapp {
    /// Its id.
    pub id: VappId,
    /// Its name.
    pub name: String,
    /// Why it is the cluster's.
    pub proof: Proof,
    /// Whether VCD is at work on it.
    pub busy: bool,
    /// Whether it, or a VM in it, is deployed.
    pub deployed: bool,
    /// Its VMs.
    pub vms: Vec<NodeVm>,
    /// Its metadata, as far as tenants may write it.
    pub metadata: BTreeMap<String, String>,
}

/// Everything of the cluster that a survey found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EstateSeen {
    /// The cluster's vApps, and those of its name that are not proven to be.
    pub vapps: Vec<ClusterVapp>,
    /// Everything else, proven or not.
    pub items: Vec<EstateItem>,
    /// Parts that could not be surveyed, each with the reason: a survey with gaps proves no emptiness.
    pub gaps: Vec<String>,
}

impl ClusterVapp {
    /// Whether VCD is at work on it or on a machine in it.
    pub fn is_at_work(&self) -> bool {
        self.busy || self.vms.iter().any(|vm| vm.busy)
    }
}

impl EstateSeen {
    /// Whether nothing proven is left and nothing was overlooked.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
            && !self.vapps.iter().any(|vapp| vapp.proof.suffices())
            && !self.items.iter().any(|item| item.proof.suffices())
    }
}
