//! What the client hands out: VCD's objects as far as this server uses them.
//!
//! Invariants:
//! - `Debug` shows no document, user data or task result: these hold tokens and kubeconfigs.
//! - An [`EntityDocument`] keeps every key of the envelope it was read with, known or not.
//!
//! Not here: how they are spelled on the wire (`vcd::wire`), what they mean for a cluster (`domain`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{DiskId, EntityId, GatewayId, TaskId, VappId, VdcId, VmId};
use crate::domain::site::VdcLimits;

/// Which entities to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityQuery {
    /// Vendor of the type, such as `vmware`.
    pub vendor: String,
    /// Short name of the type, such as `capvcdCluster`.
    pub nss: String,
    /// Type version or a prefix of it, such as `1`; none for all.
    pub version: Option<String>,
    /// FIQL, not encoded, such as `name==vcdKeConfig`.
    pub filter: Option<String>,
    /// Entities per page, 1 to 128; VCD refuses more.
    pub page_size: u16,
}

/// A runtime defined entity: envelope and content.
///
/// Only `entity`, `name` and `entity_type` are written back as they stand here; `state`, `message`,
/// `owner` and `org` are readings of `rest`, which goes back as it came.
#[derive(Clone, PartialEq)]
pub struct EntityDocument {
    /// Its URN.
    pub id: EntityId,
    /// URN of its type, with the version.
    pub entity_type: String,
    /// Its name; not unique.
    pub name: String,
    /// `PRE_CREATED`, `RESOLVED`, `RESOLUTION_ERROR` or `IN_DELETION`.
    pub state: String,
    /// Why the last resolution failed.
    pub message: Option<String>,
    /// The user who owns it.
    pub owner: Option<IdName>,
    /// The organization it belongs to.
    pub org: Option<IdName>,
    /// The content.
    pub entity: Map<String, Value>,
    /// The rest of the envelope, as it was read.
    pub rest: Map<String, Value>,
}

impl EntityDocument {
    /// The id, in another system, of what the entity stands for: CAPVCD puts its vApp here.
    pub fn external_id(&self) -> Option<&str> {
        let text = self.rest.get("externalId").and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for EntityDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntityDocument")
            .field("id", &self.id)
            .field("entity_type", &self.entity_type)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// An entity and the organization it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityOwner {
    /// Its URN.
    pub id: EntityId,
    /// Its name; not unique.
    pub name: String,
    /// URN of its organization.
    pub org: Option<String>,
}

/// A reference of the JSON API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdName {
    /// URN.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: String,
}

/// An object by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRef<I> {
    /// Its id.
    pub id: I,
    /// Its name.
    pub name: String,
}

/// An object by name and the URL that VCD wants to see in requests about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRef {
    /// Name, unique within the VDC.
    pub name: String,
    /// URL.
    pub href: String,
}

/// A virtual service, pool, NAT rule or application port profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkObject {
    /// Its URN; the bare id of a NAT rule.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether VCD is at work on it; a NAT rule does not tell.
    pub busy: bool,
}

/// An edge gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeGateway {
    /// Its URN.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// URN of its organization.
    pub org: Option<String>,
    /// Whether its addresses come from IP spaces.
    pub uses_ip_spaces: bool,
}

/// An organization network and the gateway it is routed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedNetwork {
    /// Its name.
    pub name: String,
    /// Its gateway; an isolated network has none.
    pub gateway: Option<GatewayId>,
}

/// A floating address allocated from an IP space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpAllocation {
    /// Its URN.
    pub id: String,
    /// The address.
    pub address: String,
    /// Free text; whoever claims an address by hand says so here.
    pub description: String,
}

/// A named disk as a search finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskRecord {
    /// Its URN.
    pub id: DiskId,
    /// Its name.
    pub name: String,
    /// Free text; absent where the version does not show it.
    pub description: Option<String>,
    /// Whether it was attached when it was last indexed.
    pub attached: bool,
}

/// A named disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its URN.
    pub id: DiskId,
    /// Its name.
    pub name: String,
    /// Free text; the CSI driver writes the cluster's URN here.
    pub description: String,
    /// Whether a task is at work on it.
    pub busy: bool,
}

/// A storage profile of a VDC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProfileRef {
    /// Name, unique within the VDC.
    pub name: String,
    /// URL, for [`NewVm::storage_profile_href`].
    pub href: String,
}

/// Work that VCD does in the background.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    /// Its URN.
    pub id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// URN of the object it works on.
    pub owner: Option<String>,
    /// What a behavior returned; may hold secrets.
    pub result: Option<String>,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Waiting or at work.
    Running,
    /// Done.
    Success,
    /// Ended without success.
    Failed {
        /// What may be done next.
        class: ErrorClass,
        /// VCD's minor error code, or the task's status when there is none.
        code: String,
        /// VCD's sentence, one line.
        message: String,
    },
}

/// An organization VDC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vdc {
    /// Its URN.
    pub id: VdcId,
    /// Its name.
    pub name: String,
    /// The vApps in it.
    pub vapps: Vec<NamedRef<VappId>>,
    /// The organization networks it can use.
    pub networks: Vec<NetworkRef>,
    /// The storage profiles it can use.
    pub storage_profiles: Vec<StorageProfileRef>,
    /// Whether anything can be created in it.
    pub enabled: bool,
    /// What there may be of VMs, processors and memory.
    pub limits: VdcLimits,
}

/// A vApp template as a search finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRef {
    /// Bare UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Name of its catalog.
    pub catalog: String,
}

/// A vApp template to create VMs from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Whether it is complete (status 8).
    pub ready: bool,
    /// URL of its first VM, for [`NewVm::template_vm_href`].
    pub vm_href: String,
    /// Product property `VERSION` of its first VM: which TKG image it is.
    pub version: Option<String>,
}

/// A vApp and the VMs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vapp {
    /// Its URN.
    pub id: VappId,
    /// Its name.
    pub name: String,
    /// Free text; where this server leaves its marker.
    pub description: String,
    /// Power status over all VMs.
    pub status: VcdStatus,
    /// Whether it has to be undeployed before it can be deleted.
    pub deployed: bool,
    /// Names of its networks.
    pub networks: Vec<String>,
    /// Its VMs.
    pub vms: Vec<VappVm>,
    /// Whether a task is at work on it.
    pub busy: bool,
}

impl Vapp {
    /// Whether a task is at work on it or on a VM in it.
    pub fn is_at_work(&self) -> bool {
        self.busy || self.vms.iter().any(|vm| vm.busy)
    }
}

/// A VM as its vApp lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VappVm {
    /// Its URN.
    pub id: VmId,
    /// Its name.
    pub name: String,
    /// Free text; where this server leaves its marker.
    pub description: String,
    /// Power status.
    pub status: VcdStatus,
    /// Whether it has to be undeployed before it can be deleted.
    pub deployed: bool,
    /// Whether a task of VCD works on it.
    pub busy: bool,
}

/// A virtual machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Vm {
    /// Its URN.
    pub id: VmId,
    /// Its name.
    pub name: String,
    /// Free text; where this server leaves its marker.
    pub description: String,
    /// Power status.
    pub status: VcdStatus,
    /// Whether it has to be undeployed before it can be deleted.
    pub deployed: bool,
    /// Address of its primary network connection.
    pub ip_address: Option<String>,
    /// Key-value pairs shared with the guest; hold user data with tokens.
    pub extra_config: BTreeMap<String, String>,
    /// Whether a task is at work on it.
    pub busy: bool,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("status", &self.status)
            .field("deployed", &self.deployed)
            .field("ip_address", &self.ip_address)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

/// Status of a vApp, VM or template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VcdStatus {
    /// -1: creation failed; only good for deletion.
    FailedCreation,
    /// 0: being created.
    Unresolved,
    /// 1: created, or an empty vApp.
    Resolved,
    /// 4
    PoweredOn,
    /// 8; also a complete template.
    PoweredOff,
    /// 3
    Suspended,
    /// 10: the VMs of the vApp differ.
    Mixed,
    /// Any other number VCD uses.
    Other(i32),
}

impl VcdStatus {
    /// From VCD's number.
    pub fn from_number(number: i32) -> Self {
        match number {
            -1 => Self::FailedCreation,
            0 => Self::Unresolved,
            1 => Self::Resolved,
            3 => Self::Suspended,
            4 => Self::PoweredOn,
            8 => Self::PoweredOff,
            10 => Self::Mixed,
            other => Self::Other(other),
        }
    }
}

/// A VM to be created from a template, powered off, in an existing vApp.
#[derive(Clone)]
pub struct NewVm {
    /// Name, unique within the vApp.
    pub name: String,
    /// Free text; carries the marker.
    pub description: String,
    /// Host name within the guest.
    pub computer_name: String,
    /// [`Template::vm_href`].
    pub template_vm_href: String,
    /// Name of a network of the vApp; the address comes from its pool.
    pub network: String,
    /// URN of the sizing policy; none for the VDC's default.
    pub sizing_policy_urn: Option<String>,
    /// URL of the storage profile; none for the VDC's default.
    pub storage_profile_href: Option<String>,
    /// Runs in the guest at first power-on.
    pub customization_script: String,
}

impl fmt::Debug for NewVm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewVm")
            .field("name", &self.name)
            .field("description", &self.description)
            .field("template_vm_href", &self.template_vm_href)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}
