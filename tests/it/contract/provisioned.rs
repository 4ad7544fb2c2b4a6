//! A provisioned cluster whose entity a client writes back from an old read, or by hand: it is never
//! created again, and nothing of it is taken away.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HOUR, provisioned, shapes};
use crate::support::client::read::Cluster;
use crate::support::client::typed::rewritten;
use crate::support::client::{Client, Shape};
use crate::support::fleet::Fleet;

/// Longer than any claim of another server is respected: whoever wanted to begin something has begun it.
const SETTLED: Duration = Duration::from_mins(45);

/// Writes `written` over a provisioned cluster and lets time pass: nothing may be made or removed, and
/// the cluster ends as it was.
async fn survives(fleet: &Fleet, client: &Client, urn: &str, written: &Value) {
    let nodes = machines(fleet);
    assert!(!nodes.is_empty(), "{}", fleet.context());
    client.overwrite(fleet, urn, written).unwrap();
    fleet.pass(SETTLED).await;
    let context = fleet.context();
    assert_eq!(machines(fleet), nodes, "{context}");
    for effect in [
        "vapp.composed",
        "vm.created",
        "vm.powered_on",
        "vapp.deleted",
    ] {
        assert_eq!(fleet.effect(effect, urn), 1, "{effect}\n{context}");
    }
    let done = client.wait(fleet, urn, HOUR).await;
    assert!(done.is_ok(), "{done:?}\n{}", fleet.context());
    assert_eq!(fleet.world().bootstrap_leftovers(), Vec::<String>::new());
    fleet.assert_lawful();
}

/// Names of the nodes.
fn machines(fleet: &Fleet) -> Vec<String> {
    let vms = fleet.world().vms().into_iter();
    let mut names: Vec<String> = vms
        .filter(|vm| vm.vapp == super::NAME)
        .map(|vm| vm.name)
        .collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_provisioned_cluster_survives_the_loss_of_keys_that_clients_drop() {
    for (seed, shape) in shapes(4_720) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        let now = client.get(&fleet, &urn).unwrap().content().clone();
        let typed = rewritten(&now).unwrap();
        let flags = &typed["spec"]["vcdKe"];
        assert_eq!(flags.get("autoRepairOnErrors"), None, "it was false");
        survives(&fleet, &client, &urn, &typed).await;
    }
}

/// Every version that the entity had on its way comes back after the end.
#[tokio::test(start_paused = true)]
async fn a_provisioned_cluster_survives_every_earlier_version_of_itself() {
    let (fleet, _, urn) = provisioned(4_730, Shape::V42).await;
    let count = fleet.versions.of(&urn).len();
    assert!(count > 20, "{count} versions");
    drop(fleet);
    for (n, (seed, shape)) in (0..count).step_by(4).zip(shapes(4_731).cycle()) {
        let (mut fleet, client, urn) = provisioned(seed, shape).await;
        let old = fleet.versions.of(&urn);
        let old = &old[n.min(old.len() - 1)];
        fleet.what = format!("version {n} comes back, {}", fleet.what);
        survives(
            &fleet,
            &client,
            &urn,
            &rewritten(&without_secrets(old)).unwrap(),
        )
        .await;
    }
}

/// As a plain read gives it.
fn without_secrets(content: &Value) -> Value {
    let mut content = content.clone();
    if let Some(flags) = content["spec"]["vcdKe"].as_object_mut() {
        flags.remove("secure");
    }
    if content["status"]["capvcd"].is_object() {
        content["status"]["capvcd"]
            .as_object_mut()
            .unwrap()
            .remove("private");
    }
    content
}

#[tokio::test(start_paused = true)]
async fn a_provisioned_cluster_survives_the_loss_of_its_whole_status() {
    for (seed, shape) in shapes(4_780) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        let first = fleet.versions.of(&urn)[0].clone();
        assert_eq!(first.get("status"), None, "{first}");
        survives(&fleet, &client, &urn, &without_secrets(&first)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provisioned_cluster_survives_auto_repair_switched_on_by_hand() {
    for (seed, shape) in shapes(4_790) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        for state in ["error", "provisioning", ""] {
            let mut content = client.get(&fleet, &urn).unwrap().content().clone();
            content["spec"]["vcdKe"]["autoRepairOnErrors"] = json!(true);
            content["status"]["vcdKe"]["state"] = json!(state);
            client.overwrite(&fleet, &urn, &content).unwrap();
            fleet.pass(SETTLED).await;
            let at = format!("state {state:?}\n{}", fleet.context());
            assert!(!machines(&fleet).is_empty(), "{at}");
            assert_eq!(fleet.effect("vm.created", &urn), 1, "{at}");
            Cluster::read(client.get(&fleet, &urn).unwrap().content()).unwrap();
        }
    }
}
