//! What stands of a cluster outweighs its document: nothing is created twice, nothing is taken away.

use super::*;

const WAS_PROVISIONED: &str =
    "the cluster was provisioned before, and its document went back to an earlier version";

fn standing(mut seen: Observation, proof: Proof, provisioned: bool) -> Observation {
    seen.cluster_vapps = vec![cluster_vapp(proof, provisioned)];
    seen
}

#[test]
fn a_cluster_with_the_witness_is_never_created_again() {
    let lost_vm = || edit(with_vm(), |seen| seen.vm = None);
    let lost_vapp = || edit(with_vm(), |seen| seen.vapps.clear());
    let unstarted = || edit(with_vapp(), |seen| seen.document.committed_vapp = None);
    for (name, seen) in [
        ("fresh document", fresh()),
        ("empty bootstrap vApp", with_vapp()),
        ("bootstrap vApp not committed", unstarted()),
        ("bootstrap VM off, nothing written", with_vm()),
        ("bootstrap VM gone", lost_vm()),
        ("bootstrap vApp gone", lost_vapp()),
        (
            "guest at work again",
            running(&[("tools", PhaseStatus::InProgress)], None),
        ),
        (
            "guest failed",
            running(&[("tools", PhaseStatus::Failed)], Some(1)),
        ),
    ] {
        let seen = standing(seen, Proof::Marked, true);
        assert_eq!(decide(&seen, &policy()), resumed(WAS_PROVISIONED), "{name}");
        let repaired = edit(seen, |seen| seen.document.auto_repair = true);
        assert_eq!(
            decide(&repaired, &policy()),
            resumed(WAS_PROVISIONED),
            "{name}, auto-repair"
        );
    }
}

#[test]
fn what_stands_without_a_witness_is_not_touched_on_the_word_of_a_fresh_document() {
    let ready = |seen: &mut Observation| seen.document.control_plane_ready = true;
    let repair = |seen: &mut Observation| seen.document.auto_repair = true;
    let lost = FailureReason::BootstrapVmLost(
        "the bootstrap VM is gone while a part of the cluster stands",
    );
    check(vec![
        (
            "of nobody's making, not ready",
            standing(edit(fresh(), repair), Proof::Marked, false),
            fail(FailureReason::RollbackDetected, false),
        ),
        (
            "of nobody's making, ready",
            edit(standing(fresh(), Proof::Marked, false), ready),
            resumed("the cluster stands and is ready, and its document knows of no creation"),
        ),
        (
            "only its name is the cluster's",
            standing(fresh(), Proof::Unproven, true),
            Decision::Act(Action::ComposeVapp),
        ),
        (
            "the bootstrap VM is there to build it",
            standing(with_vm(), Proof::Marked, false),
            Decision::Act(Action::WriteUserData(vm_id(1))),
        ),
        (
            "half-built and its bootstrap VM gone",
            standing(
                edit(with_vapp(), |seen| {
                    seen.vapps.clear();
                    repair(seen);
                }),
                Proof::Marked,
                false,
            ),
            fail(lost.clone(), true),
        ),
        (
            "perhaps finished, and its bootstrap VM gone",
            standing(
                edit(with_vapp(), |seen| {
                    seen.vapps.clear();
                    repair(seen);
                    ready(seen);
                }),
                Proof::Marked,
                false,
            ),
            fail(lost, false),
        ),
    ]);
}

#[test]
fn the_witness_is_written_before_the_cluster_is_declared_complete() {
    let phases = [
        ("tools", PhaseStatus::Successful),
        ("pivot", PhaseStatus::Successful),
    ];
    let complete = || {
        edit(running(&phases, Some(0)), |seen| {
            seen.document.control_plane_ready = true;
            seen.document.resolved = true;
        })
    };
    check(vec![
        (
            "no vApp of the cluster is seen",
            complete(),
            wait(WaitReason::ClusterStatus, 10),
        ),
        (
            "without witness",
            standing(complete(), Proof::Marked, false),
            Decision::Act(Action::WriteWitness(vapp_id(7))),
        ),
        (
            "with witness",
            standing(complete(), Proof::Marked, true),
            Decision::Commit(Change::BeginTeardown),
        ),
        (
            "VCD refuses the witness: a complete cluster is not given up",
            edit(standing(complete(), Proof::Marked, false), |seen| {
                seen.task = TaskSeen::Failed("no".to_owned());
            }),
            Decision::Commit(Change::BeginTeardown),
        ),
        (
            "VCD is busy: again",
            edit(standing(complete(), Proof::Marked, false), |seen| {
                seen.task = TaskSeen::FailedForNow("busy".to_owned());
            }),
            Decision::Act(Action::WriteWitness(vapp_id(7))),
        ),
    ]);
}

#[test]
fn a_record_that_says_done_goes_on_only_where_there_is_something_to_do() {
    let done = |state| {
        edit(fresh(), |seen| {
            seen.document.phase = ClaimPhase::Done;
            seen.document.state = state;
        })
    };
    let back = "the cluster stands, and its state went back to an earlier one";
    check(vec![
        ("failed", done(ClusterState::Error), Decision::Settled),
        (
            "failed, time for inspection over",
            edit(done(ClusterState::Error), |seen| {
                seen.inspection_over = true;
            }),
            Decision::Commit(Change::EndInspection),
        ),
        (
            "left alone after a rollback, still not ready",
            edit(done(ClusterState::Error), |seen| {
                seen.document.rollback_reported = true;
            }),
            Decision::Settled,
        ),
        (
            "left alone after a rollback, ready",
            edit(done(ClusterState::Error), |seen| {
                seen.document.rollback_reported = true;
                seen.document.control_plane_ready = true;
            }),
            resumed("the cluster's own status says that it is ready"),
        ),
        (
            "state alone went back, witness",
            standing(done(ClusterState::Provisioning), Proof::Marked, true),
            resumed(back),
        ),
        (
            "state alone went back, ready",
            edit(
                standing(done(ClusterState::Unclaimed), Proof::Marked, false),
                |seen| {
                    seen.document.control_plane_ready = true;
                },
            ),
            resumed(back),
        ),
        (
            "state alone went back, nothing stands",
            done(ClusterState::Provisioning),
            fail(FailureReason::RollbackDetected, false),
        ),
        (
            "state alone went back, nothing can be seen",
            edit(done(ClusterState::Provisioning), |seen| {
                seen.preparation = Err(FailureReason::TokenMissing);
            }),
            fail(FailureReason::TokenMissing, false),
        ),
    ]);
}
