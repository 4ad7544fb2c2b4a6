//! What a look has to cover, by what is known already.
//!
//! Flow: `controller::observe` asks before each part of a look that costs requests.
//!
//! Invariants:
//! - What a decision depends on is looked at: a part is left out only where no decision reads it.

use super::observation::{GuestSeen, Observation};
use crate::domain::claim::ClaimPhase;
use crate::domain::status::ClusterState;

/// Whether nothing has to be looked at: the work is over and the document agrees.
pub fn is_needless(seen: &Observation) -> bool {
    let went_back = match seen.document.state {
        ClusterState::Unclaimed | ClusterState::Provisioning => true,
        ClusterState::Provisioned
        | ClusterState::Error
        | ClusterState::Deleting
        | ClusterState::Unknown => false,
    };
    seen.document.phase == ClaimPhase::Done && !went_back
}

/// Whether it matters now what stands of the cluster: before anything is made, and at the end.
pub fn is_wanted(seen: &Observation) -> bool {
    let through = |vm: &GuestSeen| vm.report.exit == Some(0);
    match seen.document.phase {
        ClaimPhase::Pending | ClaimPhase::Creating => seen
            .vm
            .as_ref()
            .is_none_or(|vm| through(vm) && seen.document.control_plane_ready),
        ClaimPhase::Done => true,
        ClaimPhase::Teardown | ClaimPhase::Deleting => false,
    }
}

/// Whether a failed attempt is being cleaned up.
pub fn is_clean_up(seen: &Observation) -> bool {
    seen.document.phase == ClaimPhase::Teardown && seen.document.state == ClusterState::Error
}
