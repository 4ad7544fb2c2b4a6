//! What goes wrong with one call.

use std::time::Duration;

use cse_server::sim::faults::{Fault as Sim, Refusal};

use super::experiment::{is_read, writes_document};
use crate::support::snare::Snare;

/// How long a call is on its way that hangs.
const HANG: Duration = Duration::from_secs(45);
/// T, after which a silent holder is overtaken, and its jitter.
pub(super) const TAKEOVER: Duration = Duration::from_secs(216);
/// P, in which everybody sees everything.
const POLL: Duration = Duration::from_mins(1);
/// Longer than any claim lives on: the term, its jitter, the polls until it is seen.
pub(super) const PAUSE: Duration = Duration::from_secs(245);
/// As long as a process needs to be started again.
pub(super) const RESTART: Duration = Duration::from_secs(2);

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    NotSent,
    RequestLost,
    ReplyLost,
    CrashBefore,
    CrashAfter,
    Unauthorized,
    Forbidden,
    Busy,
    Conflict,
    /// The same write of a document is refused again and again.
    Conflicts,
    Throttled,
    ServerError,
    ErrorAfterEffect,
    Unavailable,
    Malformed,
    Hang,
    PauseBefore,
    PauseAfter,
    Stale,
    Twice,
}

impl Fault {
    pub(super) const ALL: [Self; 20] = [
        Self::NotSent,
        Self::PauseBefore,
        Self::Unauthorized,
        Self::CrashAfter,
        Self::Throttled,
        Self::Stale,
        Self::Twice,
        Self::ReplyLost,
        Self::Forbidden,
        Self::Malformed,
        Self::CrashBefore,
        Self::Busy,
        Self::ErrorAfterEffect,
        Self::PauseAfter,
        Self::Conflict,
        Self::Hang,
        Self::Unavailable,
        Self::RequestLost,
        Self::ServerError,
        Self::Conflicts,
    ];

    /// Whether it means anything for a call.
    pub(super) fn fits(self, line: &str) -> bool {
        (self != Self::Stale || is_read(line))
            && (self != Self::Twice || !is_read(line))
            && (self != Self::Conflicts || writes_document(line))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not sent",
            Self::RequestLost => "request lost",
            Self::ReplyLost => "reply lost",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::Busy => "busy",
            Self::Conflict => "412",
            Self::Conflicts => "412 five times",
            Self::Throttled => "429",
            Self::ServerError => "500",
            Self::ErrorAfterEffect => "500 after the effect",
            Self::Unavailable => "503",
            Self::Malformed => "malformed",
            Self::Hang => "hang",
            Self::PauseBefore => "pause before",
            Self::PauseAfter => "pause after",
            Self::Stale => "stale",
            Self::Twice => "twice",
        }
    }

    /// What the network or VCD does, if it is they who do it.
    pub(super) const fn sim(self) -> Option<Sim> {
        let refused = match self {
            Self::NotSent => return Some(Sim::NotSent),
            Self::RequestLost => return Some(Sim::RequestLost),
            Self::ReplyLost => return Some(Sim::ReplyLost),
            Self::Malformed => return Some(Sim::Malformed),
            // Longer than any call may take: processed after the caller has given up.
            Self::Hang => return Some(Sim::Delayed(HANG)),
            Self::ErrorAfterEffect => {
                return Some(Sim::ProcessedButRefused(Refusal::ServerError));
            }
            Self::Unauthorized => Refusal::SessionExpired,
            Self::Forbidden => Refusal::Forbidden,
            Self::Busy => Refusal::Busy,
            Self::Conflict | Self::Conflicts => Refusal::Conflict,
            Self::Throttled => Refusal::Throttled {
                retry_after_secs: Some(7),
            },
            Self::ServerError => Refusal::ServerError,
            Self::Unavailable => Refusal::Unavailable {
                retry_after_secs: 5,
            },
            Self::CrashBefore
            | Self::CrashAfter
            | Self::PauseBefore
            | Self::PauseAfter
            | Self::Stale
            | Self::Twice => return None,
        };
        Some(Sim::Refused(refused))
    }

    /// What happens to the replica or the answer instead.
    pub(super) const fn snare(self) -> Option<Snare> {
        match self {
            Self::CrashBefore | Self::PauseBefore => Some(Snare::HoldRequest),
            Self::CrashAfter | Self::PauseAfter => Some(Snare::HoldAnswer),
            Self::Stale => Some(Snare::Stale),
            Self::Twice => Some(Snare::TwiceSecond),
            Self::NotSent
            | Self::RequestLost
            | Self::ReplyLost
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Busy
            | Self::Conflict
            | Self::Conflicts
            | Self::Throttled
            | Self::ServerError
            | Self::ErrorAfterEffect
            | Self::Unavailable
            | Self::Malformed
            | Self::Hang => None,
        }
    }

    pub(super) const fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }

    /// Whether the replica stands still where it strikes.
    pub(super) const fn holds(self) -> bool {
        matches!(self.snare(), Some(Snare::HoldRequest | Snare::HoldAnswer))
    }

    /// How much longer than without it a workflow may take. A process that was killed is started again, or it is
    /// not and another one is there after the time of `alone`.
    ///
    /// Source: reliability-performance, B.4 (recovery within two polls after the fault ends) and C.3, C.6 (a host
    /// that is lost: T and its jitter, and a poll).
    pub(super) fn costs(self, alone: Option<Duration>) -> Duration {
        if self.is_crash() {
            return alone.map_or(RESTART + 2 * POLL, |alone| alone + TAKEOVER + POLL);
        }
        let lasts = if self.holds() {
            PAUSE
        } else if self == Self::Hang {
            HANG
        } else {
            Duration::ZERO
        };
        lasts + 2 * POLL
    }
}
