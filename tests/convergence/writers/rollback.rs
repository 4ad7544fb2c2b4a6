//! Clients that write an earlier document back, at any moment of a cluster's life.
//!
//! Goal: whatever moment a client read, and whenever it writes that back under a fresh tag: one bootstrap VM is
//! ever on, nothing is removed that is not the cluster's, and the cluster ends well or in an error that says why.
//!
//! Method: one cluster, two replicas, no other trouble. The cluster is created, and perhaps resized, upgraded or
//! deleted; around that moment a client writes back what it read up to a whole life earlier, as it was or as a
//! typed client does, sometimes twice. Living through it and judging it is that of the seeded fleets.
//!
//! Invariants:
//! - A run in which nothing was written back proves nothing: most runs have to.
//!
//! Source: go-vcloud-director, `CseKubernetesCluster.Update`: old content under a fresh tag.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::sim::seed::CseShape;
use fastrand::Rng;
use libtest_mimic::{Failed, Trial};

use crate::effort::{everything, seeds};
use crate::figures;
use crate::fleets::plan::{Failing, Guest, Plan, Trouble, What, Wish};
use crate::fleets::run::Outcome;
use crate::fleets::{Survey, ends};

/// Runs of a plain test run.
const RUNS: std::ops::Range<u64> = 0..120;
/// The same by command.
const ALL_RUNS: std::ops::Range<u64> = 0..10_000;
/// A little longer than a creation takes here.
const CREATION: f64 = 570.0;
/// When a running cluster is changed.
const CHANGE: f64 = 650.0;
/// Longest time from a change to a client's write.
const AFTER: f64 = 150.0;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "writers::rollback::a_cluster_ends_well_or_says_why_not",
        every,
    )]
}

/// What happens to the cluster besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum During {
    Create,
    Resize,
    Upgrade,
    Delete,
}

impl During {
    const ALL: [Self; 4] = [Self::Create, Self::Resize, Self::Upgrade, Self::Delete];

    fn of(seed: u64) -> Self {
        Self::ALL[usize::try_from(seed % 4).unwrap()]
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Resize => "resize",
            Self::Upgrade => "upgrade",
            Self::Delete => "delete",
        }
    }

    /// The change of a running cluster.
    fn change(self, rng: &mut Rng) -> Option<What> {
        let cluster = 0;
        match self {
            Self::Create => None,
            Self::Resize => Some(What::Resize {
                cluster,
                replicas: rng.u32(2..4),
            }),
            Self::Upgrade => Some(What::Upgrade { cluster }),
            Self::Delete => Some(What::Delete {
                cluster,
                forced: rng.bool(),
            }),
        }
    }
}

/// The plan of a seed.
fn drawn(seed: u64) -> Plan {
    let mut rng = Rng::with_seed(seed ^ 0x0001_d7e5_7a1e);
    let during = During::of(seed);
    let shapes = [CseShape::V42, CseShape::V41, CseShape::V40];
    let repaired = rng.bool();
    let guest = (during == During::Create && rng.u8(0..6) == 0).then(|| Guest {
        phase: "kind",
        times: rng.u32(1..3),
        how: Failing::Fails,
    });
    let mut troubles = Vec::new();
    let mut end = CREATION;
    // A deletion may begin at any moment; what else is changed has to run.
    let mut begun = 0.0;
    if let Some(what) = during.change(&mut rng) {
        begun = if during == During::Delete && rng.bool() {
            CREATION * rng.f64()
        } else {
            CHANGE
        };
        troubles.push(trouble(begun, what));
        end = begun + AFTER;
    }
    let writes = if rng.u8(0..3) == 0 { 2 } else { 1 };
    for _ in 0..writes {
        let from = (begun - 5.0).max(1.0);
        let at = from + (end - from) * rng.f64();
        // Mostly fresh, sometimes from the very beginning.
        let age = if rng.bool() { at } else { at.min(60.0) };
        let age = Duration::from_secs_f64(age * rng.f64());
        let cluster = 0;
        let what = if rng.bool() {
            What::Rollback { cluster, age }
        } else {
            What::Rewrite { cluster, age }
        };
        troubles.push(trouble(at, what));
    }
    troubles.sort_by_key(|trouble| trouble.at);
    Plan {
        seed,
        replicas: 2,
        tenants: 2,
        wishes: vec![Wish {
            runs: false,
            at: Duration::ZERO,
            repaired,
            shape: shapes[rng.usize(0..shapes.len())],
            guest,
            original: None,
        }],
        created: 1,
        per_mille: 0,
        unique_names: rng.bool(),
        troubled: Duration::from_secs_f64(end + 1.0),
        troubles,
    }
}

fn trouble(at: f64, what: What) -> Trouble {
    Trouble {
        at: Duration::from_secs_f64(at),
        what,
    }
}

fn every() -> Result<(), Failed> {
    let default = if everything() { ALL_RUNS } else { RUNS };
    let seeds: Vec<u64> = seeds(default).collect();
    let survey = Survey::of(&seeds, drawn);
    show(&survey);
    survey.verdict("writers::rollback")?;
    let rewritten = survey.good.iter().filter(|one| one.rewritten > 0).count();
    let of = survey.good.len();
    if of >= 100 && rewritten * 10 < of * 8 {
        let told = format!("something was written back in {rewritten} of {of} runs only");
        return Err(Failed::from(told));
    }
    Ok(())
}

fn show(survey: &Survey) {
    let mut rows = BTreeMap::<During, Vec<Outcome>>::new();
    for outcome in &survey.good {
        let row = rows.entry(During::of(outcome.seed)).or_default();
        row.push(outcome.clone());
    }
    let lines = rows.iter().map(|(during, outcomes)| {
        let written = outcomes.iter().filter(|one| one.rewritten > 0).count();
        let mut errors = BTreeMap::<&str, usize>::new();
        for (name, times) in outcomes.iter().flat_map(|one| &one.errors) {
            *errors.entry(name).or_default() += times;
        }
        let failed = survey.failures.iter();
        let failed = failed.filter(|(seed, _)| During::of(*seed) == *during);
        let failed = failed.count();
        let named = errors.iter().map(|(name, times)| format!("{times} {name}"));
        vec![
            during.name().to_owned(),
            (outcomes.len() + failed).to_string(),
            written.to_string(),
            failed.to_string(),
            ends(outcomes),
            named.collect::<Vec<_>>().join(", "),
        ]
    });
    let total = u32::try_from(survey.good.len() + survey.failures.len()).unwrap();
    let rate = f64::from(total) * 60.0 / survey.took.as_secs_f64();
    figures::add(
        &format!("Documents written back ({rate:.0} runs a minute)"),
        &[
            "during",
            "runs",
            "written back in",
            "failures",
            "provisioned / error / gone",
            "errors",
        ],
        lines,
    );
}
