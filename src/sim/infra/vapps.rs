//! Requests on vApps: compose, recompose, networks, power, undeploy, delete.
//!
//! Flow: look up -> rights -> state -> busy -> task. The order decides which refusal a caller sees.
//!
//! Not here: what happens at the end of a task (`infra::effects`), single VMs (`infra::vms`).
//! Source: VCD API, vApp life cycle.

use http::Method;

use super::access::{self, refused, require, right, sees};
use super::document::{self, VAPP, vapp_reference};
use super::machine::{Lease, Vapp};
use super::operations::{Change, Kind, Operation};
use super::power::PowerRequest;
use super::recompose::{NewVm, delete_items, items};
use super::sharing::{self, Sharing};
use super::site::Vdc;
use super::submissions::{COMPOSE, Composition, Recomposition, vapp_deletion};
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::{Desk, metadata, require_method, vapp_networks, vapp_sections};
use crate::sim::call::Call;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Starter;
use crate::sim::xml::Element;

/// The VDC that something shall be built in.
///
/// # Errors
/// 403 when the caller may not see it or build; 400 while it is disabled.
pub(crate) fn target_vdc(desk: &Desk<'_, '_>, vdc: &str, operation: &str) -> Result<Vdc, Problem> {
    let target = desk
        .infra
        .vdcs
        .get(vdc)
        .filter(|one| sees(&desk.call.principal, &one.org_id));
    let target = target.ok_or_else(|| refused("Base", "VDC_VIEW", vdc))?;
    require(desk.call, right::CREATE, operation, vdc)?;
    if !target.enabled {
        return Err(Problem::bad_request(format!(
            "The VDC \"{}\" is disabled.",
            target.name
        )));
    }
    Ok(target.clone())
}

/// Answers `POST /api/vdc/{vdc}/action/composeVApp` with 201 and the vApp, which is there at once.
pub(crate) fn compose(desk: &mut Desk<'_, '_>, vdc: &str) -> Result<Reply, Problem> {
    require_method(desk.call, &Method::POST)?;
    let target = target_vdc(desk, vdc, "VDC_COMPOSE_VAPP")?;
    let body = desk.call.document("ComposeVAppParams")?;
    let name = checked(
        "name",
        body.attribute("name").unwrap_or_default(),
        MAX_NAME_CHARS,
    )?;
    let text = body.text_of("Description").unwrap_or_default();
    let mut vapp = Vapp {
        uuid: desk.ctx.uuid(),
        name,
        description: checked("Description", text, MAX_DESCRIPTION_CHARS)?,
        vdc: vdc.to_owned(),
        org_id: target.org_id,
        owner: Starter::of(desk.call).user(desk.ctx.site),
        created: desk.ctx.wall,
        unresolved: true,
        networks: Vec::new(),
        metadata: std::collections::BTreeMap::new(),
        auto_nature: false,
        lease: Lease::default(),
        sharing: Sharing::default(),
        product: Vec::new(),
    };
    let networks = body.path(&["InstantiationParams", "NetworkConfigSection"]);
    vapp.networks = vapp_networks::read(desk.infra, &vapp, networks)?;
    desk.infra.require_free_name(&vapp)?;
    let items = items(desk.call, desk.infra, &vapp, &body)?;
    let power_on = body.attribute("powerOn") == Some("true");
    composed(desk, vapp, (COMPOSE, items, power_on))
}

/// Puts a vApp with its VMs into the world; answers 201 with its document.
pub(crate) fn composed(
    desk: &mut Desk<'_, '_>,
    vapp: Vapp,
    (words, items, power_on): ((&'static str, &'static str, &'static str), Vec<NewVm>, bool),
) -> Result<Reply, Problem> {
    let added = items
        .into_iter()
        .map(|item| desk.infra.add_copy(&vapp, item, desk.ctx))
        .collect();
    let composition = Composition {
        words,
        added,
        power_on,
    };
    let starter = Starter::of(desk.call);
    let (uuid, task) = desk
        .infra
        .compose_as((vapp, composition), &starter, desk.ctx);
    let vapp = access::vapp(desk.call, desk.infra, &uuid)?;
    let href = document::vapp_href(desk.ctx.site, &uuid);
    let text = document::composed(&task, desk.ctx, desk.infra, vapp).document();
    Ok(Reply::xml(201, desk.call.version, VAPP, text).with_header("location", href))
}

/// Answers requests below `/api/vApp/vapp-{uuid}`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, uuid: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let vapp = access::vapp(desk.call, desk.infra, uuid)?.clone();
    match (desk.call.method, rest) {
        (&Method::GET, []) => Ok(Reply::xml(
            200,
            desk.call.version,
            VAPP,
            document::vapp(desk.ctx, desk.infra, &vapp).document(),
        )),
        (&Method::DELETE, []) => delete(desk, &vapp),
        (&Method::POST, ["action", "recomposeVApp"]) => recompose(desk, &vapp),
        (_, ["metadata", path @ ..]) => {
            let object = metadata::Object {
                uuid: vapp.uuid.clone(),
                free: desk.infra.require_vapp_free(&vapp.uuid),
                right: right::EDIT,
                values: vapp.metadata.clone(),
                owner: vapp_reference(&vapp, desk.ctx.site),
            };
            metadata::handle(desk, object, path)
        }
        (&Method::POST, ["action", "controlAccess"]) => sharing::write(desk, &vapp),
        (&Method::POST, action) => {
            let request = PowerRequest::parse(desk.call, action)?;
            power(desk, &vapp, request)
        }
        (_, [] | ["action" | "power", ..]) => Err(Problem::wrong_method()),
        (_, [section]) => vapp_sections::handle(desk, &vapp, section),
        _ => Err(Problem::no_such_url()),
    }
}

/// A section as a document of its own.
pub(crate) fn section_reply(call: &Call<'_>, section: Element, media: &str) -> Reply {
    Reply::xml(
        200,
        call.version,
        media,
        document::as_root(section).document(),
    )
}

fn delete(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    require(desk.call, right::DELETE, "VAPP_DELETE", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    if desk.infra.vapp_deployed(&vapp.uuid) {
        return Err(Problem::bad_request(format!(
            "The requested operation could not be executed since vApp \"{}\" is running. Stop the \
             vApp and retry the operation.",
            vapp.name
        )));
    }
    for vm in desk.infra.vms_of(&vapp.uuid) {
        desk.infra.require_deletable(vm)?;
    }
    let holds = desk
        .infra
        .vm_ids_of(&vapp.uuid)
        .into_iter()
        .chain([vapp.uuid.clone()])
        .collect();
    let (kind, change) = vapp_deletion(&vapp.uuid, desk.ctx.timings);
    Ok(start(desk, vapp, (kind, holds, change)))
}

/// Starts an operation on a vApp and the VMs it holds.
pub(crate) fn start(
    desk: &mut Desk<'_, '_>,
    vapp: &Vapp,
    (kind, holds, change): (Kind, Vec<String>, Change),
) -> Reply {
    let owner = vapp_reference(vapp, desk.ctx.site);
    let operation = Operation {
        kind,
        starter: &Starter::of(desk.call),
        owner,
        holds,
        change,
    };
    let task = desk.infra.submit(operation, desk.ctx);
    desk.accepted(&task)
}

fn recompose(desk: &mut Desk<'_, '_>, vapp: &Vapp) -> Result<Reply, Problem> {
    require(desk.call, right::CREATE, "VAPP_RECOMPOSE", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    let body = desk.call.document("RecomposeVAppParams")?;
    let removed = delete_items(desk.infra, vapp, &body)?;
    if !removed.is_empty() {
        require(desk.call, right::DELETE, "VAPP_DELETE_VMS", &vapp.uuid)?;
    }
    let items = items(desk.call, desk.infra, vapp, &body)?;
    let name = body.attribute("name");
    let name = name.filter(|name| !name.is_empty() && *name != vapp.name);
    let name = match name {
        Some(name) => Some(checked("name", name, MAX_NAME_CHARS)?),
        None => None,
    };
    let text = body.text_of("Description");
    let description = match text.filter(|text| *text != vapp.description) {
        Some(text) => Some(checked("Description", text, MAX_DESCRIPTION_CHARS)?),
        None => None,
    };
    if let Some(name) = &name {
        let renamed = Vapp {
            name: name.clone(),
            ..vapp.clone()
        };
        desk.infra.require_free_name(&renamed)?;
    }
    let added: Vec<String> = items
        .into_iter()
        .map(|item| desk.infra.add_copy(vapp, item, desk.ctx))
        .collect();
    let plan = Recomposition {
        added,
        removed,
        power_on: body.attribute("powerOn") == Some("true"),
        name,
        description,
    };
    let task = desk
        .infra
        .recompose((vapp, plan), &Starter::of(desk.call), desk.ctx);
    Ok(desk.accepted(&task))
}

/// Deploy, undeploy and power of all VMs of a vApp.
fn power(desk: &mut Desk<'_, '_>, vapp: &Vapp, request: PowerRequest) -> Result<Reply, Problem> {
    require(desk.call, right::POWER, "VAPP_POWER_OPERATIONS", &vapp.uuid)?;
    desk.infra.require_vapp_free(&vapp.uuid)?;
    let vms = desk.infra.vms_of(&vapp.uuid);
    let deployed = desk.infra.vapp_deployed(&vapp.uuid);
    if request.needs_deployed() && !deployed {
        return Err(Problem::bad_request(format!(
            "The requested operation could not be executed since vApp \"{}\" is not running.",
            vapp.name
        )));
    }
    let chosen: Vec<String> = vms
        .iter()
        .filter(|vm| request.fits(vm))
        .map(|vm| vm.uuid.clone())
        .collect();
    let holds = desk
        .infra
        .vm_ids_of(&vapp.uuid)
        .into_iter()
        .chain([vapp.uuid.clone()])
        .collect();
    let (kind, change) = request.operation(true, chosen, desk.ctx.timings);
    Ok(start(desk, vapp, (kind, holds, change)))
}
