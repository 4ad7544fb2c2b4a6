//! What goes wrong with one call.

use std::time::Duration;

use cse_server::sim::faults::{Fault as Sim, Refusal, Target};

use crate::support::fleet::Fleet;
use crate::support::snare::{Snare, Which};

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
    pub(super) const ALL: [Self; 19] = [
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
    ];

    /// Whether it means anything for a read, or for any other call.
    pub(super) fn fits(self, is_read: bool) -> bool {
        (self != Self::Stale || is_read) && (self != Self::Twice || !is_read)
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
    const fn sim(self) -> Option<Sim> {
        let refused = match self {
            Self::NotSent => return Some(Sim::NotSent),
            Self::RequestLost => return Some(Sim::RequestLost),
            Self::ReplyLost => return Some(Sim::ReplyLost),
            Self::Malformed => return Some(Sim::Malformed),
            // Longer than any call may take: processed after the caller has given up.
            Self::Hang => return Some(Sim::Delayed(Duration::from_secs(45))),
            Self::ErrorAfterEffect => {
                return Some(Sim::ProcessedButRefused(Refusal::ServerError));
            }
            Self::Unauthorized => Refusal::SessionExpired,
            Self::Forbidden => Refusal::Forbidden,
            Self::Busy => Refusal::Busy,
            Self::Conflict => Refusal::Conflict,
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
    const fn snare(self) -> Option<Snare> {
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

    /// Lets it strike this call of replica `a`.
    pub(super) fn arm(self, fleet: &Fleet, call: u64) {
        if let Some(fault) = self.sim() {
            let target = Target {
                caller: Some("a".to_owned()),
                ..Target::nth(call)
            };
            fleet.faults.arm(target, fault);
        }
        if let Some(snare) = self.snare() {
            fleet.snare("a", Which::nth(call), snare);
        }
    }

    /// Whether any has struck.
    pub(super) fn struck(fleet: &Fleet) -> bool {
        fleet.faults.struck() + fleet.snares.sprung("a") > 0
    }

    /// How much longer than without it a workflow may take: until its claim may be taken over, until it has
    /// been tried again, or less.
    pub(super) const fn costs(self) -> Duration {
        match self {
            // A document that is old or out of sight looks like a claim that is lost.
            Self::CrashBefore | Self::CrashAfter | Self::Stale | Self::Forbidden => {
                Duration::from_mins(6)
            }
            Self::PauseBefore | Self::PauseAfter => Duration::from_mins(10),
            Self::NotSent
            | Self::RequestLost
            | Self::ReplyLost
            | Self::Unauthorized
            | Self::Busy
            | Self::Conflict
            | Self::Throttled
            | Self::ServerError
            | Self::ErrorAfterEffect
            | Self::Unavailable
            | Self::Malformed
            | Self::Hang
            | Self::Twice => Duration::from_mins(3),
        }
    }
}
