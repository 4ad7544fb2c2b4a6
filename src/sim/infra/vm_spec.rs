//! The specification of a VM as requests write it: CPUs, memory, disks, operating system, firmware.
//!
//! Flow: `VmSpecSection` of a request -> [`Hardware`] of a new VM, or the [`VmChange`]s of one that exists.
//!
//! Invariants:
//! - A section replaces the disks of its VM: known ones are kept by `DiskId`, one without an id is new, one that
//!   is missing goes. Named disks stay, and grow where their size is raised.
//! - No disk shrinks.
//!
//! Source: VCD API, `VmSpecSection`; go-vcloud-director `UpdateVmSpecSection`, named-disk CSI driver.

use super::Infra;
use super::access::{require, right};
use super::disk::Slot;
use super::machine::{InternalDisk, Machine, Status, Vm};
use super::vm_changes::{VmChange, number};
use crate::sim::call::Call;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// Most CPUs and most memory, as vSphere has it.
pub(crate) const MAX_CPUS: u32 = 768;
pub(crate) const MAX_MEMORY_MIB: u32 = 24 * 1024 * 1024;
/// Most disks of one VM.
const MAX_DISKS: usize = 60;

/// Hardware of a new VM that differs from that of its template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hardware {
    pub(crate) cpus: Option<u32>,
    pub(crate) memory_mib: Option<u32>,
    /// Those of the template when absent.
    pub(crate) disks: Option<Vec<InternalDisk>>,
    pub(crate) machine: Machine,
    /// Bare UUID of the medium in the drive.
    pub(crate) medium: Option<String>,
}

/// Reads the specification of a VM that is made from nothing.
pub(crate) fn of_new(infra: &Infra, vdc: &str, spec: &Element) -> Result<Hardware, Problem> {
    let mut disks: Vec<InternalDisk> = Vec::new();
    for settings in spec
        .path(&["DiskSection"])
        .into_iter()
        .flat_map(|section| section.all("DiskSettings"))
    {
        let disk = new_disk(infra, vdc, settings, &disks)?;
        disks.push(disk);
    }
    Ok(Hardware {
        cpus: cpus(spec)?,
        memory_mib: memory(spec)?,
        disks: Some(disks),
        machine: machine(spec, &Machine::default())?,
        medium: None,
    })
}

/// Reads what a specification changes of `vm`.
pub(crate) fn changes(
    call: &Call<'_>,
    infra: &Infra,
    vm: &Vm,
    spec: &Element,
) -> Result<Vec<VmChange>, Problem> {
    let mut changes = Vec::new();
    if let Some(cpus) = cpus(spec)?.filter(|cpus| *cpus != vm.cpus) {
        changes.push(cpu_change(call, vm, cpus)?);
    }
    if let Some(memory) = memory(spec)?.filter(|memory| *memory != vm.memory_mib) {
        changes.push(memory_change(call, vm, memory)?);
    }
    let machine = machine(spec, &vm.machine)?;
    if machine != vm.machine {
        require(call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
        changes.push(VmChange::Machine(machine));
    }
    if let Some(section) = spec.get("DiskSection") {
        changes.extend(disk_changes(call, infra, vm, section)?);
    }
    Ok(changes)
}

/// A new number of CPUs.
pub(crate) fn cpu_change(call: &Call<'_>, vm: &Vm, cpus: u32) -> Result<VmChange, Problem> {
    require(call, right::VM_CPU, "VAPP_VM_EDIT_CPU", &vm.uuid)?;
    let grows = cpus > vm.cpus && vm.machine.cpu_hot_add;
    require_off_unless(grows || call.settings.hardware_changes_while_on, vm)?;
    Ok(VmChange::Cpus(cpus))
}

/// A new size of the memory, in MiB.
pub(crate) fn memory_change(call: &Call<'_>, vm: &Vm, memory: u32) -> Result<VmChange, Problem> {
    require(call, right::VM_MEMORY, "VAPP_VM_EDIT_MEMORY", &vm.uuid)?;
    let grows = memory > vm.memory_mib && vm.machine.memory_hot_add;
    require_off_unless(grows || call.settings.hardware_changes_while_on, vm)?;
    Ok(VmChange::MemoryMib(memory))
}

/// Refuses what a running VM does not take, unless it was made for it.
fn require_off_unless(permitted: bool, vm: &Vm) -> Result<(), Problem> {
    if permitted || vm.status != Status::PoweredOn {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The hardware of VM \"{}\" cannot be changed in this way while it is powered on.",
        vm.name
    )))
}

/// `NumCpus`, within bounds.
fn cpus(spec: &Element) -> Result<Option<u32>, Problem> {
    within("NumCpus", number::<u32>(spec.get("NumCpus"))?, MAX_CPUS)
}

fn memory(spec: &Element) -> Result<Option<u32>, Problem> {
    let asked = number::<u32>(spec.path(&["MemoryResourceMb", "Configured"]))?;
    within("MemoryResourceMb", asked, MAX_MEMORY_MIB)
}

/// A number that is at least 1 and at most `most`.
pub(crate) fn within(field: &str, asked: Option<u32>, most: u32) -> Result<Option<u32>, Problem> {
    match asked {
        Some(number) if !(1..=most).contains(&number) => Err(Problem::bad_request(format!(
            "The value {number} of {field} is not between 1 and {most}."
        ))),
        other => Ok(other),
    }
}

fn machine(spec: &Element, old: &Machine) -> Result<Machine, Problem> {
    let text = |name: &str, old: &str| {
        let new = spec.text_of(name).filter(|text| !text.is_empty());
        new.unwrap_or(old).to_owned()
    };
    let firmware = text("Firmware", &old.firmware);
    if !["bios", "efi"].contains(&firmware.as_str()) {
        return Err(Problem::bad_request(format!(
            "The value \"{firmware}\" of Firmware is invalid."
        )));
    }
    let cores = number::<u32>(spec.get("NumCoresPerSocket"))?;
    let cores = within("NumCoresPerSocket", cores, MAX_CPUS)?;
    Ok(Machine {
        os_type: text("OsType", &old.os_type),
        hardware_version: text("HardwareVersion", &old.hardware_version),
        firmware,
        cores_per_socket: cores.unwrap_or(old.cores_per_socket),
        ..old.clone()
    })
}

/// A disk that is new in a VM; `there` are those it has.
fn new_disk(
    infra: &Infra,
    vdc: &str,
    settings: &Element,
    there: &[InternalDisk],
) -> Result<InternalDisk, Problem> {
    if there.len() >= MAX_DISKS {
        return Err(Problem::bad_request("The VM would have too many disks."));
    }
    let size = number::<u64>(settings.get("SizeMb"))?;
    let size = size.ok_or_else(|| Problem::bad_request("DiskSettings has no SizeMb."))?;
    let bus = number::<u32>(settings.get("BusNumber"))?.unwrap_or(0);
    let unit = number::<u32>(settings.get("UnitNumber"))?;
    let taken = |slot: Slot| {
        there
            .iter()
            .any(|disk| (disk.bus, disk.unit) == (slot.bus, slot.unit))
    };
    let slot = |unit| Slot { bus, unit };
    let unit = unit.filter(|unit| !taken(slot(*unit)));
    let free = (0..MAX_DISKS).filter_map(|unit| u32::try_from(unit).ok());
    let unit = unit.or_else(|| free.into_iter().find(|unit| !taken(slot(*unit))));
    let slot = slot(unit.unwrap_or_default());
    let mut id = slot.disk_id();
    while there.iter().any(|disk| disk.id == id) {
        id = id.saturating_add(1);
    }
    Ok(InternalDisk {
        id,
        size_mib: size,
        bus: slot.bus,
        unit: slot.unit,
        adapter: settings
            .text_of("AdapterType")
            .filter(|text| !text.is_empty())
            .unwrap_or("5")
            .to_owned(),
        storage_profile: infra.profile_of(vdc, settings)?,
    })
}

fn disk_changes(
    call: &Call<'_>,
    infra: &Infra,
    vm: &Vm,
    section: &Element,
) -> Result<Vec<VmChange>, Problem> {
    let vdc = infra.vapps.get(&vm.vapp).map(|vapp| vapp.vdc.as_str());
    let vdc = vdc.unwrap_or_default();
    let named = infra.disks_of(&vm.uuid);
    let mut disks: Vec<InternalDisk> = Vec::new();
    let mut added = Vec::new();
    let mut grown = Vec::new();
    for settings in section.all("DiskSettings") {
        let id = number::<u32>(settings.get("DiskId"))?;
        let size = number::<u64>(settings.get("SizeMb"))?;
        let href = settings.get("Disk").and_then(|disk| disk.attribute("href"));
        let attached = named
            .iter()
            .find(|(slot, disk)| href.map(bare) == Some(&disk.uuid) || id == Some(slot.disk_id()));
        let own = vm.disks.iter().find(|disk| Some(disk.id) == id);
        match (own, attached) {
            (Some(own), _) => disks.push(updated(infra, (vm, vdc), own, settings)?),
            (None, Some((_, disk))) => {
                let size = size.unwrap_or(disk.size_mib);
                require_growth(&disk.name, (disk.size_mib, size))?;
                grown.extend((size != disk.size_mib).then(|| (disk.uuid.clone(), size)));
            }
            (None, None) => added.push(settings),
        }
    }
    for settings in added {
        let disk = new_disk(infra, vdc, settings, &disks)?;
        disks.push(disk);
    }
    let mut changes = Vec::new();
    if disks != vm.disks {
        require(call, right::VM_DISK, "VAPP_VM_EDIT_HARD_DISK", &vm.uuid)?;
        changes.push(VmChange::Disks(disks));
    }
    if !grown.is_empty() {
        require(call, right::DISK_EDIT, "DISK_EDIT", &vm.uuid)?;
        for (disk, _) in &grown {
            infra.require_free("disk", disk)?;
        }
        changes.push(VmChange::NamedDisks(grown));
    }
    Ok(changes)
}

/// A disk of the VM with what its settings change.
fn updated(
    infra: &Infra,
    (vm, vdc): (&Vm, &str),
    old: &InternalDisk,
    settings: &Element,
) -> Result<InternalDisk, Problem> {
    let size_mib = number::<u64>(settings.get("SizeMb"))?.unwrap_or(old.size_mib);
    require_growth(&vm.name, (old.size_mib, size_mib))?;
    let overrides = settings.text_of("overrideVmDefault") == Some("true");
    let profile = infra.profile_of(vdc, settings)?;
    Ok(InternalDisk {
        size_mib,
        storage_profile: profile.filter(|uuid| overrides || *uuid != vm.storage_profile),
        ..old.clone()
    })
}

fn require_growth(name: &str, (old, new): (u64, u64)) -> Result<(), Problem> {
    if new >= old {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The disk of \"{name}\" cannot shrink from {old} MB to {new} MB."
    )))
}
