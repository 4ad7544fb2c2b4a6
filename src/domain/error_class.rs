//! What the caller may do about a failure: six answers, decided once per error.
//!
//! Flow: `vcd::error` classifies; the pass loop, the claim and the record step act on the class.
//!
//! Invariants:
//! - A failure that nobody classified is [`ErrorClass::Terminal`]: it is never repeated blindly.
//!
//! Not here: how long to wait (`reconcile::backoff`), which failure has which class (`vcd::error`).

use std::time::Duration;

/// The one question a failure answers: what may be done next?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing happened, or it was only a read: decide again at the next pass, after a backoff.
    Transient,
    /// Asked to slow down; concerns the whole replica, not one cluster.
    Throttled {
        /// The wait VCD asked for, if it named one. To be clamped, not obeyed.
        retry_after: Option<Duration>,
    },
    /// Somebody else wrote first: drop what was decided, read again, decide again. Never resend.
    Conflict,
    /// Sent, and no usable answer: it may have happened. Look before doing it again.
    OutcomeUnknown,
    /// The API token is refused; a person must replace it.
    Unauthenticated,
    /// Repeating cannot help; say why and wait for a change.
    Terminal,
}

impl ErrorClass {
    /// The name in figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled { .. } => "throttled",
            Self::Conflict => "conflict",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unauthenticated => "unauthenticated",
            Self::Terminal => "terminal",
        }
    }
}
