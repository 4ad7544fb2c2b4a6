//! The network section of a vApp as requests write it.
//!
//! Source: VCD API, `networkConfigSection`; CAPVCD adds an organization network by bridging to it.

use super::access::{require, right};
use super::machine::{Vapp, VappNetwork};
use super::operations::{Change, Kind};
use super::vapps::start;
use super::vm_changes::{MAX_NAME_CHARS, checked};
use super::{Desk, Infra};
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Answers `PUT {vapp}/networkConfigSection`.
pub(crate) fn put(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    require(desk.call, right::EDIT, "VAPP_EDIT_NETWORKS", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    let networks = read(
        desk.infra,
        &vapp.vdc,
        Some(&Element::parse(desk.call.body)?),
    )?;
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

/// Reads the networks of a section; each must be bridged to a network of the VDC.
pub(crate) fn read(
    infra: &Infra,
    vdc: &str,
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
        let parent = config.path(&["Configuration", "ParentNetwork"]);
        let href = parent
            .and_then(|parent| parent.attribute("href"))
            .unwrap_or_default();
        let uuid = bare(href);
        let parent = infra
            .networks
            .get(uuid)
            .filter(|network| network.vdc == vdc);
        let parent = parent.ok_or_else(|| {
            let text = format!("The parent network of \"{name}\" is not available in this VDC.");
            Problem::new(400, "INVALID_REFERENCE", text)
        })?;
        networks.push(VappNetwork {
            name,
            parent: parent.uuid.clone(),
        });
    }
    Ok(networks)
}
