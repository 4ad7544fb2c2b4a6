//! One run of a workflow: with nothing wrong, or with what an experiment lets go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::history;
use serde_json::{Map, Value};

use super::end::{End, end_of};
use super::experiment::{Experiment, Strike};
use super::fault::{Fault, PAUSE, RESTART};
use super::is_watched;
use super::rates::Rates;
use super::workflow::{Deed, Workflow};
use crate::stage::{configure, urn};
use crate::support::fleet::{Fleet, Saved};

/// Longest life of a run.
const LIMIT: Duration = Duration::from_hours(2);
/// How long everything is looked at closely.
const BEGINNING: Duration = Duration::from_secs(10);
/// How long the end has to last.
const SETTLING: Duration = Duration::from_secs(30);
/// Calls before the first turn that belong to it.
const BEFORE_TURN: usize = 3;

/// What a run was like.
pub(super) struct Lived {
    /// Calls of `a`.
    pub(super) calls: Vec<String>,
    /// To each of them how many of `b` there were before.
    pub(super) beside: Vec<usize>,
    /// Calls of `b`.
    pub(super) others: Vec<String>,
    /// The first call of `a` that the workflow is about.
    pub(super) from: usize,
    pub(super) end: End,
    pub(super) violations: Vec<String>,
    pub(super) context: String,
    /// How many of the faults struck and made a difference.
    pub(super) strikes: u64,
    /// From the last fault, or else the start, to the end.
    pub(super) after_fault: Duration,
    pub(super) took: Duration,
    pub(super) rates: Rates,
}

struct Run<'a> {
    workflow: &'a Workflow,
    experiment: Option<Experiment>,
    fleet: Fleet,
    first: Map<String, Value>,
    begun: Moment,
    struck: Option<Moment>,
    strikes: u64,
    turn: usize,
    from: Option<usize>,
    /// Faults at which a replica stops, and none has yet.
    holds: Vec<Strike>,
    /// Who stands still, and since when.
    still: BTreeMap<&'static str, Moment>,
    /// Whether `a` runs.
    runs: bool,
    stands_by: bool,
}

/// Lives through it.
pub(super) async fn live(
    workflow: &Workflow,
    saved: &Saved,
    experiment: Option<Experiment>,
) -> Lived {
    let mut fleet = Fleet::resume(saved);
    // Nobody draws what the replica of the preparation drew.
    fleet.seed += 500;
    // The runs are compared by the second: VCD and guests take as long in each of them.
    fleet.world().timings_mut().spread = 0;
    if let Some((invariant, why)) = workflow.excused {
        fleet.excuse(invariant, why);
    }
    fleet.what = format!("{}, {experiment:?}", workflow.name);
    if let Some(one) = experiment {
        one.arm(&fleet);
    }
    let first = fleet.content(urn(&fleet));
    fleet.start("a");
    let mut run = Run {
        workflow,
        experiment,
        begun: fleet.clock.now(),
        first,
        fleet,
        struck: None,
        strikes: 0,
        turn: 0,
        from: None,
        holds: experiment.map_or_else(Vec::new, |one| {
            let all = one.strikes();
            all.filter(|strike| strike.fault.holds()).collect()
        }),
        still: BTreeMap::new(),
        runs: true,
        stands_by: false,
    };
    run.until_over().await
}

impl Run<'_> {
    async fn until_over(&mut self) -> Lived {
        let end = self.begun.plus(LIMIT);
        let mut over = false;
        while !over && self.fleet.clock.now() < end {
            self.fleet.pass_time(self.pace()).await;
            self.look().await;
            over = self.is_over();
        }
        let mut violations = Vec::new();
        if !over {
            violations.push("it never ends".to_owned());
        }
        let calls = self.fleet.snares.calls("a").len();
        let ended = self.fleet.clock.now();
        let settled = ended.plus(SETTLING);
        while over && self.fleet.clock.now() < settled {
            self.fleet.pass_time(Duration::from_secs(5)).await;
            if !(self.workflow.over)(&self.fleet) {
                violations.push("it does not stay as it is at the end".to_owned());
                break;
            }
        }
        self.lived(calls, ended, violations)
    }

    /// Small steps where something is about to happen.
    fn pace(&self) -> Duration {
        let age = self.fleet.clock.now().since(self.begun);
        if age > BEGINNING {
            self.workflow.step
        } else {
            Duration::from_secs(1)
        }
    }

    async fn look(&mut self) {
        let now = self.fleet.clock.now();
        if !self.stands_by && now.since(self.begun) >= self.workflow.standby {
            self.fleet.start("b");
            self.stands_by = true;
        }
        let strikes = Experiment::struck(&self.fleet);
        if strikes > self.strikes {
            self.strikes = strikes;
            self.struck = Some(now);
        }
        self.rescue(now).await;
        self.take_turn().await;
    }

    /// Kills who stops where it is to crash, and lets go on who has paused.
    async fn rescue(&mut self, now: Moment) {
        let Some(one) = self.experiment else { return };
        for name in ["a", "b"] {
            if !self.fleet.is_frozen(name) {
                continue;
            }
            if let Some(since) = self.still.get(name) {
                if now.since(*since) >= PAUSE {
                    self.fleet.freeze(name, false);
                    self.still.remove(name);
                }
                continue;
            }
            let at = self.holds.iter().position(|strike| strike.by == name);
            let strike = self.holds.remove(at.unwrap());
            if !strike.fault.is_crash() {
                self.still.insert(name, now);
                continue;
            }
            self.fleet.kill(name).await;
            let restarts = one.restarts(strike);
            if restarts {
                self.fleet.pass_time(RESTART).await;
                self.fleet.start(name);
            }
            self.runs = if name == "a" { restarts } else { self.runs };
        }
    }

    async fn take_turn(&mut self) {
        let Some(turn) = self.workflow.turns.get(self.turn) else {
            return;
        };
        if !(turn.when)(&self.fleet) {
            return;
        }
        self.turn += 1;
        let calls = self.fleet.snares.calls("a").len();
        self.from.get_or_insert(calls.saturating_sub(BEFORE_TURN));
        match turn.deed {
            Deed::Drain if self.runs => self.fleet.ask_to_stop("a"),
            Deed::Restart if self.runs && !self.fleet.is_frozen("a") => {
                self.fleet.kill("a").await;
                self.fleet.pass_time(RESTART).await;
                self.fleet.start("a");
            }
            Deed::Drain | Deed::Restart => {}
            Deed::Change(change) => change(&self.fleet),
            Deed::Restore => {
                let first = self.first.clone();
                self.fleet
                    .change(urn(&self.fleet), |content| *content = first);
            }
            Deed::Configure => configure(&self.fleet, 40, false).await,
        }
    }

    fn is_over(&self) -> bool {
        let turns = self.turn == self.workflow.turns.len();
        self.still.is_empty() && turns && (self.workflow.over)(&self.fleet)
    }

    fn lived(&self, calls: usize, ended: Moment, mut violations: Vec<String>) -> Lived {
        let fleet = &self.fleet;
        for (name, holds) in self.workflow.truths {
            if !holds(fleet) {
                violations.push(format!("not true: {name}"));
            }
        }
        violations.extend(fleet.verdicts());
        let differs = |one: Experiment| one.first.fault != Fault::Stale;
        if self.experiment.is_some_and(differs) && self.strikes == 0 {
            violations.push("the fault never struck".to_owned());
        }
        let lines = fleet.journal.lines();
        let mut sent = fleet.snares.calls("a");
        sent.truncate(calls);
        Lived {
            calls: sent,
            beside: fleet.snares.beside("a"),
            others: fleet.snares.calls("b"),
            from: self.from.unwrap_or(0),
            end: end_of(fleet, &told(fleet), self.workflow),
            violations,
            context: if is_watched() {
                format!("{}\n{}", lines.join("\n"), fleet.context())
            } else {
                fleet.context()
            },
            strikes: self.strikes,
            after_fault: ended.since(self.struck.unwrap_or(self.begun)),
            took: ended.since(self.begun),
            rates: Rates::of(&lines),
        }
    }
}

/// Names of all entries of the document when it was last there, however short that was.
fn told(fleet: &Fleet) -> Vec<String> {
    let world = fleet.world();
    let written = world.history().entries().filter_map(|entry| {
        let history::Deed::Written(written) = &entry.deed else {
            return None;
        };
        (written.entity == urn(fleet)).then_some(&written.look)
    });
    let last = written.last();
    let names = last.into_iter().flat_map(|look| look.told());
    names.map(str::to_owned).collect()
}
