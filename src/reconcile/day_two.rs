//! A cluster that runs: is what is asked for allowed, how far has it come, does it get anywhere?
//!
//! Flow: `poll` asks [`Facts::need_work`] of a listed cluster that changed; whoever then holds it
//! lets [`step`] decide: report, wait for progress, or let go.
//!
//! Invariants:
//! - Nothing is applied here: an agent inside the cluster does that, with every server down too.
//! - `state` stays `provisioned` whatever goes wrong: another one would make clients refuse the very
//!   edit that helps.
//! - The event and error sets of the document are the only memory: the same document has the same
//!   answer, whoever asks. What a client rolls back is told again while it is true, never acted on.
//! - A cluster that breaks a rule or is stuck is let go once that is told, and looked at again when
//!   its document changes.
//!
//! Not here: the rules of edits (`domain::edit`), what is written how (`controller::day_two`).
//! Source: `status.capvcd` as CAPVCD fills it, with a lag of up to ten minutes.

mod cause;
mod health_check;
mod pools;
mod told;
mod upgrade;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use self::health_check::HealthCheck;
pub use self::health_check::rewritten;
use self::told::Told;
use super::decision::{Change, Decision, WaitReason};
use super::policy::Policy;
use crate::domain::cluster::{ClusterFlags, ClusterSpec, MachineTemplate};
use crate::domain::edit::{Edit, RunningCluster, Violation};
use crate::domain::server_config::NodeHealthCheck;

/// Name of the error that says that an operation gets nowhere.
const STUCK: &str = "ClusterChangeStuck";
/// What the error says behind the situation it is about.
const NO_PROGRESS: &str = ": no progress for ";
/// After so long a new cluster has settled: its status may lag behind for ten minutes or more.
const SETTLING: Duration = Duration::from_mins(30);
/// Most errors about one cluster: the set is a window, and other errors have to find room in it.
const MOST_ERRORS: usize = 10;
/// Longest text of an event or error, in characters; below what the document's window cuts off, so that
/// a text is recognised when it is read back.
const MOST_CHARS: usize = 900;

/// From where a cluster is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Time of day, to tell a cluster that was just finished.
    pub now: Timestamp,
    /// Limits that running clusters with a health check are to have; `None` leaves them alone.
    pub health_check: Option<NodeHealthCheck>,
}

/// What a running cluster's document says.
#[derive(Clone, Debug)]
pub struct Facts {
    spec: Option<ClusterSpec>,
    violations: Vec<Violation>,
    running: RunningCluster,
    told: Told,
    health_check: HealthCheck,
    /// Finished so recently that its status may still show it being built.
    settling: bool,
    complaints: Vec<cause::Complaint>,
}

/// One look at a running cluster: the part of an observation that is about it.
#[derive(Clone, Debug)]
pub struct RunningSeen {
    /// What its document says; `None` when its controllers have reported nothing.
    pub facts: Option<Facts>,
    /// How long the situation has been the same, as seen by this holder.
    pub stalled_for: Duration,
    /// How long ago this holder began, or last told of progress.
    pub since_report: Duration,
    /// How long the controllers have written nothing, as seen by this holder.
    pub silent_for: Duration,
    /// Templates that were looked for in vain; `None` when nobody looked.
    pub missing_templates: Option<Vec<String>>,
    /// Why VCD refuses the author's token, if it was tried and does.
    pub token_refused: Option<String>,
}

/// A line for the tenant, in `eventSet` or `errorSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Stable name.
    pub name: &'static str,
    /// Pool or version it is about; may be empty.
    pub about: String,
    /// A sentence.
    pub detail: String,
}

impl Note {
    fn new(name: &'static str, about: &str, detail: &str) -> Self {
        Self {
            name,
            about: about.to_owned(),
            detail: clip(detail, MOST_CHARS),
        }
    }
}

/// The beginning of a text, without what could break a line of a log.
fn clip(text: &str, chars: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(chars)
        .collect()
}

/// What is written into the document of a running cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events to add.
    pub events: Vec<Note>,
    /// All errors about running clusters there shall be; `None` when they are right as they stand.
    pub errors: Option<Vec<Note>>,
    /// New limits for its health check.
    pub health_check: Option<NodeHealthCheck>,
    /// Nothing is left to be followed: the claim goes with this write.
    pub release: bool,
}

impl Report {
    const fn says_nothing(&self) -> bool {
        self.events.is_empty() && self.errors.is_none() && self.health_check.is_none()
    }
}

/// Whether an error of that name is one of [`Report::errors`].
pub fn is_ours(name: &str) -> bool {
    name == STUCK || Violation::NAMES.contains(&name)
}

/// An operation under way, or an event due, as the parts find them.
#[derive(Debug, Default)]
struct Findings {
    events: Vec<Note>,
    /// Operations under way in words, with counts: progress changes them.
    under_way: Vec<String>,
    /// Something asked for has not reached the cluster yet.
    unapplied: bool,
}

impl Facts {
    /// Reads the content of a provisioned cluster's entity; `None` when its controllers have reported
    /// nothing, or when it is to be deleted.
    pub fn read(content: &Map<String, Value>, look: &Look) -> Option<Self> {
        if ClusterFlags::read(content).mark_for_delete {
            return None;
        }
        let running = RunningCluster::read(content)?;
        let Edit { spec, violations } = Edit::read(content, &running);
        let told = Told::read(content);
        Some(Self {
            health_check: HealthCheck::read(spec.as_ref(), look.health_check),
            settling: told.is_new(look.now, SETTLING),
            complaints: cause::complaints(content),
            spec,
            violations,
            running,
            told,
        })
    }

    /// Whether somebody has to take the cluster: to write something down, or to follow an operation.
    pub fn need_work(&self) -> bool {
        let plan = Plan::of(self, &Ages::default());
        plan.follow || !plan.report.says_nothing()
    }

    /// What is under way, in words that change with every progress.
    pub fn situation(&self) -> String {
        self.findings(&[], &Ages::default()).under_way.join("; ")
    }

    /// Templates of an upgrade that has not reached the cluster yet, with the pools that name them.
    pub fn awaited_templates(&self) -> Vec<(&str, &MachineTemplate)> {
        let Some(spec) = &self.spec else {
            return Vec::new();
        };
        if self.running.version.as_ref() == Some(&spec.kubernetes_version) {
            return Vec::new();
        }
        let pools = spec.pools.iter();
        let workers = pools.map(|pool| (pool.name.as_str(), &pool.template));
        std::iter::once((pools::control_plane_name(spec), &spec.control_plane))
            .chain(workers)
            .collect()
    }

    /// Every rule that is broken, those only VCD can tell included.
    fn broken(&self, missing: Option<&[String]>) -> Vec<Violation> {
        let mut broken = self.violations.clone();
        for (owner, machine) in self.awaited_templates() {
            let violation = Violation::template_missing(owner, &machine.catalog, &machine.template);
            let is_missing = match missing {
                Some(missing) => missing.contains(&machine.template),
                // Nobody looked: what was found the last time holds.
                None => self.told.has_error(&note_of(&violation)),
            };
            if is_missing {
                broken.push(violation);
            }
        }
        broken
    }

    fn findings(&self, broken: &[Violation], ages: &Ages<'_>) -> Findings {
        let mut findings = Findings::default();
        // An edit that breaks a rule is not followed: what comes of it is not what was asked for.
        if let Some(spec) = self.spec.as_ref().filter(|_| broken.is_empty()) {
            let upgrading = upgrade::find(self, spec, ages, &mut findings);
            pools::find(self, (spec, upgrading), ages, &mut findings);
        }
        findings
    }
}

/// What depends on the holder: how long it has seen what, and what it has found out.
#[derive(Debug, Default)]
struct Ages<'a> {
    /// The operation gets nowhere.
    stalled: Option<Duration>,
    /// It is time to tell of progress.
    may_report: bool,
    silent_for: Duration,
    missing_templates: Option<&'a [String]>,
    token_refused: Option<&'a str>,
}

/// What there is to write, and whether the cluster is to be followed further.
struct Plan {
    report: Report,
    follow: bool,
}

impl Plan {
    fn of(facts: &Facts, ages: &Ages<'_>) -> Self {
        let broken = facts.broken(ages.missing_templates);
        let findings = facts.findings(&broken, ages);
        let mut wanted: Vec<Note> = Vec::new();
        for note in broken.iter().map(note_of) {
            if wanted.len() < MOST_ERRORS && !wanted.contains(&note) {
                wanted.push(note);
            }
        }
        let situation = findings.under_way.join("; ");
        let stuck = stuck(facts, (&situation, findings.unapplied), ages);
        let follow = !situation.is_empty() && stuck.is_none();
        wanted.extend(stuck);
        let limits = facts.health_check.new_limits();
        let mut report = Report {
            events: findings.events,
            errors: (!facts.told.has_exactly(&wanted)).then_some(wanted),
            // What breaks a rule is left as its author wrote it.
            health_check: limits.filter(|_| broken.is_empty()),
            release: !follow,
        };
        let tells = !report.says_nothing();
        let about_checks =
            facts
                .health_check
                .events(&facts.told, report.health_check.as_ref(), tells);
        report.events.extend(about_checks);
        Self { report, follow }
    }
}

/// The error that an operation gets nowhere: newly found, or told before of this very situation.
fn stuck(facts: &Facts, (situation, unapplied): (&str, bool), ages: &Ages<'_>) -> Option<Note> {
    if situation.is_empty() {
        return None;
    }
    let situation = clip(situation, MOST_CHARS / 2);
    let beginning = format!("{situation}{NO_PROGRESS}");
    if let Some(known) = facts.told.error_beginning(STUCK, &beginning) {
        return Some(known);
    }
    let minutes = ages.stalled?.as_secs() / 60;
    let cause = cause::most_specific(&facts.complaints, unapplied, ages);
    let detail = format!("{beginning}{minutes} minutes. {cause}");
    Some(Note::new(STUCK, "", &detail))
}

fn note_of(violation: &Violation) -> Note {
    let detail = format!("The request breaks a rule: {violation}.");
    Note::new(
        violation.name(),
        violation.pool().unwrap_or_default(),
        &detail,
    )
}

/// Chooses the next step for a cluster that runs and that this replica holds.
pub(super) fn step(seen: &RunningSeen, policy: &Policy) -> Decision {
    let nothing_left = Report {
        release: true,
        ..Report::default()
    };
    let Some(facts) = &seen.facts else {
        return Decision::Commit(Change::ReportRunning(nothing_left));
    };
    let stalled = seen.stalled_for >= policy.change_deadline;
    let ages = Ages {
        stalled: stalled.then_some(policy.change_deadline),
        may_report: seen.since_report >= policy.progress_pause,
        silent_for: seen.silent_for,
        missing_templates: seen.missing_templates.as_deref(),
        token_refused: seen.token_refused.as_deref(),
    };
    let plan = Plan::of(facts, &ages);
    if plan.follow && plan.report.says_nothing() {
        return Decision::Wait {
            on: WaitReason::ClusterChange,
            recheck_in: policy.heartbeat,
        };
    }
    Decision::Commit(Change::ReportRunning(plan.report))
}

#[cfg(test)]
mod tests;
