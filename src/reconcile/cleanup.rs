//! Cleaning up after a failed attempt: everything the attempt made goes, then the next attempt begins.
//!
//! The order: switch the bootstrap VM off, so that nobody builds on; take the half-built cluster apart;
//! wait for the pause; remove the bootstrap vApp last, because its marker is the witness of the attempts
//! made, should the document go back in time meanwhile.
//!
//! When no attempt follows (auto-repair is off, or the attempts are used up), only the bootstrap vApp goes;
//! what was built of the cluster stays until the cluster is deleted.
//!
//! Invariants:
//! - A cluster that was ever provisioned, by the witness on its vApp, is not touched.
//! - A bootstrap vApp of a later attempt than the document knows of is not touched: the document is old.
//! - The next attempt begins only when a complete survey has found nothing.
//! - Of the cluster only that is removed which was condemned: its ids were seen, and after that a write through
//!   the claim was accepted. A holder that was frozen in a clean-up sees the cluster that a successor has made
//!   since; its write is refused, and it removes nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::create::{is_last_attempt, rolled_back};
use super::decision::{Action, Change, Decision, WaitReason};
use super::estate::EstateSeen;
use super::failure::FailureReason;
use super::observation::{Observation, TaskSeen, VappSeen};
use super::policy::Policy;
use super::removal::{self, Insistence, Obstacle, Orders, Removal, Volumes};
use super::standing;
use super::teardown::{is_ours, removal};

/// Time between two looks while something stands in the way.
const BLOCKED_RECHECK: Duration = Duration::from_mins(5);

/// The next step after a failed attempt.
pub(super) fn step(seen: &Observation, policy: &Policy) -> Decision {
    if seen.document.marked_for_delete {
        return Decision::Commit(Change::BeginDeletion);
    }
    let again = will_try_again(seen, policy);
    if let Err(reason) = &seen.preparation {
        return blocked(seen, policy, (reason.clone(), again));
    }
    match &seen.task {
        TaskSeen::Running => {
            return Decision::Wait {
                on: WaitReason::Task,
                recheck_in: policy.task_poll,
            };
        }
        TaskSeen::FailedForNow(_) if seen.action_failures < policy.max_action_failures => {}
        TaskSeen::Failed(why) | TaskSeen::FailedForNow(why) => {
            let reason = FailureReason::CleanupBlocked(why.clone());
            return blocked(seen, policy, (reason, again));
        }
        TaskSeen::None => {}
    }
    if let Some(decision) = rolled_back(seen) {
        return decision;
    }
    // Whatever follows: a provisioned cluster has no failed attempt, its document is old.
    let estate_vapps = seen.estate.iter().flat_map(|estate| &estate.vapps);
    if standing::was_provisioned(estate_vapps) {
        return standing::resume(
            seen,
            "the cluster was provisioned before, and its document went back to an earlier version",
        );
    }
    let bootstrap = seen.vapps.iter().find(|vapp| is_ours(seen, vapp));
    if !again {
        return bootstrap.map_or(Decision::Commit(Change::Settle), |vapp| {
            removal(vapp, policy)
        });
    }
    if let Some(decision) = bootstrap.and_then(|vapp| switch_off(vapp, policy)) {
        return decision;
    }
    estate(seen, policy)
        .or_else(|| pause(seen, policy))
        .unwrap_or_else(|| match bootstrap {
            Some(vapp) => removal(vapp, policy),
            None => Decision::Commit(Change::BeginAttempt),
        })
}

/// Whether another attempt follows.
fn will_try_again(seen: &Observation, policy: &Policy) -> bool {
    seen.document.auto_repair && !is_last_attempt(seen, policy)
}

/// Something stands in the way. Before an attempt it is waited for, not for ever; a VM that only has to
/// be collected is left for another day.
fn blocked(
    seen: &Observation,
    policy: &Policy,
    (reason, again): (FailureReason, bool),
) -> Decision {
    if !again {
        return Decision::Commit(Change::Postpone);
    }
    if seen.stage_age < policy.patience {
        return Decision::Wait {
            on: WaitReason::Preparation(reason),
            recheck_in: BLOCKED_RECHECK,
        };
    }
    Decision::Commit(Change::Fail {
        reason,
        retry: false,
    })
}

fn switch_off(vapp: &VappSeen, policy: &Policy) -> Option<Decision> {
    if vapp.busy {
        return Some(Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        });
    }
    vapp.deployed
        .then(|| Decision::Act(Action::UndeployVapp(vapp.id.clone())))
}

/// The next step of taking the half-built cluster apart; `None` when nothing of it is left.
fn estate(seen: &Observation, policy: &Policy) -> Option<Decision> {
    let Some(estate) = &seen.estate else {
        // Not looked at in the pause, after a look that found nothing; what follows needs a fresh one.
        return pause(seen, policy).or(Some(Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        }));
    };
    let orders = Orders {
        // Whatever is on a disk is not the attempt's, but somebody's.
        volumes: Volumes::Keep,
        insistence: Insistence::GoOn,
        failed: &BTreeMap::new(),
    };
    match removal::next(estate, &orders) {
        Removal::Gone => None,
        Removal::Act(removing) if seen.removal.condemned.contains(removing.subject()) => {
            Some(Decision::Act(Action::Remove(removing)))
        }
        Removal::Act(_) => Some(Decision::Commit(Change::Condemn(ids(estate)))),
        Removal::Wait(_) => Some(Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        }),
        Removal::Blocked(obstacles) => {
            let why: Vec<String> = obstacles.iter().map(Obstacle::to_string).collect();
            let reason = FailureReason::CleanupBlocked(why.join("; "));
            Some(blocked(seen, policy, (reason, true)))
        }
    }
}

/// Ids of everything that may be removed or changed.
fn ids(estate: &EstateSeen) -> BTreeSet<String> {
    let vapps = estate.vapps.iter().map(|vapp| vapp.id.as_str());
    let vms = estate.vapps.iter().flat_map(|vapp| &vapp.vms);
    let items = estate.items.iter().map(|item| item.id.as_str());
    let all = vapps.chain(vms.map(|vm| vm.id.as_str())).chain(items);
    all.map(str::to_owned).collect()
}

fn pause(seen: &Observation, policy: &Policy) -> Option<Decision> {
    let next = seen.document.incarnation.saturating_add(1);
    // The date in the document only spares a new holder the part of the pause that is over.
    let passed = seen.stage_age.max(seen.failure_age);
    let rest = policy.pause_before(next).checked_sub(passed)?;
    (!rest.is_zero()).then_some(Decision::Wait {
        on: WaitReason::AttemptPause,
        recheck_in: rest,
    })
}
