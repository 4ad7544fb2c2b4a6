//! Whether a run with faults was as good as the one without.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use super::end;
use super::experiment::Experiment;
use super::fault::Fault;
use super::is_watched;
use super::rates::Rates;
use super::run::{Lived, live};
use super::workflow::Workflow;
use crate::effort::on_virtual_time;
use crate::figures;
use crate::support::fleet::Saved;

/// Failures shown in full.
const SHOWN: usize = 3;
/// Requests of one replica in any minute beyond those of the busiest minute of the clean run. Source:
/// reliability-performance, B.4: no hot loop, at most one request a second per cluster while it fails.
const MINUTE: usize = 60;
/// The same in ten seconds: one a second, and for each fault two looks at everything that a cluster has, 15
/// requests each, after one and after two seconds.
const TEN_SECONDS: (usize, usize) = (10, 30);
/// Requests that fail for each fault: the fault itself or five of it, and three in each look for what is gone,
/// as often as it is looked for in two minutes of recovery.
const FAILED: usize = 20;

/// A workflow with its beginning and its life without faults.
pub(super) struct Site {
    pub(super) workflow: &'static Workflow,
    pub(super) saved: Saved,
    pub(super) clean: Lived,
}

/// What a run was like, compared with the clean one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ran {
    pub(super) strikes: u64,
    pub(super) after_fault: Duration,
    pub(super) delay: Duration,
    beyond: Rates,
}

/// Each experiment with what became of it: figures, or words.
pub(super) type Outcomes = Vec<(Experiment, Result<Ran, String>)>;

impl Site {
    /// Lives through it without faults, which has to end well.
    pub(super) fn of(workflow: &'static Workflow) -> Self {
        let saved = (workflow.prepare)();
        let clean = attempt(workflow, &saved, None).unwrap_or_else(|text| panic!("{text}"));
        assert!(
            clean.violations.is_empty(),
            "{} without faults: {:#?}\n{}",
            workflow.name,
            clean.violations,
            clean.context
        );
        let writes = |call: &&String| *call == "PUT /cloudapi/1.0.0/entities/{id}";
        let written = clean.calls.iter().skip(clean.from).filter(writes).count();
        assert!(written > 0, "a did nothing of it\n{}", clean.context);
        Self {
            workflow,
            saved,
            clean,
        }
    }

    /// One experiment and its comparison with the clean run; what is wrong, with the way to see it `again`.
    pub(super) fn judged(&self, one: Experiment, again: &str) -> Result<Ran, String> {
        self.lived(one, again).map(|(ran, _)| ran)
    }

    /// The same, and all of it.
    pub(super) fn lived(&self, one: Experiment, again: &str) -> Result<(Ran, Lived), String> {
        let again = format!("{}\n{again}", one.name(self.workflow));
        let lived = attempt(self.workflow, &self.saved, Some(one));
        let mut lived = lived.map_err(|text| format!("{again}\n{text}"))?;
        let mut wrong = std::mem::take(&mut lived.violations);
        wrong.extend(end::differences(&self.clean.end, &lived.end));
        wrong.extend(self.haste(&lived, one));
        if is_watched() {
            println!("{}\n{again}\n{:#?}", lived.context, wrong);
        }
        let ran = Ran {
            strikes: lived.strikes,
            after_fault: lived.after_fault,
            delay: lived.took.saturating_sub(self.clean.took),
            beyond: lived.rates.beyond(self.clean.rates),
        };
        note(one, ran, !wrong.is_empty());
        if wrong.is_empty() {
            Ok((ran, lived))
        } else {
            Err(format!("{again}\n{wrong:#?}\n{}", lived.context))
        }
    }

    /// Whether it took too long, or asked too often.
    fn haste(&self, lived: &Lived, one: Experiment) -> Vec<String> {
        let clean = &self.clean;
        let mut wrong = Vec::new();
        let limit = clean.took + one.costs(self.workflow);
        if lived.took > limit {
            wrong.push(format!("it took {:?} and not {limit:?}", lived.took));
        }
        let faults = one.strikes().count();
        let beyond = lived.rates.beyond(clean.rates);
        let (rates, enough) = (lived.rates, clean.rates);
        let bounds = [
            (
                "in a minute",
                beyond.minute,
                MINUTE,
                rates.minute,
                enough.minute,
            ),
            (
                "in ten seconds",
                beyond.ten_seconds,
                TEN_SECONDS.0 + faults * TEN_SECONDS.1,
                rates.ten_seconds,
                enough.ten_seconds,
            ),
            (
                "that failed",
                beyond.failed,
                faults * FAILED,
                rates.failed,
                enough.failed,
            ),
        ];
        for (what, beyond, limit, all, enough) in bounds {
            if beyond > limit {
                wrong.push(format!("{all} requests {what}, where {enough} are enough"));
            }
        }
        wrong
    }
}

/// A run in a time of its own; a panic is a failure like any other.
fn attempt(
    workflow: &'static Workflow,
    saved: &Saved,
    experiment: Option<Experiment>,
) -> Result<Lived, String> {
    let run = || on_virtual_time(live(workflow, saved, experiment));
    catch_unwind(AssertUnwindSafe(run)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// Fails when any of them did, with the names of all and the words of some.
pub(super) fn assert_none_failed(
    outcomes: &Outcomes,
    workflow: impl Fn(usize) -> &'static Workflow,
) {
    let failed = outcomes.iter().enumerate();
    let failed: Vec<(String, &String)> = failed
        .filter_map(|(at, (one, outcome))| Some((one.name(workflow(at)), outcome.as_ref().err()?)))
        .collect();
    let named: Vec<&String> = failed.iter().map(|(name, _)| name).collect();
    let shown: Vec<&str> = failed
        .iter()
        .take(SHOWN)
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} runs went wrong: {named:#?}\n{}",
        failed.len(),
        outcomes.len(),
        shown.join("\n\n")
    );
}

/// Figures of all runs with one fault of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    runs: u32,
    failures: u32,
    delay: Duration,
    beyond: Rates,
}

static KINDS: Mutex<BTreeMap<Fault, Kind>> = Mutex::new(BTreeMap::new());

fn note(one: Experiment, ran: Ran, failed: bool) {
    if one.second.is_some() || ran.strikes == 0 {
        return;
    }
    let mut kinds = KINDS.lock().unwrap();
    let kind = kinds.entry(one.first.fault).or_default();
    kind.runs += 1;
    kind.failures += u32::from(failed);
    kind.delay = kind.delay.max(ran.delay);
    kind.beyond = kind.beyond.max(ran.beyond);
}

/// What each kind of fault has cost at most so far.
pub(super) fn show_kinds() {
    let kinds = KINDS.lock().unwrap();
    let rows = kinds.iter().map(|(fault, kind)| {
        vec![
            fault.name().to_owned(),
            kind.runs.to_string(),
            kind.failures.to_string(),
            format!("{} s", kind.delay.as_secs()),
            kind.beyond.minute.to_string(),
            kind.beyond.ten_seconds.to_string(),
            kind.beyond.failed.to_string(),
        ]
    });
    figures::put(
        "Every call, every fault: what a fault costs at most, beyond the run without it",
        &[
            "fault",
            "runs",
            "failures",
            "delay",
            "requests in a minute",
            "in ten seconds",
            "failed requests",
        ],
        rows,
    );
}
