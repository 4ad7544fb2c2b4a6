//! What VCD does with a request that arrives, and what the judge says about it.
//!
//! The invariants, by their numbers in the documentation of the protocol: I1 one VM per attempt ever on, I2 one
//! bootstrap VM on at any time, I3 what is committed goes only after a written intent, I5 nothing is left when the
//! entity is gone, I6 nothing of others is touched or adopted, I7 no way back out of an end; besides: an id is
//! committed before it is switched on, a provisioned cluster is never created again, one holder per epoch.

use cse_server::domain::claim::{ClaimPhase, Hold};
use cse_server::domain::status::ClusterState;

use super::mutants::Mutant;
use super::state::{Ask, Cluster, Doc, Effect, Guest, Request, State, Vapp, Vm};

/// VCD's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The document has this tag now.
    Written(u8),
    /// Somebody else has written the document, or it is gone.
    Conflict,
    /// Done; the id of what was made.
    Done(u8),
    /// Not done.
    Refused,
}

/// A broken invariant.
pub(crate) type Broken = &'static str;

/// How this VCD behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Site {
    /// Whether it refuses a second vApp of a name, and a second VM of a name in a vApp.
    pub(crate) unique_names: bool,
    /// Whether the quarantine holds: the entity goes only when nothing of earlier holders is on its way.
    pub(crate) quarantine: bool,
    pub(crate) mutant: Option<Mutant>,
}

/// Carries out a request.
pub(crate) fn arrive(state: &mut State, request: &Request, site: Site) -> (Answer, Option<Broken>) {
    match request.ask {
        Ask::Put(tag, doc) => {
            let fresh = tag == state.doc.tag || site.mutant == Some(Mutant::PutWithoutTag);
            if !state.doc.exists || !fresh {
                return (Answer::Conflict, None);
            }
            let broken = judge_write(state, &doc);
            replace(state, doc);
            (
                Answer::Written(state.doc.tag),
                broken.or_else(|| judge(state)),
            )
        }
        Ask::DeleteEntity(tag) => {
            let fresh = tag == state.doc.tag || site.mutant == Some(Mutant::DeleteEntityBlindly);
            if !state.doc.exists || !fresh {
                return (Answer::Conflict, None);
            }
            state.doc = Doc::default();
            (Answer::Done(0), judge_end(state, site))
        }
        Ask::Effect(effect, epoch, incarnation) => {
            let marker = if site.mutant == Some(Mutant::NoMarker) {
                (0, 0)
            } else {
                (epoch, incarnation)
            };
            let late = !request.awaited || !holds(state, request.sender);
            let (answer, broken) = carry_out(state, effect, (marker, late, site));
            (answer, broken.or_else(|| judge(state)))
        }
    }
}

/// Whether the record in the document is one of the replica's.
fn holds(state: &State, who: u8) -> bool {
    let replica = &state.replicas.as_slice()[usize::from(who)];
    let mut known = replica
        .unanswered
        .as_slice()
        .iter()
        .chain([&replica.acknowledged]);
    state.doc.holder == replica.identity && known.any(|known| *known == state.doc.record)
}

/// A new version of the document.
pub(crate) fn replace(state: &mut State, doc: Doc) {
    let tag = state.fresh_tag();
    state.doc = Doc { tag, ..doc };
    for vm in state.vms.as_mut() {
        vm.was_committed |= vm.id == doc.vm;
    }
}

fn carry_out(
    state: &mut State,
    effect: Effect,
    ((epoch, incarnation), late, site): ((u8, u8), bool, Site),
) -> (Answer, Option<Broken>) {
    match effect {
        Effect::Compose => {
            if site.unique_names && !state.vapps.as_slice().is_empty() {
                return (Answer::Refused, None);
            }
            let id = state.fresh_vapp();
            state.vapps.push(Vapp {
                id,
                epoch,
                incarnation,
                ours: true,
                late,
            });
            (Answer::Done(id), None)
        }
        Effect::CreateVm(vapp) => create_vm(state, vapp, (epoch, incarnation, site)),
        Effect::PowerOn(id) => power_on(state, id),
        Effect::WriteWitness(id) => {
            let there = state.cluster.id == id;
            state.cluster.witness |= there;
            (done(there), None)
        }
        Effect::UndeployVapp(id) => {
            let ids: Vec<u8> = state
                .vms_in(id)
                .filter(|vm| vm.on)
                .map(|vm| vm.id)
                .collect();
            let broken = judge_removal(state, id, &ids);
            for vm in state.vms.as_mut() {
                vm.on &= vm.vapp != id;
            }
            (done(state.vapp(id).is_some()), broken)
        }
        Effect::DeleteVapp(id) => delete_vapp(state, named(state, id, site)),
        Effect::UndeployVm(id) => {
            let broken = judge_removal(state, 0, &[id]);
            for vm in state.vms.as_mut() {
                vm.on &= vm.id != id;
            }
            (done(true), broken)
        }
        Effect::DeleteVm(id) => {
            if state.vm(id).is_some_and(|vm| vm.on) {
                return (Answer::Refused, None);
            }
            let broken = judge_removal(state, 0, &[id]);
            state.vms.retain(|vm| vm.id != id);
            (done(true), broken)
        }
        Effect::RemoveCluster(id) => remove_cluster(state, id),
    }
}

fn remove_cluster(state: &mut State, id: u8) -> (Answer, Option<Broken>) {
    if state.cluster.id != id {
        return (done(true), None);
    }
    let unwanted = state.past.provisioned && !state.past.deleting;
    // After a rollback only the cluster itself can tell that it was provisioned.
    state.past.provisioned &= !state.past.rolled_back;
    state.cluster = Cluster {
        made: state.cluster.made,
        ..Cluster::default()
    };
    let broken = "a provisioned cluster is taken apart although nobody asked for it";
    (done(true), unwanted.then_some(broken))
}

const fn done(there: bool) -> Answer {
    if there {
        Answer::Done(0)
    } else {
        Answer::Refused
    }
}

/// The vApp meant: by its id, unless a mutant goes by the name.
fn named(state: &State, id: u8, site: Site) -> u8 {
    if site.mutant != Some(Mutant::DeleteByName) {
        return id;
    }
    state.vapps.as_slice().first().map_or(id, |vapp| vapp.id)
}

fn create_vm(
    state: &mut State,
    vapp: u8,
    (epoch, incarnation, site): (u8, u8, Site),
) -> (Answer, Option<Broken>) {
    let vapp = if site.mutant == Some(Mutant::VmByName) {
        state.vapps.as_slice().last().map_or(vapp, |last| last.id)
    } else {
        vapp
    };
    let taken = site.unique_names && state.vms_in(vapp).next().is_some();
    let Some(found) = state.vapp(vapp).filter(|_| !taken).copied() else {
        return (Answer::Refused, None);
    };
    let broken = (!found.ours).then_some("I6: a VM is put into a vApp of somebody else");
    let id = state.fresh_vm();
    state.vms.push(Vm {
        id,
        vapp,
        epoch,
        incarnation,
        ..Vm::default()
    });
    (Answer::Done(id), broken)
}

fn power_on(state: &mut State, id: u8) -> (Answer, Option<Broken>) {
    let past = state.past;
    let others = state.vms;
    let Some(vm) = state.vms.as_mut().iter_mut().find(|vm| vm.id == id) else {
        return (Answer::Refused, None);
    };
    if vm.on {
        return (Answer::Done(0), None);
    }
    vm.on = true;
    if vm.guest == Guest::Unborn {
        vm.guest = Guest::AtWork;
    }
    let attempt = 1 << vm.incarnation;
    let another = |incarnation: u8| {
        let mut others = others.as_slice().iter();
        others.any(|other| other.id != id && other.has_run && other.incarnation == incarnation)
    };
    let broken = if !vm.was_committed {
        Some("a VM is switched on that was never committed")
    } else if past.provisioned {
        Some("a VM is switched on for a cluster that was provisioned")
    } else if !vm.has_run && (past.ran & attempt != 0 || another(vm.incarnation)) {
        Some("I1: a second VM of one attempt is switched on")
    } else {
        None
    };
    vm.has_run = true;
    // After a rollback the witnesses that are left count, and nothing else can.
    if !past.rolled_back {
        state.past.ran |= attempt;
    }
    (Answer::Done(0), broken)
}

fn delete_vapp(state: &mut State, id: u8) -> (Answer, Option<Broken>) {
    let Some(vapp) = state.vapp(id).copied() else {
        return (Answer::Done(0), None);
    };
    if state.vms_in(id).any(|vm| vm.on) {
        return (Answer::Refused, None);
    }
    let vms: Vec<u8> = state.vms_in(id).map(|vm| vm.id).collect();
    let foreign = (!vapp.ours).then_some("I6: a vApp of somebody else is deleted");
    let broken = foreign.or_else(|| judge_removal(state, id, &vms));
    state.vapps.retain(|vapp| vapp.id != id);
    state.vms.retain(|vm| vm.vapp != id);
    (Answer::Done(0), broken)
}

/// I3: a VM or vApp that the document names is removed or switched off.
fn judge_removal(state: &State, _vapp: u8, vms: &[u8]) -> Option<Broken> {
    let committed = state.doc.exists && vms.contains(&state.doc.vm);
    let vm = state.vm(state.doc.vm).filter(|_| committed)?;
    let intended = state.past.deleting || vm.incarnation <= state.past.over;
    (!intended).then_some("I3: a committed VM is removed without a written intent")
}

/// What one write of a replica may not do; takes note of what it says.
fn judge_write(state: &mut State, new: &Doc) -> Option<Broken> {
    let (old, mut past) = (state.doc, state.past);
    if let Some(record) = new.record {
        let over = if record.phase == ClaimPhase::Teardown {
            record.incarnation
        } else {
            record.incarnation.saturating_sub(1)
        };
        past.over = past.over.max(over);
        past.deleting |= record.phase == ClaimPhase::Deleting;
    }
    past.provisioned |= new.state == ClusterState::Provisioned;
    state.past = past;
    let rolled_back = past.rolled_back;
    if state.vapp(new.vapp).is_some_and(|vapp| !vapp.ours) {
        return Some("I6: a vApp of somebody else is adopted");
    }
    let edge = (old.state, new.state);
    match edge {
        // A deletion that was rolled back when a part was gone already ends in an error.
        (ClusterState::Provisioned, ClusterState::Error) if rolled_back && past.deleting => None,
        (ClusterState::Provisioned, ClusterState::Provisioning | ClusterState::Error) => {
            Some("I7: a provisioned cluster is reported as something less")
        }
        (ClusterState::Deleting, ClusterState::Provisioning | ClusterState::Provisioned) => {
            Some("I7: a deletion is undone")
        }
        (ClusterState::Deleting, ClusterState::Error) if !rolled_back => {
            Some("I7: a deletion ends without a rollback")
        }
        _ => judge_epochs(state, new),
    }
}

/// Epoch, sequence and incarnation never go down by a replica's write, and every holder has its own epoch.
fn judge_epochs(state: &State, new: &Doc) -> Option<Broken> {
    let (Some(before), Some(after)) = (state.doc.record, new.record) else {
        return None;
    };
    if (after.epoch, after.seq) <= (before.epoch, before.seq) {
        return Some("a record goes back in epoch or sequence");
    }
    if after.incarnation < before.incarnation {
        return Some("an incarnation goes down");
    }
    let other = before.hold == Hold::Held && new.holder != 0 && before.epoch == after.epoch;
    (other && state.doc.holder != new.holder).then_some("two holders have one epoch")
}

/// What holds at every moment.
fn judge(state: &State) -> Option<Broken> {
    let on = state.vms.as_slice().iter().filter(|vm| vm.on).count();
    if on > 1 {
        return Some("I2: two bootstrap VMs are on at once");
    }
    None
}

/// I5: what is left when the entity goes.
fn judge_end(state: &State, site: Site) -> Option<Broken> {
    if !state.vms.as_slice().is_empty() {
        return Some("I5: the entity is gone and a VM is left");
    }
    if state.cluster.id != 0 {
        return Some("I5: the entity is gone and a part of the cluster is left");
    }
    let of_ours = |vapp: &Vapp| vapp.ours && (site.quarantine || !vapp.late);
    let left = state.vapps.as_slice().iter().any(of_ours);
    left.then_some("I5: the entity is gone and a vApp is left")
}

/// What of ours is left although nobody will ever look again.
pub(crate) fn leftovers(state: &State) -> bool {
    let vapps = || state.vapps.as_slice().iter().filter(|vapp| vapp.ours);
    let kept = |vapp: &Vapp| {
        state.doc.exists && state.doc.state == ClusterState::Error && vapp.id == state.doc.vapp
    };
    // A deletion over which an old version was written stops, says so, and waits for a person.
    let doc = &state.doc;
    if doc.exists
        && doc.state == ClusterState::Error
        && state.past.deleting
        && state.past.rolled_back
    {
        return false;
    }
    let residue = |vapp: &Vapp| vapp.late && state.vms_in(vapp.id).next().is_none();
    let stray = vapps().any(|vapp| !kept(vapp) && !residue(vapp));
    stray || !state.doc.exists && state.cluster.id != 0
}

/// Whether an empty vApp of somebody who came too late is left.
pub(crate) fn has_residue(state: &State) -> bool {
    state.vapps.as_slice().iter().any(|vapp| vapp.late)
}
