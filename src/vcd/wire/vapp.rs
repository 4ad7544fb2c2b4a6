//! `<VApp>` and `<Vm>` as far as they are read.
//!
//! Invariants:
//! - The network `none` that VCD lists for VMs without a network is no network.
//! - Extra config is taken as a map; of equal keys the last one counts.
//!
//! Source: VCD API 37.2; namespaces and sections as CAPVCD relies on them.

use serde::Deserialize;

use super::task::Tasks;
use crate::domain::ids::{VappId, VmId};
use crate::vcd::error::VcdError;
use crate::vcd::model::{Vapp, VappVm, VcdStatus, Vm};
use crate::vcd::operation::Operation;

/// The placeholder VCD lists for VMs that have no network.
const NO_NETWORK: &str = "none";

#[derive(Deserialize)]
pub(in crate::vcd) struct VappElement {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@status")]
    status: i32,
    #[serde(rename = "@deployed", default)]
    deployed: bool,
    #[serde(rename = "Description", default)]
    description: String,
    #[serde(rename = "Tasks", default)]
    tasks: Tasks,
    #[serde(rename = "NetworkConfigSection", default)]
    networks: NetworkConfigSection,
    #[serde(rename = "Children", default)]
    children: Children,
}

#[derive(Deserialize, Default)]
struct NetworkConfigSection {
    #[serde(rename = "NetworkConfig", default)]
    configs: Vec<NetworkConfig>,
}

#[derive(Deserialize)]
struct NetworkConfig {
    #[serde(rename = "@networkName")]
    name: String,
}

#[derive(Deserialize, Default)]
struct Children {
    #[serde(rename = "Vm", default)]
    vms: Vec<VmElement>,
}

impl VappElement {
    pub(in crate::vcd) fn into_vapp(self, op: Operation) -> Result<Vapp, VcdError> {
        let id = VappId::parse(&self.id).map_err(|e| VcdError::unreadable(op, e.to_string()))?;
        let vms = self.children.vms.into_iter().map(|vm| vm.into_listed(op));
        let networks = self.networks.configs.into_iter().map(|config| config.name);
        Ok(Vapp {
            id,
            name: self.name,
            description: self.description,
            status: VcdStatus::from_number(self.status),
            deployed: self.deployed,
            networks: networks.filter(|name| name != NO_NETWORK).collect(),
            vms: vms.collect::<Result<_, _>>()?,
            busy: self.tasks.any_running(),
        })
    }
}

#[derive(Deserialize)]
pub(in crate::vcd) struct VmElement {
    #[serde(rename = "@id")]
    id: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@status")]
    status: i32,
    #[serde(rename = "@deployed", default)]
    deployed: bool,
    #[serde(rename = "Description", default)]
    description: String,
    #[serde(rename = "Tasks", default)]
    tasks: Tasks,
    #[serde(rename = "VirtualHardwareSection", default)]
    hardware: HardwareSection,
    #[serde(rename = "NetworkConnectionSection", default)]
    connections: ConnectionSection,
}

#[derive(Deserialize, Default)]
struct HardwareSection {
    #[serde(rename = "ExtraConfig", default)]
    extra_config: Vec<ExtraConfig>,
}

#[derive(Deserialize)]
struct ExtraConfig {
    #[serde(rename = "@key")]
    key: String,
    #[serde(rename = "@value", default)]
    value: String,
}

#[derive(Deserialize, Default)]
struct ConnectionSection {
    #[serde(rename = "PrimaryNetworkConnectionIndex")]
    primary: Option<u32>,
    #[serde(rename = "NetworkConnection", default)]
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    #[serde(rename = "NetworkConnectionIndex")]
    index: Option<u32>,
    #[serde(rename = "IpAddress")]
    ip_address: Option<String>,
}

impl ConnectionSection {
    /// The address of the primary connection; of the first one if none is called primary.
    fn address(self) -> Option<String> {
        let primary = self.primary;
        let is_primary = |connection: &Connection| primary.is_some() && connection.index == primary;
        let at = self
            .connections
            .iter()
            .position(is_primary)
            .unwrap_or_default();
        let connection = self.connections.into_iter().nth(at)?;
        connection.ip_address.filter(|address| !address.is_empty())
    }
}

impl VmElement {
    fn into_listed(self, op: Operation) -> Result<VappVm, VcdError> {
        Ok(VappVm {
            id: vm_id(op, &self.id)?,
            name: self.name,
            description: self.description,
            status: VcdStatus::from_number(self.status),
            deployed: self.deployed,
            busy: self.tasks.any_running(),
        })
    }

    pub(in crate::vcd) fn into_vm(self, op: Operation) -> Result<Vm, VcdError> {
        let pairs = self
            .hardware
            .extra_config
            .into_iter()
            .map(|pair| (pair.key, pair.value));
        Ok(Vm {
            id: vm_id(op, &self.id)?,
            name: self.name,
            description: self.description,
            status: VcdStatus::from_number(self.status),
            deployed: self.deployed,
            ip_address: self.connections.address(),
            extra_config: pairs.collect(),
            busy: self.tasks.any_running(),
        })
    }
}

fn vm_id(op: Operation, text: &str) -> Result<VmId, VcdError> {
    VmId::parse(text).map_err(|error| VcdError::unreadable(op, error.to_string()))
}
