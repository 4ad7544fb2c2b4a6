//! Writing down what becomes of a creation that failed: error, clean-up, next attempt, inspection, return.
//!
//! Flow: called by `record`, beside which it stands only because there is so much of it.
//!
//! Invariants:
//! - An attempt's error begins with its number: it is the second witness of the attempts made.
//! - When no attempt follows, auto-repair is turned off, so that clients stop waiting for one.
//! - The text names the time until which something is kept, in UTC.

use jiff::Timestamp;

use super::claim::Step;
use super::document::Edit;
use super::history::ATTEMPT;
use super::record::{Setting, released, to_phase};
use crate::domain::claim::ClaimPhase;
use crate::domain::status::{ClusterState, EventEntry};
use crate::reconcile::failure::FailureReason;
use crate::reconcile::inspection;
use crate::reconcile::observation::Power;

/// What becomes of the bootstrap VM of an attempt that failed.
enum Remains {
    /// The next attempt follows; everything goes first.
    Retried,
    /// No attempt follows, and there is nothing of the bootstrap.
    Nothing,
    /// No attempt follows, and the bootstrap VM has never run: it goes at once.
    Useless,
    /// No attempt follows; the bootstrap VM is kept for inspection.
    Kept(Timestamp),
}

impl Setting<'_> {
    pub(super) fn fail(&self, reason: &FailureReason, retry: bool) -> (Edit, Step) {
        let remains = self.remains(retry);
        let entry = |(name, sentence): (&'static str, String)| EventEntry {
            name,
            at: self.at,
            detail: self.error_text(&sentence, &remains),
            resource: None,
        };
        let errors = reason.entries().into_iter().map(entry).collect();
        let event = self.event("ClusterCreationFailed", self.what_follows(&remains));
        let step = match remains {
            Remains::Retried | Remains::Useless => to_phase(ClaimPhase::Teardown),
            Remains::Nothing | Remains::Kept(_) => released(to_phase(ClaimPhase::Done)),
        };
        let nothing_left = matches!(remains, Remains::Nothing);
        let edit = Edit {
            state: Some(ClusterState::Error),
            resources: nothing_left.then(Vec::new),
            events: vec![event],
            errors,
            stop_repair: !retry,
            ..Edit::default()
        };
        (edit, step)
    }

    fn remains(&self, retry: bool) -> Remains {
        let seen = self.seen;
        let ran = seen.vm.as_ref().is_some_and(|vm| {
            vm.power == Power::On || vm.power == Power::Other || !vm.report.is_silent()
        });
        let committed = &seen.document.committed_vapp;
        let stands = seen
            .vapps
            .iter()
            .any(|vapp| committed.as_ref() == Some(&vapp.id));
        // Without a way in nothing can be removed, and nobody knows what there is.
        let closed = seen.preparation.is_err();
        let is_there = committed.is_some() && (stands || closed);
        if retry {
            Remains::Retried
        } else if is_there && (ran || !seen.document.reported.is_empty() || closed) {
            Remains::Kept(inspection::until(self.at, self.policy))
        } else if is_there || seen.vapps.iter().any(|vapp| vapp.marker.is_some()) {
            Remains::Useless
        } else {
            Remains::Nothing
        }
    }

    fn error_text(&self, sentence: &str, remains: &Remains) -> String {
        let attempt = self.seen.document.incarnation;
        let mut text = format!("{ATTEMPT}{attempt}: {sentence}.");
        if let Remains::Kept(until) = remains {
            text.push_str(" The bootstrap VM is kept for inspection until ");
            text.push_str(&utc(*until));
            text.push('.');
        }
        let report = self.seen.vm.as_ref().map(|vm| &vm.report);
        if let Some(log) = report.and_then(|report| report.log_tail.as_deref()) {
            text.push_str(" Last lines of the log: ");
            text.push_str(log);
        }
        text
    }

    fn what_follows(&self, remains: &Remains) -> String {
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
            Remains::Kept(until) => format!(
                "No further attempt is made. The bootstrap VM is kept for inspection until {} and removed then; what was built of the cluster stays until the cluster is deleted.",
                utc(*until)
            ),
        }
    }

    pub(super) fn begin_attempt(&self) -> (Edit, Step) {
        let attempt = self.seen.document.incarnation.saturating_add(1);
        let detail = format!(
            "Everything of the failed attempt is gone. Attempt {attempt} of at most {} begins.",
            self.policy.max_attempts
        );
        let edit = Edit {
            state: Some(ClusterState::Provisioning),
            resources: Some(Vec::new()),
            events: vec![self.event("ClusterCreationRetried", detail)],
            reset_reports: true,
            ..Edit::default()
        };
        let step = Step {
            incarnation: Some(attempt),
            ..to_phase(ClaimPhase::Creating)
        };
        (edit, step)
    }

    pub(super) fn end_inspection(&self) -> (Edit, Step) {
        let detail = "The time for inspection is over; the bootstrap VM is being removed.";
        let edit = Edit {
            events: vec![self.event("InspectionEnded", detail)],
            stop_repair: true,
            ..Edit::default()
        };
        (edit, to_phase(ClaimPhase::Teardown))
    }

    pub(super) fn settle(&self) -> (Edit, Step) {
        let detail =
            "The bootstrap VM and its vApp are gone; the errors say why the creation failed.";
        let edit = Edit {
            resources: Some(Vec::new()),
            events: vec![self.event("BootstrapVmDeleted", detail)],
            ..Edit::default()
        };
        (edit, released(to_phase(ClaimPhase::Done)))
    }

    /// Clients see `provisioning` until the cluster's own status says that it is ready.
    pub(super) fn resume_provisioned(&self, because: &str) -> Edit {
        let detail = format!(
            "Nothing of the cluster is created again or removed: {because}. It is reported as available when its own status says that it is ready."
        );
        Edit {
            state: Some(ClusterState::Provisioning),
            events: vec![self.event("RollbackDetected", detail)],
            ..Edit::default()
        }
    }
}

/// To the minute, as people write it.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
