//! How long to wait after a failure: by its class and by how often it happened in a row; and for what
//! somebody else is at work on.
//!
//! Invariants:
//! - A look at everything a cluster has is a dozen requests: what stays busy is looked at less and less often.
//! - Bounded above by [`MAX_DELAY`]; full jitter, so replicas that failed together do not return together.
//! - The server's own `Retry-After` is a lower bound, itself bounded.

use std::time::Duration;

use crate::domain::error_class::ErrorClass;

/// First delay.
const BASE: Duration = Duration::from_secs(1);
/// Longest delay.
pub const MAX_DELAY: Duration = Duration::from_mins(5);
/// Longest wait between two looks at an object that stays busy.
const MAX_BUSY: Duration = Duration::from_secs(15);
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

/// Wait before the next look at an object that was busy at the `looks` before this one, too; `first` is the wait
/// of a first look.
pub fn busy(first: Duration, looks: u32) -> Duration {
    let grown = first.saturating_mul(2_u32.pow(looks.min(MAX_DOUBLINGS)));
    grown.min(MAX_BUSY.max(first))
}

#[cfg(test)]
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
    fn what_stays_busy_is_looked_at_less_and_less_often() {
        let secs = Duration::from_secs;
        let waits = [0, 1, 2, 3, 1_000].map(|looks| busy(secs(3), looks));
        assert_eq!(waits, [3, 6, 12, 15, 15].map(secs));
        assert_eq!(busy(secs(60), 5), secs(60), "never sooner than asked for");
    }
}
