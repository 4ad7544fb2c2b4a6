//! Side by side with original servers: neither takes what the other works on, each goes on when the other
//! has gone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{HOUR, ONCE, holder};
use crate::support::fleet::Fleet;
use crate::support::original::{self, Record, Ways, Words};

/// Everybody who ever held the cluster, in the order of their first claims.
fn holders(fleet: &Fleet, urn: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for content in fleet.versions.of(urn) {
        let Value::Object(content) = content else {
            continue;
        };
        let worker = Record::of(&content).worker;
        if !worker.is_empty() && !seen.contains(&worker) {
            seen.push(worker);
        }
    }
    seen
}

fn is_ours(worker: &str) -> bool {
    worker.contains('/')
}

/// Goal: on one site both kinds of server share the work, and no cluster ever has two of them.
#[tokio::test(start_paused = true)]
async fn both_kinds_at_once_never_work_on_one_cluster() {
    for (seed, words, clusters) in [(4_100, Words::New, 20), (4_101, Words::Same, 12)] {
        let mut fleet = Fleet::new(seed);
        fleet.versions.watch();
        for n in 0..clusters {
            fleet.ask_for(&format!("c{n}"));
        }
        let ways = Ways {
            words,
            // Longer than the stale interval: who does not see it alive would take over.
            work: Duration::from_mins(40),
            ..Ways::default()
        };
        let theirs = ["x", "y"].map(|name| original::start(&fleet, name, ways));
        fleet.pass_time(Duration::from_millis(500)).await;
        fleet.start("a");
        fleet.start("b");
        let done = fleet.until(6 * HOUR, Fleet::all_provisioned).await;
        assert!(done, "{}", fleet.context());
        for server in &theirs {
            server.abort();
        }
        let mut kinds = BTreeSet::new();
        for urn in &fleet.urns {
            let holders = holders(&fleet, urn);
            assert_eq!(holders.len(), 1, "{urn}: {holders:?}\n{}", fleet.context());
            let ours = is_ours(&holders[0]);
            kinds.insert(ours);
            for effect in ONCE {
                assert_eq!(
                    fleet.effect(effect, urn),
                    u32::from(ours),
                    "{effect} of {urn}\n{}",
                    fleet.context()
                );
            }
        }
        assert_eq!(kinds.len(), 2, "both kinds had work\n{}", fleet.context());
        assert_eq!(fleet.world().bootstrap_leftovers(), Vec::<String>::new());
    }
}

/// Goal: what original servers have begun is finished by ours when they are gone.
#[tokio::test(start_paused = true)]
async fn theirs_to_ours() {
    let mut fleet = Fleet::new(4_110);
    for n in 0..6 {
        fleet.ask_for(&format!("c{n}"));
    }
    let ways = Ways::default();
    let theirs = original::start(&fleet, "x", ways);
    fleet.pass_time(Duration::from_mins(3)).await;
    let taken = fleet
        .urns
        .iter()
        .filter(|urn| !holder(&fleet, urn).is_empty())
        .count();
    assert_eq!(taken, ways.threads, "{}", fleet.context());
    theirs.abort();
    fleet.start("a");
    fleet.start("b");
    fleet.pass_time(Duration::from_mins(20)).await;
    let theirs = |fleet: &Fleet| {
        let held = fleet.urns.iter().map(|urn| holder(fleet, urn));
        held.filter(|holder| holder.starts_with("x-")).count()
    };
    assert_eq!(
        theirs(&fleet),
        ways.threads,
        "not before the stale interval"
    );
    let done = fleet.until(2 * HOUR, Fleet::all_provisioned).await;
    assert!(done, "{}", fleet.context());
    fleet.assert_converged();
}

/// Goal: what ours have begun is taken by original servers when ours are gone, at once after a drain and
/// after the stale interval otherwise; what comes back of ours disturbs nobody.
#[tokio::test(start_paused = true)]
async fn ours_to_theirs() {
    for (seed, drained) in (4_120..).zip([true, false]) {
        let mut fleet = Fleet::new(seed);
        fleet.versions.watch();
        for n in 0..3 {
            fleet.ask_for(&format!("c{n}"));
        }
        fleet.start("a");
        fleet.pass_time(Duration::from_secs(90)).await;
        if drained {
            fleet.stop("a").await;
        } else {
            // It comes back when its clusters have found another server.
            fleet.freeze("a", true);
        }
        let ways = Ways::default();
        let theirs = original::start(&fleet, "x", ways);
        let all_theirs = |fleet: &Fleet| {
            let mut held = fleet.urns.iter().map(|urn| holder(fleet, urn));
            held.all(|holder| holder.starts_with("x-"))
        };
        let limit = Duration::from_mins(if drained { 2 } else { 33 });
        let taken = fleet.until(limit, all_theirs).await;
        assert!(taken, "drained {drained}\n{}", fleet.context());
        if !drained {
            fleet.freeze("a", false);
            fleet.pass_time(Duration::from_mins(5)).await;
            assert!(all_theirs(&fleet), "{}", fleet.context());
        }
        let done = fleet.until(HOUR, Fleet::all_provisioned).await;
        assert!(done, "{}", fleet.context());
        theirs.abort();
        for urn in &fleet.urns {
            let holders = holders(&fleet, urn);
            assert_eq!(holders.len(), 2, "{holders:?}\n{}", fleet.context());
            for effect in &ONCE[..3] {
                assert!(
                    fleet.effect(effect, urn) <= 1,
                    "{effect}\n{}",
                    fleet.context()
                );
            }
        }
    }
}

/// Goal: servers of one kind give way to those of the other one by one, while clusters are asked for.
#[tokio::test(start_paused = true)]
async fn a_fleet_is_replaced_server_by_server() {
    let mut fleet = Fleet::new(4_130);
    fleet.versions.watch();
    let ways = Ways::default();
    let mut theirs = vec![
        original::start(&fleet, "x", ways),
        original::start(&fleet, "y", ways),
    ];
    for (round, name) in ["a", "b", "c"].into_iter().enumerate() {
        for n in 0..4 {
            fleet.ask_for(&format!("c{round}{n}"));
        }
        fleet.pass_time(Duration::from_mins(2)).await;
        fleet.start(name);
        fleet.pass_time(Duration::from_mins(4)).await;
        if let Some(server) = theirs.pop() {
            server.abort();
        }
    }
    let done = fleet.until(3 * HOUR, Fleet::all_provisioned).await;
    assert!(done, "{}", fleet.context());
    fleet.assert_lawful();
    assert_eq!(fleet.world().bootstrap_leftovers(), Vec::<String>::new());
    let finished: Vec<bool> = fleet
        .urns
        .iter()
        .map(|urn| is_ours(holders(&fleet, urn).last().unwrap()))
        .collect();
    assert!(finished.contains(&true), "{}", fleet.context());
}

/// Goal: a cluster that an original server created long ago is deleted when its owner asks, not after a
/// stale interval in which nobody works on it.
#[tokio::test(start_paused = true)]
async fn a_record_left_behind_by_an_original_server_delays_nothing_for_ever() {
    let mut fleet = Fleet::new(4_140);
    let tenant = fleet.tenants[0].clone();
    let urns: Vec<String> = ["oak", "elm"]
        .iter()
        .map(|name| fleet.world().seed_provisioned(&tenant, name, 9_000))
        .collect();
    for urn in &urns {
        fleet.change(urn, |content| {
            content["status"]["vcdKe"] = json!({
                "state": "provisioned",
                "workerId": "w1",
                "vcdKeInstanceId": "x",
                "heartbeatString": "w1 is alive, 77",
                "heartbeatTimestamp": "2026-01-07T10:00:00Z",
            });
        });
    }
    fleet.start("a");
    fleet.pass_time(Duration::from_mins(5)).await;
    fleet.mark(&urns[0], false);
    fleet.pass_time(Duration::from_mins(1)).await;
    assert_eq!(
        holder(&fleet, &urns[0]),
        "w1",
        "it may be at work, for all we know"
    );
    fleet.pass_time(Duration::from_mins(34)).await;
    assert_ne!(holder(&fleet, &urns[0]), "w1", "{}", fleet.context());
    fleet.mark(&urns[1], false);
    fleet.pass_time(Duration::from_secs(20)).await;
    assert_ne!(holder(&fleet, &urns[1]), "w1", "{}", fleet.context());
}
