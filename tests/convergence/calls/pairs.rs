//! Two faults in one run: the second one strikes what the replicas do about the first.
//!
//! Method: the first fault strikes a call of `a` as in the clean run; the second one a later call, of `a` or of
//! `b`, drawn from a seed, most often soon after. From the claim to the commit of the bootstrap VM all
//! pairs of faults at neighbouring effects are made: what a replica does after the first fault is looked up in a run
//! with that fault alone.
//!
//! Source: reliability-performance, B.2 (double faults).

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use libtest_mimic::Trial;

use super::experiment::{Experiment, Strike, is_read, writes_document};
use super::fault::Fault;
use super::judge::{Outcomes, Ran, Site, assert_none_failed, show_kinds};
use super::{only, workflows};
use crate::effort::{everything, parallel, part, seeds, trial};
use crate::figures;

/// Pairs that are drawn, by default and when everything is tried.
const DRAWN: [Range<u64>; 2] = [0..200, 0..20_000];
/// Of a thousand pairs so many have to strike twice: the others end before the second fault.
const TWICE: usize = 700;
const TITLE: &str = "Two faults in one run";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("calls: pairs, drawn", drawn),
        trial("calls: pairs, claim to commit", claim_to_commit),
    ]
}

fn drawn() {
    if only().is_some() {
        return;
    }
    let [few, many] = DRAWN;
    let seeds: Vec<u64> = part(seeds(if everything() { many } else { few }).collect());
    let sites: Vec<Site> = parallel(&workflows::ALL.each_ref(), |workflow| Site::of(workflow));
    let made = parallel(&seeds, |seed| {
        let (site, one) = draw(&sites, *seed);
        let again = format!(
            "CONVERGENCE_SEEDS={seed}..{} cargo test --test convergence -- 'calls: pairs, drawn'",
            seed + 1
        );
        (site, one, site.judged(one, &again))
    });
    for workflow in &workflows::ALL {
        let its = made
            .iter()
            .filter(|(site, _, _)| std::ptr::eq(site.workflow, workflow));
        show(workflow.name, its.map(|(_, _, outcome)| outcome));
    }
    let ran = made
        .iter()
        .filter_map(|(_, _, outcome)| outcome.as_ref().ok());
    let (all, twice) = ran.fold((0, 0), |(all, twice), ran| {
        (all + 1, twice + usize::from(ran.strikes == 2))
    });
    let of: Vec<&'static super::Workflow> = made.iter().map(|(site, _, _)| site.workflow).collect();
    let outcomes: Outcomes = made
        .into_iter()
        .map(|(_, one, outcome)| (one, outcome))
        .collect();
    assert_none_failed(&outcomes, |at| of[at]);
    assert!(
        all < 50 || twice * 1_000 >= all * TWICE,
        "only {twice} of {all} runs met both faults"
    );
}

/// The pair of a seed.
fn draw(sites: &[Site], seed: u64) -> (&Site, Experiment) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let site = rng.choice(sites).unwrap();
    let calls = &site.clean.calls;
    let effects = rng.bool();
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (call, line) in calls.iter().enumerate().skip(site.clean.from) {
        if !(effects && is_read(line)) {
            kinds.entry(line).or_default().push(call);
        }
    }
    let kinds: Vec<(&str, Vec<usize>)> = kinds.into_iter().collect();
    let (line, at) = rng.choice(&kinds).unwrap();
    let call = *rng.choice(at).unwrap();
    let fitting: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| fault.fits(line))
        .collect();
    let first = Experiment::single(calls, call, *rng.choice(&fitting).unwrap());
    // Small numbers more often: that is where the recovery is.
    let within = 1 << rng.u32(0..6);
    let later = rng.usize(0..within);
    let beside = site.clean.beside[call];
    let there = beside > 0 || site.workflow.standby < Duration::from_mins(1);
    let (by, call) = if there && rng.bool() {
        ("b", beside + later)
    } else {
        ("a", call + 1 + later)
    };
    let seconds = Fault::ALL.into_iter();
    // How many documents will have been written by then is not known.
    let seconds: Vec<Fault> = seconds.filter(|fault| *fault != Fault::Conflicts).collect();
    let second = Strike {
        by,
        call,
        writes: 0,
        fault: *rng.choice(&seconds).unwrap(),
    };
    let one = Experiment {
        second: Some(second),
        ..first
    };
    (site, one)
}

/// All pairs of faults at an effect and the next one, from the claim to the commit of the bootstrap VM.
fn claim_to_commit() {
    let workflow = &workflows::ALL[0];
    if only().is_some_and(|name| !name.starts_with(&format!("{}/", workflow.name))) {
        return;
    }
    let site = Site::of(workflow);
    let window = window(&site.clean.calls);
    assert!(window.len() >= 5, "{window:?}");
    let firsts = window.iter().flat_map(|&call| {
        let line = &site.clean.calls[call];
        let faults = Fault::ALL.into_iter().filter(|fault| fault.fits(line));
        faults.map(move |fault| (call, fault))
    });
    let firsts: Vec<Experiment> = firsts
        .map(|(call, fault)| Experiment::single(&site.clean.calls, call, fault))
        .collect();
    // Seven divides no number of faults, so that every call and every fault is among them.
    let few = if everything() || only().is_some() {
        1
    } else {
        7
    };
    let firsts = part(firsts.into_iter().step_by(few).collect());
    let made = parallel(&firsts, |first| after(&site, *first));
    let outcomes: Outcomes = made.into_iter().flatten().collect();
    show(
        "create, claim to commit",
        outcomes.iter().map(|(_, outcome)| outcome),
    );
    show_kinds();
    assert_none_failed(&outcomes, |_| workflow);
    assert!(!outcomes.is_empty(), "nothing was tried");
}

/// The effects from the claim to the commit of the bootstrap VM: the last document that is written before it is
/// configured.
fn window(calls: &[String]) -> Vec<usize> {
    let effects = calls.iter().enumerate();
    let effects: Vec<(usize, &String)> = effects.filter(|(_, line)| !is_read(line)).collect();
    let claim = effects.iter().position(|(_, line)| writes_document(line));
    let claimed = effects.iter().skip(claim.unwrap());
    let window: Vec<(usize, &String)> = claimed
        .take_while(|(_, line)| !line.ends_with("/action/reconfigureVm"))
        .copied()
        .collect();
    let made = |name: &str| window.iter().any(|(_, line)| line.ends_with(name));
    assert!(made("/action/composeVApp") && made("/action/recomposeVApp"));
    assert!(window.last().is_some_and(|(_, line)| writes_document(line)));
    window.iter().map(|(call, _)| *call).collect()
}

/// One fault alone, and then with each other one at the next effect of whoever goes on.
fn after(site: &Site, first: Experiment) -> Outcomes {
    let again = |one: &Experiment| {
        format!(
            "CONVERGENCE_ONLY='{}' cargo test --test convergence -- 'calls: pairs, claim to commit'",
            one.name(site.workflow)
        )
    };
    let name = first.name(site.workflow);
    if only().is_some_and(|only| !only.starts_with(&name)) {
        return Vec::new();
    }
    let lived = match site.lived(first, &again(&first)) {
        Ok((_, lived)) => lived,
        Err(text) => return vec![(first, Err(text))],
    };
    let Strike { call, fault, .. } = first.first;
    let next = |calls: &[String], from: usize| {
        let mut later = calls.iter().enumerate().skip(from);
        later.find(|(_, line)| !is_read(line)).map(|(at, _)| at)
    };
    let goes_on = !fault.is_crash() || first.restarts(first.first);
    let (by, calls, at) = if goes_on {
        ("a", &lived.calls, next(&lived.calls, call + 1))
    } else {
        (
            "b",
            &lived.others,
            next(&lived.others, site.clean.beside[call]),
        )
    };
    let Some(at) = at else { return Vec::new() };
    let faults = Fault::ALL
        .into_iter()
        .filter(|fault| fault.fits(&calls[at]));
    let pairs: Vec<Experiment> = faults
        .map(|fault| Experiment {
            second: Some(Strike {
                by,
                writes: calls
                    .iter()
                    .take(at)
                    .filter(|line| writes_document(line))
                    .count(),
                call: at,
                fault,
            }),
            ..first
        })
        .collect();
    let chosen = chosen(site, first, pairs);
    let judged = chosen
        .into_iter()
        .map(|one| (one, site.judged(one, &again(&one))));
    judged.collect()
}

/// All of these pairs, the one that is asked for, or by default one, another one for each first fault.
fn chosen(site: &Site, first: Experiment, pairs: Vec<Experiment>) -> Vec<Experiment> {
    if let Some(only) = only() {
        let named = |one: &Experiment| one.name(site.workflow) == only;
        return pairs.into_iter().filter(named).collect();
    }
    if everything() {
        return pairs;
    }
    let Strike { call, fault, .. } = first.first;
    let turn = call + Fault::ALL.iter().position(|one| *one == fault).unwrap();
    vec![pairs[turn % pairs.len()]]
}

fn show<'a>(name: &str, outcomes: impl Iterator<Item = &'a Result<Ran, String>>) {
    let (mut runs, mut both, mut failures) = (0, 0, 0);
    let mut delay = Duration::ZERO;
    for outcome in outcomes {
        runs += 1;
        match outcome {
            Ok(ran) => {
                both += u32::from(ran.strikes == 2);
                delay = delay.max(ran.delay);
            }
            Err(_) => failures += 1,
        }
    }
    if runs == 0 {
        return;
    }
    figures::add(
        TITLE,
        &[
            "workflow",
            "pairs",
            "both struck",
            "failures",
            "longest delay",
        ],
        [vec![
            name.to_owned(),
            runs.to_string(),
            both.to_string(),
            failures.to_string(),
            format!("{} s", delay.as_secs()),
        ]],
    );
}
