//! Where a cluster stands, in one word: what is being done with it, by whom, and whether a person is needed.
//!
//! Flow: [`ClusterSeen`] -> [`Situation::of`]; lists and explanations both begin here, so that they agree.
//!
//! Invariants:
//! - Total: every document has a situation.
//! - The order of questions is that of the servers: deletion before everything else, then the state.
//!
//! Not here: the sentences (`explain`), what servers decide (`reconcile`).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Outlook;
use super::cluster::ClusterSeen;
use super::timeline::{Entry, Source};
use super::words::age;
use crate::domain::claim::{ClaimPhase, Hold};
use crate::domain::cluster::value_at;
use crate::domain::edit::{Edit, RunningCluster, Violation};
use crate::domain::phase::Phase;
use crate::domain::status::ClusterState;
use crate::reconcile::day_two::{Facts, Look, is_ours};
use crate::reconcile::failure::ROLLBACK_DETECTED;
use crate::reconcile::inspection::kept_since;

/// Name of the error about a deletion over which an older document was written.
pub const DELETION_ROLLED_BACK: &str = "DeletionRolledBack";
/// Name of the error about an operation that gets nowhere.
pub const STUCK: &str = "ClusterChangeStuck";
/// An error of CAPVCD that is usual for a while.
const USUAL: &str = "LoadBalancerPending";

/// How much a cluster wants somebody's attention; the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attention {
    /// Nothing goes on until a person does something.
    Person,
    /// Something is odd; worth a look.
    Look,
    /// A server mends it by itself.
    Repairing,
    /// It waits for a server.
    Waiting,
    /// A server or the cluster itself is at work.
    Working,
    /// Nothing is to be done.
    Quiet,
}

impl Attention {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 6] = [
        Self::Person,
        Self::Look,
        Self::Repairing,
        Self::Waiting,
        Self::Working,
        Self::Quiet,
    ];

    /// In a table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Person => "needs a person",
            Self::Look => "worth a look",
            Self::Repairing => "repairing",
            Self::Waiting => "waiting",
            Self::Working => "at work",
            Self::Quiet => "quiet",
        }
    }
}

/// Where a cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Situation {
    /// It is no cluster of this kind of server.
    NotManaged,
    /// Its state is of another server's making; nobody touches it.
    UnknownState,
    /// Nobody has taken it yet.
    New,
    /// It is being created.
    Creating,
    /// It is complete; the bootstrap VM is being removed.
    Finishing,
    /// Its document went back; it waits until its own status says that it is ready.
    Resuming,
    /// State and record contradict each other: the document went back.
    WentBack,
    /// An original server works on it.
    OriginalAtWork,
    /// It runs.
    Provisioned,
    /// It runs, and is being resized or upgraded.
    Changing,
    /// It runs, and what is asked for breaks a rule.
    EditRefused,
    /// It runs, and an operation gets nowhere.
    Stuck,
    /// It runs, and a component inside complains.
    Complaining,
    /// An attempt failed; what it left is being removed, and another one follows.
    CleaningUp,
    /// It has failed for good; the bootstrap VM is being removed.
    Clearing,
    /// It has failed for good.
    Failed,
    /// It has failed for good; the bootstrap VM is kept for inspection.
    FailedKept,
    /// It has failed with an original server.
    FailedElsewhere,
    /// Its document went back in time; nothing of it is created or removed.
    RolledBack,
    /// An older document was written over its deletion.
    DeletionRolledBack,
    /// Its deletion is asked for; nobody has begun it.
    DeletionAsked,
    /// It is being deleted.
    Deleting,
    /// Its deletion cannot go on.
    DeletionBlocked,
}

/// A cluster that runs, looked at closely.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// What its controllers report; `None` when they have reported nothing.
    pub report: Option<RunningCluster>,
    /// Operations under way, in words; empty when there are none.
    pub under_way: String,
    /// Rules that the request breaks, told by a server or not.
    pub violations: Vec<Violation>,
}

impl Running {
    /// Reads the YAML, too: dear for a whole fleet.
    pub fn read(seen: &ClusterSeen, outlook: &Outlook) -> Self {
        let look = Look {
            now: outlook.now,
            health_check: outlook.health_check,
        };
        let Some(report) = RunningCluster::read(&seen.content) else {
            return Self::default();
        };
        let runs =
            seen.summary.state == ClusterState::Provisioned && !seen.summary.wants_deletion();
        if !runs {
            return Self {
                report: Some(report),
                ..Self::default()
            };
        }
        let facts = Facts::read(&seen.content, &look);
        Self {
            violations: Edit::read(&seen.content, &report).violations,
            under_way: facts.as_ref().map(Facts::situation).unwrap_or_default(),
            report: Some(report),
        }
    }
}

impl Situation {
    /// Where the cluster stands; a running one as far as its errors and counts tell, unless it was looked at
    /// closely.
    pub fn of(seen: &ClusterSeen, running: Option<&Running>) -> Self {
        if !seen.flags.is_vcdke {
            return Self::NotManaged;
        }
        if seen.summary.wants_deletion() {
            return deletion(seen);
        }
        let original = seen
            .holder
            .as_ref()
            .is_some_and(super::cluster::Holder::is_original);
        match seen.summary.state {
            ClusterState::Unknown => Self::UnknownState,
            ClusterState::Unclaimed | ClusterState::Provisioning if original => {
                Self::OriginalAtWork
            }
            ClusterState::Unclaimed => match seen.document.phase {
                ClaimPhase::Pending => Self::New,
                ClaimPhase::Creating | ClaimPhase::Deleting => Self::Creating,
                ClaimPhase::Teardown => finishing(seen),
                ClaimPhase::Done => Self::WentBack,
            },
            ClusterState::Provisioning => match seen.document.phase {
                ClaimPhase::Pending | ClaimPhase::Creating | ClaimPhase::Deleting => Self::Creating,
                ClaimPhase::Teardown => finishing(seen),
                ClaimPhase::Done => Self::WentBack,
            },
            ClusterState::Provisioned => provisioned(seen, running),
            ClusterState::Error => failed(seen),
            // `wants_deletion` has it already.
            ClusterState::Deleting => Self::Deleting,
        }
    }

    /// In a table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotManaged => "not managed",
            Self::UnknownState => "unknown state",
            Self::New => "not taken yet",
            Self::Creating => "creating",
            Self::Finishing => "finishing",
            Self::Resuming => "restoring",
            Self::WentBack => "document went back",
            Self::OriginalAtWork => "original server at work",
            Self::Provisioned => "running",
            Self::Changing => "changing",
            Self::EditRefused => "edit refused",
            Self::Stuck => "stuck",
            Self::Complaining => "running, with errors",
            Self::CleaningUp => "cleaning up",
            Self::Clearing => "failed, clearing",
            Self::Failed => "failed",
            Self::FailedKept => "failed, VM kept",
            Self::FailedElsewhere => "failed at an original server",
            Self::RolledBack => "rolled back",
            Self::DeletionRolledBack => "deletion rolled back",
            Self::DeletionAsked => "deletion asked for",
            Self::Deleting => "deleting",
            Self::DeletionBlocked => "deletion blocked",
        }
    }

    /// How much it wants somebody's attention.
    pub fn attention(self, seen: &ClusterSeen, outlook: &Outlook) -> Attention {
        let attention = match self {
            Self::EditRefused
            | Self::Stuck
            | Self::Failed
            | Self::FailedKept
            | Self::FailedElsewhere
            | Self::RolledBack
            | Self::DeletionRolledBack
            | Self::DeletionBlocked => Attention::Person,
            Self::Complaining if agent_complains(seen) => Attention::Person,
            Self::UnknownState | Self::Resuming | Self::Complaining => Attention::Look,
            Self::WentBack | Self::CleaningUp | Self::Clearing => Attention::Repairing,
            Self::New | Self::DeletionAsked => Attention::Waiting,
            Self::Creating
            | Self::Finishing
            | Self::OriginalAtWork
            | Self::Changing
            | Self::Deleting => Attention::Working,
            Self::Provisioned => Attention::Quiet,
            Self::NotManaged => return Attention::Quiet,
        };
        let is_odd = seen.entity_state == "RESOLUTION_ERROR" || silence(seen, outlook).is_some();
        if is_odd {
            attention.min(Attention::Look)
        } else {
            attention
        }
    }

    /// Since when it has been so, by the dates of the servers' events.
    pub fn since(self, seen: &ClusterSeen) -> Option<Timestamp> {
        let event = |names: &[&str]| seen.last_event(names).and_then(|event| event.at);
        let error = |wanted: &dyn Fn(&Entry) -> bool| {
            let errors = seen.errors.iter().filter(|error| wanted(error));
            errors.filter_map(|error| error.at).max()
        };
        match self {
            Self::NotManaged | Self::UnknownState | Self::New | Self::DeletionAsked => None,
            Self::Creating | Self::OriginalAtWork => {
                event(&["ClusterCreationStarted", "ClusterCreationRetried"])
            }
            Self::Finishing => event(&["ClusterReady"]),
            Self::Resuming | Self::WentBack => event(&[ROLLBACK_DETECTED]),
            Self::Provisioned | Self::Changing => event(&["ClusterProvisioned"]),
            Self::EditRefused => error(&|one| is_ours(&one.name) && one.name != STUCK),
            Self::Stuck => error(&|one| one.name == STUCK),
            Self::Complaining => seen.complaints.iter().filter_map(|one| one.at).max(),
            Self::CleaningUp
            | Self::Clearing
            | Self::Failed
            | Self::FailedKept
            | Self::FailedElsewhere
            | Self::RolledBack
            | Self::DeletionRolledBack
            | Self::DeletionBlocked => error(&|_| true),
            Self::Deleting => event(&["ClusterDeletionStarted"]),
        }
    }
}

/// How long the claim of a cluster at work has not been renewed, where that is longer than any holder may be
/// silent: by the clock of whoever wrote it, so that it is a hint and no proof.
pub fn silence(seen: &ClusterSeen, outlook: &Outlook) -> Option<std::time::Duration> {
    let holder = seen.holder.as_ref()?;
    let at_rest = matches!(
        seen.summary.state,
        ClusterState::Provisioned | ClusterState::Error
    ) && holder.is_original();
    let term = match &seen.summary.claim.heartbeat {
        Some(heartbeat) if heartbeat.hold == Hold::Held => outlook
            .policy
            .takeover
            .max(heartbeat.term.min(outlook.policy.foreign_takeover)),
        Some(_) | None => outlook.policy.foreign_takeover,
    };
    let passed = age(outlook.now, seen.renewed?).unwrap_or_default();
    // Another replica may take a fifth of the term longer.
    (!at_rest && passed > term.mul_f64(1.2)).then_some(passed)
}

/// The phase that the committed bootstrap VM has reached, and whether that phase is over.
pub fn guest_phase(seen: &ClusterSeen) -> Option<(Phase, bool)> {
    let reported = |name: &str| seen.document.reported.iter().any(|told| told == name);
    let mut phases = Phase::ALL.into_iter().rev();
    phases.find_map(|phase| {
        let over = reported(phase.succeeded_event());
        (over || reported(phase.started_event())).then_some((phase, over))
    })
}

fn finishing(seen: &ClusterSeen) -> Situation {
    let newest = seen.last_event(&["ClusterReady", ROLLBACK_DETECTED]);
    match newest {
        Some(event) if event.name == ROLLBACK_DETECTED => Situation::Resuming,
        Some(_) | None => Situation::Finishing,
    }
}

fn failed(seen: &ClusterSeen) -> Situation {
    let phase = seen.document.phase;
    let over = phase != ClaimPhase::Teardown;
    if over && seen.summary.claim.heartbeat.is_none() {
        return Situation::FailedElsewhere;
    }
    if over && seen.has_error(DELETION_ROLLED_BACK) {
        return Situation::DeletionRolledBack;
    }
    if over && seen.document.rollback_reported {
        return Situation::RolledBack;
    }
    match phase {
        ClaimPhase::Teardown if seen.flags.auto_repair => Situation::CleaningUp,
        ClaimPhase::Teardown => Situation::Clearing,
        ClaimPhase::Creating => Situation::Creating,
        ClaimPhase::Pending | ClaimPhase::Done | ClaimPhase::Deleting => {
            if kept_since(&seen.summary).is_some() {
                Situation::FailedKept
            } else {
                Situation::Failed
            }
        }
    }
}

fn deletion(seen: &ClusterSeen) -> Situation {
    let claim = &seen.summary.claim;
    let waits = claim
        .heartbeat
        .as_ref()
        .is_some_and(|heartbeat| heartbeat.hold == Hold::Waiting);
    match seen.document.phase {
        ClaimPhase::Deleting if waits || stands_blocked(seen) => Situation::DeletionBlocked,
        ClaimPhase::Deleting => Situation::Deleting,
        ClaimPhase::Pending | ClaimPhase::Creating | ClaimPhase::Done | ClaimPhase::Teardown => {
            if seen.summary.state == ClusterState::Deleting {
                Situation::Deleting
            } else {
                Situation::DeletionAsked
            }
        }
    }
}

/// Whether the newest thing that was told about a deletion is that it cannot go on.
fn stands_blocked(seen: &ClusterSeen) -> bool {
    let newest = seen.events.last();
    !seen.errors.is_empty() && newest.is_some_and(|event| event.name == "ClusterDeletionBlocked")
}

fn provisioned(seen: &ClusterSeen, running: Option<&Running>) -> Situation {
    let refused = seen
        .errors
        .iter()
        .any(|error| is_ours(&error.name) && error.name != STUCK);
    let violated = running.is_some_and(|running| !running.violations.is_empty());
    if refused || violated {
        return Situation::EditRefused;
    }
    if seen.has_error(STUCK) {
        return Situation::Stuck;
    }
    let changing = running.map_or_else(
        || seems_to_change(seen),
        |running| !running.under_way.is_empty(),
    );
    if agent_complains(seen) {
        Situation::Complaining
    } else if changing {
        Situation::Changing
    } else if seen.complaints.iter().any(|one| one.name != USUAL) {
        Situation::Complaining
    } else {
        Situation::Provisioned
    }
}

/// Whether somebody follows an operation, or the counts of nodes differ.
fn seems_to_change(seen: &ClusterSeen) -> bool {
    let followed = seen
        .holder
        .as_ref()
        .is_some_and(|holder| !holder.is_original());
    let report = seen.content.get("status").and_then(|at| at.get("capvcd"));
    let report = report.unwrap_or(&Value::Null);
    let upgrading = value_at(report, &["upgrade", "ready"]) == Some(&Value::Bool(false));
    followed || upgrading
}

fn agent_complains(seen: &ClusterSeen) -> bool {
    seen.complaints
        .iter()
        .any(|one| one.source == Source::Agent)
}
