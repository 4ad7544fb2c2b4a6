//! A tenant's way out: an edge gateway with external addresses, load balancing, an IP space, a certificate.
//!
//! Invariants:
//! - All ids are derived from the tenant's name: nothing here draws from the world's chance, so the ids
//!   of everything else stay what they are.

use std::net::Ipv4Addr;

use super::SEEDED_AT;
use super::tenant::Tenant;
use crate::sim::directory::{bare, derived_urn};
use crate::sim::network::model::{
    Assignment, Certificate, EngineGroup, Gateway, IpSpace, LoadBalancing, NetworkDetails,
    PortProfile, Range, Subnet,
};
use crate::sim::network::right;
use crate::sim::network::specs::{ApplicationPort, ProfileSpec};
use crate::sim::world::World;

/// First address of 100.64.0.0/10, which is nobody's on the internet; each tenant has a /18 of it.
const EXTERNAL: u32 = u32::from_be_bytes([100, 64, 0, 0]);
/// Addresses of one tenant.
const EXTERNAL_SIZE: u32 = 1 << 14;
/// Tenants after which ranges repeat; they are behind different gateways.
const EXTERNAL_TENANTS: u32 = 256;
/// Virtual services that a gateway may have.
const MAX_VIRTUAL_SERVICES: u32 = 10_000;

/// Port profiles that every site has: name, protocol, ports.
const SYSTEM_PROFILES: [(&str, &str, &[&str]); 8] = [
    ("DNS", "TCP", &["53"]),
    ("DNS-UDP", "UDP", &["53"]),
    ("HTTP", "TCP", &["80"]),
    ("HTTPS", "TCP", &["443"]),
    ("ICMPv4-ALL", "ICMPv4", &[]),
    ("NTP", "UDP", &["123"]),
    ("SSH", "TCP", &["22"]),
    ("Syslog-Server-UDP", "UDP", &["514"]),
];

/// A certificate that is none: clients look it up by its alias, and nothing in the simulator uses it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBszCCAVmgAwIBAgIUc2ltdWxhdGVkLWNlcnRpZmljYXRlMAoGCCqGSM49BAMC\n\
    -----END CERTIFICATE-----\n";

/// A bare UUID that only depends on `kind` and `name`.
fn derived(kind: &str, name: &str) -> String {
    bare(&derived_urn(kind, name)).to_owned()
}

/// The `size` addresses from the `offset`th of a tenant's share on.
fn range(share: u32, offset: u32, size: u32) -> Range {
    let first = share.saturating_add(offset);
    Range {
        first: Ipv4Addr::from(first),
        last: Ipv4Addr::from(first.saturating_add(size.saturating_sub(1))),
    }
}

impl World {
    /// Adds what every site has: the rights, the engine group of all gateways, the system's port profiles.
    pub(super) fn seed_network_site(&mut self) {
        let rights = right::ALL.iter().map(|right| (*right).to_owned());
        self.directory.rights.extend(rights);
        let group = EngineGroup {
            uuid: derived("serviceEngineGroup", "seg1"),
            name: "seg1".to_owned(),
            max_virtual_services: MAX_VIRTUAL_SERVICES,
        };
        self.network.engine_groups.insert(group.uuid.clone(), group);
        for (name, protocol, ports) in SYSTEM_PROFILES {
            let profile = PortProfile {
                uuid: derived("applicationPortProfile", name),
                org_id: None,
                spec: ProfileSpec {
                    name: name.to_owned(),
                    description: name.to_owned(),
                    application_ports: vec![ApplicationPort {
                        protocol: protocol.to_owned(),
                        destination_ports: ports.iter().map(|port| (*port).to_owned()).collect(),
                    }],
                    scope: "SYSTEM".to_owned(),
                    ..ProfileSpec::default()
                },
            };
            self.network.profiles.insert(profile.uuid.clone(), profile);
        }
    }

    /// Adds the edge gateway of a tenant and connects its network to it.
    pub(super) fn seed_edge(&mut self, tenant: &Tenant, vdc: &str) {
        let count = u32::try_from(self.network.gateways.len()).unwrap_or_default();
        let share = EXTERNAL.saturating_add((count % EXTERNAL_TENANTS) * EXTERNAL_SIZE);
        let name = format!("{}-edge", tenant.org);
        let gateway = Gateway {
            uuid: derived("gateway", &name),
            name,
            description: String::new(),
            org_id: tenant.org_id.clone(),
            vdc: vdc.to_owned(),
            uplink: derived("network", "internet"),
            uplink_name: "internet".to_owned(),
            subnets: vec![Subnet {
                gateway: Ipv4Addr::from(share.saturating_add(1)),
                prefix: 18,
                primary: Ipv4Addr::from(share.saturating_add(2)),
                range: range(share, 10, EXTERNAL_SIZE / 2 - 10),
            }],
            ip_space: None,
            load_balancing: LoadBalancing::default(),
        };
        let networks = self.infra.networks.values();
        for network in networks.filter(|network| network.vdc == vdc) {
            let details = NetworkDetails {
                gateway: Some(gateway.uuid.clone()),
                ..NetworkDetails::default()
            };
            self.network.networks.insert(network.uuid.clone(), details);
        }
        let assignment = Assignment {
            uuid: derived("serviceEngineGroupAssignment", &gateway.name),
            group: derived("serviceEngineGroup", "seg1"),
            gateway: gateway.uuid.clone(),
            max_virtual_services: MAX_VIRTUAL_SERVICES,
            min_virtual_services: 0,
        };
        self.network
            .assignments
            .insert(assignment.uuid.clone(), assignment);
        self.network.gateways.insert(gateway.uuid.clone(), gateway);
        self.seed_space(tenant, share);
        self.seed_certificate(tenant);
    }

    fn seed_space(&mut self, tenant: &Tenant, share: u32) {
        let name = format!("{}-public", tenant.org);
        let space = IpSpace {
            uuid: derived("ipSpace", &name),
            org_id: tenant.org_id.clone(),
            internal_scope: format!("{}/18", Ipv4Addr::from(share)),
            range_id: derived("ipSpaceRange", &name),
            range: range(share, EXTERNAL_SIZE / 2, EXTERNAL_SIZE / 2 - 10),
            name,
        };
        self.network.ip_spaces.insert(space.uuid.clone(), space);
    }

    fn seed_certificate(&mut self, tenant: &Tenant) {
        let alias = format!("{}-cert", tenant.org);
        let certificate = Certificate {
            uuid: derived("certificateLibraryItem", &alias),
            org_id: tenant.org_id.clone(),
            alias,
            description: format!("Seeded on {SEEDED_AT:.0}"),
            pem: CERTIFICATE.to_owned(),
            has_key: true,
        };
        self.network
            .certificates
            .insert(certificate.uuid.clone(), certificate);
    }

    /// Lets the tenant's gateway take its external addresses from the tenant's IP space, as sites with
    /// VCD 10.4.1 and later may be set up, instead of from subnets of its uplink.
    pub fn use_ip_space(&mut self, tenant: &Tenant) {
        let mut spaces = self.network.ip_spaces.values();
        let space = spaces.find(|space| space.org_id == tenant.org_id);
        let space = space.map(|space| space.uuid.clone());
        let gateways = self.network.gateways.values_mut();
        for gateway in gateways.filter(|gateway| gateway.org_id == tenant.org_id) {
            gateway.ip_space.clone_from(&space);
            gateway.subnets.clear();
        }
    }

    /// Leaves `addresses` external addresses to the tenant's gateway, or to its IP space, counted from
    /// the first one, used or not; at most what it has.
    pub fn limit_external_addresses(&mut self, tenant: &Tenant, addresses: u32) {
        let cut = |range: &mut Range| {
            let size = addresses.min(range.size());
            let end = u32::from(range.first)
                .saturating_add(size)
                .saturating_sub(1);
            range.last = Ipv4Addr::from(end);
        };
        let gateways = self.network.gateways.values_mut();
        for gateway in gateways.filter(|gateway| gateway.org_id == tenant.org_id) {
            gateway
                .subnets
                .iter_mut()
                .for_each(|subnet| cut(&mut subnet.range));
        }
        let spaces = self.network.ip_spaces.values_mut();
        for space in spaces.filter(|space| space.org_id == tenant.org_id) {
            cut(&mut space.range);
        }
    }

    /// Leaves room for `services` virtual services on the tenant's gateway.
    pub fn limit_virtual_services(&mut self, tenant: &Tenant, services: u32) {
        let gateways = &self.network.gateways;
        for assignment in self.network.assignments.values_mut() {
            let gateway = gateways.get(&assignment.gateway);
            if gateway.is_some_and(|gateway| gateway.org_id == tenant.org_id) {
                assignment.max_virtual_services = services;
            }
        }
    }
}
