//! Every way a call to VCD can fail, and the only table of what a status code means.
//!
//! Flow: transport silence, an error status or an unreadable answer comes in; a [`VcdError`] with one
//! [`ErrorClass`] goes out.
//!
//! Invariants:
//! - "Never sent", "refused" and "sent, no usable answer" stay apart; the last is
//!   [`VcdError::OutcomeUnknown`] whenever the call could have changed something.
//! - [`VcdError::NotVisible`] needs VCD's own error document: a 403 page of some proxy must not make
//!   a cluster look deleted.
//! - Texts hold no bodies, tokens or header values; messages of VCD are cut and cleaned.
//!
//! Not here: what is done about a class (`controller`), the one repeat after a 401 (`vcd::call`).
//! Source: VCD `OpenAPI` and vCloud API status codes (API 37.2); RFC 9110.

use std::sync::Arc;

use super::operation::Operation;
use super::refusal::Refusal;
use super::transport::TransportError;
use super::versions::ApiVersion;
use crate::domain::error_class::ErrorClass;

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VcdError {
    /// The request did not leave this host. Safe to repeat.
    #[error("{op}: not sent")]
    NotSent {
        /// What was to be done.
        op: Operation,
        /// Name look-up, connect or TLS failure.
        #[source]
        cause: Arc<TransportError>,
    },
    /// A read went without a usable answer. Safe to repeat.
    #[error("{op}: no answer")]
    Unanswered {
        /// What was to be done.
        op: Operation,
        /// Why there is none.
        #[source]
        cause: Cause,
    },
    /// A change was sent, and whether it was made is not known. Read before doing it again.
    #[error("{op}: sent, but it is not known whether it was done")]
    OutcomeUnknown {
        /// What was to be done.
        op: Operation,
        /// Why it is not known.
        #[source]
        cause: Cause,
    },
    /// Refused for now: the object is busy, the operation limits are reached, VCD is in maintenance.
    #[error("{op}: refused for now")]
    Busy {
        /// What was to be done.
        op: Operation,
        /// What VCD said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// VCD or the load balancer asks to slow down.
    #[error("{op}: asked to slow down")]
    Throttled {
        /// What was to be done.
        op: Operation,
        /// What was said, with the wait asked for.
        #[source]
        refusal: Box<Refusal>,
    },
    /// The entity was written since it was read, or the state does not allow the change any more.
    #[error("{op}: somebody else changed it first")]
    Conflict {
        /// What was to be done.
        op: Operation,
        /// What VCD said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// VCD does not accept the API token, or not the access token it gave for it a moment ago.
    #[error("{op}: {reason}")]
    Unauthenticated {
        /// What was to be done.
        op: Operation,
        /// Which token, of which organization.
        reason: String,
        /// What VCD said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// The object does not exist, or the caller may not see it; VCD does not tell which.
    #[error("{op}: it does not exist, or there is no right to it")]
    NotVisible {
        /// What was to be done.
        op: Operation,
        /// What VCD said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// Refused for good.
    #[error("{op}: refused")]
    Rejected {
        /// What was to be done.
        op: Operation,
        /// What VCD said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// A read was answered, but not in a form that can be understood.
    #[error("{op}: cannot use the answer")]
    Unreadable {
        /// What was to be done.
        op: Operation,
        /// Where it stops making sense.
        #[source]
        cause: Cause,
    },
    /// A list does not end.
    #[error("{op}: list goes on after {limit} pages")]
    TooManyPages {
        /// What was to be done.
        op: Operation,
        /// Pages read.
        limit: u32,
    },
    /// The arguments cannot be put into a request. Nothing was sent.
    #[error("{op}: cannot be asked for: {reason}")]
    InvalidRequest {
        /// What was to be done.
        op: Operation,
        /// Which argument, and why not.
        reason: String,
    },
    /// VCD and this client have no API version in common.
    #[error(
        "VCD offers no API version this server can use: wanted {wanted}, offered [{}]",
        list(offered)
    )]
    ApiVersion {
        /// The version asked for.
        wanted: ApiVersion,
        /// The versions VCD lists, in its order.
        offered: Vec<ApiVersion>,
    },
}

/// Why a call that was sent has no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Cause {
    /// None arrived, or none small enough.
    #[error(transparent)]
    Silence(Arc<TransportError>),
    /// Something between here and VCD, or VCD itself, gave up half way.
    #[error(transparent)]
    GaveUp(Box<Refusal>),
    /// One arrived and makes no sense.
    #[error("{0}")]
    Unreadable(String),
}

fn list(versions: &[ApiVersion]) -> String {
    versions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl VcdError {
    /// From a request without an answer.
    pub(super) fn unanswered(op: Operation, cause: TransportError) -> Self {
        let cause = Arc::new(cause);
        match *cause {
            TransportError::NotSent { .. } => Self::NotSent { op, cause },
            TransportError::Unanswered { .. } => Self::lost(op, Cause::Silence(cause)),
            TransportError::TooLarge { .. } => Self::unusable(op, Cause::Silence(cause)),
        }
    }

    /// From an answer whose content makes no sense.
    pub(super) fn unreadable(op: Operation, reason: impl Into<String>) -> Self {
        Self::unusable(op, Cause::Unreadable(reason.into()))
    }

    /// From an answer with an error status: the status-code table.
    pub(super) fn refused(op: Operation, refusal: Refusal) -> Self {
        let verdict = Verdict::on(&refusal);
        let refusal = Box::new(refusal);
        match verdict {
            Verdict::Busy => Self::Busy { op, refusal },
            Verdict::SlowDown => Self::Throttled { op, refusal },
            Verdict::Conflict => Self::Conflict { op, refusal },
            Verdict::NotAuthenticated => Self::Unauthenticated {
                op,
                reason: "VCD does not accept the access token".to_owned(),
                refusal,
            },
            Verdict::NotVisible => Self::NotVisible { op, refusal },
            Verdict::GaveUp => Self::lost(op, Cause::GaveUp(refusal)),
            Verdict::Rejected => Self::Rejected { op, refusal },
        }
    }

    fn lost(op: Operation, cause: Cause) -> Self {
        if op.is_safe() {
            Self::Unanswered { op, cause }
        } else {
            Self::OutcomeUnknown { op, cause }
        }
    }

    fn unusable(op: Operation, cause: Cause) -> Self {
        if op.is_safe() {
            Self::Unreadable { op, cause }
        } else {
            Self::OutcomeUnknown { op, cause }
        }
    }

    /// What the caller may do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotSent { .. } | Self::Unanswered { .. } | Self::Busy { .. } => {
                ErrorClass::Transient
            }
            Self::OutcomeUnknown { .. } => ErrorClass::OutcomeUnknown,
            Self::Throttled { refusal, .. } => ErrorClass::Throttled {
                retry_after: refusal.retry_after,
            },
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::Unauthenticated { .. } => ErrorClass::Unauthenticated,
            Self::NotVisible { .. }
            | Self::Rejected { .. }
            | Self::Unreadable { .. }
            | Self::TooManyPages { .. }
            | Self::InvalidRequest { .. }
            | Self::ApiVersion { .. } => ErrorClass::Terminal,
        }
    }

    /// VCD's minor error code, such as `BUSY_ENTITY`.
    pub fn minor_code(&self) -> Option<&str> {
        self.refusal()?.minor_code.as_deref()
    }

    /// VCD's own sentence, one line, without the request id.
    pub fn message(&self) -> Option<&str> {
        self.refusal()?.message.as_deref()
    }

    /// The id that VCD's logs carry for the request.
    pub fn request_id(&self) -> Option<&str> {
        self.refusal()?.request_id.as_deref()
    }

    /// The call that failed; absent when it was about the API version as such.
    pub fn operation(&self) -> Option<Operation> {
        match self {
            Self::NotSent { op, .. }
            | Self::Unanswered { op, .. }
            | Self::OutcomeUnknown { op, .. }
            | Self::Busy { op, .. }
            | Self::Throttled { op, .. }
            | Self::Conflict { op, .. }
            | Self::Unauthenticated { op, .. }
            | Self::NotVisible { op, .. }
            | Self::Rejected { op, .. }
            | Self::Unreadable { op, .. }
            | Self::TooManyPages { op, .. }
            | Self::InvalidRequest { op, .. } => Some(*op),
            Self::ApiVersion { .. } => None,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Busy { refusal, .. }
            | Self::Throttled { refusal, .. }
            | Self::Conflict { refusal, .. }
            | Self::Unauthenticated { refusal, .. }
            | Self::NotVisible { refusal, .. }
            | Self::Rejected { refusal, .. } => Some(refusal),
            Self::Unanswered { cause, .. }
            | Self::OutcomeUnknown { cause, .. }
            | Self::Unreadable { cause, .. } => match cause {
                Cause::GaveUp(refusal) => Some(refusal),
                Cause::Silence(_) | Cause::Unreadable(_) => None,
            },
            Self::NotSent { .. }
            | Self::TooManyPages { .. }
            | Self::InvalidRequest { .. }
            | Self::ApiVersion { .. } => None,
        }
    }
}

/// What the caller may do about a task that failed.
///
/// Unlike a lost answer, a failed task has ended: a server fault is only worth another try.
pub(super) fn class_of_failed_task(refusal: &Refusal) -> ErrorClass {
    match Verdict::on(refusal) {
        Verdict::Busy | Verdict::GaveUp => ErrorClass::Transient,
        Verdict::SlowDown => ErrorClass::Throttled { retry_after: None },
        Verdict::Conflict => ErrorClass::Conflict,
        Verdict::NotAuthenticated | Verdict::NotVisible | Verdict::Rejected => ErrorClass::Terminal,
    }
}

/// What a status code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Busy,
    SlowDown,
    Conflict,
    NotAuthenticated,
    NotVisible,
    GaveUp,
    Rejected,
}

impl Verdict {
    fn on(refusal: &Refusal) -> Self {
        match refusal.status {
            400 if is_busy(refusal) => Self::Busy,
            // Clients of VCD tell a lost race by this word; so may a version that answers it with 400.
            400 if refusal.mentions("etag") => Self::Conflict,
            401 => Self::NotAuthenticated,
            403 | 404 if refusal.from_vcd => Self::NotVisible,
            409 | 412 => Self::Conflict,
            429 => Self::SlowDown,
            503 if refusal.retry_after.is_some() => Self::SlowDown,
            // A cell in maintenance refuses before it starts anything.
            503 => Self::Busy,
            408 | 500..=599 => Self::GaveUp,
            _ => Self::Rejected,
        }
    }
}

/// One task at a time per vApp, VM or gateway; and a site may limit running and queued operations.
fn is_busy(refusal: &Refusal) -> bool {
    refusal.mentions("busy_entity")
        || refusal.mentions("is busy completing an operation")
        || refusal.mentions("operation_limit")
        || (refusal.mentions("operations") && refusal.mentions("limit"))
}
