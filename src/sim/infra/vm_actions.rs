//! Single actions of a VM beside power and reconfiguration.
//!
//! Source: VCD API, `action/upgradeHardwareVersion`, `consolidate`, `enableNestedHypervisor`,
//! `createSnapshot`, `discardSuspendedState`, `vmCapabilities`, items of the hardware section.

use http::Method;

use super::Desk;
use super::access::{refused, require, right};
use super::machine::{Machine, Snapshot, Status, Vm};
use super::operations::{Change, Kind};
use super::vapps::section_reply;
use super::vm_changes::{VmChange, number};
use super::vm_document::{capabilities, cpu_item, memory_item};
use super::vm_spec;
use super::vms::{reconfigure, reconfigure_as, start};
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

const RASD_ITEM: &str = "vnd.vmware.vcloud.rasdItem+xml";

/// The newest hardware version of the site.
pub(crate) const NEWEST_HARDWARE: &str = "vmx-20";

/// Whether an action is one of those here.
pub(crate) fn is_known(action: &str) -> bool {
    [
        "upgradeHardwareVersion",
        "consolidate",
        "enableNestedHypervisor",
        "disableNestedHypervisor",
        "createSnapshot",
        "removeAllSnapshots",
        "revertToCurrentSnapshot",
        "discardSuspendedState",
    ]
    .contains(&action)
}

/// Answers `POST {vm}/action/{action}`.
pub(crate) fn action(desk: &mut Desk<'_, '_>, vm: &Vm, action: &str) -> Result<Reply, Problem> {
    let nested = |enabled| {
        VmChange::Machine(Machine {
            nested_hypervisor: enabled,
            ..vm.machine.clone()
        })
    };
    let update = ("vappUpdateVm", "VAPP_UPDATE_VM", "Updating Virtual Machine");
    let off_only = matches!(
        action,
        "upgradeHardwareVersion" | "enableNestedHypervisor" | "disableNestedHypervisor"
    );
    let (words, changes) = match action {
        "upgradeHardwareVersion" => {
            let newest = Machine {
                hardware_version: NEWEST_HARDWARE.to_owned(),
                ..vm.machine.clone()
            };
            let words = (
                "vappUpgradeHwVersion",
                "VAPP_UPGRADE_HW_VERSION",
                "Upgrading Hardware Version of",
            );
            (words, vec![VmChange::Machine(newest)])
        }
        "consolidate" => (
            (
                "vappConsolidateVm",
                "VAPP_CONSOLIDATE_VM",
                "Consolidating Virtual Machine",
            ),
            Vec::new(),
        ),
        "enableNestedHypervisor" => (update, vec![nested(true)]),
        "disableNestedHypervisor" => (update, vec![nested(false)]),
        "createSnapshot" | "removeAllSnapshots" | "revertToCurrentSnapshot" => {
            return snapshot(desk, vm, action);
        }
        "discardSuspendedState" => return discard(desk, vm),
        _ => return Err(Problem::no_such_url()),
    };
    permitted(desk, vm, off_only)?;
    reconfigure_as(desk, vm, (words, changes))
}

fn permitted(desk: &Desk<'_, '_>, vm: &Vm, off_only: bool) -> Result<(), Problem> {
    require(desk.call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
    if off_only && vm.status != Status::PoweredOff {
        return Err(Problem::bad_request(format!(
            "VM \"{}\" must be powered off for this operation.",
            vm.name
        )));
    }
    Ok(())
}

fn snapshot(desk: &mut Desk<'_, '_>, vm: &Vm, action: &str) -> Result<Reply, Problem> {
    require(desk.call, right::SNAPSHOT, "VAPP_VM_SNAPSHOT", &vm.uuid)?;
    let (words, change) = match action {
        "createSnapshot" => {
            let taken = Snapshot {
                created: desk.ctx.wall,
                powered_on: vm.status == Status::PoweredOn,
            };
            let words = (
                "vappCreateSnapshot",
                "VAPP_CREATE_SNAPSHOT",
                "Creating Snapshot of",
            );
            (words, Some(VmChange::Snapshot(Some(taken))))
        }
        "removeAllSnapshots" => {
            let words = (
                "vappRemoveAllSnapshots",
                "VAPP_REMOVE_ALL_SNAPSHOTS",
                "Removing Snapshots of",
            );
            (words, Some(VmChange::Snapshot(None)))
        }
        _ if vm.snapshot.is_none() => {
            return Err(Problem::bad_request(format!(
                "VM \"{}\" has no snapshot.",
                vm.name
            )));
        }
        _ => {
            let words = (
                "vappRevertToCurrentSnapshot",
                "VAPP_REVERT_TO_CURRENT_SNAPSHOT",
                "Reverting",
            );
            (words, None)
        }
    };
    reconfigure_as(desk, vm, (words, change.into_iter().collect()))
}

fn discard(desk: &mut Desk<'_, '_>, vm: &Vm) -> Result<Reply, Problem> {
    require(
        desk.call,
        right::POWER,
        "VAPP_VM_POWER_OPERATIONS",
        &vm.uuid,
    )?;
    desk.infra.require_vm_free(&vm.uuid)?;
    if vm.status != Status::Suspended {
        return Err(Problem::bad_request(format!(
            "VM \"{}\" is not suspended.",
            vm.name
        )));
    }
    let kind = Kind {
        name: "vappDiscardSuspendedState",
        busy_name: "VAPP_DISCARD_SUSPENDED_STATE",
        verb: "Discarding Suspended State of",
        takes: desk.ctx.timings.power,
    };
    let change = Change::Undeploy {
        vms: vec![vm.uuid.clone()],
    };
    Ok(start(desk, vm, (kind, change)))
}

/// Answers `GET` and `PUT {vm}/vmCapabilities`.
pub(crate) fn vm_capabilities(desk: &mut Desk<'_, '_>, vm: &Vm) -> Result<Reply, Problem> {
    if desk.call.method == Method::PUT {
        let body = desk.call.document("VmCapabilities")?;
        require(desk.call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
        let flag = |name: &str, old| body.text_of(name).map_or(old, |text| text == "true");
        let changed = Machine {
            cpu_hot_add: flag("CpuHotAddEnabled", vm.machine.cpu_hot_add),
            memory_hot_add: flag("MemoryHotAddEnabled", vm.machine.memory_hot_add),
            ..vm.machine.clone()
        };
        return reconfigure(desk, vm, vec![VmChange::Machine(changed)]);
    }
    super::require_method(desk.call, &Method::GET)?;
    let media = "vnd.vmware.vcloud.vmCapabilitiesSection+xml";
    Ok(section_reply(desk.call, capabilities(vm), media))
}

/// Answers `{vm}/virtualHardwareSection/cpu` and `memory`: one `Item` with its `VirtualQuantity`.
pub(crate) fn hardware_item(
    desk: &mut Desk<'_, '_>,
    vm: &Vm,
    item: &str,
) -> Result<Reply, Problem> {
    if *desk.call.method == Method::GET {
        let root = Element::new("Item");
        let shown = if item == "cpu" {
            cpu_item(root, vm)
        } else {
            memory_item(root, vm)
        };
        return Ok(section_reply(desk.call, shown, RASD_ITEM));
    }
    super::require_method(desk.call, &Method::PUT)?;
    let body = desk.call.document("Item")?;
    let quantity = number::<u32>(body.get("VirtualQuantity"))?;
    let quantity = quantity.ok_or_else(|| Problem::bad_request("The Item has no quantity."))?;
    let mut changes = Vec::new();
    if item == "cpu" {
        vm_spec::within("VirtualQuantity", Some(quantity), vm_spec::MAX_CPUS)?;
        changes.push(vm_spec::cpu_change(desk.call, vm, quantity)?);
        if let Some(cores) = number::<u32>(body.get("CoresPerSocket"))? {
            changes.push(VmChange::Machine(Machine {
                cores_per_socket: cores.max(1),
                ..vm.machine.clone()
            }));
        }
    } else {
        vm_spec::within("VirtualQuantity", Some(quantity), vm_spec::MAX_MEMORY_MIB)?;
        changes.push(vm_spec::memory_change(desk.call, vm, quantity)?);
    }
    reconfigure(desk, vm, changes)
}

/// Answers `GET {vm}/question`: no simulated VM ever asks anything, which VCD tells with 403.
pub(crate) fn question(vm: &Vm) -> Problem {
    refused("Base", "VAPP_VM_QUESTION_VIEW", &vm.uuid)
}

/// `SnapshotSection` of a VM.
pub(crate) fn snapshot_section(href: &str, vm: &Vm) -> Element {
    let snapshot = vm.snapshot.as_ref().map(|snapshot| {
        let size: u64 = vm.disks.iter().map(|disk| disk.size_mib).sum();
        Element::new("Snapshot")
            .attr("created", crate::sim::reply::stamp(snapshot.created))
            .attr("poweredOn", snapshot.powered_on)
            .attr("size", size.saturating_mul(1024 * 1024))
    });
    Element::new("SnapshotSection")
        .attr("href", format!("{href}/snapshotSection"))
        .attr("type", "application/vnd.vmware.vcloud.snapshotSection+xml")
        .attr("ovf:required", "false")
        .child(Element::leaf("ovf:Info", "Snapshot information section"))
        .children(snapshot)
}
