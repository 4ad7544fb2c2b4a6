//! Every call of every workflow, with every fault, and pairs of faults.
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
mod experiment;
mod fault;
mod judge;
mod pairs;
mod rates;
mod run;
mod workflow;
mod workflows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libtest_mimic::Trial;

use self::experiment::{Experiment, is_read};
use self::fault::Fault;
use self::judge::{Outcomes, Site, assert_none_failed, show_kinds};
use self::workflow::Workflow;
use crate::effort::{everything, parallel, part, trial};
use crate::figures;

pub(crate) fn trials() -> Vec<Trial> {
    let all = workflows::ALL.iter().enumerate();
    let mut trials: Vec<Trial> = all
        .map(|(turn, workflow)| {
            trial(format!("calls: {}", workflow.name), move || {
                every_call(workflow, turn);
            })
        })
        .collect();
    trials.extend(pairs::trials());
    trials
}

/// The only experiment that is asked for.
fn only() -> Option<String> {
    std::env::var("CONVERGENCE_ONLY").ok()
}

/// Whether somebody wants to see every request.
fn is_watched() -> bool {
    only().is_some()
}

fn every_call(workflow: &'static Workflow, turn: usize) {
    let its = |name: String| name.starts_with(&format!("{}/", workflow.name));
    if only().is_some_and(|name| !its(name)) {
        return;
    }
    let site = Site::of(workflow);
    let all = all_experiments(&site);
    let experiments = part(chosen(&site, &all, turn));
    let outcomes = parallel(&experiments, |one| {
        let again = format!(
            "CONVERGENCE_ONLY='{}' cargo test --test convergence -- 'calls: {}'",
            one.name(workflow),
            workflow.name
        );
        site.judged(*one, &again)
    });
    let outcomes: Outcomes = experiments.into_iter().zip(outcomes).collect();
    let runs = show(&site, &outcomes, all.len());
    show_kinds();
    assert!(runs > 0, "nothing was tried");
    assert_none_failed(&outcomes, |_| workflow);
}

/// Adds the figures of a workflow; how many of its runs a fault made a difference to.
fn show(site: &Site, outcomes: &Outcomes, all: usize) -> usize {
    let slowest = outcomes.iter().filter_map(|(_, outcome)| {
        let ran = outcome.as_ref().ok()?;
        Some(ran.after_fault)
    });
    let runs: Vec<&Experiment> = outcomes
        .iter()
        // It may make none: nothing older to answer with.
        .filter(|(_, outcome)| outcome.as_ref().map_or(true, |ran| ran.strikes > 0))
        .map(|(one, _)| one)
        .collect();
    let faults: BTreeSet<Fault> = runs.iter().map(|one| one.first.fault).collect();
    let failures = outcomes.iter().filter(|(_, outcome)| outcome.is_err());
    figures::add(
        "Every call, every fault",
        &[
            "workflow",
            "calls",
            "faults",
            "runs",
            "of all",
            "failures",
            "longest until converged",
        ],
        [vec![
            site.workflow.name.to_owned(),
            (site.clean.calls.len() - site.clean.from).to_string(),
            faults.len().to_string(),
            runs.len().to_string(),
            all.to_string(),
            failures.count().to_string(),
            format!("{} s", slowest.max().unwrap_or(Duration::ZERO).as_secs()),
        ]],
    );
    runs.len()
}

/// Every call with every fault that means anything for it.
fn all_experiments(site: &Site) -> Vec<Experiment> {
    let calls = &site.clean.calls;
    let tried = calls.iter().enumerate().skip(site.clean.from);
    let all = tried.flat_map(|(call, line)| {
        let faults = Fault::ALL.into_iter().filter(|fault| fault.fits(line));
        faults.map(move |fault| Experiment::single(calls, call, fault))
    });
    all.collect()
}

/// What is tried: everything, what is asked for, or a diagonal through calls and faults on which every kind of
/// call and every fault lies, where reads are not repeated; and every kind of effect executed twice.
fn chosen(site: &Site, all: &[Experiment], turn: usize) -> Vec<Experiment> {
    if let Some(name) = only() {
        let named = |one: &&Experiment| one.name(site.workflow) == name;
        return all.iter().filter(named).copied().collect();
    }
    if everything() {
        return all.to_vec();
    }
    let mut of: BTreeMap<usize, Vec<Experiment>> = BTreeMap::new();
    for one in all {
        of.entry(one.first.call).or_default().push(*one);
    }
    let (mut seen, mut diagonal, mut twice) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (call, faults) in of {
        let line = site.clean.calls[call].as_str();
        let is_new = seen.insert(line);
        if is_new || !is_read(line) {
            diagonal.push(faults[(diagonal.len() + turn * 5) % faults.len()]);
        }
        let again = faults.iter().find(|one| one.first.fault == Fault::Twice);
        twice.extend(again.filter(|_| is_new));
    }
    twice.retain(|one| !diagonal.contains(one));
    diagonal.extend(twice);
    diagonal
}
