//! Sections of a VM as resources of their own.
//!
//! Source: VCD API, `virtualHardwareSection`, `networkConnectionSection`,
//! `guestCustomizationSection`, `guestcustomizationstatus`, `productSections` of a VM.

use http::Method;

use super::Desk;
use super::catalogs::product_section;
use super::machine::{Status, Vm};
use super::vapps::section_reply;
use super::vm_changes::{self, VmChange};
use super::vm_document::{self as document, CUSTOMIZATION, HARDWARE, NICS};
use super::vms::reconfigure;
use crate::sim::call::Call;
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Answers requests on one section of `vm`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, vm: &Vm, section: &str) -> Result<Reply, Problem> {
    if desk.call.method == Method::PUT {
        let changes = changes(desk.call, vm, section)?;
        return reconfigure(desk, vm, changes);
    }
    super::require_method(desk.call, &Method::GET)?;
    match section {
        "virtualHardwareSection" => Ok(section_reply(
            desk.call,
            document::hardware_section(desk.ctx.site, desk.infra, vm),
            HARDWARE,
        )),
        "networkConnectionSection" => Ok(section_reply(
            desk.call,
            document::network_section(desk.ctx.site, vm),
            NICS,
        )),
        "guestCustomizationSection" => Ok(section_reply(
            desk.call,
            document::customization_section(desk.ctx.site, vm),
            CUSTOMIZATION,
        )),
        "guestcustomizationstatus" => {
            let status = Element::new("GuestCustomizationStatusSection")
                .child(Element::leaf("GuestCustStatus", customization_status(vm)));
            let media = "vnd.vmware.vcloud.guestcustomizationstatussection+xml";
            Ok(section_reply(desk.call, status, media))
        }
        "productSections" => {
            let template = desk.infra.templates.get(&vm.template);
            let product = template.map(|template| product_section(&template.product_version));
            let list = Element::new("ProductSectionList").children(product);
            Ok(section_reply(
                desk.call,
                list,
                "vnd.vmware.vcloud.productSections+xml",
            ))
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn changes(call: &Call<'_>, vm: &Vm, section: &str) -> Result<Vec<VmChange>, Problem> {
    let body = Element::parse(call.body)?;
    match section {
        "virtualHardwareSection" => Ok(vm_changes::extra_config(call, &body, vm)?
            .into_iter()
            .collect()),
        "networkConnectionSection" => Ok(vec![vm_changes::nics(call, &body, vm)?]),
        "guestCustomizationSection" => Ok(vec![vm_changes::customization(call, &body, vm)?]),
        _ => Err(Problem::no_such_url()),
    }
}

fn customization_status(vm: &Vm) -> &'static str {
    let guest = &vm.customization;
    match (guest.complete || !guest.enabled, vm.status) {
        (true, _) => "GC_COMPLETE",
        (false, Status::PoweredOn) => "POST_GC_PENDING",
        (false, Status::Unresolved | Status::Suspended | Status::PoweredOff | Status::Mixed) => {
            "GC_PENDING"
        }
    }
}
