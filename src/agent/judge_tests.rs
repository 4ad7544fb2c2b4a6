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

fn refused(content: &Map<String, Value>) -> (&'static str, Vec<String>) {
    match judged(content) {
        Judgement::Refuse(name, details) => (name, details),
        other @ (Judgement::Leave | Judgement::Apply(_)) => panic!("{other:?}"),
    }
}

fn find<'a>(wish: &'a Wish, kind: &str, name: &str) -> &'a Document {
    let mut documents = wish.documents.iter();
    let found = documents
        .find(|document| document.address.kind.kind == kind && document.address.name == name);
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
        .map(|document| document.address.kind.kind)
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

#[test]
fn only_known_kinds_names_and_namespaces_are_taken() {
    let own = |api: &str, kind: &str, namespace: &str, name: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    let capi = "cluster.x-k8s.io/v1beta1";
    let rows = [
        ("a kind that is nobody's", own("v1", "Pod", "kite7-ns", "x")),
        (
            "a Secret elsewhere",
            own("v1", "Secret", "kube-system", "vcloud-basic-auth"),
        ),
        (
            "a namespace",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}),
        ),
        (
            "another namespace",
            own(capi, "MachineHealthCheck", "kube-system", "kite7"),
        ),
        (
            "a like-named kind",
            own("evil.example/v1", "MachineHealthCheck", "kite7-ns", "x"),
        ),
        (
            "a deployment",
            own("apps/v1", "Deployment", "kube-system", "coredns"),
        ),
        (
            "its namespace",
            own("apps/v1", "Deployment", "kite7-ns", "cluster-autoscaler"),
        ),
        (
            "no namespace",
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "cluster-autoscaler"}}),
        ),
        (
            "a path",
            own(capi, "MachineHealthCheck", "kite7-ns", "../../secrets/x"),
        ),
        (
            "a version that is a path",
            own(
                "cluster.x-k8s.io/v1/../x",
                "MachineHealthCheck",
                "kite7-ns",
                "x",
            ),
        ),
        (
            "a webhook",
            own(
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                "",
                "x",
            ),
        ),
    ];
    let plain = wished(&entity()).documents;
    for (what, document) in rows {
        let wish = wished(&with(&document));
        assert_eq!(wish.refusals.len(), 1, "{what}: {:?}", wish.refusals);
        assert_eq!(wish.refusals[0].0, error::DOCUMENT, "{what}");
        assert_eq!(
            wish.documents, plain,
            "{what}: the others are taken all the same"
        );
    }
}

#[test]
fn the_autoscaler_gets_no_more_than_it_needs() {
    let autoscaler = |kind: &str, api: &str, content: Value| {
        let mut document = json!({
            "apiVersion": api, "kind": kind,
            "metadata": {"name": "cluster-autoscaler", "namespace": "kube-system"},
        });
        for (key, value) in content.as_object().unwrap() {
            document[key] = value.clone();
        }
        document
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let account =
        json!({"kind": "ServiceAccount", "name": "cluster-autoscaler", "namespace": "kube-system"});
    let role = |rule: Value| autoscaler("ClusterRole", rbac, json!({"rules": [rule]}));
    let binding = |name: &str, subject: Value| {
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        autoscaler(
            "ClusterRoleBinding",
            rbac,
            json!({"roleRef": role, "subjects": [subject]}),
        )
    };
    let pods = json!({"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["*"]});
    let pools =
        json!({"apiGroups": ["cluster.x-k8s.io"], "resources": ["*"], "verbs": ["get", "patch"]});
    let rows = [
        (role(pods), 0),
        (role(pools), 0),
        (
            role(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})),
            1,
        ),
        (
            role(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})),
            1,
        ),
        (
            role(json!({"apiGroups": ["x"], "resources": ["y"], "verbs": ["escalate"]})),
            1,
        ),
        (binding("cluster-autoscaler", account.clone()), 0),
        (binding("cluster-admin", account), 1),
        (
            binding(
                "cluster-autoscaler",
                json!({"kind": "User", "name": "mallory"}),
            ),
            1,
        ),
    ];
    for (document, want) in rows {
        let found = wished(&with(&document)).refusals;
        assert_eq!(found.len(), want, "{document}: {found:?}");
    }
    let content = entity_edited(|documents| {
        set(
            documents,
            "Deployment",
            "",
            ("/spec/template/spec/hostPID", json!(true)),
        );
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
    let (name, details) = refused(&entity_with("a: [\n"));
    assert_eq!((name, details.len()), (error::YAML, 1));
    let even = entity_edited(|documents| {
        set(
            documents,
            "KubeadmControlPlane",
            "",
            ("/spec/replicas", json!(2)),
        );
    });
    assert_eq!(refused(&even).0, error::YAML);
    let truncated = entity_edited(|documents| documents.truncate(4));
    assert_eq!(refused(&truncated).0, error::YAML);
    let other = judge(&entity(), &EntityId::parse(URN).unwrap(), "other-ns");
    assert!(
        matches!(other, Judgement::Refuse(error::FOREIGN, _)),
        "{other:?}"
    );
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
