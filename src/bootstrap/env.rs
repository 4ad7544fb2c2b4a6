//! The environment file of a bootstrap VM: all data that the scripts work with.
//!
//! Invariants:
//! - Every value goes through [`super::shell`]; scripts hold no data and data holds no script.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{BootstrapInputs, shell};
use crate::domain::cluster::{Kind, text_at};
use crate::domain::phase::Phase;

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
    let config = inputs.config;
    let bootstrap = &config.bootstrap;
    let spec = inputs.spec;
    let kubectl = bootstrap
        .kubectl_version
        .as_deref()
        .unwrap_or_else(|| upstream(&spec.kubernetes_version));
    let add_on =
        |version: &Option<String>| version.clone().unwrap_or_else(|| ADDON_DEFAULT.to_owned());
    let cni = config
        .kubernetes
        .cni
        .version
        .as_deref()
        .map_or(Cow::Borrowed(ANTREA_DEFAULT), with_v);
    let pod_no_proxy = pod_no_proxy(inputs);
    let limits = Phase::ALL.map(|phase| (limit_name(phase), phase.limit().as_secs().to_string()));
    let mut pairs: Vec<(String, Cow<'_, str>)> = [
        ("ENTITY_ID", inputs.entity.as_str()),
        ("MARKER", inputs.marker),
        ("CLUSTER", &spec.name),
        ("NAMESPACE", &spec.namespace),
        ("SITE", spec.site.trim_end_matches('/')),
        ("API_TOKEN", inputs.token.expose_secret()),
        ("GITHUB_TOKEN", exposed(config.github_token.as_ref())),
        ("HTTP_PROXY", exposed(bootstrap.proxy.http.as_ref())),
        ("HTTPS_PROXY", exposed(bootstrap.proxy.https.as_ref())),
        ("NO_PROXY", &bootstrap.proxy.no_proxy),
        ("POD_NO_PROXY", &pod_no_proxy),
        ("REGISTRY", &config.container_registry),
        (
            "PRIVATE_REGISTRY",
            if config.has_private_registry() {
                "1"
            } else {
                "0"
            },
        ),
        (
            "MIRROR",
            bootstrap.download_mirror.as_deref().unwrap_or_default(),
        ),
        (
            "DOCKER_VERSION",
            bootstrap.docker_version.as_deref().unwrap_or_default(),
        ),
        ("DOCKER_DEFAULT", DOCKER_DEFAULT),
        ("KIND_VERSION", &bootstrap.kind_version),
        ("KIND_NODE_VERSION", &bootstrap.kind_node_version),
        ("KUBECTL_VERSION", kubectl),
        ("CLUSTERCTL_VERSION", &bootstrap.clusterctl_version),
        ("CORE_VERSION", &bootstrap.core_version),
        ("BOOTSTRAP_VERSION", &bootstrap.bootstrap_provider_version),
        (
            "CONTROL_PLANE_VERSION",
            &bootstrap.control_plane_provider_version,
        ),
        ("CAPVCD_VERSION", &bootstrap.capvcd_version),
        ("CERT_MANAGER_VERSION", &bootstrap.cert_manager_version),
    ]
    .into_iter()
    .map(|(name, value)| (format!("CSE_{name}"), Cow::Borrowed(value)))
    .collect();
    pairs.push(("CSE_CNI_VERSION".to_owned(), cni));
    pairs.push((
        "CSE_CPI_VERSION".to_owned(),
        add_on(&config.kubernetes.cpi.version).into(),
    ));
    pairs.push((
        "CSE_CSI_VERSION".to_owned(),
        add_on(&config.kubernetes.csi.version).into(),
    ));
    pairs.extend(limits.into_iter().map(|(name, value)| (name, value.into())));
    let borrowed: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), value.as_ref()))
        .collect();
    shell::assignments(&borrowed)
}

/// `CSE_LIMIT_control_plane`: the runner finds it from the script's name.
fn limit_name(phase: Phase) -> String {
    format!("CSE_LIMIT_{}", phase.name().replace('-', "_"))
}

/// The upstream release a vendor's build is made from: `v1.27.8` of `v1.27.8+vmware.1`.
fn upstream(version: &str) -> &str {
    version.split('+').next().unwrap_or(version)
}

fn with_v(version: &str) -> Cow<'_, str> {
    if version.starts_with('v') {
        Cow::Borrowed(version)
    } else {
        Cow::Owned(format!("v{version}"))
    }
}

fn exposed(secret: Option<&SecretString>) -> &str {
    secret.map_or("", |secret| secret.expose_secret())
}

/// What CAPVCD reaches without a proxy: configured hosts, and pods and services of either cluster.
fn pod_no_proxy(inputs: &BootstrapInputs<'_>) -> String {
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
