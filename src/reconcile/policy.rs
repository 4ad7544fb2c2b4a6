//! The numbers that decisions depend on, with units and bounds.
//!
//! Invariants:
//! - [`ClaimTimes::settle`] is the only source of the times of a replica's claims, and each bound holds:
//!   `heartbeat <= self_fence / 3` and `takeover >= 2 * self_fence`: a holder that cannot write has
//!   stopped long before anybody may take over, even when one clock runs twice as fast as the other;
//!   `self_fence <= heartbeatWatcherTimeoutInMin` and `takeover <= staleHeartbeatIntervalInMin`: no original
//!   server has to wait longer for this one than for another of its kind.
//!
//! Not here: where the numbers come from (`config`, the server configuration entity).

use std::time::Duration;

use crate::domain::phase::SILENCE_DEADLINE;
use crate::domain::server_config::Timers;

/// Added to a request's own time limit before its effect is certain to have ended or not to come.
const REQUEST_MARGIN: Duration = Duration::from_secs(5);
/// Least time from the first sight of an empty estate to the removal of the entity.
const LEAST_QUARANTINE: Duration = Duration::from_mins(2);

/// By whose times claims are held and taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimProfile {
    /// The replica's own, within the bounds of the shared configuration: minutes.
    #[default]
    Standard,
    /// Those of the shared configuration, as an original server: half an hour.
    Compat,
}

/// What one replica's own file says about its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTimes {
    /// By whose times.
    pub profile: ClaimProfile,
    /// H.
    pub heartbeat: Duration,
    /// F; of the standard profile.
    pub self_fence: Duration,
    /// T; of the standard profile.
    pub takeover: Duration,
    /// Ph; of the standard profile.
    pub hot_poll: Duration,
    /// Time limit of one request.
    pub request: Duration,
}

/// The times by which a replica holds claims, takes them over and looks for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimTimes {
    /// H.
    pub heartbeat: Duration,
    /// F.
    pub self_fence: Duration,
    /// M.
    pub admission_margin: Duration,
    /// T.
    pub takeover: Duration,
    /// The same for records of original servers.
    pub foreign_takeover: Duration,
    /// Ph.
    pub hot_poll: Duration,
    /// Q.
    pub quarantine: Duration,
}

/// Times under which a healthy holder would have no moment at which it may begin something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "heartbeatWatcherTimeoutInMin and half of staleHeartbeatIntervalInMin leave a replica {} s, less than \
     vcd.request_timeout_secs + {} + heartbeat = {} s: raise them, or lower vcd.request_timeout_secs",
    self_fence.as_secs(),
    REQUEST_MARGIN.as_secs(),
    least.as_secs()
)]
pub struct TooTight {
    /// F.
    pub self_fence: Duration,
    /// M and H.
    pub least: Duration,
}

impl ClaimTimes {
    /// The times of a replica under the shared configuration.
    ///
    /// The shared intervals are upper bounds: of F `watcher`, and half of `stale`, of T `stale`.
    ///
    /// # Errors
    /// [`TooTight`]: refuse the configuration.
    pub fn settle(local: &LocalTimes, shared: &Timers) -> Result<Self, TooTight> {
        let (fence, takeover, hot_poll) = match local.profile {
            ClaimProfile::Standard => (local.self_fence, local.takeover, local.hot_poll),
            ClaimProfile::Compat => (shared.watcher, shared.stale, shared.poll),
        };
        let self_fence = fence.min(shared.watcher).min(shared.stale / 2);
        let heartbeat = local.heartbeat.min(self_fence / 3);
        let admission_margin = local.request + REQUEST_MARGIN;
        let least = admission_margin + heartbeat;
        if self_fence < least {
            return Err(TooTight { self_fence, least });
        }
        Ok(Self {
            heartbeat,
            self_fence,
            admission_margin,
            takeover: takeover.max(self_fence * 2).min(shared.stale),
            foreign_takeover: shared.stale,
            hot_poll: hot_poll.min(shared.poll),
            quarantine: LEAST_QUARANTINE.max(local.request * 2),
        })
    }
}

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
    /// Pause before the second look at what VCD is at work on, and before what was refused once is asked again.
    pub task_poll: Duration,
    /// Longest time between two looks at what VCD is at work on.
    pub max_task_poll: Duration,
    /// Time between two looks at the bootstrap guest.
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
            task_poll: Duration::from_secs(2),
            max_task_poll: Duration::from_secs(15),
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
            quarantine: LEAST_QUARANTINE,
            blocked_pause: Duration::from_mins(1),
            max_blocked_pause: Duration::from_mins(15),
            change_deadline: Duration::from_mins(45),
            progress_pause: Duration::from_mins(10),
        }
    }

    /// The same with the times of a replica's claims.
    #[must_use]
    pub fn with_times(self, times: &ClaimTimes) -> Self {
        Self {
            heartbeat: times.heartbeat,
            self_fence: times.self_fence,
            admission_margin: times.admission_margin,
            takeover: times.takeover,
            foreign_takeover: times.foreign_takeover,
            quarantine: times.quarantine,
            ..self
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

    /// How long effects may be sent after the last acknowledged write was (rule R9).
    pub fn effects_for(&self) -> Duration {
        self.self_fence.saturating_sub(self.admission_margin)
    }

    /// Whether an effect may start, `since_ack` after the last acknowledged write was sent (rule R9).
    pub fn admits_effect(&self, since_ack: Duration) -> bool {
        since_ack <= self.effects_for()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn local() -> LocalTimes {
        let standard = Policy::standard(Vec::new());
        LocalTimes {
            profile: ClaimProfile::Standard,
            heartbeat: standard.heartbeat,
            self_fence: standard.self_fence,
            takeover: standard.takeover,
            hot_poll: Duration::from_secs(10),
            request: Duration::from_secs(30),
        }
    }

    fn shared(poll: u64, watcher: u64, stale: u64) -> Timers {
        Timers {
            poll: Duration::from_mins(poll),
            watcher: Duration::from_mins(watcher),
            stale: Duration::from_mins(stale),
        }
    }

    /// H, F, T, Ph and the term of original servers, in seconds.
    fn settled(local: &LocalTimes, shared: &Timers) -> [u64; 5] {
        let times = ClaimTimes::settle(local, shared).unwrap();
        let all = [
            times.heartbeat,
            times.self_fence,
            times.takeover,
            times.hot_poll,
            times.foreign_takeover,
        ];
        all.map(|time| time.as_secs())
    }

    fn slow() -> LocalTimes {
        LocalTimes {
            heartbeat: Duration::from_secs(200),
            self_fence: Duration::from_mins(30),
            takeover: Duration::from_hours(1),
            hot_poll: Duration::from_mins(5),
            ..local()
        }
    }

    fn compat() -> LocalTimes {
        LocalTimes {
            profile: ClaimProfile::Compat,
            ..local()
        }
    }

    #[test]
    fn the_shared_intervals_are_upper_bounds() {
        let (local, slow, compat) = (local(), slow(), compat());
        // Poll, watcher and stale in minutes; H, F, T, Ph and the term of original servers in seconds.
        let cases = [
            ("defaults", local, (1, 10, 30), [30, 90, 180, 10, 1800]),
            ("short watcher", local, (1, 1, 30), [20, 60, 180, 10, 1800]),
            ("short stale", local, (1, 1, 2), [20, 60, 120, 10, 120]),
            ("close", local, (1, 2, 3), [30, 90, 180, 10, 180]),
            ("slow", slow, (1, 10, 30), [200, 600, 1800, 60, 1800]),
            ("CSE 4.0", local, (1, 20, 60), [30, 90, 180, 10, 3600]),
            ("compat", compat, (1, 10, 30), [30, 600, 1800, 60, 1800]),
            ("slow poll", compat, (3, 10, 30), [30, 600, 1800, 180, 1800]),
            (
                "compat, close",
                compat,
                (1, 20, 30),
                [30, 900, 1800, 60, 1800],
            ),
        ];
        for (name, local, (poll, watcher, stale), want) in cases {
            let got = settled(&local, &shared(poll, watcher, stale));
            assert_eq!(got, want, "{name}");
        }
        let standard = Policy::standard(Vec::new());
        let times = ClaimTimes::settle(&local, &shared(1, 10, 30)).unwrap();
        assert_eq!(standard.clone().with_times(&times), standard);
    }

    #[test]
    fn every_accepted_combination_keeps_every_bound() {
        let (mut accepted, mut refused) = (0, 0);
        for (profile, request) in [
            (ClaimProfile::Standard, 1),
            (ClaimProfile::Standard, 36),
            (ClaimProfile::Standard, 120),
            (ClaimProfile::Compat, 30),
            (ClaimProfile::Compat, 120),
        ] {
            for (heartbeat, fence, takeover) in [(20, 60, 120), (30, 90, 180), (600, 1800, 3600)] {
                let local = LocalTimes {
                    profile,
                    heartbeat: Duration::from_secs(heartbeat),
                    self_fence: Duration::from_secs(fence),
                    takeover: Duration::from_secs(takeover),
                    request: Duration::from_secs(request),
                    ..local()
                };
                for (watcher, stale) in (1..=20)
                    .flat_map(|watcher| (watcher + 1..=41).map(move |stale| (watcher, stale)))
                {
                    let shared = shared(1, watcher, stale);
                    match ClaimTimes::settle(&local, &shared) {
                        Ok(times) => {
                            assert_sound(&times, &local, &shared);
                            accepted += 1;
                        }
                        Err(problem) => {
                            assert!(problem.self_fence < problem.least, "{problem}");
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(
            accepted > 3_000 && refused > 100,
            "{accepted} accepted, {refused} refused"
        );
    }

    fn assert_sound(times: &ClaimTimes, local: &LocalTimes, shared: &Timers) {
        let context = format!("{local:?} {shared:?} {times:?}");
        assert!(times.heartbeat * 3 <= times.self_fence, "{context}");
        assert!(times.heartbeat >= Duration::from_secs(20), "{context}");
        assert!(times.self_fence <= shared.watcher, "{context}");
        assert!(times.takeover >= times.self_fence * 2, "{context}");
        assert!(times.takeover <= shared.stale, "{context}");
        assert!(times.hot_poll <= shared.poll, "{context}");
        let admitted = times.self_fence.checked_sub(times.admission_margin);
        assert!(admitted.unwrap() >= times.heartbeat, "{context}");
        assert!(times.admission_margin > local.request, "{context}");
        assert!(times.quarantine >= local.request * 2, "{context}");
    }

    #[test]
    fn requests_that_outlast_the_watcher_are_refused_with_a_remedy() {
        let local = LocalTimes {
            request: Duration::from_mins(1),
            ..local()
        };
        let problem = ClaimTimes::settle(&local, &shared(1, 1, 30)).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "heartbeatWatcherTimeoutInMin and half of staleHeartbeatIntervalInMin leave a replica 60 s, less \
             than vcd.request_timeout_secs + 5 + heartbeat = 85 s: raise them, or lower \
             vcd.request_timeout_secs"
        );
    }
}
