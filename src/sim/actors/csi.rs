//! The volume driver in a running cluster: persistent volumes become named disks, attached to workers.
//!
//! Flow: a volume -> named disk of its name, described by the entity's id -> attached to a worker ->
//! `status.csi`; a worker that is taken away loses its disks first, and they go to another one.
//!
//! Invariants:
//! - A disk whose VM has vanished under it stays, detached, and is attached again.
//! - A volume with reclaim policy Retain leaves its disk behind.
//!
//! Source: cloud-director-named-disk-csi-driver, `disks.go` and `controller.go`.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::cluster::Cluster;
use super::nodes::{NodePhase, Reach};
use super::sections::{Component, Edit, Entry, Resource};
use crate::sim::infra::disk::Disk;
use crate::sim::infra::volumes::NewDisk;
use crate::sim::reply::Problem;

/// A persistent volume.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true for a reason of its own"
)]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Volume {
    size_mib: u64,
    /// Reclaim policy Retain, not Delete.
    retain: bool,
    /// Bare UUID of its disk, once ordered.
    pub(super) disk: Option<String>,
    created: bool,
    /// Bare UUID of the VM it was last seen attached to.
    attached: Option<String>,
    pub(super) deleting: bool,
    complained: bool,
}

impl Volume {
    /// A volume somebody has just claimed.
    pub(super) fn new(size_mib: u64, retain: bool) -> Self {
        Self {
            size_mib,
            retain,
            disk: None,
            created: false,
            attached: None,
            deleting: false,
            complained: false,
        }
    }
}

/// Whether anything is still to be done for a volume.
pub(super) fn is_busy(cluster: &Cluster) -> bool {
    let mut volumes = cluster.volumes.values();
    volumes.any(|volume| volume.deleting || volume.attached.is_none())
}

/// Starts with its cluster's control plane.
pub(super) fn start(cluster: &mut Cluster, reach: &Reach<'_, '_>) {
    cluster.desk.put(Component::Csi, Edit::Put(Map::new()));
    let text = "Upgrade CSI Status to the latest version in use";
    let entry = Entry::new("RdeUpgradeEvent", ("", ""), reach.ctx.wall);
    let event = Edit::Event(entry.saying("Detailed Description", text));
    cluster.desk.put(Component::Csi, event);
}

/// One look at every volume.
pub(super) fn step(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let names: Vec<String> = cluster.volumes.keys().cloned().collect();
    for name in names {
        let Some(mut volume) = cluster.volumes.get(&name).cloned() else {
            continue;
        };
        if look(&name, &mut volume, cluster, reach) {
            cluster.volumes.insert(name, volume);
        } else {
            cluster.volumes.remove(&name);
        }
    }
}

fn tell(cluster: &mut Cluster, name: &str, (volume, text): (&str, &str), reach: &Reach<'_, '_>) {
    let entry = Entry::new(name, ("", volume), reach.ctx.wall).saying("Detailed Info", text);
    cluster.desk.put(Component::Csi, Edit::Event(entry));
}

fn complain(
    cluster: &mut Cluster,
    (name, volume): (&str, &mut Volume),
    (error, why): (&str, &str),
    reach: &Reach<'_, '_>,
) {
    if !std::mem::replace(&mut volume.complained, true) {
        let entry = Entry::new(error, ("", name), reach.ctx.wall).saying("Detailed Error", why);
        cluster.desk.put(Component::Csi, Edit::Error(entry));
    }
}

/// What is refused because something is busy comes again; everything else is an error.
fn judge<T>(
    outcome: Result<T, Problem>,
    (name, volume): (&str, &mut Volume),
    error: &str,
    (cluster, reach): (&mut Cluster, &Reach<'_, '_>),
) -> Option<T> {
    match outcome {
        Ok(done) => {
            if std::mem::take(&mut volume.complained) {
                let edit = Edit::Forgive {
                    name: error.to_owned(),
                    resource: Some(name.to_owned()),
                };
                cluster.desk.put(Component::Csi, edit);
            }
            Some(done)
        }
        Err(problem) => {
            if problem.minor != "BUSY_ENTITY" {
                complain(cluster, (name, volume), (error, &problem.message), reach);
            }
            None
        }
    }
}

/// The next step for one volume; false when it is no more.
fn look(name: &str, volume: &mut Volume, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) -> bool {
    let Some(uuid) = volume.disk.clone() else {
        if volume.deleting {
            return false;
        }
        order(name, volume, cluster, reach);
        return true;
    };
    let Some(disk) = reach.infra.disks.get(&uuid).cloned() else {
        // Somebody has deleted it behind the cluster's back, or it could not be created.
        let why = format!("unable to find disk [{name}]");
        complain(cluster, (name, volume), ("DiskQueryError", &why), reach);
        volume.attached.get_or_insert_default();
        return !volume.deleting;
    };
    if disk.unresolved {
        return true;
    }
    if !std::mem::replace(&mut volume.created, true) {
        let size = volume.size_mib;
        let text = format!("Successfully created disk [{name}] of size [{size}]MB");
        tell(cluster, "DiskCreateEvent", (name, &text), reach);
        let resource = Resource::new("named-disk", &disk.urn(), name);
        cluster.desk.put(Component::Csi, Edit::Add(resource));
    }
    match disk.attached.keys().next().cloned() {
        Some(vm) => attached(name, volume, (&disk, &vm), (cluster, reach)),
        None => return detached(name, volume, &disk, (cluster, reach)),
    }
    true
}

fn order(name: &str, volume: &mut Volume, cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let new = NewDisk {
        description: cluster.home.rde_id.clone(),
        ..NewDisk::volume(name, &cluster.home.vdc, volume.size_mib)
    };
    let outcome = reach.infra.create_disk(new, &cluster.starter, reach.ctx);
    let made = judge(outcome, (name, volume), "DiskCreateError", (cluster, reach));
    volume.disk = made.map(|(disk, _task)| disk);
}

fn vm_name(vm: &str, reach: &Reach<'_, '_>) -> String {
    let vm = reach.infra.vms.get(vm);
    vm.map(|vm| vm.name.clone()).unwrap_or_default()
}

/// It is on a VM: fine, unless the volume or the node is to go.
fn attached(
    name: &str,
    volume: &mut Volume,
    (disk, vm): (&Disk, &str),
    (cluster, reach): (&mut Cluster, &mut Reach<'_, '_>),
) {
    let node = vm_name(vm, reach);
    if volume.attached.as_deref() != Some(vm) {
        volume.attached = Some(vm.to_owned());
        let text = format!("Successfully attached volume {name} to node {node} ");
        tell(cluster, "DiskAttachEvent", (name, &text), reach);
    }
    let mut nodes = cluster.nodes.iter();
    let leaving =
        nodes.any(|node| node.vm.as_deref() == Some(vm) && node.phase == NodePhase::Deleting);
    if volume.deleting || leaving {
        let outcome = reach
            .infra
            .detach_disk((&disk.uuid, vm), &cluster.starter, reach.ctx);
        if judge(outcome, (name, volume), "DiskDetachError", (cluster, reach)).is_some() {
            let text = format!("Successfully detached volume {name} from node {node} ");
            tell(cluster, "DiskDetachEvent", (name, &text), reach);
        }
    }
}

/// It is on no VM: away with it, or onto a worker; false when it is no more.
fn detached(
    name: &str,
    volume: &mut Volume,
    disk: &Disk,
    (cluster, reach): (&mut Cluster, &mut Reach<'_, '_>),
) -> bool {
    volume.attached = None;
    if !volume.deleting {
        let mut ready = cluster
            .nodes
            .iter()
            .filter(|node| !node.control_plane && node.is_ready(reach.ctx.now))
            .filter_map(|node| node.vm.clone());
        if let Some(vm) = ready.next() {
            let outcome =
                reach
                    .infra
                    .attach_disk((&disk.uuid, &vm), None, &cluster.starter, reach.ctx);
            judge(outcome, (name, volume), "DiskAttachError", (cluster, reach));
        }
        return true;
    }
    if volume.retain {
        return false;
    }
    let outcome = reach
        .infra
        .delete_disk(&disk.uuid, &cluster.starter, reach.ctx);
    if judge(outcome, (name, volume), "DiskDeleteError", (cluster, reach)).is_none() {
        return true;
    }
    let text = format!("Volume {name} deleted successfully");
    tell(cluster, "DiskDeleteEvent", (name, &text), reach);
    let edit = Edit::Remove {
        kind: "named-disk".to_owned(),
        name: name.to_owned(),
    };
    cluster.desk.put(Component::Csi, edit);
    false
}
