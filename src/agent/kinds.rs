//! The kinds of object the agent touches, and what it may do with each: a closed list.
//!
//! Invariants:
//! - What is not in [`KINDS`] is never read, written or deleted.
//! - The order of [`KINDS`] is the order of applying: what others refer to comes first, workers after their
//!   control plane.
//!
//! Source: CAPI YAML as go-vcloud-director and the CAPVCD templates write it.

use serde_json::Value;

use crate::domain::cluster::{api_group, text_at};

/// Namespace of the autoscaler.
pub(super) const SYSTEM_NAMESPACE: &str = "kube-system";
/// Name of every object of the autoscaler.
pub(super) const AUTOSCALER: &str = "cluster-autoscaler";

/// Where objects of a kind lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the cluster's own namespace, under any name.
    Own,
    /// In `kube-system`, under the autoscaler's name.
    Autoscaler,
    /// In no namespace, under the autoscaler's name.
    AutoscalerEverywhere,
}

/// What an object is for, as far as the plan cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Cluster,
    Infrastructure,
    MachineTemplate,
    ControlPlane,
    Workers,
    Other,
}

/// One kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) plural: &'static str,
    pub(super) place: Place,
    pub(super) part: Part,
    /// Whether the agent may make one that is not there.
    pub(super) may_create: bool,
    /// Whether the agent deletes one that it applied and the YAML dropped.
    pub(super) may_remove: bool,
}

const CAPI: &str = "cluster.x-k8s.io";
const VCD: &str = "infrastructure.cluster.x-k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

const fn own(group: &'static str, name: &'static str, plural: &'static str, part: Part) -> Kind {
    Kind {
        group,
        name,
        plural,
        place: Place::Own,
        part,
        may_create: true,
        may_remove: false,
    }
}

const fn existing(kind: Kind) -> Kind {
    Kind {
        may_create: false,
        ..kind
    }
}

const fn removable(kind: Kind) -> Kind {
    Kind {
        may_remove: true,
        ..kind
    }
}

const fn autoscaler(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    place: Place,
) -> Kind {
    Kind {
        place,
        ..removable(own(group, name, plural, Part::Other))
    }
}

/// All of them, in the order of applying.
pub(super) static KINDS: [Kind; 12] = [
    existing(own(CAPI, "Cluster", "clusters", Part::Cluster)),
    existing(own(VCD, "VCDCluster", "vcdclusters", Part::Infrastructure)),
    own(
        "bootstrap.cluster.x-k8s.io",
        "KubeadmConfigTemplate",
        "kubeadmconfigtemplates",
        Part::Other,
    ),
    own(
        VCD,
        "VCDMachineTemplate",
        "vcdmachinetemplates",
        Part::MachineTemplate,
    ),
    existing(own(
        "controlplane.cluster.x-k8s.io",
        "KubeadmControlPlane",
        "kubeadmcontrolplanes",
        Part::ControlPlane,
    )),
    own(
        CAPI,
        "MachineDeployment",
        "machinedeployments",
        Part::Workers,
    ),
    removable(own(
        CAPI,
        "MachineHealthCheck",
        "machinehealthchecks",
        Part::Other,
    )),
    autoscaler("", "ServiceAccount", "serviceaccounts", Place::Autoscaler),
    autoscaler(
        RBAC,
        "ClusterRole",
        "clusterroles",
        Place::AutoscalerEverywhere,
    ),
    autoscaler(RBAC, "Role", "roles", Place::Autoscaler),
    autoscaler(
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        Place::AutoscalerEverywhere,
    ),
    autoscaler("apps", "Deployment", "deployments", Place::Autoscaler),
];

impl Kind {
    /// The kind of a document, if the agent has to do with it.
    pub(super) fn of(document: &Value) -> Option<&'static Self> {
        let kind = text_at(document, &["kind"])?;
        let group = api_group(document);
        KINDS
            .iter()
            .find(|known| known.name == kind && known.group == group)
    }

    /// Place in the order of applying.
    pub(super) fn order(&self) -> usize {
        KINDS
            .iter()
            .position(|known| known == self)
            .unwrap_or(KINDS.len())
    }

    /// The version the agent asks for when no document names one.
    pub(super) fn default_version(&self) -> &'static str {
        if self.place == Place::Own {
            "v1beta1"
        } else {
            "v1"
        }
    }
}

/// One object in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) kind: &'static Kind,
    /// Version of the API, such as `v1beta1`.
    pub(super) version: String,
    /// Empty for objects in no namespace.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name, self.name)
    }
}
