//! Every call of every workflow, with every fault.
//!
//! Goal: whichever call to VCD goes wrong, in whichever way, the workflow ends as if nothing had: the same
//! resources, the same entries in the document, every effect once, and nobody asks VCD in a frenzy.
//!
//! Method: a workflow is run once without faults, with replica `a` at work and `b` standing by. Then once per
//! call of `a` and fault, from the same saved site. What the site looks like at the end has to be what it
//! looked like after the clean run, but for ids and times.
//!
//! `CONVERGENCE_ONLY='create/37/reply lost'` runs that experiment alone and shows its requests.

mod end;
mod fault;
mod run;
mod workflow;
mod workflows;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use libtest_mimic::Trial;

use self::fault::Fault;
use self::run::{Experiment, Lived, live};
use self::workflow::Workflow;
use crate::effort::{everything, on_virtual_time, parallel, trial};
use crate::figures;
use crate::support::fleet::Saved;

/// Repetitions of one read that are tried: by default, and when everything is.
const READS: (usize, usize) = (1, 3);
/// Failures shown in full.
const SHOWN: usize = 3;

pub(crate) fn trials() -> Vec<Trial> {
    let all = workflows::ALL.iter().enumerate();
    all.map(|(turn, workflow)| {
        trial(format!("calls: {}", workflow.name), move || {
            every_call(workflow, turn);
        })
    })
    .collect()
}

/// What became of one experiment.
enum Outcome {
    /// The fault makes no difference there: nothing older to answer with.
    Void,
    Lived(Box<Lived>),
}

fn every_call(workflow: &'static Workflow, turn: usize) {
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
    let experiments = experiments(workflow, &clean, turn);
    let outcomes = parallel(&experiments, |experiment| {
        judged(workflow, (&saved, &clean), *experiment)
    });
    let mut runs: BTreeMap<Fault, u32> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    let mut failures = Vec::new();
    for (experiment, outcome) in experiments.iter().zip(outcomes) {
        match outcome {
            Ok(Outcome::Void) => continue,
            Ok(Outcome::Lived(lived)) => slowest = slowest.max(lived.after_fault),
            Err(text) => failures.push((*experiment, text)),
        }
        *runs.entry(experiment.fault).or_default() += 1;
    }
    let total: u32 = runs.values().sum();
    figures::add(
        "Every call, every fault",
        &[
            "workflow",
            "calls",
            "faults",
            "runs",
            "failures",
            "longest until converged",
        ],
        [vec![
            workflow.name.to_owned(),
            (clean.calls.len() - clean.from).to_string(),
            runs.len().to_string(),
            total.to_string(),
            failures.len().to_string(),
            format!("{} s", slowest.as_secs()),
        ]],
    );
    assert!(total > 0, "nothing was tried");
    assert_none_failed(workflow, &failures, total);
}

fn assert_none_failed(workflow: &Workflow, failures: &[(Experiment, String)], total: u32) {
    let named = failures.iter().map(|(one, _)| name_of(workflow, *one));
    let shown = failures.iter().take(SHOWN).map(|(_, text)| text.as_str());
    let (named, shown): (Vec<String>, Vec<&str>) = (named.collect(), shown.collect());
    assert!(
        failures.is_empty(),
        "{} of {total} runs went wrong: {named:#?}\n{}",
        failures.len(),
        shown.join("\n\n")
    );
}

/// `create/37/reply lost`
fn name_of(workflow: &Workflow, experiment: Experiment) -> String {
    format!(
        "{}/{}/{}",
        workflow.name,
        experiment.call,
        experiment.fault.name()
    )
}

/// What is tried: everything, what is asked for, or a diagonal through calls and faults on which every kind of
/// call and every fault lies.
fn experiments(workflow: &Workflow, clean: &Lived, turn: usize) -> Vec<Experiment> {
    let mut all = Vec::new();
    let mut reads: BTreeMap<&str, usize> = BTreeMap::new();
    let only = std::env::var("CONVERGENCE_ONLY").ok();
    for (call, line) in clean.calls.iter().enumerate().skip(clean.from) {
        let is_read = line.starts_with("GET");
        let faults: Vec<Fault> = Fault::ALL
            .into_iter()
            .filter(|fault| fault.fits(is_read))
            .collect();
        let times = reads.entry(line).or_default();
        *times += 1;
        let reads = if everything() { READS.1 } else { READS.0 };
        if is_read && *times > reads && only.is_none() {
            continue;
        }
        let tried: Vec<Fault> = if only.is_some() || everything() {
            faults
        } else {
            let at = (all.len() + turn * 5) % faults.len();
            faults.get(at).copied().into_iter().collect()
        };
        all.extend(tried.into_iter().map(|fault| Experiment { call, fault }));
    }
    all.retain(|one| {
        only.as_ref()
            .is_none_or(|name| *name == name_of(workflow, *one))
    });
    all
}

/// One experiment and its comparison with the clean run; what is wrong, with the way to see it again.
fn judged(
    workflow: &'static Workflow,
    (saved, clean): (&Saved, &Lived),
    experiment: Experiment,
) -> Result<Outcome, String> {
    let lived = attempt(workflow, saved, Some(experiment));
    let name = name_of(workflow, experiment);
    let again = format!(
        "{name}\nCONVERGENCE_ONLY='{name}' cargo test --test convergence -- 'calls: {}'",
        workflow.name
    );
    let mut lived = lived.map_err(|text| format!("{again}\n{text}"))?;
    if lived.void {
        return Ok(Outcome::Void);
    }
    let mut wrong = std::mem::take(&mut lived.violations);
    wrong.extend(end::differences(&clean.end, &lived.end));
    wrong.extend(lived.haste(clean, experiment.fault, workflow.standby));
    if std::env::var("CONVERGENCE_ONLY").is_ok() {
        println!("{}\n{:#?}", lived.context, wrong);
    }
    if wrong.is_empty() {
        Ok(Outcome::Lived(Box::new(lived)))
    } else {
        Err(format!("{again}\n{wrong:#?}\n{}", lived.context))
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
