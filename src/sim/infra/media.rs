//! Media images: what can be put into a VM's drive.
//!
//! Source: VCD API, `GET /api/media/{uuid}`, `media/action/insertMedia` and `ejectMedia` of a VM.

use http::Method;

use super::access::{refused, require, right};
use super::catalog_changes::delete_item;
use super::document::link;
use super::machine::Vm;
use super::site::Medium;
use super::uploads::Upload;
use super::vm_changes::VmChange;
use super::vms::reconfigure_as;
use super::{Desk, Infra, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, reference};

const MEDIA: &str = "vnd.vmware.vcloud.media+xml";

/// A reference to a medium.
pub(crate) fn media_reference(medium: &Medium, site: &str) -> Reference {
    Reference {
        href: format!("{site}/api/media/{}", medium.uuid),
        id: format!("urn:vcloud:media:{}", medium.uuid),
        name: medium.name.clone(),
        media_type: format!("application/{MEDIA}"),
    }
}

/// The medium, if the caller may see it.
fn visible<'a>(call: &Call<'_>, infra: &'a Infra, uuid: &str) -> Result<&'a Medium, Problem> {
    let found = infra.media.get(uuid).filter(|medium| {
        let catalog = infra.catalogs.get(&medium.catalog);
        catalog.is_some_and(|catalog| catalog.seen_by(&call.principal))
    });
    let medium = found.ok_or_else(|| refused("Base", "MEDIA_VIEW", uuid))?;
    require(call, right::TEMPLATES, "MEDIA_VIEW", uuid)?;
    Ok(medium)
}

/// The bare UUID of the medium that `element` refers to; none when there is no reference.
pub(crate) fn named(
    call: &Call<'_>,
    infra: &Infra,
    element: Option<&Element>,
) -> Result<Option<String>, Problem> {
    let href = element.and_then(|element| element.attribute("href"));
    match href.filter(|href| !href.is_empty()) {
        Some(href) => {
            let medium = visible(call, infra, bare(href))?;
            if medium.upload.is_some() {
                let text = format!("The medium \"{}\" is not uploaded.", medium.name);
                return Err(Problem::bad_request(text));
            }
            Ok(Some(medium.uuid.clone()))
        }
        None => Ok(None),
    }
}

/// Answers `GET` and `DELETE /api/media/{uuid}`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, uuid: &str) -> Result<Reply, Problem> {
    let medium = visible(desk.call, desk.infra, uuid)?;
    if *desk.call.method == Method::DELETE {
        let (owner, catalog) = (
            media_reference(medium, desk.ctx.site),
            medium.catalog.clone(),
        );
        return delete_item(desk, owner, &catalog);
    }
    require_method(desk.call, &Method::GET)?;
    Ok(document(desk.call, desk.ctx, medium))
}

fn document(call: &Call<'_>, ctx: &Context<'_>, medium: &Medium) -> Reply {
    let uuid = &medium.uuid;
    let upload = medium.upload.as_ref();
    let item = format!("{}/api/catalogItem/{}", ctx.site, medium.item);
    let root = Element::root("Media")
        .attr("name", &medium.name)
        .attr("id", format!("urn:vcloud:media:{uuid}"))
        .attr("href", format!("{}/api/media/{uuid}", ctx.site))
        .attr("type", format!("application/{MEDIA}"))
        .attr("status", upload.map_or(1, Upload::status))
        .attr("imageType", "iso")
        .attr("size", medium.size_bytes)
        .child(link(
            "catalogItem",
            item,
            Some("vnd.vmware.vcloud.catalogItem+xml"),
        ))
        .child(link(
            "up",
            format!("{}/api/vdc/{}", ctx.site, medium.vdc),
            Some("vnd.vmware.vcloud.vdc+xml"),
        ))
        .child(Element::leaf("Description", &medium.description))
        .children(
            upload
                .map(|upload| upload.elements(ctx))
                .unwrap_or_default(),
        );
    Reply::xml(200, call.version, MEDIA, root.document())
}

/// Answers `POST {vm}/media/action/insertMedia` and `ejectMedia`.
pub(crate) fn insert_or_eject(
    desk: &mut Desk<'_, '_>,
    vm: &Vm,
    insert: bool,
) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    require(
        desk.call,
        right::VM_PROPERTIES,
        "VAPP_VM_EDIT_MEDIA",
        &vm.uuid,
    )?;
    let body = desk.call.document("MediaInsertOrEjectParams")?;
    let medium = named(desk.call, desk.infra, body.get("Media"))?;
    let medium = medium.ok_or_else(|| Problem::bad_request("The request names no Media."))?;
    let words = if insert {
        (
            "vappInsertCdRom",
            "VAPP_INSERT_CD_ROM",
            "Inserting Media into",
        )
    } else {
        ("vappEjectCdRom", "VAPP_EJECT_CD_ROM", "Ejecting Media from")
    };
    let change = VmChange::Medium(insert.then_some(medium));
    reconfigure_as(desk, vm, (words, vec![change]))
}

/// `MediaSection` of the specification.
pub(crate) fn section(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let medium = vm.medium.as_ref().and_then(|uuid| infra.media.get(uuid));
    let image = medium.map(|medium| reference("MediaImage", &media_reference(medium, site)));
    let state = if medium.is_some() {
        "CONNECTED"
    } else {
        "DISCONNECTED"
    };
    let settings = Element::new("MediaSettings")
        .child(Element::leaf("DeviceId", 3000))
        .children(image)
        .child(Element::leaf("MediaType", "ISO"))
        .child(Element::leaf("MediaState", state))
        .child(Element::leaf("UnitNumber", 0))
        .child(Element::leaf("BusNumber", 0))
        .child(Element::leaf("AdapterType", 1));
    Element::new("MediaSection").child(settings)
}

/// The drive among the items of the hardware section.
pub(crate) fn item(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let medium = vm.medium.as_ref().and_then(|uuid| infra.media.get(uuid));
    let resource = medium.map(|medium| {
        let href = media_reference(medium, site).href;
        Element::leaf("rasd:HostResource", href)
    });
    let kind = if medium.is_some() {
        "vmware.cdrom.iso"
    } else {
        "vmware.cdrom.remotepassthrough"
    };
    Element::new("ovf:Item")
        .child(Element::leaf("rasd:AddressOnParent", 0))
        .child(Element::leaf("rasd:AutomaticAllocation", medium.is_some()))
        .child(Element::leaf("rasd:ElementName", "CD/DVD Drive 1"))
        .children(resource)
        .child(Element::leaf("rasd:InstanceID", 3000))
        .child(Element::leaf("rasd:Parent", 1))
        .child(Element::leaf("rasd:ResourceSubType", kind))
        .child(Element::leaf("rasd:ResourceType", 15))
}
