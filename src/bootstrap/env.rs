//! The environment file of a bootstrap VM: all data that the scripts work with.
//!
//! Invariants:
//! - Every value goes through [`super::shell`]; scripts hold no data and data holds no script.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{BootstrapInputs, shell};
use crate::domain::cluster::{Kind, text_at};
use crate::domain::phase::{BEAT_PERIOD, Phase};

/// Docker release installed when none is configured.
const DOCKER_DEFAULT: &str = "24.0.9";
/// Antrea release installed when none is configured; it supports Kubernetes 1.19 and later.
const ANTREA_DEFAULT: &str = "v1.15.1";
/// Releases of the other add-ons when none is configured.
const ADDON_DEFAULT: &str = "1.4.0";
/// Container networks of the bootstrap VM; pods there talk to each other without a proxy.
const OWN_RANGES: &str = "172.17.0.0/16,172.18.0.0/16,.svc,.cluster.local";

/// The content of the environment file.
///
/// # Errors
/// The name of a variable whose value no shell can hold.
pub(super) fn file(inputs: &BootstrapInputs<'_>) -> Result<String, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    pairs.extend(facts(inputs).map(|(name, value)| (format!("CSE_{name}"), value)));
    pairs.extend(versions(inputs).map(|(name, value)| (format!("CSE_{name}_VERSION"), value)));
    // `CSE_LIMIT_control_plane`: the runner finds it from the script's name.
    pairs.extend(Phase::ALL.map(|phase| {
        let name = format!("CSE_LIMIT_{}", phase.name().replace('-', "_"));
        (name, phase.limit().as_secs().to_string())
    }));
    shell::assignments(&pairs)
}

/// Who, where and through what.
fn facts(inputs: &BootstrapInputs<'_>) -> [(&'static str, String); 15] {
    let (spec, config) = (inputs.spec, inputs.config);
    let bootstrap = &config.bootstrap;
    let is_private = u8::from(config.has_private_registry());
    [
        ("ENTITY_ID", inputs.entity.to_string()),
        ("MARKER", inputs.marker.to_owned()),
        ("CLUSTER", spec.name.clone()),
        ("NAMESPACE", spec.namespace.clone()),
        ("SITE", spec.site.trim_end_matches('/').to_owned()),
        ("API_TOKEN", exposed(Some(inputs.token))),
        ("GITHUB_TOKEN", exposed(config.github_token.as_ref())),
        ("HTTP_PROXY", exposed(bootstrap.proxy.http.as_ref())),
        ("HTTPS_PROXY", exposed(bootstrap.proxy.https.as_ref())),
        ("NO_PROXY", bootstrap.proxy.no_proxy.clone()),
        ("POD_NO_PROXY", pod_no_proxy(inputs)),
        ("REGISTRY", config.container_registry.clone()),
        ("PRIVATE_REGISTRY", is_private.to_string()),
        (
            "MIRROR",
            bootstrap.download_mirror.clone().unwrap_or_default(),
        ),
        ("BEAT_SECS", BEAT_PERIOD.as_secs().to_string()),
    ]
}

/// Releases of everything that is installed, spelled as in the names of their downloads.
fn versions(inputs: &BootstrapInputs<'_>) -> [(&'static str, String); 14] {
    let (bootstrap, kubernetes) = (&inputs.config.bootstrap, &inputs.config.kubernetes);
    let or =
        |version: &Option<String>, default: &str| version.clone().unwrap_or(default.to_owned());
    let cni = with_v(&or(&kubernetes.cni.version, ANTREA_DEFAULT));
    let kubectl = or(
        &bootstrap.kubectl_version,
        upstream(&inputs.spec.kubernetes_version),
    );
    [
        (
            "DOCKER",
            bootstrap.docker_version.clone().unwrap_or_default(),
        ),
        ("DOCKER_DEFAULT", DOCKER_DEFAULT.to_owned()),
        ("KIND", bootstrap.kind_version.clone()),
        ("KIND_NODE", bootstrap.kind_node_version.clone()),
        ("KUBECTL", kubectl),
        ("CLUSTERCTL", bootstrap.clusterctl_version.clone()),
        ("CORE", bootstrap.core_version.clone()),
        ("BOOTSTRAP", bootstrap.bootstrap_provider_version.clone()),
        (
            "CONTROL_PLANE",
            bootstrap.control_plane_provider_version.clone(),
        ),
        ("CAPVCD", bootstrap.capvcd_version.clone()),
        ("CERT_MANAGER", bootstrap.cert_manager_version.clone()),
        ("CNI", cni),
        ("CPI", or(&kubernetes.cpi.version, ADDON_DEFAULT)),
        ("CSI", or(&kubernetes.csi.version, ADDON_DEFAULT)),
    ]
}

/// The upstream release a vendor's build is made from: `v1.27.8` of `v1.27.8+vmware.1`.
fn upstream(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

fn with_v(version: &str) -> String {
    let bare = version.trim_start_matches('v');
    format!("v{bare}")
}

fn exposed(secret: Option<&SecretString>) -> String {
    secret.map_or(String::new(), |secret| secret.expose_secret().to_owned())
}

/// What CAPVCD reaches without a proxy: configured hosts, and pods and services of either cluster.
pub(super) fn pod_no_proxy(inputs: &BootstrapInputs<'_>) -> String {
    let cluster = inputs
        .spec
        .documents
        .of(Kind::Cluster)
        .next()
        .unwrap_or(&Value::Null);
    let range = |key| text_at(cluster, &["spec", "clusterNetwork", key, "cidrBlocks", "0"]);
    let configured =
        Some(inputs.config.bootstrap.proxy.no_proxy.as_str()).filter(|hosts| !hosts.is_empty());
    let parts = [
        configured,
        Some(OWN_RANGES),
        range("pods"),
        range("services"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}
