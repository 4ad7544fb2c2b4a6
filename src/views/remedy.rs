//! What to do about an error, and who can: for every name that this server, its agent or a component of a
//! cluster writes.
//!
//! The text of an error says what is wrong with this cluster; here stands what is true of every error of the
//! name. Where the server has a hint of its own, that one is told.
//!
//! Invariants:
//! - Every error that this program can write is known here: a test reads the source for their names.
//! - Where one name is written by several for different reasons, the situation chooses.
//!
//! Source: `reconcile::failure`, `reconcile::preflight`, `reconcile::obstacle`, `domain::edit`,
//! `domain::cluster`, `agent::findings`; CAPVCD, CPI and CSI as their providers document them.

use serde::Serialize;

use super::timeline::Source;
use crate::domain::phase::Phase;
use crate::reconcile::failure::hint_for;

/// Who can mend something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The owner of the cluster.
    Tenant,
    /// Whoever runs VCD.
    Provider,
    /// Either of them.
    TenantOrProvider,
    /// A server or a controller, by itself.
    Itself,
}

impl Who {
    /// In sentences.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Tenant => "the tenant",
            Self::Provider => "the provider",
            Self::TenantOrProvider => "the tenant or the provider",
            Self::Itself => "nobody needs to act yet",
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// Who can.
    pub who: Who,
    /// What.
    pub how: &'static str,
}

const NEW_TOKEN: &str = "put a new API token of the cluster's owner or of an organization administrator into \
    spec.vcdKe.secure.apiToken; the deletion then goes on by itself";
const EDIT: &str = "correct spec.capiYaml as the text says; until then cse-agent applies nothing of the request \
    (the vendor's projector may all the same), and no server follows it";
const REQUEST: &str = "correct the request, delete this cluster and create it again";
const FREE: &str = "free some of what is short or raise its limit; with auto-repair on the next attempt uses it, \
    else delete the cluster and create it again";
const CHOOSE: &str = "choose one that is there and published to the VDC, or have the provider publish it; then delete \
    the cluster and create it again";
const NETWORK: &str = "choose a routed network with a static IP pool whose addresses are apart from those of the \
    cluster; then delete the cluster and create it again";
const BALANCER: &str = "enable NSX Advanced Load Balancer on the edge gateway and assign a service engine group with \
    free virtual services and an external address";

/// What to do about errors of these names, in every situation.
const SERVER: &[(&[&str], Who, &str)] = &[
    (
        &["OrganizationMismatch", "InvalidClusterSpec"],
        Who::Tenant,
        REQUEST,
    ),
    (
        &[
            "ApiTokenMissing",
            "TokenMissing",
            "ApiTokenRefused",
            "ApiTokenOfSystemAdministrator",
            "ApiTokenOfAnotherUser",
        ],
        Who::Tenant,
        "create an API token as the user who owns the cluster, delete this cluster and create it again with that token",
    ),
    (
        &["RightsMissing"],
        Who::Provider,
        "give the cluster's author the role \"Kubernetes Cluster Author\" with the rights that are named, and publish \
         them to the organization; then the tenant deletes the cluster and creates it again",
    ),
    (
        &["PreflightFailed", "MoreProblems"],
        Who::TenantOrProvider,
        "mend what the other errors name first",
    ),
    (
        &["BootstrapNameTaken", "VappNameTaken", "ClusterNameTaken"],
        Who::Tenant,
        "rename or delete what has the name, or choose another name; then create the cluster again",
    ),
    (
        &["VcdOperationRefused", "VcdOperationFailed"],
        Who::TenantOrProvider,
        "look at the tasks of the organization in VCD for what it objects to",
    ),
    (
        &["BootstrapVmStopped", "BootstrapVmLost", "BootstrapVmSilent"],
        Who::TenantOrProvider,
        "find out who or what stopped the bootstrap VM: its tasks in VCD, its host, its network",
    ),
    (
        &["BootstrapPhaseFailed", "BootstrapPhaseTimedOut"],
        Who::TenantOrProvider,
        "read the last lines of the log in the text, or the console of the bootstrap VM while it is kept",
    ),
    (
        &["ClusterStatusIncomplete"],
        Who::TenantOrProvider,
        "check from a node of the cluster that the VCD endpoint can be reached",
    ),
    (
        &["RollbackDetected"],
        Who::TenantOrProvider,
        "check that the nodes run; if nobody wants the cluster any more, delete it",
    ),
    (
        &["DeletionRolledBack"],
        Who::Tenant,
        "mark the cluster for deletion again: parts of it are gone already, and it cannot be repaired",
    ),
    (
        &["AttemptsUsedUp", "CleanupBlocked"],
        Who::TenantOrProvider,
        "see the text",
    ),
    (
        &["VdcNotFound", "VdcDisabled"],
        Who::TenantOrProvider,
        "check the VDC and the author's access to it; then delete the cluster and create it again",
    ),
    (
        &[
            "VmQuotaExceeded",
            "NicQuotaExceeded",
            "CpuLimitExceeded",
            "MemoryLimitExceeded",
            "StorageLimitExceeded",
            "NetworkAddressesExhausted",
        ],
        Who::TenantOrProvider,
        FREE,
    ),
    (
        &[
            "NetworkNotFound",
            "NetworkUnsupported",
            "NetworkWithoutPool",
            "NetworkRangeOverlap",
            "NetworkRangeReserved",
            "EdgeGatewayUnsupported",
        ],
        Who::Tenant,
        NETWORK,
    ),
    (
        &["LoadBalancerDisabled", "ServiceEnginesMissing"],
        Who::Provider,
        BALANCER,
    ),
    (
        &["ServiceEnginesFull", "ExternalAddressesExhausted"],
        Who::TenantOrProvider,
        "remove unused load balancers or addresses of the edge gateway, or have the provider add some; with auto-repair \
         on the next attempt uses them, else delete the cluster and create it again",
    ),
    (
        &[
            "TemplateNotFound",
            "TemplateNoTkgImage",
            "TemplateVersionMismatch",
        ],
        Who::TenantOrProvider,
        "upload the template or share its catalog with the organization, or name one that is there and fits the version",
    ),
    (
        &["TemplateUnfinished"],
        Who::Itself,
        "the server waits until the template is complete",
    ),
    (
        &["KubernetesVersionUnsupported", "WorkerVersionAhead"],
        Who::Tenant,
        "ask for one supported version for control plane and workers, delete this cluster and create it again",
    ),
    (
        &["BootstrapSizingPolicyNotPublished"],
        Who::Provider,
        "publish the VM sizing policy to the VDC, or name another one in bootstrapClusterConfig.sizingPolicy of \
         vcdKeConfig; then the tenant deletes the cluster and creates it again",
    ),
    (
        &[
            "SizingPolicyNotPublished",
            "SizingPolicyUnsuitable",
            "PlacementPolicyNotPublished",
            "StorageProfileNotFound",
            "StorageProfileDisabled",
            "DiskSizeNotPossible",
        ],
        Who::TenantOrProvider,
        CHOOSE,
    ),
    (
        &[
            "YamlMissing",
            "YamlTooLarge",
            "YamlUnreadable",
            "NoObject",
            "DocumentMissing",
            "DocumentRepeated",
            "FieldMissing",
            "FieldInvalid",
            "NameInvalid",
            "NameMismatch",
            "ControlPlaneCount",
            "NoPools",
            "AllPoolsEmpty",
            "PoolTooLarge",
            "AutoscalerRange",
            "TemplateMissing",
            "DiskSize",
            "FileSystem",
            "RangeInvalid",
            "RangeOverlap",
            "RangeReserved",
        ],
        Who::Tenant,
        REQUEST,
    ),
    (
        &["ResourcesNotVisible"],
        Who::Provider,
        "give the owner of the cluster's API token the right that is missing; the deletion then goes on by itself",
    ),
    (
        &["ForeignVmInClusterVapp"],
        Who::Tenant,
        "move that VM out of the cluster's vApp, or delete it; the deletion then goes on by itself",
    ),
    (
        &["ResourceNotRemoved"],
        Who::TenantOrProvider,
        "remove what uses it, or remove it by hand in VCD; the deletion then goes on by itself",
    ),
    (
        &["ClusterChangeStuck"],
        Who::TenantOrProvider,
        "mend what the text names; a server looks again as soon as the cluster's status changes",
    ),
    (
        &[
            "CapiYamlUnreadable",
            "CapiYamlInvalid",
            "ControlPlaneCountInvalid",
            "NoWorkerLeft",
            "WorkerPoolRepeated",
            "UpgradeUnderWay",
            "DowngradeRefused",
            "UpgradeSkipsMinorVersion",
            "WorkerVersionDiffers",
            "TemplateVersionDiffers",
            "ReleaseDiffers",
            "ImmutableFieldChanged",
        ],
        Who::Tenant,
        EDIT,
    ),
    (
        &[
            "clusterCreationFailed",
            "EphemeralVMError",
            "ScriptExecutionTimedout",
        ],
        Who::TenantOrProvider,
        "an original server wrote this: look into its log (cse.log) and at the bootstrap VM, then delete the \
         cluster and create it again",
    ),
];

/// What the agent inside a cluster writes besides the names of edits.
const AGENT: &[(&[&str], Who, &str)] = &[
    (&["CapiYamlError"], Who::Tenant, EDIT),
    (
        &["DocumentRefused"],
        Who::Tenant,
        "take the document out of spec.capiYaml and apply it with kubectl: the agent applies only what belongs to the cluster itself",
    ),
    (
        &["ApplyError"],
        Who::Tenant,
        "correct the document in spec.capiYaml: the cluster's API server refuses it for the reason in the text",
    ),
    (
        &["ApplyConflict"],
        Who::Tenant,
        "decide who owns the field: take it out of the other tool (such as GitOps), or out of spec.capiYaml",
    ),
    (
        &["ApplyDelayed"],
        Who::Itself,
        "the agent tries again every minute; if it stays, look at the API server and the webhooks of Cluster API",
    ),
    (
        &["ForeignCluster"],
        Who::Tenant,
        "point the agent at the entity of its own cluster: as it is, it applies nothing",
    ),
    (
        &["OperationRefused"],
        Who::Tenant,
        "empty spec.projector.operations: only the vendor's projector carries them out",
    ),
];

/// What the components of a cluster write.
const COMPONENTS: &[(&[&str], Who, &str)] = &[
    (
        &["LoadBalancerPending"],
        Who::Itself,
        "usual for a few minutes while NSX realises the load balancer; if it stays, test a virtual service on the edge gateway",
    ),
    (
        &["LoadBalancerError", "GetLoadbalancerError"],
        Who::TenantOrProvider,
        "check load balancing on the edge gateway: service engine group, free virtual services, free external address, NAT rights",
    ),
    (
        &[
            "CreateLoadbalancerError",
            "UpdateLoadbalancerError",
            "DeleteLoadbalancerError",
        ],
        Who::TenantOrProvider,
        "look at the Service of type LoadBalancer it is about, and at virtual services, pools and addresses of the edge gateway",
    ),
    (
        &["VCDClusterVAppCreationError", "VcdMachineCreationError"],
        Who::TenantOrProvider,
        "check quotas, storage, sizing policies, the template and free addresses of the VDC: VCD did not make what was asked for",
    ),
    (
        &["VCDClusterVAppDeleteError", "VcdMachineDeletionError"],
        Who::TenantOrProvider,
        "look for named disks that are still attached and for VMs of others in the cluster's vApp",
    ),
    (
        &["VcdMachineScriptGenerationError"],
        Who::Tenant,
        "check the KubeadmControlPlane and KubeadmConfigTemplate of the request, above all files and commands",
    ),
    (
        &["VcdMachineScriptExecutionError"],
        Who::TenantOrProvider,
        "look into /var/log/cloud-init-output.log and kubeadm.err in the home of root of that node: such a node never recovers, delete its Machine to have it replaced",
    ),
    (
        &[
            "VCDMachineError",
            "VCDClusterError",
            "CAPVCDObjectPatchError",
        ],
        Who::TenantOrProvider,
        "look at the log of capvcd-controller-manager in the cluster; check API token, rights and VDC",
    ),
    (
        &[
            "RdeError",
            "RdeUpgradeError",
            "RdeIncorrectFormatError",
            "CPIStatusUpgradeRdeError",
        ],
        Who::TenantOrProvider,
        "check the API token inside the cluster and the rights of its owner on vmware:capvcdCluster: status cannot be written",
    ),
    (
        &["AddVirtualIPToRdeError", "RemoveVirtualIPFromRdeError"],
        Who::Itself,
        "the cloud provider tries again; if it stays, check the API token inside the cluster",
    ),
    (
        &["DiskQueryError", "DiskCreateError"],
        Who::TenantOrProvider,
        "check the storage profile of the StorageClass, its free space, and the rights on named disks",
    ),
    (
        &["DiskAttachError", "DiskDetachError", "DiskDeleteError"],
        Who::TenantOrProvider,
        "look at the disk and its VM in VCD: a task may still run, or the disk is attached elsewhere",
    ),
];

/// What to do about an error of that name; `deleting` when the cluster is being deleted. `None`: nobody here
/// knows the name, and its text is all there is.
pub fn remedy(source: Source, name: &str, deleting: bool) -> Option<Remedy> {
    let is_token = ["ApiTokenMissing", "ApiTokenRefused"].contains(&name);
    if deleting && is_token {
        return Some(Remedy {
            who: Who::TenantOrProvider,
            how: NEW_TOKEN,
        });
    }
    if let Some(phase) = Phase::ALL.into_iter().find(|phase| phase.error() == name) {
        return Some(Remedy {
            who: Who::TenantOrProvider,
            how: of_phase(phase),
        });
    }
    let tables: [&[(&[&str], Who, &'static str)]; 3] = match source {
        Source::Agent => [AGENT, SERVER, COMPONENTS],
        Source::Server => [SERVER, AGENT, COMPONENTS],
        Source::Capvcd | Source::Cpi | Source::Csi => [COMPONENTS, SERVER, AGENT],
    };
    let mut rows = tables.into_iter().flatten();
    let (_, who, how) = rows.find(|(names, ..)| names.contains(&name))?;
    let how = match source {
        // The server's own words come first.
        Source::Server => hint_for(name).unwrap_or(how),
        Source::Capvcd | Source::Cpi | Source::Csi | Source::Agent => how,
    };
    Some(Remedy { who: *who, how })
}

/// What to look at when a phase of the bootstrap does not go on.
pub const fn of_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Network => {
            "check from the tenant's network: name servers, route and NAT to the Internet or the mirror, the proxy, the \
             VCD endpoint and its certificate, and that one MTU holds on the whole way"
        }
        Phase::Tools => {
            "check that the download sites or the mirror can be reached from the tenant's network, and that a GitHub \
             token stands in vcdKeConfig when GitHub limits downloads"
        }
        Phase::Kind => {
            "check that the image registry can be reached, and that no network of the site uses 172.17.0.0/16 or 172.18.0.0/16"
        }
        Phase::Providers => {
            "check that the image registry and GitHub can be reached, and the versions of Cluster API and CAPVCD in vcdKeConfig"
        }
        Phase::Apply => {
            "read in the log which document of spec.capiYaml is refused, and correct it"
        }
        Phase::ControlPlane => {
            "check the load balancer of the edge gateway (service engines, free external address), and the console of \
             the first control plane node"
        }
        Phase::Addons => {
            "check that the nodes reach the image registry, and the versions of CNI, CPI and CSI in vcdKeConfig"
        }
        Phase::Workers => {
            "check quotas, storage and free addresses of the VDC, and the consoles of the nodes that are missing"
        }
        Phase::Pivot => {
            "check that the control plane of the new cluster answers and its nodes reach the image registry; its \
             Cluster API objects may be in either cluster"
        }
        Phase::Finish => {
            "check the storage class of the request and the agent's image in vcdKeConfig"
        }
    }
}

#[cfg(test)]
#[path = "remedy_tests.rs"]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests;
