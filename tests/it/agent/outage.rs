//! Outages and rotated tokens.

use cse_server::sim::faults::Fault;
use serde_json::json;

use super::home::{MINUTE, Scene};

#[tokio::test(start_paused = true)]
async fn an_outage_of_vcd_is_outlived_at_little_cost() {
    let scene = Scene::settled().await;
    scene.faults.arm_chance(1000, &[Fault::NotSent], 1);
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    let before = scene.journal.lines().len();
    scene.pass_time(120 * MINUTE).await;
    let tries = scene.journal.lines().len() - before;
    assert!((20..=60).contains(&tries), "{tries} requests in two hours");
    assert_eq!(scene.replicas(), 2);
    scene.faults.disarm();
    scene
        .until("caught up", |scene| scene.replicas() == 5)
        .await;
}

#[tokio::test(start_paused = true)]
async fn every_way_a_request_can_fail_ends_well_and_is_told_once() {
    for (seed, fault) in (0..).zip(Fault::ALL) {
        let scene = Scene::settled().await;
        scene.faults.arm_chance(400, &[fault], seed);
        scene.set("MachineDeployment", "/spec/replicas", &json!(5));
        scene.pass_time(10 * MINUTE).await;
        scene.faults.disarm();
        scene
            .until("applied", |scene| {
                scene.has_event("CapiYamlApplied", "2 to 5")
            })
            .await;
        let told = scene.events().into_iter();
        let told = told.filter(|(_, told)| told.contains("2 to 5")).count();
        assert_eq!((scene.replicas(), told), (5, 1), "{fault:?}");
        assert_eq!(scene.errors(), Vec::new(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_down_is_told_after_a_while_and_forgotten_when_it_is_back() {
    let scene = Scene::settled().await;
    scene.api.set_down(true);
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.pass_time(90 * MINUTE / 60).await;
    assert_eq!(scene.errors(), Vec::new(), "a moment is not worth a word");
    scene
        .until("told", |scene| {
            scene.has_error("ApplyDelayed", "connection refused")
        })
        .await;
    scene.api.set_down(false);
    scene
        .until("applied", |scene| {
            scene.replicas() == 5 && scene.errors().is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_without_its_controller_is_an_outage_and_told_by_name() {
    let scene = Scene::settled().await;
    let words = "failed calling webhook \"default.kubeadmcontrolplane\": connection refused";
    scene.api.deny_upgrades(Some((500, words)));
    scene.upgrade("v1.28.4+vmware.1");
    scene
        .until("told", |scene| {
            scene.has_error("ApplyDelayed", "failed calling webhook")
        })
        .await;
    scene.api.deny_upgrades(None);
    scene
        .until("healed", |scene| scene.errors().is_empty())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_is_taken_up_and_a_dead_one_is_not_tried_all_the_time() {
    let scene = Scene::settled().await;
    let old = scene.tenant.api_token.clone();
    // Rotation in order: the new token is there before the old one goes.
    scene.new_token("second-token-of-the-author");
    scene.put_token("second-token-of-the-author");
    scene.pass_time(2 * MINUTE).await;
    scene.revoke(&old);
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.until("resized", |scene| scene.replicas() == 5).await;
    // Revoked without a successor.
    scene.revoke("second-token-of-the-author");
    scene.pass_time(3 * MINUTE).await;
    let before = scene.journal.lines().len();
    scene.set("MachineDeployment", "/spec/replicas", &json!(7));
    scene.pass_time(60 * MINUTE).await;
    let tries = scene.journal.lines().len() - before;
    // One look in ten minutes: a read, and an exchange of the token.
    assert!((8..=14).contains(&tries), "{tries} requests in an hour");
    scene.new_token("third-token-of-the-author");
    scene.put_token("third-token-of-the-author");
    scene.until("resized", |scene| scene.replicas() == 7).await;
}
