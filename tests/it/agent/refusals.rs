//! What the agent does not do, and says why.

use serde_json::json;

use super::home::{MINUTE, NAMESPACE, Scene};

#[tokio::test(start_paused = true)]
async fn hostile_documents_are_refused_one_by_one() {
    let scene = Scene::settled().await;
    let before = scene.api.names();
    scene.edit(|documents| {
        documents.push(
            json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"},
            "metadata": {"name": "vcloud-basic-auth", "namespace": "kube-system"}}),
        );
        documents.push(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "cluster-autoscaler"},
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": "mallory"}]}),
        );
        documents.push(
            json!({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "MachineHealthCheck",
            "metadata": {"name": "x/../../secrets/y", "namespace": NAMESPACE}}),
        );
    });
    scene.set("MachineDeployment", "/spec/replicas", &json!(3));
    scene.until("told", |scene| scene.errors().len() == 3).await;
    assert!(
        scene
            .errors()
            .iter()
            .all(|(name, _)| name == "DocumentRefused")
    );
    assert_eq!(scene.replicas(), 3);
    assert_eq!(scene.api.names(), before);
    let touched = scene.api.requests();
    assert!(
        touched.iter().all(|one| !one.contains("secrets")),
        "{touched:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_would_do_harm_is_not_applied_and_is_told() {
    let scene = Scene::settled().await;
    let before = scene.documents();
    for (kind, pointer, value) in [
        ("MachineDeployment", "/spec/replicas", json!(0)),
        ("KubeadmControlPlane", "/spec/replicas", json!(2)),
        ("Cluster", "/metadata/namespace", json!("kube-system")),
    ] {
        scene.set(kind, pointer, &value);
        scene
            .until("told", |scene| !scene.errors().is_empty())
            .await;
        scene.pass_time(3 * MINUTE).await;
        assert_eq!(scene.replicas(), 2, "{kind}");
        scene.edit(|documents| documents.clone_from(&before));
        scene
            .until("healed", |scene| scene.errors().is_empty())
            .await;
    }
    scene.change(|content| content["spec"]["capiYaml"] = json!("a: [\n"));
    scene
        .until("told", |scene| scene.has_error("CapiYamlError", "line"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_another_entity_is_not_touched() {
    let scene = Scene::new().await;
    let other = "urn:vcloud:entity:vmware:capvcdCluster:00000000-0000-0000-0000-000000000000";
    let at = ("vcdclusters", "kite7");
    scene
        .api
        .edit(at, "/spec/rdeId", json!(other), "cse-server");
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.start("a");
    scene
        .until("told", |scene| scene.has_error("ForeignCluster", other))
        .await;
    assert_eq!(scene.replicas(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_to_be_deleted_or_is_paused_is_left_alone() {
    let scene = Scene::settled().await;
    scene.api.edit(
        ("clusters", "kite7"),
        "/spec/paused",
        json!(true),
        "clusterctl",
    );
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.pass_time(5 * MINUTE).await;
    assert_eq!(scene.replicas(), 2);
    scene.api.edit(
        ("clusters", "kite7"),
        "/spec/paused",
        json!(false),
        "clusterctl",
    );
    scene.until("goes on", |scene| scene.replicas() == 5).await;
    scene.pass_time(2 * MINUTE).await;
    scene.change(|content| {
        content["spec"]["vcdKe"]["markForDelete"] = json!(true);
        content["spec"]["vcdKe"]["forceDelete"] = json!(true);
    });
    scene.set("MachineDeployment", "/spec/replicas", &json!(9));
    let before = scene.content();
    scene.pass_time(10 * MINUTE).await;
    assert_eq!(scene.replicas(), 5);
    assert_eq!(scene.content(), before);
}

#[tokio::test(start_paused = true)]
async fn the_agent_stands_aside_while_the_vendors_projector_is_there() {
    let scene = Scene::new().await;
    let vendor = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1},
        "metadata": {"name": "rdeprojector-controller-manager", "namespace": "rdeprojector-system"}});
    scene.api.seed(&vendor, "kubectl");
    scene.change(|content| content["status"]["projector"] = json!({"name": "rde-projector"}));
    scene.set("MachineDeployment", "/spec/replicas", &json!(5));
    scene.start("a");
    let before = scene.content();
    scene.pass_time(10 * MINUTE).await;
    assert_eq!(scene.replicas(), 2);
    assert_eq!(scene.content(), before, "the section is the vendor's");
    // Scaled to nothing it is as good as gone; fields it applied are the agent's from the first pass on.
    let at = ("deployments", "rdeprojector-controller-manager");
    scene
        .api
        .edit(at, "/spec/replicas", json!(0), "kubectl-scale");
    scene
        .until("takes over", |scene| scene.replicas() == 5)
        .await;
    scene
        .until("told", |scene| scene.section()["name"] == "cse-agent")
        .await;
}

#[tokio::test(start_paused = true)]
async fn operations_are_answered_and_not_carried_out() {
    let scene = Scene::settled().await;
    let before = scene.api.names();
    scene.change(|content| {
        content["spec"]["projector"] = json!({"operations": [{"verb": "apply", "sequence": 2,
            "valueType": "yamlLink", "values": ["https://example.test/x.yaml"]}]});
    });
    scene
        .until("told", |scene| scene.has_error("OperationRefused", "[2]"))
        .await;
    assert_eq!(scene.api.names(), before);
}
