//! The document of a named disk.
//!
//! Invariants:
//! - The links are those the CSI driver walks: `edit`, `remove`, and the VMs by their media type.
//!
//! Source: VCD API, `GET /api/disk/{uuid}`, `GET /api/disk/{uuid}/attachedVms`.

use super::Infra;
use super::disk::Disk;
use super::document::{link, tasks};
use super::vm_document::vm_reference;
use crate::sim::context::Context;
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, reference};

/// Media type of a disk, the part after `application/`.
pub(crate) const DISK: &str = "vnd.vmware.vcloud.disk+xml";
/// Media type of a list of VMs.
pub(crate) const VMS: &str = "vnd.vmware.vcloud.vms+xml";

/// URL of a disk.
pub(crate) fn disk_href(site: &str, uuid: &str) -> String {
    format!("{site}/api/disk/{uuid}")
}

/// A reference to a disk, as owner of tasks and in a VM's settings.
pub(crate) fn disk_reference(disk: &Disk, site: &str) -> Reference {
    Reference {
        href: disk_href(site, &disk.uuid),
        id: disk.urn(),
        name: disk.name.clone(),
        media_type: format!("application/{DISK}"),
    }
}

/// The whole document.
pub(crate) fn disk(ctx: &Context<'_>, infra: &Infra, disk: &Disk) -> Element {
    let href = disk_href(ctx.site, &disk.uuid);
    let profile = infra.profile_reference(ctx.site, &disk.storage_profile);
    Element::root("Disk")
        .attr("name", &disk.name)
        .attr("id", disk.urn())
        .attr("href", &href)
        .attr("type", format!("application/{DISK}"))
        .attr("status", u8::from(!disk.unresolved))
        .attr("sizeMb", disk.size_mib)
        .attr("iops", 0)
        .attr("encrypted", false)
        .attr("busType", &disk.bus_type)
        .attr("busSubType", &disk.bus_sub_type)
        .attr("shareable", disk.shareable())
        .attr("sharingType", &disk.sharing)
        .attr("uuid", &disk.backing)
        .children(links(ctx.site, &href, &disk.vdc))
        .child(Element::leaf("Description", &disk.description))
        .children(tasks(ctx, infra, &disk.uuid))
        .child(reference("StorageProfile", &profile))
        .child(
            Element::new("Owner")
                .attr("type", "application/vnd.vmware.vcloud.owner+xml")
                .child(reference("User", &disk.owner)),
        )
}

fn links(site: &str, href: &str, vdc: &str) -> Vec<Element> {
    vec![
        link("remove", href, None),
        link("edit", href, Some(DISK)),
        link(
            "down",
            format!("{href}/owner"),
            Some("vnd.vmware.vcloud.owner+xml"),
        ),
        link("down", format!("{href}/attachedVms"), Some(VMS)),
        link(
            "down",
            format!("{href}/metadata"),
            Some("vnd.vmware.vcloud.metadata+xml"),
        ),
        link(
            "up",
            format!("{site}/api/vdc/{vdc}"),
            Some("vnd.vmware.vcloud.vdc+xml"),
        ),
    ]
}

/// The VMs a disk is attached to.
pub(crate) fn attached_vms(site: &str, infra: &Infra, disk: &Disk) -> Element {
    let vms = disk.attached.keys().filter_map(|vm| infra.vms.get(vm));
    Element::root("Vms")
        .attr(
            "href",
            format!("{}/attachedVms", disk_href(site, &disk.uuid)),
        )
        .attr("type", format!("application/{VMS}"))
        .children(vms.map(|vm| reference("VmReference", &vm_reference(vm, site))))
}
