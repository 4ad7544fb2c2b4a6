//! What holds for every observation a replica could ever make, however odd.

mod covered;
mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cse_server::domain::claim::{Claim, ClaimPhase, Heartbeat, Hold};
use cse_server::domain::ids::{EntityId, VappId, VmId};
use cse_server::domain::marker::Marker;
use cse_server::domain::phase::PhaseStatus;
use cse_server::domain::status::ClusterState;
use cse_server::reconcile::decide;
use cse_server::reconcile::decision::{Change, Decision};
use cse_server::reconcile::failure::FailureReason;
use cse_server::reconcile::observation::{
    DeletionSeen, DocumentSeen, GuestReport, GuestSeen, Observation, Power, Preparation, TaskSeen,
    VappSeen, VmSeen,
};
use cse_server::reconcile::policy::{PhasePlan, Policy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use self::covered::{is_covered, respects_intent, respects_the_witness};
use self::removal::{estate, removal};

const NETWORK: &str = "net";
const PHASES: [&str; 3] = ["tools", "apply", "pivot"];
const EVENTS: [[&str; 2]; 3] = [
    ["ToolsBegun", "ToolsDone"],
    ["ApplyBegun", "ApplyDone"],
    ["PivotBegun", "PivotDone"],
];

/// Every event of a deletion.
const ALL_TOLD: [&str; 8] = [
    "BootstrapVappRemoved",
    "ClusterNodesStopped",
    "LoadBalancersRemoved",
    "ClusterNodesRemoved",
    "VolumesRemoved",
    "VolumesKept",
    "ClusterVappRemoved",
    "ClusterResourcesRemoved",
];

fn policy() -> Policy {
    let plan = |(name, [started, succeeded]): (_, [_; 2])| PhasePlan {
        name,
        started,
        succeeded,
        deadline: Duration::from_mins(10),
    };
    Policy::standard(PHASES.into_iter().zip(EVENTS).map(plan).collect())
}

fn entity() -> EntityId {
    EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:1").unwrap()
}

fn vapp_id() -> impl Strategy<Value = VappId> {
    (0..4_u8).prop_map(|n| VappId::parse(&format!("urn:vcloud:vapp:{n}")).unwrap())
}

fn vm_id() -> impl Strategy<Value = VmId> {
    (0..5_u8).prop_map(|n| VmId::parse(&format!("urn:vcloud:vm:{n}")).unwrap())
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![30 => 0..3_u32, 1 => Just(u32::MAX)]
}

fn marker() -> impl Strategy<Value = Option<Marker>> {
    let epoch = prop_oneof![30 => 0..3_u64, 1 => Just(u64::MAX)];
    let some = (epoch, count()).prop_map(|(epoch, incarnation)| Marker {
        entity: entity(),
        epoch,
        incarnation,
    });
    proptest::option::weighted(0.7, some)
}

fn power() -> impl Strategy<Value = Power> {
    prop::sample::select(vec![
        Power::Unresolved,
        Power::Failed,
        Power::Off,
        Power::On,
        Power::Other,
    ])
}

fn vm() -> impl Strategy<Value = VmSeen> {
    (vm_id(), marker(), power()).prop_map(|(id, marker, power)| VmSeen {
        id,
        name: "EPHEMERAL_TEMP_VM".to_owned(),
        marker,
        power,
    })
}

fn vapp() -> impl Strategy<Value = VappSeen> {
    let vms = prop::collection::vec(vm(), 0..4);
    let flags = (
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    (vapp_id(), marker(), flags, vms).prop_map(|(id, marker, (busy, deployed, connected), vms)| {
        VappSeen {
            id,
            name: "blue_ephemeral_vapp".to_owned(),
            marker,
            busy,
            deployed,
            networks: connected.then(|| NETWORK.to_owned()).into_iter().collect(),
            vms,
        }
    })
}

fn guest() -> impl Strategy<Value = GuestSeen> {
    let status = prop::sample::select(vec![
        PhaseStatus::InProgress,
        PhaseStatus::Successful,
        PhaseStatus::Failed,
    ]);
    let name = prop::sample::select(vec![PHASES[0], PHASES[1], PHASES[2], "unheard-of"]);
    let phases = prop::collection::btree_map(name.prop_map(str::to_owned), status, 0..4);
    let exit = prop::option::of(-1..3_i32);
    (power(), any::<(bool, bool)>(), phases, exit).prop_map(
        |(power, (busy, has_user_data), phases, exit)| GuestSeen {
            power,
            busy,
            has_user_data,
            report: report(phases, exit),
            silent_for: None,
        },
    )
}

fn report(phases: BTreeMap<String, PhaseStatus>, exit: Option<i32>) -> GuestReport {
    GuestReport {
        beat: None,
        phases,
        exit,
        reason: None,
        log_tail: None,
    }
}

fn document() -> impl Strategy<Value = DocumentSeen> {
    let state = prop::sample::select(vec![
        ClusterState::Unclaimed,
        ClusterState::Provisioning,
        ClusterState::Provisioned,
        ClusterState::Error,
        ClusterState::Deleting,
        ClusterState::Unknown,
    ]);
    let phase = prop::sample::select(ClaimPhase::ALL.to_vec());
    let committed = (prop::option::of(vapp_id()), prop::option::of(vm_id()));
    let events = prop::sample::select(EVENTS.concat());
    let reported = prop::collection::btree_set(events.prop_map(str::to_owned), 0..3);
    let flags = any::<(bool, bool, bool, bool)>();
    let deletion = any::<(bool, bool, bool, bool)>().prop_map(|flags| DeletionSeen {
        forced: flags.0,
        reclaims_volumes: flags.1,
        never_built: flags.2,
        // All has been told, or nothing.
        announced: ALL_TOLD
            .into_iter()
            .filter(|_| flags.3)
            .map(str::to_owned)
            .collect(),
        errors: Vec::new(),
    });
    (
        state,
        phase,
        (count(), any::<u64>()),
        committed,
        reported,
        (flags, deletion),
    )
        .prop_map(
            |(state, phase, (incarnation, epoch), (vapp, vm), reported, (flags, deletion))| {
                DocumentSeen {
                    entity: entity(),
                    marked_for_delete: flags.0,
                    auto_repair: flags.1,
                    state,
                    phase,
                    incarnation,
                    epoch: 1 + epoch % 4,
                    committed_vapp: vapp,
                    committed_vm: vm,
                    reported,
                    resolved: flags.2,
                    control_plane_ready: flags.3,
                    failed_attempts: 0,
                    rollback_reported: false,
                    deletion,
                }
            },
        )
}

fn task() -> impl Strategy<Value = TaskSeen> {
    prop_oneof![
        6 => Just(TaskSeen::None),
        1 => Just(TaskSeen::Running),
        1 => Just(TaskSeen::FailedForNow("busy".to_owned())),
        1 => Just(TaskSeen::Failed("no".to_owned())),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    prop_oneof![
        3 => any_observation(),
        1 => any_observation().prop_map(tidied),
        1 => any_observation().prop_map(|seen| before_power_on(tidied(seen))),
        1 => any_observation().prop_map(|seen| complete(tidied(seen))),
        1 => any_observation().prop_map(taken_apart),
    ]
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let ready = Ok(Preparation {
        network: NETWORK.to_owned(),
    });
    let preparation = prop_oneof![8 => Just(ready), 1 => Just(Err(FailureReason::TokenMissing))];
    let vapps = prop::collection::vec(vapp(), 0..4);
    let ages = (0..20_u32, 0..7_200_u64, 0..7_200_u64);
    let failed = (0..4_u32, any::<bool>(), any::<bool>());
    let standing = prop::option::weighted(0.2, estate());
    let removal = (prop::option::of(estate()), removal());
    (
        document(),
        preparation,
        vapps,
        prop::option::of(guest()),
        (task(), failed, removal),
        ages,
        standing,
    )
        .prop_map(
            |(document, preparation, vapps, vm, (task, failed, removal), ages, standing)| {
                let (failures, phase, stage) = ages;
                let mut document = document;
                (document.failed_attempts, document.rollback_reported) = (failed.0, failed.1);
                Observation {
                    document,
                    preparation,
                    vapps,
                    vm,
                    cluster_vapps: standing.map_or_else(Vec::new, |estate| estate.vapps),
                    task,
                    action_failures: failures,
                    phase_age: Duration::from_secs(phase),
                    stage_age: Duration::from_secs(stage),
                    failure_age: Duration::ZERO,
                    inspection_over: failed.2,
                    estate: removal.0,
                    removal: removal.1,
                    running: None,
                }
            },
        )
}

/// The guest has never run: the next steps are its user data and switching it on.
fn before_power_on(mut seen: Observation) -> Observation {
    if let Some(guest) = &mut seen.vm {
        guest.power = Power::Off;
        guest.busy = false;
        guest.report = GuestReport::default();
    }
    seen
}

/// The cluster is to be deleted, and every second time its machines are off.
fn taken_apart(mut seen: Observation) -> Observation {
    seen.document.phase = ClaimPhase::Deleting;
    seen.preparation = Ok(Preparation {
        network: NETWORK.to_owned(),
    });
    seen.task = TaskSeen::None;
    seen.vapps.clear();
    if let (Some(estate), true) = (&mut seen.estate, seen.document.resolved) {
        estate.gaps.clear();
        for vapp in &mut estate.vapps {
            (vapp.deployed, vapp.busy) = (false, false);
            for vm in &mut vapp.vms {
                vm.deployed = false;
            }
        }
    }
    seen
}

/// The guest has come through: what follows is the witness, resolving, and the end.
fn complete(mut seen: Observation) -> Observation {
    if let Some(guest) = &mut seen.vm {
        guest.power = Power::On;
        guest.busy = false;
        guest.report = report(BTreeMap::new(), Some(0));
    }
    seen.document.control_plane_ready = true;
    seen
}

/// Half of the observations look like a creation under way, so that its later steps are decided on too.
fn tidied(mut seen: Observation) -> Observation {
    let document = &mut seen.document;
    document.phase = ClaimPhase::Creating;
    document.marked_for_delete = false;
    document.state = ClusterState::Provisioning;
    document.incarnation = document.incarnation.max(1);
    seen.task = TaskSeen::None;
    seen.vapps.truncate(1);
    let marker = Marker {
        entity: entity(),
        epoch: document.epoch,
        incarnation: document.incarnation,
    };
    if let Some(vapp) = seen.vapps.first_mut() {
        document.committed_vapp = Some(vapp.id.clone());
        vapp.marker = Some(marker.clone());
        vapp.networks = vec![NETWORK.to_owned()];
        vapp.vms.truncate(2);
        if let Some(vm) = vapp.vms.first_mut() {
            if let Some(committed) = &mut document.committed_vm {
                committed.clone_from(&vm.id);
            }
            vm.marker = Some(marker);
        }
    }
    seen
}

fn check(seen: &Observation) -> Result<(), TestCaseError> {
    let policy = policy();
    let decision = decide(seen, &policy);
    prop_assert_eq!(&decide(seen, &policy), &decision, "another answer");
    let document = &seen.document;
    let unwanted = document.marked_for_delete || document.phase == ClaimPhase::Deleting;
    if document.state == ClusterState::Provisioned && !unwanted {
        prop_assert_eq!(&decision, &Decision::Settled);
    }
    if unwanted && document.phase != ClaimPhase::Deleting {
        prop_assert_eq!(&decision, &Decision::Commit(Change::BeginDeletion));
    }
    match &decision {
        Decision::Act(action) => {
            prop_assert!(is_covered(seen, action), "{action:?} is not covered");
            prop_assert!(respects_intent(seen, action), "{action:?} without intent");
            prop_assert!(
                respects_the_witness(seen, action),
                "{action:?} of a provisioned cluster"
            );
            prop_assert!(seen.task != TaskSeen::Running, "{action:?} beside a task");
        }
        Decision::Wait { recheck_in, .. } => {
            let bounds = Duration::from_nanos(1)..=Duration::from_hours(1);
            prop_assert!(bounds.contains(recheck_in), "{recheck_in:?}");
        }
        Decision::Commit(change) => {
            let back = matches!(change, Change::RaiseIncarnation { incarnation, .. }
                | Change::ResumeProvisioned { incarnation, .. } if *incarnation < seen.document.incarnation);
            prop_assert!(!back, "{change:?} lowers the incarnation");
        }
        Decision::Settled => {}
    }
    Ok(())
}

fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    let numbers = any::<(u64, u64, u64, u64, u32, bool)>();
    (numbers, prop::sample::select(ClaimPhase::ALL.to_vec())).prop_map(
        |((epoch, seq, nonce, term, incarnation, held), phase)| Heartbeat {
            epoch,
            seq,
            nonce,
            term: Duration::from_secs(term),
            phase,
            incarnation,
            hold: match (held, seq % 2) {
                (true, _) => Hold::Held,
                (false, 0) => Hold::Released,
                (false, _) => Hold::Waiting,
            },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_observation_has_one_safe_answer(seen in observation()) {
        check(&seen)?;
    }

    #[test]
    fn a_heartbeat_reads_back_whatever_it_says(heartbeat in heartbeat()) {
        let text = heartbeat.to_string();
        prop_assert!(text.len() < 200, "{text}");
        prop_assert_eq!(Heartbeat::parse(&text), Some(heartbeat));
    }

    #[test]
    fn any_text_is_a_claim_or_none(worker in ".{0,40}", text in "(k1)?[;=a-z0-9]{0,80}") {
        let claim = Claim::from_wire(&worker, &text);
        prop_assert_eq!(claim.is_free(), worker.is_empty()
            || claim.heartbeat.is_some_and(|beat| beat.hold != Hold::Held));
    }

    #[test]
    fn a_marker_reads_back_and_other_text_is_none(epoch: u64, incarnation: u32, other in ".{0,60}") {
        let marker = Marker { entity: entity(), epoch, incarnation };
        prop_assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
        prop_assert_eq!(Marker::parse(&other), None);
    }
}

/// Goal: the observations above are odd, but not so odd that some effect is never decided on.
#[test]
fn the_observations_lead_to_every_effect() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..40_000 {
        let seen = observation().new_tree(&mut runner).unwrap().current();
        reached.insert(match decide(&seen, &policy()) {
            Decision::Act(action) => action.name(),
            Decision::Commit(change) => change.name(),
            Decision::Wait { .. } => "wait",
            Decision::Settled => "settled",
        });
    }
    let effects = [
        "compose-vapp",
        "connect-network",
        "create-vm",
        "write-user-data",
        "power-on",
        "resolve-entity",
        "undeploy-vapp",
        "delete-vapp",
        "undeploy-vm",
        "delete-vm",
        "write-witness",
        "commit-vapp",
        "commit-vm",
        "raise-incarnation",
        "report-progress",
        "begin-teardown",
        "fail",
        "begin-attempt",
        "end-inspection",
        "settle",
        "postpone",
        "resume-provisioned",
        "finish",
        "begin-deletion",
        "report-removal",
        "block-deletion",
        "delete-entity",
        "stop-vapp",
        "stop-vm",
        "detach-disk",
        "delete-virtual-service",
        "delete-pool",
        "delete-nat-rule",
        "delete-port-profile",
        "release-address",
        "delete-disk",
    ];
    let missed: Vec<_> = effects
        .into_iter()
        .filter(|effect| !reached.contains(effect))
        .collect();
    assert_eq!(missed, Vec::<&str>::new());
}
