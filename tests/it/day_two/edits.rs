//! Edits that clusters carry out: each is told from request to end, once, whoever runs.

use std::time::Duration;

use serde_json::json;

use super::{
    HOUR, NEW, assert_left_alone, await_errors, await_told, configure, document, edit, is_let_go,
    plane, resize, running, told, until, upgrade,
};

const SLOW: Duration = Duration::from_mins(12);
const QUICK: Duration = Duration::from_secs(90);

#[tokio::test(start_paused = true)]
async fn a_resize_up_and_down_is_told_once_each_and_then_nobody_asks() {
    let (mut fleet, urn) = running(4_000, SLOW).await;
    fleet.start("b");
    resize(&fleet, &urn, "workers-a", 4);
    await_told(&fleet, &urn, "NodePoolResizeRequested", 1).await;
    await_told(&fleet, &urn, "NodePoolReady", 1).await;
    resize(&fleet, &urn, "workers-a", 1);
    // A node goes within a minute or two: whether its going was seen is chance, its end is told.
    await_told(&fleet, &urn, "NodePoolReady", 2).await;
    assert!(fleet.errors(&urn).is_empty(), "{}", fleet.context());
    assert!(
        told(&fleet, &urn, "NodePoolChanging") <= 4,
        "{}",
        fleet.context()
    );
    assert_left_alone(&fleet, &urn).await;
    assert!(fleet.is_in(&urn, "provisioned"));
}

#[tokio::test(start_paused = true)]
async fn the_control_plane_grows_to_three_and_a_pool_is_added() {
    let (fleet, urn) = running(4_010, SLOW).await;
    resize(&fleet, &urn, &plane(), 3);
    await_told(&fleet, &urn, "NodePoolReady", 1).await;
    edit(&fleet, &urn, |documents| {
        for kind in ["MachineDeployment", "VCDMachineTemplate"] {
            let mut copy = document(documents, kind, "workers-a").clone();
            copy["metadata"]["name"] = json!("red");
            if kind == "MachineDeployment" {
                copy["spec"]["template"]["spec"]["infrastructureRef"]["name"] = json!("red");
            }
            documents.push(copy);
        }
    });
    await_told(&fleet, &urn, "NodePoolReady", 2).await;
    let requests = ["NodePoolResizeRequested", "NodePoolAdditionRequested"];
    let requests: usize = requests.iter().map(|name| told(&fleet, &urn, name)).sum();
    // A pool whose machines were there before anybody looked is told as one that changes.
    assert_eq!(requests, 2, "{}", fleet.context());
    edit(&fleet, &urn, |documents| {
        documents.retain(|one| one["metadata"]["name"] != "red");
    });
    let gone = until(&fleet, HOUR, |fleet| {
        let content = fleet.content(&urn);
        let pools = content["status"]["capvcd"]["nodePool"].as_array().unwrap();
        !pools.iter().any(|pool| pool["name"] == "red")
    })
    .await;
    assert!(gone, "{}", fleet.context());
    assert_left_alone(&fleet, &urn).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_told_from_request_to_the_last_node() {
    let (fleet, urn) = running(4_020, SLOW).await;
    upgrade(&fleet, &urn, NEW);
    await_told(&fleet, &urn, "ClusterUpgradeRequested", 1).await;
    await_told(&fleet, &urn, "ClusterUpgraded", 1).await;
    let progress = told(&fleet, &urn, "ClusterUpgrading");
    assert!(
        (1..=9).contains(&progress),
        "{progress}\n{}",
        fleet.context()
    );
    assert_eq!(
        told(&fleet, &urn, "NodePoolDegraded"),
        0,
        "{}",
        fleet.context()
    );
    assert!(fleet.errors(&urn).is_empty(), "{}", fleet.context());
    assert_left_alone(&fleet, &urn).await;
}

/// Goal: an edit made while no server ran is told as far as it is still under way.
#[tokio::test(start_paused = true)]
async fn edits_are_made_with_every_server_down() {
    for minutes in [0, 4, 90] {
        let (mut fleet, urn) = running(4_030 + minutes, SLOW).await;
        fleet.what = format!("{minutes} minutes down");
        fleet.stop("a").await;
        resize(&fleet, &urn, "workers-a", 4);
        fleet.pass_time(Duration::from_mins(minutes)).await;
        fleet.start("b");
        let seen = usize::from(minutes < 90);
        fleet.pass_time(HOUR).await;
        let failure = fleet.context();
        assert_eq!(
            told(&fleet, &urn, "NodePoolResizeRequested"),
            seen,
            "{failure}"
        );
        assert_eq!(told(&fleet, &urn, "NodePoolReady"), seen, "{failure}");
        let content = fleet.content(&urn);
        let pools = content["status"]["capvcd"]["nodePool"].as_array().unwrap();
        let pool = pools
            .iter()
            .find(|pool| pool["name"] == "workers-a")
            .unwrap();
        assert_eq!(pool["availableReplicas"], 4, "{failure}");
        assert_left_alone(&fleet, &urn).await;
    }
}

/// Goal: a replica that dies while it follows an operation costs a delay and no event.
#[tokio::test(start_paused = true)]
async fn whoever_dies_the_story_is_told_once() {
    for seed in 0..4 {
        let (mut fleet, urn) = running(4_040 + seed, SLOW).await;
        fleet.start("b");
        resize(&fleet, &urn, "workers-a", 4);
        await_told(&fleet, &urn, "NodePoolResizeRequested", 1).await;
        fleet.pass_time(Duration::from_secs(40 * seed)).await;
        let holder = if fleet.holds("a", &urn) { "a" } else { "b" };
        assert!(fleet.holds(holder, &urn), "{}", fleet.context());
        fleet.kill(holder).await;
        await_told(&fleet, &urn, "NodePoolReady", 1).await;
        assert_eq!(
            told(&fleet, &urn, "NodePoolResizeRequested"),
            1,
            "{}",
            fleet.context()
        );
        let let_go = until(&fleet, HOUR, |fleet| is_let_go(fleet, &urn)).await;
        assert!(let_go, "{}", fleet.context());
    }
}

/// Goal: a client that writes an entity it read long ago takes events away; what is still true is told
/// again, once, and nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_client_rolls_our_events_back() {
    let (fleet, urn) = running(4_050, SLOW).await;
    let before = fleet.content(&urn)["status"]["vcdKe"]["eventSet"].clone();
    resize(&fleet, &urn, "workers-a", 4);
    await_told(&fleet, &urn, "NodePoolResizeRequested", 1).await;
    fleet.change(&urn, |content| {
        content["status"]["vcdKe"]["eventSet"] = before;
    });
    assert_eq!(told(&fleet, &urn, "NodePoolResizeRequested"), 0);
    await_told(&fleet, &urn, "NodePoolResizeRequested", 1).await;
    await_told(&fleet, &urn, "NodePoolReady", 1).await;
    assert_eq!(told(&fleet, &urn, "NodePoolResizeRequested"), 1);
    assert_left_alone(&fleet, &urn).await;
}

#[tokio::test(start_paused = true)]
async fn new_limits_of_health_checks_reach_clusters_that_have_one() {
    let (mut fleet, urn) = running(4_060, QUICK).await;
    let bare = fleet.ask_for("elm");
    let made = fleet.until(HOUR, super::Fleet::all_provisioned).await;
    assert!(made, "{}", fleet.context());
    edit(&fleet, &bare, |documents| {
        documents.retain(|one| one["kind"] != "MachineHealthCheck");
    });
    let yaml = |urn: &str| fleet.content(urn)["spec"]["capiYaml"].clone();
    let (before, bare_before) = (yaml(&urn), yaml(&bare));
    let limits = |applies: bool| {
        json!({"maxUnhealthyNodes": 40, "nodeStartupTimeout": "1200s", "nodeNotReadyTimeout": "300s",
            "nodeUnknownTimeout": "300s", "applyToExisting": applies})
    };
    configure(&fleet, limits(false)).await;
    fleet.pass_time(Duration::from_mins(20)).await;
    assert_eq!(yaml(&urn), before, "nobody asked for that");
    configure(&fleet, limits(true)).await;
    await_told(&fleet, &urn, "NodeHealthCheckChanged", 1).await;
    let (old, new) = (before.as_str().unwrap().to_owned(), yaml(&urn));
    let new = new.as_str().unwrap();
    assert!(new.contains("1200s") && new.contains("40%"), "{new}");
    let rest = |yaml: &str| yaml.split_once("---\n").unwrap().1.to_owned();
    assert_eq!(
        rest(&old),
        rest(new),
        "all other documents are the same to the byte"
    );
    assert_left_alone(&fleet, &urn).await;
    assert_eq!(yaml(&bare), bare_before);
    await_errors(&fleet, &urn, &[]).await;
}
