//! The manifests of a cluster, as an API server with the Cluster API webhooks takes them.
//!
//! Flow: YAML -> [`Manifest`]: the pools and versions the controllers shall reach. Everything
//! around it is checked by `home::Home::find`: entity, organization, VDC, network, token.
//!
//! Invariants:
//! - What the webhooks refuse is refused here with their reason; nothing is repaired silently.
//!
//! Source: Cluster API v1beta1 (`Cluster`, `KubeadmControlPlane`, `MachineDeployment`), CAPVCD
//! v1beta2 (`VCDCluster`, `VCDMachineTemplate`).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::health::HealthCheck;
use crate::sim::network::model::Range;

/// Annotations of an autoscaled `MachineDeployment`.
const SMALLEST: &str =
    "/metadata/annotations/cluster.x-k8s.io~1cluster-api-autoscaler-node-group-min-size";
const LARGEST: &str =
    "/metadata/annotations/cluster.x-k8s.io~1cluster-api-autoscaler-node-group-max-size";

/// How many nodes a pool shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scale {
    /// The manifest says so.
    Fixed,
    /// An autoscaler decides within these limits; the manifest has no number.
    Auto { min: u32, max: u32 },
    /// Nobody says: what there was stays.
    Unsaid,
}

/// A set of equal nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) control_plane: bool,
    pub(crate) replicas: u32,
    pub(crate) scale: Scale,
    pub(crate) version: String,
    /// Name of its `VCDMachineTemplate`: another name rolls the pool, another content does not.
    pub(crate) machine_template: String,
    pub(crate) catalog: String,
    pub(crate) template: String,
    pub(crate) sizing_policy: String,
    pub(crate) placement_policy: String,
    pub(crate) storage_profile: String,
    pub(crate) disk_mib: u64,
    pub(crate) gpu: bool,
    /// Nodes a roll-out may have too many.
    pub(crate) max_surge: u32,
    /// Nodes a roll-out may have too few.
    pub(crate) max_unavailable: u32,
}

/// A resource that a `ClusterResourceSet` brings into the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetResource {
    pub(crate) set: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// What a set of manifests asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) tkg_version: String,
    pub(crate) pods: Vec<Value>,
    pub(crate) services: Vec<Value>,
    /// Worker pools in document order, then the control plane.
    pub(crate) pools: Vec<Pool>,
    /// The `MachineHealthCheck` that replaces lost nodes.
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) endpoint_host: Option<String>,
    /// Where the address of the control plane shall come from, as CIDR.
    pub(crate) vip_subnet: Option<String>,
    /// Whether the load balancer gets an internal address and a DNAT rule.
    pub(crate) one_arm: bool,
    /// Whether nodes have to set a proxy up.
    pub(crate) proxy: bool,
    pub(crate) resource_sets: Vec<SetResource>,
}

/// Parsed documents of one file.
pub(crate) struct Documents(Vec<Value>);

impl Documents {
    /// Parses a multi-document YAML text; empty documents are skipped.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|_cause| {
            "error converting YAML to JSON: the manifests are no YAML".to_owned()
        })?;
        Ok(Self(
            parsed
                .into_iter()
                .filter(|document| !document.is_null())
                .collect(),
        ))
    }

    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |document| text(document, "/kind") == Some(kind))
    }

    pub(super) fn one(&self, kind: &str) -> Result<&Value, String> {
        self.all(kind)
            .next()
            .ok_or_else(|| format!("no {kind} in the manifests"))
    }

    pub(super) fn named(&self, kind: &str, name: &str) -> Result<&Value, String> {
        let found = self
            .all(kind)
            .find(|document| text(document, "/metadata/name") == Some(name));
        found.ok_or_else(|| format!("{kind} \"{name}\" not found"))
    }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

pub(super) fn owned(value: &Value, pointer: &str) -> String {
    text(value, pointer).unwrap_or_default().to_owned()
}

fn list(value: &Value, pointer: &str) -> Vec<Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

impl Manifest {
    /// Reads what the documents ask for.
    ///
    /// # Errors
    /// The reason the API server would refuse them with.
    pub(crate) fn of(documents: &Documents) -> Result<Self, String> {
        let cluster = documents.one("Cluster")?;
        let vcd_cluster = documents.one("VCDCluster")?;
        let mut pools = Vec::new();
        for deployment in documents.all("MachineDeployment") {
            pools.push(worker_pool(documents, deployment)?);
        }
        pools.push(control_plane(documents, cluster)?);
        let proxies = ["httpProxy", "httpsProxy"];
        Ok(Self {
            cluster: owned(cluster, "/metadata/name"),
            namespace: owned(cluster, "/metadata/namespace"),
            tkg_version: owned(cluster, "/metadata/annotations/TKGVERSION"),
            pods: list(cluster, "/spec/clusterNetwork/pods/cidrBlocks"),
            services: list(cluster, "/spec/clusterNetwork/services/cidrBlocks"),
            pools,
            health_check: documents
                .all("MachineHealthCheck")
                .next()
                .map(HealthCheck::of),
            endpoint_host: text(vcd_cluster, "/spec/controlPlaneEndpoint/host")
                .filter(|host| !host.is_empty())
                .map(str::to_owned),
            vip_subnet: text(vcd_cluster, "/spec/loadBalancerConfigSpec/vipSubnet")
                .filter(|subnet| !subnet.is_empty())
                .map(str::to_owned),
            one_arm: flag(vcd_cluster, "/spec/loadBalancerConfigSpec/useOneArm"),
            proxy: proxies.iter().any(|key| {
                text(vcd_cluster, &format!("/spec/proxyConfigSpec/{key}"))
                    .is_some_and(|proxy| !proxy.is_empty())
            }),
            resource_sets: resource_sets(documents),
        })
    }

    /// The pool of this name.
    pub(crate) fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// The control plane.
    pub(crate) fn control_plane(&self) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.control_plane)
    }

    /// Version of the control plane.
    pub(crate) fn version(&self) -> &str {
        self.control_plane()
            .map(|pool| pool.version.as_str())
            .unwrap_or_default()
    }

    /// Addresses of the subnet for load balancers; one that is no CIDR is none.
    pub(crate) fn vip_range(&self) -> Option<Range> {
        let (address, prefix) = self.vip_subnet.as_ref()?.split_once('/')?;
        let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        let hosts = u32::MAX.checked_shr(prefix).unwrap_or_default();
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        Some(Range {
            first: Ipv4Addr::from(address & !hosts),
            last: Ipv4Addr::from(address | hosts),
        })
    }

    /// What comes of applying this over `old`: numbers nobody says are kept, those of autoscaled pools
    /// within their limits, and so is everything else that is not said any more unless the agent prunes.
    pub(crate) fn over(mut self, old: &Self, prunes: bool) -> Self {
        for pool in &mut self.pools {
            let before = old.pool(&pool.name).map(|pool| pool.replicas);
            pool.replicas = match (pool.scale, before) {
                (Scale::Auto { min, max }, Some(before)) => before.clamp(min, max.max(min)),
                (Scale::Unsaid, Some(before)) => before,
                (Scale::Fixed | Scale::Auto { .. } | Scale::Unsaid, _) => pool.replicas,
            };
        }
        if self.resource_sets.is_empty() {
            self.resource_sets.clone_from(&old.resource_sets);
        }
        if !prunes {
            if self.health_check.is_none() {
                self.health_check.clone_from(&old.health_check);
            }
            let dropped = old.pools.iter().filter(|pool| !pool.control_plane);
            let dropped: Vec<Pool> = dropped
                .filter(|pool| self.pool(&pool.name).is_none())
                .cloned()
                .collect();
            // The control plane stays last.
            let place = self.pools.len().saturating_sub(1);
            self.pools.splice(place..place, dropped);
        }
        self
    }
}

fn resource_sets(documents: &Documents) -> Vec<SetResource> {
    let mut found = Vec::new();
    for set in documents.all("ClusterResourceSet") {
        for resource in list(set, "/spec/resources") {
            found.push(SetResource {
                set: owned(set, "/metadata/name"),
                kind: owned(&resource, "/kind"),
                name: owned(&resource, "/name"),
            });
        }
    }
    found
}

fn count(value: Option<&Value>) -> Option<u32> {
    u32::try_from(value?.as_u64()?).ok()
}

/// A number of nodes, or a percentage of `of`; percentages of a surge round up.
fn share(value: Option<&Value>, of: u32, default: u32, up: bool) -> u32 {
    match value {
        Some(Value::String(text)) => {
            let percent = text.trim_end_matches('%').parse::<u32>();
            let whole = percent.unwrap_or_default().min(100).saturating_mul(of);
            if up { whole.div_ceil(100) } else { whole / 100 }
        }
        Some(_) => count(value).unwrap_or(default),
        None => default,
    }
}

fn worker_pool(documents: &Documents, deployment: &Value) -> Result<Pool, String> {
    let name = owned(deployment, "/metadata/name");
    let machines = "/spec/template/spec";
    let config = owned(deployment, &format!("{machines}/bootstrap/configRef/name"));
    documents.named("KubeadmConfigTemplate", &config)?;
    let template = owned(deployment, &format!("{machines}/infrastructureRef/name"));
    let limit = |pointer: &str| text(deployment, pointer).map(|count| count.parse().ok());
    let (scale, replicas) = match (
        deployment.pointer("/spec/replicas"),
        limit(SMALLEST),
        limit(LARGEST),
    ) {
        (Some(number), _, _) if !number.is_null() => (Scale::Fixed, count(Some(number))),
        (_, Some(Some(min)), Some(Some(max))) => (Scale::Auto { min, max }, Some(min)),
        (_, Some(_), Some(_)) => (Scale::Unsaid, None),
        (_, Some(_) | None, _) => (Scale::Unsaid, Some(1)),
    };
    let replicas = replicas
        .ok_or_else(|| format!("MachineDeployment \"{name}\": spec.replicas: Invalid value"))?;
    let rolling =
        |field: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
    let pool = Pool {
        control_plane: false,
        replicas,
        scale,
        version: owned(deployment, &format!("{machines}/version")),
        name,
        max_surge: share(rolling("maxSurge"), replicas, 1, true),
        max_unavailable: share(rolling("maxUnavailable"), replicas, 0, false),
        ..machine_template(documents, &template)?
    };
    Ok(pool)
}

fn control_plane(documents: &Documents, cluster: &Value) -> Result<Pool, String> {
    let name = owned(cluster, "/spec/controlPlaneRef/name");
    let plane = documents.named("KubeadmControlPlane", &name)?;
    let replicas = plane
        .pointer("/spec/replicas")
        .map_or(Some(1), |number| count(Some(number)));
    let replicas = replicas.unwrap_or_default();
    let denied = |why: &str| {
        format!(
            "admission webhook \"validation.kubeadmcontrolplane.controlplane.cluster.x-k8s.io\" \
             denied the request: KubeadmControlPlane \"{name}\" is invalid: spec.replicas: {why}"
        )
    };
    if replicas == 0 {
        return Err(denied("Forbidden: cannot be 0"));
    }
    if replicas % 2 == 0 {
        return Err(denied(
            "Forbidden: cannot be an even number when etcd is stacked",
        ));
    }
    let template = owned(plane, "/spec/machineTemplate/infrastructureRef/name");
    let version = owned(plane, "/spec/version");
    let surge = plane.pointer("/spec/rolloutStrategy/rollingUpdate/maxSurge");
    Ok(Pool {
        control_plane: true,
        replicas,
        version,
        name,
        max_surge: share(surge, replicas, 1, true).min(1),
        ..machine_template(documents, &template)?
    })
}

/// A pool with what its `VCDMachineTemplate` says; name, size and version are left to the caller.
fn machine_template(documents: &Documents, name: &str) -> Result<Pool, String> {
    let template = documents.named("VCDMachineTemplate", name)?;
    let of = |field: &str| owned(template, &format!("/spec/template/spec/{field}"));
    let disk = of("diskSize");
    let gib: u64 = disk.trim_end_matches("Gi").parse().unwrap_or_default();
    Ok(Pool {
        name: String::new(),
        control_plane: false,
        replicas: 0,
        scale: Scale::Fixed,
        version: String::new(),
        machine_template: name.to_owned(),
        catalog: of("catalog"),
        template: of("template"),
        sizing_policy: of("sizingPolicy"),
        placement_policy: of("placementPolicy"),
        storage_profile: of("storageProfile"),
        disk_mib: gib.saturating_mul(1024),
        gpu: flag(template, "/spec/template/spec/enableNvidiaGPU"),
        max_surge: 1,
        max_unavailable: 0,
    })
}
