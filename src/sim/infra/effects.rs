//! What operations do to vApps and VMs when they end.
//!
//! Invariants:
//! - A copy that fails leaves no VM behind, and no address in use.
//! - Every effect is counted in the history, under the marker in the object's description.
//!
//! Not here: what a guest or a node's controller writes into its own VM (`sim::actors`).

use super::Infra;
use super::disk_effects;
use super::machine::{MetadataValue, Status, Vm, subject};
use super::operations::Change;
use super::vm_changes;
use crate::sim::actors::guest;
use crate::sim::context::Context;
use crate::sim::reply::Problem;

/// Applies `change` to the world as it is now.
pub(crate) fn apply(
    change: Change,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    match change {
        Change::Compose { vapp, added } => {
            finish_vapp(&vapp, ctx, infra)?;
            finish_copies(&vapp, &added, ctx, infra)
        }
        Change::Recompose {
            vapp,
            added,
            removed,
            power_on,
        } => {
            for vm in &removed {
                delete_vm(vm, ctx, infra)?;
            }
            finish_copies(&vapp, &added, ctx, infra)?;
            if power_on {
                power(&added, Power::to(Status::PoweredOn), ctx, infra)
            } else {
                Ok(())
            }
        }
        Change::Networks { vapp, networks } => {
            let found = infra.vapps.get_mut(&vapp);
            found.ok_or_else(|| gone("vApp", &vapp))?.networks = networks;
            Ok(())
        }
        Change::Metadata { object, entries } => set_metadata(&object, entries, infra),
        Change::PowerOn { vms } => power(&vms, Power::to(Status::PoweredOn), ctx, infra),
        Change::PowerOff { vms } => power(&vms, Power::to(Status::PoweredOff), ctx, infra),
        Change::Suspend { vms } => power(&vms, Power::to(Status::Suspended), ctx, infra),
        Change::Restart { vms } => {
            for vm in &vms {
                guest::boot(vm, ctx, infra);
            }
            Ok(())
        }
        Change::Deploy { vms } => power(&vms, Power::DEPLOYED, ctx, infra),
        Change::Undeploy { vms } => power(&vms, Power::UNDEPLOYED, ctx, infra),
        Change::DeleteVapp { vapp } => delete_vapp(&vapp, ctx, infra),
        Change::DeleteVm { vm } => delete_vm(&vm, ctx, infra),
        Change::Reconfigure { vm, changes } => {
            let vm = infra.vms.get_mut(&vm).ok_or_else(|| gone("VM", &vm))?;
            for change in changes {
                vm_changes::apply(change, vm);
            }
            Ok(())
        }
        Change::CreateDisk { disk } => disk_effects::create(&disk, ctx, infra),
        Change::UpdateDisk { disk, change } => disk_effects::update(&disk, change, ctx, infra),
        Change::DeleteDisk { disk } => disk_effects::delete(&disk, ctx, infra),
        Change::AttachDisk { disk, vm, slot } => {
            disk_effects::attach((&disk, vm), slot, ctx, infra)
        }
        Change::DetachDisk { disk, vm } => disk_effects::detach((&disk, &vm), ctx, infra),
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

fn finish_vapp(vapp: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let vapp = infra
        .vapps
        .get_mut(vapp)
        .ok_or_else(|| gone("vApp", vapp))?;
    vapp.unresolved = false;
    ctx.history
        .count("vapp.composed", subject(&vapp.description, &vapp.name));
    Ok(())
}

/// Ends the copies `added` into `vapp`; when one fails, all of them vanish.
fn finish_copies(
    vapp: &str,
    added: &[String],
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let outcome = added.iter().try_for_each(|vm| finish_copy(vapp, vm, infra));
    for vm in added {
        if outcome.is_err() {
            forget_vm(vm, infra);
        } else if let Some(vm) = infra.vms.get(vm) {
            ctx.history
                .count("vm.created", subject(&vm.description, &vm.name));
        }
    }
    outcome
}

fn finish_copy(vapp: &str, vm: &str, infra: &mut Infra) -> Result<(), Problem> {
    let Infra {
        vapps,
        vms,
        networks,
        ..
    } = infra;
    let vapp = vapps.get(vapp).ok_or_else(|| gone("vApp", vapp))?;
    let vm = vms.get_mut(vm).ok_or_else(|| gone("VM", vm))?;
    for nic in vm
        .nics
        .iter_mut()
        .filter(|nic| nic.mode == "POOL" && nic.ip.is_none())
    {
        let parent = vapp
            .networks
            .iter()
            .find(|network| network.name == nic.network);
        let network = parent
            .and_then(|network| networks.get_mut(&network.parent))
            .ok_or_else(|| gone("network", &nic.network))?;
        nic.ip = Some(
            network
                .allocate(&vm.uuid)
                .ok_or_else(|| pool_exhausted(&nic.network))?,
        );
    }
    vm.status = Status::PoweredOff;
    Ok(())
}

fn pool_exhausted(network: &str) -> Problem {
    Problem::new(
        400,
        "BAD_REQUEST",
        format!(
            "No more IP addresses are available in the static IP pool of network \"{network}\"."
        ),
    )
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
            ctx.history
                .count("vm.powered_on", subject(&vm.description, &vm.name));
            if before == Status::Suspended {
                guest::resume(uuid, ctx, infra);
            } else {
                guest::boot(uuid, ctx, infra);
            }
        }
    }
    Ok(())
}

fn delete_vapp(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    for vm in infra.vm_ids_of(uuid) {
        delete_vm(&vm, ctx, infra)?;
    }
    let vapp = infra.vapps.remove(uuid).ok_or_else(|| gone("vApp", uuid))?;
    ctx.history
        .count("vapp.deleted", subject(&vapp.description, &vapp.name));
    Ok(())
}

fn delete_vm(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let vm = forget_vm(uuid, infra).ok_or_else(|| gone("VM", uuid))?;
    ctx.history
        .count("vm.deleted", subject(&vm.description, &vm.name));
    Ok(())
}

/// Takes a VM and its addresses out of the world.
fn forget_vm(uuid: &str, infra: &mut Infra) -> Option<Vm> {
    infra
        .networks
        .values_mut()
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
    let metadata = of_vm.or(of_vapp).or(of_disk).or(of_template);
    let metadata = metadata.ok_or_else(|| gone("object", object))?;
    for (key, value) in entries {
        match value {
            Some(value) => metadata.insert(key, value),
            None => metadata.remove(&key),
        };
    }
    Ok(())
}
