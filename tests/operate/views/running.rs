//! Clusters that run, are changed, are written over by old documents, and go, as they are explained.

use std::time::Duration;

use cse_server::views::situation::{Attention, Situation};
use serde_json::json;

use super::{HOUR, assert_told, await_situation, told};
use crate::support::fleet::Fleet;

/// A provisioned cluster `oak` half an hour after its creation, served by `a`.
async fn running(seed: u64) -> (Fleet, String) {
    let mut fleet = Fleet::new(seed);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    fleet.pass_time(Duration::from_mins(35)).await;
    (fleet, urn)
}

fn revoke(fleet: &Fleet) {
    let author = fleet.tenants[0].author.clone();
    fleet.pull(&json!({"revoke_token": {"org": "acme", "user": author}}));
}

/// Gives every node count of the YAML that is `from` the value `to`.
fn replicas(fleet: &Fleet, urn: &str, from: u32, to: u32) {
    fleet.change(urn, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        let changed = yaml.replace(&format!("replicas: {from}\n"), &format!("replicas: {to}\n"));
        assert_ne!(yaml, changed);
        content["spec"]["capiYaml"] = json!(changed);
    });
}

/// Goal: a resize with every server down is told as under way, with nobody to be waited for outside.
#[tokio::test(start_paused = true)]
async fn a_resize_is_told_though_no_server_runs() {
    let (mut fleet, urn) = running(81).await;
    fleet.stop("a").await;
    replicas(&fleet, &urn, 2, 3);
    let sentences = [
        "what was asked for is being carried out",
        "3 asked for",
        "with every server down, too",
    ];
    assert_told(&fleet, &urn, Situation::Changing, &sentences).await;
    await_situation(&fleet, &urn, Situation::Provisioned, 2 * HOUR).await;
}

/// Goal: a forbidden edit is explained before any server says so, and the same way after.
#[tokio::test(start_paused = true)]
async fn a_forbidden_edit_is_told_with_and_without_servers() {
    let (mut fleet, urn) = running(82).await;
    fleet.stop("a").await;
    // Of the control plane, and of pool b.
    replicas(&fleet, &urn, 1, 2);
    let sentences = [
        "no server has told it yet",
        "etcd needs an odd number",
        "To do, the tenant",
    ];
    let before = assert_told(&fleet, &urn, Situation::EditRefused, &sentences).await;
    assert_eq!(before.attention, Attention::Person);
    fleet.start("a");
    let is_told = |fleet: &Fleet| !fleet.errors(&fleet.urns[0]).is_empty();
    assert!(fleet.until(HOUR, is_told).await, "{}", fleet.context());
    let sentences = [
        "ControlPlaneCountInvalid (server",
        "etcd needs an odd number",
    ];
    assert_told(&fleet, &urn, Situation::EditRefused, &sentences).await;
}

/// Goal: a dead token is named as what stops a resize, and as what stops the deletion afterwards.
#[tokio::test(start_paused = true)]
async fn a_dead_token_is_named_where_it_stops_a_change_and_a_deletion() {
    let (fleet, urn) = running(83).await;
    revoke(&fleet);
    replicas(&fleet, &urn, 2, 4);
    await_situation(&fleet, &urn, Situation::Stuck, 3 * HOUR).await;
    let sentences = [
        "gets nowhere",
        "refuses the API token of the cluster's author",
    ];
    assert_told(&fleet, &urn, Situation::Stuck, &sentences).await;

    fleet.mark(&urn, false);
    await_situation(&fleet, &urn, Situation::DeletionBlocked, HOUR).await;
    let sentences = [
        "cannot go on; it is tried again by itself",
        "ApiTokenRefused",
        "spec.vcdKe.secure.apiToken",
        "Any replica: tries again by itself",
        "It is not forced",
    ];
    let blocked = assert_told(&fleet, &urn, Situation::DeletionBlocked, &sentences).await;
    assert_eq!(blocked.attention, Attention::Person);
    assert!(
        blocked.waits.iter().any(|one| one.by.is_some()),
        "{blocked:#?}"
    );
}

/// Goal: a forced deletion is told from the mark to the end, with what becomes of the volumes.
#[tokio::test(start_paused = true)]
async fn a_forced_deletion_is_told_until_nothing_is_left() {
    let (mut fleet, urn) = running(84).await;
    fleet.stop("a").await;
    fleet.mark(&urn, true);
    let sentences = [
        "Its deletion is asked for, and no server has begun it yet",
        "It is forced",
    ];
    assert_told(&fleet, &urn, Situation::DeletionAsked, &sentences).await;
    fleet.start("a");
    await_situation(&fleet, &urn, Situation::Deleting, HOUR).await;
    let sentences = [
        "being deleted",
        "Replica a: removes, in this order",
        "Nothing; it goes on by itself",
    ];
    assert_told(&fleet, &urn, Situation::Deleting, &sentences).await;
    let is_gone = |fleet: &Fleet| fleet.world().entity_content(&fleet.urns[0]).is_none();
    assert!(fleet.until(HOUR, is_gone).await, "{}", fleet.context());
}

/// Goal: an old document over a cluster that runs is told as that, and heals when a server comes.
#[tokio::test(start_paused = true)]
async fn a_document_that_went_back_is_told_and_restored() {
    let (mut fleet, urn) = running(85).await;
    fleet.stop("a").await;
    fleet.change(&urn, |content| {
        content["status"]["vcdKe"]["state"] = json!("provisioning");
    });
    let sentences = [
        "a client or a backup wrote an old document",
        "looks into VCD and restores the state",
    ];
    assert_told(&fleet, &urn, Situation::WentBack, &sentences).await;
    fleet.start("a");
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    let healed = told(&fleet, &urn).await;
    assert!(
        healed
            .risks
            .iter()
            .any(|risk| risk.contains("writes old copies")),
        "{healed:#?}"
    );
}
