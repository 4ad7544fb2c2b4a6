//! Completes a tenant's CAPI YAML: what clients leave out is added, everything else stays as it is.
//!
//! Flow: [`ClusterSpec`] and the facts of the attempt in, the documents for the temporary management
//! cluster and those for the new cluster itself out.
//!
//! Added: the namespace, the Secret with the token, `VCDCluster.spec.rdeId` (without it CAPVCD looks
//! for an entity by name and may adopt another cluster's), the add-on labels, the proxies, and the
//! certificate authorities of the nodes ([`super::trust`]).
//!
//! Invariants:
//! - Documents that do not belong to Cluster API never reach the temporary cluster: an autoscaler
//!   there would scale the cluster from a place that is about to vanish.
//! - The entity id is always ours, whatever the YAML says.
//!
//! Source: CAPVCD `VCDCluster` v1beta2; `clusterctl move` documentation of Cluster API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{BootstrapInputs, trust};
use crate::domain::cluster::{CREDENTIALS_SECRET, ClusterSpec, Kind, api_group, name_of, text_at};
use crate::domain::server_config::ProxyConfig;

/// Objects with this label are moved with the cluster although nothing refers to them.
const MOVE_LABEL: &str = "clusterctl.cluster.x-k8s.io/move";
/// The add-ons of the cluster, in the words of CAPVCD's `ClusterResourceSet` templates.
const ADDON_LABELS: [(&str, &str); 3] =
    [("cni", "antrea"), ("ccm", "external"), ("csi", "external")];

/// The completed documents.
pub(super) struct Completed {
    /// For the temporary management cluster, in the order to apply.
    pub(super) management: Vec<Value>,
    /// For the new cluster itself: autoscaler and whatever else is no Cluster API object.
    pub(super) workload: Vec<Value>,
}

/// Completes the documents of `inputs.spec`.
pub(super) fn complete(inputs: &BootstrapInputs<'_>) -> Completed {
    let spec = inputs.spec;
    let (mut management, workload): (Vec<Value>, Vec<Value>) = spec
        .documents
        .all()
        .iter()
        .cloned()
        .partition(|document| is_managed(document, spec));
    for document in &mut management {
        if Kind::Cluster.is(document) {
            add_labels(document, &ADDON_LABELS);
        } else if Kind::VcdCluster.is(document) {
            complete_vcd_cluster(document, inputs);
        } else {
            let authorities = &inputs.config.kubernetes.certificate_authorities;
            trust::complete(document, authorities);
        }
    }
    complete_secret(&mut management, inputs);
    let has_namespace = management
        .iter()
        .any(|document| Kind::Namespace.is(document));
    if !has_namespace {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": spec.namespace}});
        management.push(namespace);
    }
    // Stable: only the namespace and what lies in it for the others to use move to the front.
    management.sort_by_key(|document| {
        match (Kind::Namespace.is(document), Kind::Secret.is(document)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    });
    Completed {
        management,
        workload,
    }
}

/// Cluster API's own groups, the cluster's namespace, and what lies in it for Cluster API to use.
fn is_managed(document: &Value, spec: &ClusterSpec) -> bool {
    let group = api_group(document);
    if group == "cluster.x-k8s.io" || group.ends_with(".cluster.x-k8s.io") {
        return true;
    }
    if Kind::Namespace.is(document) {
        return name_of(document) == spec.namespace;
    }
    let namespace = text_at(document, &["metadata", "namespace"]).unwrap_or(&spec.namespace);
    let is_data = matches!(text_at(document, &["kind"]), Some("Secret" | "ConfigMap"));
    group.is_empty() && is_data && namespace == spec.namespace
}

fn complete_vcd_cluster(document: &mut Value, inputs: &BootstrapInputs<'_>) {
    let Some(spec) = object_at(document, "spec") else {
        return;
    };
    spec.insert("rdeId".to_owned(), json!(inputs.entity.as_str()));
    let reference =
        json!({"secretRef": {"name": CREDENTIALS_SECRET, "namespace": inputs.spec.namespace}});
    insert_if_absent(spec, "userContext", reference);
    if inputs.config.bootstrap.proxy.is_used() {
        insert_if_absent(
            spec,
            "proxyConfigSpec",
            proxy_spec(&inputs.config.bootstrap.proxy),
        );
    }
}

fn proxy_spec(proxy: &ProxyConfig) -> Value {
    let url = |url: &Option<secrecy::SecretString>| {
        url.as_ref().map(|url| url.expose_secret().to_owned())
    };
    let mut fields = Map::new();
    for (key, value) in [
        ("httpProxy", url(&proxy.http)),
        ("httpsProxy", url(&proxy.https)),
    ] {
        if let Some(value) = value {
            fields.insert(key.to_owned(), json!(value));
        }
    }
    fields.insert("noProxy".to_owned(), json!(proxy.no_proxy));
    Value::Object(fields)
}

/// The Secret that CAPVCD signs in with. One in the YAML (as in 4.0) is kept, but holds the token that
/// was proven to work and moves with the cluster.
fn complete_secret(documents: &mut Vec<Value>, inputs: &BootstrapInputs<'_>) {
    let name = secret_name(documents);
    let token = BASE64.encode(inputs.token.expose_secret());
    let existing = documents
        .iter_mut()
        .find(|document| Kind::Secret.is(document) && name_of(document) == name);
    if let Some(secret) = existing {
        if let Some(data) = object_at(secret, "data") {
            data.insert("refreshToken".to_owned(), json!(token));
        }
        // Plain data would win over encoded data.
        if let Some(plain) = secret.get_mut("stringData").and_then(Value::as_object_mut) {
            plain.shift_remove("refreshToken");
        }
        add_labels(secret, &[(MOVE_LABEL, "")]);
        return;
    }
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": inputs.spec.namespace, "labels": {MOVE_LABEL: ""}},
        "type": "Opaque",
        "data": {"username": BASE64.encode(inputs.user), "password": "", "refreshToken": token},
    });
    documents.push(secret);
}

/// The Secret the infrastructure document refers to; clients always use the same name.
pub(super) fn secret_name(documents: &[Value]) -> String {
    let infrastructure = documents
        .iter()
        .find(|document| Kind::VcdCluster.is(document));
    let name = infrastructure
        .and_then(|document| text_at(document, &["spec", "userContext", "secretRef", "name"]));
    name.unwrap_or(CREDENTIALS_SECRET).to_owned()
}

fn add_labels(document: &mut Value, labels: &[(&str, &str)]) {
    let Some(metadata) = document.get_mut("metadata") else {
        return;
    };
    let Some(present) = object_at(metadata, "labels") else {
        return;
    };
    for (key, value) in labels {
        insert_if_absent(present, key, json!(value));
    }
}

/// The object under `key`, made if there is none; anything else there would be refused anyway.
pub(super) fn object_at<'a>(
    document: &'a mut Value,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    let value = document.as_object_mut()?.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut()
}

fn insert_if_absent(fields: &mut Map<String, Value>, key: &str, value: Value) {
    let present = fields.entry(key).or_insert(Value::Null);
    if present.is_null() {
        *present = value;
    }
}

#[cfg(test)]
#[path = "capi_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
