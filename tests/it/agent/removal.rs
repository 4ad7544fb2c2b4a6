//! What the YAML drops: a health check and an autoscaler go, nothing else ever does.

use serde_json::{Value, json};

use super::home::{MINUTE, NAMESPACE, PLANE, Scene};

const CHECK: (&str, &str) = ("machinehealthchecks", "kite7");

fn autoscaler() -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io/v1";
    let rows = [
        ("apps/v1", "Deployment", json!({"spec": {"replicas": 1}})),
        ("v1", "ServiceAccount", json!({})),
        (rbac, "ClusterRole", json!({"rules": []})),
        (
            rbac,
            "ClusterRoleBinding",
            json!({
                "roleRef": {"kind": "ClusterRole", "name": "cluster-autoscaler"},
                "subjects": [{"kind": "ServiceAccount", "name": "cluster-autoscaler",
                    "namespace": "kube-system"}],
            }),
        ),
    ];
    let document = |(api, kind, content): (&str, &str, Value)| {
        let mut document = content;
        document["apiVersion"] = json!(api);
        document["kind"] = json!(kind);
        document["metadata"] = json!({"name": "cluster-autoscaler", "namespace": "kube-system"});
        document
    };
    rows.into_iter().map(document).collect()
}

#[tokio::test(start_paused = true)]
async fn a_health_check_that_is_switched_off_goes_and_comes_back() {
    let scene = Scene::settled().await;
    assert!(scene.api.object(CHECK.0, CHECK.1).is_some());
    let other = json!({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "MachineHealthCheck",
        "metadata": {"name": "somebodys", "namespace": NAMESPACE}});
    scene.api.seed(&other, "kubectl-create");
    let check = scene.documents().remove(0);
    assert_eq!(check["kind"], "MachineHealthCheck");
    scene.edit(|documents| documents.retain(|one| one["kind"] != "MachineHealthCheck"));
    scene
        .until("gone", |scene| scene.api.object(CHECK.0, CHECK.1).is_none())
        .await;
    scene
        .until("told", |scene| {
            scene.has_event("DocumentsRemoved", "MachineHealthCheck")
        })
        .await;
    assert!(scene.api.object(CHECK.0, "somebodys").is_some());
    scene.edit(|documents| documents.push(check));
    scene
        .until("back", |scene| scene.api.object(CHECK.0, CHECK.1).is_some())
        .await;
}

#[tokio::test(start_paused = true)]
async fn it_goes_too_when_it_was_switched_off_while_no_agent_ran() {
    let scene = Scene::settled().await;
    scene.pass_time(MINUTE).await;
    scene.stop("a").await;
    scene.edit(|documents| documents.retain(|one| one["kind"] != "MachineHealthCheck"));
    scene.start("a");
    scene
        .until("gone", |scene| scene.api.object(CHECK.0, CHECK.1).is_none())
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_comes_and_goes_as_a_whole() {
    let scene = Scene::settled().await;
    let without = scene.api.names();
    scene.edit(|documents| documents.extend(autoscaler()));
    let is_there = |scene: &Scene| scene.api.names().len() == without.len() + 4;
    scene.until("installed", is_there).await;
    assert_eq!(scene.errors(), Vec::new());
    scene.edit(|documents| {
        documents.retain(|one| one["metadata"]["name"] != "cluster-autoscaler");
    });
    scene
        .until("removed", |scene| scene.api.names() == without)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_of_somebody_else_stays() {
    let scene = Scene::new().await;
    for document in autoscaler() {
        scene.api.seed(&document, "helm");
    }
    let before = scene.api.names();
    scene.start("a");
    scene.pass_time(10 * MINUTE).await;
    assert_eq!(scene.api.names(), before);
}

#[tokio::test(start_paused = true)]
async fn a_yaml_that_lost_documents_removes_nothing() {
    let scene = Scene::settled().await;
    let before = scene.api.names();
    // Cut off in the middle; then one pool and its template left out.
    let whole = scene.documents();
    scene.edit(|documents| documents.truncate(3));
    scene
        .until("told", |scene| !scene.errors().is_empty())
        .await;
    scene.pass_time(5 * MINUTE).await;
    assert_eq!(scene.api.names(), before);
    scene.edit(|documents| {
        *documents = whole;
        let mut second: Vec<Value> = documents
            .iter()
            .filter(|one| one["metadata"]["name"] == "blue")
            .cloned()
            .collect();
        for document in &mut second {
            document["metadata"]["name"] = json!("green");
        }
        documents.extend(second);
    });
    let is_there = |scene: &Scene| scene.api.object("machinedeployments", "green").is_some();
    scene.until("two pools", is_there).await;
    scene.edit(|documents| documents.retain(|one| one["metadata"]["name"] != "green"));
    scene.pass_time(10 * MINUTE).await;
    assert!(is_there(&scene), "a pool is never deleted");
    assert!(scene.api.object("vcdmachinetemplates", "green").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_deleted_is_not_made_again() {
    for (plural, name) in [
        ("clusters", "kite7"),
        ("vcdclusters", "kite7"),
        ("kubeadmcontrolplanes", PLANE),
    ] {
        let scene = Scene::settled().await;
        scene.api.take(plural, name);
        scene.set("MachineDeployment", "/spec/replicas", &json!(5));
        scene.pass_time(10 * MINUTE).await;
        assert!(scene.api.object(plural, name).is_none(), "{plural}");
        assert_eq!(
            scene.replicas(),
            2,
            "{plural}: nothing is applied to half a cluster"
        );
        let requests = scene.api.requests();
        assert!(
            requests.iter().all(|one| !one.starts_with("DELETE")),
            "{requests:?}"
        );
    }
}
