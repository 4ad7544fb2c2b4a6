//! Telling what becomes of a creation that failed: error, clean-up, next attempt, inspection, return.
//!
//! Flow: called by `record`, beside which it stands only because there is so much of it.
//!
//! Invariants:
//! - An attempt's error begins with its number: it is the second witness of the attempts made.
//! - The text names the time until which something is kept, in UTC.
//!
//! Not here: what becomes of record, state and committed objects (`reconcile::step`).

use jiff::Timestamp;

use super::document::Edit;
use super::history::ATTEMPT;
use super::record::{Setting, told};
use crate::domain::status::EventEntry;
use crate::reconcile::failure::FailureReason;
use crate::reconcile::inspection;
use crate::reconcile::step::{Remains, remains};

impl Setting<'_> {
    pub(super) fn failed(&self, reason: &FailureReason, retry: bool) -> Edit {
        let remains = remains(self.seen, retry);
        let entry = |(name, sentence): (&'static str, String)| EventEntry {
            name,
            at: self.at,
            detail: self.error_text(&sentence, remains),
            resource: None,
        };
        Edit {
            errors: reason.entries().into_iter().map(entry).collect(),
            ..told(self.event("ClusterCreationFailed", self.what_follows(remains)))
        }
    }

    fn kept_until(&self) -> String {
        utc(inspection::until(self.at, self.policy))
    }

    fn error_text(&self, sentence: &str, remains: Remains) -> String {
        let attempt = self.seen.document.incarnation;
        let mut text = format!("{ATTEMPT}{attempt}: {sentence}.");
        if remains == Remains::Kept {
            text.push_str(" The bootstrap VM is kept for inspection until ");
            text.push_str(&self.kept_until());
            text.push('.');
        }
        let report = self.seen.vm.as_ref().map(|vm| &vm.report);
        if let Some(log) = report.and_then(|report| report.log_tail.as_deref()) {
            text.push_str(" Last lines of the log: ");
            text.push_str(log);
        }
        text
    }

    fn what_follows(&self, remains: Remains) -> String {
        match remains {
            Remains::Retried => {
                let next = self.seen.document.incarnation.saturating_add(1);
                let pause = self.policy.pause_before(next).as_secs() / 60;
                format!(
                    "What was made for this attempt, if anything, is being removed; attempt {next} of at most {} follows, not sooner than {pause} min from now.",
                    self.policy.max_attempts
                )
            }
            Remains::Nothing => {
                "No further attempt is made. Nothing of a bootstrap VM exists.".to_owned()
            }
            Remains::Useless => {
                "No further attempt is made. The bootstrap VM has never run and is being removed."
                    .to_owned()
            }
            Remains::Kept => format!(
                "No further attempt is made. The bootstrap VM is kept for inspection until {} and removed then; what was built of the cluster stays until the cluster is deleted.",
                self.kept_until()
            ),
        }
    }

    pub(super) fn begun_again(&self) -> Edit {
        let attempt = self.seen.document.incarnation.saturating_add(1);
        let detail = format!(
            "Everything of the failed attempt is gone. Attempt {attempt} of at most {} begins.",
            self.policy.max_attempts
        );
        told(self.event("ClusterCreationRetried", detail))
    }

    pub(super) fn inspection_ended(&self) -> Edit {
        let (name, detail) = (
            "InspectionEnded",
            "The time for inspection is over; the bootstrap VM is being removed.",
        );
        // A VM that could not be collected is tried again, by every replica; it is one inspection.
        if self.seen.document.deletion.announced.contains(name) {
            return Edit::default();
        }
        told(self.event(name, detail))
    }

    pub(super) fn settled(&self) -> Edit {
        let detail =
            "The bootstrap VM and its vApp are gone; the errors say why the creation failed.";
        told(self.event("BootstrapVmDeleted", detail))
    }

    /// Clients see `provisioning` until the cluster's own status says that it is ready.
    pub(super) fn resumed(&self, because: &str) -> Edit {
        let detail = format!(
            "Nothing of the cluster is created again or removed: {because}. It is reported as available when its own status says that it is ready."
        );
        told(self.event("RollbackDetected", detail))
    }
}

/// To the minute, as people write it.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
