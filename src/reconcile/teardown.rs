//! Removal of what an attempt made: undeploy, delete, and prove it gone.
//!
//! Invariants:
//! - Only objects that are committed or carry this entity's marker are removed, by id (rule R6).
//! - "Gone" means seen by nobody: neither by its id nor in a fresh listing.
//! - A provisioned cluster is declared only when nothing of the bootstrap is left.

use super::decision::{Action, Change, Decision, WaitReason};
use super::failure::FailureReason;
use super::observation::{Observation, TaskSeen, VappSeen};
use super::policy::Policy;

/// Time between two tries while the tenant's side cannot be reached.
const BLOCKED_RECHECK: std::time::Duration = std::time::Duration::from_mins(5);

/// The next step of a removal, and what follows when it is complete.
pub(super) fn step(seen: &Observation, policy: &Policy) -> Decision {
    if let Err(reason) = &seen.preparation {
        let on = WaitReason::Preparation(reason.clone());
        return Decision::Wait {
            on,
            recheck_in: BLOCKED_RECHECK,
        };
    }
    if seen.task == TaskSeen::Running {
        return Decision::Wait {
            on: WaitReason::Task,
            recheck_in: policy.task_poll,
        };
    }
    if let Some(vapp) = seen.vapps.iter().find(|vapp| is_ours(seen, vapp)) {
        return removal(vapp, policy);
    }
    if !seen.document.control_plane_ready {
        // The status went back in time, and the cluster's controllers do not write it again.
        if seen.stage_age > policy.status_deadline {
            return Decision::Commit(Change::Fail {
                reason: FailureReason::RollbackDetected,
                retry: false,
            });
        }
        return Decision::Wait {
            on: WaitReason::ClusterStatus,
            recheck_in: policy.guest_poll,
        };
    }
    Decision::Commit(Change::Finish)
}

/// Whether the vApp is proven ours: committed, or marked with this entity.
pub(super) fn is_ours(seen: &Observation, vapp: &VappSeen) -> bool {
    vapp.marker.is_some() || seen.document.committed_vapp.as_ref() == Some(&vapp.id)
}

/// The next step of removing one vApp of ours.
pub(super) fn removal(vapp: &VappSeen, policy: &Policy) -> Decision {
    if vapp.busy {
        return Decision::Wait {
            on: WaitReason::BusyVapp,
            recheck_in: policy.task_poll,
        };
    }
    if vapp.deployed {
        return Decision::Act(Action::UndeployVapp(vapp.id.clone()));
    }
    Decision::Act(Action::DeleteVapp(vapp.id.clone()))
}
