//! Edits that break a rule or get nowhere, and nodes that fail.

use std::time::Duration;

use serde_json::json;

use super::{
    NEW, assert_left_alone, await_errors, await_told, document, edit, errors, plane, resize,
    running, told, upgrade,
};

const QUICK: Duration = Duration::from_secs(90);
/// Name of the error, part of its text, and how to come by it.
type Case = (&'static str, &'static str, fn(&super::Fleet, &str));

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_is_told_precisely_and_heals_when_it_is_taken_back() {
    let (fleet, urn) = running(4_100, QUICK).await;
    let sound = fleet.content(&urn)["spec"]["capiYaml"].clone();
    let cases: [Case; 5] = [
        (
            "ControlPlaneCountInvalid",
            "needs an odd number",
            |fleet, urn| {
                resize(fleet, urn, &plane(), 2);
            },
        ),
        ("NoWorkerLeft", "at least one worker node", |fleet, urn| {
            resize(fleet, urn, "workers-a", 0);
            resize(fleet, urn, "workers-b", 0);
        }),
        (
            "UpgradeSkipsMinorVersion",
            "first to a version v1.28",
            |fleet, urn| {
                upgrade(fleet, urn, "v1.29.6+vmware.1");
            },
        ),
        ("ImmutableFieldChanged", "the VDC is", |fleet, urn| {
            edit(fleet, urn, |all| {
                document(all, "VCDCluster", "oak")["spec"]["ovdc"] = json!("x");
            });
        }),
        ("CapiYamlUnreadable", "cannot be read", |fleet, urn| {
            fleet.change(urn, |content| content["spec"]["capiYaml"] = json!("a: ["));
        }),
    ];
    for (name, text, break_rule) in cases {
        break_rule(&fleet, &urn);
        await_errors(&fleet, &urn, &[name]).await;
        let (_, detail) = fleet.errors(&urn).remove(0);
        assert!(detail.contains(text), "{detail}");
        fleet.change(&urn, |content| content["spec"]["capiYaml"] = sound.clone());
        await_errors(&fleet, &urn, &[]).await;
    }
}

/// Goal: what nobody mends costs nothing while it stands.
#[tokio::test(start_paused = true)]
async fn a_broken_rule_is_told_and_then_left_alone() {
    let (mut fleet, urn) = running(4_110, QUICK).await;
    fleet.start("b");
    resize(&fleet, &urn, &plane(), 2);
    await_errors(&fleet, &urn, &["ControlPlaneCountInvalid"]).await;
    assert_left_alone(&fleet, &urn).await;
    assert_eq!(errors(&fleet, &urn).len(), 1);
}

/// Goal: a template that is not there is told before a node fails because of it.
///
/// Method: the control plane stands still, so the edit stays an edit until the servers have looked.
#[tokio::test(start_paused = true)]
async fn an_upgrade_to_a_template_that_is_not_there_is_told() {
    let (fleet, urn) = running(4_120, QUICK).await;
    let how =
        json!({"fail_node": {"cluster": "oak", "node": first_plane(&fleet), "how": "power_off"}});
    fleet.pull(&how);
    upgrade(&fleet, &urn, NEW);
    edit(&fleet, &urn, |all| {
        let template = document(all, "VCDMachineTemplate", "workers-a");
        template["spec"]["template"]["spec"]["template"] = json!("nowhere");
    });
    await_errors(&fleet, &urn, &["TemplateNotFound"]).await;
    let (_, detail) = fleet.errors(&urn).remove(0);
    assert!(
        detail.contains("\"workers-a\" asks for template \"nowhere\""),
        "{detail}"
    );
    assert_left_alone(&fleet, &urn).await;
}

/// Name of the control plane's first machine.
fn first_plane(fleet: &super::Fleet) -> String {
    let content = fleet.content(&fleet.urns[0]);
    let pools = content["status"]["capvcd"]["nodePool"].as_array().unwrap();
    let pool = pools.iter().find(|pool| pool["name"] == plane().as_str());
    let nodes = pool.unwrap()["nodeStatus"].as_object().unwrap().clone();
    nodes.keys().next().unwrap().clone()
}

/// Goal: with the token revoked the cluster's controllers fall silent, and that is what the tenant reads.
#[tokio::test(start_paused = true)]
async fn a_resize_behind_a_dead_token_is_stuck_with_that_cause_until_it_is_taken_back() {
    let (fleet, urn) = running(4_130, QUICK).await;
    let author = fleet.tenants[0].author.clone();
    fleet.pull(&json!({"revoke_token": {"org": "acme", "user": author}}));
    resize(&fleet, &urn, "workers-a", 4);
    await_told(&fleet, &urn, "NodePoolResizeRequested", 1).await;
    fleet.pass_time(Duration::from_mins(40)).await;
    assert_eq!(
        errors(&fleet, &urn),
        Vec::<String>::new(),
        "too early to tell"
    );
    await_errors(&fleet, &urn, &["ClusterChangeStuck"]).await;
    let (_, detail) = fleet.errors(&urn).remove(0);
    let parts = [
        "worker pool \"workers-a\": 2 nodes are ready of 4 asked for: no progress for 45 minutes.",
        "VCD refuses the API token of the cluster's author",
    ];
    assert!(parts.iter().all(|part| detail.contains(part)), "{detail}");
    assert_left_alone(&fleet, &urn).await;
    resize(&fleet, &urn, "workers-a", 2);
    await_errors(&fleet, &urn, &[]).await;
    assert_left_alone(&fleet, &urn).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_fails_is_told_and_so_is_its_replacement() {
    let (fleet, urn) = running(4_140, Duration::from_mins(12)).await;
    fleet.pull(&json!({"fail_node": {"cluster": "oak", "how": "kubelet"}}));
    await_told(&fleet, &urn, "NodePoolDegraded", 1).await;
    await_told(&fleet, &urn, "NodePoolRecovered", 1).await;
    assert_eq!(
        told(&fleet, &urn, "NodePoolResizeRequested"),
        0,
        "{}",
        fleet.context()
    );
    assert_left_alone(&fleet, &urn).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_replaces_costs_one_event_and_no_request() {
    let (fleet, urn) = running(4_150, QUICK).await;
    edit(&fleet, &urn, |all| {
        all.retain(|one| one["kind"] != "MachineHealthCheck");
    });
    fleet.pass_time(Duration::from_mins(10)).await;
    fleet.pull(&json!({"fail_node": {"cluster": "oak", "how": "kubelet"}}));
    await_told(&fleet, &urn, "NodePoolDegraded", 1).await;
    assert_left_alone(&fleet, &urn).await;
    assert_eq!(
        told(&fleet, &urn, "NodePoolDegraded"),
        1,
        "{}",
        fleet.context()
    );
}
