//! Edits of the entity reach the cluster, and what is not the entity's stays.

use std::time::Duration;

use cse_server::sim::seed::CseShape;
use serde_json::{Value, json};

use super::home::{MINUTE, PLANE, Scene};

const POOL: (&str, &str) = ("machinedeployments", "blue");

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_as_its_entity_says_gets_owners_and_no_change() {
    let scene = Scene::settled().await;
    assert_eq!(scene.section()["name"], "cse-agent");
    assert_eq!(scene.section()["errorSet"], json!([]));
    assert_eq!(scene.replicas(), 2);
    let owners = scene.api.owners(POOL.0, POOL.1, "/spec/replicas");
    assert_eq!(owners, ["clusterctl", "rdeProjector"]);
    let infrastructure = scene.object("vcdclusters", "kite7");
    assert_eq!(infrastructure["spec"]["rdeId"], json!(scene.urn));
    let owners = scene.api.owners("vcdclusters", "kite7", "/spec/rdeId");
    assert_eq!(
        owners,
        ["clusterctl"],
        "what the server injected is not claimed"
    );
    let secrets = scene.content()["spec"]["vcdKe"]["secure"]["apiToken"].clone();
    assert_eq!(
        secrets,
        json!(scene.tenant.api_token),
        "the report leaves secure fields alone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_resize_reaches_the_cluster_within_two_passes() {
    for shape in [CseShape::V41, CseShape::V42] {
        let scene = Scene::of(shape).await;
        scene.start("a");
        scene
            .until("the first report", |scene| !scene.section().is_null())
            .await;
        for replicas in [5, 1] {
            scene.set("MachineDeployment", "/spec/replicas", &json!(replicas));
            let asked = scene.clock.now();
            scene
                .until("resized", |scene| scene.replicas() == replicas)
                .await;
            let took = scene.clock.now().since(asked);
            assert!(took <= 2 * MINUTE, "{took:?}");
        }
        scene
            .until("told", |scene| {
                scene.has_event("CapiYamlApplied", "replicas 5 to 1")
            })
            .await;
        assert!(scene.has_event(
            "CapiYamlApplied",
            "MachineDeployment blue (replicas 2 to 5)"
        ));
        assert!(scene.section()["lastAppliedTimestamp"].is_string());
        scene.set("KubeadmControlPlane", "/spec/replicas", &json!(5));
        let plane = |scene: &Scene| scene.object("kubeadmcontrolplanes", PLANE);
        scene
            .until("resized", |scene| plane(scene)["spec"]["replicas"] == 5)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_can_be_added() {
    let scene = Scene::settled().await;
    scene.edit(|documents| {
        let of_pool = |one: &&Value| one["metadata"]["name"] == "blue";
        let mut new: Vec<Value> = documents.iter().filter(of_pool).cloned().collect();
        assert_eq!(new.len(), 2);
        for document in &mut new {
            document["metadata"]["name"] = json!("green");
        }
        documents.extend(new);
    });
    scene
        .until("added", |scene| scene.api.object(POOL.0, "green").is_some())
        .await;
    assert!(scene.api.object("vcdmachinetemplates", "green").is_some());
    scene
        .until("told", |scene| {
            scene.has_event("CapiYamlApplied", "green (new)")
        })
        .await;
    // The webhook of Cluster API fills in what clients leave empty.
    let filled = json!({"matchLabels": {"pool": "green"}});
    let green = ("machinedeployments", "green");
    scene
        .api
        .edit(green, "/spec/selector", filled.clone(), "manager");
    scene.set("MachineDeployment", "/spec/replicas", &json!(6));
    let resized = |scene: &Scene| scene.object(green.0, green.1)["spec"]["replicas"] == 6;
    scene.until("resized", resized).await;
    assert_eq!(scene.object(green.0, green.1)["spec"]["selector"], filled);
    assert_eq!(scene.errors(), Vec::new());
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_entity_costs_one_request_a_minute_and_the_cluster_nearly_none() {
    let scene = Scene::settled().await;
    scene.pass_time(MINUTE).await;
    let (vcd, cluster) = (scene.journal.lines().len(), scene.api.requests().len());
    let before = scene.content();
    scene.pass_time(20 * MINUTE).await;
    let lines = scene.journal.lines().split_off(vcd);
    let reads = lines.iter().filter(|line| line.contains("GET")).count();
    assert!((18..=23).contains(&reads), "{reads} reads in 20 minutes");
    assert!(lines.iter().all(|line| !line.contains("PUT")), "{lines:#?}");
    // Four looks of one read per document, and at the vendor's projector.
    let requests = scene.api.requests().split_off(cluster);
    let documents = scene.documents().len();
    assert!(requests.len() <= 4 * (documents + 1), "{requests:#?}");
    assert!(
        requests.iter().all(|one| one.starts_with("GET")),
        "{requests:#?}"
    );
    assert_eq!(scene.content(), before);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changed_is_set_right_and_told() {
    let scene = Scene::settled().await;
    scene
        .api
        .edit(POOL, "/spec/replicas", json!(7), "kubectl-edit");
    scene
        .api
        .edit(POOL, "/spec/minReadySeconds", json!(9), "kubectl-edit");
    let changed = scene.clock.now();
    scene
        .until("set right", |scene| scene.replicas() == 2)
        .await;
    assert!(scene.clock.now().since(changed) <= 7 * MINUTE);
    scene
        .until("told", |scene| {
            scene.has_event("DriftCorrected", "replicas 7 to 2")
        })
        .await;
    let pool = scene.object(POOL.0, POOL.1);
    assert_eq!(
        pool["spec"]["minReadySeconds"], 9,
        "the YAML says nothing about it"
    );
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_keeps_the_number_that_the_yaml_leaves_to_it() {
    let scene = Scene::settled().await;
    scene.edit(|documents| {
        for document in documents
            .iter_mut()
            .filter(|one| one["kind"] == "MachineDeployment")
        {
            document["spec"]
                .as_object_mut()
                .unwrap()
                .shift_remove("replicas");
            document["metadata"]["annotations"] = json!({
                "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "1",
                "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "9",
            });
        }
    });
    let annotated =
        |scene: &Scene| scene.object(POOL.0, POOL.1)["metadata"]["annotations"].is_object();
    scene.until("left to the autoscaler", annotated).await;
    assert_eq!(scene.replicas(), 2, "who moved the cluster still says so");
    scene
        .api
        .edit(POOL, "/spec/replicas", json!(6), "cluster-autoscaler");
    scene.pass_time(12 * MINUTE).await;
    assert_eq!(scene.replicas(), 6);
    // And back: the YAML's number counts again.
    scene.set("MachineDeployment", "/spec/replicas", &json!(3));
    scene
        .until("taken back", |scene| scene.replicas() == 3)
        .await;
}

#[tokio::test(start_paused = true)]
async fn another_appliers_field_is_left_alone_and_reported_until_it_lets_go() {
    let scene = Scene::settled().await;
    scene
        .api
        .claim(POOL, "/spec/replicas", json!(4), "argocd-controller");
    scene.set("MachineDeployment", "/spec/replicas", &json!(8));
    scene.set("KubeadmControlPlane", "/spec/replicas", &json!(5));
    scene
        .until("told", |scene| {
            scene.has_error("ApplyConflict", "argocd-controller")
        })
        .await;
    assert!(scene.has_error("ApplyConflict", ".spec.replicas"));
    assert_eq!(scene.replicas(), 4);
    let plane = scene.object("kubeadmcontrolplanes", PLANE);
    assert_eq!(
        plane["spec"]["replicas"], 5,
        "the others are applied all the same"
    );
    let first = scene.section()["errorSet"][0]["occurredAt"].clone();
    scene.pass_time(5 * MINUTE).await;
    assert_eq!(
        scene.section()["errorSet"][0]["occurredAt"],
        first,
        "told once"
    );
    scene.api.forget(POOL, "argocd-controller");
    scene
        .until("healed", |scene| {
            scene.replicas() == 8 && scene.errors().is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn starting_again_changes_and_tells_nothing() {
    let scene = Scene::settled().await;
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene
        .until("told", |scene| {
            scene.has_event("CapiYamlApplied", "replicas 2 to 5")
        })
        .await;
    let before = scene.content();
    for _ in 0..3 {
        scene.stop("a").await;
        scene.start("a");
        scene.pass_time(3 * MINUTE).await;
    }
    assert_eq!(scene.content(), before);
}

#[tokio::test(start_paused = true)]
async fn two_agents_do_it_once_and_tell_it_once() {
    let scene = Scene::settled().await;
    scene.start("b");
    scene.pass_time(2 * MINUTE).await;
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.pass_time(8 * MINUTE).await;
    assert_eq!(scene.replicas(), 5);
    let told: Vec<_> = scene
        .events()
        .into_iter()
        .filter(|(_, told)| told.contains("replicas 2 to 5"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let before = scene.content();
    scene.pass_time(12 * MINUTE).await;
    assert_eq!(
        scene.content(),
        before,
        "they do not write against each other"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_write_of_a_client_is_outlived() {
    let scene = Scene::settled().await;
    let stale = scene.section();
    scene
        .api
        .claim(POOL, "/spec/replicas", json!(4), "argocd-controller");
    scene.set("MachineDeployment", "/spec/replicas", &json!(8));
    scene
        .until("told", |scene| scene.has_error("ApplyConflict", "argocd"))
        .await;
    // A client puts what it read before, without the keys it does not know.
    scene.change(|content| {
        content["status"]["projector"] = stale;
        let section = content["status"]["projector"].as_object_mut().unwrap();
        section.shift_remove("lastAppliedSequence");
    });
    scene
        .until("told again", |scene| {
            scene.has_error("ApplyConflict", "argocd")
        })
        .await;
    assert_eq!(scene.section()["lastAppliedSequence"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_stopped_ends_at_once() {
    let scene = Scene::settled().await;
    let before = scene.clock.now();
    scene.stop("a").await;
    assert!(scene.clock.now().since(before) < Duration::from_secs(1));
}
