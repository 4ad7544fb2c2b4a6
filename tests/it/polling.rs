//! What idle clusters cost: their share of a listing, and not one request of their own.

use std::time::Duration;

use cse_server::controller::poll::{Poller, Swept};
use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::seed::ClusterEdit;
use serde_json::json;

use crate::support::fleet::Fleet;

/// Clusters that need nothing: three pages.
const IDLE: usize = 300;
const PAGES: usize = IDLE.div_ceil(128);
/// Real ones have 32 kB; what is counted here does not depend on it.
const BYTES: usize = 12_000;

fn idle_fleet(seed: u64) -> (Fleet, Vec<String>) {
    let fleet = Fleet::quick(seed);
    let tenant = fleet.tenants[0].clone();
    let urns: Vec<String> = (0..IDLE)
        .map(|n| {
            fleet
                .world()
                .seed_provisioned(&tenant, &format!("idle-{n}"), BYTES)
        })
        .collect();
    assert!(fleet.all_provisioned(), "{}", fleet.context());
    (fleet, urns)
}

fn of_clusters(line: &str) -> bool {
    line.contains("/capvcdCluster") || line.contains(":capvcdCluster:")
}

/// Goal: P1. Half an hour of 300 idle clusters: one request per quick poll, one per page and sweep,
/// nothing else about clusters.
#[tokio::test(start_paused = true)]
async fn idle_clusters_cost_their_listing_and_nothing_else() {
    let (mut fleet, _) = idle_fleet(3_000);
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(5)).await;
    fleet.sent.clear();
    fleet.pass_time(Duration::from_mins(30)).await;
    let mut sent = fleet.sent.lines();
    sent.retain(|line| of_clusters(line));
    let (hot, rest): (Vec<_>, Vec<_>) = sent.into_iter().partition(|line| line.contains("filter="));
    let (sweep, other): (Vec<_>, Vec<_>) = rest.into_iter().partition(|line| {
        line.starts_with("GET /cloudapi/1.0.0/entities/types/vmware/capvcdCluster?")
    });
    assert_eq!(other, Vec::<String>::new(), "seed {}", fleet.seed);
    assert!(hot.iter().all(|line| line.contains("page=1&")), "{hot:?}");
    // Every 10 s, spread by a fifth; every 5 min, spread by a tenth.
    assert!(
        (140..=225).contains(&hot.len()),
        "{} quick polls",
        hot.len()
    );
    let sweeps = sweep.iter().filter(|line| line.contains("page=1&")).count();
    assert!((5..=7).contains(&sweeps), "{sweeps} sweeps");
    assert_eq!(sweep.len(), sweeps * PAGES, "{sweep:?}");
}

#[tokio::test(start_paused = true)]
async fn unchanged_pages_are_recognised() {
    let (fleet, urns) = idle_fleet(3_100);
    let client = fleet.provider().await;
    let mut poller = Poller::default();
    let swept = |unchanged_pages, need_work| Swept {
        requests: 3,
        unchanged_pages,
        clusters: 300,
        need_work,
    };
    assert_eq!(poller.sweep(&client).await.unwrap(), swept(0, 0));
    assert_eq!(poller.sweep(&client).await.unwrap(), swept(3, 0));
    fleet.change(&urns[7], |content| {
        content["status"]["capvcd"]["phase"] = json!("Updated");
    });
    assert_eq!(poller.sweep(&client).await.unwrap(), swept(2, 0));
    fleet.change(&urns[250], |content| {
        content["status"]["vcdKe"]["state"] = json!("provisioning");
    });
    let found = poller.sweep(&client).await.unwrap();
    assert!(found.unchanged_pages <= 2, "{found:?}");
    assert_eq!(poller.sweep(&client).await.unwrap().unchanged_pages, 3);
}

/// Goal: replicas that did not finish a cluster themselves do not ask after it either.
#[tokio::test(start_paused = true)]
async fn a_finished_cluster_is_asked_after_by_nobody() {
    let mut fleet = Fleet::quick(3_200);
    for n in 0..9 {
        fleet.ask_for(&format!("c{n}"));
    }
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet
        .until(Duration::from_hours(1), Fleet::all_provisioned)
        .await;
    fleet.assert_converged();
    fleet.pass_time(Duration::from_secs(20)).await;
    fleet.sent.clear();
    fleet.pass_time(Duration::from_mins(30)).await;
    let mut sent = fleet.sent.lines();
    sent.retain(|line| line.contains("urn:vcloud:entity:vmware:capvcdCluster:"));
    assert_eq!(sent, Vec::<String>::new(), "seed {}", fleet.seed);
}

/// A running cluster that a tenant resizes and that replica `a` follows, which is killed then; how long it takes
/// until `b` holds it.
async fn until_followed_again(fleet: &mut Fleet) -> Duration {
    let tenant = fleet.tenants[0].clone();
    let urn = fleet.ask_for("oak");
    fleet.start("z");
    let hour = Duration::from_hours(1);
    assert!(
        fleet.until(hour, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    fleet.pass_time(hour).await;
    fleet.stop("z").await;
    fleet.world().timings_mut().node = hour;
    let edit = ClusterEdit::Resize {
        pool: "workers-a".to_owned(),
        replicas: 5,
    };
    let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
    let edited = fleet
        .world()
        .edit_cluster((&tenant, &urn), &edit, now, wall);
    assert!(edited, "{}", fleet.context());
    let held_by = |name: &'static str| {
        let urn = urn.clone();
        move |fleet: &Fleet| {
            let holder = fleet.cluster(&urn).holder.unwrap_or_default();
            holder.starts_with(&format!("{name}/"))
        }
    };
    fleet.start("a");
    let minutes = Duration::from_mins(10);
    assert!(
        fleet.until(minutes, held_by("a")).await,
        "{}",
        fleet.context()
    );
    fleet.start("b");
    fleet.pass_time(minutes).await;
    assert!(held_by("a")(fleet), "{}", fleet.context());
    fleet.kill("a").await;
    let killed = fleet.clock.now();
    assert!(
        fleet.until(2 * minutes, held_by("b")).await,
        "{}",
        fleet.context()
    );
    fleet.clock.now().since(killed)
}

/// Goal: L3 for clusters that are finished, which the quick poll shows for their holder only.
#[tokio::test(start_paused = true)]
async fn a_holder_that_is_lost_while_it_follows_a_running_cluster_is_replaced_in_time() {
    for seed in 3_300..3_306 {
        let took = until_followed_again(&mut Fleet::quick(seed)).await;
        assert!(took <= Duration::from_secs(230), "seed {seed}: {took:?}");
    }
}

/// Goal: where VCD does not take the filter for that, full listings find it, and new clusters are found as fast
/// as before.
#[tokio::test(start_paused = true)]
async fn a_refused_filter_costs_no_more_than_what_it_was_for() {
    let mut fleet = Fleet::quick(3_400);
    let wild = Target {
        path: Some("workerId".to_owned()),
        times: u64::MAX,
        ..Target::default()
    };
    fleet.faults.arm(wild, Fault::Refused(Refusal::Forbidden));
    let took = until_followed_again(&mut fleet).await;
    assert!(took > Duration::from_mins(3), "{took:?}");
    assert!(fleet.faults.struck() > 0);
    let new = fleet.ask_for("new");
    let claimed = |fleet: &Fleet| fleet.cluster(&new).holder.is_some_and(|by| !by.is_empty());
    let soon = Duration::from_secs(15);
    assert!(fleet.until(soon, claimed).await, "{}", fleet.context());
}
