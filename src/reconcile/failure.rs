//! Why a creation failed: closed causes, each with a class, a name, a sentence and a hint for the tenant.
//!
//! Invariants:
//! - The class of a cause is decided here and nowhere else; a new cause does not compile without one.
//! - Names are stable: they are looked for in `errorSet` by people and programs.
//!
//! Not here: failures of single calls (`domain::error_class`), which are repeated until they become one
//! of these causes; how often a creation is repeated (`policy`).

use std::fmt;

use super::preflight::PreflightProblem;

/// What may be done about a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// It may pass by itself: the step is tried again, for a time; after that it is repairable.
    Transient,
    /// A new attempt may succeed: clean up and create again.
    Repairable,
    /// Somebody must change something first: stop and say what.
    Terminal,
}

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
    /// The bootstrap VM, or its vApp, is gone before its work was done.
    BootstrapVmLost(&'static str),
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
    /// The cluster exists although the document knows of no creation, or its status went back in time.
    RollbackDetected,
    /// The errors tell of as many attempts as auto-repair may make.
    AttemptsUsedUp(u32),
    /// What a failed attempt left cannot be removed.
    CleanupBlocked(String),
}

impl FailureReason {
    /// The error's stable name in `errorSet`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidSpec(_) => "InvalidClusterSpec",
            Self::TokenMissing => "ApiTokenMissing",
            Self::TokenRefused(_) => "ApiTokenRefused",
            Self::Preflight(problems) => match problems.first() {
                Some(first) => first.name(),
                None => "PreflightFailed",
            },
            Self::NameTaken(_) => "BootstrapNameTaken",
            Self::OperationRefused(_) => "VcdOperationRefused",
            Self::OperationFailing(_) => "VcdOperationFailed",
            Self::BootstrapVmStopped => "BootstrapVmStopped",
            Self::BootstrapVmSilent { .. } => "BootstrapVmSilent",
            Self::BootstrapVmLost(_) => "BootstrapVmLost",
            Self::PhaseFailed { .. } => "BootstrapPhaseFailed",
            Self::PhaseTimedOut { .. } => "BootstrapPhaseTimedOut",
            Self::StatusIncomplete { .. } => "ClusterStatusIncomplete",
            Self::RollbackDetected => ROLLBACK_DETECTED,
            Self::AttemptsUsedUp(_) => "AttemptsUsedUp",
            Self::CleanupBlocked(_) => "CleanupBlocked",
        }
    }

    /// What may be done about it.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Preflight(problems) => preflight_class(problems),
            Self::OperationFailing(_)
            | Self::BootstrapVmStopped
            | Self::BootstrapVmSilent { .. }
            | Self::BootstrapVmLost(_)
            | Self::PhaseFailed { .. }
            | Self::PhaseTimedOut { .. }
            | Self::StatusIncomplete { .. } => FailureClass::Repairable,
            Self::InvalidSpec(_)
            | Self::TokenMissing
            | Self::TokenRefused(_)
            | Self::NameTaken(_)
            | Self::OperationRefused(_)
            | Self::RollbackDetected
            | Self::AttemptsUsedUp(_)
            | Self::CleanupBlocked(_) => FailureClass::Terminal,
        }
    }

    /// Whether cleaning up and trying again can help without anybody changing anything.
    pub fn is_repairable(&self) -> bool {
        match self.class() {
            FailureClass::Transient | FailureClass::Repairable => true,
            FailureClass::Terminal => false,
        }
    }

    /// The entries of `errorSet`: a stable name and a sentence for each.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        if let Self::Preflight(problems) = self
            && !problems.is_empty()
        {
            let entry = |problem: &PreflightProblem| (problem.name(), problem.to_string());
            return problems.iter().map(entry).collect();
        }
        vec![(self.name(), self.to_string())]
    }

    /// What the tenant can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::InvalidSpec(_) => "correct the request and create the cluster again",
            Self::TokenMissing => "create the cluster again with an API token",
            Self::TokenRefused(_) => "create a new token and the cluster again",
            Self::Preflight(_) => "correct what is named, then create the cluster again",
            Self::NameTaken(_) => "rename or delete it, then create the cluster again",
            Self::OperationRefused(_) => {
                "see the text for what VCD objects to; your provider can help with quotas and rights"
            }
            Self::OperationFailing(_) => {
                "see the tasks of the organization in VCD; your provider can help when it goes on"
            }
            Self::BootstrapVmStopped | Self::BootstrapVmLost(_) => {
                "leave the bootstrap VM and its vApp alone until the cluster is available"
            }
            Self::BootstrapVmSilent { .. } => {
                "look at its console, and at the host and the network it runs on"
            }
            Self::PhaseFailed { .. } => {
                "the log lines and the bootstrap VM's console say more; correct the cause, then create the cluster again"
            }
            Self::PhaseTimedOut { .. } => {
                "check that the network reaches VCD, the image registry and the download sites"
            }
            Self::StatusIncomplete { .. } => "check that its nodes reach the VCD endpoint",
            Self::RollbackDetected => {
                "check that its nodes run; it is reported as available as soon as its own status says that it is ready; if it is not wanted any more, delete it"
            }
            Self::AttemptsUsedUp(_) => {
                "correct the cause that the earlier errors name, delete the cluster and create it again"
            }
            Self::CleanupBlocked(_) => {
                "remove what is named, or what holds on to it, then delete the cluster and create it again"
            }
        }
    }
}

/// A template that is being copied comes by itself; what somebody else has to free may be free for the next
/// attempt; everything else needs somebody's hand.
fn preflight_class(problems: &[PreflightProblem]) -> FailureClass {
    let comes =
        |problem: &PreflightProblem| matches!(problem, PreflightProblem::TemplateUnfinished { .. });
    if problems.iter().all(comes) {
        FailureClass::Transient
    } else if problems.iter().all(PreflightProblem::waiting_helps) {
        FailureClass::Repairable
    } else {
        FailureClass::Terminal
    }
}

/// What the tenant can do about an error of that name in `errorSet`; `None` for names of others.
pub fn hint_for(name: &str) -> Option<&'static str> {
    let text = String::new;
    let reasons = [
        FailureReason::InvalidSpec(Vec::new()),
        FailureReason::TokenMissing,
        FailureReason::TokenRefused(text()),
        FailureReason::Preflight(Vec::new()),
        FailureReason::NameTaken(text()),
        FailureReason::OperationRefused(text()),
        FailureReason::OperationFailing(text()),
        FailureReason::BootstrapVmStopped,
        FailureReason::BootstrapVmSilent {
            phase: text(),
            minutes: 0,
        },
        FailureReason::BootstrapVmLost(""),
        FailureReason::PhaseFailed {
            phase: text(),
            reason: text(),
        },
        FailureReason::PhaseTimedOut {
            phase: text(),
            minutes: 0,
        },
        FailureReason::StatusIncomplete { minutes: 0 },
        FailureReason::RollbackDetected,
        FailureReason::AttemptsUsedUp(0),
        FailureReason::CleanupBlocked(text()),
    ];
    let found = reasons.iter().find(|reason| reason.name() == name);
    found.map(FailureReason::hint)
}

/// Name of the error that says that a document went back in time.
pub const ROLLBACK_DETECTED: &str = "RollbackDetected";

/// The sentence and the hint.
impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence(f)?;
        match self {
            // Each of its problems says what to do about it.
            Self::Preflight(_) => Ok(()),
            Self::InvalidSpec(_)
            | Self::TokenMissing
            | Self::TokenRefused(_)
            | Self::NameTaken(_)
            | Self::OperationRefused(_)
            | Self::OperationFailing(_)
            | Self::BootstrapVmStopped
            | Self::BootstrapVmSilent { .. }
            | Self::BootstrapVmLost(_)
            | Self::PhaseFailed { .. }
            | Self::PhaseTimedOut { .. }
            | Self::StatusIncomplete { .. }
            | Self::RollbackDetected
            | Self::AttemptsUsedUp(_)
            | Self::CleanupBlocked(_) => write!(f, "; {}", self.hint()),
        }
    }
}

impl FailureReason {
    fn sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidSpec(problems) => {
                write!(f, "the cluster request is not valid: {}", problems.join("; "))
            }
            Self::TokenMissing => f.write_str("the request holds no API token of its author"),
            Self::TokenRefused(why) => {
                write!(f, "VCD refuses the API token of the cluster's author ({why})")
            }
            Self::Preflight(problems) => {
                let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
                write!(f, "the cluster cannot be created: {}", sentences.join("; "))
            }
            Self::NameTaken(name) => write!(
                f,
                "a vApp named \"{name}\" exists that does not belong to this cluster"
            ),
            Self::OperationRefused(why) => write!(f, "VCD refuses an operation: {why}"),
            Self::OperationFailing(why) => write!(f, "an operation in VCD keeps failing: {why}"),
            Self::BootstrapVmStopped => {
                f.write_str("the bootstrap VM was switched off before the cluster was ready")
            }
            Self::BootstrapVmSilent { phase, minutes } => write!(
                f,
                "the bootstrap VM has given no sign of life for {minutes} minutes, in phase \"{phase}\""
            ),
            Self::BootstrapVmLost(what) => {
                write!(f, "{what}, before the cluster was ready")
            }
            Self::PhaseFailed { phase, reason } => {
                write!(f, "bootstrap phase \"{phase}\" failed: {reason}")
            }
            Self::PhaseTimedOut { phase, minutes } => {
                write!(f, "bootstrap phase \"{phase}\" did not end within {minutes} minutes")
            }
            Self::StatusIncomplete { minutes } => write!(
                f,
                "the cluster was built, but its status stayed incomplete for {minutes} minutes"
            ),
            Self::RollbackDetected => f.write_str(
                "the document went back to an earlier version: the cluster exists, and nothing of it is created again or removed",
            ),
            Self::AttemptsUsedUp(attempts) => {
                write!(f, "no attempt is left: {attempts} have failed")
            }
            Self::CleanupBlocked(why) => write!(
                f,
                "what the failed attempt left cannot be removed completely: {why}"
            ),
        }
    }
}
