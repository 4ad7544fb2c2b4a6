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
use super::failure::FailureReason;
use super::observation::{GuestSeen, Observation, Power, TaskSeen, VappSeen, VmSeen};
use super::policy::Policy;
use super::teardown::{is_ours, removal};
use crate::domain::marker::Marker;
use crate::domain::phase::PhaseStatus;

/// The next step of a creation.
pub(super) fn step(seen: &Observation, policy: &Policy) -> Decision {
    let network = match &seen.preparation {
        Ok(preparation) => preparation.network.as_str(),
        Err(reason) => return fail(seen, policy, reason.clone()),
    };
    if let Some(decision) = task_in_the_way(seen, policy) {
        return decision;
    }
    if let Some(decision) = rolled_back(seen) {
        return decision;
    }
    if let Some(stale) = seen.vapps.iter().find(|vapp| is_stale(seen, vapp)) {
        return removal(stale, policy);
    }
    match &seen.document.committed_vapp {
        None => vapp_to_commit(seen, policy),
        Some(committed) => match seen.vapps.iter().find(|vapp| vapp.id == *committed) {
            None => raise(seen, "the committed bootstrap vApp is gone"),
            Some(vapp) => inside_vapp(seen, vapp, network, policy),
        },
    }
}

/// Ends the attempt: with another one to follow, or for good.
pub(super) fn fail(seen: &Observation, policy: &Policy, reason: FailureReason) -> Decision {
    let retry = seen.document.auto_repair
        && reason.is_repairable()
        && seen.document.incarnation < policy.max_attempts;
    Decision::Commit(Change::Fail { reason, retry })
}

fn task_in_the_way(seen: &Observation, policy: &Policy) -> Option<Decision> {
    match &seen.task {
        TaskSeen::Running => Some(Decision::Wait {
            on: WaitReason::Task,
            recheck_in: policy.task_poll,
        }),
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
fn rolled_back(seen: &Observation) -> Option<Decision> {
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
    match seen.vapps.iter().find(|vapp| !is_ours(seen, vapp)) {
        Some(foreign) => fail(seen, policy, FailureReason::NameTaken(foreign.name.clone())),
        None => Decision::Act(Action::ComposeVapp),
    }
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
        Some(committed) if !vapp.vms.iter().any(|vm| vm.id == *committed) => {
            raise(seen, "the committed bootstrap VM is gone")
        }
        Some(committed) => match &seen.vm {
            None => raise(seen, "the committed bootstrap VM is gone"),
            Some(guest) if guest.busy => Decision::Wait {
                on: WaitReason::BusyVapp,
                recheck_in: policy.task_poll,
            },
            Some(guest) => inside_vm(seen, guest, committed, policy),
        },
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

fn inside_vm(
    seen: &Observation,
    guest: &GuestSeen,
    vm: &crate::domain::ids::VmId,
    policy: &Policy,
) -> Decision {
    match guest.power {
        Power::Unresolved => Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        },
        Power::Failed => raise(seen, "the committed bootstrap VM is broken"),
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

fn follow_guest(seen: &Observation, guest: &GuestSeen, policy: &Policy) -> Decision {
    let report = &guest.report;
    let news = progress(seen, guest, policy);
    if !news.is_empty() {
        return Decision::Commit(Change::ReportProgress(news));
    }
    match report.exit {
        Some(0) => await_status(seen, policy),
        Some(_) => fail(seen, policy, guest_failure(guest)),
        None if report
            .phases
            .values()
            .any(|status| *status == PhaseStatus::Failed) =>
        {
            fail(seen, policy, guest_failure(guest))
        }
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
    if !seen.document.control_plane_ready {
        if seen.phase_age > policy.status_deadline {
            let minutes = policy.status_deadline.as_secs() / 60;
            return fail(seen, policy, FailureReason::StatusIncomplete { minutes });
        }
        return Decision::Wait {
            on: WaitReason::ClusterStatus,
            recheck_in: policy.guest_poll,
        };
    }
    if !seen.document.resolved {
        return Decision::Act(Action::ResolveEntity);
    }
    Decision::Commit(Change::BeginTeardown)
}
