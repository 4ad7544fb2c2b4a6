//! vApps and VMs as the site knows them.
//!
//! Invariants:
//! - The status of a vApp is derived from its VMs and never stored.
//! - A VM that is still being copied has status `UNRESOLVED` and no address.
//!
//! Source: VCD API, status integers of vApp and VM.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Infra;
use super::sharing::Sharing;
use super::site::Network;
use crate::sim::directory::{bare, derived_urn};
use crate::sim::tasks::Reference;
use crate::sim::xml::Element;

/// A power state, with VCD's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Status {
    /// Being created.
    Unresolved,
    Suspended,
    PoweredOn,
    PoweredOff,
    /// A vApp whose VMs differ.
    Mixed,
}

impl Status {
    /// The `status` attribute.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Unresolved => 0,
            Self::Suspended => 3,
            Self::PoweredOn => 4,
            Self::PoweredOff => 8,
            Self::Mixed => 10,
        }
    }

    /// The name the query service uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "UNRESOLVED",
            Self::Suspended => "SUSPENDED",
            Self::PoweredOn => "POWERED_ON",
            Self::PoweredOff => "POWERED_OFF",
            Self::Mixed => "MIXED",
        }
    }
}

/// A network inside a vApp: bridged to an organization VDC network, or with addresses of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VappNetwork {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Bare UUID of the organization VDC network, if there is one.
    pub(crate) parent: Option<String>,
    /// Addresses of its own; none when it is bridged.
    pub(crate) own: Option<Network>,
}

impl VappNetwork {
    /// One that is bridged to `parent` and called like it.
    pub(crate) fn bridged(parent: &Network) -> Self {
        Self {
            name: parent.name.clone(),
            description: String::new(),
            parent: Some(parent.uuid.clone()),
            own: None,
        }
    }

    /// Its bare UUID: one for each name in a vApp.
    pub(crate) fn uuid(vapp: &str, name: &str) -> String {
        bare(&derived_urn("network", &format!("{vapp}/{name}"))).to_owned()
    }
}

/// A metadata value with its `xsi:type`, such as `MetadataStringValue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataValue {
    pub(crate) kind: String,
    pub(crate) value: String,
    /// What tenants may do with it: `READWRITE`, `READONLY` or `PRIVATE`.
    pub(crate) visibility: String,
}

impl MetadataValue {
    /// A text that every tenant may change.
    pub(crate) fn text(value: &str) -> Self {
        Self {
            kind: "MetadataStringValue".to_owned(),
            value: value.to_owned(),
            visibility: "READWRITE".to_owned(),
        }
    }
}

/// Metadata by (domain, key).
pub(crate) type Metadata = BTreeMap<(String, String), MetadataValue>;

/// A vApp.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vapp {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vdc: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) owner: Reference,
    pub(crate) created: Timestamp,
    /// Still being composed.
    pub(crate) unresolved: bool,
    pub(crate) networks: Vec<VappNetwork>,
    #[serde(with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
    /// The hidden vApp of a standalone VM.
    pub(crate) auto_nature: bool,
    pub(crate) lease: Lease,
    pub(crate) sharing: Sharing,
    /// `ProductSection`s as last written.
    pub(crate) product: Vec<Element>,
}

/// How long a vApp may run and stay; 0 is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) deployment_seconds: u32,
    pub(crate) storage_seconds: u32,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nic {
    /// Name of a network of the vApp.
    pub(crate) network: String,
    /// `POOL`, `DHCP`, `MANUAL` or `NONE`.
    pub(crate) mode: String,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) mac: String,
    pub(crate) adapter: String,
    pub(crate) connected: bool,
}

/// Guest customization as last written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Customization {
    pub(crate) enabled: bool,
    pub(crate) computer_name: String,
    pub(crate) script: String,
    /// The guest has booted with it.
    pub(crate) complete: bool,
    /// What else was written, by element name.
    pub(crate) switches: BTreeMap<String, String>,
}

/// A virtual machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vm {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vapp: String,
    /// Bare UUID of the template it was copied from; empty for a VM made from nothing.
    pub(crate) template: String,
    pub(crate) status: Status,
    pub(crate) deployed: bool,
    pub(crate) created: Timestamp,
    pub(crate) nics: Vec<Nic>,
    pub(crate) customization: Customization,
    pub(crate) extra_config: BTreeMap<String, String>,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    /// Its own disks, boot disk first; named disks know their VMs themselves.
    pub(crate) disks: Vec<InternalDisk>,
    pub(crate) machine: Machine,
    pub(crate) storage_profile: String,
    /// Bare UUIDs of compute policies.
    pub(crate) sizing_policy: Option<String>,
    pub(crate) placement_policy: Option<String>,
    #[serde(with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
    /// `ProductSection`s as last written; those of the template until then.
    pub(crate) product: Option<Vec<Element>>,
    /// Bare UUID of the medium in the drive.
    pub(crate) medium: Option<String>,
    pub(crate) snapshot: Option<Snapshot>,
}

/// A disk that lives and dies with its VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InternalDisk {
    /// `DiskId`, unique inside the VM.
    pub(crate) id: u32,
    pub(crate) size_mib: u64,
    pub(crate) bus: u32,
    pub(crate) unit: u32,
    /// VCD's number of the controller, such as 5 for paravirtual SCSI.
    pub(crate) adapter: String,
    /// Bare UUID; the VM's own when absent.
    pub(crate) storage_profile: Option<String>,
}

impl InternalDisk {
    /// The first disk of a machine.
    pub(crate) fn boot(size_mib: u64) -> Self {
        Self {
            id: 2000,
            size_mib,
            bus: 0,
            unit: 0,
            adapter: "5".to_owned(),
            storage_profile: None,
        }
    }
}

/// What the hardware is beside CPUs, memory and disks.
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches as the document has them"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) os_type: String,
    pub(crate) hardware_version: String,
    /// `bios` or `efi`.
    pub(crate) firmware: String,
    pub(crate) cores_per_socket: u32,
    pub(crate) cpu_hot_add: bool,
    pub(crate) memory_hot_add: bool,
    pub(crate) nested_hypervisor: bool,
    pub(crate) boot_delay: u32,
    pub(crate) enter_bios_setup: bool,
    /// Index of the primary card.
    pub(crate) primary_nic: usize,
}

impl Default for Machine {
    /// That of a TKG image.
    fn default() -> Self {
        Self {
            os_type: "ubuntu64Guest".to_owned(),
            hardware_version: "vmx-19".to_owned(),
            firmware: "bios".to_owned(),
            cores_per_socket: 1,
            cpu_hot_add: false,
            memory_hot_add: false,
            nested_hypervisor: false,
            boot_delay: 0,
            enter_bios_setup: false,
            primary_nic: 0,
        }
    }
}

/// The one snapshot a VM may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) created: Timestamp,
    pub(crate) powered_on: bool,
}

impl Vm {
    /// Makes the boot disk at least `size_mib` large.
    pub(crate) fn grow_boot_disk(&mut self, size_mib: u64) {
        if let Some(disk) = self.disks.first_mut() {
            disk.size_mib = disk.size_mib.max(size_mib);
        }
    }

    /// Address of the first card.
    pub(crate) fn ip(&self) -> Option<Ipv4Addr> {
        self.nics.first().and_then(|nic| nic.ip)
    }
}

/// What the history names an object by: its marker if it carries one, else its name.
pub(crate) fn subject<'a>(description: &'a str, name: &'a str) -> &'a str {
    if description.starts_with("rde=") {
        description
    } else {
        name
    }
}

impl Infra {
    /// VMs of a vApp, oldest first.
    pub(crate) fn vms_of(&self, vapp: &str) -> Vec<&Vm> {
        let mut vms: Vec<&Vm> = self.vms.values().filter(|vm| vm.vapp == vapp).collect();
        vms.sort_by(|a, b| (a.created, &a.uuid).cmp(&(b.created, &b.uuid)));
        vms
    }

    /// Bare UUIDs of the VMs of a vApp, oldest first.
    pub(crate) fn vm_ids_of(&self, vapp: &str) -> Vec<String> {
        self.vms_of(vapp)
            .into_iter()
            .map(|vm| vm.uuid.clone())
            .collect()
    }

    /// Status of a vApp: that of its VMs where they agree.
    pub(crate) fn vapp_status(&self, vapp: &Vapp) -> Status {
        if vapp.unresolved {
            return Status::Unresolved;
        }
        let states: BTreeSet<Status> = self.vms_of(&vapp.uuid).iter().map(|vm| vm.status).collect();
        match (states.first(), states.len()) {
            (Some(one), 1) => *one,
            (None, _) => Status::PoweredOff,
            _ => Status::Mixed,
        }
    }

    /// Whether the VM is there and powered on.
    pub(crate) fn runs(&self, vm: &str) -> bool {
        let vm = self.vms.get(vm);
        vm.is_some_and(|vm| vm.status == Status::PoweredOn)
    }

    /// Whether any VM of the vApp is deployed.
    pub(crate) fn vapp_deployed(&self, vapp: &str) -> bool {
        self.vms.values().any(|vm| vm.vapp == vapp && vm.deployed)
    }

    /// A fresh MAC address in the range for static assignment.
    pub(crate) fn next_mac(&mut self) -> String {
        self.macs = self.macs.wrapping_add(1);
        let [_, a, b, c] = self.macs.to_be_bytes();
        format!("00:50:56:{:02x}:{b:02x}:{c:02x}", a & 0x3f)
    }
}
