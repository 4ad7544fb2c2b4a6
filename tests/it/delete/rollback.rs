//! Clients that write over a deletion: a lost mark stops nothing, an older document stops everything.

use serde_json::json;

use super::{HOUR, How, assert_clean, belongings, is_gone, mark, names, provisioned, until_gone};
use crate::support::fleet::Fleet;

/// Goal: a typed client that read the document after the deletion began drops the mark and stops nothing.
#[tokio::test(start_paused = true)]
async fn a_mark_that_a_client_drops_stops_nothing() {
    for (seed, moment) in (3_400..).zip(["ClusterDeletionStarted", "ClusterNodesStopped"]) {
        let mut fleet = provisioned(seed, &["oak"]).await;
        fleet.start("b");
        let urn = fleet.urns[0].clone();
        mark(&fleet, &urn, How::Plain);
        let begun = |fleet: &Fleet| {
            names(fleet, &urn, "eventSet")
                .iter()
                .any(|name| name == moment)
        };
        assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
        fleet.change(&urn, |content| {
            let section = content["spec"]["vcdKe"].as_object_mut().unwrap();
            section.remove("markForDelete");
            section.remove("forceDelete");
        });
        fleet.kill("a").await;
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
    }
}

/// Goal: a document from before the deletion is neither taken as an order to go on nor as one to build again.
#[tokio::test(start_paused = true)]
async fn an_older_document_stops_a_deletion_that_has_begun_until_somebody_decides() {
    for (seed, moment) in (3_410..).zip(["ClusterNodesStopped", "ClusterNodesRemoved"]) {
        let mut fleet = provisioned(seed, &["oak"]).await;
        fleet.start("b");
        let urn = fleet.urns[0].clone();
        let copy = fleet.content(&urn);
        mark(&fleet, &urn, How::Plain);
        let begun = |fleet: &Fleet| {
            names(fleet, &urn, "eventSet")
                .iter()
                .any(|name| name == moment)
        };
        assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
        fleet.change(&urn, |content| *content = copy.clone());
        let stopped = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, stopped).await, "{}", fleet.context());
        assert_eq!(names(&fleet, &urn, "errorSet"), ["DeletionRolledBack"]);
        let left = belongings(&fleet, "oak", &urn);
        fleet.pass_time(HOUR).await;
        assert_eq!(
            belongings(&fleet, "oak", &urn),
            left,
            "nothing is done meanwhile"
        );
        assert!(fleet.is_in(&urn, "error"));
        assert_eq!(
            fleet.effect("vapp.composed", &urn),
            1,
            "{}",
            fleet.context()
        );
        mark(&fleet, &urn, How::Plain);
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
    }
}

/// Goal: before anything was removed the older document simply wins, and the cluster goes on.
#[tokio::test(start_paused = true)]
async fn an_older_document_before_anything_was_removed_leaves_the_cluster_alone() {
    let fleet = provisioned(3_420, &["oak"]).await;
    let urn = fleet.urns[0].clone();
    let before = belongings(&fleet, "oak", &urn);
    let copy = fleet.content(&urn);
    // Nothing can be touched while the token is dead.
    let path = Some("/oauth/tenant/".to_owned());
    let target = cse_server::sim::faults::Target {
        path,
        times: u64::MAX,
        ..cse_server::sim::faults::Target::default()
    };
    fleet
        .faults
        .arm(target, cse_server::sim::faults::Fault::NotSent);
    mark(&fleet, &urn, How::Plain);
    assert!(
        fleet
            .until(HOUR, |fleet| fleet.is_in(&urn, "deleting"))
            .await
    );
    fleet.change(&urn, |content| *content = copy.clone());
    let told = |fleet: &Fleet| {
        let events = names(fleet, &urn, "eventSet");
        events.iter().any(|name| name == "RollbackDetected")
    };
    assert!(fleet.until(HOUR, told).await, "{}", fleet.context());
    fleet.faults.disarm();
    fleet.pass_time(HOUR).await;
    assert!(fleet.is_in(&urn, "provisioned"), "{}", fleet.context());
    assert_eq!(names(&fleet, &urn, "errorSet"), Vec::<String>::new());
    assert_eq!(belongings(&fleet, "oak", &urn), before);
}

/// Goal: an entity that is not resolved, or cannot be, is no reason to keep a cluster that is gone.
#[tokio::test(start_paused = true)]
async fn an_unresolved_entity_goes_too() {
    let mut fleet = Fleet::quick(3_430);
    let urn = fleet.ask_for("oak");
    fleet.world().fail_guest("oak", "kind", 1);
    fleet.start("a");
    assert!(fleet.until(HOUR, |fleet| fleet.is_in(&urn, "error")).await);
    assert_eq!(fleet.cluster(&urn).rde_state, "PRE_CREATED");
    // No client will ever be able to resolve this.
    fleet.change(&urn, |content| {
        content.insert("kind".to_owned(), json!(["no", "text"]));
    });
    mark(&fleet, &urn, How::Forced);
    until_gone(&fleet, &urn).await;
    assert!(is_gone(&fleet, &urn));
    assert_clean(&fleet, &[]);
}
