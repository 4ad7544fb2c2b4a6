//! The network section of a vApp as requests write it.
//!
//! Invariants:
//! - A network keeps its id and the addresses that machines have of it while its name stays.
//!
//! Source: VCD API, `networkConfigSection`, `DELETE /api/network/{id}`; CAPVCD adds an organization network by bridging to it,
//! go-vcloud-director also makes isolated ones, which have no parent.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::access::{self, require, right};
use super::machine::{Vapp, VappNetwork};
use super::operations::{Change, Kind};
use super::site::Network;
use super::vapps::start;
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked, number};
use super::{Desk, Infra};
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Answers `PUT {vapp}/networkConfigSection`.
pub(crate) fn put(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    require(desk.call, right::EDIT, "VAPP_EDIT_NETWORKS", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    let body = Element::parse(desk.call.body)?;
    let networks = read(desk.infra, vapp, Some(&body))?;
    replace(desk, vapp, networks)
}

/// Answers `DELETE /api/network/{uuid}` for a network inside a vApp; none when it is no such network.
pub(crate) fn delete(desk: &mut Desk<'_, '_>, uuid: &str) -> Option<Result<Reply, Problem>> {
    let is_it = |vapp: &Vapp, one: &VappNetwork| VappNetwork::uuid(&vapp.uuid, &one.name) == uuid;
    let mut vapps = desk.infra.vapps.values();
    let vapp = vapps.find(|vapp| vapp.networks.iter().any(|one| is_it(vapp, one)))?;
    let vapp = access::vapp(desk.call, desk.infra, &vapp.uuid)
        .ok()?
        .clone();
    let kept = vapp.networks.iter().filter(|one| !is_it(&vapp, one));
    let kept = kept.cloned().collect();
    Some(
        require(desk.call, right::EDIT, "VAPP_EDIT_NETWORKS", &vapp.uuid)
            .and_then(|()| desk.infra.require_vapp_free(&vapp.uuid))
            .and_then(|()| replace(desk, &vapp, kept)),
    )
}

/// Starts the task that gives a vApp these networks and no others.
fn replace(
    desk: &mut Desk<'_, '_>,
    vapp: &Vapp,
    networks: Vec<VappNetwork>,
) -> Result<Reply, Problem> {
    let vms = desk.infra.vms_of(&vapp.uuid);
    let mut used = vms.iter().flat_map(|vm| &vm.nics).map(|nic| &nic.network);
    if let Some(name) =
        used.find(|name| *name != "none" && !networks.iter().any(|network| network.name == **name))
    {
        return Err(Problem::bad_request(format!(
            "The network \"{name}\" is in use by a virtual machine of vApp \"{}\".",
            vapp.name
        )));
    }
    let kind = Kind {
        name: "vdcUpdateVapp",
        busy_name: "VDC_UPDATE_VAPP",
        verb: "Updating Virtual Application",
        takes: desk.ctx.timings.reconfigure,
    };
    let change = Change::Networks {
        vapp: vapp.uuid.clone(),
        networks,
    };
    Ok(start(desk, vapp, (kind, vec![vapp.uuid.clone()], change)))
}

/// Reads the networks of a section of `vapp`, whose own they will be.
///
/// # Errors
/// 400 `INVALID_REFERENCE` for a parent that is no network of the VDC; 400 for addresses that are none, and
/// for a network with neither.
pub(crate) fn read(
    infra: &Infra,
    vapp: &Vapp,
    section: Option<&Element>,
) -> Result<Vec<VappNetwork>, Problem> {
    let mut networks = Vec::new();
    for config in section
        .into_iter()
        .flat_map(|section| section.all("NetworkConfig"))
    {
        let name = checked(
            "networkName",
            config.attribute("networkName").unwrap_or_default(),
            MAX_NAME_CHARS,
        )?;
        let parent = parent(infra, &vapp.vdc, (config, &name))?;
        let fence = config.path(&["Configuration"]);
        let fence = fence.and_then(|configuration| configuration.text_of("FenceMode"));
        let bridged = parent.is_some() && matches!(fence, None | Some("" | "bridged"));
        let own = if bridged {
            None
        } else {
            let mut own = own(config, &name, vapp)?;
            let mut before = vapp.networks.iter();
            let kept = before.find(|one| one.name == name);
            let kept = kept.and_then(|one| one.own.as_ref());
            own.used = kept.map(|kept| kept.used.clone()).unwrap_or_default();
            Some(own)
        };
        let text = config.text_of("Description").unwrap_or_default();
        networks.push(VappNetwork {
            name,
            description: checked("Description", text, MAX_DESCRIPTION_CHARS)?,
            parent,
            own,
        });
    }
    Ok(networks)
}

/// The organization VDC network that a network is connected to, by bare UUID.
fn parent(
    infra: &Infra,
    vdc: &str,
    (config, name): (&Element, &str),
) -> Result<Option<String>, Problem> {
    let Some(parent) = config.path(&["Configuration", "ParentNetwork"]) else {
        return Ok(None);
    };
    let named = |key| parent.attribute(key).filter(|text| !text.is_empty());
    let uuid = bare(named("href").or(named("id")).unwrap_or_default());
    let known = infra.networks.get(uuid);
    match known.filter(|network| network.vdc == vdc) {
        Some(network) => Ok(Some(network.uuid.clone())),
        None => Err(Problem::new(
            400,
            "INVALID_REFERENCE",
            format!("The parent network of \"{name}\" is not available in this VDC."),
        )),
    }
}

/// The addresses of a network that is not bridged: its first scope, with the first range of it.
fn own(config: &Element, name: &str, vapp: &Vapp) -> Result<Network, Problem> {
    let scope = config.path(&["Configuration", "IpScopes", "IpScope"]);
    let scope = scope.ok_or_else(|| {
        let text = format!("The network \"{name}\" has neither a parent network nor IP scopes.");
        Problem::bad_request(text)
    })?;
    let prefix = match number::<u8>(scope.get("SubnetPrefixLength"))? {
        Some(prefix) => Some(prefix),
        None => address(scope, "Netmask")?.and_then(|mask| {
            let bits = u32::from(mask);
            u8::try_from(bits.leading_ones()).ok()
        }),
    };
    let prefix = prefix.filter(|prefix| (1..=32).contains(prefix));
    let gateway = address(scope, "Gateway")?;
    let (Some(gateway), Some(prefix)) = (gateway, prefix) else {
        let text = format!("The network \"{name}\" needs a gateway and a netmask.");
        return Err(Problem::bad_request(text));
    };
    let range = scope.path(&["IpRanges", "IpRange"]);
    let end = |name: &str| range.map_or(Ok(None), |range| address(range, name));
    let pool = match (end("StartAddress")?, end("EndAddress")?) {
        (Some(first), Some(last)) => (first, last),
        _ => (Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED),
    };
    Ok(Network {
        uuid: VappNetwork::uuid(&vapp.uuid, name),
        name: name.to_owned(),
        vdc: vapp.vdc.clone(),
        gateway,
        prefix,
        dns: address(scope, "Dns1")?.unwrap_or(Ipv4Addr::UNSPECIFIED),
        pool,
        used: BTreeMap::new(),
    })
}

/// The address inside `name`; none where it is absent or empty.
fn address(element: &Element, name: &str) -> Result<Option<Ipv4Addr>, Problem> {
    let text = element.text_of(name).map(str::trim);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = || Problem::bad_request(format!("The value \"{text}\" of {name} is invalid."));
    text.parse().map(Some).map_err(|_no_address| wrong())
}
