//! The pure core: an observation in, a decision out.
//!
//! Flow: `controller::observe` looks, [`decide`] chooses, `controller::{act, record}` carry it out.
//!
//! Invariants:
//! - Total and stable: every observation has an answer, and the same one has the same answer.
//! - No async, no clock, no chance, no log, no memory between passes.
//! - Precedence: delete, then finishing or aborting a running attempt, then create, then edits of a
//!   cluster that runs.
//!
//! Around a decision: [`taking`] and [`holder`] say who may write and act, [`step`] what a write says.
//!
//! Not here: which clusters are looked at (`interest`), since when a record is silent (`controller::watch`).

pub mod backoff;
pub mod claimable;
mod cleanup;
mod create;
pub mod day_two;
pub mod decision;
pub mod delete;
pub mod estate;
pub mod failure;
pub mod holder;
pub mod inspection;
pub mod interest;
pub mod marks;
pub mod observation;
mod obstacle;
pub mod orphans;
pub mod policy;
pub mod preflight;
pub mod removal;
pub mod sharing;
pub mod sight;
pub mod standing;
pub mod step;
pub mod taking;
mod teardown;

use crate::domain::claim::ClaimPhase;
use crate::domain::status::ClusterState;
use decision::{Change, Decision};
use observation::Observation;
use policy::Policy;

/// Chooses the one step that brings a claimed cluster nearer to what was asked for.
pub fn decide(seen: &Observation, policy: &Policy) -> Decision {
    let document = &seen.document;
    if document.phase == ClaimPhase::Deleting {
        return delete::step(seen, policy);
    }
    if document.marked_for_delete || document.state == ClusterState::Deleting {
        return Decision::Commit(Change::BeginDeletion);
    }
    if document.state == ClusterState::Provisioned {
        // Whoever else wrote this: a provisioned cluster is finished, whatever the record says.
        return match &seen.running {
            Some(running) => day_two::step(running, policy),
            None => Decision::Settled,
        };
    }
    match document.phase {
        ClaimPhase::Pending | ClaimPhase::Creating => create::step(seen, policy),
        ClaimPhase::Teardown if document.state == ClusterState::Error => {
            cleanup::step(seen, policy)
        }
        ClaimPhase::Teardown => teardown::step(seen, policy),
        ClaimPhase::Done => standing::after_the_end(seen),
        ClaimPhase::Deleting => Decision::Settled,
    }
}

#[cfg(test)]
mod tests;
