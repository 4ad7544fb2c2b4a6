//! What operations do to vApps and VMs when they end.
//!
//! Invariants:
//! - A copy that fails leaves no VM behind, and no address in use.
//! - Every effect is counted in the history, under the marker in the object's description, and noted there.
//!
//! Not here: what a guest or a node's controller writes into its own VM (`sim::actors`).

use super::Infra;
use super::catalog_effects;
use super::disk_effects;
use super::machine::{MetadataValue, Status, Vapp, Vm};
use super::operations::Change;
use super::told;
use super::vm_changes::{self, VmChange};
use crate::sim::actors::guest;
use crate::sim::context::Context;
use crate::sim::history::MachineChange;
use crate::sim::reply::Problem;

/// Applies `change` to the world as it is now.
pub(crate) fn apply(
    change: Change,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    match change {
        Change::Compose {
            vapp,
            added,
            power_on,
        } => {
            finish_vapp(&vapp, ctx, infra)?;
            finish_copies(&added, ctx, infra)?;
            power_on_if(power_on, &added, ctx, infra)
        }
        Change::Recompose {
            vapp,
            added,
            removed,
            power_on,
            name,
            description,
        } => {
            for vm in &removed {
                delete_vm(vm, ctx, infra)?;
            }
            finish_copies(&added, ctx, infra)?;
            rename(found_vapp(&vapp, infra)?, name, description);
            power_on_if(power_on, &added, ctx, infra)
        }
        Change::Networks { vapp, networks } => {
            found_vapp(&vapp, infra)?.networks = networks;
            Ok(())
        }
        Change::Lease { vapp, lease } => {
            found_vapp(&vapp, infra)?.lease = lease;
            Ok(())
        }
        Change::VappProduct { vapp, sections } => {
            found_vapp(&vapp, infra)?.product = sections;
            Ok(())
        }
        Change::Metadata { object, entries } => {
            set_metadata(&object, entries, infra)?;
            tell_changed(&object, ctx, infra);
            Ok(())
        }
        Change::PowerOn { vms } => power(&vms, Power::to(Status::PoweredOn), ctx, infra),
        Change::PowerOff { vms } => power(&vms, Power::to(Status::PoweredOff), ctx, infra),
        Change::Suspend { vms } => power(&vms, Power::to(Status::Suspended), ctx, infra),
        Change::Restart { vms } => {
            restart(&vms, ctx, infra);
            Ok(())
        }
        Change::Deploy { vms } => power(&vms, Power::DEPLOYED, ctx, infra),
        Change::Undeploy { vms } => power(&vms, Power::UNDEPLOYED, ctx, infra),
        Change::DeleteVapp { vapp } => delete_vapp(&vapp, ctx, infra),
        Change::DeleteVm { vm } => delete_vm(&vm, ctx, infra),
        Change::Reconfigure { vm, changes } => reconfigure(&vm, changes, ctx, infra),
        Change::Disk { disk, change } => disk_effects::apply(&disk, change, ctx, infra),
        Change::Catalog(change) => catalog_effects::apply(&change, ctx, infra),
    }
}

/// What is left when `change` fails before it begins: nothing of what would have been copied. A vApp that
/// could not be composed stays, empty.
pub(crate) fn abandon(change: &Change, infra: &mut Infra) {
    if let Change::Catalog(change) = change {
        catalog_effects::abandon(change, infra);
    }
    let (Change::Compose { added, .. } | Change::Recompose { added, .. }) = change else {
        return;
    };
    for vm in added {
        forget_vm(vm, infra);
    }
    if let Change::Compose { vapp, .. } = change
        && let Some(vapp) = infra.vapps.get_mut(vapp)
    {
        vapp.unresolved = false;
    }
}

/// The object an operation works on has vanished meanwhile.
pub(crate) fn gone(what: &str, uuid: &str) -> Problem {
    Problem::new(
        400,
        "INVALID_REFERENCE",
        format!("The {what} {uuid} is no longer available for this operation."),
    )
}

fn found_vapp<'a>(uuid: &str, infra: &'a mut Infra) -> Result<&'a mut Vapp, Problem> {
    let found = infra.vapps.get_mut(uuid);
    found.ok_or_else(|| gone("vApp", uuid))
}

/// Tells the history that the settings or the metadata of a vApp or a VM are others.
fn tell_changed(object: &str, ctx: &mut Context<'_>, infra: &Infra) {
    if let Some(vm) = infra.vms.get(object) {
        told::vm(ctx.history, (MachineChange::Changed, vm));
    }
    if let Some(vapp) = infra.vapps.get(object) {
        told::vapp(ctx.history, (MachineChange::Changed, vapp));
    }
}

fn reconfigure(
    vm: &str,
    changes: Vec<VmChange>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let mut changes = changes.into_iter();
    changes.try_for_each(|change| vm_changes::apply(change, vm, infra))?;
    tell_changed(vm, ctx, infra);
    Ok(())
}

fn restart(vms: &[String], ctx: &mut Context<'_>, infra: &mut Infra) {
    for vm in vms {
        guest::boot(vm, ctx, infra);
    }
}

fn rename(vapp: &mut Vapp, name: Option<String>, description: Option<String>) {
    vapp.name = name.unwrap_or_else(|| vapp.name.clone());
    vapp.description = description.unwrap_or_else(|| vapp.description.clone());
}

fn power_on_if(
    wanted: bool,
    vms: &[String],
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    if wanted {
        power(vms, Power::to(Status::PoweredOn), ctx, infra)
    } else {
        Ok(())
    }
}

fn finish_vapp(vapp: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let vapp = found_vapp(vapp, infra)?;
    vapp.unresolved = false;
    told::vapp(ctx.history, (MachineChange::Created, vapp));
    Ok(())
}

/// Ends the copies `added` into a vApp; when one fails, all of them vanish.
fn finish_copies(
    added: &[String],
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let outcome = added.iter().try_for_each(|vm| finish_copy(vm, infra));
    for vm in added {
        if outcome.is_err() {
            forget_vm(vm, infra);
        } else if let Some(vm) = infra.vms.get(vm) {
            told::vm(ctx.history, (MachineChange::Created, vm));
        }
    }
    outcome
}

fn finish_copy(vm: &str, infra: &mut Infra) -> Result<(), Problem> {
    let cards = infra
        .vms
        .get(vm)
        .ok_or_else(|| gone("VM", vm))?
        .nics
        .clone();
    infra.set_nics(vm, cards)?;
    if let Some(vm) = infra.vms.get_mut(vm) {
        vm.status = Status::PoweredOff;
    }
    Ok(())
}

/// What VMs become: a power state (`None` keeps it), and deployed or not.
#[derive(Clone, Copy)]
struct Power {
    status: Option<Status>,
    deployed: bool,
}

impl Power {
    const DEPLOYED: Self = Self {
        status: None,
        deployed: true,
    };
    const UNDEPLOYED: Self = Self {
        status: Some(Status::PoweredOff),
        deployed: false,
    };

    const fn to(status: Status) -> Self {
        Self {
            status: Some(status),
            deployed: true,
        }
    }
}

fn power(
    vms: &[String],
    to: Power,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    for uuid in vms {
        let vm = infra.vms.get_mut(uuid).ok_or_else(|| gone("VM", uuid))?;
        vm.deployed = to.deployed;
        let before = vm.status;
        vm.status = to.status.unwrap_or(before);
        if before != Status::PoweredOn && vm.status == Status::PoweredOn {
            told::vm(ctx.history, (MachineChange::PoweredOn, vm));
            if before == Status::Suspended {
                guest::resume(uuid, ctx, infra);
            } else {
                guest::boot(uuid, ctx, infra);
            }
        } else if before == Status::PoweredOn && vm.status != before {
            told::vm(ctx.history, (MachineChange::PoweredOff, vm));
        }
    }
    Ok(())
}

fn delete_vapp(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    for vm in infra.vm_ids_of(uuid) {
        delete_vm(&vm, ctx, infra)?;
    }
    if infra.vapps.contains_key(uuid) {
        forget_vapp(uuid, ctx, infra)?;
    }
    Ok(())
}

/// Takes an empty vApp out of the world.
fn forget_vapp(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let vapp = infra.vapps.remove(uuid).ok_or_else(|| gone("vApp", uuid))?;
    told::vapp(ctx.history, (MachineChange::Deleted, &vapp));
    Ok(())
}

fn delete_vm(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let vm = forget_vm(uuid, infra).ok_or_else(|| gone("VM", uuid))?;
    told::vm(ctx.history, (MachineChange::Deleted, &vm));
    let hidden = infra
        .vapps
        .get(&vm.vapp)
        .is_some_and(|vapp| vapp.auto_nature);
    if hidden && infra.vms_of(&vm.vapp).is_empty() {
        forget_vapp(&vm.vapp, ctx, infra)?;
    }
    Ok(())
}

/// Takes a VM and its addresses out of the world.
fn forget_vm(uuid: &str, infra: &mut Infra) -> Option<Vm> {
    infra
        .address_pools()
        .for_each(|network| network.release(uuid));
    for disk in infra.disks.values_mut() {
        disk.attached.remove(uuid);
    }
    infra.vms.remove(uuid)
}

fn set_metadata(
    object: &str,
    entries: Vec<((String, String), Option<MetadataValue>)>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let of_vm = infra.vms.get_mut(object).map(|vm| &mut vm.metadata);
    let of_vapp = infra.vapps.get_mut(object).map(|vapp| &mut vapp.metadata);
    let of_disk = infra.disks.get_mut(object).map(|disk| &mut disk.metadata);
    let of_template = infra.templates.get_mut(object).map(|one| &mut one.metadata);
    let of_catalog = infra.catalogs.get_mut(object).map(|one| &mut one.metadata);
    let metadata = of_vm.or(of_vapp).or(of_disk).or(of_template).or(of_catalog);
    let metadata = metadata.ok_or_else(|| gone("object", object))?;
    for (key, value) in entries {
        match value {
            Some(value) => metadata.insert(key, value),
            None => metadata.remove(&key),
        };
    }
    Ok(())
}
