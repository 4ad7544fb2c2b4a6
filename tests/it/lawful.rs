//! The judge at work: what replicas of a fleet may not do is told, and nothing else is.
//!
//! That every rule can be broken is shown where the rules are, with histories made by hand.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Client, Shape};
use crate::support::fleet::Fleet;

/// Changes the tenant's part of the cluster's document.
fn change_spec(fleet: &Fleet, client: &Client, urn: &str, text: &str) {
    let found = client.get(fleet, urn).unwrap();
    let mut content = found.content().clone();
    content["spec"]["note"] = json!(text);
    client.put(fleet, &found, &content).unwrap();
}

/// Goal: what a tenant may do with a document, a replica may not; and only what is excused is not told.
#[test]
fn a_change_of_the_spec_is_lawful_for_a_client_and_unlawful_for_a_replica() {
    let mut fleet = Fleet::quick(1_600);
    let client = Client::of(&fleet, 0);
    let urn = client.ask(&mut fleet, Shape::V42, ("oak", false));
    change_spec(&fleet, &client, &urn, "by a tenant");
    fleet.assert_lawful();
    // From here on, whoever calls without a name counts as a replica.
    let at = (fleet.clock.now(), fleet.clock.wall());
    fleet.world().note_started("", at);
    change_spec(&fleet, &client, &urn, "by a replica");
    let verdicts = fleet.verdicts();
    assert!(
        matches!(verdicts.as_slice(), [one] if one.starts_with("I4 ") && one.contains(&urn)),
        "{verdicts:?}"
    );
    fleet.excuse("I5", "nothing of the kind is done");
    assert_eq!(fleet.verdicts(), verdicts);
    fleet.excuse("I4", "this test plays the replica");
    fleet.assert_lawful();
}

/// Goal: while replicas are there, new clusters and those of a replica that stops or dies are taken in time,
/// and every cluster comes to its end and stays there.
#[tokio::test(start_paused = true)]
async fn claims_are_taken_in_time_and_every_cluster_comes_to_its_end() {
    let mut fleet = Fleet::quick(1_610);
    for n in 0..6 {
        fleet.ask_for(&format!("c{n}"));
    }
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.pass_time(Duration::from_secs(30)).await;
    fleet.stop("a").await;
    fleet.pass_time(Duration::from_secs(20)).await;
    fleet.kill("b").await;
    assert!(
        fleet
            .until(Duration::from_hours(1), Fleet::all_provisioned)
            .await,
        "{}",
        fleet.context()
    );
    fleet.pass(Duration::from_mins(3)).await;
    fleet.assert_sound();
    let late = fleet.late(Duration::ZERO);
    assert_eq!(late, Vec::<String>::new(), "{}", fleet.context());
    let unsettled = fleet.unsettled(Duration::from_mins(2));
    assert_eq!(unsettled, Vec::<String>::new(), "{}", fleet.context());
}
