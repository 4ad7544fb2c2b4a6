//! Why a creation failed: closed causes, each with a name, a sentence and a hint for the tenant.
//!
//! Invariants:
//! - Every cause says whether another attempt can help; nothing else decides about repetition.

use std::fmt;

use super::preflight::PreflightProblem;

/// The cause of a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// The request cannot be carried out as written; one sentence per problem.
    InvalidSpec(Vec<String>),
    /// The document holds no API token of its owner.
    TokenMissing,
    /// VCD refuses the owner's API token.
    TokenRefused(String),
    /// Why the creation cannot work, found before anything was made; never empty.
    Preflight(Vec<PreflightProblem>),
    /// Another vApp has the name the bootstrap vApp needs.
    NameTaken(String),
    /// VCD refused an operation for good.
    OperationRefused(String),
    /// An operation kept failing.
    OperationFailing(String),
    /// The bootstrap VM was switched off before its work was done.
    BootstrapVmStopped,
    /// The bootstrap VM has stopped giving signs of life.
    BootstrapVmSilent {
        /// The phase it was in.
        phase: String,
        /// How long it has been silent, in minutes.
        minutes: u64,
    },
    /// A phase of the bootstrap script failed.
    PhaseFailed {
        /// The phase.
        phase: String,
        /// What the guest says.
        reason: String,
    },
    /// A phase took longer than its deadline.
    PhaseTimedOut {
        /// The phase.
        phase: String,
        /// The deadline, in minutes.
        minutes: u64,
    },
    /// The script ended well, but the cluster's status never became complete.
    StatusIncomplete {
        /// How long it was waited for, in minutes.
        minutes: u64,
    },
}

impl FailureReason {
    /// The error's stable name in `errorSet`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Preflight(problems) => problems
                .first()
                .map_or("PreflightFailed", PreflightProblem::name),
            Self::InvalidSpec(_) => "InvalidClusterSpec",
            Self::TokenMissing => "ApiTokenMissing",
            Self::TokenRefused(_) => "ApiTokenRefused",
            Self::NameTaken(_) => "BootstrapNameTaken",
            Self::OperationRefused(_) => "VcdOperationRefused",
            Self::OperationFailing(_) => "VcdOperationFailed",
            Self::BootstrapVmStopped => "BootstrapVmStopped",
            Self::BootstrapVmSilent { .. } => "BootstrapVmSilent",
            Self::PhaseFailed { .. } => "BootstrapPhaseFailed",
            Self::PhaseTimedOut { .. } => "BootstrapPhaseTimedOut",
            Self::StatusIncomplete { .. } => "ClusterStatusIncomplete",
        }
    }

    /// Whether cleaning up and trying again can help without anybody changing anything.
    pub fn is_repairable(&self) -> bool {
        match self {
            // One that needs somebody's hand makes another attempt pointless.
            Self::Preflight(problems) => problems.iter().all(PreflightProblem::waiting_helps),
            Self::OperationFailing(_)
            | Self::BootstrapVmStopped
            | Self::BootstrapVmSilent { .. }
            | Self::PhaseFailed { .. }
            | Self::PhaseTimedOut { .. }
            | Self::StatusIncomplete { .. } => true,
            Self::InvalidSpec(_)
            | Self::TokenMissing
            | Self::TokenRefused(_)
            | Self::NameTaken(_)
            | Self::OperationRefused(_) => false,
        }
    }
}

impl FailureReason {
    /// The entries of `errorSet`: a stable name and a sentence for each.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Preflight(problems) if !problems.is_empty() => {
                let entry = |problem: &PreflightProblem| (problem.name(), problem.to_string());
                problems.iter().map(entry).collect()
            }
            Self::Preflight(_)
            | Self::InvalidSpec(_)
            | Self::TokenMissing
            | Self::TokenRefused(_)
            | Self::NameTaken(_)
            | Self::OperationRefused(_)
            | Self::OperationFailing(_)
            | Self::BootstrapVmStopped
            | Self::BootstrapVmSilent { .. }
            | Self::PhaseFailed { .. }
            | Self::PhaseTimedOut { .. }
            | Self::StatusIncomplete { .. } => vec![(self.name(), self.to_string())],
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSpec(problems) => {
                write!(f, "the cluster request is not valid: {}", problems.join("; "))
            }
            Self::TokenMissing => f.write_str(
                "the request holds no API token of its author; create the cluster again with an API token",
            ),
            Self::TokenRefused(why) => write!(
                f,
                "VCD refuses the API token of the cluster's author ({why}); create a new token and the cluster again"
            ),
            Self::Preflight(problems) => {
                let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
                write!(f, "the cluster cannot be created: {}", sentences.join("; "))
            }
            Self::NameTaken(name) => write!(
                f,
                "a vApp named \"{name}\" exists that does not belong to this cluster; rename or delete it, then create the cluster again"
            ),
            Self::OperationRefused(why) => write!(f, "VCD refuses an operation: {why}"),
            Self::OperationFailing(why) => write!(f, "an operation in VCD keeps failing: {why}"),
            Self::BootstrapVmStopped => f.write_str(
                "the bootstrap VM was switched off before the cluster was ready; leave it alone until the cluster is available",
            ),
            Self::BootstrapVmSilent { phase, minutes } => write!(
                f,
                "the bootstrap VM has given no sign of life for {minutes} minutes, in phase \"{phase}\"; look at its console, and at the host and the network it runs on"
            ),
            Self::PhaseFailed { phase, reason } => {
                write!(f, "bootstrap phase \"{phase}\" failed: {reason}")
            }
            Self::PhaseTimedOut { phase, minutes } => {
                write!(f, "bootstrap phase \"{phase}\" did not end within {minutes} minutes")
            }
            Self::StatusIncomplete { minutes } => write!(
                f,
                "the cluster was built, but its status stayed incomplete for {minutes} minutes; check that its nodes reach the VCD endpoint"
            ),
        }
    }
}
