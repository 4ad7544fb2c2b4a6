//! Removal of the bootstrap VM: what goes, what stays, and what follows.

use super::*;

#[test]
fn removal_takes_what_is_ours_and_waits_for_the_way_in() {
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
                seen.vapps[0].deployed = true;
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
                seen.vapps = vec![foreign_vapp(9)];
            }),
            Decision::Commit(Change::Finish),
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
fn removal_ends_in_what_it_was_begun_for() {
    check(vec![
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
            "all gone, and the cluster does not report any more",
            edit(teardown(ClusterState::Provisioning), |seen| {
                seen.document.control_plane_ready = false;
                seen.stage_age = policy().status_deadline + Duration::from_secs(1);
            }),
            fail(FailureReason::RollbackDetected, false),
        ),
    ]);
}
