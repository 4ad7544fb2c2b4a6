//! Deletion of a cluster: everything of it goes, then its entity.
//!
//! Flow: bootstrap vApp, whose controllers would go on building -> estate (`removal`) -> quarantine -> a last
//! look -> the entity is resolved and deleted. Each part that is over is told to the tenant once.
//!
//! Invariants:
//! - The phase is latched before the first effect: a mark that a client's rewrite drops stops nothing.
//! - The entity goes last, and only when a complete look has found nothing that is to go.
//! - What cannot be removed is an error in the document; a plain deletion stops there, a forced one goes on
//!   with the rest. Both let go and are tried again after a growing pause.
//! - Volumes stay, unless the deletion is forced and their storage class says that they go.
//! - Without a complete look (no token, no such VDC) only a cluster goes that never had anything: objects are
//!   recorded before they may act, so what no record and no event tells of was not made, but for one empty
//!   vApp in the moment in which its maker died. `cse-server orphans` finds that one by its marker.

use super::decision::{Action, Change, Decision, WaitReason};
use super::estate::EstateSeen;
use super::failure::FailureReason;
use super::observation::{ErrorSeen, Observation, TaskSeen, VappSeen};
use super::policy::Policy;
use super::removal::{
    Insistence, Obstacle, Orders, Removal, Stage, Volumes, completed, is_bare, is_gone,
    kept_volumes, next,
};
use super::teardown::{is_ours, removal};

/// Something that is gone, or stays on purpose: an event for the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The bootstrap VM and its vApp are gone.
    Bootstrap,
    /// A part of the cluster is gone.
    Part(Stage),
    /// These volumes stay.
    VolumesKept(Vec<String>),
    /// These vApps have the cluster's name, are not proven to be its own, and stay.
    LookAlikesKept(Vec<String>),
    /// Nothing is left but the entity.
    Everything,
}

impl Departure {
    /// Name of its event.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Bootstrap => "BootstrapVappRemoved",
            Self::Part(Stage::Stop) => "ClusterNodesStopped",
            Self::Part(Stage::Network) => "LoadBalancersRemoved",
            Self::Part(Stage::Machines) => "ClusterNodesRemoved",
            Self::Part(Stage::Disks) => "VolumesRemoved",
            Self::Part(Stage::Vapps) => "ClusterVappRemoved",
            Self::VolumesKept(_) => "VolumesKept",
            Self::LookAlikesKept(_) => "ForeignVappsKept",
            Self::Everything => "ClusterResourcesRemoved",
        }
    }
}

/// What becomes of the volumes of the cluster.
pub fn volumes(seen: &Observation) -> Volumes {
    if seen.document.deletion.forced && seen.document.deletion.reclaims_volumes {
        Volumes::Remove
    } else {
        Volumes::Keep
    }
}

/// The next step of a deletion.
pub(super) fn step(seen: &Observation, policy: &Policy) -> Decision {
    if seen.task == TaskSeen::Running {
        return wait(WaitReason::Task, policy.task_poll);
    }
    if let Err(reason) = &seen.preparation {
        return without_token(seen, policy, reason);
    }
    let orders = Orders {
        volumes: volumes(seen),
        insistence: insistence(seen),
        failed: &seen.removal.failed,
    };
    let bootstrap = seen.vapps.iter().find(|vapp| is_ours(seen, vapp));
    let stuck = bootstrap.and_then(|vapp| stuck_bootstrap(vapp, &orders));
    match (bootstrap, &stuck) {
        (Some(vapp), None) => return remove_bootstrap(seen, vapp, policy),
        (Some(_), Some(obstacle)) if orders.insistence == Insistence::StopAtFirst => {
            return block(seen, policy, vec![obstacle.clone()]);
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    let Some(estate) = &seen.estate else {
        return wait(WaitReason::Task, policy.task_poll);
    };
    if stuck.is_none() && nothing_is_left(seen, estate) {
        return tell(seen, estate, &orders).unwrap_or_else(|| leave(seen, policy));
    }
    match next(estate, &orders) {
        Removal::Act(removing) => {
            tell(seen, estate, &orders).unwrap_or(Decision::Act(Action::Remove(removing)))
        }
        Removal::Wait(obstacle) if seen.removal.busy_for > policy.busy_limit => {
            block(seen, policy, stuck.into_iter().chain([obstacle]).collect())
        }
        Removal::Wait(_) => wait(WaitReason::BusyObject, policy.task_poll),
        Removal::Blocked(obstacles) => {
            block(seen, policy, stuck.into_iter().chain(obstacles).collect())
        }
        Removal::Gone => block(seen, policy, stuck.into_iter().collect()),
    }
}

/// Whether nothing that is to go is left: seen, or, of a cluster of which nobody ever recorded an object,
/// not seen as far as one can look.
pub fn nothing_is_left(seen: &Observation, estate: &EstateSeen) -> bool {
    let volumes = volumes(seen);
    is_gone(estate, volumes) || seen.document.deletion.never_built && is_bare(estate, volumes)
}

fn wait(on: WaitReason, recheck_in: std::time::Duration) -> Decision {
    Decision::Wait { on, recheck_in }
}

fn insistence(seen: &Observation) -> Insistence {
    if seen.document.deletion.forced {
        Insistence::GoOn
    } else {
        Insistence::StopAtFirst
    }
}

fn without_token(seen: &Observation, policy: &Policy, reason: &FailureReason) -> Decision {
    let obstacle = if let FailureReason::TokenRefused(why) = reason {
        Obstacle::TokenRefused(why.clone())
    } else if *reason == FailureReason::TokenMissing {
        Obstacle::TokenMissing
    } else {
        Obstacle::Unseen(reason.to_string())
    };
    if seen.document.deletion.never_built {
        return leave(seen, policy);
    }
    block(seen, policy, vec![obstacle])
}

fn stuck_bootstrap(vapp: &VappSeen, orders: &Orders<'_>) -> Option<Obstacle> {
    let why = orders.failed.get(vapp.id.as_str())?;
    Some(Obstacle::Stuck {
        what: "bootstrap vApp",
        name: vapp.name.clone(),
        id: vapp.id.as_str().to_owned(),
        why: why.clone(),
    })
}

fn remove_bootstrap(seen: &Observation, vapp: &VappSeen, policy: &Policy) -> Decision {
    if !vapp.busy {
        return removal(vapp, policy);
    }
    if seen.removal.busy_for > policy.busy_limit {
        let obstacle = Obstacle::Stuck {
            what: "bootstrap vApp",
            name: vapp.name.clone(),
            id: vapp.id.as_str().to_owned(),
            why: "VCD is still at work on it".to_owned(),
        };
        return block(seen, policy, vec![obstacle]);
    }
    wait(WaitReason::BusyObject, policy.task_poll)
}

/// Says what is in the way, and lets go.
fn block(seen: &Observation, policy: &Policy, obstacles: Vec<Obstacle>) -> Decision {
    Decision::Commit(Change::BlockDeletion {
        obstacles,
        retry_in: policy.pause_after_block(seen.removal.paused),
    })
}

/// What the document does not tell yet, or tells although it is over.
fn tell(seen: &Observation, estate: &EstateSeen, orders: &Orders<'_>) -> Option<Decision> {
    let deletion = &seen.document.deletion;
    let mut news = departures(seen, estate, orders.volumes);
    news.retain(|departure| !deletion.announced.contains(departure.event()));
    let errors = deletion.errors.iter();
    let healed: Vec<ErrorSeen> = errors
        .filter(|error| is_healed(error, seen, estate))
        .cloned()
        .collect();
    // That no bootstrap VM is left is no news by itself: most clusters have none when they go.
    let nothing = matches!(news.as_slice(), [] | [Departure::Bootstrap]) && healed.is_empty();
    (!nothing).then_some(Decision::Commit(Change::ReportRemoval { news, healed }))
}

fn departures(seen: &Observation, estate: &EstateSeen, volumes: Volumes) -> Vec<Departure> {
    if seen.document.deletion.never_built && nothing_is_left(seen, estate) {
        // That nothing is left of nothing is one piece of news.
        return vec![Departure::Everything];
    }
    let mut news = Vec::new();
    if !seen.vapps.iter().any(|vapp| is_ours(seen, vapp)) {
        news.push(Departure::Bootstrap);
    }
    let stages = completed(estate, volumes);
    for stage in &stages {
        match stage {
            Stage::Disks => {
                let kept: Vec<String> = kept_volumes(estate, volumes)
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                news.push(if kept.is_empty() {
                    Departure::Part(Stage::Disks)
                } else {
                    Departure::VolumesKept(kept)
                });
            }
            Stage::Stop | Stage::Network | Stage::Machines | Stage::Vapps => {
                news.push(Departure::Part(*stage));
            }
        }
    }
    if stages.len() == Stage::ALL.len() && is_gone(estate, volumes) {
        let alike = estate.vapps.iter().filter(|vapp| !vapp.proof.suffices());
        let alike: Vec<String> = alike.map(|vapp| vapp.name.clone()).collect();
        if !alike.is_empty() {
            news.push(Departure::LookAlikesKept(alike));
        }
        news.push(Departure::Everything);
    }
    news
}

/// An error is over when what it is about is gone, or when it is about something that works again.
fn is_healed(error: &ErrorSeen, seen: &Observation, estate: &EstateSeen) -> bool {
    if error.resource.is_empty() {
        return !estate
            .gaps
            .iter()
            .any(|gap| Obstacle::Unseen(gap.clone()).to_string() == error.detail);
    }
    let id = error.resource.as_str();
    let of_vapp = |vapp: &super::estate::ClusterVapp| {
        vapp.id.as_str() == id || vapp.vms.iter().any(|vm| vm.id.as_str() == id)
    };
    let exists = estate.vapps.iter().any(of_vapp)
        || estate.items.iter().any(|item| item.id == id)
        || seen.vapps.iter().any(|vapp| vapp.id.as_str() == id)
        || seen.document.entity.as_str() == id;
    !exists
}

/// Nothing is left but the entity.
fn leave(seen: &Observation, policy: &Policy) -> Decision {
    let entity = seen.document.entity.as_str();
    if let Some(why) = seen.removal.failed.get(entity) {
        let obstacle = Obstacle::Stuck {
            what: "entity of the cluster",
            name: entity.to_owned(),
            id: entity.to_owned(),
            why: why.clone(),
        };
        return block(seen, policy, vec![obstacle]);
    }
    // Nobody ever began to create it: no request of an earlier holder can be on its way.
    let untouched = seen.document.deletion.never_built && seen.document.incarnation == 0;
    let quiet = seen.removal.empty_for.unwrap_or_default();
    match policy.quarantine.checked_sub(quiet) {
        Some(rest) if !rest.is_zero() && !untouched => wait(WaitReason::Quarantine, rest),
        _ if !seen.document.resolved && !seen.removal.resolve_tried => {
            Decision::Act(Action::ResolveEntity)
        }
        _ => Decision::Act(Action::DeleteEntity),
    }
}
