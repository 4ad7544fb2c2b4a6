//! How long to wait: after a failure by its class and by how often it happened in a row, for VCD by how long
//! it has been at work.
//!
//! Invariants:
//! - Bounded above by [`MAX_DELAY`]; full jitter, so replicas that failed together do not return together.
//! - The server's own `Retry-After` is a lower bound, itself bounded.

use std::time::Duration;

use super::decision::WaitReason;
use super::policy::Policy;
use crate::domain::error_class::ErrorClass;

/// First delay.
const BASE: Duration = Duration::from_secs(1);
/// Longest delay.
pub const MAX_DELAY: Duration = Duration::from_mins(5);
/// Doublings after which the delay stays.
const MAX_DOUBLINGS: u32 = 9;

/// Delay before the next pass after `failures` failures in a row (1 is the first); `jitter` in `0.0..1.0`.
pub fn delay(class: &ErrorClass, failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
    let ceiling = (BASE * 2_u32.pow(doublings)).min(MAX_DELAY);
    // Never below a quarter: "at once" after a failure is a tight loop.
    let own = ceiling.mul_f64(0.25 + 0.75 * jitter.clamp(0.0, 1.0));
    match class {
        ErrorClass::Throttled {
            retry_after: Some(asked),
        } => own.max((*asked).min(MAX_DELAY)),
        ErrorClass::Throttled { retry_after: None }
        | ErrorClass::Transient
        | ErrorClass::Conflict
        | ErrorClass::OutcomeUnknown
        | ErrorClass::Unauthenticated
        | ErrorClass::Terminal => own,
    }
}

/// Pause before the next look at what VCD has been at work on for `waited`; `jitter` in `0.0..1.0`. `None` when it
/// is not VCD that is waited for.
///
/// A look at a task is one request, so its end is noticed within a quarter of the time it took. A look at a busy
/// object reads everything the cluster has, a dozen requests: each pause is as long as all those before it. Both
/// between `task_poll` and `max_task_poll`, a tenth more or less.
pub fn next_look(
    (on, waited): (&WaitReason, Duration),
    jitter: f64,
    policy: &Policy,
) -> Option<Duration> {
    let pause = match on {
        WaitReason::Task => waited / 4,
        WaitReason::BusyVapp | WaitReason::BusyObject => waited,
        WaitReason::Guest
        | WaitReason::ClusterStatus
        | WaitReason::ClusterChange
        | WaitReason::AttemptPause
        | WaitReason::Preparation(_)
        | WaitReason::NotYet(_)
        | WaitReason::Quarantine => return None,
    };
    let pause = pause.clamp(policy.task_poll, policy.max_task_poll);
    Some(pause.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_are_bounded_and_respect_the_server() {
        let ms = Duration::from_millis;
        let asked = |secs| ErrorClass::Throttled {
            retry_after: Some(Duration::from_secs(secs)),
        };
        let cases = [
            (
                "first, least jitter",
                ErrorClass::Transient,
                1,
                0.0,
                ms(250),
            ),
            (
                "first, most jitter",
                ErrorClass::Transient,
                1,
                1.0,
                ms(1000),
            ),
            ("fourth", ErrorClass::Transient, 4, 1.0, ms(8000)),
            ("bounded", ErrorClass::Transient, 1000, 1.0, MAX_DELAY),
            ("server's wish", asked(30), 1, 0.0, ms(30_000)),
            ("server's wish bounded", asked(86_400), 1, 0.0, MAX_DELAY),
        ];
        for (name, class, failures, jitter, want) in cases {
            assert_eq!(delay(&class, failures, jitter), want, "{name}");
        }
    }

    #[test]
    fn the_longer_vcd_is_at_work_the_rarer_it_is_asked() {
        let policy = Policy::standard(Vec::new());
        let ms = Duration::from_millis;
        let (task, busy) = (WaitReason::Task, WaitReason::BusyObject);
        let cases = [
            ("a task that begins", &task, 0, 0.5, Some(ms(2_000))),
            ("with least jitter", &task, 0, 0.0, Some(ms(1_800))),
            ("with most jitter", &task, 0, 1.0, Some(ms(2_200))),
            ("a quarter of its time", &task, 20, 0.5, Some(ms(5_000))),
            ("never longer", &task, 3_600, 0.5, Some(ms(15_000))),
            ("a busy object", &busy, 0, 0.5, Some(ms(2_000))),
            ("as long as before", &busy, 6, 0.5, Some(ms(6_000))),
            ("never longer", &busy, 60, 0.5, Some(ms(15_000))),
            ("the guest", &WaitReason::Guest, 60, 0.5, None),
        ];
        for (name, on, waited, jitter, want) in cases {
            let waited = Duration::from_secs(waited);
            let pause = next_look((on, waited), jitter, &policy);
            assert_eq!(pause, want, "{name}");
        }
        let looks = |on: &WaitReason, limit: Duration| {
            let (mut waited, mut looks) = (Duration::ZERO, 0);
            while waited < limit {
                waited += next_look((on, waited), 0.5, &policy).unwrap();
                looks += 1;
            }
            looks
        };
        assert_eq!(looks(&task, Duration::from_mins(10)), 50);
        assert_eq!(looks(&busy, Duration::from_mins(1)), 7);
    }
}
