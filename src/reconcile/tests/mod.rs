//! Tables of decisions: every step of creation and removal, every cause of failure, every boundary.
//!
//! Here: the observations that the tables start from, and what holds whatever the operation.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod attempts;
mod cleanup;
mod create;
mod delete;
mod guest;
mod removal;
mod standing;
mod teardown;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decide;
use super::decision::{Action, Change, Decision, Milestone, WaitReason};
use super::estate::{ClusterVapp, EstateSeen, Proof};
use super::failure::{FailureClass, FailureReason};
use super::observation::{
    DeletionSeen, DocumentSeen, GuestReport, GuestSeen, Observation, Power, Preparation,
    RemovalSeen, TaskSeen, VappSeen, VmSeen,
};
use super::policy::{PhasePlan, Policy};
use crate::domain::claim::ClaimPhase;
use crate::domain::ids::{EntityId, VappId, VmId};
use crate::domain::marker::Marker;
use crate::domain::phase::PhaseStatus;
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

fn marker(incarnation: u32) -> Marker {
    Marker {
        entity: entity(),
        epoch: 1,
        incarnation,
    }
}

fn vapp(n: u8, incarnation: u32) -> VappSeen {
    VappSeen {
        id: vapp_id(n),
        name: "blue_ephemeral_vapp".to_owned(),
        marker: Some(marker(incarnation)),
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
        marker: Some(marker(incarnation)),
        power,
    }
}

fn guest(power: Power, has_user_data: bool) -> GuestSeen {
    GuestSeen {
        power,
        busy: false,
        has_user_data,
        report: GuestReport::default(),
        silent_for: None,
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
            failed_attempts: 0,
            rollback_reported: false,
            deletion: DeletionSeen::default(),
        },
        preparation: Ok(Preparation {
            network: "net".to_owned(),
        }),
        vapps: Vec::new(),
        vm: None,
        cluster_vapps: Vec::new(),
        estate: None,
        task: TaskSeen::None,
        action_failures: 0,
        phase_age: Duration::ZERO,
        stage_age: Duration::ZERO,
        failure_age: Duration::ZERO,
        inspection_over: false,
        removal: RemovalSeen::default(),
        running: None,
    }
}

/// A vApp of the cluster itself, with or without the witness that it was provisioned.
fn cluster_vapp(proof: Proof, provisioned: bool) -> ClusterVapp {
    let witness = (super::standing::WITNESS.to_owned(), "x".to_owned());
    ClusterVapp {
        id: vapp_id(7),
        name: "blue".to_owned(),
        proof,
        busy: false,
        deployed: false,
        vms: Vec::new(),
        metadata: provisioned
            .then_some(witness)
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
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

/// A vApp that only has the name in common with ours.
fn foreign_vapp(n: u8) -> VappSeen {
    VappSeen {
        marker: None,
        ..vapp(n, 1)
    }
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

fn resumed(because: &'static str) -> Decision {
    Decision::Commit(Change::ResumeProvisioned {
        incarnation: 1,
        epoch_at_least: 1,
        because,
    })
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
fn deletion_comes_first_and_a_provisioned_cluster_is_left_alone() {
    let begin = || Decision::Commit(Change::BeginDeletion);
    let marked = |seen| edit(seen, |seen| seen.document.marked_for_delete = true);
    check(vec![
        ("marked while created", marked(with_vm()), begin()),
        (
            "marked while the bootstrap VM is removed",
            marked(teardown(ClusterState::Provisioning)),
            begin(),
        ),
        (
            "marked while a failed attempt is removed",
            marked(teardown(ClusterState::Error)),
            begin(),
        ),
        (
            "marked when provisioned",
            marked(edit(fresh(), |seen| {
                seen.document.state = ClusterState::Provisioned;
                seen.document.phase = ClaimPhase::Done;
            })),
            begin(),
        ),
        (
            "marked when failed, and nothing of the tenant's side is to be had",
            marked(edit(fresh(), |seen| {
                seen.document.state = ClusterState::Error;
                seen.document.phase = ClaimPhase::Done;
                seen.preparation = Err(FailureReason::TokenMissing);
            })),
            begin(),
        ),
        (
            "begun by another server, the mark is lost",
            edit(fresh(), |seen| seen.document.state = ClusterState::Deleting),
            begin(),
        ),
        (
            "provisioned, record rolled back to creating",
            edit(with_vm(), |seen| {
                seen.document.state = ClusterState::Provisioned;
            }),
            Decision::Settled,
        ),
        (
            "done",
            edit(fresh(), |seen| {
                seen.document.phase = ClaimPhase::Done;
                seen.document.state = ClusterState::Error;
            }),
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
