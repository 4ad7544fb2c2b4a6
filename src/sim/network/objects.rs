//! Everything that tenants have built on gateways, as one list for leak checks.

use super::Services;
use crate::sim::world::World;

/// What an object is; spelled as `vcdResourceSet` spells it where it has a spelling there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectKind {
    VirtualService,
    Pool,
    NatRule,
    PortProfile,
    IpAllocation,
}

impl ObjectKind {
    /// `virtual-service`, `lb-pool`, `dnat-rule`, `app-port-profile` or `ip-allocation`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::VirtualService => "virtual-service",
            Self::Pool => "lb-pool",
            Self::NatRule => "dnat-rule",
            Self::PortProfile => "app-port-profile",
            Self::IpAllocation => "ip-allocation",
        }
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    /// Its name; an allocation's description, which is the claim of whoever took it.
    pub(crate) name: String,
    /// URN, or the bare id of a NAT rule.
    pub(crate) id: String,
    /// Bare UUID of the gateway it is on.
    pub(crate) gateway: Option<String>,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
}

impl Services {
    /// All that tenants have built, by kind. What the system defines is not in it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> {
        let services = self.virtuals.values().map(|one| Object {
            kind: ObjectKind::VirtualService,
            name: one.spec.name.clone(),
            id: one.urn(),
            gateway: Some(one.gateway.clone()),
            org_id: one.org_id.clone(),
        });
        let pools = self.pools.values().map(|one| Object {
            kind: ObjectKind::Pool,
            name: one.spec.name.clone(),
            id: one.urn(),
            gateway: Some(one.gateway.clone()),
            org_id: one.org_id.clone(),
        });
        let rules = self.nat_rules.values().map(|one| Object {
            kind: ObjectKind::NatRule,
            name: one.spec.name.clone(),
            id: one.uuid.clone(),
            gateway: Some(one.gateway.clone()),
            org_id: one.org_id.clone(),
        });
        let profiles = self.profiles.values().filter_map(|one| {
            Some(Object {
                kind: ObjectKind::PortProfile,
                name: one.spec.name.clone(),
                id: one.urn(),
                gateway: None,
                org_id: one.org_id.clone()?,
            })
        });
        let allocations = self.allocations.values().map(|one| Object {
            kind: ObjectKind::IpAllocation,
            name: one.description.clone(),
            id: one.urn(),
            gateway: None,
            org_id: one.org_id.clone(),
        });
        services
            .chain(pools)
            .chain(rules)
            .chain(profiles)
            .chain(allocations)
    }
}

impl World {
    /// All that tenants have built on gateways, each as its kind and its name, sorted; of an allocation the
    /// claim of whoever took it.
    pub fn network_objects(&self) -> Vec<String> {
        let objects = self.network.objects();
        let mut names: Vec<String> = objects
            .map(|object| format!("{} {}", object.kind.name(), object.name))
            .collect();
        names.sort();
        names
    }
}
