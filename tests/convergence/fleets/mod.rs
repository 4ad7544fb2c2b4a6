//! Seeded fleets: everything goes wrong at once, then it stops, and every cluster comes to rest.
//!
//! Goal: 2 to 7 replicas and 1 to 200 clusters, whatever befalls them: every cluster ends as its history
//! demands, nothing is doubled, nothing is left over. The same seed gives the same run, byte for byte.
//!
//! Method: a plan is drawn from a seed (`plan`), lived through on virtual time (`run`), and judged by what
//! its history allows (`story`).
//!
//! `CONVERGENCE_SEEDS=0..5000 cargo test --test convergence -- fleets` tries as many as you like.
//! `CONVERGENCE_SHRINK=1` makes failing plans smaller before they are shown.

mod hands;
pub(crate) mod plan;
pub(crate) mod run;
mod story;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cse_server::clock::Clock;
use libtest_mimic::{Failed, Trial};

use self::plan::Plan;
use self::run::{Outcome, live};
use crate::effort::{on_virtual_time, parallel, seeds, trial, watched};
use crate::figures;

/// Seeds of a plain test run.
const SEEDS: std::ops::Range<u64> = 0..200;
/// Failures that are told in full.
const TOLD: usize = 3;
/// Failures after which nothing more is tried.
const ENOUGH: usize = 8;
/// Runs that making a plan smaller may take.
const SHRINKING: usize = 80;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "fleets::every_fleet_comes_to_rest_as_its_history_demands",
            every,
        ),
        trial(
            "fleets::the_same_seed_gives_the_same_run_byte_for_byte",
            same,
        ),
    ]
}

/// One run of a plan; a panic anywhere in it is a failure.
fn attempt(plan: &Plan, traced: bool) -> Result<Outcome, String> {
    watched(plan.seed, || on_virtual_time(live(plan, traced)))
}

fn every() -> Result<(), Failed> {
    let seeds: Vec<u64> = seeds(SEEDS).collect();
    let survey = Survey::of(&seeds, Plan::drawn);
    show(&survey.good, survey.failures.len(), survey.took);
    survey.verdict("fleets::every")
}

/// What became of many fleets.
pub(crate) struct Survey {
    pub(crate) good: Vec<Outcome>,
    /// By seed.
    pub(crate) failures: Vec<(u64, String)>,
    pub(crate) took: Duration,
    draw: fn(u64) -> Plan,
}

impl Survey {
    /// Lets the fleet of every seed live.
    pub(crate) fn of(seeds: &[u64], draw: fn(u64) -> Plan) -> Self {
        let clock = Clock::system();
        let begun = clock.now();
        let failed = AtomicUsize::new(0);
        let outcomes = parallel(seeds, |seed| {
            if failed.load(Ordering::Relaxed) >= ENOUGH {
                return None;
            }
            let outcome = attempt(&draw(*seed), false);
            if outcome.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            Some(outcome)
        });
        let mut survey = Self {
            good: Vec::new(),
            failures: Vec::new(),
            took: clock.now().since(begun),
            draw,
        };
        for (seed, outcome) in seeds.iter().zip(outcomes) {
            match outcome {
                Some(Ok(outcome)) => survey.good.push(outcome),
                Some(Err(text)) => survey.failures.push((*seed, text)),
                None => {}
            }
        }
        survey
    }

    /// # Errors
    /// What is not as promised, and how the case called `case` repeats it.
    pub(crate) fn verdict(&self, case: &str) -> Result<(), Failed> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let all: Vec<u64> = self.failures.iter().map(|(seed, _)| *seed).collect();
        let mut text = format!(
            "{} of {} fleets failed: {all:?}\n",
            all.len(),
            all.len() + self.good.len()
        );
        for (seed, told) in self.failures.iter().take(TOLD) {
            let told = smaller(&(self.draw)(*seed)).unwrap_or_else(|| told.clone());
            let range = format!("{seed}..{}", seed + 1);
            text.extend([
                "\n",
                &told,
                "\nreplay: CONVERGENCE_SEEDS=",
                &range,
                " cargo test --test convergence -- ",
                case,
                "\n",
            ]);
        }
        Err(Failed::from(text))
    }
}

/// The failure of the smallest plan that was found to fail, when one is asked for: troubles and wishes are
/// taken out as long as it still does.
fn smaller(plan: &Plan) -> Option<String> {
    std::env::var_os("CONVERGENCE_SHRINK")?;
    let mut plan = plan.clone();
    let mut told = attempt(&plan, false).err()?;
    let mut runs = SHRINKING;
    let mut width = plan.troubles.len().max(1);
    loop {
        let mut at = 0;
        while at < plan.troubles.len() && runs > 0 {
            let mut less = plan.clone();
            let end = (at + width).min(less.troubles.len());
            less.troubles.drain(at..end);
            runs -= 1;
            match attempt(&less, false) {
                Err(text) => (plan, told) = (less, text),
                Ok(_) => at += width,
            }
        }
        if width == 1 || runs == 0 {
            break;
        }
        width = width.div_ceil(2);
    }
    Some(format!("made smaller:\n{told}"))
}

/// How many clusters ended how.
pub(crate) fn ends(good: &[Outcome]) -> String {
    let mut ends = BTreeMap::<&str, usize>::new();
    for (end, count) in good.iter().flat_map(|outcome| &outcome.ends) {
        *ends.entry(end).or_default() += count;
    }
    ["provisioned", "error", "gone"]
        .map(|end| ends.get(end).copied().unwrap_or(0).to_string())
        .join(" / ")
}

fn show(good: &[Outcome], failures: usize, took: Duration) {
    let ends = ends(good);
    let sum = |of: fn(&Outcome) -> u64| good.iter().map(of).sum::<u64>();
    let mut settled: Vec<Duration> = good.iter().map(|outcome| outcome.settled_in).collect();
    settled.sort_unstable();
    let part = |per_cent: usize| {
        let at = settled.len().saturating_sub(1) * per_cent / 100;
        settled.get(at).map_or(0, Duration::as_secs)
    };
    let total = good.len() + failures;
    let rate = f64::from(u32::try_from(total).unwrap()) * 60.0 / took.as_secs_f64();
    let rows = [
        ("seeds", total.to_string()),
        ("failures", failures.to_string()),
        (
            "clusters",
            sum(|one| u64::try_from(one.clusters).unwrap()).to_string(),
        ),
        ("of them provisioned / failed as they had to / gone", ends),
        (
            "replicas",
            sum(|one| u64::try_from(one.replicas).unwrap()).to_string(),
        ),
        (
            "troubles besides",
            sum(|one| u64::try_from(one.troubles).unwrap()).to_string(),
        ),
        ("requests", sum(|one| one.requests).to_string()),
        ("of them gone wrong", sum(|one| one.struck).to_string()),
        (
            "vApps made in vain and removed",
            sum(|one| u64::from(one.spare_vapps)).to_string(),
        ),
        (
            "hours lived",
            (sum(|one| one.lived.as_secs()) / 3_600).to_string(),
        ),
        (
            "seconds from the end of the troubles to rest, p50 / p99 / max",
            format!("{} / {} / {}", part(50), part(99), part(100)),
        ),
        (
            "seeds a minute",
            format!("{rate:.0} ({} s in all)", took.as_secs()),
        ),
    ];
    figures::add(
        "Seeded fleets",
        &["what", "how many"],
        rows.map(|(what, figure)| vec![what.to_owned(), figure]),
    );
}

fn same() {
    let seeds: Vec<u64> = seeds(1_000_000..1_000_008).take(8).collect();
    parallel(&seeds, |seed| {
        let plan = Plan::drawn(*seed);
        let [first, second] = [(); 2].map(|()| match attempt(&plan, true) {
            Ok(outcome) => outcome.trace.unwrap(),
            Err(told) => panic!("{told}"),
        });
        assert!(first.journal.len() > 20, "seed {seed}: nothing happened");
        let mut both = first.journal.iter().zip(&second.journal);
        let differs = both.find(|(a, b)| a != b);
        assert!(differs.is_none(), "seed {seed}: {differs:#?}");
        assert_eq!(first.journal.len(), second.journal.len(), "seed {seed}");
        assert!(first.world == second.world, "seed {seed}: the sites differ");
    });
}
