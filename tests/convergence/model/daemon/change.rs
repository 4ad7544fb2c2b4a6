//! What a change writes: from the daemon's own types to the model's numbers, and onto its document.

use std::time::Duration;

use cse_server::reconcile::decision::Change;
use cse_server::reconcile::failure::FailureReason;
use cse_server::reconcile::observation::Observation;
use cse_server::reconcile::step::Step;

use super::super::state::{Doc, Write};
use super::{number, small};

pub(super) fn step(write: &Write) -> Step {
    Step {
        phase: write.phase,
        incarnation: write.incarnation.map(u32::from),
        epoch_at_least: u64::from(write.epoch_at_least),
        release: write.release,
        pause: write.pause.then_some(Duration::from_mins(1)),
    }
}

/// The document after a change.
pub(super) fn applied(doc: &Doc, write: &Write) -> Doc {
    let vm = write.vm.unwrap_or(doc.vm);
    let errors = if write.clears_errors {
        0
    } else {
        doc.failed_attempts
    };
    Doc {
        state: write.state.unwrap_or(doc.state),
        vapp: write.vapp.unwrap_or(doc.vapp),
        vm,
        auto_repair: doc.auto_repair && !write.ends_repair,
        ready: doc.ready && !write.forgets_reports,
        failed_attempts: errors.max(write.failed_attempt),
        rollback_reported: doc.rollback_reported && !write.clears_errors || write.reports_rollback,
        built: doc.built || write.tells_of_building,
        told_vm: if write.tells_progress {
            vm
        } else {
            doc.told_vm
        },
        ..*doc
    }
}

/// What the sentences about a change are read for later.
pub(super) fn about_change(write: &mut Write, change: &Change, seen: &Observation) {
    match change {
        Change::Fail { reason, .. } => {
            write.failed_attempt = small(seen.document.incarnation);
            write.reports_rollback = *reason == FailureReason::RollbackDetected;
        }
        Change::BeginDeletion | Change::BlockDeletion { .. } | Change::Postpone => {}
        Change::ReportProgress(_) => {
            write.tells_progress = true;
            write.tells_of_building = true;
        }
        Change::CommitVapp { .. }
        | Change::CommitVm { .. }
        | Change::RaiseIncarnation { .. }
        | Change::BeginTeardown
        | Change::BeginAttempt
        | Change::EndInspection
        | Change::Settle
        | Change::ResumeProvisioned { .. }
        | Change::Finish
        | Change::ReportRemoval { .. }
        | Change::ReportRunning(_) => write.tells_of_building = true,
        Change::Condemn(ids) => write.condemns = ids.first().map_or(0, |id| number(id) - 100),
    }
}
