//! Named disks: volumes that outlive the VMs they are attached to.
//!
//! Invariants:
//! - A disk that may not be shared is attached to one VM at most.
//! - The size never shrinks.
//!
//! Not here: disks inside a VM (`infra::machine`), who creates volumes (`infra::volumes`).
//! Source: VCD API, `Disk`; named-disk CSI driver.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Infra;
use super::machine::{Metadata, Vm};
use crate::sim::tasks::Reference;

/// Most units of a SCSI controller; one of them is the controller itself.
const UNITS: u32 = 16;
const CONTROLLER_UNIT: u32 = 7;
/// Most SCSI controllers of a VM.
const BUSES: u32 = 4;

/// A named disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Bare UUID.
    pub(crate) vdc: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) owner: Reference,
    pub(crate) created: Timestamp,
    /// Still being created.
    pub(crate) unresolved: bool,
    pub(crate) size_mib: u64,
    /// VCD's number of the bus, such as 6 for SCSI.
    pub(crate) bus_type: String,
    /// Such as `VirtualSCSI`.
    pub(crate) bus_sub_type: String,
    /// `None`, `DiskSharing` or `ControllerSharing`.
    pub(crate) sharing: String,
    /// Bare UUID.
    pub(crate) storage_profile: String,
    /// What the guest finds the device by.
    pub(crate) backing: String,
    /// VM -> where it is attached.
    pub(crate) attached: BTreeMap<String, Slot>,
    #[serde(with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
}

/// A place on a VM's SCSI controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) bus: u32,
    pub(crate) unit: u32,
}

impl Slot {
    /// `DiskId` of a disk there.
    pub(crate) fn disk_id(self) -> u32 {
        2000_u32
            .saturating_add(self.bus.saturating_mul(UNITS))
            .saturating_add(self.unit)
    }
}

impl Disk {
    /// `urn:vcloud:disk:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:disk:{}", self.uuid)
    }

    /// Whether several VMs may have it at a time.
    pub(crate) fn shareable(&self) -> bool {
        self.sharing != "None"
    }

    /// The bus in words.
    pub(crate) fn bus_description(&self) -> &'static str {
        match (self.bus_type.as_str(), self.adapter()) {
            ("5", _) => "IDE",
            ("20", _) | (_, "6") => "SATA",
            (_, "2") => "BusLogic Parallel (SCSI)",
            (_, "3") => "LSI Logic Parallel (SCSI)",
            (_, "4") => "LSI Logic SAS (SCSI)",
            (_, "7") => "NVME",
            _ => "Paravirtual (SCSI)",
        }
    }

    /// VCD's number of the controller inside a VM.
    pub(crate) fn adapter(&self) -> &'static str {
        match self.bus_sub_type.as_str() {
            "buslogic" => "2",
            "lsilogic" => "3",
            "lsilogicsas" => "4",
            "ahci" | "vmware.sata.ahci" => "6",
            "vmware.nvme.controller" => "7",
            _ => "5",
        }
    }
}

impl Infra {
    /// Named disks attached to a VM, by their place.
    pub(crate) fn disks_of(&self, vm: &str) -> Vec<(Slot, &Disk)> {
        let disks = self.disks.values();
        let mut found: Vec<(Slot, &Disk)> = disks
            .filter_map(|disk| disk.attached.get(vm).map(|slot| (*slot, disk)))
            .collect();
        found.sort_by(|a, b| (a.0, &a.1.uuid).cmp(&(b.0, &b.1.uuid)));
        found
    }

    /// The first free place of a VM; none when all are taken.
    pub(crate) fn free_slot(&self, vm: &Vm) -> Option<Slot> {
        let own = vm.disks.iter().map(|disk| Slot {
            bus: disk.bus,
            unit: disk.unit,
        });
        let named = self.disks_of(&vm.uuid).into_iter().map(|(slot, _)| slot);
        let taken: Vec<Slot> = own.chain(named).collect();
        let mut all = (0..BUSES).flat_map(|bus| (0..UNITS).map(move |unit| Slot { bus, unit }));
        all.find(|slot| slot.unit != CONTROLLER_UNIT && !taken.contains(slot))
    }
}
