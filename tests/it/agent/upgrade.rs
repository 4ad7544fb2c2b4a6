//! Workers follow their control plane.

use serde_json::json;

use super::home::{MINUTE, NEW, OLD, PLANE, Scene};

fn image(scene: &Scene, template: &str) -> String {
    let object = scene.object("vcdmachinetemplates", template);
    let image = object.pointer("/spec/template/spec/template").unwrap();
    image.as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn workers_get_the_version_when_every_control_plane_node_runs_it() {
    let scene = Scene::settled().await;
    let old_image = image(&scene, "blue");
    scene.upgrade(NEW);
    let asked =
        |scene: &Scene| scene.object("kubeadmcontrolplanes", PLANE)["spec"]["version"] == NEW;
    scene.until("control plane asked", asked).await;
    assert_eq!(image(&scene, PLANE), NEW);
    for updated in [0, 1, 2] {
        scene.run_control_plane(NEW, updated);
        scene.pass_time(3 * MINUTE).await;
        assert_eq!(scene.worker_version(), OLD, "{updated} of 3");
        assert_eq!(image(&scene, "blue"), old_image, "{updated} of 3");
    }
    assert!(scene.has_event("WorkerUpgradeWaits", "blue"));
    // A resize goes through meanwhile.
    scene.set("MachineDeployment", "/spec/replicas", &json!(4));
    scene.until("resized", |scene| scene.replicas() == 4).await;
    assert_eq!(scene.worker_version(), OLD);
    scene.run_control_plane(NEW, 3);
    scene
        .until("workers asked", |scene| scene.worker_version() == NEW)
        .await;
    assert_eq!(image(&scene, "blue"), NEW);
    let waits = scene.events().into_iter();
    assert_eq!(
        waits
            .filter(|(name, _)| name == "WorkerUpgradeWaits")
            .count(),
        1
    );
    assert_eq!(scene.errors(), Vec::new());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_anew_holds_the_workers_back_and_tells_it_no_second_time() {
    let scene = Scene::settled().await;
    scene.upgrade(NEW);
    scene
        .until("held", |scene| {
            scene.has_event("WorkerUpgradeWaits", "blue")
        })
        .await;
    scene.run_control_plane(NEW, 1);
    let before = scene.events();
    scene.stop("a").await;
    scene.start("a");
    scene.pass_time(5 * MINUTE).await;
    assert_eq!(scene.worker_version(), OLD);
    assert_eq!(scene.events(), before);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_cluster_api_refuses_is_told_in_its_words_and_keeps_the_workers_back() {
    let scene = Scene::settled().await;
    let words = "admission webhook denied the request: spec.version: Forbidden";
    scene.api.deny_upgrades(Some((403, words)));
    scene.upgrade(NEW);
    scene
        .until("told", |scene| scene.has_error("ApplyError", words))
        .await;
    scene.pass_time(5 * MINUTE).await;
    assert_eq!(scene.worker_version(), OLD);
    scene.api.deny_upgrades(None);
    let asked =
        |scene: &Scene| scene.object("kubeadmcontrolplanes", PLANE)["spec"]["version"] == NEW;
    scene
        .until("asked again", |scene| {
            asked(scene) && scene.errors().is_empty()
        })
        .await;
}
