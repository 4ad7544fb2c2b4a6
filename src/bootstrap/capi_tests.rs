//! Completing CAPI YAML: what is added, what is kept apart, and that nothing else changes.

use secrecy::SecretString;

use super::*;
use crate::bootstrap::tests::{Attempt, config};
use crate::domain::cluster::sample::{entity, entity_edited, set};
use crate::domain::cluster::{ClusterSpec, SecureFields};
use crate::domain::server_config::ServerConfig;

fn completed(content: &Map<String, Value>, config: ServerConfig) -> Completed {
    let spec = ClusterSpec::parse(content, SecureFields::Included).unwrap();
    let attempt = Attempt {
        spec,
        config,
        ..Attempt::sample()
    };
    complete(&attempt.inputs())
}

fn of(documents: &[Value], kind: Kind) -> &Value {
    documents.iter().find(|document| kind.is(document)).unwrap()
}

#[test]
fn what_clients_leave_out_is_added() {
    let documents = completed(&entity(), config(&json!({}))).management;
    assert_eq!(
        documents[0],
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kite7-ns"}})
    );
    let secret = of(&documents, Kind::Secret);
    assert_eq!(secret["metadata"]["name"], "capi-user-credentials");
    assert_eq!(secret["metadata"]["namespace"], "kite7-ns");
    assert_eq!(secret["metadata"]["labels"][MOVE_LABEL], "");
    assert_eq!(
        secret["data"]["refreshToken"],
        BASE64.encode("tenant-token-7f3a")
    );
    assert_eq!(secret["data"]["username"], BASE64.encode("ada"));
    let infrastructure = of(&documents, Kind::VcdCluster);
    assert_eq!(
        infrastructure["spec"]["rdeId"],
        Attempt::sample().entity.as_str()
    );
    assert_eq!(infrastructure["spec"].get("proxyConfigSpec"), None);
    let labels = &of(&documents, Kind::Cluster)["metadata"]["labels"];
    assert_eq!(
        (&labels["cni"], &labels["ccm"], &labels["csi"]),
        (&json!("antrea"), &json!("external"), &json!("external"))
    );
    assert_eq!(
        labels["tanzuKubernetesRelease"],
        "v1.27.8---vmware.1-tkg.1-rc.5"
    );
}

#[test]
fn everything_else_stays_as_it_is() {
    let spec = ClusterSpec::parse(&entity(), SecureFields::Included).unwrap();
    let done = completed(&entity(), config(&json!({})));
    let changed = [Kind::Cluster, Kind::VcdCluster];
    for document in spec.documents.all() {
        let is_there = done
            .management
            .iter()
            .chain(&done.workload)
            .any(|other| other == document);
        let may_change = changed.iter().any(|kind| kind.is(document));
        assert!(is_there || may_change, "{document}");
    }
    assert_eq!(
        done.management.len() + done.workload.len(),
        spec.documents.all().len() + 2
    );
}

#[test]
fn the_autoscaler_is_kept_for_the_new_cluster() {
    let done = completed(&entity(), config(&json!({})));
    let kinds: Vec<&str> = done
        .workload
        .iter()
        .filter_map(|document| document["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["Deployment", "ServiceAccount"]);
    assert!(
        done.management
            .iter()
            .all(|document| name_of(document) != "cluster-autoscaler")
    );
}

#[test]
fn the_entity_id_is_ours_whatever_the_yaml_says() {
    let foreign = (
        "/spec/rdeId",
        json!("urn:vcloud:entity:vmware:capvcdCluster:other"),
    );
    let content = entity_edited(|documents| set(documents, "VCDCluster", "", foreign));
    let documents = completed(&content, config(&json!({}))).management;
    assert_eq!(
        of(&documents, Kind::VcdCluster)["spec"]["rdeId"],
        Attempt::sample().entity.as_str()
    );
}

#[test]
fn a_secret_of_the_yaml_is_kept_and_made_to_work() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "capi-user-credentials", "namespace": "kite7-ns", "labels": {"own": "label"}},
        "data": {"username": "dQ==", "password": "cA=="}, "stringData": {"refreshToken": "stale", "other": "kept"},
    });
    let content = entity_edited(|documents| documents.insert(2, secret));
    let documents = completed(&content, config(&json!({}))).management;
    let secrets: Vec<&Value> = documents
        .iter()
        .filter(|document| Kind::Secret.is(document))
        .collect();
    assert_eq!(secrets.len(), 1);
    let want_data = json!({"username": "dQ==", "password": "cA==", "refreshToken": BASE64.encode("tenant-token-7f3a")});
    assert_eq!(secrets[0]["data"], want_data);
    assert_eq!(secrets[0]["stringData"], json!({"other": "kept"}));
    assert_eq!(
        secrets[0]["metadata"]["labels"],
        json!({"own": "label", (MOVE_LABEL): ""})
    );
}

#[test]
fn labels_and_proxies_of_the_tenant_win() {
    let proxies = json!({"bootstrapClusterConfig": {"proxyConfig": {"httpProxy": "http://p:1", "noProxy": "a,b"}}});
    let documents = completed(&entity(), config(&proxies)).management;
    let want = json!({"httpProxy": "http://p:1", "noProxy": "a,b"});
    assert_eq!(
        of(&documents, Kind::VcdCluster)["spec"]["proxyConfigSpec"],
        want
    );

    let content = entity_edited(|documents| {
        set(
            documents,
            "VCDCluster",
            "",
            (
                "/spec/proxyConfigSpec",
                json!({"httpProxy": "http://own:1"}),
            ),
        );
        set(
            documents,
            "Cluster",
            "",
            ("/metadata/labels/cni", json!("calico")),
        );
    });
    let documents = completed(&content, config(&proxies)).management;
    assert_eq!(
        of(&documents, Kind::VcdCluster)["spec"]["proxyConfigSpec"],
        json!({"httpProxy": "http://own:1"})
    );
    assert_eq!(
        of(&documents, Kind::Cluster)["metadata"]["labels"]["cni"],
        "calico"
    );
}

#[test]
fn a_namespace_of_the_yaml_comes_first_and_only_once() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kite7-ns", "labels": {"a": "b"}}});
    let content = entity_edited(|documents| documents.push(namespace.clone()));
    let documents = completed(&content, config(&json!({}))).management;
    assert_eq!(documents[0], namespace);
    assert_eq!(
        documents
            .iter()
            .filter(|document| Kind::Namespace.is(document))
            .count(),
        1
    );
}

#[test]
fn odd_places_are_made_usable() {
    let content = entity_edited(|documents| {
        set(documents, "Cluster", "", ("/metadata/labels", json!(null)));
        set(
            documents,
            "VCDCluster",
            "",
            ("/spec/userContext", json!(null)),
        );
    });
    let documents = completed(&content, config(&json!({}))).management;
    assert_eq!(
        of(&documents, Kind::Cluster)["metadata"]["labels"]["ccm"],
        "external"
    );
    let reference =
        json!({"secretRef": {"name": "capi-user-credentials", "namespace": "kite7-ns"}});
    assert_eq!(
        of(&documents, Kind::VcdCluster)["spec"]["userContext"],
        reference
    );
}

#[test]
fn objects_for_other_namespaces_do_not_reach_the_temporary_cluster() {
    for (document, want_management) in [
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "kube-system"}}),
            false,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "kite7-ns"}}),
            true,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}),
            true,
        ),
        (
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}),
            false,
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "kite7-ns"}}),
            false,
        ),
        (
            json!({"apiVersion": "evilcluster.x-k8s.io/v1", "kind": "Cluster", "metadata": {"name": "x"}}),
            false,
        ),
        (
            json!({"apiVersion": "addons.cluster.x-k8s.io/v1beta1", "kind": "ClusterResourceSet", "metadata": {"name": "x"}}),
            true,
        ),
    ] {
        let content = entity_edited(|documents| documents.push(document.clone()));
        let done = completed(&content, config(&json!({})));
        assert_eq!(
            done.management.contains(&document),
            want_management,
            "{document}"
        );
        assert_eq!(
            done.workload.contains(&document),
            !want_management,
            "{document}"
        );
    }
}

#[test]
fn the_token_in_use_need_not_be_the_one_in_the_yaml() {
    let attempt = Attempt {
        token: SecretString::from("fresh"),
        ..Attempt::sample()
    };
    let done = complete(&attempt.inputs());
    assert_eq!(
        of(&done.management, Kind::Secret)["data"]["refreshToken"],
        BASE64.encode("fresh")
    );
}
