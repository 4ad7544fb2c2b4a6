//! What the log says about a change of the document that has just been recorded.
//!
//! Invariants:
//! - A change that needs somebody is an error, one that heals by itself a warning, progress is for information.

use tracing::{error, info, warn};

use super::Work;
use super::deletion::log_block;
use crate::controller::day_two::log_report;
use crate::reconcile::decision::Change;
use crate::reconcile::failure::FailureReason;
use crate::telemetry::event;
use crate::vcd::transport::Transport;

impl<T: Transport> Work<T> {
    /// One line for what has just been recorded.
    pub(super) fn log_change(&self, change: &Change) {
        match change {
            Change::Fail { reason, retry } => {
                self.deps.meters.attempt_failed(*retry);
                log_failure(reason, *retry);
            }
            Change::ResumeProvisioned { because, .. } => warn!(
                event = event::ROLLBACK_DETECTED,
                reason = because,
                "the document went back in time; the cluster is left as it is"
            ),
            Change::Postpone => warn!(
                event = event::CLUSTER_BLOCKED,
                "the bootstrap VM of a failed creation cannot be removed; it is tried again in some hours"
            ),
            Change::BlockDeletion {
                obstacles,
                retry_in,
            } => log_block(obstacles, *retry_in),
            Change::RaiseIncarnation { because, .. } => warn!(
                event = event::STATUS_RECORDED,
                reason = because,
                "the bootstrap begins anew"
            ),
            Change::Finish => {
                info!(
                    event = event::CLUSTER_PROVISIONED,
                    "the cluster is provisioned"
                );
            }
            Change::ReportProgress(news) => {
                let phases = &self.deps.policy.phases;
                let name = news
                    .last()
                    .and_then(|last| phases.get(last.phase))
                    .map(|plan| plan.name);
                info!(
                    event = event::PHASE_CHANGED,
                    bootstrap_phase = name,
                    "bootstrap has come further"
                );
            }
            Change::ReportRunning(report) => log_report(report),
            Change::CommitVapp { .. }
            | Change::CommitVm { .. }
            | Change::BeginTeardown
            | Change::BeginAttempt
            | Change::Condemn(_)
            | Change::EndInspection
            | Change::Settle
            | Change::ReportRemoval { .. }
            | Change::BeginDeletion => {
                info!(
                    event = event::STATUS_RECORDED,
                    change = change.name(),
                    "recorded"
                );
            }
        }
    }
}

fn log_failure(reason: &FailureReason, retry: bool) {
    if retry {
        warn!(
            event = event::CLUSTER_FAILED,
            reason = %reason,
            "creation failed, cleaning up for another attempt"
        );
    } else {
        error!(
            event = event::CLUSTER_FAILED,
            reason = %reason,
            "creation failed for good"
        );
    }
}
