//! What a caller may do about a failure.

use std::time::Duration;

/// The classes of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Safe to decide again later.
    Transient,
    /// The server asks for fewer calls.
    Throttled {
        /// Its wish, if it named one.
        retry_after: Option<Duration>,
    },
    /// Somebody wrote first.
    Conflict,
    /// It may have happened.
    OutcomeUnknown,
    /// Token refused.
    Unauthenticated,
    /// Will not get better by repeating.
    Terminal,
}
