//! Creation: from nothing to a bootstrap VM that has done its work.
//!
//! The order is the protocol: find what an earlier pass or another holder made, commit its id, and only
//! then let it act. A VM is created off; only the committed one is ever switched on. So two holders that
//! both believe in their claim still end with one running VM.
//!
//! Invariants:
//! - Look before create; commit the lowest id; power on only what is committed (rules R2 to R5).
//! - Leftovers of lower incarnations and uncommitted twins are removed by id (R7), higher ones never.
//! - A committed object that is gone raises the incarnation before anything new is made (R8).

use super::decision::{Action, Change, Decision, Milestone, WaitReason};
use super::estate::ClusterVapp;
use super::failure::{FailureClass, FailureReason};
use super::observation::{GuestSeen, Observation, Power, TaskSeen, VappSeen, VmSeen};
use super::policy::Policy;
use super::standing;
use super::teardown::{is_ours, removal};
use crate::domain::ids::VmId;
use crate::domain::marker::Marker;
use crate::domain::phase::PhaseStatus;

/// Time between two looks for something that may come by itself.
const NOT_YET_RECHECK: std::time::Duration = std::time::Duration::from_mins(1);

/// The next step of a creation.
pub(super) fn step(seen: &Observation, policy: &Policy) -> Decision {
    let network = match &seen.preparation {
        Ok(preparation) => preparation.network.as_str(),
        Err(reason) => return not_prepared(seen, policy, reason),
    };
    if let Some(decision) = task_in_the_way(seen, policy) {
        return decision;
    }
    if let Some(decision) = rolled_back(seen) {
        return decision;
    }
    if let Some(decision) = standing::contradiction(seen, policy) {
        return decision;
    }
    if let Some(stale) = seen.vapps.iter().find(|vapp| is_stale(seen, vapp)) {
        return removal(stale, policy);
    }
    match &seen.document.committed_vapp {
        None => vapp_to_commit(seen, policy),
        Some(committed) => match seen.vapps.iter().find(|vapp| vapp.id == *committed) {
            None => gone(seen, policy, "the committed bootstrap vApp is gone"),
            Some(vapp) => inside_vapp(seen, vapp, network, policy),
        },
    }
}

/// Ends the attempt: with another one to follow, or for good.
pub(super) fn fail(seen: &Observation, policy: &Policy, reason: FailureReason) -> Decision {
    let retry =
        seen.document.auto_repair && reason.is_repairable() && !is_last_attempt(seen, policy);
    Decision::Commit(Change::Fail { reason, retry })
}

/// Whether no attempt may follow the present one.
///
/// Two witnesses, the higher one counts: the record, and the errors of attempts that failed.
pub(super) fn is_last_attempt(seen: &Observation, policy: &Policy) -> bool {
    let document = &seen.document;
    document.incarnation.max(document.failed_attempts) >= policy.max_attempts
}

/// What may come by itself is waited for, for a time.
fn not_prepared(seen: &Observation, policy: &Policy, reason: &FailureReason) -> Decision {
    let waits = match reason.class() {
        FailureClass::Transient => seen.stage_age < policy.patience,
        FailureClass::Repairable | FailureClass::Terminal => false,
    };
    if waits {
        return Decision::Wait {
            on: WaitReason::NotYet(reason.clone()),
            recheck_in: NOT_YET_RECHECK,
        };
    }
    fail(seen, policy, reason.clone())
}

fn task_in_the_way(seen: &Observation, policy: &Policy) -> Option<Decision> {
    match &seen.task {
        TaskSeen::Running => Some(Decision::Wait {
            on: WaitReason::Task,
            recheck_in: policy.task_poll,
        }),
        // Whatever becomes of the witness: a cluster that is complete is not given up.
        TaskSeen::Failed(_) | TaskSeen::FailedForNow(_) if is_witness_due(seen) => {
            let refused = matches!(seen.task, TaskSeen::Failed(_));
            let hopeless = refused || seen.action_failures >= policy.max_action_failures;
            hopeless.then_some(Decision::Commit(Change::BeginTeardown))
        }
        TaskSeen::Failed(why) => Some(fail(
            seen,
            policy,
            FailureReason::OperationRefused(why.clone()),
        )),
        TaskSeen::FailedForNow(why) if seen.action_failures >= policy.max_action_failures => Some(
            fail(seen, policy, FailureReason::OperationFailing(why.clone())),
        ),
        TaskSeen::FailedForNow(_) | TaskSeen::None => None,
    }
}

/// The markers in VCD know of a later attempt than the document: the document went back in time.
pub(super) fn rolled_back(seen: &Observation) -> Option<Decision> {
    let markers = || seen.vapps.iter().flat_map(markers_of);
    let incarnation = markers().map(|marker| marker.incarnation).max()?;
    let epoch = markers().map(|marker| marker.epoch).max()?;
    (incarnation > seen.document.incarnation || epoch > seen.document.epoch).then(|| {
        Decision::Commit(Change::RaiseIncarnation {
            // The same attempt, to be committed again: nothing is destroyed on the word of a restored
            // document alone.
            incarnation: incarnation.max(seen.document.incarnation),
            epoch_at_least: epoch.saturating_add(1),
            because: "the document was rolled back to an earlier version",
        })
    })
}

fn markers_of(vapp: &VappSeen) -> impl Iterator<Item = &Marker> {
    vapp.marker
        .iter()
        .chain(vapp.vms.iter().filter_map(|vm| vm.marker.as_ref()))
}

fn is_stale(seen: &Observation, vapp: &VappSeen) -> bool {
    let Some(marker) = &vapp.marker else {
        return false;
    };
    let committed = &seen.document.committed_vapp;
    if committed.as_ref() == Some(&vapp.id) {
        return false;
    }
    marker.incarnation < seen.document.incarnation
        || (marker.incarnation == seen.document.incarnation && committed.is_some())
}

fn vapp_to_commit(seen: &Observation, policy: &Policy) -> Decision {
    let current = |vapp: &&VappSeen| {
        vapp.marker
            .as_ref()
            .is_some_and(|m| m.incarnation == seen.document.incarnation)
    };
    if let Some(first) = seen
        .vapps
        .iter()
        .filter(current)
        .min_by(|a, b| a.id.cmp(&b.id))
    {
        return Decision::Commit(Change::CommitVapp {
            id: first.id.clone(),
            name: first.name.clone(),
        });
    }
    if let Some(foreign) = seen.vapps.iter().find(|vapp| !is_ours(seen, vapp)) {
        return fail(seen, policy, FailureReason::NameTaken(foreign.name.clone()));
    }
    forgotten_attempts(seen, policy).unwrap_or(Decision::Act(Action::ComposeVapp))
}

/// The errors tell of more attempts than the record: the record went back in time.
fn forgotten_attempts(seen: &Observation, policy: &Policy) -> Option<Decision> {
    let attempts = seen.document.failed_attempts;
    if attempts < seen.document.incarnation || attempts == 0 {
        return None;
    }
    if !seen.document.auto_repair || is_last_attempt(seen, policy) {
        return Some(Decision::Commit(Change::Fail {
            reason: FailureReason::AttemptsUsedUp(attempts),
            retry: false,
        }));
    }
    Some(Decision::Commit(Change::RaiseIncarnation {
        incarnation: attempts.saturating_add(1),
        epoch_at_least: seen.document.epoch,
        because: "the document was rolled back to an earlier version",
    }))
}

/// A committed object is gone. Before the guest has begun, nothing depends on it and it is made again;
/// later it takes the attempt with it.
fn gone(seen: &Observation, policy: &Policy, what: &'static str) -> Decision {
    if seen.document.reported.is_empty() && !is_last_attempt(seen, policy) {
        return raise(seen, what);
    }
    fail(seen, policy, FailureReason::BootstrapVmLost(what))
}

fn raise(seen: &Observation, because: &'static str) -> Decision {
    Decision::Commit(Change::RaiseIncarnation {
        incarnation: seen.document.incarnation.saturating_add(1),
        epoch_at_least: seen.document.epoch,
        because,
    })
}

fn inside_vapp(seen: &Observation, vapp: &VappSeen, network: &str, policy: &Policy) -> Decision {
    if vapp.busy {
        return Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        };
    }
    if !vapp.networks.iter().any(|name| name == network) {
        return Decision::Act(Action::ConnectNetwork(vapp.id.clone()));
    }
    let ours: Vec<&VmSeen> = vapp.vms.iter().filter(|vm| vm.marker.is_some()).collect();
    if let Some(stray) = ours.iter().find(|vm| is_stray(seen, vm)) {
        return Decision::Act(match stray.power {
            Power::On => Action::UndeployVm(stray.id.clone()),
            Power::Unresolved | Power::Failed | Power::Off | Power::Other => {
                Action::DeleteVm(stray.id.clone())
            }
        });
    }
    match &seen.document.committed_vm {
        None => vm_to_commit(vapp, &ours, policy),
        Some(committed) => {
            let listed = vapp.vms.iter().any(|vm| vm.id == *committed);
            match &seen.vm {
                None => gone(seen, policy, "the committed bootstrap VM is gone"),
                // A vApp that does not list a VM that is there is shown as it was.
                Some(guest) if guest.busy || !listed => Decision::Wait {
                    on: WaitReason::BusyVapp,
                    recheck_in: policy.task_poll,
                },
                Some(guest) => inside_vm(seen, guest, committed, policy),
            }
        }
    }
}

/// A VM of ours that must not stay: a failed copy, an older attempt's, or a twin of the committed one.
fn is_stray(seen: &Observation, vm: &VmSeen) -> bool {
    if seen.document.committed_vm.as_ref() == Some(&vm.id) {
        return false;
    }
    let older = vm
        .marker
        .as_ref()
        .is_some_and(|marker| marker.incarnation < seen.document.incarnation);
    let settled = vm.power != Power::Unresolved;
    vm.power == Power::Failed || (settled && (older || seen.document.committed_vm.is_some()))
}

fn vm_to_commit(vapp: &VappSeen, ours: &[&VmSeen], policy: &Policy) -> Decision {
    if ours.iter().any(|vm| vm.power == Power::Unresolved) {
        return Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        };
    }
    // After a rollback one of them may be at work already: that one, else the lowest id.
    let order = |vm: &&&VmSeen| (vm.power != Power::On, vm.id.clone());
    match ours.iter().min_by_key(order) {
        Some(vm) => Decision::Commit(Change::CommitVm {
            id: vm.id.clone(),
            name: vm.name.clone(),
        }),
        None => Decision::Act(Action::CreateVm(vapp.id.clone())),
    }
}

fn inside_vm(seen: &Observation, guest: &GuestSeen, vm: &VmId, policy: &Policy) -> Decision {
    match guest.power {
        Power::Unresolved => Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        },
        Power::Failed => gone(seen, policy, "the committed bootstrap VM is broken"),
        Power::Off | Power::Other if has_failed(guest) => fail(seen, policy, guest_failure(guest)),
        Power::Off | Power::Other if !guest.report.is_silent() && !succeeded(guest) => {
            fail(seen, policy, FailureReason::BootstrapVmStopped)
        }
        Power::Off if guest.report.is_silent() && !guest.has_user_data => {
            Decision::Act(Action::WriteUserData(vm.clone()))
        }
        Power::Off if guest.report.is_silent() => Decision::Act(Action::PowerOn(vm.clone())),
        Power::Off | Power::On | Power::Other => follow_guest(seen, guest, policy),
    }
}

fn succeeded(guest: &GuestSeen) -> bool {
    guest.report.exit == Some(0)
}

/// Whether the guest itself says that it has failed.
fn has_failed(guest: &GuestSeen) -> bool {
    let report = &guest.report;
    let failed = |status: &PhaseStatus| *status == PhaseStatus::Failed;
    match report.exit {
        Some(code) => code != 0,
        None => report.phases.values().any(failed),
    }
}

fn follow_guest(seen: &Observation, guest: &GuestSeen, policy: &Policy) -> Decision {
    let report = &guest.report;
    let news = progress(seen, guest, policy);
    if !news.is_empty() {
        return Decision::Commit(Change::ReportProgress(news));
    }
    match report.exit {
        Some(0) => await_status(seen, policy),
        Some(_) => fail(seen, policy, guest_failure(guest)),
        None if has_failed(guest) => fail(seen, policy, guest_failure(guest)),
        None => await_phase(seen, guest, policy),
    }
}

/// Milestones passed since the last one the document knows about this VM.
///
/// Counted from the last reported one, not from each missing one: the event set is a window, and what
/// fell out of it must not come back.
fn progress(seen: &Observation, guest: &GuestSeen, policy: &Policy) -> Vec<Milestone> {
    let milestones = policy.phases.iter().enumerate().flat_map(|(phase, plan)| {
        [
            (
                plan.started,
                Milestone {
                    phase,
                    succeeded: false,
                },
            ),
            (
                plan.succeeded,
                Milestone {
                    phase,
                    succeeded: true,
                },
            ),
        ]
    });
    let passed = |milestone: &Milestone| {
        let plan = policy.phases.get(milestone.phase);
        match plan.and_then(|plan| guest.report.phases.get(plan.name)) {
            Some(PhaseStatus::Successful) => true,
            Some(PhaseStatus::InProgress | PhaseStatus::Failed) => !milestone.succeeded,
            None => false,
        }
    };
    let last = milestones
        .clone()
        .filter(|(event, _)| seen.document.reported.contains(*event))
        .map(|(_, milestone)| milestone)
        .max();
    milestones
        .map(|(_, milestone)| milestone)
        .filter(|milestone| Some(*milestone) > last && passed(milestone))
        .collect()
}

fn guest_failure(guest: &GuestSeen) -> FailureReason {
    let report = &guest.report;
    let failed = report
        .phases
        .iter()
        .find(|(_, status)| **status == PhaseStatus::Failed);
    FailureReason::PhaseFailed {
        phase: failed.map_or_else(|| "unknown".to_owned(), |(name, _)| name.clone()),
        reason: match (&report.reason, report.exit) {
            (Some(reason), _) => reason.clone(),
            (None, Some(code)) => format!("the bootstrap script ended with exit code {code}"),
            (None, None) => "the guest gave no reason".to_owned(),
        },
    }
}

fn await_phase(seen: &Observation, guest: &GuestSeen, policy: &Policy) -> Decision {
    let done = |name: &str| guest.report.phases.get(name) == Some(&PhaseStatus::Successful);
    let current = policy.phases.iter().find(|plan| !done(plan.name));
    match current {
        Some(plan)
            if guest
                .silent_for
                .is_some_and(|time| time > policy.guest_silence) =>
        {
            let reason = FailureReason::BootstrapVmSilent {
                phase: plan.name.to_owned(),
                minutes: policy.guest_silence.as_secs() / 60,
            };
            fail(seen, policy, reason)
        }
        Some(plan) if seen.phase_age > plan.deadline => {
            let reason = FailureReason::PhaseTimedOut {
                phase: plan.name.to_owned(),
                minutes: plan.deadline.as_secs() / 60,
            };
            fail(seen, policy, reason)
        }
        _ => Decision::Wait {
            on: WaitReason::Guest,
            recheck_in: policy.guest_poll,
        },
    }
}

/// The script is through: the cluster's own controllers must have reported before the VM may go.
fn await_status(seen: &Observation, policy: &Policy) -> Decision {
    // A control plane without a vApp that is proven the cluster's is not one yet.
    let stands = standing::proven(&seen.cluster_vapps).next().is_some();
    if !seen.document.control_plane_ready || !stands {
        if seen.phase_age > policy.status_deadline {
            let minutes = policy.status_deadline.as_secs() / 60;
            return fail(seen, policy, FailureReason::StatusIncomplete { minutes });
        }
        return Decision::Wait {
            on: WaitReason::ClusterStatus,
            recheck_in: policy.guest_poll,
        };
    }
    if let Some(vapp) = without_witness(seen) {
        return Decision::Act(Action::WriteWitness(vapp.id.clone()));
    }
    if !seen.document.resolved {
        return Decision::Act(Action::ResolveEntity);
    }
    Decision::Commit(Change::BeginTeardown)
}

/// A vApp of the complete cluster that does not say yet that it was provisioned.
fn without_witness(seen: &Observation) -> Option<&ClusterVapp> {
    standing::proven(&seen.cluster_vapps).find(|vapp| !standing::has_witness(vapp))
}

/// Whether writing the witness is the next step, so that a failure of the last action was one of that.
fn is_witness_due(seen: &Observation) -> bool {
    let through = seen.vm.as_ref().is_some_and(succeeded);
    through && seen.document.control_plane_ready && without_witness(seen).is_some()
}
