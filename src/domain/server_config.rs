//! What all replicas share: the content of the `vcdKeConfig` entity, typed and with defaults.
//!
//! Flow: entity content in, [`ServerConfig`] or every [`ConfigProblem`] out.
//!
//! Invariants:
//! - A missing key never makes a configuration invalid; a present but unusable one always does, and
//!   the problem names its path, what was found and what is expected.
//! - Unknown keys are ignored: other servers and later versions may own them.
//! - Whatever may hold a password (proxies, the GitHub token) is a [`SecretString`].
//!
//! Not here: fetching the entity (`vcd`), keeping the last good configuration (`controller`).
//! Source: JSON schema of `vmware:VCDKEConfig` 1.0.0 and 1.1.0; CSE 4.2 documentation.

pub mod assign;
pub mod findings;
pub mod known;
mod parse;
mod release;
mod value;

use std::time::Duration;

pub(crate) use self::value::parse_duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

/// The registry of the product's public images, used when none is configured.
pub const PUBLIC_REGISTRY: &str = "projects.registry.vmware.com";

/// One thing wrong with the configuration, told to the operator who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: found {found}, expected {expected}")]
pub struct ConfigProblem {
    /// Where, for example `profiles[0].serverConfig.staleHeartbeatIntervalInMin`.
    pub path: String,
    /// What is there, cut to a readable length; `nothing` when it is absent.
    pub found: String,
    /// What belongs there.
    pub expected: String,
}

/// The three times a replica lives by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Between two reads of the entities (`rdePollIntervalInMin`).
    pub poll: Duration,
    /// After this a worker that renews nothing is given up (`heartbeatWatcherTimeoutInMin`).
    pub watcher: Duration,
    /// After this another replica may take the cluster (`staleHeartbeatIntervalInMin`).
    pub stale: Duration,
}

/// An add-on by name and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// As configured; a label for people.
    pub name: String,
    /// `None` when left empty: the built-in choice.
    pub version: Option<String>,
}

/// A registered server instance (`vcdKeInstances[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInstance {
    /// Its name.
    pub name: String,
    /// The version shown to tenants.
    pub version: Option<String>,
    /// Its id, as it appears in a cluster's status.
    pub id: Option<String>,
}

/// Where log lines are forwarded to (`vcdConfig.sysLogger`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysLogger {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Proxies of the bootstrap VM and of the nodes; each may carry a password.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// For `http://`.
    pub http: Option<SecretString>,
    /// For `https://`.
    pub https: Option<SecretString>,
    /// Hosts reached directly, separated by commas without blanks.
    pub no_proxy: String,
}

impl ProxyConfig {
    /// Whether any proxy is configured.
    pub const fn is_used(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }
}

/// The RDE type of clusters (`infraProvider.capvcdRde`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdeType {
    /// `vmware`.
    pub vendor: String,
    /// `capvcdCluster`.
    pub nss: String,
    /// `1.1.0`, `1.2.0` or `1.3.0`.
    pub version: String,
}

/// Everything about the bootstrap VM and what it installs (`bootstrapClusterConfig`).
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// Sizing policy of the VM, by name.
    pub sizing_policy: String,
    /// Docker release without `v`; `None` for the built-in choice.
    pub docker_version: Option<String>,
    /// kind release with `v`.
    pub kind_version: String,
    /// Tag of the `kindest/node` image.
    pub kind_node_version: String,
    /// kubectl release with `v`; `None` for that of the cluster.
    pub kubectl_version: Option<String>,
    /// clusterctl release with `v`.
    pub clusterctl_version: String,
    /// Replaces the generated `clusterctl.yaml` as a whole.
    pub clusterctl_yaml: Option<String>,
    /// Cluster API core release with `v`.
    pub core_version: String,
    /// Kubeadm bootstrap provider release with `v`.
    pub bootstrap_provider_version: String,
    /// Kubeadm control plane provider release with `v`.
    pub control_plane_provider_version: String,
    /// CAPVCD release with `v`.
    pub capvcd_version: String,
    /// Type of cluster entities that CAPVCD works with.
    pub rde_type: RdeType,
    /// cert-manager release with `v`.
    pub cert_manager_version: String,
    /// Proxies.
    pub proxy: ProxyConfig,
    /// PEM certificates the VM trusts in addition.
    pub certificate_authorities: Vec<String>,
    /// Base URL of a mirror that serves every download as `<base>/<host>/<path>`. Our own optional
    /// key `downloadMirrorUrl`: the schema has none, and a site without Internet needs one.
    pub download_mirror: Option<String>,
}

/// Limits of the node health check (`K8Config.mhc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeHealthCheck {
    /// Above this share of unhealthy nodes, in percent, none is replaced.
    pub max_unhealthy_percent: u8,
    /// A machine without a node for this long is unhealthy.
    pub node_startup: Duration,
    /// A node not ready for this long is unhealthy.
    pub node_not_ready: Duration,
    /// A node that says nothing for this long is unhealthy.
    pub node_unknown: Duration,
}

/// The agent that later edits of a cluster are brought into effect by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentImage {
    /// `cse-agent:<version of this server>` in the container registry.
    Default,
    /// This one.
    Image(String),
    /// No agent: the provider installs the vendor's projector, or resizes by hand.
    None,
}

/// What goes into the clusters (`K8Config`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// Network add-on.
    pub cni: Component,
    /// Cloud provider.
    pub cpi: Component,
    /// Storage driver; only the first entry counts.
    pub csi: Component,
    /// `None` when the section is absent: clusters without health check.
    pub node_health_check: Option<NodeHealthCheck>,
    /// Clusters that run and have a health check get these limits too. Our own optional key
    /// `mhc.applyToExisting`: clients write the limits into new clusters only.
    pub health_check_applies_to_existing: bool,
    /// The vendor's projector.
    pub projector_version: Option<String>,
    /// The agent. Our own optional key `agent.image`: the schema knows the vendor's projector only.
    pub agent: AgentImage,
    /// PEM certificates the nodes trust in addition; clients write them into the CAPI YAML.
    pub certificate_authorities: Vec<String>,
}

/// The configuration all replicas share: the active profile of the `vcdKeConfig` entity.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Name of the profile in force.
    pub profile: String,
    /// Registered instances.
    pub instances: Vec<ServerInstance>,
    /// Poll, watcher and stale times.
    timers: Timers,
    /// Forwarding of logs, when a host is configured.
    pub sys_logger: Option<SysLogger>,
    /// What is wrong and left out, without harm to the rest: for the operator.
    pub remarks: Vec<ConfigProblem>,
    /// Raises the rate limit of downloads from GitHub.
    pub github_token: Option<SecretString>,
    /// The bootstrap VM.
    pub bootstrap: BootstrapConfig,
    /// The clusters.
    pub kubernetes: KubernetesConfig,
    /// Registry `host[:port][/path]` of all images.
    pub container_registry: String,
}

impl ServerConfig {
    /// Types the content of the `vcdKeConfig` entity.
    ///
    /// The profile in force is the first active one, else the first.
    ///
    /// # Errors
    /// [`ConfigProblem`]: the first one; [`Self::problems`] has them all. Keep the last good
    /// configuration.
    pub fn parse(entity: &Map<String, Value>) -> Result<Self, ConfigProblem> {
        let (config, problems) = parse::read(entity);
        match problems.into_iter().next() {
            None => Ok(config),
            Some(problem) => Err(problem),
        }
    }

    /// Everything that makes the content unusable, for the operator's validation command; what is merely left
    /// out is in [`Self::remarks`].
    pub fn problems(entity: &Map<String, Value>) -> Vec<ConfigProblem> {
        parse::read(entity).1
    }

    /// The limits that running clusters with a health check are to have; `None` leaves them alone.
    pub fn limits_for_existing(&self) -> Option<NodeHealthCheck> {
        let kubernetes = &self.kubernetes;
        let applies = kubernetes.health_check_applies_to_existing;
        kubernetes.node_health_check.filter(|_| applies)
    }

    /// Poll, watcher and stale times.
    pub const fn timers(&self) -> Timers {
        self.timers
    }

    /// Whether images come from a registry of the provider, not from the vendor's public ones.
    pub fn has_private_registry(&self) -> bool {
        !matches!(
            self.container_registry.split('/').next(),
            Some(PUBLIC_REGISTRY | "projects.packages.broadcom.com")
        )
    }
}
