//! Named disks as operations: what requests and the CSI driver inside a cluster both start.
//!
//! Flow: `create_disk` puts the disk into the world, still unresolved; each of these starts a task,
//! and the disk changes at its end.
//!
//! Invariants:
//! - A disk that is attached is neither deleted nor attached to a second VM, unless it may be shared.
//!
//! Not here: rights and request bodies (`infra::disks`).
//! Source: VCD API, named disks; named-disk CSI driver.

use super::Infra;
use super::access::refused;
use super::disk::{Disk, Slot};
use super::disk_document::disk_reference;
use super::disk_effects::DiskChange;
use super::operations::{Change, Kind, Operation};
use super::vm_document::vm_reference;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;

/// `operationName`, the name in `BUSY_ENTITY`, and the first words of the sentence.
type Words = (&'static str, &'static str, &'static str);

const ATTACH: Words = (
    "vappAttachDisk",
    "VAPP_ATTACH_DISK",
    "Attaching Disk to Virtual Machine",
);
const DETACH: Words = (
    "vappDetachDisk",
    "VAPP_DETACH_DISK",
    "Detaching Disk from Virtual Machine",
);

/// A named disk to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewDisk {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Bare UUID.
    pub(crate) vdc: String,
    pub(crate) size_mib: u64,
    pub(crate) bus_type: String,
    pub(crate) bus_sub_type: String,
    /// `None`, `DiskSharing` or `ControllerSharing`.
    pub(crate) sharing: String,
    /// Bare UUID; the default of the VDC when absent.
    pub(crate) storage_profile: Option<String>,
}

impl NewDisk {
    /// A volume as the CSI driver asks for it: on a paravirtual SCSI bus, for one VM at a time.
    pub(crate) fn volume(name: &str, vdc: &str, size_mib: u64) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            vdc: vdc.to_owned(),
            size_mib,
            bus_type: "6".to_owned(),
            bus_sub_type: "VirtualSCSI".to_owned(),
            sharing: "None".to_owned(),
            storage_profile: None,
        }
    }
}

/// Something a tenant has built, for a check of what nobody accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Built<'a> {
    /// `vapp`, `vm` or `disk`, as in the URN.
    pub(crate) kind: &'static str,
    /// Bare UUID.
    pub(crate) uuid: &'a str,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    /// Bare UUID of the VDC.
    pub(crate) vdc: &'a str,
    /// Bare UUID of the vApp a VM is in.
    pub(crate) vapp: Option<&'a str>,
}

impl Infra {
    /// All vApps, VMs and named disks, in this order, each by UUID.
    pub(crate) fn built(&self) -> impl Iterator<Item = Built<'_>> {
        let vapps = self.vapps.values().map(|vapp| Built {
            kind: "vapp",
            uuid: &vapp.uuid,
            name: &vapp.name,
            description: &vapp.description,
            vdc: &vapp.vdc,
            vapp: None,
        });
        let vms = self.vms.values().map(|vm| Built {
            kind: "vm",
            uuid: &vm.uuid,
            name: &vm.name,
            description: &vm.description,
            vdc: self
                .vapps
                .get(&vm.vapp)
                .map_or("", |vapp| vapp.vdc.as_str()),
            vapp: Some(&vm.vapp),
        });
        let disks = self.disks.values().map(|disk| Built {
            kind: "disk",
            uuid: &disk.uuid,
            name: &disk.name,
            description: &disk.description,
            vdc: &disk.vdc,
            vapp: None,
        });
        vapps.chain(vms).chain(disks)
    }

    /// The named disk `name` of a VDC; the oldest where several have that name.
    pub(crate) fn disk_named(&self, vdc: &str, name: &str) -> Option<&Disk> {
        let disks = self.disks.values();
        let found = disks.filter(|disk| disk.vdc == vdc && disk.name == name);
        found.min_by_key(|disk| (disk.created, &disk.uuid))
    }

    /// Creates a named disk; returns its bare UUID and that of its task.
    ///
    /// # Errors
    /// 400 `INVALID_REFERENCE` for a VDC or storage profile that is not there.
    pub(crate) fn create_disk(
        &mut self,
        new: NewDisk,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<(String, String), Problem> {
        let vdc = self.vdcs.get(&new.vdc).ok_or_else(|| missing("VDC"))?;
        let profile = new
            .storage_profile
            .or_else(|| self.default_profile(&new.vdc));
        let profile = profile.ok_or_else(|| missing("storage profile"))?;
        let uuid = ctx.uuid();
        let disk = Disk {
            uuid: uuid.clone(),
            name: new.name,
            description: new.description,
            org_id: vdc.org_id.clone(),
            vdc: new.vdc,
            owner: starter.user(ctx.site),
            created: ctx.wall,
            unresolved: true,
            size_mib: new.size_mib,
            bus_type: new.bus_type,
            bus_sub_type: new.bus_sub_type,
            sharing: new.sharing,
            storage_profile: profile,
            backing: backing(&ctx.uuid()),
            attached: std::collections::BTreeMap::new(),
            metadata: std::collections::BTreeMap::new(),
        };
        self.disks.insert(uuid.clone(), disk);
        let kind = Kind {
            name: "vdcCreateDisk",
            busy_name: "VDC_CREATE_DISK",
            verb: "Creating Disk",
            takes: ctx.timings.reconfigure,
        };
        let change = Change::Disk {
            disk: uuid.clone(),
            change: DiskChange::Create,
        };
        let task = self.submit_on_disk(&uuid, (kind, change), starter, ctx)?;
        Ok((uuid, task))
    }

    /// Deletes a named disk; returns the task's bare UUID.
    ///
    /// # Errors
    /// 400 while it is attached or busy; 403 when it is not there.
    pub(crate) fn delete_disk(
        &mut self,
        uuid: &str,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        self.require_free("disk", uuid)?;
        let disk = self.disk(uuid)?;
        if !disk.attached.is_empty() {
            return Err(attached(disk));
        }
        let kind = Kind {
            name: "vdcDeleteDisk",
            busy_name: "VDC_DELETE_DISK",
            verb: "Deleting Disk",
            takes: ctx.timings.delete,
        };
        let change = Change::Disk {
            disk: uuid.to_owned(),
            change: DiskChange::Delete,
        };
        self.submit_on_disk(uuid, (kind, change), starter, ctx)
    }

    /// Attaches the disk to the VM, at `slot` or where there is room; returns the task's bare UUID.
    ///
    /// # Errors
    /// 400 when it is attached already, when one of both is busy, or when the VM has no room; 403 when one is
    /// not there.
    pub(crate) fn attach_disk(
        &mut self,
        (uuid, vm): (&str, &str),
        slot: Option<Slot>,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        self.require_vm_free(vm)?;
        self.require_free("disk", uuid)?;
        let disk = self.disk(uuid)?;
        let barred = disk.attached.contains_key(vm) || !disk.shareable();
        if barred && !disk.attached.is_empty() && !ctx.settings.attached_disks_fail_late {
            return Err(attached(disk));
        }
        let target = self.vms.get(vm).ok_or_else(|| no_vm(vm))?;
        let free = self.free_slot(target).ok_or_else(|| {
            Problem::bad_request(format!("VM \"{}\" has no free SCSI unit.", target.name))
        })?;
        let taken = |slot: &Slot| self.disks_of(vm).iter().any(|(one, _)| one == slot);
        let slot = slot.filter(|slot| !taken(slot)).unwrap_or(free);
        let change = Change::Disk {
            disk: uuid.to_owned(),
            change: DiskChange::Attach {
                vm: vm.to_owned(),
                slot,
            },
        };
        self.submit_on_both((uuid, vm), (ATTACH, change), starter, ctx)
    }

    /// Takes the disk from the VM; returns the task's bare UUID.
    ///
    /// # Errors
    /// 400 when it is not attached to this VM or one of both is busy; 403 when one is not there.
    pub(crate) fn detach_disk(
        &mut self,
        (uuid, vm): (&str, &str),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        self.require_vm_free(vm)?;
        self.require_free("disk", uuid)?;
        let disk = self.disk(uuid)?;
        if !disk.attached.contains_key(vm) {
            return Err(Problem::bad_request(format!(
                "The disk \"{}\" is not attached to the VM.",
                disk.name
            )));
        }
        let change = Change::Disk {
            disk: uuid.to_owned(),
            change: DiskChange::Detach { vm: vm.to_owned() },
        };
        self.submit_on_both((uuid, vm), (DETACH, change), starter, ctx)
    }

    /// The storage profile that is used when none is named: the default of the VDC, or its first.
    pub(crate) fn default_profile(&self, vdc: &str) -> Option<String> {
        let profiles = || self.storage_profiles.values().filter(|one| one.vdc == vdc);
        let default = profiles().find(|one| one.default);
        let chosen = default.or_else(|| profiles().next())?;
        Some(chosen.uuid.clone())
    }

    fn disk(&self, uuid: &str) -> Result<&Disk, Problem> {
        self.disks
            .get(uuid)
            .ok_or_else(|| refused("Base", "DISK_VIEW", uuid))
    }

    /// Starts an operation that holds a disk alone.
    pub(crate) fn submit_on_disk(
        &mut self,
        uuid: &str,
        (kind, change): (Kind, Change),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let operation = Operation {
            kind,
            starter,
            owner: disk_reference(self.disk(uuid)?, ctx.site),
            holds: vec![uuid.to_owned()],
            change,
        };
        Ok(self.submit(operation, ctx))
    }

    fn submit_on_both(
        &mut self,
        (uuid, vm): (&str, &str),
        ((name, busy_name, verb), change): (Words, Change),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> Result<String, Problem> {
        let target = self.vms.get(vm).ok_or_else(|| no_vm(vm))?;
        let kind = Kind {
            name,
            busy_name,
            verb,
            takes: ctx.timings.reconfigure,
        };
        let operation = Operation {
            kind,
            starter,
            owner: vm_reference(target, ctx.site),
            holds: vec![uuid.to_owned(), vm.to_owned()],
            change,
        };
        Ok(self.submit(operation, ctx))
    }
}

/// The refusal of what an attached disk does not allow.
pub(crate) fn attached(disk: &Disk) -> Problem {
    Problem::bad_request(format!(
        "The requested operation could not be executed since the disk \"{}\" is attached to a VM.",
        disk.name
    ))
}

fn missing(what: &str) -> Problem {
    Problem::new(
        400,
        "INVALID_REFERENCE",
        format!("The {what} of the disk does not exist."),
    )
}

fn no_vm(uuid: &str) -> Problem {
    refused("Base", "VAPP_VM_VIEW", uuid)
}

/// A disk's UUID as vSphere gives it, with the vendor's prefix.
fn backing(uuid: &str) -> String {
    let rest: String = uuid.chars().skip(7).collect();
    format!("6000c29{rest}")
}
