//! Sections of a vApp as resources of their own: networks, lease, guest properties, owner, access.
//!
//! Source: VCD API, `networkConfigSection`, `leaseSettingsSection`, `productSections`, `owner`,
//! `controlAccess` of a vApp.

use http::Method;

use super::access::{require, right};
use super::document;
use super::machine::{Lease, Vapp};
use super::operations::{Change, Kind};
use super::products::{self, PRODUCTS};
use super::vapps::{section_reply, start};
use super::vm_changes::number;
use super::{Desk, sharing, vapp_networks};
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::{Element, reference};

const NETWORKS: &str = "vnd.vmware.vcloud.networkConfigSection+xml";
const LEASE: &str = "vnd.vmware.vcloud.leaseSettingsSection+xml";

/// Answers requests on one section of `vapp`.
pub(crate) fn handle(
    desk: &mut Desk<'_, '_>,
    vapp: &Vapp,
    section: &str,
) -> Result<Reply, Problem> {
    let href = document::vapp_href(desk.ctx.site, &vapp.uuid);
    let get = *desk.call.method == Method::GET;
    let put = *desk.call.method == Method::PUT;
    match section {
        "networkConfigSection" if put => vapp_networks::put(desk, vapp),
        "leaseSettingsSection" if put => lease(desk, vapp),
        "productSections" if put => {
            let sections = products::read(desk.call)?;
            let change = Change::VappProduct {
                vapp: vapp.uuid.clone(),
                sections,
            };
            update(desk, vapp, change)
        }
        "networkConfigSection" if get => {
            let section = document::network_section(desk.ctx, desk.infra, vapp);
            Ok(section_reply(desk.call, section, NETWORKS))
        }
        "leaseSettingsSection" if get => {
            let section = document::lease_section(&href, vapp);
            Ok(section_reply(desk.call, section, LEASE))
        }
        "productSections" if get => {
            let list = products::list(vapp.product.clone());
            Ok(section_reply(desk.call, list, PRODUCTS))
        }
        "owner" if get => {
            let media = "vnd.vmware.vcloud.owner+xml";
            let owner = Element::root("Owner")
                .attr("type", format!("application/{media}"))
                .child(reference("User", &vapp.owner));
            Ok(Reply::xml(200, desk.call.version, media, owner.document()))
        }
        "controlAccess" if get => Ok(sharing::read(desk, &vapp.sharing)),
        "networkConfigSection"
        | "leaseSettingsSection"
        | "productSections"
        | "owner"
        | "controlAccess" => Err(Problem::wrong_method()),
        _ => Err(Problem::no_such_url()),
    }
}

fn lease(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    let body = desk.call.document("LeaseSettingsSection")?;
    let deployment = number::<u32>(body.get("DeploymentLeaseInSeconds"))?;
    let storage = number::<u32>(body.get("StorageLeaseInSeconds"))?;
    let change = Change::Lease {
        vapp: vapp.uuid.clone(),
        lease: Lease {
            deployment_seconds: deployment.unwrap_or(vapp.lease.deployment_seconds),
            storage_seconds: storage.unwrap_or(vapp.lease.storage_seconds),
        },
    };
    update(desk, vapp, change)
}

/// Starts an update of the vApp alone.
fn update(desk: &mut Desk<'_, '_>, vapp: &Vapp, change: Change) -> Result<Reply, Problem> {
    require(desk.call, right::EDIT, "VAPP_EDIT", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    let kind = Kind {
        name: "vdcUpdateVapp",
        busy_name: "VDC_UPDATE_VAPP",
        verb: "Updating Virtual Application",
        takes: desk.ctx.timings.reconfigure,
    };
    Ok(start(desk, vapp, (kind, vec![vapp.uuid.clone()], change)))
}
