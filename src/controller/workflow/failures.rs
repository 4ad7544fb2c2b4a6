//! What follows from a failure: how long to wait, when to give up, and who is told.
//!
//! Invariants:
//! - A failure that repeats is told now and then, not every time: an outage of VCD concerns every cluster
//!   at work.
//! - A line about a call that failed carries the id that VCD's own logs have for it.

use std::time::Duration;

use tracing::{debug, warn};

use super::super::act::{ActError, Outcome};
use super::{Next, Work};
use crate::clock::Moment;
use crate::controller::memory::believed_after;
use crate::domain::error_class::ErrorClass;
use crate::reconcile::backoff::delay;
use crate::reconcile::decision::Action;
use crate::reconcile::observation::TaskSeen;
use crate::telemetry::{chain, event};
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

/// Failures in a row after which a repeating failure is worth a warning.
const WARN_AFTER: u32 = 3;
/// Failures in a row between two further warnings: an outage of VCD concerns every cluster at work.
const WARN_AGAIN_EVERY: u32 = 10;

impl<T: Transport> Work<T> {
    /// Counts an effect that ended.
    pub(super) fn finished(
        &self,
        action: &Action,
        outcome: &Result<Outcome, ActError>,
        begun: Moment,
    ) {
        let took = self.deps.clock.now().since(begun);
        let outcome = match outcome {
            Ok(Outcome::Done | Outcome::Composed(_)) => "done",
            Ok(Outcome::Started(_)) => "started",
            Err(ActError::Blocked(_)) => "blocked",
            Err(ActError::Vcd(_)) => "failed",
        };
        self.deps.meters.acted(action.name(), outcome, took);
        debug!(
            event = event::ACTION_FINISHED,
            action = action.name(),
            outcome,
            elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "acted"
        );
    }

    pub(super) fn act_failed(&mut self, action: &Action, error: &VcdError) -> Next {
        self.memory.action_failures = self.memory.action_failures.saturating_add(1);
        let failures = self.memory.action_failures;
        let final_word = match error.class() {
            // It may have been decided on an old answer of VCD ("power on" a VM that is on): a refusal counts
            // once it is repeated after another look.
            ErrorClass::Terminal if error.is_verdict() => failures >= 2,
            ErrorClass::Terminal => failures >= believed_after(error),
            ErrorClass::Transient
            | ErrorClass::Throttled { .. }
            | ErrorClass::Conflict
            | ErrorClass::OutcomeUnknown
            | ErrorClass::Unauthenticated => false,
        };
        self.memory.refusal = if final_word {
            Some(TaskSeen::Failed(chain(error).to_string()))
        } else if failures >= self.deps.policy.max_action_failures {
            Some(TaskSeen::FailedForNow(chain(error).to_string()))
        } else {
            None
        };
        if error.class() == ErrorClass::Unauthenticated {
            self.memory.tenant = None;
        }
        let wait = delay(
            &error.class(),
            self.memory.action_failures,
            self.deps.chance.next_fraction(),
        );
        if is_worth_a_warning(self.memory.action_failures) {
            warn!(
                event = event::ACTION_FAILED,
                action = action.name(),
                failures = self.memory.action_failures,
                retry_in_secs = wait.as_secs(),
                request_id = error.request_id(),
                error = %chain(error),
                "an action keeps failing"
            );
        } else {
            debug!(
                action = action.name(),
                request_id = error.request_id(),
                error = %chain(error),
                "action failed, deciding again"
            );
        }
        Next::After(wait)
    }

    pub(super) fn backoff(&mut self, error: &VcdError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.deps.meters.pass_failed(error.class().name());
        let wait = delay(
            &error.class(),
            self.failures,
            self.deps.chance.next_fraction(),
        );
        if is_worth_a_warning(self.failures) {
            warn!(
                event = event::PASS_FAILED,
                failures = self.failures,
                retry_in_secs = wait.as_secs(),
                request_id = error.request_id(),
                error = %chain(error),
                "passes keep failing"
            );
        } else {
            debug!(
                request_id = error.request_id(),
                error = %chain(error),
                "pass failed, trying again"
            );
        }
        wait
    }
}

pub(super) fn is_worth_a_warning(failures: u32) -> bool {
    failures == WARN_AFTER || failures > 0 && failures.is_multiple_of(WARN_AGAIN_EVERY)
}
