//! The numbers that decisions depend on, with units and bounds.
//!
//! Invariants:
//! - `heartbeat <= self_fence / 3` and `takeover >= 2 * self_fence`: a holder that cannot write has
//!   stopped long before anybody may take over, even when the two clocks run at different speeds.
//!
//! Not here: where the numbers come from (`config`, the server configuration entity).

use std::time::Duration;

use crate::domain::phase::SILENCE_DEADLINE;

/// One phase of the bootstrap script as the server follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhasePlan {
    /// Name in the guest's keys, such as `control-plane`.
    pub name: &'static str,
    /// Event written when the phase has begun.
    pub started: &'static str,
    /// Event written when it has succeeded.
    pub succeeded: &'static str,
    /// Longest time the phase may take.
    pub deadline: Duration,
}

/// Everything `decide` and the claim rules need to know besides the observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// H: time between two writes of a holder.
    pub heartbeat: Duration,
    /// F: no new side effect when the last acknowledged write was sent longer ago than this.
    pub self_fence: Duration,
    /// M: part of F kept free for the call that is about to start.
    pub admission_margin: Duration,
    /// T: a record unchanged for this long may be taken over.
    pub takeover: Duration,
    /// The same for records of servers that do not write our heartbeat text.
    pub foreign_takeover: Duration,
    /// Time between two looks at a running task.
    pub task_poll: Duration,
    /// Time between two looks at the bootstrap guest, and at a busy vApp.
    pub guest_poll: Duration,
    /// The phases the guest goes through, in order.
    pub phases: Vec<PhasePlan>,
    /// A guest that has given signs of life and none for this long is dead.
    pub guest_silence: Duration,
    /// Longest time from the end of the script to a complete cluster status.
    pub status_deadline: Duration,
    /// How often creation is tried at most when auto-repair is on.
    pub max_attempts: u32,
    /// Pause before the second attempt; doubled before each further one.
    pub attempt_pause: Duration,
    /// How many times in a row one action may fail before the attempt fails.
    pub max_action_failures: u32,
    /// How long it is waited for what may come by itself, and for what keeps a failed attempt from being
    /// cleaned up.
    pub patience: Duration,
    /// How long the bootstrap VM of a failed creation is kept for inspection.
    pub inspection: Duration,
    /// How many times one object may fail to go before a deletion goes past it or stops.
    pub max_removal_tries: u32,
    /// Longest time VCD may be at work on an object that is to be removed.
    pub busy_limit: Duration,
    /// Q: from the first sight of an empty estate to the removal of the entity; longer than any request of
    /// an earlier holder can be on its way.
    pub quarantine: Duration,
    /// First pause after a deletion that could not go on; doubled each time.
    pub blocked_pause: Duration,
    /// Longest pause after a deletion that could not go on.
    pub max_blocked_pause: Duration,
    /// An operation of a running cluster that shows no progress for this long is stuck. Its status lags
    /// behind by ten minutes, and one node may take 600 s for each phase: never below 15 minutes.
    pub change_deadline: Duration,
    /// Least time between two reports of its progress.
    pub progress_pause: Duration,
}

impl Policy {
    /// Defaults of the claim protocol, without phases.
    pub fn standard(phases: Vec<PhasePlan>) -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            self_fence: Duration::from_secs(90),
            admission_margin: Duration::from_secs(35),
            takeover: Duration::from_mins(3),
            foreign_takeover: Duration::from_mins(30),
            task_poll: Duration::from_secs(3),
            guest_poll: Duration::from_secs(10),
            phases,
            guest_silence: SILENCE_DEADLINE,
            status_deadline: Duration::from_mins(20),
            max_attempts: 3,
            attempt_pause: Duration::from_mins(1),
            max_action_failures: 16,
            patience: Duration::from_mins(30),
            inspection: Duration::from_hours(24),
            max_removal_tries: 6,
            busy_limit: Duration::from_mins(30),
            quarantine: Duration::from_mins(2),
            blocked_pause: Duration::from_mins(1),
            max_blocked_pause: Duration::from_mins(15),
            change_deadline: Duration::from_mins(45),
            progress_pause: Duration::from_mins(10),
        }
    }

    /// Pause before attempt `incarnation` (2 is the first repetition); at most 32 times the first pause.
    pub fn pause_before(&self, incarnation: u32) -> Duration {
        self.attempt_pause * 2_u32.pow(incarnation.saturating_sub(2).min(5))
    }

    /// Pause before the next try of a deletion that could not go on, after a pause of `last`.
    pub fn pause_after_block(&self, last: Duration) -> Duration {
        (last * 2).clamp(self.blocked_pause, self.max_blocked_pause)
    }

    /// Whether an effect may start, `since_ack` after the last acknowledged write was sent (rule R9).
    pub fn admits_effect(&self, since_ack: Duration) -> bool {
        since_ack + self.admission_margin <= self.self_fence
    }
}
