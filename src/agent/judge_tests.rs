//! Which documents are taken, in which form, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::domain::cluster::sample::{entity, entity_edited, entity_with, set};

const URN: &str = "urn:vcloud:entity:vmware:capvcdCluster:7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e";

fn judged(content: &Map<String, Value>) -> Judgement {
    judge(content, &EntityId::parse(URN).unwrap(), "kite7-ns")
}

fn wished(content: &Map<String, Value>) -> Wish {
    match judged(content) {
        Judgement::Apply(wish) => *wish,
        other @ (Judgement::Leave | Judgement::Refuse(..)) => panic!("{other:?}"),
    }
}

fn refused(content: &Map<String, Value>) -> Vec<&'static str> {
    match judged(content) {
        Judgement::Refuse(told) => told.into_iter().map(|(name, _)| name).collect(),
        other @ (Judgement::Leave | Judgement::Apply(_)) => panic!("{other:?}"),
    }
}

fn find<'a>(wish: &'a Wish, kind: &str, name: &str) -> &'a Document {
    let mut documents = wish.documents.iter();
    let found = documents
        .find(|document| document.address.kind.name == kind && document.address.name == name);
    found.unwrap()
}

/// The sample YAML with one more document.
fn with(extra: &Value) -> Map<String, Value> {
    entity_edited(|documents| documents.push(extra.clone()))
}

#[test]
fn templates_come_before_what_refers_to_them_and_workers_after_their_control_plane() {
    let wish = wished(&entity());
    let order: Vec<&str> = wish
        .documents
        .iter()
        .map(|document| document.address.kind.name)
        .collect();
    let place = |kind: &str| order.iter().position(|one| *one == kind).unwrap();
    assert!(
        place("VCDMachineTemplate") < place("KubeadmControlPlane"),
        "{order:?}"
    );
    assert!(
        place("KubeadmControlPlane") < place("MachineDeployment"),
        "{order:?}"
    );
    assert_eq!(order.first(), Some(&"Cluster"));
    assert_eq!(order.last(), Some(&"Deployment"));
    assert_eq!(wish.refusals, Vec::new());
    assert_eq!(wish.version, "v1.27.8+vmware.1");
}

#[test]
fn a_document_goes_in_without_what_is_not_the_yamls_business() {
    let content = entity_edited(|documents| {
        for (kind, at, value) in [
            (
                "VCDCluster",
                "/spec/rdeId",
                json!("urn:vcloud:entity:x:y:z"),
            ),
            ("Cluster", "/spec/paused", json!(true)),
            ("Cluster", "/metadata/finalizers", json!(["x"])),
            (
                "Cluster",
                "/metadata/ownerReferences",
                json!([{"uid": "1"}]),
            ),
            ("Cluster", "/metadata/uid", json!("1")),
            ("Cluster", "/metadata/annotations", json!(null)),
            ("Cluster", "/metadata/labels", json!({"keep": "me"})),
            ("Cluster", "/status", json!({"phase": "Deleting"})),
        ] {
            set(documents, kind, "", (at, value));
        }
    });
    let wish = wished(&content);
    let cluster = &find(&wish, "Cluster", "kite7").body;
    assert_eq!(
        cluster["metadata"],
        json!({"name": "kite7", "namespace": "kite7-ns", "labels": {"keep": "me"}})
    );
    assert!(cluster.get("status").is_none() && cluster["spec"].get("paused").is_none());
    let infrastructure = &find(&wish, "VCDCluster", "kite7").body;
    assert!(infrastructure["spec"].get("rdeId").is_none());
    let pool = &find(&wish, "MachineDeployment", "blue").body;
    assert_eq!(pool["spec"]["selector"], json!({}), "nulls are nothing");
    let check = &find(&wish, "MachineHealthCheck", "kite7").body;
    assert_eq!(
        check["metadata"]["labels"][APPLIED_FOR],
        "7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e"
    );
}

/// What nobody may slip into a cluster through the YAML.
fn strangers() -> Vec<(&'static str, Value)> {
    let own = |api: &str, kind: &str, namespace: &str, name: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    let capi = "cluster.x-k8s.io/v1beta1";
    let check = "MachineHealthCheck";
    let autoscaler = "cluster-autoscaler";
    let mut nowhere = own("apps/v1", "Deployment", "", autoscaler);
    nowhere["metadata"] = json!({"name": autoscaler});
    let secret = "vcloud-basic-auth";
    let webhook = "ValidatingWebhookConfiguration";
    vec![
        ("another kind", own("v1", "Pod", "kite7-ns", "x")),
        ("a Secret", own("v1", "Secret", "kube-system", secret)),
        ("a namespace", own("v1", "Namespace", "", "x")),
        ("elsewhere", own(capi, check, "kube-system", "kite7")),
        ("like-named", own("evil.example/v1", check, "kite7-ns", "x")),
        (
            "a deployment",
            own("apps/v1", "Deployment", "kube-system", "coredns"),
        ),
        (
            "its place",
            own("apps/v1", "Deployment", "kite7-ns", autoscaler),
        ),
        ("no place", nowhere),
        ("a path", own(capi, check, "kite7-ns", "../../secrets/x")),
        (
            "a version",
            own("cluster.x-k8s.io/v1/../x", check, "kite7-ns", "x"),
        ),
        (
            "a webhook",
            own("admissionregistration.k8s.io/v1", webhook, "", "x"),
        ),
    ]
}

#[test]
fn only_known_kinds_names_and_namespaces_are_taken() {
    let plain = wished(&entity()).documents;
    for (what, document) in strangers() {
        let wish = wished(&with(&document));
        assert_eq!(wish.refusals.len(), 1, "{what}: {:?}", wish.refusals);
        assert_eq!(wish.refusals[0].0, error::DOCUMENT, "{what}");
        assert_eq!(wish.documents, plain, "{what}: the others are taken");
    }
}

fn of_the_autoscaler(kind: &str, content: Value) -> Value {
    let mut document = content;
    document["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
    document["kind"] = json!(kind);
    document["metadata"] = json!({"name": "cluster-autoscaler"});
    document
}

#[test]
fn the_autoscaler_gets_no_more_than_it_needs() {
    let role = |groups: &str, resources: &str, verbs: &str| {
        let rule = json!({"apiGroups": [groups], "resources": [resources], "verbs": [verbs]});
        of_the_autoscaler("ClusterRole", json!({"rules": [rule]}))
    };
    let binding = |name: &str, subject: Value| {
        let role = json!({"kind": "ClusterRole", "name": name});
        let content = json!({"roleRef": role, "subjects": [subject]});
        of_the_autoscaler("ClusterRoleBinding", content)
    };
    let name = "cluster-autoscaler";
    let account = json!({"kind": "ServiceAccount", "name": name, "namespace": "kube-system"});
    let rows = [
        (role("", "pods", "*"), 0),
        (role("cluster.x-k8s.io", "*", "patch"), 0),
        (role("", "secrets", "get"), 1),
        (role("*", "*", "*"), 1),
        (role("x", "y", "escalate"), 1),
        (binding(name, account.clone()), 0),
        (binding("cluster-admin", account), 1),
        (binding(name, json!({"kind": "User", "name": "mallory"})), 1),
    ];
    for (document, want) in rows {
        let found = wished(&with(&document)).refusals;
        assert_eq!(found.len(), want, "{document}: {found:?}");
    }
    let content = entity_edited(|documents| {
        let host = ("/spec/template/spec/hostPID", json!(true));
        set(documents, "Deployment", "", host);
    });
    assert_eq!(wished(&content).refusals.len(), 1);
}

#[test]
fn what_the_server_put_there_is_passed_over_without_a_word() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"refreshToken": "b2xk"},
        "metadata": {"name": "capi-user-credentials", "namespace": "kite7-ns"}});
    let wish = wished(&with(&secret));
    assert_eq!(wish.refusals, Vec::new());
    assert!(
        !format!("{wish:?}").contains("b2xk"),
        "an old token is not applied"
    );
}

#[test]
fn an_unreadable_yaml_or_another_cluster_leads_to_nothing_at_all() {
    assert_eq!(refused(&entity_with("a: [\n")), [error::YAML]);
    let even = entity_edited(|documents| {
        set(
            documents,
            "KubeadmControlPlane",
            "",
            ("/spec/replicas", json!(2)),
        );
    });
    assert_eq!(refused(&even), [error::YAML]);
    let truncated = entity_edited(|documents| documents.truncate(4));
    assert!(refused(&truncated).contains(&error::YAML));
    match judge(&entity(), &EntityId::parse(URN).unwrap(), "other-ns") {
        Judgement::Refuse(told) => assert_eq!(told[0].0, error::FOREIGN),
        other @ (Judgement::Leave | Judgement::Apply(_)) => panic!("{other:?}"),
    }
}

#[test]
fn a_cluster_that_goes_is_left_alone() {
    for key in ["markForDelete", "forceDelete"] {
        let mut content = entity();
        content["spec"]["vcdKe"][key] = json!(true);
        assert!(matches!(judged(&content), Judgement::Leave), "{key}");
    }
    let mut content = entity();
    content.insert("status".to_owned(), json!({"vcdKe": {"state": "deleting"}}));
    assert!(matches!(judged(&content), Judgement::Leave));
}

#[test]
fn the_yaml_counts_before_the_set_and_operations_are_answered() {
    let mut content = entity();
    let check = "apiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineHealthCheck\n\
                 metadata: {name: second}\nspec: {clusterName: kite7}\n";
    let blue = "apiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n\
                metadata: {name: blue}\nspec: {replicas: 99}\n";
    content["spec"]["yamlSet"] = json!([check, blue, 7]);
    content["spec"]["projector"] = json!({"operations": [
        {"verb": "apply", "valueType": "yamlLink", "sequence": 3, "values": ["https://evil.example/x"]},
    ]});
    let wish = wished(&content);
    assert_eq!(
        find(&wish, "MachineDeployment", "blue").body["spec"]["replicas"],
        4
    );
    assert_eq!(
        find(&wish, "MachineHealthCheck", "second")
            .address
            .namespace,
        "kite7-ns"
    );
    assert_eq!(wish.refusals.len(), 1);
    let (name, told) = &wish.refusals[0];
    assert_eq!(*name, error::OPERATION);
    assert!(told.contains("[3]") && !told.contains("evil"), "{told}");
    content.insert(
        "status".to_owned(),
        json!({"projector": {"lastAppliedSequence": 3}}),
    );
    assert_eq!(
        wished(&content).refusals,
        Vec::new(),
        "the vendor's had carried it out"
    );
}

#[test]
fn the_fingerprint_changes_with_the_content_only() {
    let plain = wished(&entity()).fingerprint;
    let mut told = entity();
    told.insert(
        "status".to_owned(),
        json!({"vcdKe": {"state": "provisioned"}}),
    );
    assert_eq!(wished(&told).fingerprint, plain);
    let resized = entity_edited(|documents| {
        set(
            documents,
            "MachineDeployment",
            "blue",
            ("/spec/replicas", json!(5)),
        );
    });
    assert_ne!(wished(&resized).fingerprint, plain);
}

#[test]
fn an_edit_that_breaks_a_rule_of_running_clusters_is_not_applied() {
    let pool = |name: &str, count: u32| json!({"name": name, "desiredReplicas": count, "availableReplicas": count});
    let report = |version: &str, ready: bool| {
        json!({"capvcd": {
            "upgrade": {"current": {"kubernetesVersion": version}, "ready": ready},
            "nodePool": [pool("blue", 4), pool("red", 1), pool("kite7-control-plane-node-pool", 3)],
        }})
    };
    let rows = [
        (report("v1.27.8+vmware.1", true), Vec::new()),
        (
            report("v1.25.13+vmware.1", true),
            vec!["UpgradeSkipsMinorVersion"],
        ),
        (report("v1.28.4+vmware.1", true), vec!["DowngradeRefused"]),
        (report("v1.26.8+vmware.1", false), vec!["UpgradeUnderWay"]),
    ];
    for (status, want) in rows {
        let mut content = entity();
        content.insert("status".to_owned(), status.clone());
        let found = match judged(&content) {
            Judgement::Apply(_) => Vec::new(),
            Judgement::Refuse(told) => told.into_iter().map(|(name, _)| name).collect(),
            Judgement::Leave => vec!["left"],
        };
        assert_eq!(found, want, "{status}");
    }
}
