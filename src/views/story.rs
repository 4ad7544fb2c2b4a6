//! What has happened to a cluster, as its servers told it: one line per step, the newest last.
//!
//! The phases of a bootstrap VM are drawn together into one line with the time each of them took.
//!
//! Invariants:
//! - At most [`MOST_STEPS`] lines, the newest; those left out are counted.

use jiff::Timestamp;
use serde::Serialize;

use super::cluster::ClusterSeen;
use super::timeline::{Entry, Kind};
use super::words::{age, printable, span};
use crate::domain::phase::Phase;

/// Most lines of a story.
const MOST_STEPS: usize = 24;
/// Longest line, in characters.
const MOST_CHARS: usize = 400;
/// Longest part of an error, which is told in full elsewhere.
const MOST_ERROR: usize = 100;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When it began, by the clock of the server that told it.
    pub at: Option<Timestamp>,
    /// A sentence.
    pub text: String,
}

/// What has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Story {
    /// Older steps that are not told.
    pub left_out: usize,
    /// The steps, the newest last.
    pub steps: Vec<Step>,
}

/// The phases of one bootstrap VM.
#[derive(Debug, Default)]
struct Run {
    vm: String,
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
    phases: Vec<(Phase, Option<Timestamp>, Option<Timestamp>)>,
}

/// The story of a cluster as seen at `now`.
pub fn tell(seen: &ClusterSeen, now: Timestamp) -> Story {
    let mut entries: Vec<&Entry> = seen.events.iter().chain(&seen.errors).collect();
    entries.sort_by_key(|entry| entry.at);
    let mut steps = Vec::new();
    let mut run = Run::default();
    for entry in entries {
        if let Some((phase, over)) = phase_of(entry) {
            if !run.phases.is_empty() && run.vm != entry.resource_id {
                steps.push(std::mem::take(&mut run).step(None));
            }
            run.note(entry, phase, over);
            continue;
        }
        if !run.phases.is_empty() {
            let failed = entry.name == "ClusterCreationFailed" || entry.kind == Kind::Error;
            let until = entry.at.filter(|_| failed);
            steps.push(std::mem::take(&mut run).step(until));
        }
        steps.push(step_of(entry));
    }
    if !run.phases.is_empty() {
        let at_work = run.vm == committed_vm(seen);
        steps.push(run.step(Some(now).filter(|_| at_work)));
    }
    // The same error about several things is one step.
    steps.dedup();
    let left_out = steps.len().saturating_sub(MOST_STEPS);
    steps.drain(..left_out);
    Story { left_out, steps }
}

/// When the phase that the bootstrap VM is in began.
pub fn phase_began(seen: &ClusterSeen, phase: Phase) -> Option<Timestamp> {
    let vm = committed_vm(seen);
    let mut newest = seen.events.iter().rev();
    let began = |event: &&Entry| event.name == phase.started_event() && event.resource_id == vm;
    newest.find(began)?.at
}

fn committed_vm(seen: &ClusterSeen) -> &str {
    let vm = seen.document.committed_vm.as_ref();
    vm.map_or("none", crate::domain::ids::VmId::as_str)
}

fn phase_of(entry: &Entry) -> Option<(Phase, bool)> {
    Phase::ALL.into_iter().find_map(|phase| {
        if entry.name == phase.started_event() {
            Some((phase, false))
        } else {
            (entry.name == phase.succeeded_event()).then_some((phase, true))
        }
    })
}

fn step_of(entry: &Entry) -> Step {
    let text = match entry.kind {
        Kind::Event if !entry.detail.is_empty() => entry.detail.clone(),
        Kind::Event => format!("{}.", entry.name),
        Kind::Error => format!(
            "Error {}: {}",
            entry.name,
            printable(&entry.detail, MOST_ERROR)
        ),
    };
    Step {
        at: entry.at,
        text: printable(&text, MOST_CHARS),
    }
}

impl Run {
    fn note(&mut self, entry: &Entry, phase: Phase, over: bool) {
        if self.phases.is_empty() {
            self.vm.clone_from(&entry.resource_id);
            self.begun = entry.at;
        }
        self.ended = entry.at.or(self.ended);
        match self.phases.iter_mut().find(|(known, ..)| *known == phase) {
            Some(known) if over => known.2 = entry.at,
            Some(known) => known.1 = entry.at,
            None if over => self.phases.push((phase, None, entry.at)),
            None => self.phases.push((phase, entry.at, None)),
        }
    }

    /// `until`: when a phase that is not over ended, or now.
    fn step(self, until: Option<Timestamp>) -> Step {
        let passed = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let (from, to) = (from?, to?);
            age(to, from).ok().map(span)
        };
        let told = |(phase, from, to): &(Phase, Option<Timestamp>, Option<Timestamp>)| {
            let name = phase.name();
            match (to, until) {
                (Some(_), _) => match passed(*from, *to) {
                    Some(time) => format!("{name} {time}"),
                    None => format!("{name} done"),
                },
                (None, Some(until)) => match passed(*from, Some(until)) {
                    Some(time) => format!("{name} not over after {time}"),
                    None => format!("{name} not over"),
                },
                (None, None) => format!("{name} not over"),
            }
        };
        let phases: Vec<String> = self.phases.iter().map(told).collect();
        let total = passed(self.begun, until.or(self.ended));
        let total = total.map_or_else(String::new, |time| format!(" ({time} in all)"));
        Step {
            at: self.begun,
            text: format!("Bootstrap phases: {}{total}.", phases.join(", ")),
        }
    }
}
