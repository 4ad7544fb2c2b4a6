//! Deletion that arrives while a cluster is created, at every moment of it.

use std::time::Duration;

use serde_json::json;

use super::{HOUR, How, assert_clean, is_gone, mark, names, until_gone};
use crate::support::fleet::Fleet;

/// Calls of a creation by one replica, until the cluster is provisioned.
async fn calls_of_a_creation(seed: u64) -> u64 {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    fleet.faults.calls()
}

/// Goal: whatever a creation was about to do, a mark ends it, and nothing of it is left.
///
/// Method: mark after every so many calls, plain and forced in turn; a second replica stands by, and takes
/// over in every third run.
#[tokio::test(start_paused = true)]
async fn a_mark_at_any_call_of_a_creation_ends_with_nothing_left() {
    let seed = 3_100;
    let calls = calls_of_a_creation(seed).await;
    assert!(calls > 80, "{calls} calls");
    let mut runs = 0;
    for (turn, call) in (1..calls).step_by(11).enumerate() {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("marked after call {call}");
        let urn = fleet.ask_for("oak");
        fleet.start("a");
        while fleet.faults.calls() < call {
            let near = call - fleet.faults.calls() < 8;
            let step = if near { 20 } else { 200 };
            fleet.pass_time(Duration::from_millis(step)).await;
        }
        mark(
            &fleet,
            &urn,
            if turn % 2 == 0 {
                How::Plain
            } else {
                How::Forced
            },
        );
        if turn % 3 == 0 {
            fleet.kill("a").await;
        }
        fleet.start("b");
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
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
        fleet.assert_lawful();
        runs += 1;
    }
    assert!(runs > 7, "{runs}");
}

/// Goal: a cluster that nobody has begun to create goes at once, without quarantine and without a token.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_never_begun_goes_at_once_even_without_a_good_token() {
    for (seed, token) in (3_110..).zip([true, false]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for("oak");
        if !token {
            let api_token = fleet.tenants[0].api_token.clone();
            fleet.world().revoke_api_token(&api_token);
        }
        mark(&fleet, &urn, How::Plain);
        fleet.start("a");
        let limit = Duration::from_secs(45);
        let gone = fleet.until(limit, |fleet| is_gone(fleet, &urn)).await;
        assert!(gone, "good token: {token}\n{}", fleet.context());
        assert_eq!(fleet.effect("vapp.composed", &urn), 0);
    }
}

/// Goal: a request that never could work can be deleted: its VDC does not exist, or its YAML is garbage.
#[tokio::test(start_paused = true)]
async fn a_request_that_never_could_work_can_be_deleted() {
    for (seed, broken) in (3_120..).zip(["vdc", "yaml", "everything"]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for("oak");
        fleet.change(&urn, |content| match broken {
            "vdc" => {
                content["metadata"]["virtualDataCenterName"] = json!("nowhere");
                let yaml = content["spec"]["capiYaml"].as_str().unwrap();
                let yaml = yaml.replace("acme-vdc", "nowhere");
                content["spec"]["capiYaml"] = json!(yaml);
            }
            "yaml" => content["spec"]["capiYaml"] = json!("{[ no: yaml\n---\n\u{1}"),
            _ => {
                content["spec"]["capiYaml"] = json!(7);
                content["metadata"] = json!([]);
            }
        });
        fleet.start("a");
        let failed = fleet.until(HOUR, |fleet| fleet.is_in(&urn, "error")).await;
        assert!(failed, "{broken}\n{}", fleet.context());
        mark(&fleet, &urn, How::Forced);
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
    }
}

/// Goal: what of a provisioned cluster's YAML a tenant has broken does not keep it from being deleted.
#[tokio::test(start_paused = true)]
async fn a_broken_request_of_a_running_cluster_does_not_keep_it() {
    let fleet = super::provisioned(3_130, &["oak"]).await;
    let urn = fleet.urns[0].clone();
    fleet.change(&urn, |content| {
        content["spec"]["capiYaml"] = json!("kind: [\n");
    });
    mark(&fleet, &urn, How::Plain);
    until_gone(&fleet, &urn).await;
    assert_clean(&fleet, &[]);
    assert_eq!(fleet.world().vapps(), Vec::<String>::new());
}

/// Goal: a cluster that failed for good, with its bootstrap VM kept for inspection, is deleted whole.
#[tokio::test(start_paused = true)]
async fn a_failed_cluster_is_deleted_with_its_bootstrap_vm_and_what_was_built() {
    for (seed, phase) in (3_140..).zip(["kind", "workers", "pivot"]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for("oak");
        fleet.world().fail_guest("oak", phase, 1);
        fleet.start("a");
        let failed = fleet.until(HOUR, |fleet| fleet.is_in(&urn, "error")).await;
        assert!(failed, "{phase}\n{}", fleet.context());
        assert!(!fleet.world().bootstrap_leftovers().is_empty());
        mark(&fleet, &urn, How::Plain);
        let deleting = |fleet: &Fleet| fleet.is_in(&urn, "deleting");
        assert!(fleet.until(HOUR, deleting).await, "{}", fleet.context());
        let started = names(&fleet, &urn, "eventSet");
        assert!(
            started.contains(&"ClusterDeletionStarted".to_owned()),
            "{started:?}"
        );
        until_gone(&fleet, &urn).await;
        assert_clean(&fleet, &[]);
        assert_eq!(fleet.world().vapps(), Vec::<String>::new(), "{phase}");
        assert_eq!(
            fleet.world().network_objects(),
            Vec::<String>::new(),
            "{phase}"
        );
    }
}
