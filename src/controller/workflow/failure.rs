//! What operators read when a creation fails.

use tracing::{error, warn};

use crate::reconcile::failure::FailureReason;
use crate::telemetry::event;

/// One line per failed attempt: a warning while another one follows, an error when none does.
pub(super) fn log_failure(reason: &FailureReason, retry: bool, incarnation: u32) {
    if retry {
        warn!(
            event = event::CLUSTER_FAILED,
            reason = %reason,
            incarnation,
            "creation failed, cleaning up for another attempt"
        );
    } else {
        error!(
            event = event::CLUSTER_FAILED,
            reason = %reason,
            incarnation,
            "creation failed for good"
        );
    }
}
