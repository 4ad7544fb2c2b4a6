//! Every way a call to VCD can fail, and what may be done about each.
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
//! Not here: what a status code means (`vcd::verdict`), what is done about a class (`controller`), the
//! one repeat after a 401 (`vcd::call`).

use std::sync::Arc;

use super::operation::Operation;
use super::refusal::Refusal;
use super::transport::TransportError;
use super::verdict::Verdict;
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
        let verdict = Verdict::on(&refusal, op.is_conditional());
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

    /// A task that should end within moments has not ended within the looks granted to it.
    pub(crate) fn still_running() -> Self {
        Self::Unanswered {
            op: Operation::GET_TASK,
            cause: Cause::Unreadable("the task is still running".to_owned()),
        }
    }

    /// A list ended before the number of entries it announced: somebody changed it meanwhile, or a
    /// page was lost. What is not on it may exist all the same.
    pub(super) fn cut_short(op: Operation, seen: u64, announced: u64) -> Self {
        let reason = format!("the list ends after {seen} of {announced} entries");
        Self::Unanswered {
            op,
            cause: Cause::Unreadable(reason),
        }
    }

    /// A behavior ended without a result, for a reason that may pass.
    pub(crate) fn behavior_failed() -> Self {
        Self::Unanswered {
            op: Operation::GET_TASK,
            cause: Cause::Unreadable("the behavior failed".to_owned()),
        }
    }

    /// Whether the answer was none of VCD's: it cannot be read, or is the page of something in between.
    pub fn is_strange(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
            || matches!(self, Self::Rejected { refusal, .. } if !refusal.from_vcd)
    }

    /// Whether this is VCD's own final word on the request as it was made, and neither an answer that
    /// cannot be read nor the page of something in between.
    pub fn is_verdict(&self) -> bool {
        match self {
            // Something of that name may be what an earlier request of ours has made.
            Self::Rejected { refusal, .. } => refusal.from_vcd && !refusal.names_a_twin(),
            Self::InvalidRequest { .. } | Self::ApiVersion { .. } => true,
            // VCD says so of what exists, too, while a right is missing or an index lags.
            Self::NotVisible { .. }
            | Self::NotSent { .. }
            | Self::Unanswered { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Busy { .. }
            | Self::Throttled { .. }
            | Self::Conflict { .. }
            | Self::Unauthenticated { .. }
            | Self::Unreadable { .. }
            | Self::TooManyPages { .. } => false,
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::transport::Obstacle;
    use super::*;

    const READ: Operation = Operation::GET_ENTITY;
    const WRITE: Operation = Operation::REPLACE_ENTITY;

    fn refusal(status: u16, retry_after: Option<&str>, body: &'static str) -> Refusal {
        let mut builder = http::Response::builder().status(status);
        if let Some(seconds) = retry_after {
            builder = builder.header("retry-after", seconds);
        }
        Refusal::read(&builder.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    fn fault(code: &str, message: &str) -> &'static str {
        let body = serde_json::json!({ "minorErrorCode": code, "message": message });
        Box::leak(body.to_string().into_boxed_str())
    }

    #[test]
    fn every_status_has_its_class() {
        use ErrorClass::{Conflict, OutcomeUnknown, Terminal, Transient, Unauthenticated};
        let html = "<html><body>no</body></html>";
        let busy = fault(
            "BUSY_ENTITY",
            "[ r ] The entity is busy completing an operation X.",
        );
        let limits = fault("BAD_REQUEST", "The limit of queued operations is reached.");
        let etag = fault("BAD_REQUEST", "The ETag does not match.");
        let quota = fault("BAD_REQUEST", "The storage limit of the VDC is exceeded.");
        let gone = fault("ACCESS_TO_RESOURCE_IS_FORBIDDEN", "[ r ] no access");
        // Status and body; class for a read, class for a write.
        let rows = [
            (400, busy, Transient, Transient),
            (400, limits, Transient, Transient),
            (400, etag, Terminal, Conflict),
            (400, quota, Terminal, Terminal),
            (400, "", Terminal, Terminal),
            (401, "", Unauthenticated, Unauthenticated),
            (403, gone, Terminal, Terminal),
            (403, html, Terminal, Terminal),
            (404, html, Terminal, Terminal),
            (406, "", Terminal, Terminal),
            (408, "", Transient, OutcomeUnknown),
            (409, "", Conflict, Conflict),
            (412, html, Conflict, Conflict),
            (500, "", Transient, OutcomeUnknown),
            (502, html, Transient, OutcomeUnknown),
            (503, html, Transient, Transient),
            (504, html, Transient, OutcomeUnknown),
            (302, "", Terminal, Terminal),
        ];
        for (status, body, read, write) in rows {
            let class = |op| VcdError::refused(op, refusal(status, None, body)).class();
            assert_eq!(
                (class(READ), class(WRITE)),
                (read, write),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_wait_that_is_asked_for_slows_everything_down() {
        let wait = |seconds| ErrorClass::Throttled {
            retry_after: Option::map(seconds, Duration::from_secs),
        };
        let rows = [
            (429, Some("7"), wait(Some(7))),
            (429, None, wait(None)),
            (503, Some("7"), wait(Some(7))),
        ];
        for (status, retry_after, want) in rows {
            let class = |op| VcdError::refused(op, refusal(status, retry_after, "")).class();
            assert_eq!(
                (class(READ), class(WRITE)),
                (want, want),
                "{status} {retry_after:?}"
            );
        }
    }

    #[test]
    fn silence_is_harmless_only_for_reads_and_for_what_was_never_sent() {
        let text = String::new;
        let not_sent = || TransportError::NotSent {
            host: text(),
            obstacle: Obstacle::Other,
            reason: text(),
        };
        let silent = || TransportError::Unanswered {
            host: text(),
            reason: text(),
        };
        let too_large = || TransportError::TooLarge { limit: 1 };
        let class = |op, cause| VcdError::unanswered(op, cause).class();
        assert_eq!(class(READ, not_sent()), ErrorClass::Transient);
        assert_eq!(class(WRITE, not_sent()), ErrorClass::Transient);
        assert_eq!(class(READ, silent()), ErrorClass::Transient);
        assert_eq!(class(WRITE, silent()), ErrorClass::OutcomeUnknown);
        assert_eq!(class(READ, too_large()), ErrorClass::Terminal);
        assert_eq!(class(WRITE, too_large()), ErrorClass::OutcomeUnknown);
        assert_eq!(
            VcdError::unreadable(READ, "x").class(),
            ErrorClass::Terminal
        );
        assert_eq!(
            VcdError::unreadable(WRITE, "x").class(),
            ErrorClass::OutcomeUnknown
        );
    }

    #[test]
    fn only_vcd_itself_can_say_that_something_does_not_exist() {
        let gone = fault("ACCESS_TO_RESOURCE_IS_FORBIDDEN", "no access");
        for (status, body, visible) in [
            (403, gone, false),
            (404, gone, false),
            (403, "", true),
            (403, "<html/>", true),
            (404, "", true),
        ] {
            let error = VcdError::refused(READ, refusal(status, None, body));
            let not_visible = matches!(error, VcdError::NotVisible { .. });
            assert_eq!(not_visible, !visible, "{status} {body}");
        }
    }

    #[test]
    fn code_sentence_and_request_id_reach_the_caller() {
        let body = fault("BUSY_ENTITY", "[ 17-ab ] The entity is busy.");
        for error in [
            VcdError::refused(READ, refusal(400, None, body)),
            VcdError::refused(READ, refusal(502, None, body)),
        ] {
            assert_eq!(error.minor_code(), Some("BUSY_ENTITY"));
            assert_eq!(error.message(), Some("The entity is busy."));
            assert_eq!(error.request_id(), Some("17-ab"));
            assert_eq!(error.operation(), Some(READ));
        }
    }
}
