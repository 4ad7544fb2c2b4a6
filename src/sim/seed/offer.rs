//! What a provider can withhold from a tenant: limits, policies, networks, load balancing, rights.
//!
//! Source: VCD API, `Vdc` (quotas and limits), `VdcStorageProfile`, `orgVdcNetworks` (`networkType`),
//! `edgeGateways/{id}/loadBalancer`, `vdcComputePolicies`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::tenant::Tenant;
use crate::sim::infra::site::{Network, StorageProfile, Vdc, VdcLimits};
use crate::sim::network::model::NetworkDetails;
use crate::sim::world::World;

impl World {
    fn vdc_of(&mut self, tenant: &Tenant) -> Option<&mut Vdc> {
        let mut vdcs = self.infra.vdcs.values_mut();
        vdcs.find(|vdc| vdc.org_id == tenant.org_id)
    }

    fn network_of(&mut self, tenant: &Tenant) -> Option<&mut Network> {
        let mut networks = self.infra.networks.values_mut();
        networks.find(|network| network.name == tenant.network)
    }

    fn details_of(&mut self, tenant: &Tenant) -> Option<&mut NetworkDetails> {
        let uuid = self.network_of(tenant)?.uuid.clone();
        Some(self.network.networks.entry(uuid).or_default())
    }

    fn storage_of(&mut self, tenant: &Tenant) -> Option<&mut StorageProfile> {
        let vdc = self.vdc_of(tenant)?.uuid.clone();
        let mut profiles = self.infra.storage_profiles.values_mut();
        profiles.find(|profile| profile.vdc == vdc)
    }

    /// Sets the limits of the tenant's VDC.
    pub fn limit_vdc(&mut self, tenant: &Tenant, limits: VdcLimits) {
        if let Some(vdc) = self.vdc_of(tenant) {
            vdc.limits = limits;
        }
    }

    /// Switches the tenant's VDC on or off.
    pub fn enable_vdc(&mut self, tenant: &Tenant, enabled: bool) {
        if let Some(vdc) = self.vdc_of(tenant) {
            vdc.enabled = enabled;
        }
    }

    /// Limits the space of the tenant's storage profile, in MiB, and switches it on or off.
    pub fn limit_storage(&mut self, tenant: &Tenant, limit_mib: u64, enabled: bool) {
        if let Some(profile) = self.storage_of(tenant) {
            profile.limit_mib = limit_mib;
            profile.disabled = !enabled;
        }
    }

    /// Makes the tenant's network one of this `networkType`; only a routed one keeps its gateway.
    pub fn change_network_kind(&mut self, tenant: &Tenant, kind: &str) {
        if let Some(details) = self.details_of(tenant) {
            details.kind = Some(kind.to_owned());
            if kind != "NAT_ROUTED" {
                details.gateway = None;
            }
        }
    }

    /// Takes the static pool of the tenant's network away: what is left is DHCP.
    pub fn drop_pool(&mut self, tenant: &Tenant) {
        if let Some(network) = self.network_of(tenant) {
            network.pool = (Ipv4Addr::new(0, 0, 0, 1), Ipv4Addr::UNSPECIFIED);
        }
    }

    /// Puts the tenant's network elsewhere: its gateway's address, with a pool of 100 behind it, and its
    /// name server.
    pub fn move_network(&mut self, tenant: &Tenant, (gateway, dns): (Ipv4Addr, Ipv4Addr)) {
        if let Some(network) = self.network_of(tenant) {
            let first = u32::from(gateway).saturating_add(1);
            network.gateway = gateway;
            network.prefix = 24;
            network.dns = dns;
            network.pool = (
                Ipv4Addr::from(first),
                Ipv4Addr::from(first.saturating_add(99)),
            );
        }
    }

    /// Switches load balancing of the tenant's gateway on or off.
    pub fn enable_load_balancing(&mut self, tenant: &Tenant, enabled: bool) {
        let gateways = self.network.gateways.values_mut();
        for gateway in gateways.filter(|gateway| gateway.org_id == tenant.org_id) {
            gateway.load_balancing.enabled = enabled;
        }
    }

    /// Takes the service engine groups of the tenant's gateway away.
    pub fn unassign_engines(&mut self, tenant: &Tenant) {
        let gateways = &self.network.gateways;
        self.network.assignments.retain(|_, assignment| {
            let gateway = gateways.get(&assignment.gateway);
            gateway.is_none_or(|gateway| gateway.org_id != tenant.org_id)
        });
    }

    /// Publishes a compute policy to no VDC any more.
    pub fn withhold_policy(&mut self, name: &str) {
        let policies = self.infra.policies.values_mut();
        for policy in policies.filter(|policy| policy.name == name) {
            policy.vdcs = Some(BTreeSet::new());
        }
    }

    /// Sets the product property `VERSION` of templates of this name; empty for none.
    pub fn set_template_version(&mut self, name: &str, version: &str) {
        let templates = self.infra.templates.values_mut();
        for template in templates.filter(|template| template.name == name) {
            version.clone_into(&mut template.product_version);
        }
    }

    /// Takes rights from a user, at once and in its sessions.
    pub fn withdraw_rights(&mut self, user: &str, rights: &[&str]) {
        let users = self.directory.users.values_mut();
        for user in users.filter(|one| one.name == user) {
            let held = Arc::make_mut(&mut user.rights);
            held.retain(|right| !rights.contains(&right.as_str()));
        }
        let sets = self.directory.right_sets.values_mut();
        for set in sets {
            set.rights.retain(|right| !rights.contains(&right.as_str()));
        }
    }
}
