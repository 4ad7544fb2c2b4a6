//! How the wait for a creation ends, and what a client then knows.

use std::time::Duration;

use serde_json::json;

use super::{HOUR, NAME, POOL, asked, shapes};
use crate::support::client::Shape;
use crate::support::fleet::Fleet;

#[tokio::test(start_paused = true)]
async fn the_wait_ends_on_provisioned_and_everything_can_be_read() {
    for (seed, shape) in shapes(4_000) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.start("a");
        let cluster = client.wait(&fleet, &urn, HOUR).await;
        let cluster = cluster.unwrap_or_else(|error| panic!("{error}\n{}", fleet.context()));
        let context = fleet.context();
        let details = cluster.details.expect("the cluster's own report is there");
        assert!(!details.control_plane_ip.is_empty(), "{context}");
        assert_eq!(details.control_planes, 1, "{context}");
        assert_eq!(details.pools.get(POOL), Some(&1), "{context}");
        assert!(details.kubernetes.starts_with("v1.27"), "{context}");
        let found = client.get(&fleet, &urn).unwrap();
        assert_eq!(found.envelope["state"], "RESOLVED", "{context}");
        assert_eq!(found.envelope["owner"]["name"], "acme-author", "{context}");
        let status = &found.content()["status"]["vcdKe"];
        // Terraform plans a change for ever when this is not what its configuration says.
        let release = if shape == Shape::V41 {
            "4.1.1"
        } else {
            "4.2.3"
        };
        assert_eq!(status["vcdKeVersion"], release, "{context}");
        let class = &status["defaultStorageClass"];
        assert_eq!(class["k8sStorageClassName"], "kite7-default", "{context}");
        assert_eq!(class["fileSystem"], "ext4", "{context}");
        assert_eq!(
            found.content()["spec"]["vcdKe"]["autoRepairOnErrors"],
            false
        );
        fleet.assert_converged();
    }
}

/// A provider whose tenants have written another patch level into their configurations says so once.
#[tokio::test(start_paused = true)]
async fn the_release_told_is_the_one_the_provider_has_configured() {
    for (seed, shape, release) in [(4_005, Shape::V41, "4.1.0"), (4_006, Shape::V42, "4.2.1")] {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        let configuration = client.configuration(&fleet);
        fleet.change(&configuration, |content| {
            content["profiles"][0]["vcdKeInstances"][0]["version"] = json!(release);
        });
        fleet.start("a");
        let cluster = client.wait(&fleet, &urn, HOUR).await.unwrap();
        let told = &cluster.typed["status"]["vcdKe"]["vcdKeVersion"];
        assert_eq!(told, release, "{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn no_state_is_ever_told_that_clients_do_not_know() {
    for (seed, repair) in [(4_010, false), (4_011, true)] {
        let (mut fleet, client, urn) = asked(seed, Shape::V42, repair);
        fleet.world().fail_guest(NAME, "tools", 1);
        fleet.start("a");
        let ended = client.wait(&fleet, &urn, HOUR).await;
        assert_eq!(ended.is_ok(), repair, "{ended:?}\n{}", fleet.context());
        let mut states: Vec<String> = Vec::new();
        for content in fleet.versions.of(&urn) {
            let state = content["status"]["vcdKe"]["state"].as_str();
            let state = state.unwrap_or_default().to_owned();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        let wanted: &[&str] = if repair {
            &["", "provisioning", "error", "provisioning", "provisioned"]
        } else {
            &["", "provisioning", "error"]
        };
        assert_eq!(states, wanted, "{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn without_auto_repair_the_wait_ends_on_error_and_prints_why() {
    for (seed, shape) in shapes(4_020) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.world().fail_guest(NAME, "control-plane", 1);
        fleet.start("a");
        let printed = client.wait(&fleet, &urn, HOUR).await.unwrap_err();
        assert!(printed.starts_with("Error events:"), "{printed}");
        assert!(printed.contains("\"control-plane\" failed"), "{printed}");
        let refused = client.read(&fleet, &urn).map(|mut cluster| {
            let update = client.update(&fleet, (&urn, &mut cluster), |_| {});
            update.expect_err("a failed cluster cannot be changed")
        });
        assert!(refused.unwrap().contains("'error'"), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_needs_the_tenant_is_printed_for_each_kind_of_client() {
    for (seed, shape) in shapes(4_030) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        let token = fleet.tenants[0].api_token.clone();
        fleet.world().revoke_api_token(&token);
        fleet.start("a");
        let printed = client.wait(&fleet, &urn, HOUR).await.unwrap_err();
        assert!(printed.contains("API token"), "{shape:?}: {printed}");
        assert!(!printed.contains(&token), "the token is in the error");
    }
}

#[tokio::test(start_paused = true)]
async fn with_auto_repair_the_wait_goes_on_through_an_error() {
    for (seed, shape) in shapes(4_040) {
        let (mut fleet, client, urn) = asked(seed, shape, true);
        fleet.world().fail_guest(NAME, "kind", 1);
        fleet.start("a");
        let cluster = client.wait(&fleet, &urn, 2 * HOUR).await;
        let cluster = cluster.unwrap_or_else(|error| panic!("{error}\n{}", fleet.context()));
        assert_eq!(cluster.printed_errors(), "", "{}", fleet.context());
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            2,
            "{}",
            fleet.context()
        );
    }
}

/// A client with auto-repair waits as long as the flag is set, at worst for ever: when nothing follows
/// any more, the flag must not be left as it is.
#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_last_attempt_has_failed() {
    for (seed, shape) in shapes(4_050) {
        let (mut fleet, client, urn) = asked(seed, shape, true);
        fleet.world().fail_guest(NAME, "kind", u32::MAX);
        fleet.start("a");
        let printed = client.wait(&fleet, &urn, 6 * HOUR).await.unwrap_err();
        assert!(
            printed.contains("\"kind\" failed"),
            "{printed}\n{}",
            fleet.context()
        );
        assert!(
            fleet.effect("vm.powered_on", &urn) >= 2,
            "{}",
            fleet.context()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_made_while_every_server_is_down_is_waited_for() {
    let (mut fleet, client, urn) = asked(4_060, Shape::V42, false);
    let early = client.wait(&fleet, &urn, Duration::from_mins(20)).await;
    assert_eq!(early.unwrap_err(), "timeout reached");
    fleet.start("a");
    let done = client.wait(&fleet, &urn, HOUR).await;
    assert!(done.is_ok(), "{done:?}\n{}", fleet.context());
    fleet.assert_converged();
}

#[tokio::test(start_paused = true)]
async fn clusters_of_every_type_version_are_created_side_by_side() {
    let mut fleet = Fleet::quick(4_070);
    let client = crate::support::client::Client::of(&fleet, 1);
    let mut urns = Vec::new();
    for (n, shape) in Shape::ALL.into_iter().cycle().take(9).enumerate() {
        urns.push(client.ask(&mut fleet, shape, (&format!("c{n}"), n % 2 == 0)));
    }
    fleet.start("a");
    fleet.start("b");
    for urn in &urns {
        let done = client.wait(&fleet, urn, HOUR).await;
        assert!(done.is_ok(), "{done:?}\n{}", fleet.context());
    }
    fleet.assert_converged();
    assert_eq!(urns.len(), 9);
}
