//! What a status code of VCD means: the only table of them.
//!
//! Flow: a [`Refusal`] comes in, from an answer or from a failed task; a [`Verdict`] goes out, which
//! `vcd::error` turns into an error and this module into the class of a failed task.
//!
//! Invariants:
//! - A status that nobody thought of is [`Verdict::Rejected`]: it is not repeated.
//!
//! Source: VCD `OpenAPI` and vCloud API status codes (API 37.2); RFC 9110; messages as CAPVCD and
//! go-vcloud-director recognize them.

use super::refusal::Refusal;
use crate::domain::error_class::ErrorClass;

/// What a status code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not now; the object or VCD is occupied.
    Busy,
    /// Not so fast.
    SlowDown,
    /// The state is not the one the request was made for.
    Conflict,
    /// The token does not count.
    NotAuthenticated,
    /// There is no such thing, or no right to it.
    NotVisible,
    /// It may or may not have been done.
    GaveUp,
    /// Never, in this form.
    Rejected,
}

impl Verdict {
    /// `conditional`: whether the request may have carried a tag.
    ///
    /// Clients of VCD tell a lost race by the word "etag"; so may a version that answers it with 400.
    /// Elsewhere the word is no more than part of somebody's name.
    pub(super) fn on(refusal: &Refusal, conditional: bool) -> Self {
        match refusal.status {
            400 if is_busy(refusal) => Self::Busy,
            400 if conditional && refusal.mentions("etag") => Self::Conflict,
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

    /// Whether too many operations run or wait: a site limits them per user and per organization.
    pub(super) fn is_limit(refusal: &Refusal) -> bool {
        refusal.mentions("operation_limit")
            || refusal.mentions("simultaneous operations")
            || (refusal.mentions("operations") && refusal.mentions("limit"))
    }
}

/// One task at a time per vApp, VM or gateway; and a site may limit operations.
fn is_busy(refusal: &Refusal) -> bool {
    refusal.mentions("busy_entity")
        || refusal.mentions("is busy completing an operation")
        || Verdict::is_limit(refusal)
}

/// What the caller may do about a task that failed.
///
/// Unlike a lost answer, a failed task has ended: a server fault is only worth another try.
/// One whose object went away meanwhile, say because the task that made it failed, has to be decided anew.
pub(super) fn class_of_failed_task(refusal: &Refusal) -> ErrorClass {
    if refusal.minor_code.as_deref() == Some("INVALID_REFERENCE") {
        return ErrorClass::Conflict;
    }
    match Verdict::on(refusal, false) {
        Verdict::Busy | Verdict::GaveUp => ErrorClass::Transient,
        Verdict::SlowDown => ErrorClass::Throttled { retry_after: None },
        Verdict::Conflict => ErrorClass::Conflict,
        Verdict::NotAuthenticated | Verdict::NotVisible | Verdict::Rejected => ErrorClass::Terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Refusal {
        let minor_code = Some(code.to_owned());
        let (message, request_id, retry_after) = (None, None, None);
        Refusal {
            status,
            minor_code,
            message,
            request_id,
            retry_after,
            from_vcd: true,
        }
    }

    #[test]
    fn a_failed_task_is_over_so_that_a_server_fault_may_be_tried_again() {
        let class = |status, code| class_of_failed_task(&refusal(status, code));
        assert_eq!(class(500, "INTERNAL_SERVER_ERROR"), ErrorClass::Transient);
        assert_eq!(class(400, "BUSY_ENTITY"), ErrorClass::Transient);
        assert_eq!(class(400, "BAD_REQUEST"), ErrorClass::Terminal);
        assert_eq!(
            class(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN"),
            ErrorClass::Terminal
        );
        assert_eq!(class(400, "INVALID_REFERENCE"), ErrorClass::Conflict);
        assert_eq!(class(429, ""), ErrorClass::Throttled { retry_after: None });
        assert_eq!(class(0, ""), ErrorClass::Terminal);
    }
}
