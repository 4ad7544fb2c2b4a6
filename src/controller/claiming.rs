//! The first write of a holder: its record, and what the tenant is told about it.
//!
//! Not here: when a cluster is taken, and every later write (`claim`).

use super::Deps;
use super::deletion_record;
use super::document::{ClaimEdit, Edit};
use crate::domain::claim::{ClaimPhase, Heartbeat, Hold, HolderId};
use crate::domain::status::{ClusterState, EventEntry};
use crate::reconcile::interest::Summary;
use crate::vcd::transport::Transport;

/// The record of a new holder.
pub(super) fn first_heartbeat<T: Transport>(
    deps: &Deps<T>,
    summary: &Summary,
    epoch_floor: u64,
) -> Heartbeat {
    let claim = &summary.claim;
    let epoch = claim
        .heartbeat
        .as_ref()
        .map_or(0, |heartbeat| heartbeat.epoch)
        .max(epoch_floor);
    Heartbeat {
        epoch: epoch.saturating_add(1),
        seq: 1,
        nonce: deps.chance.next_u64(),
        term: deps.policy.takeover,
        phase: match claim.phase() {
            // The intent is in the document before anything is looked at.
            _ if summary.wants_deletion() => ClaimPhase::Deleting,
            ClaimPhase::Pending | ClaimPhase::Creating => ClaimPhase::Creating,
            phase @ (ClaimPhase::Done | ClaimPhase::Teardown | ClaimPhase::Deleting) => phase,
        },
        // A cluster that is deleted before anybody began to create it has had no attempt.
        incarnation: claim
            .incarnation()
            .max(u32::from(!summary.wants_deletion())),
        hold: Hold::Held,
    }
}

/// The write that takes the cluster, with the event that says so.
pub(super) fn claiming_edit<T: Transport>(
    deps: &Deps<T>,
    summary: &Summary,
    heartbeat: &Heartbeat,
) -> Edit {
    let claim = Some(claim_edit(deps, heartbeat, Some(&deps.identity.me)));
    if summary.wants_deletion() {
        return Edit {
            claim,
            ..deletion_record::claimed(&summary.claim, deps.clock.wall())
        };
    }
    let begins = summary.state == ClusterState::Unclaimed || summary.claim.heartbeat.is_none();
    let (name, detail) = if begins {
        (
            "ClusterCreationStarted",
            "A server has taken the cluster and begins to create it.",
        )
    } else {
        (
            "ClusterCreationResumed",
            "Another server process goes on with the creation where it stands.",
        )
    };
    let event = EventEntry {
        name,
        at: deps.clock.wall(),
        detail: detail.to_owned(),
        resource: None,
    };
    Edit {
        state: (summary.state == ClusterState::Unclaimed).then_some(ClusterState::Provisioning),
        // What is over is not resumed; whatever is done now has an event of its own.
        events: if heartbeat.phase == ClaimPhase::Done {
            Vec::new()
        } else {
            vec![event]
        },
        claim,
        ..Edit::default()
    }
}

/// The claim keys of one write.
pub(super) fn claim_edit<T: Transport>(
    deps: &Deps<T>,
    heartbeat: &Heartbeat,
    holder: Option<&HolderId>,
) -> ClaimEdit {
    ClaimEdit {
        instance: deps.instance.clone(),
        holder: holder.cloned(),
        heartbeat: heartbeat.clone(),
        at: deps.clock.wall(),
    }
}
