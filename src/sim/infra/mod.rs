//! VDCs, networks, templates, policies, vApps and VMs: what a tenant's token can build with.
//!
//! Flow: [`handle`] answers requests of the infrastructure paths; what takes time becomes a task and
//! an [`operations::Due`] in the schedule, and happens in [`fire`].
//!
//! Invariants:
//! - The effect of a task happens at its end; until then its objects are busy and refuse other work.
//! - What a caller may not see and what does not exist answer alike.
//! - Handlers and actors submit the same operations; `effects` carries them out.
//!
//! Not here: who works inside the machines (`sim::actors`), entities (`sim::entities`).
//! Source: VCD API, vApp and VM life cycle, query service.

pub(crate) mod access;
mod catalog_changes;
mod catalog_effects;
mod catalogs;
pub(crate) mod disk;
mod disk_document;
mod disk_effects;
mod disks;
mod document;
pub(crate) mod effects;
pub(crate) mod machine;
mod media;
mod metadata;
mod nics;
pub(crate) mod operations;
mod orgs;
mod ovf;
mod policies;
pub(crate) mod power;
mod products;
mod profiles;
pub(crate) mod query;
pub(crate) mod recompose;
mod records;
mod settings;
pub(crate) mod sharing;
pub(crate) mod site;
mod standalone;
pub(crate) mod submissions;
mod told;
mod transfers;
mod uploads;
mod vapp_networks;
mod vapp_sections;
mod vapps;
mod vdc_api;
mod vdcs;
pub(crate) mod view;
mod vm_actions;
mod vm_changes;
mod vm_disks;
mod vm_document;
mod vm_sections;
pub(crate) mod vm_spec;
mod vms;
pub(crate) mod volumes;

use std::collections::BTreeMap;

use http::Method;

pub(crate) use operations::{Due, fire};

use serde::{Deserialize, Serialize};

use super::actors::Actors;
use super::call::Call;
use super::context::Context;
use super::reply::{Problem, Reply};
use super::task_api::TASK_MEDIA;
use super::xml::task_document;
use disk::Disk;
use machine::{Vapp, Vm};
use operations::Busy;
use site::{Catalog, Medium, Network, Policy, StorageProfile, Template, Vdc};

/// What may differ from site to site.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// Whether a VDC refuses a second vApp of one name.
    pub(crate) unique_vapp_names: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            unique_vapp_names: true,
        }
    }
}

/// All infrastructure of the site; every map goes by bare UUID.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Infra {
    pub(crate) rules: Rules,
    pub(crate) vdcs: BTreeMap<String, Vdc>,
    pub(crate) networks: BTreeMap<String, Network>,
    pub(crate) catalogs: BTreeMap<String, Catalog>,
    pub(crate) media: BTreeMap<String, Medium>,
    pub(crate) templates: BTreeMap<String, Template>,
    pub(crate) policies: BTreeMap<String, Policy>,
    pub(crate) storage_profiles: BTreeMap<String, StorageProfile>,
    pub(crate) vapps: BTreeMap<String, Vapp>,
    pub(crate) vms: BTreeMap<String, Vm>,
    pub(crate) disks: BTreeMap<String, Disk>,
    /// Objects a running task holds, by bare UUID.
    pub(crate) busy: BTreeMap<String, Busy>,
    /// What runs inside the machines.
    pub(crate) actors: Actors,
    /// MAC addresses handed out so far.
    pub(crate) macs: u32,
}

/// One request in hand: who asks for what, the parts of the world that all areas use, and this area's own.
pub(crate) struct Desk<'a, 'c> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) ctx: &'a mut Context<'c>,
    pub(crate) infra: &'a mut Infra,
}

impl Desk<'_, '_> {
    /// 202 with the task, by its bare UUID.
    pub(crate) fn accepted(&self, task: &str) -> Reply {
        let found = self.ctx.tasks.get(task);
        let body = found
            .map(|task| task_document(task, self.ctx))
            .unwrap_or_default();
        Reply::xml(202, self.call.version, TASK_MEDIA, body)
            .with_header("location", format!("{}/api/task/{task}", self.ctx.site))
    }
}

/// Answers a request of the infrastructure paths.
///
/// # Errors
/// The refusal VCD gives: 403 for what is not permitted or not there, 400 for what does not fit.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
) -> Result<Reply, Problem> {
    let path = call.path();
    match path.as_slice() {
        ["api", "admin", "org", org, "catalogs"] => {
            catalog_changes::create(&mut Desk { call, ctx, infra }, org)
        }
        ["api", "org", _, "catalog", id, rest @ ..] if !rest.is_empty() => {
            catalog_changes::handle(&mut Desk { call, ctx, infra }, (id, false), rest)
        }
        ["api", "org", rest @ ..] | ["api", "admin", "org", rest @ ..] => {
            orgs::handle(call, ctx, infra, rest)
        }
        ["api", "vdc", id, "action", "composeVApp"] => {
            vapps::compose(&mut Desk { call, ctx, infra }, id)
        }
        ["api", "vdc", id, "action", "instantiateVAppTemplate"] => {
            standalone::from_template(&mut Desk { call, ctx, infra }, id)
        }
        ["api", "vdc", id, "action", "instantiateVmTemplate"] => {
            standalone::vm_from_template(&mut Desk { call, ctx, infra }, id)
        }
        ["api", "vdc", id, "action", "createVm"] => {
            standalone::create_vm(&mut Desk { call, ctx, infra }, id)
        }
        ["api", "vdc", id, "disk"] => disks::create(&mut Desk { call, ctx, infra }, id),
        ["api", "disk", id, rest @ ..] => disks::handle(&mut Desk { call, ctx, infra }, id, rest),
        ["api", "vdc", id] | ["api", "admin", "vdc", id] => vdcs::vdc(call, ctx, infra, id),
        ["api", "network", id] | ["api", "admin", "network", id] => {
            network(&mut Desk { call, ctx, infra }, id)
        }
        ["api", "vdcStorageProfile", id] => vdcs::storage_profile(call, ctx, infra, (id, false)),
        ["api", "admin", "vdcStorageProfile", id] => {
            vdcs::storage_profile(call, ctx, infra, (id, true))
        }
        ["api", "vdc", id, "hwv", name] => vdcs::hardware_version(call, ctx, infra, (id, name)),
        ["api", "admin", "extension", "settings", "general"] => settings::general(call, ctx),
        [
            "api",
            "catalog" | "catalogItem" | "media" | "vAppTemplate",
            ..,
        ]
        | ["api", "admin", "catalog", ..]
        | ["transfer", ..] => content(&mut Desk { call, ctx, infra }, path.as_slice()),
        ["api", "vApp", id, rest @ ..] => vapp_or_vm(&mut Desk { call, ctx, infra }, id, rest),
        ["cloudapi", _, "vdcComputePolicies", rest @ ..] => {
            policies::handle(call, ctx, infra, rest)
        }
        ["cloudapi", _, "vdcs", id, "computePolicies"] => policies::of_vdc(call, ctx, infra, id),
        ["api", "vdc", id, "computePolicies"] | ["api", "admin", "vdc", id, "computePolicies"] => {
            policies::assigned(call, ctx, infra, id)
        }
        ["cloudapi", _, "vdcs", rest @ ..] => vdc_api::handle(call, ctx, infra, rest),
        _ => Err(Problem::no_such_url()),
    }
}

/// Catalogs, and what is in them.
fn content(desk: &mut Desk<'_, '_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        ["api", "catalog", id, "action", "upload"] => uploads::start(desk, id),
        ["api", "catalog", id] | ["api", "admin", "catalog", id]
            if *desk.call.method == Method::GET =>
        {
            catalogs::catalog(desk.call, desk.ctx, desk.infra, id)
        }
        ["api", "admin", "catalog", id, rest @ ..] => {
            catalog_changes::handle(desk, (id, true), rest)
        }
        ["api", "catalog", id, rest @ ..] => catalog_changes::handle(desk, (id, false), rest),
        ["api", "media", id] => media::handle(desk, id),
        ["api", "catalogItem", id] => catalogs::item(desk, id),
        ["transfer", id, _] => transfers::put(desk, id),
        ["api", "vAppTemplate", id] => catalogs::template(desk, id),
        ["api", "vAppTemplate", id, rest @ ..] => catalogs::of_template(desk, id, rest),
        _ => Err(Problem::no_such_url()),
    }
}

/// A network of a VDC, or the deletion of one inside a vApp.
fn network(desk: &mut Desk<'_, '_>, id: &str) -> Result<Reply, Problem> {
    let inside = (*desk.call.method == Method::DELETE).then(|| vapp_networks::delete(desk, id));
    let other = || vdcs::network(desk.call, desk.ctx, desk.infra, id);
    inside.flatten().unwrap_or_else(other)
}

fn vapp_or_vm(desk: &mut Desk<'_, '_>, id: &str, rest: &[&str]) -> Result<Reply, Problem> {
    match id.split_once('-') {
        Some(("vapp", uuid)) => vapps::handle(desk, uuid, rest),
        Some(("vm", uuid)) => vms::handle(desk, uuid, rest),
        _ => Err(Problem::no_such_url()),
    }
}

/// Refuses methods a resource does not have.
pub(crate) fn require_method(call: &Call<'_>, method: &Method) -> Result<(), Problem> {
    if call.method == method {
        return Ok(());
    }
    Err(Problem::new(
        405,
        "METHOD_NOT_ALLOWED",
        format!("{} is not allowed here.", call.method),
    ))
}
