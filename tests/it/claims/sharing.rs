//! One tenant does not keep another one waiting, and a replica that has just started is modest.

use std::time::Duration;

use cse_server::reconcile::sharing::Slots;
use serde_json::json;

use super::holder;
use crate::support::fleet::Fleet;

/// Of the clusters whose number is even (the first tenant's) or odd, how many are held.
fn held(fleet: &Fleet, odd: usize) -> usize {
    let mine = fleet.urns.iter().skip(odd).step_by(2);
    mine.filter(|urn| !holder(fleet, urn).is_empty()).count()
}

/// Goal: a tenant with very many clusters takes a quarter of the slots, and the only cluster of another one
/// is claimed at the next look.
#[tokio::test(start_paused = true)]
async fn a_tenant_with_many_clusters_starves_nobody() {
    let mut fleet = Fleet::new(4_600);
    let other = fleet.tenants.pop().unwrap();
    for n in 0..60 {
        fleet.ask_for(&format!("c{n}"));
    }
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(90)).await;
    let count = |fleet: &Fleet| {
        let held = fleet
            .urns
            .iter()
            .filter(|urn| !holder(fleet, urn).is_empty());
        held.count()
    };
    assert_eq!(
        count(&fleet),
        8,
        "a quarter of 32 slots\n{}",
        fleet.context()
    );
    fleet.tenants = vec![other];
    let urn = fleet.ask_for("single");
    let claimed = |fleet: &Fleet| !holder(fleet, &urn).is_empty();
    let soon = fleet.until(Duration::from_secs(14), claimed).await;
    assert!(soon, "{}", fleet.context());
    assert_eq!(count(&fleet), 9);
}

/// Goal: two tenants share the slots evenly, whoever came first.
#[tokio::test(start_paused = true)]
async fn slots_are_shared_evenly() {
    let mut fleet = Fleet::new(4_610);
    fleet.habits.slots = Slots::new(10, 100, 2);
    for n in 0..40 {
        fleet.ask_for(&format!("c{n}"));
    }
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(30)).await;
    assert_eq!(
        (held(&fleet, 0), held(&fleet, 1)),
        (5, 5),
        "{}",
        fleet.context()
    );
}

/// Goal: at most two clusters of a tenant are deleted at once by one replica, and all of them in the end.
#[tokio::test(start_paused = true)]
async fn deletions_of_one_tenant_come_two_by_two() {
    let mut fleet = Fleet::quick(4_620);
    let tenant = fleet.tenants[0].clone();
    let urns: Vec<String> = (0..5)
        .map(|n| {
            fleet
                .world()
                .seed_provisioned(&tenant, &format!("c{n}"), 9_000)
        })
        .collect();
    for urn in &urns {
        fleet.mark(urn, false);
    }
    fleet.start("a");
    let left = |fleet: &Fleet| -> Vec<bool> {
        let world = fleet.world();
        let contents = urns.iter().filter_map(|urn| world.entity_content(urn));
        contents
            .map(|content| content["status"]["vcdKe"]["workerId"] != json!(""))
            .collect()
    };
    let mut most = 0;
    for _ in 0..3_600 {
        let now = left(&fleet);
        most = most.max(now.iter().filter(|held| **held).count());
        if now.is_empty() {
            break;
        }
        fleet.pass_time(Duration::from_secs(1)).await;
    }
    assert_eq!((most, left(&fleet).len()), (2, 0), "{}", fleet.context());
}

/// Goal: a replica that has just come up does not take everything that its peers have just let go.
#[tokio::test(start_paused = true)]
async fn a_new_replica_takes_no_more_than_its_fair_share_at_first() {
    let mut fleet = Fleet::new(4_630);
    for n in 0..24 {
        fleet.ask_for(&format!("c{n}"));
    }
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.pass_time(Duration::from_secs(70)).await;
    fleet.start("d");
    fleet.pass_time(Duration::from_secs(3)).await;
    // Nobody competes for what the two let go.
    fleet.freeze("c", true);
    fleet.stop("a").await;
    fleet.stop("b").await;
    fleet.pass_time(Duration::from_secs(25)).await;
    let of = |name: &str| {
        let urns = fleet.urns.iter();
        urns.filter(|urn| fleet.holds(name, urn)).count()
    };
    let (c, d) = (of("c"), of("d"));
    // Half of the work: one other replica holds some.
    assert_eq!(d, 12.min(24 - c), "beside {c}\n{}", fleet.context());
}
