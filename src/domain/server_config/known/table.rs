//! The table of all keys, in the order in which they are shown.

use super::{Kind, Setting};
use crate::domain::server_config::PUBLIC_REGISTRY;

const fn setting(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        path,
        kind,
        default,
        about,
    }
}

/// All of them.
pub(super) const SETTINGS: &[Setting] = &[
    setting("name", Kind::Text, "production", "name of the profile"),
    setting("active", Kind::Flag, "", "whether the profile is in force"),
    setting(
        "vcdKeInstances[].name",
        Kind::Text,
        "vcd-container-service-extension",
        "a registered server",
    ),
    setting(
        "vcdKeInstances[].version",
        Kind::Version,
        "",
        "release shown to tenants",
    ),
    setting(
        "vcdKeInstances[].vcdKeInstanceId",
        Kind::Text,
        "",
        "id shown in clusters",
    ),
    setting(
        "serverConfig.rdePollIntervalInMin",
        Kind::Minutes,
        "1",
        "time between two reads of the clusters",
    ),
    setting(
        "serverConfig.heartbeatWatcherTimeoutInMin",
        Kind::Minutes,
        "10",
        "a replica that could not renew for so long gives up",
    ),
    setting(
        "serverConfig.staleHeartbeatIntervalInMin",
        Kind::Minutes,
        "30",
        "another replica takes over after so long",
    ),
    setting(
        "vcdConfig.sysLogger.host",
        Kind::Text,
        "",
        "where log lines are forwarded to",
    ),
    setting("vcdConfig.sysLogger.port", Kind::Port, "514", "its port"),
    setting(
        "githubConfig.githubPersonalAccessToken",
        Kind::Secret,
        "",
        "raises the rate limit of downloads from GitHub",
    ),
    setting(
        "bootstrapClusterConfig.sizingPolicy",
        Kind::Text,
        "TKG small",
        "size of the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.dockerVersion",
        Kind::Version,
        "",
        "Docker in the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.kindVersion",
        Kind::Version,
        "v0.19.0",
        "kind in the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.kindestNodeVersion",
        Kind::Version,
        "v1.27.1",
        "image of the temporary cluster",
    ),
    setting(
        "bootstrapClusterConfig.kubectlVersion",
        Kind::Version,
        "",
        "kubectl in the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.clusterctl.version",
        Kind::Version,
        "v1.4.0",
        "clusterctl in the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.clusterctl.clusterctlyaml",
        Kind::Yaml,
        "",
        "replaces the generated clusterctl.yaml",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.coreCapiVersion",
        Kind::Version,
        "v1.4.0",
        "Cluster API",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.controlPlaneProvider.name",
        Kind::Text,
        "KCP",
        "label of the control plane provider",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.controlPlaneProvider.version",
        Kind::Version,
        "v1.4.0",
        "control plane provider",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.bootstrapProvider.name",
        Kind::Text,
        "CAPBK",
        "label of the bootstrap provider",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.bootstrapProvider.version",
        Kind::Version,
        "v1.4.0",
        "bootstrap provider",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.infraProvider.name",
        Kind::Text,
        "capvcd",
        "label of the infrastructure provider",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.infraProvider.version",
        Kind::Version,
        "v1.1.0",
        "CAPVCD",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.infraProvider.capvcdRde.vendor",
        Kind::Text,
        "vmware",
        "type of cluster entities",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.infraProvider.capvcdRde.nss",
        Kind::Text,
        "capvcdCluster",
        "type of cluster entities",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.infraProvider.capvcdRde.version",
        Kind::Version,
        "1.1.0",
        "type of cluster entities",
    ),
    setting(
        "bootstrapClusterConfig.capiEcosystem.certManagerVersion",
        Kind::Version,
        "v1.11.1",
        "cert-manager",
    ),
    setting(
        "bootstrapClusterConfig.proxyConfig.httpProxy",
        Kind::Proxy,
        "",
        "proxy of bootstrap VM and nodes",
    ),
    setting(
        "bootstrapClusterConfig.proxyConfig.httpsProxy",
        Kind::Proxy,
        "",
        "proxy of bootstrap VM and nodes",
    ),
    setting(
        "bootstrapClusterConfig.proxyConfig.noProxy",
        Kind::Text,
        "",
        "hosts reached directly, separated by commas",
    ),
    setting(
        "bootstrapClusterConfig.certificateAuthorities[]",
        Kind::Certificates,
        "",
        "trusted by the bootstrap VM",
    ),
    setting(
        "bootstrapClusterConfig.downloadMirrorUrl",
        Kind::Text,
        "",
        "mirror of every download (key of this server)",
    ),
    setting(
        "K8Config.cni.name",
        Kind::Text,
        "antrea",
        "label of the network add-on",
    ),
    setting("K8Config.cni.version", Kind::Version, "", "network add-on"),
    setting(
        "K8Config.cpi.name",
        Kind::Text,
        "cpi for cloud director",
        "label of the cloud provider",
    ),
    setting(
        "K8Config.cpi.version",
        Kind::Version,
        "1.4.0",
        "cloud provider",
    ),
    setting(
        "K8Config.csi[].name",
        Kind::Text,
        "csi for cloud director",
        "label of the volume driver",
    ),
    setting(
        "K8Config.csi[].version",
        Kind::Version,
        "1.4.0",
        "volume driver; the first entry counts",
    ),
    setting(
        "K8Config.mhc.maxUnhealthyNodes",
        Kind::Percent,
        "100",
        "above this share no node is replaced",
    ),
    setting(
        "K8Config.mhc.nodeStartupTimeout",
        Kind::Time,
        "900s",
        "a machine without node for so long is replaced",
    ),
    setting(
        "K8Config.mhc.nodeNotReadyTimeout",
        Kind::Time,
        "300s",
        "a node not ready for so long is replaced",
    ),
    setting(
        "K8Config.mhc.nodeUnknownTimeout",
        Kind::Time,
        "300s",
        "a silent node is replaced after so long",
    ),
    setting(
        "K8Config.mhc.applyToExisting",
        Kind::Flag,
        "",
        "limits for running clusters too (key of this server)",
    ),
    setting(
        "K8Config.rdeProjectorVersion",
        Kind::Version,
        "",
        "the vendor's projector",
    ),
    setting(
        "K8Config.agent.image",
        Kind::Text,
        "",
        "image of cse-agent, or none (key of this server)",
    ),
    setting(
        "K8Config.certificateAuthorities[]",
        Kind::Certificates,
        "",
        "trusted by the nodes",
    ),
    setting(
        "containerRegistryUrl",
        Kind::Text,
        PUBLIC_REGISTRY,
        "registry of all images, host[:port][/path]",
    ),
];
