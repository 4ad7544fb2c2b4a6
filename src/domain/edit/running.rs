//! What a cluster's own controllers say about it: `status.capvcd`, read with tolerance.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::cluster::{text_at, value_at};

/// Most pools and nodes that are looked at; a tenant could write more into the report.
const MOST_POOLS: usize = 100;
const MOST_NODES: usize = 5000;

/// A cluster as CAPVCD reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningCluster {
    /// The version its control plane is to have, and has once [`Self::upgrade_ready`] is true.
    pub version: Option<String>,
    /// The TKG release that goes with it.
    pub tkg_version: Option<String>,
    /// The version before the last upgrade; clients drop it.
    pub previous_version: Option<String>,
    /// Whether every machine has the version; clients drop it when it is false.
    pub upgrade_ready: Option<bool>,
    /// Worker pools and the control plane, in the order of the report.
    pub pools: Vec<RunningPool>,
    /// First range of pods.
    pub pods: Option<String>,
    /// First range of services.
    pub services: Option<String>,
    /// Organization, by name.
    pub org: Option<String>,
    /// VDC, by name.
    pub vdc: Option<String>,
    /// VDC network, by name.
    pub network: Option<String>,
    /// Address of the API.
    pub endpoint: Option<String>,
}

/// A pool as CAPVCD reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningPool {
    /// Name of the `MachineDeployment` or of the control plane.
    pub name: String,
    /// Nodes that Cluster API is to bring about; clients drop a zero.
    pub desired: u32,
    /// Nodes that are ready; clients drop a zero.
    pub available: u32,
    /// Sizing policy, by name.
    pub sizing_policy: Option<String>,
    /// Placement policy, by name; clients drop it.
    pub placement_policy: Option<String>,
    /// Storage profile, by name.
    pub storage_profile: Option<String>,
    /// Size of the disk.
    pub disk_mib: Option<u64>,
    /// Machine -> phase of Cluster API (`Pending`, `Provisioning`, `Running`, `Failed`, ...); `None`
    /// when the report does not say: clients drop it.
    pub nodes: Option<BTreeMap<String, String>>,
}

impl RunningCluster {
    /// Reads the report of a provisioned cluster; `None` when there is none, or one without pools.
    pub fn read(entity: &Map<String, Value>) -> Option<Self> {
        let status = entity.get("status")?.get("capvcd")?;
        let owned = |path: &[&str]| text_at(status, path).map(str::to_owned);
        let pools: Vec<RunningPool> = value_at(status, &["nodePool"])?
            .as_array()?
            .iter()
            .take(MOST_POOLS)
            .filter_map(pool)
            .collect();
        if pools.is_empty() {
            return None;
        }
        Some(Self {
            version: owned(&["upgrade", "current", "kubernetesVersion"])
                .or_else(|| owned(&["kubernetes"])),
            tkg_version: owned(&["upgrade", "current", "tkgVersion"]),
            previous_version: owned(&["upgrade", "previous", "kubernetesVersion"]),
            upgrade_ready: value_at(status, &["upgrade", "ready"]).and_then(Value::as_bool),
            pools,
            pods: owned(&["k8sNetwork", "pods", "cidrBlocks", "0"]),
            services: owned(&["k8sNetwork", "services", "cidrBlocks", "0"]),
            org: owned(&["vcdProperties", "organizations", "0", "name"]),
            vdc: owned(&["vcdProperties", "orgVdcs", "0", "name"]),
            network: owned(&["vcdProperties", "orgVdcs", "0", "ovdcNetworkName"]),
            endpoint: owned(&["clusterApiStatus", "apiEndpoints", "0", "host"]),
        })
    }

    /// The pool of that name.
    pub fn pool(&self, name: &str) -> Option<&RunningPool> {
        self.pools.iter().find(|pool| pool.name == name)
    }
}

fn pool(value: &Value) -> Option<RunningPool> {
    let owned = |key| text_at(value, &[key]).map(str::to_owned);
    let number = |key| value_at(value, &[key]).and_then(Value::as_u64);
    let count = |key| {
        number(key)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0)
    };
    let phases = value_at(value, &["nodeStatus"]).and_then(Value::as_object);
    let nodes = phases.map(|phases| {
        let phase = |phase: &Value| phase.as_str().unwrap_or_default().to_owned();
        let nodes = phases.iter().take(MOST_NODES);
        nodes.map(|(name, at)| (name.clone(), phase(at))).collect()
    });
    Some(RunningPool {
        name: owned("name")?,
        desired: count("desiredReplicas"),
        available: count("availableReplicas"),
        sizing_policy: owned("sizingPolicy"),
        placement_policy: owned("placementPolicy"),
        storage_profile: owned("storageProfile"),
        disk_mib: number("diskSizeMb").filter(|size| *size > 0),
        nodes,
    })
}
