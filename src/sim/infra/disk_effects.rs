//! What operations on named disks do at their end.

use serde::{Deserialize, Serialize};

use super::Infra;
use super::disk::{Disk, Slot};
use super::effects::gone;
use super::machine::subject;
use super::volumes::attached;
use crate::sim::context::Context;
use crate::sim::leaks::named_clusters;
use crate::sim::reply::Problem;

/// One change of a named disk; ids are bare UUIDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DiskChange {
    /// It is there to be used.
    Create,
    Update(Properties),
    Delete,
    Attach {
        vm: String,
        slot: Slot,
    },
    Detach {
        vm: String,
    },
}

/// What can be changed of a disk that is not attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Properties {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) size_mib: u64,
    /// Bare UUID.
    pub(crate) storage_profile: String,
}

/// Applies `change` to the disk.
pub(crate) fn apply(
    uuid: &str,
    change: DiskChange,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<(), Problem> {
    if let DiskChange::Attach { vm, .. } = &change
        && !infra.vms.contains_key(vm)
    {
        return Err(gone("VM", vm));
    }
    let disk = infra.disks.get_mut(uuid);
    let disk = disk.ok_or_else(|| gone("disk", uuid))?;
    let effect = match change {
        DiskChange::Create => {
            disk.unresolved = false;
            "disk.created"
        }
        DiskChange::Update(properties) => {
            update(disk, properties);
            "disk.changed"
        }
        DiskChange::Delete => "disk.deleted",
        DiskChange::Attach { vm, .. }
            if !disk.attached.is_empty()
                && (!disk.shareable() || disk.attached.contains_key(&vm)) =>
        {
            return Err(attached(disk));
        }
        DiskChange::Attach { vm, slot } => {
            disk.attached.insert(vm, slot);
            "disk.attached"
        }
        DiskChange::Detach { vm } => {
            disk.attached.remove(&vm);
            "disk.detached"
        }
    };
    let values = disk.metadata.values().map(|value| value.value.as_str());
    let texts = values.chain([disk.name.as_str(), disk.description.as_str()]);
    let clusters = texts.flat_map(named_clusters).collect();
    let id = format!("urn:vcloud:disk:{uuid}");
    let name = subject(&disk.description, &disk.name);
    ctx.history.count_item(effect, name, (&id, clusters));
    if effect == "disk.deleted" {
        infra.disks.remove(uuid);
    }
    Ok(())
}

fn update(disk: &mut Disk, properties: Properties) {
    let Properties {
        name,
        description,
        size_mib,
        storage_profile,
    } = properties;
    disk.name = name;
    disk.description = description;
    disk.size_mib = size_mib;
    disk.storage_profile = storage_profile;
}
