//! vApps from templates, and standalone VMs in hidden vApps of their own.
//!
//! Invariants:
//! - The hidden vApp carries `autoNature`, holds exactly one VM, and goes with it.
//! - The task of a standalone creation belongs to the hidden vApp: go-vcloud-director reads the vApp its
//!   `Owner` refers to and takes the one VM in it.
//!
//! Source: VCD API, `instantiateVAppTemplate`, `instantiateVmTemplate`, `createVm`; go-vcloud-director
//! `getVmFromTask`.

use std::collections::BTreeMap;

use http::Method;

use super::access::{require, right};
use super::machine::{Lease, Vapp, VappNetwork};
use super::recompose::{self, NewVm};
use super::sharing::Sharing;
use super::site::Vdc;
use super::submissions::Composition;
use super::vapps::{composed, target_vdc};
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::{Desk, media, require_method, vapp_networks};
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Starter;
use crate::sim::xml::Element;

/// `operationName`, the name in `BUSY_ENTITY`, and the first words of the sentence.
type Words = (&'static str, &'static str, &'static str);

const FROM_TEMPLATE: Words = (
    "vdcInstantiateVapp",
    "VDC_INSTANTIATE_VAPP",
    "Creating Virtual Application",
);
const STANDALONE_COPY: Words = (
    "vdcInstantiateVmTemplate",
    "VDC_INSTANTIATE_VM_TEMPLATE",
    "Creating Virtual Machine",
);
const STANDALONE: Words = ("vdcCreateVm", "VDC_CREATE_VM", "Creating Virtual Machine");

/// Answers `POST /api/vdc/{vdc}/action/instantiateVAppTemplate` with 201 and the vApp.
pub(crate) fn from_template(desk: &mut Desk<'_, '_>, vdc: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let target = target_vdc(desk, vdc, "VDC_INSTANTIATE_VAPP")?;
    let body = desk.call.document("InstantiateVAppTemplateParams")?;
    let source = body
        .get("Source")
        .and_then(|source| source.attribute("href"))
        .unwrap_or_default();
    let last = source.rsplit(['/', ':']).next().unwrap_or_default();
    let uuid = last.strip_prefix("vappTemplate-").unwrap_or(last);
    require(
        desk.call,
        right::ADD_FROM_CATALOG,
        "VAPP_ADD_FROM_CATALOG",
        vdc,
    )?;
    let template = recompose::template(desk.call, desk.infra, uuid)?.clone();
    let name = body.attribute("name").filter(|name| !name.is_empty());
    let mut vapp = vapp(desk, &target, name.unwrap_or(&template.name).to_owned());
    let text = body.text_of("Description").unwrap_or_default();
    vapp.description = checked("Description", text, MAX_DESCRIPTION_CHARS)?;
    vapp.name = checked("name", &vapp.name, MAX_NAME_CHARS)?;
    let networks = body.path(&["InstantiationParams", "NetworkConfigSection"]);
    vapp.networks = vapp_networks::read(desk.infra, &vapp, networks)?;
    desk.infra.require_free_name(&vapp)?;
    let mut items = recompose::items(desk.call, desk.infra, &vapp, &body)?;
    if items.is_empty() {
        let plain = Element::new("SourcedItem").child(
            Element::new("Source")
                .attr("href", format!("/vm-{}", template.vm))
                .attr("name", &template.name),
        );
        let plain = (&plain, "InstantiationParams");
        items.push(recompose::sourced_item(
            desk.call, desk.infra, &vapp, plain,
        )?);
    }
    let power_on = body.attribute("powerOn") == Some("true");
    composed(desk, vapp, (FROM_TEMPLATE, items, power_on))
}

/// Answers `POST /api/vdc/{vdc}/action/instantiateVmTemplate` with 202 and the task.
pub(crate) fn vm_from_template(desk: &mut Desk<'_, '_>, vdc: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let target = target_vdc(desk, vdc, "VDC_INSTANTIATE_VM_TEMPLATE")?;
    let body = desk.call.document("InstantiateVmTemplateParams")?;
    let item = body
        .get("SourcedVmTemplateItem")
        .ok_or_else(|| Problem::bad_request("There is no SourcedVmTemplateItem."))?;
    let vapp = hidden(desk, &target, &body)?;
    let params = (item, "VmTemplateInstantiationParams");
    let mut new = recompose::sourced_item(desk.call, desk.infra, &vapp, params)?;
    let name = body.attribute("name").unwrap_or_default();
    new.name = checked("name", name, MAX_NAME_CHARS)?;
    if let Some(section) = body.get("ComputePolicy") {
        new.sizing_policy = desk.infra.policy_of(section, "VmSizingPolicy")?;
        new.placement_policy = desk.infra.policy_of(section, "VmPlacementPolicy")?;
    }
    if let Some(text) = body.text_of("Description") {
        new.description = checked("Description", text, MAX_DESCRIPTION_CHARS)?;
    }
    Ok(standalone(desk, (vapp, new), (STANDALONE_COPY, &body)))
}

/// Answers `POST /api/vdc/{vdc}/action/createVm` with 202 and the task.
pub(crate) fn create_vm(desk: &mut Desk<'_, '_>, vdc: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let target = target_vdc(desk, vdc, "VDC_CREATE_VM")?;
    let body = desk.call.document("CreateVmParams")?;
    let item = body
        .get("CreateVm")
        .ok_or_else(|| Problem::bad_request("There is no CreateVm."))?;
    let vapp = hidden(desk, &target, &body)?;
    let item_name = item.attribute("name").filter(|name| !name.is_empty());
    let named = item_name.is_some();
    let item = match body.attribute("name") {
        Some(name) if !named => item.clone().with_first_attributes([("name", name)]),
        _ => item.clone(),
    };
    let mut new = recompose::created_item(desk.call, desk.infra, &vapp, &item)?;
    if let Some(medium) = media::named(desk.call, desk.infra, body.get("Media"))? {
        new.hardware.medium = Some(medium);
    }
    if new.description.is_empty() {
        let text = body.text_of("Description").unwrap_or_default();
        new.description = checked("Description", text, MAX_DESCRIPTION_CHARS)?;
    }
    Ok(standalone(desk, (vapp, new), (STANDALONE, &body)))
}

/// The hidden vApp, with every network of the VDC that the request's cards could mean.
fn hidden(desk: &mut Desk<'_, '_>, target: &Vdc, body: &Element) -> Result<Vapp, Problem> {
    let name = body.attribute("name").unwrap_or_default();
    let name = checked("name", name, MAX_NAME_CHARS)?;
    let mut vapp = vapp(desk, target, String::new());
    vapp.auto_nature = true;
    let suffix: String = vapp.uuid.chars().take(8).collect();
    vapp.name = format!("{name}-{suffix}");
    let networks = desk.infra.networks.values();
    let networks = networks.filter(|network| network.vdc == target.uuid);
    vapp.networks = networks.map(VappNetwork::bridged).collect();
    Ok(vapp)
}

/// Starts the creation of a VM in its hidden vApp.
fn standalone(
    desk: &mut Desk<'_, '_>,
    (mut vapp, new): (Vapp, NewVm),
    ((name, busy_name, verb), body): (Words, &Element),
) -> Reply {
    vapp.networks
        .retain(|network| new.nics.iter().any(|nic| nic.network == network.name));
    let copy = desk.infra.add_copy(&vapp, new, desk.ctx);
    let composition = Composition {
        words: (name, busy_name, verb),
        added: vec![copy],
        power_on: body.attribute("powerOn") == Some("true"),
    };
    let starter = Starter::of(desk.call);
    let (_, task) = desk
        .infra
        .compose_as((vapp, composition), &starter, desk.ctx);
    desk.accepted(&task)
}

/// A vApp that is still to be filled.
fn vapp(desk: &mut Desk<'_, '_>, target: &Vdc, name: String) -> Vapp {
    Vapp {
        uuid: desk.ctx.uuid(),
        name,
        description: String::new(),
        vdc: target.uuid.clone(),
        org_id: target.org_id.clone(),
        owner: Starter::of(desk.call).user(desk.ctx.site),
        created: desk.ctx.wall,
        unresolved: true,
        networks: Vec::new(),
        metadata: BTreeMap::new(),
        auto_nature: false,
        lease: Lease::default(),
        sharing: Sharing::default(),
        product: Vec::new(),
    }
}
