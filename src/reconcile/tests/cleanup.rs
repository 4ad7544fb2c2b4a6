//! Cleaning up after a failed attempt: the order, what is never touched, and what follows.

use super::*;
use crate::reconcile::estate::{EstateItem, EstateKind, Serves};
use crate::reconcile::removal::Removing;

/// The first attempt has failed and auto-repair is on; the survey found this, and all of it is condemned.
fn failed(estate: EstateSeen) -> Observation {
    edit(teardown(ClusterState::Error), |seen| {
        seen.removal.condemned = everything(&estate);
        seen.document.auto_repair = true;
        seen.document.control_plane_ready = false;
        seen.document.committed_vapp = Some(vapp_id(1));
        seen.vapps = vec![vapp(1, 1)];
        seen.estate = Some(estate);
    })
}

/// The ids of what the tests make: of the cluster's vApp and of the pool.
fn everything(estate: &EstateSeen) -> BTreeSet<String> {
    let vapps = estate.vapps.iter().map(|vapp| vapp.id.as_str());
    let items = estate.items.iter().map(|item| item.id.as_str());
    vapps.chain(items).map(str::to_owned).collect()
}

#[test]
fn what_stands_is_condemned_before_it_is_removed() {
    let half_built = || {
        estate(
            vec![cluster_vapp(Proof::Marked, false)],
            vec![pool(Proof::Named)],
        )
    };
    let condemn = Decision::Commit(Change::Condemn(everything(&half_built())));
    let only = |id: &str, seen: &mut Observation| {
        seen.removal.condemned = [id.to_owned()].into();
    };
    check(vec![
        (
            "nothing is condemned yet",
            edit(failed(half_built()), |seen| seen.removal.condemned.clear()),
            condemn.clone(),
        ),
        (
            "another cluster's vApp was condemned, in an earlier look",
            edit(failed(half_built()), |seen| only("urn:vcloud:vapp:9", seen)),
            condemn.clone(),
        ),
        (
            "the load balancer is condemned, and the vApp's turn comes later",
            edit(failed(half_built()), |seen| {
                only(&pool(Proof::Named).id, seen);
            }),
            Decision::Act(Action::Remove(Removing::DeleteItem(pool(Proof::Named)))),
        ),
        (
            "the vApp is not condemned, and it is its turn",
            edit(
                failed(estate(vec![cluster_vapp(Proof::Marked, false)], vec![])),
                |seen| only(&pool(Proof::Named).id, seen),
            ),
            Decision::Commit(Change::Condemn([vapp_id(7).as_str().to_owned()].into())),
        ),
    ]);
}

fn pool(proof: Proof) -> EstateItem {
    EstateItem {
        kind: EstateKind::Pool,
        id: "urn:vcloud:loadBalancerPool:1".to_owned(),
        name: "blue-pool".to_owned(),
        within: None,
        serves: Serves::ControlPlane,
        proof,
        busy: false,
        attached_to: Vec::new(),
    }
}

fn estate(vapps: Vec<ClusterVapp>, items: Vec<EstateItem>) -> EstateSeen {
    EstateSeen {
        vapps,
        items,
        gaps: Vec::new(),
    }
}

#[test]
fn the_bootstrap_is_switched_off_first_and_removed_last() {
    let half_built = || {
        estate(
            vec![cluster_vapp(Proof::Marked, false)],
            vec![pool(Proof::Named)],
        )
    };
    check(vec![
        (
            "bootstrap VM still on",
            edit(failed(half_built()), |seen| seen.vapps[0].deployed = true),
            Decision::Act(Action::UndeployVapp(vapp_id(1))),
        ),
        (
            "bootstrap vApp busy",
            edit(failed(half_built()), |seen| seen.vapps[0].busy = true),
            wait(WaitReason::BusyVapp, 2),
        ),
        (
            "load balancer next",
            failed(half_built()),
            Decision::Act(Action::Remove(Removing::DeleteItem(pool(Proof::Named)))),
        ),
        (
            "cluster vApp next",
            failed(estate(vec![cluster_vapp(Proof::Marked, false)], vec![])),
            Decision::Act(Action::Remove(Removing::DeleteVapp(vapp_id(7)))),
        ),
    ]);
}

#[test]
fn the_pause_is_kept_and_a_fresh_survey_ends_it() {
    let past_pause = |seen: &mut Observation| seen.stage_age = Duration::from_mins(1);
    check(vec![
        (
            "nothing of the cluster left, pause not over",
            failed(estate(vec![], vec![])),
            wait(WaitReason::AttemptPause, 60),
        ),
        (
            "not surveyed in the pause",
            edit(failed(estate(vec![], vec![])), |seen| seen.estate = None),
            wait(WaitReason::AttemptPause, 60),
        ),
        (
            "a fresh survey before the end of the pause means anything",
            edit(failed(estate(vec![], vec![])), |seen| {
                seen.estate = None;
                past_pause(seen);
            }),
            wait(WaitReason::BusyVapp, 2),
        ),
        (
            "pause over: the witness of the attempts goes",
            edit(failed(estate(vec![], vec![])), past_pause),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "all gone, pause over",
            edit(failed(estate(vec![], vec![])), |seen| {
                seen.vapps.clear();
                past_pause(seen);
            }),
            Decision::Commit(Change::BeginAttempt),
        ),
        (
            "a new holder counts the pause from the error's date",
            edit(failed(estate(vec![], vec![])), |seen| {
                seen.vapps.clear();
                seen.failure_age = Duration::from_mins(1);
            }),
            Decision::Commit(Change::BeginAttempt),
        ),
        (
            "a look-alike is nobody's business",
            edit(
                failed(estate(
                    vec![cluster_vapp(Proof::Unproven, false)],
                    vec![pool(Proof::Unproven)],
                )),
                |seen| {
                    seen.vapps.clear();
                    past_pause(seen);
                },
            ),
            Decision::Commit(Change::BeginAttempt),
        ),
    ]);
}

#[test]
fn what_was_provisioned_or_is_of_a_later_attempt_is_never_cleaned_up() {
    check(vec![
        (
            "witness on the cluster's vApp",
            failed(estate(
                vec![cluster_vapp(Proof::Marked, true)],
                vec![pool(Proof::Named)],
            )),
            resumed(
                "the cluster was provisioned before, and its document went back to an earlier version",
            ),
        ),
        (
            "witness on the cluster's vApp, auto-repair off",
            edit(
                failed(estate(vec![cluster_vapp(Proof::Marked, true)], vec![])),
                |seen| {
                    seen.document.auto_repair = false;
                    seen.vapps.clear();
                },
            ),
            resumed(
                "the cluster was provisioned before, and its document went back to an earlier version",
            ),
        ),
        (
            "bootstrap vApp of a later attempt",
            edit(failed(estate(vec![], vec![])), |seen| {
                seen.vapps = vec![vapp(2, 2)];
            }),
            Decision::Commit(Change::RaiseIncarnation {
                incarnation: 2,
                epoch_at_least: 2,
                because: "the document was rolled back to an earlier version",
            }),
        ),
        (
            "marked for deletion meanwhile",
            edit(failed(estate(vec![], vec![])), |seen| {
                seen.document.marked_for_delete = true;
            }),
            Decision::Commit(Change::BeginDeletion),
        ),
    ]);
}

#[test]
fn without_another_attempt_the_bootstrap_goes_and_nothing_else() {
    let half_built = || {
        estate(
            vec![cluster_vapp(Proof::Marked, false)],
            vec![pool(Proof::Named)],
        )
    };
    let off = |seen: &mut Observation| seen.document.auto_repair = false;
    let used_up = |seen: &mut Observation| {
        seen.document.incarnation = 3;
        seen.vapps[0].marker = Some(marker(3));
    };
    check(vec![
        (
            "auto-repair off",
            edit(failed(half_built()), off),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "attempts used up, by the record",
            edit(failed(half_built()), used_up),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "attempts used up, by the errors",
            edit(failed(half_built()), |seen| {
                seen.document.failed_attempts = 3;
            }),
            Decision::Act(Action::DeleteVapp(vapp_id(1))),
        ),
        (
            "gone",
            edit(failed(half_built()), |seen| {
                off(seen);
                seen.vapps.clear();
            }),
            Decision::Commit(Change::Settle),
        ),
        (
            "the tenant's side is closed: another day",
            edit(failed(half_built()), |seen| {
                off(seen);
                seen.preparation = Err(FailureReason::TokenMissing);
            }),
            Decision::Commit(Change::Postpone),
        ),
    ]);
}

#[test]
fn what_stands_in_the_way_of_cleaning_up_is_waited_for_and_not_for_ever() {
    let late = |seen: &mut Observation| seen.stage_age = policy().patience;
    let closed = |seen: &mut Observation| seen.preparation = Err(FailureReason::TokenMissing);
    let gap = || EstateSeen {
        gaps: vec!["no right to see pools".to_owned()],
        ..EstateSeen::default()
    };
    let blocked = |why: &str| FailureReason::CleanupBlocked(why.to_owned());
    let seen_gap = "what belongs to the cluster cannot be seen completely: no right to see pools; give the owner of the cluster's API token the missing right";
    check(vec![
        (
            "the tenant's side is closed",
            edit(failed(gap()), closed),
            wait(WaitReason::Preparation(FailureReason::TokenMissing), 300),
        ),
        (
            "and stays so",
            edit(failed(gap()), |seen| {
                closed(seen);
                late(seen);
            }),
            fail(FailureReason::TokenMissing, false),
        ),
        (
            "a part cannot be seen",
            failed(gap()),
            wait(WaitReason::Preparation(blocked(seen_gap)), 300),
        ),
        (
            "and stays hidden",
            edit(failed(gap()), late),
            fail(blocked(seen_gap), false),
        ),
        (
            "an object is not removed",
            edit(failed(gap()), |seen| {
                seen.task = TaskSeen::Failed("in use".to_owned());
            }),
            wait(WaitReason::Preparation(blocked("in use")), 300),
        ),
        (
            "an operation runs",
            edit(failed(gap()), |seen| seen.task = TaskSeen::Running),
            wait(WaitReason::Task, 2),
        ),
    ]);
}
