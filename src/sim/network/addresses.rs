//! Which external addresses of a gateway are in use, and which is the next free one.
//!
//! Invariants:
//! - An address is in use while a virtual service or a NAT rule has it, from its request on; nobody
//!   else reserves one, which is why two clients may choose the same.
//!
//! Source: VCD `OpenAPI`, `usedIpAddresses`; CAPVCD chooses the first address that is not listed.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Services;
use super::model::{Gateway, NatRule, Range};

impl NatRule {
    /// How a used address is filed under for this rule.
    pub(crate) fn category(&self) -> &'static str {
        match self.spec.kind.as_deref() {
            Some("SNAT" | "NO_SNAT") => "SNAT",
            _ => "DNAT",
        }
    }
}

impl Services {
    /// Ranges that external addresses of `gateway` come from.
    pub(crate) fn external_ranges(&self, gateway: &Gateway) -> Vec<Range> {
        let space = gateway.ip_space.as_ref();
        let space = space.and_then(|space| self.ip_spaces.get(space));
        let subnets = gateway.subnets.iter().map(|subnet| subnet.range);
        subnets.chain(space.map(|space| space.range)).collect()
    }

    /// External addresses in use, with what for, lowest first.
    pub(crate) fn used_addresses(&self, gateway: &Gateway) -> BTreeSet<(Ipv4Addr, &'static str)> {
        let ranges = self.external_ranges(gateway);
        let subnets = gateway.subnets.iter();
        let mut used: BTreeSet<(Ipv4Addr, &'static str)> = subnets
            .map(|subnet| (subnet.primary, "PRIMARY_IP"))
            .collect();
        let external = |text: &str| -> Option<Ipv4Addr> {
            let address = text.parse().ok()?;
            let within = ranges.iter().any(|range| range.contains(address));
            within.then_some(address)
        };
        let services = self.virtuals.values();
        used.extend(
            services
                .filter(|service| service.gateway == gateway.uuid)
                .filter_map(|service| external(&service.spec.virtual_ip_address))
                .map(|address| (address, "Load_Balancer")),
        );
        let rules = self.nat_rules.values();
        used.extend(
            rules
                .filter(|rule| rule.gateway == gateway.uuid)
                .filter_map(|rule| {
                    Some((external(&rule.spec.external_addresses)?, rule.category()))
                }),
        );
        used
    }

    /// The lowest external address of `gateway` that nobody uses, within `allowed` if that is given.
    pub(crate) fn free_address(
        &self,
        gateway: &Gateway,
        allowed: Option<Range>,
    ) -> Option<Ipv4Addr> {
        let used = self.used_addresses(gateway);
        let used: BTreeSet<Ipv4Addr> = used.into_iter().map(|(address, _)| address).collect();
        let mut candidates = gateway
            .subnets
            .iter()
            .flat_map(|subnet| subnet.range.addresses());
        candidates.find(|address| {
            !used.contains(address) && allowed.is_none_or(|allowed| allowed.contains(*address))
        })
    }

    /// The lowest address of `range` that no virtual service of `gateway` answers at.
    pub(crate) fn free_internal_address(&self, gateway: &str, range: Range) -> Option<Ipv4Addr> {
        let services = self.virtuals.values();
        let used: BTreeSet<&str> = services
            .filter(|service| service.gateway == gateway)
            .map(|service| service.spec.virtual_ip_address.as_str())
            .collect();
        range
            .addresses()
            .find(|address| !used.contains(address.to_string().as_str()))
    }
}
