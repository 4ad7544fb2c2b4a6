//! What a pass found out, in the words of the report: a closed set of events and errors.
//!
//! Invariants:
//! - Names are stable and opaque to clients; an edit that would do harm is told under the names of
//!   `domain::edit::Violation`; details are sentences for the tenant, short and escaped.
//!
//! Not here: how findings are written into `status.projector` (`report`).

use jiff::Timestamp;

/// Longest detail, in characters.
const MAX_DETAIL_CHARS: usize = 600;

/// Names of errors.
pub(super) mod error {
    /// `spec.capiYaml` cannot be used.
    pub(in crate::agent) const YAML: &str = "CapiYamlError";
    /// A document is of a kind, name or namespace that is not the agent's business.
    pub(in crate::agent) const DOCUMENT: &str = "DocumentRefused";
    /// The API server refuses a document.
    pub(in crate::agent) const APPLY: &str = "ApplyError";
    /// Somebody else claims a field for good.
    pub(in crate::agent) const CONFLICT: &str = "ApplyConflict";
    /// The API server or one of its webhooks does not work.
    pub(in crate::agent) const DELAYED: &str = "ApplyDelayed";
    /// This is not the entity of this cluster.
    pub(in crate::agent) const FOREIGN: &str = "ForeignCluster";
    /// `spec.projector.operations` holds something.
    pub(in crate::agent) const OPERATION: &str = "OperationRefused";
}

/// Names of events.
pub(super) mod event {
    /// The YAML is in effect.
    pub(in crate::agent) const APPLIED: &str = "CapiYamlApplied";
    /// Somebody had changed what the YAML says; it is as the YAML says again.
    pub(in crate::agent) const DRIFT: &str = "DriftCorrected";
    /// Documents that the YAML dropped are gone.
    pub(in crate::agent) const REMOVED: &str = "DocumentsRemoved";
    /// Worker pools wait for the control plane.
    pub(in crate::agent) const HELD: &str = "WorkerUpgradeWaits";
}

/// An event or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) detail: String,
    pub(super) at: Timestamp,
}

impl Finding {
    pub(super) fn new(name: &'static str, detail: &str, at: Timestamp) -> Self {
        let clean = detail
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_DETAIL_CHARS)
            .collect();
        Self {
            name,
            detail: clean,
            at,
        }
    }
}

/// Everything a pass has to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// What is wrong now; whatever is not here is healed.
    pub(super) errors: Vec<Finding>,
    /// What happened; told until it is written.
    pub(super) events: Vec<Finding>,
    /// When documents were last changed, if they were.
    pub(super) applied_at: Option<Timestamp>,
}
