//! The main job on virtual time: clusters are created whatever happens to the replicas.

use std::time::Duration;

use cse_server::sim::seed::CseShape;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn one_replica_creates_clusters_of_every_payload_shape() {
    let mut fleet = Fleet::new(1);
    for (name, shape) in [
        ("amber", CseShape::V40),
        ("birch", CseShape::V41),
        ("cedar", CseShape::V42),
    ] {
        fleet.ask_in(shape, name, false);
    }
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    for urn in fleet.urns.clone() {
        let events = fleet.event_names(&urn);
        for expected in [
            "ClusterCreationStarted",
            "CapiYamlProcessed",
            "InstalledKind",
            "ClusterProvisioned",
        ] {
            assert!(
                events.iter().any(|name| name == expected),
                "{expected} in {events:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn three_replicas_share_the_work_and_nothing_is_done_twice() {
    let mut fleet = Fleet::new(2);
    for n in 0..24 {
        fleet.ask_for(&format!("c{n}"));
    }
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.pass_time(Duration::from_secs(90)).await;
    let clusters = fleet.world().clusters();
    for name in ["a/", "b/", "c/"] {
        let held = clusters
            .iter()
            .filter(|cluster| {
                cluster
                    .holder
                    .as_deref()
                    .is_some_and(|holder| holder.starts_with(name))
            })
            .count();
        assert!(held >= 3, "{name} holds {held} of 24\n{}", fleet.context());
    }
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

/// Goal: whenever a replica dies, its own successor or another replica finishes what it began.
///
/// Method: kill the only replica at every half minute of a creation, then let it come back, or another
/// one take over.
#[tokio::test(start_paused = true)]
async fn a_creation_survives_a_kill_at_any_moment() {
    for seed in 0..24 {
        let mut fleet = Fleet::new(100 + seed);
        fleet.ask_for("oak");
        fleet.start("a");
        fleet
            .pass_time(Duration::from_millis(700 + seed * 23_300))
            .await;
        fleet.kill("a").await;
        fleet.pass_time(Duration::from_secs(2)).await;
        fleet.start(if seed % 2 == 0 { "a" } else { "b" });
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

#[tokio::test(start_paused = true)]
async fn a_restarted_replica_goes_on_at_once_and_another_one_only_after_the_term() {
    for (successor, at_most) in [("a", 30), ("b", 240)] {
        let mut fleet = Fleet::new(7);
        let urn = fleet.ask_for("fir");
        fleet.start("a");
        let begun = fleet
            .until(HOUR, |fleet| fleet.effect("vm.created", &urn) == 1)
            .await;
        assert!(begun, "{}", fleet.context());
        let before = fleet.cluster(&urn).holder.unwrap();
        fleet.kill("a").await;
        fleet.start(successor);
        let limit = Duration::from_secs(at_most);
        let taken = fleet
            .until(limit, |fleet| fleet.cluster(&urn).holder.unwrap() != before)
            .await;
        assert!(taken, "{successor} within {at_most} s\n{}", fleet.context());
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_replica_hands_its_clusters_over_at_once() {
    let mut fleet = Fleet::new(9);
    let urns = ["elm", "yew", "ash"].map(|name| fleet.ask_for(name));
    fleet.start("a");
    fleet
        .until(HOUR, |fleet| {
            urns.iter()
                .all(|urn| fleet.effect("vm.powered_on", urn) == 1)
        })
        .await;
    fleet.start("b");
    fleet.pass_time(Duration::from_secs(20)).await;
    fleet.stop("a").await;
    let held_by_b = |fleet: &Fleet| {
        urns.iter().all(|urn| {
            fleet
                .cluster(urn)
                .holder
                .is_some_and(|holder| holder.starts_with("b/"))
        })
    };
    let handed_over = fleet.until(Duration::from_secs(15), held_by_b).await;
    assert!(handed_over, "{}", fleet.context());
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

#[tokio::test(start_paused = true)]
async fn with_every_replica_down_requests_wait_and_are_served_later() {
    let mut fleet = Fleet::new(11);
    fleet.ask_for("lime");
    fleet.pass_time(HOUR).await;
    assert_eq!(fleet.cluster(&fleet.urns[0]).state, None);
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}
