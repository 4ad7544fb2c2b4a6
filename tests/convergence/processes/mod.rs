//! Real processes: three replicas and one simulator, killed, frozen, ended and cut off at random.
//!
//! Goal: nothing leaked, nothing doubled, everything as wished, whatever befell the processes and the network
//! between them; and clusters are without a holder no longer than promised.
//!
//! Method: `cse-server run` three times, each behind a relay of its own, against `cse-server sim`, all of them
//! forty times as fast as real time. What is done comes from a seed ([`script`]); what comes of it does not,
//! because processes and networks have lives of their own: a failing seed fails again often, not always.
//!
//! `CONVERGENCE_SECONDS=3600 cargo test --test convergence -- processes` makes the trouble last an hour;
//! `CONVERGENCE_SEEDS=7..10` has other things happen.
//!
//! Invariants:
//! - Nothing outlives the test, has a fixed port, or needs another right than that to start processes.

mod clones;
mod daemon;
mod failover;
mod limits;
mod log;
mod network;
mod replica;
mod script;
mod site;
mod tenant;
mod trouble;
mod usage;
mod verdict;
mod wishes;

use std::time::Duration;

use libtest_mimic::Trial;

use self::daemon::Usage;
use self::site::Site;
use self::trouble::Trouble;
use crate::effort;
use crate::figures;

/// Real time of the trouble unless another one is asked for.
const DEFAULT_LENGTH: Duration = Duration::from_mins(1);
/// How often each kind of failover is tried, by default and when everything is to be tried.
const FAILOVERS: [usize; 2] = [5, 25];
/// Losses of hosts in one fleet, likewise.
const LOSSES: [usize; 2] = [5, 12];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        effort::trial("processes::same_seed_same_script", || {
            let script = |seed| script::script(seed, DEFAULT_LENGTH);
            assert_eq!(script(1), script(1));
            assert_ne!(script(1), script(2));
        }),
        effort::trial("processes::verdict_notices", verdict::notices),
        effort::trial("processes::failover_in_time", || on_real_time(failover())),
        effort::trial("processes::limits_of_the_machine_and_clones_of_it", || {
            on_real_time(async {
                tokio::join!(
                    limits::a_full_disk(),
                    limits::too_few_files(),
                    clones::one_identity_twice()
                );
            });
        }),
    ];
    trials.extend(effort::seeds(1..2).map(|seed| {
        let name = format!("processes::trouble_{seed}");
        effort::trial(name, move || on_real_time(trouble(seed)))
    }));
    trials
}

fn on_real_time(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(case);
}

/// How long the trouble lasts.
fn length() -> Duration {
    let Ok(text) = std::env::var("CONVERGENCE_SECONDS") else {
        return DEFAULT_LENGTH;
    };
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or_else(|| panic!("CONVERGENCE_SECONDS={text}: no seconds"));
    Duration::from_secs(seconds)
}

async fn failover() {
    let all = usize::from(effort::everything());
    let (stopped, killed, lost) = tokio::join!(
        failover::of_stopped(FAILOVERS[all]),
        failover::of_killed(FAILOVERS[all]),
        failover::of_hosts(LOSSES[all])
    );
    let verdicts = [stopped, killed, lost].into_iter();
    let wrong: Vec<String> = verdicts.flat_map(failover::Failover::verdict).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn trouble(seed: u64) {
    let length = length();
    let mut site = Site::open(trouble::plan(seed)).await;
    let mut trouble = Trouble::at(&site).await;
    trouble.play(&script::script(seed, length), length).await;
    let converged = trouble.converge().await;
    let idle: Vec<Usage> = trouble.usages_now();
    trouble.stop().await;
    let findings = verdict::judge(&trouble, (seed, length), &converged, &idle).await;
    let story = trouble.story();
    drop(trouble);
    let mut wrong = findings.wrong;
    wrong.extend(site.close().await);
    figures::add(
        "Real processes in trouble",
        &verdict::COLUMNS,
        [findings.row],
    );
    assert!(wrong.is_empty(), "{story}\nwrong: {wrong:#?}");
}
