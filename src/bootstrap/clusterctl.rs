//! The `clusterctl.yaml` of a bootstrap VM: every provider from a local repository.
//!
//! The scripts load the released files into `repository/<provider>/<version>/` first. So clusterctl
//! asks no GitHub API, whose rate limit a provider with many tenants meets soon.
//!
//! Source: clusterctl documentation, "configuration" and "provider repositories".

use serde_json::{Value, json};

use super::phases::ROOT;
use crate::domain::server_config::{BootstrapConfig, ServerConfig};

/// The configuration with images from the public registries.
pub(super) fn public(config: &ServerConfig) -> Value {
    let bootstrap = &config.bootstrap;
    let cert_manager = &bootstrap.cert_manager_version;
    json!({
        "providers": providers(bootstrap),
        "cert-manager": {
            "url": format!("{ROOT}/repository/cert-manager/{cert_manager}/cert-manager.yaml"),
            "version": cert_manager,
            "timeout": "15m",
        },
        "EXP_CLUSTER_RESOURCE_SET": "true",
    })
}

/// The configuration with every image from the configured registry, under its public path.
pub(super) fn from_registry(config: &ServerConfig) -> Value {
    let repository =
        |path: &str| json!({"repository": format!("{}/{path}", config.container_registry)});
    let mut value = public(config);
    if let Some(fields) = value.as_object_mut() {
        let images = json!({
            "cluster-api": repository("cluster-api"),
            "bootstrap-kubeadm": repository("cluster-api"),
            "control-plane-kubeadm": repository("cluster-api"),
            "infrastructure-vcd": repository("vmware-cloud-director"),
            "cert-manager": repository("jetstack"),
        });
        fields.insert("images".to_owned(), images);
    }
    value
}

fn providers(bootstrap: &BootstrapConfig) -> Value {
    let provider = |name: &str, kind: &str, (directory, version, file): (&str, &str, &str)| json!({"name": name, "type": kind, "url": format!("{ROOT}/repository/{directory}/{version}/{file}")});
    let core = (
        "cluster-api",
        bootstrap.core_version.as_str(),
        "core-components.yaml",
    );
    let join = (
        "bootstrap-kubeadm",
        bootstrap.bootstrap_provider_version.as_str(),
        "bootstrap-components.yaml",
    );
    let control_plane = bootstrap.control_plane_provider_version.as_str();
    let control_plane = (
        "control-plane-kubeadm",
        control_plane,
        "control-plane-components.yaml",
    );
    let vcd = (
        "infrastructure-vcd",
        bootstrap.capvcd_version.as_str(),
        "infrastructure-components.yaml",
    );
    json!([
        provider("cluster-api", "CoreProvider", core),
        provider("kubeadm", "BootstrapProvider", join),
        provider("kubeadm", "ControlPlaneProvider", control_plane),
        provider("vcd", "InfrastructureProvider", vcd),
    ])
}
