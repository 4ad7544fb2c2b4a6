//! Taking an estate apart: which object goes next, what is waited for, what stands in the way.
//!
//! Flow: a survey ([`EstateSeen`]) and [`Orders`] -> [`next`] -> one [`Removing`], carried out by
//! `controller::act`; asked again after each of them. Used for the deletion of a cluster and for cleaning up
//! after a failed attempt.
//!
//! The order is the protocol: machines are switched off first, because their controllers would make again
//! what is taken away; a virtual service goes before its pool, a NAT rule before its port profile; disks
//! leave their machines before these go; a vApp goes when it is empty.
//!
//! Invariants:
//! - Only objects with a sufficient [`Proof`](super::estate::Proof) are removed, each by its id. Detaching a
//!   disk removes nothing: whatever is attached to a machine of the cluster is detached before that goes.
//! - Machines are deleted one by one and a vApp only when it is empty: who puts a machine into the vApp of a
//!   cluster does not lose it.
//! - Whatever the order of crashes and repetitions: what is gone is done.
//!
//! Not here: the bootstrap vApp (`teardown`), when an entity may go (`delete`).
//! Source: order of CAPVCD's `reconcileDelete`, CPI's and CSI's clean-up; objects that VCD refuses to delete
//! while others use them.

use std::collections::BTreeMap;

pub use super::obstacle::Obstacle;

use super::estate::{ClusterVapp, EstateItem, EstateKind, EstateSeen, NodeVm, Serves};
use crate::domain::ids::{VappId, VmId};

/// What becomes of named disks that are proven to be the cluster's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volumes {
    /// They are detached and stay: their data belongs to the tenant.
    Keep,
    /// They go.
    Remove,
}

/// What happens when an object cannot be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insistence {
    /// Stop and say so. What can be known from the survey is said before anything is removed.
    StopAtFirst,
    /// Go on with the others, and say at the end what is left.
    GoOn,
}

/// How an estate is to be taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Orders<'o> {
    /// What becomes of disks.
    pub volumes: Volumes,
    /// What happens when an object cannot be removed.
    pub insistence: Insistence,
    /// Id -> reason of objects that could not be removed in this round.
    pub failed: &'o BTreeMap<String, String>,
}

/// One step: one effect in VCD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removing {
    /// Switch off every machine of a vApp.
    StopVapp(VappId),
    /// Switch off one machine.
    StopVm(VmId),
    /// Detach a disk from a machine.
    Detach {
        /// The disk.
        disk: EstateItem,
        /// The machine.
        vm: VmId,
    },
    /// Delete a machine that is off.
    DeleteVm(VmId),
    /// Delete an empty vApp.
    DeleteVapp(VappId),
    /// Delete or release one of the other objects.
    DeleteItem(EstateItem),
}

impl Removing {
    /// Name in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StopVapp(_) => "stop-vapp",
            Self::StopVm(_) => "stop-vm",
            Self::Detach { .. } => "detach-disk",
            Self::DeleteVm(_) => "delete-vm",
            Self::DeleteVapp(_) => "delete-vapp",
            Self::DeleteItem(item) => match item.kind {
                EstateKind::VirtualService => "delete-virtual-service",
                EstateKind::Pool => "delete-pool",
                EstateKind::NatRule => "delete-nat-rule",
                EstateKind::PortProfile => "delete-port-profile",
                EstateKind::AddressClaim => "release-address",
                EstateKind::Disk => "delete-disk",
            },
        }
    }

    /// Id of the object that is removed or changed.
    pub fn subject(&self) -> &str {
        match self {
            Self::StopVapp(id) | Self::DeleteVapp(id) => id.as_str(),
            Self::StopVm(id) | Self::DeleteVm(id) => id.as_str(),
            Self::Detach { disk: item, .. } | Self::DeleteItem(item) => &item.id,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// This.
    Act(Removing),
    /// Nothing; VCD is at work on this object.
    Wait(Obstacle),
    /// Nothing can be done now; this is left or in the way.
    Blocked(Vec<Obstacle>),
    /// Nothing that is to be removed is left, and nothing was overlooked.
    Gone,
}

/// A part of the work that people can follow, in the order in which the parts come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Every machine is off.
    Stop,
    /// Load balancers with all that belongs to them, and addresses.
    Network,
    /// Machines.
    Machines,
    /// Disks that are to go.
    Disks,
    /// vApps.
    Vapps,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Stop,
        Self::Network,
        Self::Machines,
        Self::Disks,
        Self::Vapps,
    ];
}

/// A step that may be taken, and what it is about.
struct Step {
    stage: Stage,
    what: &'static str,
    name: String,
    id: String,
    busy: bool,
    removing: Removing,
}

impl Step {
    fn obstacle(&self, why: &str) -> Obstacle {
        Obstacle::Stuck {
            what: self.what,
            name: self.name.clone(),
            id: self.id.clone(),
            why: why.to_owned(),
        }
    }
}

/// The next step of taking the estate apart.
pub fn next(estate: &EstateSeen, orders: &Orders<'_>) -> Removal {
    let mut obstacles = known_obstacles(estate);
    if orders.insistence == Insistence::StopAtFirst && !obstacles.is_empty() {
        return Removal::Blocked(obstacles);
    }
    for step in steps(estate, orders) {
        match orders.failed.get(&step.id) {
            Some(why) if orders.insistence == Insistence::StopAtFirst => {
                return Removal::Blocked(vec![step.obstacle(why)]);
            }
            Some(why) => obstacles.push(step.obstacle(why)),
            None if step.busy => {
                return Removal::Wait(step.obstacle("VCD is still at work on it"));
            }
            None => return Removal::Act(step.removing),
        }
    }
    if obstacles.is_empty() {
        return match remaining(estate, orders.volumes).as_slice() {
            [] => Removal::Gone,
            left => Removal::Blocked(left.to_vec()),
        };
    }
    obstacles.sort();
    obstacles.dedup();
    Removal::Blocked(obstacles)
}

/// Whether nothing that is to be removed is left, and nothing was overlooked.
pub fn is_gone(estate: &EstateSeen, volumes: Volumes) -> bool {
    estate.gaps.is_empty() && remaining(estate, volumes).is_empty()
}

/// Whether nothing that is to be removed was seen, overlooked or not.
pub fn is_bare(estate: &EstateSeen, volumes: Volumes) -> bool {
    remaining(estate, volumes).is_empty()
}

/// The stages that are over: nothing of them, nor of those before, is left.
pub fn completed(estate: &EstateSeen, volumes: Volumes) -> Vec<Stage> {
    let failed = BTreeMap::new();
    let orders = Orders {
        volumes,
        insistence: Insistence::GoOn,
        failed: &failed,
    };
    // Only what has been seen can be said to be gone.
    if !estate.gaps.is_empty() {
        return Vec::new();
    }
    let left: Vec<Stage> = steps(estate, &orders)
        .into_iter()
        .map(|step| step.stage)
        .collect();
    let first = left.into_iter().min();
    let stages = Stage::ALL.into_iter();
    stages
        .filter(|stage| first.is_none_or(|first| *stage < first))
        .collect()
}

/// Names of the volumes that stay behind, sorted.
pub fn kept_volumes(estate: &EstateSeen, volumes: Volumes) -> Vec<&str> {
    let kept = proven(estate).filter(|item| volumes == Volumes::Keep && is_disk(item));
    let mut names: Vec<&str> = kept.map(|item| item.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The estate after a step that was seen to succeed: saves a survey per step, replaces none at the end.
pub fn after(mut estate: EstateSeen, done: &Removing) -> EstateSeen {
    for vapp in &mut estate.vapps {
        for vm in &mut vapp.vms {
            let off = match done {
                Removing::StopVapp(id) => *id == vapp.id,
                Removing::StopVm(id) => *id == vm.id,
                Removing::Detach { .. }
                | Removing::DeleteVm(_)
                | Removing::DeleteVapp(_)
                | Removing::DeleteItem(_) => false,
            };
            vm.deployed &= !off;
        }
        if *done == Removing::StopVapp(vapp.id.clone()) {
            vapp.deployed = false;
        }
        vapp.vms
            .retain(|vm| *done != Removing::DeleteVm(vm.id.clone()));
    }
    let gone = |vapp: &ClusterVapp| *done == Removing::DeleteVapp(vapp.id.clone());
    estate.vapps.retain(|vapp| !gone(vapp));
    if let Removing::DeleteItem(gone) = done {
        estate
            .items
            .retain(|item| (item.kind, &item.id) != (gone.kind, &gone.id));
    }
    if let Removing::Detach { disk, vm } = done {
        for item in &mut estate.items {
            if item.id == disk.id {
                item.attached_to.retain(|at| at != vm);
            }
        }
    }
    estate
}

/// What is in the way whatever is tried.
fn known_obstacles(estate: &EstateSeen) -> Vec<Obstacle> {
    let gaps = estate.gaps.iter().cloned().map(Obstacle::Unseen);
    let strangers = vapps(estate).flat_map(|vapp| {
        let vms = vapp.vms.iter().filter(|vm| !vm.proof.suffices());
        vms.map(|vm| Obstacle::Stranger {
            vapp: vapp.name.clone(),
            vm: vm.name.clone(),
            id: vm.id.as_str().to_owned(),
        })
    });
    gaps.chain(strangers).collect()
}

/// What is still there and is to go, whether or not a step can be taken.
fn remaining(estate: &EstateSeen, volumes: Volumes) -> Vec<Obstacle> {
    let stuck = |what: &'static str, name: &str, id: &str| Obstacle::Stuck {
        what,
        name: name.to_owned(),
        id: id.to_owned(),
        why: "something else of the cluster is still in the way".to_owned(),
    };
    let vapps = vapps(estate).map(|vapp| stuck("vApp", &vapp.name, vapp.id.as_str()));
    let items = proven(estate).filter(|item| volumes == Volumes::Remove || !is_disk(item));
    let items = items.map(|item| stuck(item.kind.name(), &item.name, &item.id));
    vapps.chain(items).collect()
}

/// Every step that may be taken now, in order.
fn steps(estate: &EstateSeen, orders: &Orders<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = vapps(estate)
        .flat_map(|vapp| stop(vapp, orders.failed))
        .collect();
    for serves in [Serves::Service, Serves::ControlPlane] {
        for kind in [
            EstateKind::VirtualService,
            EstateKind::Pool,
            EstateKind::NatRule,
            EstateKind::PortProfile,
        ] {
            let items = proven(estate).filter(|item| item.kind == kind && item.serves == serves);
            steps.extend(items.map(|item| delete_item(item, Stage::Network)));
        }
    }
    let claims = proven(estate).filter(|item| item.kind == EstateKind::AddressClaim);
    steps.extend(claims.map(|item| delete_item(item, Stage::Network)));
    steps.extend(vapps(estate).flat_map(|vapp| detach(vapp, estate)));
    steps.extend(vapps(estate).flat_map(|vapp| delete_machines(vapp, estate)));
    if orders.volumes == Volumes::Remove {
        let disks = proven(estate).filter(|item| is_disk(item) && item.attached_to.is_empty());
        steps.extend(disks.map(|item| delete_item(item, Stage::Disks)));
    }
    let empty = vapps(estate).filter(|vapp| vapp.vms.is_empty() && !vapp.deployed);
    steps.extend(empty.map(|vapp| {
        let removing = Removing::DeleteVapp(vapp.id.clone());
        of_vapp(vapp, Stage::Vapps, removing)
    }));
    steps
}

fn vapps(estate: &EstateSeen) -> impl Iterator<Item = &ClusterVapp> {
    estate.vapps.iter().filter(|vapp| vapp.proof.suffices())
}

fn proven(estate: &EstateSeen) -> impl Iterator<Item = &EstateItem> {
    estate.items.iter().filter(|item| item.proof.suffices())
}

fn machines(vapp: &ClusterVapp) -> impl Iterator<Item = &NodeVm> {
    vapp.vms.iter().filter(|vm| vm.proof.suffices())
}

fn is_disk(item: &EstateItem) -> bool {
    item.kind == EstateKind::Disk
}

/// All at once where only the cluster's machines are; else, or when that failed, one by one.
fn stop(vapp: &ClusterVapp, failed: &BTreeMap<String, String>) -> Vec<Step> {
    if !vapp.deployed {
        return Vec::new();
    }
    let strangers = vapp.vms.iter().any(|vm| !vm.proof.suffices());
    let whole = of_vapp(vapp, Stage::Stop, Removing::StopVapp(vapp.id.clone()));
    let one_by_one = strangers || failed.contains_key(&whole.id);
    let mut steps = Vec::new();
    if one_by_one {
        let on = machines(vapp).filter(|vm| vm.deployed);
        steps.extend(on.map(|vm| of_vm((vapp, vm), Stage::Stop, Removing::StopVm(vm.id.clone()))));
    }
    // With a stranger in it the vApp stays deployed, and stays.
    if !strangers {
        steps.push(whole);
    }
    steps
}

fn detach(vapp: &ClusterVapp, estate: &EstateSeen) -> Vec<Step> {
    let step = |item: &EstateItem, vm: &NodeVm| Step {
        stage: Stage::Machines,
        what: item.kind.name(),
        name: item.name.clone(),
        id: item.id.clone(),
        busy: item.busy || vapp.busy || vm.busy,
        removing: Removing::Detach {
            disk: item.clone(),
            vm: vm.id.clone(),
        },
    };
    let mut steps = Vec::new();
    for vm in machines(vapp) {
        let disks = estate.items.iter().filter(|item| is_on(item, vm));
        steps.extend(disks.map(|item| step(item, vm)));
    }
    steps
}

fn is_on(item: &EstateItem, vm: &NodeVm) -> bool {
    is_disk(item) && item.attached_to.contains(&vm.id)
}

/// A machine with a disk is left alone until the disk has left it.
fn delete_machines(vapp: &ClusterVapp, estate: &EstateSeen) -> Vec<Step> {
    let bare = machines(vapp).filter(|vm| !estate.items.iter().any(|item| is_on(item, vm)));
    let off = bare.filter(|vm| !vm.deployed);
    off.map(|vm| {
        let removing = Removing::DeleteVm(vm.id.clone());
        of_vm((vapp, vm), Stage::Machines, removing)
    })
    .collect()
}

fn of_vapp(vapp: &ClusterVapp, stage: Stage, removing: Removing) -> Step {
    Step {
        stage,
        what: "vApp",
        name: vapp.name.clone(),
        id: vapp.id.as_str().to_owned(),
        busy: vapp.is_at_work(),
        removing,
    }
}

fn of_vm((vapp, vm): (&ClusterVapp, &NodeVm), stage: Stage, removing: Removing) -> Step {
    Step {
        stage,
        what: "VM",
        name: vm.name.clone(),
        id: vm.id.as_str().to_owned(),
        busy: vapp.busy || vm.busy,
        removing,
    }
}

fn delete_item(item: &EstateItem, stage: Stage) -> Step {
    Step {
        stage,
        what: item.kind.name(),
        name: item.name.clone(),
        id: item.id.clone(),
        busy: item.busy,
        removing: Removing::DeleteItem(item.clone()),
    }
}
