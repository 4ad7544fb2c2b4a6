//! What the server reports in `status.vcdKe`: state, events, errors, committed objects.
//!
//! Invariants:
//! - [`ClusterState`] is output for clients; only `state` texts that clients know are ever written.
//! - Event and error sets are windows: the oldest entries go first, a tenant's document never grows
//!   without bound.
//!
//! Source: go-vcloud-director's reading of `status.vcdKe` (CSE 4.1, 4.2).

use jiff::Timestamp;

/// `status.vcdKe.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterState {
    /// No server has picked the cluster up.
    Unclaimed,
    /// Being created.
    Provisioning,
    /// Usable; never created again from here on.
    Provisioned,
    /// Creation failed.
    Error,
    /// Being deleted.
    Deleting,
    /// A text this server does not know; it keeps its hands off.
    Unknown,
}

impl ClusterState {
    /// Reads the wire text.
    pub fn from_wire(text: &str) -> Self {
        match text {
            "" => Self::Unclaimed,
            "provisioning" => Self::Provisioning,
            "provisioned" => Self::Provisioned,
            "error" => Self::Error,
            "deleting" => Self::Deleting,
            _ => Self::Unknown,
        }
    }

    /// The wire text; the two states that are never written have their reading's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unclaimed => "",
            Self::Provisioning => "provisioning",
            Self::Provisioned => "provisioned",
            Self::Error => "error",
            Self::Deleting => "deleting",
            Self::Unknown => "unknown",
        }
    }
}

/// Kind of a committed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// The bootstrap vApp.
    Vapp,
    /// The bootstrap VM.
    Vm,
}

impl ResourceKind {
    /// The `type` text in `vcdResourceSet`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vapp => "VApp",
            Self::Vm => "VM",
        }
    }

    /// Reads the `type` text.
    pub fn from_wire(text: &str) -> Option<Self> {
        [Self::Vapp, Self::Vm]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// An entry of `status.vcdKe.vcdResourceSet`: an object committed for the current incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its URN.
    pub id: String,
    /// Its name, for people.
    pub name: String,
}

/// A dated line for the tenant, in `eventSet` or `errorSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Stable name, such as `CapiYamlProcessed`.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
    /// A sentence for the tenant.
    pub detail: String,
    /// URN and name of the object it is about, if any.
    pub resource: Option<(String, String)>,
}
