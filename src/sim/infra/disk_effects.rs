//! What operations on named disks do at their end.

use super::Infra;
use super::disk::{Disk, Slot};
use super::disks::DiskChange;
use super::effects::gone;
use super::machine::subject;
use crate::sim::context::Context;
use crate::sim::reply::Problem;

/// The disk is there to be used.
pub(crate) fn create(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let disk = found(uuid, infra)?;
    disk.unresolved = false;
    count("disk.created", disk, ctx);
    Ok(())
}

/// The disk has its new name, size and place.
pub(crate) fn update(
    uuid: &str,
    change: DiskChange,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let disk = found(uuid, infra)?;
    let DiskChange {
        name,
        description,
        size_mib,
        storage_profile,
    } = change;
    disk.name = name;
    disk.description = description;
    disk.size_mib = size_mib;
    disk.storage_profile = storage_profile;
    count("disk.changed", disk, ctx);
    Ok(())
}

/// The disk is gone.
pub(crate) fn delete(uuid: &str, ctx: &mut Context<'_>, infra: &mut Infra) -> Result<(), Problem> {
    let disk = infra.disks.remove(uuid).ok_or_else(|| gone("disk", uuid))?;
    count("disk.deleted", &disk, ctx);
    Ok(())
}

/// The VM has the disk.
pub(crate) fn attach(
    (uuid, vm): (&str, String),
    slot: Slot,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    if !infra.vms.contains_key(&vm) {
        return Err(gone("VM", &vm));
    }
    let disk = found(uuid, infra)?;
    disk.attached.insert(vm, slot);
    count("disk.attached", disk, ctx);
    Ok(())
}

/// The VM has the disk no longer.
pub(crate) fn detach(
    (uuid, vm): (&str, &str),
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    let disk = found(uuid, infra)?;
    disk.attached.remove(vm);
    count("disk.detached", disk, ctx);
    Ok(())
}

fn found<'a>(uuid: &str, infra: &'a mut Infra) -> Result<&'a mut Disk, Problem> {
    infra.disks.get_mut(uuid).ok_or_else(|| gone("disk", uuid))
}

fn count(effect: &'static str, disk: &Disk, ctx: &mut Context<'_>) {
    ctx.history
        .count(effect, subject(&disk.description, &disk.name));
}
