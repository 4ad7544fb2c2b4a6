//! The steps of a deletion that are more than one effect or one write: counted tries, the entity itself, and
//! a deletion over which an older document was written.
//!
//! Invariants:
//! - Every try counts; an object that keeps failing is reported, not tried for ever.
//! - A rolled-back deletion is neither continued nor undone in silence.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::super::act::Outcome;
use super::super::claim::WriteError;
use super::super::deletion_record::rolled_back;
use super::super::document::Edit;
use super::failures::is_worth_a_warning;
use super::{DOUBTS, End, Next, Work};
use crate::domain::claim::ClaimPhase;
use crate::domain::error_class::ErrorClass;
use crate::reconcile::backoff::delay;
use crate::reconcile::decision::Action;
use crate::reconcile::removal::Obstacle;
use crate::reconcile::step;
use crate::telemetry::{chain, event};
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

impl<T: Transport> Work<T> {
    /// An action was carried out, or its task runs.
    pub(super) fn acted(
        &mut self,
        action: &Action,
        outcome: Outcome,
        subject: Option<&str>,
    ) -> Next {
        match (outcome, subject) {
            (Outcome::Done, Some(subject)) => {
                self.memory.forget_action();
                return self.nothing_to_remove(subject);
            }
            (Outcome::Done, None) => {
                self.memory.forget_action();
                // What VCD calls gone may still be listed: not asked for again at once.
                if matches!(action, Action::Remove(_)) {
                    return Next::After(self.deps.policy.task_poll);
                }
            }
            (Outcome::Composed(vapp), _) => {
                self.memory.forget_action();
                self.composed = Some(vapp);
            }
            // Whether it failed is known when the task ends.
            (Outcome::Started(task), subject) => {
                self.memory.task = Some(task);
                if subject.is_some() {
                    self.memory.demolition.started(action);
                }
            }
        }
        Next::Now
    }

    /// Id of what an action of a deletion removes.
    pub(super) fn subject(&self, action: &Action) -> Option<String> {
        let deleting = self.held.heartbeat().phase == ClaimPhase::Deleting;
        action.removes().filter(|_| deleting).map(str::to_owned)
    }

    /// The object is gone, or so VCD says; the second time in a row it is not believed at once.
    pub(super) fn nothing_to_remove(&mut self, subject: &str) -> Next {
        self.memory.demolition.outdated();
        match self.memory.demolition.tries(subject) {
            0 | 1 => Next::Now,
            tries => {
                let jitter = self.deps.chance.next_fraction();
                Next::After(delay(&ErrorClass::Transient, tries, jitter))
            }
        }
    }

    pub(super) fn removal_failed(
        &mut self,
        (action, subject): (&Action, &str),
        error: &VcdError,
    ) -> Next {
        let why = chain(error).to_string();
        // What was seen may be out of date: a refusal counts once it is repeated after another look.
        let again = self.memory.demolition.has_failed(subject);
        let for_good = again && error.class() == ErrorClass::Terminal && error.is_verdict();
        let tries = self.memory.demolition.failed(subject, &why, for_good);
        if error.class() == ErrorClass::Unauthenticated {
            self.memory.demolition.client = None;
        }
        let wait = delay(&error.class(), tries, self.deps.chance.next_fraction());
        if for_good || is_worth_a_warning(tries) {
            warn!(
                event = event::ACTION_FAILED,
                action = action.name(),
                object = subject,
                failures = tries,
                request_id = error.request_id(),
                error = %why,
                "an object cannot be removed"
            );
        } else {
            debug!(
                action = action.name(),
                object = subject,
                request_id = error.request_id(),
                error = %why,
                "removal failed, deciding again"
            );
        }
        Next::After(wait)
    }

    /// The entity's own state changes under the hands of whoever resolves it, answered or not.
    pub(super) async fn see_resolution(
        &mut self,
        action: &Action,
        in_vain: bool,
    ) -> Result<(), WriteError> {
        if *action == Action::ResolveEntity {
            self.memory.demolition.resolving(in_vain);
            self.held.refresh().await?;
        }
        Ok(())
    }

    /// The last step: the entity itself, provided that nobody has written it since it was read.
    pub(super) async fn delete_entity(&mut self) -> Result<Next, WriteError> {
        let entity = self.held.document().id.as_str().to_owned();
        let limit = self.deps.policy.max_removal_tries;
        let action = Action::DeleteEntity;
        if !self.memory.demolition.begin(&entity, &action, limit) {
            return Ok(Next::Now);
        }
        info!(
            event = event::ACTION_STARTED,
            action = action.name(),
            object = %entity,
            "acting"
        );
        self.memory.demolition.entity_asked = true;
        match self.held.delete_entity().await {
            // Whether it is gone is seen at the next look: a hook may take its time.
            Ok(()) => Ok(Next::Now),
            Err(WriteError::Failed(error)) => Ok(self.removal_failed((&action, &entity), &error)),
            Err(other) => Err(other),
        }
    }

    /// An older document was written over a deletion: it is neither continued nor undone in silence.
    pub(super) async fn stop_rolled_back(&mut self) -> End {
        let touched = self.memory.demolition.touched || self.held.resumes_deletion;
        let written = step::rolled_back(touched);
        warn!(
            event = event::ROLLBACK_DETECTED,
            touched,
            "an older version of the cluster was written over its deletion; mark it for deletion again to go on"
        );
        for _ in 0..DOUBTS {
            let edit = Edit {
                state: written.state,
                ..rolled_back(touched, self.deps.clock.wall())
            };
            match self.held.write_rolled_back(edit, written.step).await {
                Ok(()) => return End::Settled,
                Err(WriteError::Failed(error)) => {
                    let wait = self.backoff(&error);
                    self.deps.clock.sleep(wait).await;
                }
                Err(WriteError::Lost | WriteError::Contested) => break,
            }
        }
        End::Lost
    }
}

/// Every obstacle in the log.
pub(super) fn log_block(obstacles: &[Obstacle], retry_in: Duration) {
    for obstacle in obstacles {
        warn!(
            event = event::CLUSTER_BLOCKED,
            error = obstacle.name(),
            reason = %obstacle,
            retry_in_secs = retry_in.as_secs(),
            "the cluster cannot be deleted for now"
        );
    }
}
