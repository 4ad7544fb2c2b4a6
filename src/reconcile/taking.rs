//! Taking a cluster: whether its document, just read, may be taken, and the first record of the new holder.
//!
//! Flow: `controller::claim` reads -> [`may_take`] -> [`first_record`] -> the write that spends the read's tag.
//!
//! Invariants:
//! - A silent record must still be the very one whose time ran out.
//! - The epoch goes up with every change of holder, above the highest this process has ever seen.
//! - The intent is in the document before anything is looked at: a cluster that is to go is taken as such.
//!
//! Not here: since when a record is silent (`controller::watch`), what it says (`claimable`).

use std::time::Duration;

use super::claimable::{Claimable, Identity, claimable};
use super::interest::{Summary, needs_work};
use super::policy::Policy;
use crate::domain::claim::{Claim, ClaimPhase, Heartbeat, Hold};
use crate::domain::status::ClusterState;

/// Whether the claim as it stands in the document just read may be taken, and why.
///
/// `watched` is the record that was found to be claimable, how long it had been the same as seen here, and
/// this observer's jitter.
pub fn may_take(
    claim: &Claim,
    (watched, observed): (&Claim, (Duration, f64)),
    identity: &Identity,
    policy: &Policy,
) -> Option<Claimable> {
    let observed = if claim == watched {
        observed
    } else {
        (Duration::ZERO, 1.0)
    };
    match claimable(claim, identity, observed, policy) {
        Claimable::Held { .. } => None,
        answer @ (Claimable::Free | Claimable::Mine | Claimable::Inherited | Claimable::Silent) => {
            Some(answer)
        }
    }
}

/// The record of a new holder, for the cluster as it was just read.
///
/// `epoch_floor` is the highest epoch this process has ever seen on the cluster; `nonce` is drawn for this
/// write alone.
pub fn first_record(summary: &Summary, epoch_floor: u64, nonce: u64, policy: &Policy) -> Heartbeat {
    let claim = &summary.claim;
    let epoch = claim
        .heartbeat
        .as_ref()
        .map_or(0, |heartbeat| heartbeat.epoch)
        .max(epoch_floor);
    Heartbeat {
        epoch: epoch.saturating_add(1),
        seq: 1,
        nonce,
        term: policy.takeover,
        phase: first_phase(summary),
        // A cluster that is deleted before anybody began to create it has had no attempt.
        incarnation: claim
            .incarnation()
            .max(u32::from(!summary.wants_deletion())),
        hold: Hold::Held,
    }
}

fn first_phase(summary: &Summary) -> ClaimPhase {
    if summary.wants_deletion() {
        return ClaimPhase::Deleting;
    }
    if summary.state == ClusterState::Provisioned && !needs_work(summary) {
        // Nothing is created, whatever a record that was rolled back says.
        return ClaimPhase::Done;
    }
    match summary.claim.phase() {
        ClaimPhase::Pending | ClaimPhase::Creating => ClaimPhase::Creating,
        phase @ (ClaimPhase::Done | ClaimPhase::Teardown | ClaimPhase::Deleting) => phase,
    }
}

/// The state that the first write sets; `None` leaves it.
pub fn first_state(summary: &Summary) -> Option<ClusterState> {
    if summary.wants_deletion() {
        return Some(ClusterState::Deleting);
    }
    (summary.state == ClusterState::Unclaimed).then_some(ClusterState::Provisioning)
}
