//! The manifest of the agent in a new cluster: who it is, what it may do, and its one pod.
//!
//! Flow: the inputs of a bootstrap in, one YAML text out; the last phase of the bootstrap applies it.
//!
//! Invariants:
//! - It lives in the cluster's own namespace, because a pod mounts Secrets of its own namespace only: the
//!   token is that of CAPVCD, in one Secret, and whoever rotates it there rotates it for both.
//! - Its rights end where the agent's list of kinds ends (`agent::kinds`): it can neither make nor delete a
//!   Cluster, its infrastructure or its control plane, and reads no Secret through the API.
//! - `escalate` and `bind` hold for the one role of the autoscaler: the YAML brings that role along, and the
//!   agent need not have the autoscaler's rights itself.
//!
//! Not here: the agent (`agent`), its image (`config/agent`).
//! Source: Kubernetes RBAC, Pod Security Standards (restricted).

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{BootstrapInputs, capi, env};
use crate::domain::server_config::AgentImage;
use crate::yaml::{self, YamlProblem};

/// Name of every object of the agent.
const NAME: &str = "cse-agent";
/// Its image below the container registry, when none is configured.
const DEFAULT_IMAGE: &str = concat!("cse-agent:", env!("CARGO_PKG_VERSION"));
/// The user it runs as; nobody's on any node.
const USER: u32 = 65_532;
/// Where the Secret with the token is mounted.
const TOKEN_DIR: &str = "/var/run/secrets/cse-agent/token";
/// Where certificates are mounted.
const CA_DIR: &str = "/etc/cse-agent/ca";

/// The manifest; `None` where the configuration wants no agent.
///
/// # Errors
/// [`YamlProblem`]: something could not be written as YAML.
pub fn manifest(inputs: &BootstrapInputs<'_>) -> Result<Option<String>, YamlProblem> {
    let image = match &inputs.config.kubernetes.agent {
        AgentImage::None => return Ok(None),
        AgentImage::Default => format!("{}/{DEFAULT_IMAGE}", inputs.config.container_registry),
        AgentImage::Image(image) => image.clone(),
    };
    let namespace = inputs.spec.namespace.as_str();
    let authorities = authorities(inputs);
    let proxy = proxy(inputs);
    let mut documents = vec![json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels()},
    })];
    documents.extend(rights(namespace));
    if let Some(pem) = &authorities {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cse-agent-ca", "namespace": namespace, "labels": labels()},
            "data": {"ca.crt": pem},
        }));
    }
    if let Some(pairs) = &proxy {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cse-agent-proxy", "namespace": namespace, "labels": labels()},
            "type": "Opaque",
            "stringData": pairs,
        }));
    }
    documents.push(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels()},
        "spec": {
            "replicas": 1,
            // Two at once would do no harm, but there is no use in it either.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "template": {
                "metadata": {"labels": labels()},
                "spec": pod(inputs, &image, (authorities.is_some(), proxy.is_some())),
            },
        },
    }));
    yaml::write_documents(&documents).map(Some)
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "cse-server"})
}

/// Roles and their bindings.
fn rights(namespace: &str) -> Vec<Value> {
    let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let named = |group: &str, resources: &[&str], (name, verbs): (&str, &[&str])| json!({"apiGroups": [group], "resources": resources, "resourceNames": [name], "verbs": verbs});
    let infrastructure = "infrastructure.cluster.x-k8s.io";
    let rbac = "rbac.authorization.k8s.io";
    let change: &[&str] = &["get", "patch"];
    let make: &[&str] = &["get", "patch", "create"];
    let own = vec![
        rule("cluster.x-k8s.io", &["clusters"], change),
        rule(infrastructure, &["vcdclusters"], change),
        rule(
            "controlplane.cluster.x-k8s.io",
            &["kubeadmcontrolplanes"],
            change,
        ),
        rule("cluster.x-k8s.io", &["machinedeployments"], make),
        rule(infrastructure, &["vcdmachinetemplates"], make),
        rule(
            "bootstrap.cluster.x-k8s.io",
            &["kubeadmconfigtemplates"],
            make,
        ),
        rule(
            "cluster.x-k8s.io",
            &["machinehealthchecks"],
            &["get", "list", "patch", "create", "delete"],
        ),
    ];
    let all: &[&str] = &["get", "patch", "create", "delete"];
    let over_rights: &[&str] = &["get", "patch", "create", "delete", "escalate", "bind"];
    let autoscaler = "cluster-autoscaler";
    let system = vec![
        named("", &["serviceaccounts"], (autoscaler, all)),
        named("apps", &["deployments"], (autoscaler, all)),
        named(rbac, &["roles"], (autoscaler, over_rights)),
    ];
    let everywhere = vec![
        named(rbac, &["clusterroles"], (autoscaler, over_rights)),
        named(rbac, &["clusterrolebindings"], (autoscaler, all)),
        // To stand aside while the vendor's projector is there; its namespace may not be.
        named(
            "apps",
            &["deployments"],
            ("rdeprojector-controller-manager", &["get"]),
        ),
    ];
    [
        role("Role", Some(namespace), &own, namespace),
        role("Role", Some("kube-system"), &system, namespace),
        role("ClusterRole", None, &everywhere, namespace),
    ]
    .concat()
}

/// A role and its binding to the agent's account in `account_namespace`.
fn role(
    kind: &str,
    namespace: Option<&str>,
    rules: &[Value],
    account_namespace: &str,
) -> Vec<Value> {
    let metadata = match namespace {
        Some(namespace) => json!({"name": NAME, "namespace": namespace, "labels": labels()}),
        None => json!({"name": NAME, "labels": labels()}),
    };
    vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": metadata,
            "rules": rules,
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": format!("{kind}Binding"),
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": account_namespace}],
        }),
    ]
}

fn pod(inputs: &BootstrapInputs<'_>, image: &str, (has_ca, has_proxy): (bool, bool)) -> Value {
    let spec = inputs.spec;
    let mut env = vec![
        json!({"name": "CSE_SITE", "value": spec.site.trim_end_matches('/')}),
        json!({"name": "CSE_ORG", "value": inputs.org}),
        json!({"name": "CSE_ENTITY_ID", "value": inputs.entity.as_str()}),
        json!({"name": "CSE_NAMESPACE", "value": spec.namespace}),
        json!({"name": "CSE_TOKEN_FILE", "value": format!("{TOKEN_DIR}/refreshToken")}),
    ];
    let secret = capi::secret_name(spec.documents.all());
    let mut volumes = vec![json!({
        "name": "token",
        "secret": {
            "secretName": secret,
            "defaultMode": 0o440,
            "items": [{"key": "refreshToken", "path": "refreshToken"}],
        },
    })];
    let mut mounts = vec![json!({"name": "token", "mountPath": TOKEN_DIR, "readOnly": true})];
    if has_ca {
        env.push(json!({"name": "CSE_CA_FILE", "value": format!("{CA_DIR}/ca.crt")}));
        volumes.push(json!({"name": "ca", "configMap": {"name": "cse-agent-ca"}}));
        mounts.push(json!({"name": "ca", "mountPath": CA_DIR, "readOnly": true}));
    }
    let mut container = json!({
        "name": "agent",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    if has_proxy && let Some(fields) = container.as_object_mut() {
        let from = json!([{"secretRef": {"name": "cse-agent-proxy"}}]);
        fields.insert("envFrom".to_owned(), from);
    }
    json!({
        "serviceAccountName": NAME,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        // With every worker gone it still runs, and brings them back.
        "tolerations": [
            {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "node-role.kubernetes.io/master", "operator": "Exists", "effect": "NoSchedule"},
        ],
        "containers": [container],
        "volumes": volumes,
    })
}

/// What the bootstrap VM trusts besides the system's certificates, the agent trusts too.
fn authorities(inputs: &BootstrapInputs<'_>) -> Option<String> {
    let configured = &inputs.config.bootstrap.certificate_authorities;
    let all: Vec<&str> = configured
        .iter()
        .chain(inputs.vcd_authorities)
        .map(|pem| pem.trim_end())
        .collect();
    (!all.is_empty()).then(|| format!("{}\n", all.join("\n")))
}

/// Proxies may carry a password, so they go into a Secret.
fn proxy(inputs: &BootstrapInputs<'_>) -> Option<Value> {
    let proxy = &inputs.config.bootstrap.proxy;
    let mut pairs = serde_json::Map::new();
    for (name, url) in [("HTTP_PROXY", &proxy.http), ("HTTPS_PROXY", &proxy.https)] {
        if let Some(url) = url {
            pairs.insert(name.to_owned(), json!(url.expose_secret()));
        }
    }
    if pairs.is_empty() {
        return None;
    }
    pairs.insert("NO_PROXY".to_owned(), json!(env::pod_no_proxy(inputs)));
    Some(Value::Object(pairs))
}

#[cfg(test)]
#[path = "agent_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
