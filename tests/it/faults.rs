//! Whatever goes wrong with a call, at whatever moment: the cluster is created, once.
//!
//! The calls are taken from a creation without faults, so a new call joins on its own. Calls that
//! change something are all tried; of a read that is repeated many times, the first ones.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
/// Repetitions of one read that are tried.
const READS: usize = 3;

/// Numbers of the calls worth a fault, of a creation by one replica.
async fn calls_of_a_creation(seed: u64) -> Vec<u64> {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    let mut reads: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, line) in (0..).zip(fleet.journal.lines()) {
        // Time and caller come first, the outcome last.
        let call = line
            .split(' ')
            .skip(2)
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        let times = reads.entry(call.clone()).or_default();
        *times += 1;
        if !call.starts_with("GET") || *times <= READS {
            calls.push(number);
        }
    }
    // The rest, after the last write, depends on who polls when.
    assert_eq!(
        fleet.effect("vapp.deleted", &fleet.urns[0]),
        1,
        "{}",
        fleet.context()
    );
    let last = calls.pop();
    assert!(
        last.is_some() && calls.len() > 50,
        "only {} calls, seed {seed}",
        calls.len()
    );
    calls
}

fn only(caller: &str, call: u64) -> Target {
    Target {
        caller: Some(caller.to_owned()),
        ..Target::nth(call)
    }
}

/// One creation in which `fault` strikes one call of replica `a`; `b` stands by.
async fn creation_with(fault: Fault, call: u64, seed: u64) {
    let mut fleet = Fleet::quick(seed);
    fleet.what = format!("{fault:?} at call {call}");
    fleet.ask_for("oak");
    fleet.faults.arm(only("a", call), fault);
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(5)).await;
    fleet.start("b");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    assert_eq!(fleet.faults.struck(), 1, "{}", fleet.context());
    fleet.assert_converged();
}

/// Every `share`-th of the calls worth a fault, from the `first` on, each with two kinds of fault; the
/// kinds take turns.
async fn single_faults(seed: u64, first: usize, share: usize) {
    let calls = calls_of_a_creation(seed).await;
    let kinds = Fault::ALL.len();
    let mut tried = 0;
    for (turn, call) in calls.into_iter().enumerate().skip(first).step_by(share) {
        for shift in [0, kinds / 2] {
            creation_with(
                Fault::ALL[(turn + turn / kinds + shift) % kinds],
                call,
                seed,
            )
            .await;
            tried += 1;
        }
    }
    assert!(tried > 2 * kinds, "{tried} faults, seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn any_fault_at_any_call_is_survived_and_nothing_happens_twice() {
    single_faults(500, 0, 2).await;
}

#[tokio::test(start_paused = true)]
async fn any_fault_at_any_other_call_is_survived_and_nothing_happens_twice() {
    single_faults(500, 1, 2).await;
}

/// Goal: a replica that dies with a request under way leaves nothing that its successor cannot finish.
///
/// Method: the request is lost, or its answer is, and the replica dies before it notices.
#[tokio::test(start_paused = true)]
async fn death_at_any_call_is_survived() {
    let seed = 600;
    let calls = calls_of_a_creation(seed).await;
    for (turn, call) in calls.into_iter().enumerate().step_by(2) {
        let fault = [Fault::ReplyLost, Fault::RequestLost][turn / 2 % 2];
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("death after {fault:?} at call {call}");
        fleet.ask_for("oak");
        fleet.faults.arm(only("a", call), fault);
        fleet.start("a");
        while fleet.faults.struck() == 0 {
            fleet.pass_time(Duration::from_millis(50)).await;
        }
        fleet.kill("a").await;
        fleet.start(if turn % 8 < 6 { "a" } else { "b" });
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: many faults at once, on three replicas that share eight clusters.
#[tokio::test(start_paused = true)]
async fn random_faults_on_three_replicas_are_survived() {
    for seed in 700..703 {
        let mut fleet = Fleet::quick(seed);
        for n in 0..8 {
            fleet.ask_for(&format!("c{n}"));
        }
        fleet.faults.arm_chance(40, &Fault::ALL, seed);
        for name in ["a", "b", "c"] {
            fleet.start(name);
        }
        fleet.until(2 * HOUR, Fleet::all_provisioned).await;
        assert!(fleet.faults.struck() > 50, "{}", fleet.context());
        fleet.assert_sound();
    }
}

/// Goal: an outage stops the work, costs no cluster, and is no reason to storm VCD.
#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_is_waited_for_in_patience() {
    let moments = ["vm.created", "vm.powered_on", "vapp.composed"];
    let faults = [
        Fault::NotSent,
        Fault::RequestLost,
        Fault::Refused(Refusal::Maintenance),
    ];
    for (seed, (moment, fault)) in (800..).zip(moments.into_iter().zip(faults)) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{fault:?} from {moment} on");
        let urns = ["elm", "fir", "yew"].map(|name| fleet.ask_for(name));
        fleet.start("a");
        fleet.start("b");
        let begun = |fleet: &Fleet| urns.iter().any(|urn| fleet.effect(moment, urn) == 1);
        assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
        let everything = Target {
            times: u64::MAX,
            ..Target::default()
        };
        fleet.faults.arm(everything, fault);
        fleet.pass_time(Duration::from_mins(1)).await;
        let after_a_minute = fleet.faults.calls();
        fleet.pass_time(Duration::from_mins(9)).await;
        let calls = fleet.faults.calls() - after_a_minute;
        // Two replicas with at most three clusters: 0.2 a second each would be 216.
        assert!(calls < 216, "{calls} calls in vain\n{}", fleet.context());
        fleet.faults.disarm();
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: an organisation that has used up its operations for a quarter of an hour loses no cluster.
#[tokio::test(start_paused = true)]
async fn an_exhausted_operation_limit_is_waited_for() {
    let mut fleet = Fleet::quick(850);
    fleet.ask_for("elm");
    for part in ["/action/composeVApp", "/action/recomposeVApp", "/power/"] {
        let target = Target {
            path: Some(part.to_owned()),
            times: 10,
            ..Target::default()
        };
        fleet
            .faults
            .arm(target, Fault::Refused(Refusal::OperationLimit));
    }
    fleet.start("a");
    fleet.until(3 * HOUR, Fleet::all_provisioned).await;
    assert!(fleet.faults.struck() >= 20, "{}", fleet.context());
    fleet.assert_converged();
}

/// Goal: replicas that fall silent one after the other and come back in another order do no harm.
#[tokio::test(start_paused = true)]
async fn replicas_that_stall_one_by_one_and_go_on_in_random_order_do_no_harm() {
    for seed in 900..904 {
        let mut fleet = Fleet::quick(seed);
        let mut chance = fastrand::Rng::with_seed(seed);
        for n in 0..6 {
            fleet.ask_for(&format!("c{n}"));
        }
        let mut names = ["a", "b", "c", "d"];
        for name in names {
            fleet.start(name);
        }
        fleet
            .pass_time(Duration::from_secs(chance.u64(10..60)))
            .await;
        for _ in 0..2 {
            chance.shuffle(&mut names);
            for name in names {
                fleet.freeze(name, true);
                fleet
                    .pass_time(Duration::from_secs(chance.u64(1..150)))
                    .await;
            }
            chance.shuffle(&mut names);
            for name in names {
                fleet.freeze(name, false);
                fleet
                    .pass_time(Duration::from_secs(chance.u64(1..150)))
                    .await;
            }
        }
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
    }
}
