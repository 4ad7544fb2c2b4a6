//! Deletion when calls go wrong and replicas die: everything goes, once, and nothing is left.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};

use super::{HOUR, How, assert_clean, mark, provisioned, service, until_gone};
use crate::support::fleet::{Fleet, Saved};

/// Repetitions of one read that are tried.
const READS: usize = 2;

/// A provisioned cluster with a Service, marked for deletion, its only replica stopped.
async fn ready(seed: u64) -> Saved {
    let mut fleet = provisioned(seed, &["oak"]).await;
    service(&fleet, "oak", "web").await;
    fleet.stop("a").await;
    mark(&fleet, &fleet.urns[0].clone(), How::Forced);
    fleet.save()
}

/// Numbers of the calls worth a fault, of a deletion by replica `b`, counted from its start.
async fn calls_of_a_deletion(saved: &Saved) -> Vec<u64> {
    let mut fleet = Fleet::resume(saved);
    fleet.start("b");
    until_gone(&fleet, &fleet.urns[0].clone()).await;
    assert_clean(&fleet, &[]);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for (number, line) in (0..).zip(fleet.journal.lines()) {
        let call = line
            .split(' ')
            .skip(2)
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        if call.contains("/entities/types/") {
            continue;
        }
        let seen = times.entry(call.clone()).or_default();
        *seen += 1;
        if !call.starts_with("GET") || *seen <= READS {
            calls.push(number);
        }
    }
    assert!(calls.len() > 40, "only {} calls", calls.len());
    calls
}

fn only(caller: &str, call: u64) -> Target {
    Target {
        caller: Some(caller.to_owned()),
        ..Target::nth(call)
    }
}

fn assert_nothing_left(fleet: &Fleet) {
    assert_clean(fleet, &[]);
    assert_eq!(
        fleet.world().vapps(),
        Vec::<String>::new(),
        "{}",
        fleet.context()
    );
    assert_eq!(
        fleet.world().network_objects(),
        Vec::<String>::new(),
        "{}",
        fleet.context()
    );
}

/// Goal: whatever happens to one call of a deletion, it ends the same.
///
/// Method: every call worth a fault with a fault of its own; the kinds take turns, so that with the two
/// tests each kind meets calls of every kind.
#[tokio::test(start_paused = true)]
async fn any_fault_at_any_call_of_a_deletion_is_survived() {
    let saved = ready(3_200).await;
    let calls = calls_of_a_deletion(&saved).await;
    let kinds = [
        Fault::ReplyLost,
        Fault::Refused(Refusal::ServerError),
        Fault::Refused(Refusal::Busy),
        Fault::RequestLost,
        Fault::Malformed,
        Fault::ProcessedButRefused(Refusal::GatewayTimeout),
        Fault::Refused(Refusal::SessionExpired),
        Fault::Refused(Refusal::Conflict),
        Fault::Truncated,
        Fault::Delayed(Duration::from_secs(45)),
    ];
    let mut runs = 0;
    for (turn, call) in calls.iter().enumerate() {
        let fault = kinds[(turn + turn / kinds.len()) % kinds.len()];
        let mut fleet = Fleet::resume(&saved);
        fleet.what = format!("{fault:?} at call {call} of the deletion");
        fleet.faults.arm(only("b", *call), fault);
        fleet.start("b");
        until_gone(&fleet, &fleet.urns[0].clone()).await;
        assert_eq!(fleet.faults.struck(), 1, "{}", fleet.context());
        assert_nothing_left(&fleet);
        runs += 1;
    }
    assert!(runs > 40, "{runs} faults");
}

/// Goal: a replica that dies at any call of a deletion leaves nothing that another one cannot finish.
#[tokio::test(start_paused = true)]
async fn death_at_any_call_of_a_deletion_is_survived() {
    let saved = ready(3_210).await;
    let calls = calls_of_a_deletion(&saved).await;
    let mut runs = 0;
    for (turn, call) in calls.into_iter().enumerate().step_by(4) {
        let fault = [Fault::ReplyLost, Fault::RequestLost][turn / 4 % 2];
        let mut fleet = Fleet::resume(&saved);
        fleet.what = format!("death after {fault:?} at call {call} of the deletion");
        fleet.faults.arm(only("b", call), fault);
        fleet.start("b");
        while fleet.faults.struck() == 0 {
            fleet.pass_time(Duration::from_millis(200)).await;
        }
        fleet.kill("b").await;
        fleet.start(if turn % 16 < 12 { "b" } else { "c" });
        until_gone(&fleet, &fleet.urns[0].clone()).await;
        assert_nothing_left(&fleet);
        runs += 1;
    }
    assert!(runs > 10, "{runs} deaths");
}

/// Goal: many faults at once on three replicas that delete six clusters.
#[tokio::test(start_paused = true)]
async fn random_faults_on_three_replicas_that_delete_are_survived() {
    for seed in [3_220] {
        let names = ["ash", "bay", "cob", "dun", "eik", "fig"];
        let mut fleet = provisioned(seed, &names).await;
        for name in names {
            service(&fleet, name, "web").await;
        }
        fleet.start("b");
        fleet.start("c");
        fleet.faults.arm_chance(40, &Fault::ALL, seed);
        let urns = fleet.urns.clone();
        for (turn, urn) in urns.iter().enumerate() {
            mark(
                &fleet,
                urn,
                if turn % 2 == 0 {
                    How::Plain
                } else {
                    How::Forced
                },
            );
        }
        for urn in &urns {
            let gone = fleet
                .until(2 * HOUR, |fleet| super::is_gone(fleet, urn))
                .await;
            assert!(gone, "{}", fleet.context());
        }
        assert!(fleet.faults.struck() > 30, "{}", fleet.context());
        fleet.faults.disarm();
        assert_nothing_left(&fleet);
    }
}
