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
use crate::sim::tasks::Reference;

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

/// A network inside a vApp, bridged to an organization VDC network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VappNetwork {
    pub(crate) name: String,
    /// Bare UUID of the organization VDC network.
    pub(crate) parent: String,
}

/// A metadata value with its `xsi:type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataValue {
    pub(crate) kind: String,
    pub(crate) value: String,
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
}

/// A virtual machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vm {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vapp: String,
    /// Bare UUID of the template it was copied from.
    pub(crate) template: String,
    pub(crate) status: Status,
    pub(crate) deployed: bool,
    pub(crate) created: Timestamp,
    pub(crate) nics: Vec<Nic>,
    pub(crate) customization: Customization,
    pub(crate) extra_config: BTreeMap<String, String>,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_mib: u64,
    pub(crate) storage_profile: String,
    /// Bare UUIDs of compute policies.
    pub(crate) sizing_policy: Option<String>,
    pub(crate) placement_policy: Option<String>,
    #[serde(with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
}

impl Vm {
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
