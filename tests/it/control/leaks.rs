//! What is left of clusters that are no more is found, and nothing else.

use std::time::Duration;

use serde_json::json;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

/// Goal: a fleet that does its work leaks nothing; a restored backup that has forgotten a cluster shows all
/// that it had built.
#[tokio::test(start_paused = true)]
async fn a_clean_fleet_leaks_nothing_and_a_forgotten_cluster_everything() {
    let mut fleet = Fleet::quick(4_001);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    assert_eq!(fleet.world().leaks(), [], "{}", fleet.context());
    let nodes = fleet.world().vms().len();
    assert!(nodes >= 4, "{nodes}");

    fleet.world().forget_entity(&urn);
    let leaks = fleet.world().leaks();
    let of = |kind: &str| leaks.iter().filter(|leak| leak.kind == kind).count();
    assert_eq!((of("vApp"), of("VM")), (1, nodes), "{leaks:?}");
    assert!(leaks.iter().all(|leak| leak.org == "acme"), "{leaks:?}");
    let vapp = leaks.iter().find(|leak| leak.kind == "vApp").unwrap();
    assert!(vapp.why.contains(&urn), "{vapp:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bootstrap_machine_counts_once_its_cluster_is_gone() {
    let mut fleet = Fleet::quick(4_002);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    let made = |fleet: &Fleet| fleet.world().bootstrap_leftovers().len() == 2;
    assert!(fleet.until(HOUR, made).await, "{}", fleet.context());
    assert_eq!(fleet.world().leaks(), [], "it is at work");
    fleet.kill("a").await;
    fleet.world().forget_entity(&urn);
    let leaks = fleet.world().leaks();
    let names: Vec<&str> = leaks.iter().map(|leak| leak.name.as_str()).collect();
    assert_eq!(
        names,
        ["EPHEMERAL_TEMP_VM", "oak_ephemeral_vapp"],
        "{leaks:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn services_and_volumes_of_a_forgotten_cluster_are_found() {
    let mut fleet = Fleet::quick(4_003);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    for action in [
        json!({"create_service": {"cluster": "oak", "name": "web"}}),
        json!({"create_volume": {"cluster": "oak", "name": "data", "size_mib": 1024}}),
    ] {
        fleet.pull(&action);
    }
    fleet.pass_time(Duration::from_mins(10)).await;
    assert_eq!(fleet.world().leaks(), [], "{}", fleet.context());
    fleet.world().forget_entity(&urn);
    let leaks = fleet.world().leaks();
    for (kind, at_least) in [("virtual-service", 2), ("lb-pool", 2), ("disk", 1)] {
        let found = leaks.iter().filter(|leak| leak.kind == kind).count();
        assert!(found >= at_least, "{found} of {kind}: {leaks:#?}");
    }
}
