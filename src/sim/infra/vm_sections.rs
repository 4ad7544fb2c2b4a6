//! Sections of a VM as resources of their own.
//!
//! Source: VCD API, `virtualHardwareSection`, `networkConnectionSection`,
//! `guestCustomizationSection`, `guestcustomizationstatus`, `productSections` of a VM.

use http::Method;

use super::access::{require, right};
use super::machine::{Status, Vm};
use super::products::{self, PRODUCTS};
use super::vapps::section_reply;
use super::vm_changes::{self, VmChange};
use super::vm_document::{self as document, CUSTOMIZATION, HARDWARE, NICS};
use super::vms::reconfigure;
use super::{Desk, vm_actions};
use crate::sim::reply::{Problem, Reply};
use crate::sim::xml::Element;

/// Answers requests on one section of `vm`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, vm: &Vm, section: &str) -> Result<Reply, Problem> {
    if desk.call.method == Method::PUT {
        let changes = changes(desk, vm, section)?;
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
            let list = products::list(products::of_vm(desk.infra, vm));
            Ok(section_reply(desk.call, list, PRODUCTS))
        }
        "snapshotSection" => {
            let href = document::vm_href(desk.ctx.site, &vm.uuid);
            let media = "vnd.vmware.vcloud.snapshotSection+xml";
            let section = vm_actions::snapshot_section(&href, vm);
            Ok(section_reply(desk.call, section, media))
        }
        _ => Err(Problem::no_such_url()),
    }
}

fn changes(desk: &Desk<'_, '_>, vm: &Vm, section: &str) -> Result<Vec<VmChange>, Problem> {
    let call = desk.call;
    match section {
        "virtualHardwareSection" => {
            let body = call.document("VirtualHardwareSection")?;
            let change = vm_changes::extra_config(call, &body, vm)?;
            Ok(change.into_iter().collect())
        }
        "networkConnectionSection" => {
            let body = call.document("NetworkConnectionSection")?;
            let change = vm_changes::network_cards(call, desk.infra, &body, vm)?;
            Ok(change.into_iter().collect())
        }
        "guestCustomizationSection" => {
            let body = call.document("GuestCustomizationSection")?;
            Ok(vec![vm_changes::customization(call, &body, vm)?])
        }
        "productSections" => {
            let sections = products::read(call)?;
            require(call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
            Ok(vec![VmChange::Product(sections)])
        }
        "guestcustomizationstatus" | "snapshotSection" => Err(Problem::wrong_method()),
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
