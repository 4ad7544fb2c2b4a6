//! Network cards: read from requests, checked, and given addresses at the end of a task.
//!
//! Invariants:
//! - A card of mode POOL has an address of its network's pool, one of mode MANUAL the one it asked for; both
//!   are in `used` of the network until the card or its VM goes.
//! - Cards are ordered by their index.
//!
//! Source: VCD API, `NetworkConnectionSection`.

use std::net::Ipv4Addr;

use super::Infra;
use super::effects::gone;
use super::machine::{Nic, Vapp};
use super::site::Network;
use super::vm_changes::number;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// Name of no network.
const NONE: &str = "none";
/// Most cards of a VM.
const MAX_NICS: usize = 10;

/// Reads a section: the cards by index, and the index of the primary one.
///
/// # Errors
/// 400 for a mode, an address or an index that is none, and for a network the vApp does not have.
pub(crate) fn read(vapp: &Vapp, section: &Element) -> Result<(Vec<Nic>, usize), Problem> {
    let mut cards = Vec::new();
    for (position, connection) in section.all("NetworkConnection").enumerate() {
        let index = number::<usize>(connection.get("NetworkConnectionIndex"))?;
        cards.push((index.unwrap_or(position), card(connection)?));
    }
    if cards.len() > MAX_NICS {
        return Err(Problem::bad_request("The VM would have too many NICs."));
    }
    cards.sort_by_key(|(index, _)| *index);
    let primary = number::<usize>(section.get("PrimaryNetworkConnectionIndex"))?.unwrap_or(0);
    let primary = cards.iter().position(|(index, _)| *index == primary);
    let cards: Vec<Nic> = cards.into_iter().map(|(_, card)| card).collect();
    let known = |name: &str| vapp.networks.iter().any(|network| network.name == name);
    match cards
        .iter()
        .find(|nic| nic.network != NONE && !known(&nic.network))
    {
        Some(nic) => Err(Problem::new(
            400,
            "INVALID_REFERENCE",
            format!(
                "The vApp \"{}\" has no network \"{}\".",
                vapp.name, nic.network
            ),
        )),
        None => Ok((cards, primary.unwrap_or(0))),
    }
}

fn card(connection: &Element) -> Result<Nic, Problem> {
    let text = |name: &str, default: &str| {
        let text = connection.text_of(name).filter(|text| !text.is_empty());
        text.unwrap_or(default).to_owned()
    };
    let mode = text("IpAddressAllocationMode", "NONE");
    if !["POOL", "DHCP", "MANUAL", "NONE"].contains(&mode.as_str()) {
        return Err(Problem::bad_request(format!(
            "The value \"{mode}\" of IpAddressAllocationMode is invalid."
        )));
    }
    let asked = connection.text_of("IpAddress").unwrap_or_default();
    let ip = if mode == "MANUAL" {
        let ip = asked.parse::<Ipv4Addr>().ok();
        Some(ip.ok_or_else(|| {
            Problem::bad_request(format!("The value \"{asked}\" of IpAddress is invalid."))
        })?)
    } else {
        None
    };
    Ok(Nic {
        network: connection.attribute("network").unwrap_or(NONE).to_owned(),
        mode,
        ip,
        mac: text("MACAddress", ""),
        adapter: text("NetworkAdapterType", "VMXNET3"),
        connected: text("IsConnected", "true") == "true",
    })
}

impl Infra {
    /// Gives `cards` to a VM: addresses and MACs stay where network and mode do.
    ///
    /// # Errors
    /// 400 when a pool is exhausted or an address belongs to somebody else; the VM then keeps what it had.
    pub(crate) fn set_nics(&mut self, uuid: &str, cards: Vec<Nic>) -> Result<(), Problem> {
        let vm = self.vms.get(uuid).ok_or_else(|| gone("VM", uuid))?;
        let old = vm.nics.clone();
        let mut new = Vec::new();
        for (index, mut card) in cards.into_iter().enumerate() {
            let before = old.get(index);
            if let Some(before) = before.filter(|before| {
                before.network == card.network && before.mode == card.mode && card.ip.is_none()
            }) {
                card.ip = before.ip;
            }
            if card.mac.is_empty() {
                card.mac = match before {
                    Some(before) => before.mac.clone(),
                    None => self.next_mac(),
                };
            }
            new.push(card);
        }
        self.release_all(uuid);
        let outcome = self.take_addresses(uuid, &mut new);
        let kept = if outcome.is_ok() {
            new
        } else {
            self.release_all(uuid);
            let mut old = old;
            self.take_addresses(uuid, &mut old)?;
            old
        };
        if let Some(vm) = self.vms.get_mut(uuid) {
            vm.nics = kept;
        }
        outcome
    }

    fn release_all(&mut self, vm: &str) {
        for network in self.address_pools() {
            network.release(vm);
        }
    }

    /// All networks that give addresses away: those of VDCs and those inside vApps.
    pub(super) fn address_pools(&mut self) -> impl Iterator<Item = &mut Network> {
        let inside = self.vapps.values_mut().flat_map(|vapp| &mut vapp.networks);
        let inside = inside.filter_map(|network| network.own.as_mut());
        self.networks.values_mut().chain(inside)
    }

    /// Takes the addresses of `cards` for a VM that has none.
    fn take_addresses(&mut self, uuid: &str, cards: &mut [Nic]) -> Result<(), Problem> {
        let vm = self.vms.get(uuid).ok_or_else(|| gone("VM", uuid))?;
        let vapp = self.vapps.get_mut(&vm.vapp);
        let vapp = vapp.ok_or_else(|| gone("vApp", &vm.vapp))?;
        // What is asked for by address goes first, so that no pool gives it away meanwhile.
        let order = [true, false].into_iter();
        for fixed in order {
            for card in cards.iter_mut().filter(|card| card.ip.is_some() == fixed) {
                let pooled = card.mode == "POOL";
                if !pooled && card.mode != "MANUAL" {
                    continue;
                }
                let mut inside = vapp.networks.iter_mut();
                let inside = inside.find(|one| one.name == card.network);
                let network = inside.and_then(|one| match &mut one.own {
                    Some(own) => Some(own),
                    None => self.networks.get_mut(one.parent.as_ref()?),
                });
                let network = network.ok_or_else(|| gone("network", &card.network))?;
                match card.ip {
                    Some(ip) if network.used.contains_key(&ip) => {
                        return Err(taken(ip, &card.network));
                    }
                    Some(ip) => {
                        network.used.insert(ip, uuid.to_owned());
                    }
                    None => {
                        let ip = network.allocate(uuid);
                        card.ip = Some(ip.ok_or_else(|| exhausted(&card.network))?);
                    }
                }
            }
        }
        Ok(())
    }
}

fn taken(ip: Ipv4Addr, network: &str) -> Problem {
    Problem::bad_request(format!(
        "The IP address {ip} is already in use in network \"{network}\"."
    ))
}

fn exhausted(network: &str) -> Problem {
    Problem::bad_request(format!(
        "No more IP addresses are available in the static IP pool of network \"{network}\"."
    ))
}
