//! Everybody else who writes into the documents of clusters, and what becomes of their updates and ours.
//!
//! Goal: no update that was acknowledged is lost, of nobody; a client that writes an old document back does no
//! harm that is not repaired or named.
//!
//! Method: `site` lets three replicas work among the writers of the wild (`wild`), each of which leaves a number
//! (`marks`) in its own fields with each update; `ledger` compares what they were told with every version of every
//! document, and `noticed` shows that it notices. `rollback` lets a client write earlier documents back at random moments of one cluster's life.
//!
//! Invariants:
//! - A typed rewrite is a rollback by its nature: what it replaces was acknowledged, and nobody can keep it. It is
//!   accounted for update by update, and so is what a migration of the type and a new attempt of the creation leave
//!   out. Nothing else may be missing.
//!
//! `CONVERGENCE=all cargo test --test convergence -- writers` makes a thousand updates of each writer and ten
//! thousand rollbacks; `CONVERGENCE_SEEDS=0..5` tries other seeds.

mod ledger;
mod marks;
mod noticed;
mod rollback;
mod site;
mod wild;
mod yard;

use libtest_mimic::{Failed, Trial};

use self::ledger::Fate;
use self::site::{Outcome, live};
use self::wild::Kind;
use crate::effort::{everything, on_virtual_time, parallel, seeds, watched};
use crate::figures;

/// Seeds of a plain test run, and updates of each writer.
const SHARE: (std::ops::Range<u64>, u64) = (0..2, 100);
/// The same by command.
const ALL: (std::ops::Range<u64>, u64) = (0..4, 1_000);
/// Tries of a replica for one accepted write: mean, and of 999 in a thousand.
const MEAN: f64 = 1.3;
const MOST: u32 = 5;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test(
        "writers::no_acknowledged_update_is_lost",
        nothing_is_lost,
    )];
    trials.extend(noticed::trials());
    trials.extend(rollback::trials());
    trials
}

fn nothing_is_lost() -> Result<(), Failed> {
    let (default, updates) = if everything() { ALL } else { SHARE };
    let seeds: Vec<u64> = seeds(default).collect();
    let outcomes = parallel(&seeds, |seed| {
        watched(*seed, || on_virtual_time(live(*seed, updates)))
    });
    let mut good = Vec::new();
    for (seed, outcome) in seeds.iter().zip(outcomes) {
        let told = match outcome {
            Ok(outcome) => {
                good.push(outcome);
                continue;
            }
            Err(told) => told,
        };
        let which = if everything() { "CONVERGENCE=all " } else { "" };
        return Err(Failed::from(format!(
            "{told}\nreplay: {which}CONVERGENCE_SEEDS={seed}..{} cargo test --test convergence -- \
             writers::no_acknowledged",
            seed + 1
        )));
    }
    show(&good);
    assess(&good, updates)
}

fn sum(good: &[Outcome], of: impl Fn(&Outcome) -> usize) -> usize {
    good.iter().map(of).sum()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Mean, 999th of a thousand, and most tries of ours.
fn ours(good: &[Outcome]) -> (f64, u32, u32) {
    let mut tries: Vec<u32> = good.iter().flat_map(|one| one.tries.clone()).collect();
    tries.sort_unstable();
    let total: u32 = tries.iter().sum();
    let at = |share: usize| tries.get(tries.len().saturating_sub(1) * share / 1_000);
    let at = |share| at(share).copied().unwrap_or_default();
    let mean = f64::from(total) / number(tries.len().max(1));
    (mean, at(999), at(1_000))
}

/// The promises that are figures.
fn assess(good: &[Outcome], updates: u64) -> Result<(), Failed> {
    let mut told = Vec::new();
    let wanted = good.len() * usize::try_from(updates).unwrap();
    for kind in Kind::ALL {
        let all = fate(good, kind);
        if all.acknowledged != wanted {
            let (name, made) = (kind.name(), all.acknowledged);
            told.push(format!("{name} made {made} updates instead of {wanted}"));
        }
        if all.gave_up > 0 {
            told.push(format!("{} gave {} updates up", kind.name(), all.gave_up));
        }
        if all.lost() > 0 {
            told.push(format!(
                "{} updates of {} are lost",
                all.lost(),
                kind.name()
            ));
        }
        if all.unseen * 10 > all.acknowledged {
            let (name, unseen) = (kind.name(), all.unseen);
            told.push(format!("nobody looked at {unseen} updates of {name}"));
        }
    }
    let (mean, most, _) = ours(good);
    if mean > MEAN || most > MOST {
        told.push(format!("replicas need {mean:.2} tries, {most} in p99.9"));
    }
    let writes = sum(good, |one| one.tries.len());
    if writes < wanted {
        told.push(format!("replicas wrote {writes} times only"));
    }
    if told.is_empty() {
        return Ok(());
    }
    Err(Failed::from(told.join("\n")))
}

/// All seeds together.
fn fate(good: &[Outcome], kind: Kind) -> Fate {
    let mut all = Fate::default();
    let each = good.iter().filter_map(|one| one.account.fates.get(&kind));
    for one in each {
        all.acknowledged += one.acknowledged;
        all.tries += one.tries;
        all.most_tries = all.most_tries.max(one.most_tries);
        all.gave_up += one.gave_up;
        all.replaced += one.replaced;
        all.rolled_back += one.rolled_back;
        all.restored += one.restored;
        all.left_out += one.left_out;
        all.forgotten += one.forgotten;
        all.gone += one.gone;
        all.there += one.there;
        all.unseen += one.unseen;
    }
    all
}

fn show(good: &[Outcome]) {
    let rows = Kind::ALL.map(|kind| {
        let all = fate(good, kind);
        let mean = number(all.tries) / number(all.acknowledged.max(1));
        let mut row = vec![kind.name().to_owned(), all.acknowledged.to_string()];
        row.push(format!(
            "{mean:.2} / {} of {}",
            all.most_tries,
            kind.tries()
        ));
        let counts = [
            all.gave_up,
            all.replaced,
            all.rolled_back,
            all.left_out,
            all.forgotten,
            all.gone,
            all.there,
            all.unseen,
            all.lost(),
        ];
        row.extend(counts.map(|count| count.to_string()));
        row
    });
    let columns = [
        "writer",
        "acknowledged",
        "tries, mean / most",
        "given up",
        "replaced by its next",
        "by typed rewrite",
        "by a migration",
        "with an attempt",
        "gone with the cluster",
        "there",
        "not looked at",
        "lost",
    ];
    figures::add("Updates of other writers", &columns, rows);
    show_ours(good);
}

fn show_ours(good: &[Outcome]) {
    let (mean, most, worst) = ours(good);
    let lived = good.iter().map(|one| one.lived.as_secs()).sum::<u64>();
    let rows = [
        ("seeds", good.len().to_string()),
        ("minutes lived", (lived / 60).to_string()),
        ("clusters asked for", sum(good, |one| one.asked).to_string()),
        ("of them deleted", sum(good, |one| one.deleted).to_string()),
        (
            "wishes to delete repeated after a rewrite",
            sum(good, |one| one.wishes_repeated).to_string(),
        ),
        (
            "writes accepted",
            sum(good, |one| one.tries.len()).to_string(),
        ),
        (
            "tries for each, mean / p99.9 / most",
            format!("{mean:.2} / {most} / {worst}"),
        ),
        (
            "writes of others that kept ours",
            sum(good, |one| one.account.kept).to_string(),
        ),
        (
            "typed rewrites that set ours back",
            sum(good, |one| one.account.set_back).to_string(),
        ),
        (
            "looks at documents",
            sum(good, |one| one.account.looks).to_string(),
        ),
    ];
    let rows = rows.map(|(what, figure)| vec![what.to_owned(), figure]);
    figures::add("Three replicas among them", &["what", "how many"], rows);
}
