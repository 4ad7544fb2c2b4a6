//! One run of a workflow: with nothing wrong, or with one fault at one call of replica `a`.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::Moment;
use serde_json::{Map, Value};

use super::end::{End, end_of};
use super::fault::Fault;
use super::workflow::{Deed, Workflow};
use crate::stage::{configure, urn};
use crate::support::fleet::{Fleet, Saved};

/// Longest life of a run.
const LIMIT: Duration = Duration::from_hours(2);
/// How long everything is looked at closely.
const BEGINNING: Duration = Duration::from_secs(10);
/// Longer than any claim lives on: the term, its jitter, the polls until it is seen.
const PAUSE: Duration = Duration::from_secs(245);
/// As long as a process needs to be started again.
const RESTART: Duration = Duration::from_secs(2);
/// How long the end has to last.
const SETTLING: Duration = Duration::from_secs(30);
/// Requests in ten seconds beyond those of the clean run that are no frenzy: a deletion that goes wrong
/// looks everything up again, a dozen requests each time, after one, two and four seconds.
const HASTE: usize = 50;
/// Calls before the first turn that belong to it.
const BEFORE_TURN: usize = 3;

/// A fault at a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Experiment {
    pub(super) call: usize,
    pub(super) fault: Fault,
}

/// What a run was like.
pub(super) struct Lived {
    /// Calls of `a`.
    pub(super) calls: Vec<String>,
    /// The first one that the workflow is about.
    pub(super) from: usize,
    pub(super) end: End,
    pub(super) violations: Vec<String>,
    pub(super) context: String,
    /// The fault made no difference.
    pub(super) void: bool,
    /// From the fault, or else the start, to the end.
    pub(super) after_fault: Duration,
    took: Duration,
    /// Most requests of one replica in ten seconds.
    busiest: usize,
    failed: usize,
}

impl Lived {
    /// Whether it took too long, or asked too often.
    pub(super) fn haste(&self, clean: &Self, fault: Fault, standby: Duration) -> Vec<String> {
        let mut wrong = Vec::new();
        let limit = clean.took + fault.costs() + standby;
        if self.took > limit {
            wrong.push(format!("it took {:?} and not {limit:?}", self.took));
        }
        if self.busiest > clean.busiest + HASTE {
            wrong.push(format!(
                "{} requests in ten seconds, where {} are enough",
                self.busiest, clean.busiest
            ));
        }
        if self.failed > clean.failed + HASTE {
            wrong.push(format!("{} requests failed after one fault", self.failed));
        }
        wrong
    }
}

/// What becomes of a replica that was stopped at a call.
#[derive(Clone, Copy, PartialEq)]
enum Rescue {
    Waiting,
    Still(Moment),
    Over,
}

struct Run<'a> {
    workflow: &'a Workflow,
    experiment: Option<Experiment>,
    fleet: Fleet,
    first: Map<String, Value>,
    begun: Moment,
    struck: Option<Moment>,
    turn: usize,
    from: Option<usize>,
    rescue: Rescue,
    /// Whether `a` runs.
    runs: bool,
    stands_by: bool,
    /// Entries of the document when it was last there.
    told: Vec<String>,
    revision: Option<u64>,
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
    if let Some((invariant, why)) = workflow.excused {
        fleet.excuse(invariant, why);
    }
    fleet.what = format!("{}, {experiment:?}", workflow.name);
    if let Some(one) = experiment {
        one.fault.arm(&fleet, one.call.try_into().unwrap());
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
        turn: 0,
        from: None,
        rescue: Rescue::Waiting,
        runs: true,
        stands_by: false,
        told: Vec::new(),
        revision: None,
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
        let (calls, ended) = (self.fleet.snares.calls("a"), self.fleet.clock.now());
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
        if self.experiment.is_some() && self.struck.is_none() && Fault::struck(&self.fleet) {
            self.struck = Some(now);
        }
        self.rescue(now).await;
        self.take_turn().await;
        let revision = {
            let world = self.fleet.world();
            let mut all = world.revisions();
            all.find(|(name, _)| *name == urn(&self.fleet))
                .map(|(_, revision)| revision)
        };
        if revision.is_some() && revision != self.revision {
            self.told = told(&self.fleet.content(urn(&self.fleet)));
            self.revision = revision;
        }
    }

    async fn rescue(&mut self, now: Moment) {
        let Some(one) = self.experiment else { return };
        match self.rescue {
            Rescue::Waiting if self.fleet.is_frozen("a") && one.fault.is_crash() => {
                self.fleet.kill("a").await;
                self.runs = false;
                self.rescue = Rescue::Over;
                // In every second run somebody else has to wait until the claim has run out.
                if (one.call + usize::from(one.fault == Fault::CrashAfter)) % 2 == 0 {
                    self.fleet.pass_time(RESTART).await;
                    self.fleet.start("a");
                    self.runs = true;
                }
            }
            Rescue::Waiting if self.fleet.is_frozen("a") => self.rescue = Rescue::Still(now),
            Rescue::Still(since) if now.since(since) >= PAUSE => {
                self.fleet.freeze("a", false);
                self.rescue = Rescue::Over;
            }
            Rescue::Waiting | Rescue::Still(_) | Rescue::Over => {}
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
        let paused = matches!(self.rescue, Rescue::Still(_));
        let turns = self.turn == self.workflow.turns.len();
        !paused && turns && (self.workflow.over)(&self.fleet)
    }

    fn lived(&self, calls: Vec<String>, ended: Moment, mut violations: Vec<String>) -> Lived {
        let fleet = &self.fleet;
        for (name, holds) in self.workflow.truths {
            if !holds(fleet) {
                violations.push(format!("not true: {name}"));
            }
        }
        violations.extend(fleet.verdicts());
        let void = self
            .experiment
            .is_some_and(|one| one.fault == Fault::Stale && self.struck.is_none());
        if self.experiment.is_some() && self.struck.is_none() && !void {
            violations.push("the fault never struck".to_owned());
        }
        let (busiest, failed) = requests(&fleet.journal.lines());
        Lived {
            calls,
            from: self.from.unwrap_or(0),
            end: end_of(fleet, &self.told, self.workflow),
            violations,
            context: if std::env::var("CONVERGENCE_ONLY").is_ok() {
                format!("{}\n{}", fleet.journal.lines().join("\n"), fleet.context())
            } else {
                fleet.context()
            },
            void,
            after_fault: ended.since(self.struck.unwrap_or(self.begun)),
            took: ended.since(self.begun),
            busiest,
            failed,
        }
    }
}

/// Names of all entries of a document.
fn told(content: &Map<String, Value>) -> Vec<String> {
    let own = content.get("status").map(|status| &status["vcdKe"]);
    let sets = ["eventSet", "errorSet"]
        .into_iter()
        .filter_map(|set| own?[set].as_array());
    let names = sets.flatten().filter_map(|entry| entry["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Most requests of one replica in ten seconds, and how many failed in all.
fn requests(lines: &[String]) -> (usize, usize) {
    let mut of: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut failed = 0;
    for line in lines {
        let mut words = line.split(' ');
        let at: u64 = words.next().and_then(|at| at.parse().ok()).unwrap_or(0);
        of.entry(words.next().unwrap_or_default())
            .or_default()
            .push(at);
        let outcome = line.rsplit("-> ").next().unwrap_or_default();
        failed += usize::from(!outcome.starts_with('2'));
    }
    let mut busiest = 0;
    for moments in of.values() {
        let mut oldest = 0;
        for (newest, at) in moments.iter().enumerate() {
            while moments[oldest] + 10_000 < *at {
                oldest += 1;
            }
            busiest = busiest.max(newest - oldest + 1);
        }
    }
    (busiest, failed)
}
