//! Requests on vApps: compose, recompose, networks, power, undeploy, delete.
//!
//! Flow: look up -> rights -> state -> busy -> task. The order decides which refusal a caller sees.
//!
//! Not here: what happens at the end of a task (`infra::effects`), single VMs (`infra::vms`).
//! Source: VCD API, vApp life cycle.

use http::Method;

use super::access::{self, refused, require, right, sees};
use super::document::{self, VAPP, vapp_reference};
use super::machine::{Vapp, VappNetwork};
use super::operations::{Change, Kind, Operation, Starter};
use super::recompose::{delete_items, sourced_items};
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked};
use super::vms::{PowerRequest, task_reply};
use super::{Infra, metadata, no_such_url, require_method};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Reference;
use crate::sim::xml::Element;

/// Answers `POST /api/vdc/{vdc}/action/composeVApp` with 201 and the vApp, which is there at once.
pub(crate) fn compose(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vdc: &str,
) -> Result<Reply, Problem> {
    require_method(call, &Method::POST)?;
    let target = infra
        .vdcs
        .get(vdc)
        .filter(|one| sees(&call.principal, &one.org_id));
    let target = target.ok_or_else(|| refused("Base", "VDC_VIEW", vdc))?;
    require(call, right::CREATE, "VDC_COMPOSE_VAPP", vdc)?;
    if !target.enabled {
        return Err(Problem::bad_request(format!(
            "The VDC \"{}\" is disabled.",
            target.name
        )));
    }
    let body = Element::parse(call.body)?;
    let name = checked(
        "name",
        body.attribute("name").unwrap_or_default(),
        MAX_NAME_CHARS,
    )?;
    let text = body.text_of("Description").unwrap_or_default();
    let vapp = Vapp {
        uuid: ctx.uuid(),
        name,
        description: checked("Description", text, MAX_DESCRIPTION_CHARS)?,
        vdc: vdc.to_owned(),
        org_id: target.org_id.clone(),
        owner: owner(call, ctx),
        created: ctx.wall,
        unresolved: true,
        networks: networks(
            infra,
            vdc,
            body.path(&["InstantiationParams", "NetworkConfigSection"]),
        )?,
        metadata: std::collections::BTreeMap::new(),
    };
    infra.require_free_name(&vapp)?;
    let items = sourced_items(call, infra, &vapp, &body)?;
    let added: Vec<String> = items
        .into_iter()
        .map(|item| infra.add_copy(&vapp, item, ctx))
        .collect();
    let uuid = infra.compose(vapp, added, &Starter::of(call), ctx);
    let vapp = access::vapp(call, infra, &uuid)?;
    let href = document::vapp_href(ctx.site, &uuid);
    let text = document::vapp(ctx, infra, vapp).document();
    Ok(Reply::xml(201, call.version, VAPP, text).with_header("location", href))
}

fn owner(call: &Call<'_>, ctx: &Context<'_>) -> Reference {
    let who = &call.principal;
    let bare = who.user_id.rsplit(':').next().unwrap_or_default();
    Reference {
        href: format!("{}/api/admin/user/{bare}", ctx.site),
        id: who.user_id.clone(),
        name: who.user_name.clone(),
        media_type: "application/vnd.vmware.admin.user+xml".to_owned(),
    }
}

impl Infra {
    /// Refuses a second vApp of one name in a VDC, where the site has that rule.
    pub(crate) fn require_free_name(&self, vapp: &Vapp) -> Result<(), Problem> {
        let twin = self
            .vapps
            .values()
            .any(|one| one.vdc == vapp.vdc && one.name == vapp.name);
        if twin && self.rules.unique_vapp_names {
            let text = format!("The VCD entity {} already exists.", vapp.name);
            return Err(Problem::new(400, "DUPLICATE_NAME", text));
        }
        Ok(())
    }

    /// Puts a vApp into the world and starts the task that ends its composition.
    pub(crate) fn compose(
        &mut self,
        vapp: Vapp,
        added: Vec<String>,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> String {
        let uuid = vapp.uuid.clone();
        let copies = u32::try_from(added.len()).unwrap_or(u32::MAX);
        let takes = ctx
            .timings
            .compose
            .saturating_add(ctx.timings.recompose.saturating_mul(copies));
        let operation = Operation {
            kind: Kind {
                name: "vdcComposeVapp",
                busy_name: "VDC_COMPOSE_VAPP",
                verb: "Composing Virtual Application",
                takes,
            },
            starter,
            owner: vapp_reference(&vapp, ctx.site),
            holds: added.iter().cloned().chain([uuid.clone()]).collect(),
            change: Change::Compose {
                vapp: uuid.clone(),
                added,
            },
        };
        self.vapps.insert(uuid.clone(), vapp);
        self.submit(operation, ctx);
        uuid
    }
}

/// Answers requests below `/api/vApp/vapp-{uuid}`.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    uuid: &str,
    rest: &[&str],
) -> Result<Reply, Problem> {
    let vapp = access::vapp(call, infra, uuid)?.clone();
    match (call.method, rest) {
        (&Method::GET, []) => Ok(Reply::xml(
            200,
            call.version,
            VAPP,
            document::vapp(ctx, infra, &vapp).document(),
        )),
        (&Method::DELETE, []) => delete(call, ctx, infra, &vapp),
        (&Method::GET, ["networkConfigSection"]) => {
            let section = document::network_section(ctx, infra, &vapp);
            Ok(section_reply(
                call,
                section,
                "vnd.vmware.vcloud.networkConfigSection+xml",
            ))
        }
        (&Method::PUT, ["networkConfigSection"]) => put_networks(call, ctx, infra, &vapp),
        (&Method::POST, ["action", "recomposeVApp"]) => recompose(call, ctx, infra, &vapp),
        (_, ["metadata", path @ ..]) => {
            let object = metadata::Object {
                uuid: vapp.uuid.clone(),
                free: infra.require_vapp_free(&vapp.uuid),
                values: vapp.metadata.clone(),
                owner: vapp_reference(&vapp, ctx.site),
            };
            metadata::handle(call, ctx, infra, object, path)
        }
        (&Method::POST, action) => {
            let request = PowerRequest::parse(call, action)?;
            power(call, ctx, infra, &vapp, request)
        }
        _ => Err(no_such_url()),
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

fn delete(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vapp: &Vapp,
) -> Result<Reply, Problem> {
    require(call, right::DELETE, "VAPP_DELETE", &vapp.uuid)?;
    infra.require_vapp_free(&vapp.uuid)?;
    if infra.vapp_deployed(&vapp.uuid) {
        return Err(Problem::bad_request(format!(
            "The requested operation could not be executed since vApp \"{}\" is running. Stop the \
             vApp and retry the operation.",
            vapp.name
        )));
    }
    let holds = infra
        .vm_ids_of(&vapp.uuid)
        .into_iter()
        .chain([vapp.uuid.clone()])
        .collect();
    let kind = Kind {
        name: "vdcDeleteVapp",
        busy_name: "VDC_DELETE_VAPP",
        verb: "Deleting Virtual Application",
        takes: ctx.timings.delete,
    };
    let change = Change::DeleteVapp {
        vapp: vapp.uuid.clone(),
    };
    Ok(start(call, ctx, infra, vapp, (kind, holds, change)))
}

fn start(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vapp: &Vapp,
    (kind, holds, change): (Kind, Vec<String>, Change),
) -> Reply {
    let owner = vapp_reference(vapp, ctx.site);
    let operation = Operation {
        kind,
        starter: &Starter::of(call),
        owner,
        holds,
        change,
    };
    let task = infra.submit(operation, ctx);
    task_reply(call, ctx, &task)
}

fn put_networks(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vapp: &Vapp,
) -> Result<Reply, Problem> {
    require(call, right::EDIT, "VAPP_EDIT_NETWORKS", &vapp.uuid)?;
    infra.require_vapp_free(&vapp.uuid)?;
    let networks = networks(infra, &vapp.vdc, Some(&Element::parse(call.body)?))?;
    let vms = infra.vms_of(&vapp.uuid);
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
        takes: ctx.timings.reconfigure,
    };
    let change = Change::Networks {
        vapp: vapp.uuid.clone(),
        networks,
    };
    Ok(start(
        call,
        ctx,
        infra,
        vapp,
        (kind, vec![vapp.uuid.clone()], change),
    ))
}

/// Reads the networks of a section; each must be bridged to a network of the VDC.
fn networks(
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
        let uuid = href.rsplit(['/', ':']).next().unwrap_or_default();
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

fn recompose(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vapp: &Vapp,
) -> Result<Reply, Problem> {
    require(call, right::CREATE, "VAPP_RECOMPOSE", &vapp.uuid)?;
    infra.require_vapp_free(&vapp.uuid)?;
    let body = Element::parse(call.body)?;
    let removed = delete_items(infra, vapp, &body)?;
    if !removed.is_empty() {
        require(call, right::DELETE, "VAPP_DELETE_VMS", &vapp.uuid)?;
    }
    let items = sourced_items(call, infra, vapp, &body)?;
    let power_on = body.attribute("powerOn") == Some("true");
    let added: Vec<String> = items
        .into_iter()
        .map(|item| infra.add_copy(vapp, item, ctx))
        .collect();
    let task = infra.recompose(vapp, (added, removed), power_on, &Starter::of(call), ctx);
    Ok(task_reply(call, ctx, &task))
}

impl Infra {
    /// Starts the task that ends copies into a vApp and takes VMs away; returns its bare UUID.
    pub(crate) fn recompose(
        &mut self,
        vapp: &Vapp,
        (added, removed): (Vec<String>, Vec<String>),
        power_on: bool,
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> String {
        let takes = if added.is_empty() {
            ctx.timings.delete
        } else {
            ctx.timings.recompose
        };
        let kind = Kind {
            name: "vdcRecomposeVapp",
            busy_name: "VDC_RECOMPOSE_VAPP",
            verb: "Recomposing Virtual Application",
            takes,
        };
        let vms = added.iter().chain(&removed).cloned();
        let operation = Operation {
            kind,
            starter,
            owner: vapp_reference(vapp, ctx.site),
            holds: vms.chain([vapp.uuid.clone()]).collect(),
            change: Change::Recompose {
                vapp: vapp.uuid.clone(),
                added,
                removed,
                power_on,
            },
        };
        self.submit(operation, ctx)
    }
}

/// Deploy, undeploy and power of all VMs of a vApp.
fn power(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vapp: &Vapp,
    request: PowerRequest,
) -> Result<Reply, Problem> {
    require(call, right::POWER, "VAPP_POWER_OPERATIONS", &vapp.uuid)?;
    infra.require_vapp_free(&vapp.uuid)?;
    let vms = infra.vms_of(&vapp.uuid);
    let deployed = infra.vapp_deployed(&vapp.uuid);
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
    let holds = infra
        .vm_ids_of(&vapp.uuid)
        .into_iter()
        .chain([vapp.uuid.clone()])
        .collect();
    let (kind, change) = request.operation(true, chosen, ctx.timings);
    Ok(start(call, ctx, infra, vapp, (kind, holds, change)))
}
