//! The first write of a holder, and what the tenant is told about it.
//!
//! Not here: when a cluster is taken and with which record (`reconcile::taking`), every later write (`claim`).

use super::Deps;
use super::deletion_record;
use super::document::{ClaimEdit, Edit};
use crate::domain::claim::{ClaimPhase, Heartbeat, HolderId};
use crate::domain::status::{ClusterState, EventEntry};
use crate::reconcile::interest::Summary;
use crate::reconcile::taking::first_state;
use crate::vcd::transport::Transport;

/// The write that takes the cluster, with the event that says so.
pub(super) fn claiming_edit<T: Transport>(
    deps: &Deps<T>,
    summary: &Summary,
    heartbeat: &Heartbeat,
) -> Edit {
    let claim = Some(claim_edit(deps, heartbeat, Some(&deps.identity.me)));
    let state = first_state(summary);
    if summary.wants_deletion() {
        return Edit {
            claim,
            state,
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
        state,
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
