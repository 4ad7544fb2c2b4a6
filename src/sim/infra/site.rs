//! What a provider sets up before any tenant builds: VDCs, networks, templates, policies.
//!
//! Invariants:
//! - An address is in `used` of its network exactly while a VM has it.
//!
//! Not here: vApps and VMs (`infra::machine`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access::{right, sees};
use super::machine::Metadata;
use super::sharing::Sharing;
use super::uploads::Upload;
use crate::sim::call::Principal;

use crate::sim::reply::stamp;
use crate::sim::tasks::Reference;

/// An organization VDC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vdc {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) limits: VdcLimits,
}

/// Limits of a VDC; 0 is none, as VCD writes it. The site shows them and leaves it to clients to mind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VdcLimits {
    /// Most VMs.
    pub vms: u64,
    /// Most network cards.
    pub nics: u64,
    /// Processors, in MHz.
    pub cpu_mhz: u64,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Whether disks are linked clones, which keep the size of the template's.
    pub fast_provisioning: bool,
}

/// A routed organization VDC network with its static IP pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) vdc: String,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) dns: Ipv4Addr,
    /// First and last address of the pool.
    pub(crate) pool: (Ipv4Addr, Ipv4Addr),
    /// Address -> VM that has it.
    pub(crate) used: BTreeMap<Ipv4Addr, String>,
}

impl Network {
    /// Gives the lowest free address of the pool to `vm`; none when the pool is exhausted.
    pub(crate) fn allocate(&mut self, vm: &str) -> Option<Ipv4Addr> {
        let (first, last) = (u32::from(self.pool.0), u32::from(self.pool.1));
        let free = (first..=last)
            .map(Ipv4Addr::from)
            .find(|ip| !self.used.contains_key(ip))?;
        self.used.insert(free, vm.to_owned());
        Some(free)
    }

    /// Takes back what `vm` has.
    pub(crate) fn release(&mut self, vm: &str) {
        self.used.retain(|_, holder| holder != vm);
    }

    /// Number of addresses in the pool.
    pub(crate) fn size(&self) -> u32 {
        u32::from(self.pool.1)
            .saturating_sub(u32::from(self.pool.0))
            .saturating_add(1)
    }

    /// The netmask in dotted form.
    pub(crate) fn netmask(&self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(u32::from(self.prefix));
        Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }
}

/// A catalog of vApp templates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Catalog {
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) owner: Reference,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) description: String,
    /// Where its items are kept, by bare UUID; anywhere in the organization without one.
    #[serde(default)]
    pub(crate) storage_profile: Option<String>,
    #[serde(default)]
    pub(crate) sharing: Sharing,
    /// Whether all organizations of the site see it.
    #[serde(default)]
    pub(crate) published: bool,
    /// Whether other sites may subscribe to it.
    #[serde(default)]
    pub(crate) published_outside: bool,
    #[serde(default, with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
}

impl Catalog {
    /// Whether the caller sees it.
    pub(crate) fn seen_by(&self, who: &Principal) -> bool {
        sees(who, &self.org_id) || (self.published && who.has(right::PUBLISHED))
    }

    /// When it was made, as documents say it.
    pub(crate) fn created_stamp(&self) -> String {
        stamp(self.created)
    }
}

/// A vApp template with its one VM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) uuid: String,
    /// Catalog item that holds it.
    pub(crate) item: String,
    /// The template's VM.
    pub(crate) vm: String,
    pub(crate) name: String,
    pub(crate) catalog: String,
    pub(crate) vdc: String,
    /// Value of the product property `VERSION`.
    pub(crate) product_version: String,
    pub(crate) disk_mib: u64,
    #[serde(with = "crate::sim::state::pairs")]
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) description: String,
    /// What is still to come before it can be used.
    #[serde(default)]
    pub(crate) upload: Option<Upload>,
}

/// A medium in a catalog.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Medium {
    pub(crate) uuid: String,
    /// Catalog item that holds it.
    pub(crate) item: String,
    pub(crate) name: String,
    pub(crate) catalog: String,
    pub(crate) vdc: String,
    pub(crate) size_bytes: u64,
    #[serde(default)]
    pub(crate) description: String,
    /// What is still to come before it can be used.
    #[serde(default)]
    pub(crate) upload: Option<Upload>,
}

/// A VM sizing policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
    /// VDCs that it is assigned to, by bare UUID; none for all of them.
    #[serde(default)]
    pub(crate) vdcs: Option<BTreeSet<String>>,
    /// What its creator said of it besides.
    #[serde(default)]
    pub(crate) more: serde_json::Map<String, serde_json::Value>,
}

impl Policy {
    /// Whether VMs of the VDC, by bare UUID, may use it.
    pub(crate) fn is_assigned(&self, vdc: &str) -> bool {
        self.vdcs.as_ref().is_none_or(|vdcs| vdcs.contains(vdc))
    }

    /// `urn:vcloud:vdcComputePolicy:<uuid>`
    pub(crate) fn urn(&self) -> String {
        format!("urn:vcloud:vdcComputePolicy:{}", self.uuid)
    }
}

/// A storage profile of a VDC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StorageProfile {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) vdc: String,
    pub(crate) default: bool,
    #[serde(default)]
    pub(crate) disabled: bool,
    /// Most space, in MiB; 0 is none.
    #[serde(default)]
    pub(crate) limit_mib: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(first: u8, last: u8) -> Network {
        Network {
            uuid: "n".to_owned(),
            name: "n".to_owned(),
            vdc: "v".to_owned(),
            gateway: Ipv4Addr::new(10, 0, 0, 1),
            prefix: 24,
            dns: Ipv4Addr::new(10, 0, 0, 1),
            pool: (
                Ipv4Addr::new(10, 0, 0, first),
                Ipv4Addr::new(10, 0, 0, last),
            ),
            used: BTreeMap::new(),
        }
    }

    #[test]
    fn a_pool_gives_each_address_once_and_takes_it_back() {
        let mut network = network(10, 11);
        assert_eq!(network.allocate("a"), Some(Ipv4Addr::new(10, 0, 0, 10)));
        assert_eq!(network.allocate("b"), Some(Ipv4Addr::new(10, 0, 0, 11)));
        assert_eq!(network.allocate("c"), None);
        network.release("a");
        assert_eq!(network.allocate("c"), Some(Ipv4Addr::new(10, 0, 0, 10)));
    }

    #[test]
    fn netmask_follows_the_prefix() {
        assert_eq!(network(1, 2).netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(network(1, 2).size(), 2);
    }
}
