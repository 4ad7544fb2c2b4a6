//! Tables of decisions: every step of creation and removal, every cause of failure, every boundary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::decide;
use super::decision::{Action, Change, Decision, Milestone, WaitReason};
use super::failure::FailureReason;
use super::observation::{
    DocumentSeen, GuestReport, GuestSeen, Observation, PhaseStatus, Power, Preparation, TaskSeen,
    VappSeen, VmSeen,
};
use super::policy::{PhasePlan, Policy};
use crate::domain::claim::ClaimPhase;
use crate::domain::ids::{EntityId, VappId, VmId};
use crate::domain::marker::Marker;
use crate::domain::status::ClusterState;

fn policy() -> Policy {
    let plan = |name, started, succeeded| PhasePlan {
        name,
        started,
        succeeded,
        deadline: Duration::from_mins(10),
    };
    Policy::standard(vec![
        plan("tools", "ToolsBegun", "ToolsDone"),
        plan("pivot", "PivotBegun", "PivotDone"),
    ])
}

fn entity() -> EntityId {
    EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:1").unwrap()
}

fn vapp_id(n: u8) -> VappId {
    VappId::parse(&format!("urn:vcloud:vapp:{n}")).unwrap()
}

fn vm_id(n: u8) -> VmId {
    VmId::parse(&format!("urn:vcloud:vm:{n}")).unwrap()
}

fn marker(incarnation: u32) -> Option<Marker> {
    Some(Marker {
        entity: entity(),
        epoch: 1,
        incarnation,
    })
}

fn vapp(n: u8, incarnation: u32) -> VappSeen {
    VappSeen {
        id: vapp_id(n),
        name: "blue_ephemeral_vapp".to_owned(),
        marker: marker(incarnation),
        busy: false,
        deployed: false,
        networks: vec!["net".to_owned()],
        vms: Vec::new(),
    }
}

fn vm(n: u8, incarnation: u32, power: Power) -> VmSeen {
    VmSeen {
        id: vm_id(n),
        name: "EPHEMERAL_TEMP_VM".to_owned(),
        marker: marker(incarnation),
        power,
    }
}

fn guest(power: Power, has_user_data: bool) -> GuestSeen {
    GuestSeen {
        power,
        busy: false,
        has_user_data,
        report: GuestReport::default(),
    }
}

/// A claimed cluster with nothing made yet.
fn fresh() -> Observation {
    Observation {
        document: DocumentSeen {
            entity: entity(),
            marked_for_delete: false,
            auto_repair: false,
            state: ClusterState::Provisioning,
            phase: ClaimPhase::Creating,
            incarnation: 1,
            epoch: 1,
            committed_vapp: None,
            committed_vm: None,
            reported: BTreeSet::new(),
            resolved: false,
            control_plane_ready: false,
        },
        preparation: Ok(Preparation {
            network: "net".to_owned(),
        }),
        vapps: Vec::new(),
        vm: None,
        task: TaskSeen::None,
        action_failures: 0,
        phase_age: Duration::ZERO,
        stage_age: Duration::ZERO,
    }
}

/// The vApp is committed and empty.
fn with_vapp() -> Observation {
    let mut seen = fresh();
    seen.vapps = vec![vapp(1, 1)];
    seen.document.committed_vapp = Some(vapp_id(1));
    seen
}

/// The VM is committed and off, nothing written yet.
fn with_vm() -> Observation {
    let mut seen = with_vapp();
    seen.vapps[0].vms = vec![vm(1, 1, Power::Off)];
    seen.document.committed_vm = Some(vm_id(1));
    seen.vm = Some(guest(Power::Off, false));
    seen
}

/// The guest runs and has reported this.
fn running(phases: &[(&str, PhaseStatus)], exit: Option<i32>) -> Observation {
    let mut seen = with_vm();
    seen.vapps[0].vms[0].power = Power::On;
    let mut guest = guest(Power::On, true);
    guest.report.phases = phases
        .iter()
        .map(|(name, status)| ((*name).to_owned(), *status))
        .collect();
    guest.report.exit = exit;
    seen.vm = Some(guest);
    seen.document.reported = ["ToolsBegun", "ToolsDone", "PivotBegun", "PivotDone"]
        .map(str::to_owned)
        .into();
    seen
}

fn teardown(state: ClusterState) -> Observation {
    let mut seen = fresh();
    seen.document.phase = ClaimPhase::Teardown;
    seen.document.state = state;
    seen.document.control_plane_ready = true;
    seen
}

fn edit(mut seen: Observation, change: impl FnOnce(&mut Observation)) -> Observation {
    change(&mut seen);
    seen
}

fn fail(reason: FailureReason, retry: bool) -> Decision {
    Decision::Commit(Change::Fail { reason, retry })
}

fn wait(on: WaitReason, secs: u64) -> Decision {
    Decision::Wait {
        on,
        recheck_in: Duration::from_secs(secs),
    }
}

fn check(cases: Vec<(&str, Observation, Decision)>) {
    for (name, seen, want) in cases {
        let got = decide(&seen, &policy());
        assert_eq!(got, want, "{name}");
        assert_eq!(
            decide(&seen, &policy()),
            got,
            "{name}: the same look gives the same answer"
        );
    }
}

#[test]
fn creation_goes_step_by_step_and_commits_before_it_powers_on() {
    use Decision::{Act, Commit};
    check(vec![
        ("nothing there", fresh(), Act(Action::ComposeVapp)),
        (
            "a vApp of this attempt is there",
            edit(fresh(), |seen| seen.vapps = vec![vapp(2, 1), vapp(1, 1)]),
            Commit(Change::CommitVapp {
                id: vapp_id(1),
                name: "blue_ephemeral_vapp".to_owned(),
            }),
        ),
        (
            "not connected",
            edit(with_vapp(), |seen| seen.vapps[0].networks.clear()),
            Act(Action::ConnectNetwork(vapp_id(1))),
        ),
        ("no VM", with_vapp(), Act(Action::CreateVm(vapp_id(1)))),
        (
            "VM still being copied",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(1, 1, Power::Unresolved)]
            }),
            wait(WaitReason::BusyVapp, 3),
        ),
        (
            "two VMs: the lowest id is committed",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(2, 1, Power::Off), vm(1, 1, Power::Off)];
            }),
            Commit(Change::CommitVm {
                id: vm_id(1),
                name: "EPHEMERAL_TEMP_VM".to_owned(),
            }),
        ),
        (
            "user data first",
            with_vm(),
            Act(Action::WriteUserData(vm_id(1))),
        ),
        (
            "then power",
            edit(with_vm(), |seen| seen.vm = Some(guest(Power::Off, true))),
            Act(Action::PowerOn(vm_id(1))),
        ),
        (
            "a task runs",
            edit(with_vm(), |seen| seen.task = TaskSeen::Running),
            wait(WaitReason::Task, 3),
        ),
        (
            "somebody else's operation runs",
            edit(with_vapp(), |seen| seen.vapps[0].busy = true),
            wait(WaitReason::BusyVapp, 3),
        ),
    ]);
}

#[test]
fn the_guest_is_followed_to_its_end() {
    use PhaseStatus::{Failed, InProgress, Successful};
    let done = [("pivot", Successful), ("tools", Successful)];
    let failed = FailureReason::PhaseFailed {
        phase: "pivot".to_owned(),
        reason: "the bootstrap script ended with exit code 3".to_owned(),
    };
    check(vec![
        ("silent", running(&[], None), wait(WaitReason::Guest, 10)),
        (
            "at work",
            running(&[("tools", InProgress)], None),
            wait(WaitReason::Guest, 10),
        ),
        (
            "at work for too long",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.phase_age = Duration::from_secs(601);
            }),
            fail(
                FailureReason::PhaseTimedOut {
                    phase: "tools".to_owned(),
                    minutes: 10,
                },
                false,
            ),
        ),
        (
            "failed",
            running(&[("tools", Successful), ("pivot", Failed)], Some(3)),
            fail(failed, false),
        ),
        (
            "through, status missing",
            running(&done, Some(0)),
            wait(WaitReason::ClusterStatus, 10),
        ),
        (
            "through, status never came",
            edit(running(&done, Some(0)), |seen| {
                seen.phase_age = Duration::from_secs(1201)
            }),
            fail(FailureReason::StatusIncomplete { minutes: 20 }, false),
        ),
        (
            "through and ready, not resolved",
            edit(running(&done, Some(0)), |seen| {
                seen.document.control_plane_ready = true
            }),
            Decision::Act(Action::ResolveEntity),
        ),
        (
            "complete",
            edit(running(&done, Some(0)), |seen| {
                seen.document.control_plane_ready = true;
                seen.document.resolved = true;
            }),
            Decision::Commit(Change::BeginTeardown),
        ),
        (
            "switched off half way",
            edit(running(&[("tools", InProgress)], None), |seen| {
                seen.vm.as_mut().unwrap().power = Power::Off;
            }),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
    ]);
}

#[test]
fn progress_is_reported_once_even_when_old_events_fell_out_of_the_window() {
    use PhaseStatus::{InProgress, Successful};
    let reported = |names: &[&str], phases: &[(&str, PhaseStatus)]| {
        edit(running(phases, None), |seen| {
            seen.document.reported = names.iter().map(|name| (*name).to_owned()).collect();
        })
    };
    let milestone = |phase, succeeded| Milestone { phase, succeeded };
    let both = [("tools", Successful), ("pivot", InProgress)];
    check(vec![
        (
            "nothing reported",
            reported(&[], &both),
            Decision::Commit(Change::ReportProgress(vec![
                milestone(0, false),
                milestone(0, true),
                milestone(1, false),
            ])),
        ),
        (
            "first phase reported",
            reported(&["ToolsBegun"], &both),
            Decision::Commit(Change::ReportProgress(vec![
                milestone(0, true),
                milestone(1, false),
            ])),
        ),
        (
            "earlier events are gone",
            reported(&["PivotBegun"], &both),
            wait(WaitReason::Guest, 10),
        ),
    ]);
}

#[test]
fn leftovers_twins_and_lost_commits_are_settled_by_id() {
    let raise = |incarnation, because| {
        Decision::Commit(Change::RaiseIncarnation {
            incarnation,
            epoch_at_least: 1,
            because,
        })
    };
    check(vec![
        (
            "an older attempt's vApp goes first",
            edit(fresh(), |seen| {
                seen.document.incarnation = 2;
                seen.vapps = vec![vapp(1, 1)];
            }),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "a deployed one is undeployed first",
            edit(fresh(), |seen| {
                seen.document.incarnation = 2;
                seen.vapps = vec![edit_vapp(vapp(1, 1))];
            }),
            Decision::Act(Action::UndeployVapp(vapp_id(1))),
        ),
        (
            "a twin of the committed vApp goes",
            edit(with_vapp(), |seen| seen.vapps.push(vapp(2, 1))),
            Decision::Act(Action::DeleteVapp(vapp_id(2))),
        ),
        (
            "a twin of the committed VM goes",
            edit(with_vm(), |seen| {
                seen.vapps[0].vms.push(vm(2, 1, Power::Off))
            }),
            Decision::Act(Action::DeleteVm(vm_id(2))),
        ),
        (
            "a running stray is switched off first",
            edit(with_vm(), |seen| {
                seen.vapps[0].vms.push(vm(2, 1, Power::On))
            }),
            Decision::Act(Action::UndeployVm(vm_id(2))),
        ),
        (
            "a failed copy goes",
            edit(with_vapp(), |seen| {
                seen.vapps[0].vms = vec![vm(1, 1, Power::Failed)]
            }),
            Decision::Act(Action::DeleteVm(vm_id(1))),
        ),
        (
            "the committed vApp is gone",
            edit(with_vapp(), |seen| seen.vapps.clear()),
            raise(2, "the committed bootstrap vApp is gone"),
        ),
        (
            "the committed VM is gone",
            edit(with_vm(), |seen| seen.vapps[0].vms.clear()),
            raise(2, "the committed bootstrap VM is gone"),
        ),
        (
            "the markers know of a later attempt: adopt it, destroy nothing",
            edit(fresh(), |seen| seen.vapps = vec![vapp(1, 4)]),
            Decision::Commit(Change::RaiseIncarnation {
                incarnation: 4,
                epoch_at_least: 2,
                because: "the document was rolled back to an earlier version",
            }),
        ),
        (
            "somebody else's vApp has the name",
            edit(fresh(), |seen| {
                seen.vapps = vec![VappSeen {
                    marker: None,
                    ..vapp(1, 1)
                }]
            }),
            fail(
                FailureReason::NameTaken("blue_ephemeral_vapp".to_owned()),
                false,
            ),
        ),
    ]);
}

fn edit_vapp(mut vapp: VappSeen) -> VappSeen {
    vapp.deployed = true;
    vapp
}

#[test]
fn attempts_are_bounded_and_only_repairable_causes_are_repeated() {
    let stopped = |auto_repair, incarnation| {
        edit(
            running(&[("tools", PhaseStatus::InProgress)], None),
            |seen| {
                seen.vm.as_mut().unwrap().power = Power::Off;
                seen.document.auto_repair = auto_repair;
                seen.document.incarnation = incarnation;
                seen.vapps[0].marker = marker(incarnation);
                seen.vapps[0].vms[0].marker = marker(incarnation);
            },
        )
    };
    let blocked = |reason: FailureReason| {
        edit(fresh(), |seen| {
            seen.document.auto_repair = true;
            seen.preparation = Err(reason);
        })
    };
    let failing = TaskSeen::FailedForNow("busy".to_owned());
    check(vec![
        (
            "auto-repair off",
            stopped(false, 1),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
        (
            "auto-repair on",
            stopped(true, 1),
            fail(FailureReason::BootstrapVmStopped, true),
        ),
        (
            "second attempt",
            stopped(true, 2),
            fail(FailureReason::BootstrapVmStopped, true),
        ),
        (
            "last attempt",
            stopped(true, 3),
            fail(FailureReason::BootstrapVmStopped, false),
        ),
        (
            "a refused token does not heal",
            blocked(FailureReason::TokenMissing),
            fail(FailureReason::TokenMissing, false),
        ),
        (
            "an operation failed for now",
            edit(fresh(), |seen| seen.task = failing.clone()),
            Decision::Act(Action::ComposeVapp),
        ),
        (
            "an operation failed too often",
            edit(fresh(), |seen| {
                seen.task = failing.clone();
                seen.action_failures = policy().max_action_failures;
            }),
            fail(FailureReason::OperationFailing("busy".to_owned()), false),
        ),
        (
            "an operation was refused",
            edit(fresh(), |seen| {
                seen.task = TaskSeen::Failed("no".to_owned())
            }),
            fail(FailureReason::OperationRefused("no".to_owned()), false),
        ),
    ]);
}

#[test]
fn removal_ends_in_what_it_was_begun_for() {
    let committed = |state| {
        edit(teardown(state), |seen| {
            seen.vapps = vec![vapp(1, 1)];
            seen.document.committed_vapp = Some(vapp_id(1));
        })
    };
    check(vec![
        (
            "deployed",
            edit(committed(ClusterState::Provisioning), |seen| {
                seen.vapps[0].deployed = true
            }),
            Decision::Act(Action::UndeployVapp(vapp_id(1))),
        ),
        (
            "undeployed",
            committed(ClusterState::Provisioning),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "somebody else's vApp of the same name stays",
            edit(teardown(ClusterState::Provisioning), |seen| {
                seen.vapps = vec![VappSeen {
                    marker: None,
                    ..vapp(9, 1)
                }];
            }),
            Decision::Commit(Change::Finish),
        ),
        (
            "all gone",
            teardown(ClusterState::Provisioning),
            Decision::Commit(Change::Finish),
        ),
        (
            "all gone, status rolled back",
            edit(teardown(ClusterState::Provisioning), |seen| {
                seen.document.control_plane_ready = false;
            }),
            wait(WaitReason::ClusterStatus, 10),
        ),
        (
            "failed attempt, pause not over",
            teardown(ClusterState::Error),
            wait(WaitReason::AttemptPause, 60),
        ),
        (
            "failed attempt, pause over",
            edit(teardown(ClusterState::Error), |seen| {
                seen.stage_age = Duration::from_mins(1)
            }),
            Decision::Commit(Change::BeginAttempt),
        ),
        (
            "failed attempt, marked for deletion meanwhile",
            edit(teardown(ClusterState::Error), |seen| {
                seen.document.marked_for_delete = true
            }),
            Decision::Commit(Change::BeginDeletion),
        ),
        (
            "deletion",
            edit(teardown(ClusterState::Provisioning), |seen| {
                seen.document.phase = ClaimPhase::Deleting;
            }),
            Decision::Commit(Change::GiveUp),
        ),
        (
            "the tenant's side is closed",
            edit(committed(ClusterState::Provisioning), |seen| {
                seen.preparation = Err(FailureReason::TokenMissing);
            }),
            wait(WaitReason::Preparation(FailureReason::TokenMissing), 300),
        ),
    ]);
}

#[test]
fn deletion_stops_creation_and_a_provisioned_cluster_is_left_alone() {
    check(vec![
        (
            "marked while created",
            edit(with_vm(), |seen| seen.document.marked_for_delete = true),
            Decision::Commit(Change::BeginDeletion),
        ),
        (
            "provisioned, record rolled back to creating",
            edit(with_vm(), |seen| {
                seen.document.state = ClusterState::Provisioned
            }),
            Decision::Settled,
        ),
        (
            "done",
            edit(fresh(), |seen| seen.document.phase = ClaimPhase::Done),
            Decision::Settled,
        ),
    ]);
}

#[test]
fn the_pause_between_attempts_doubles_and_is_bounded() {
    let pauses = [2, 3, 4, 7, 50].map(|incarnation| policy().pause_before(incarnation).as_secs());
    assert_eq!(pauses, [60, 120, 240, 1920, 1920]);
}

#[test]
fn no_effect_starts_when_the_last_acknowledged_write_is_old() {
    let admits = [0, 55, 56].map(|secs| policy().admits_effect(Duration::from_secs(secs)));
    assert_eq!(admits, [true, true, false]);
}
