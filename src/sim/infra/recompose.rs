//! What `composeVApp` and `recomposeVApp` ask for: copies of template VMs, and VMs to take away.
//!
//! Flow: request element -> checked [`NewVm`]s -> VMs of status `UNRESOLVED`, which the end of the
//! task turns into powered-off ones with an address.
//!
//! Invariants:
//! - Everything a request names (template, network, policies, storage profile) is checked before the
//!   task is accepted; names of VMs are unique inside a vApp.
//!
//! Source: VCD API, `SourcedItem`, `DeleteItem`; policy hrefs may be bare URNs.

use std::collections::{BTreeMap, BTreeSet};

use super::Infra;
use super::access::{refused, require, right, sees};
use super::machine::{Customization, InternalDisk, Machine, Nic, Status, Vapp, Vm};
use super::site::Template;
use super::submissions::duplicate_vm;
use super::vm_changes::{MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, checked, new_customization, nic};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// A VM to be copied from a template.
#[derive(Clone, Debug)]
pub(crate) struct NewVm {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Bare UUID of the template.
    pub(crate) template: String,
    pub(crate) customization: Customization,
    pub(crate) nics: Vec<Nic>,
    /// Bare UUID; the default of the VDC when absent.
    pub(crate) storage_profile: Option<String>,
    /// Bare UUIDs.
    pub(crate) sizing_policy: Option<String>,
    pub(crate) placement_policy: Option<String>,
}

/// CPUs and memory of a copy without a sizing policy, as the TKG images ship.
const DEFAULT_CPUS: u32 = 2;
const DEFAULT_MEMORY_MIB: u32 = 4096;

/// Reads the `SourcedItem`s of a request for `vapp`.
pub(crate) fn sourced_items(
    call: &Call<'_>,
    infra: &Infra,
    vapp: &Vapp,
    body: &Element,
) -> Result<Vec<NewVm>, Problem> {
    let mut names = BTreeSet::new();
    let mut items = Vec::new();
    for item in body.all("SourcedItem") {
        let new = sourced_item(call, infra, vapp, item)?;
        infra.require_free_vm_name(&vapp.uuid, &new.name, None)?;
        if !names.insert(new.name.clone()) {
            return Err(duplicate_vm(&new.name));
        }
        items.push(new);
    }
    Ok(items)
}

fn sourced_item(
    call: &Call<'_>,
    infra: &Infra,
    vapp: &Vapp,
    item: &Element,
) -> Result<NewVm, Problem> {
    require(
        call,
        right::ADD_FROM_CATALOG,
        "VAPP_ADD_FROM_CATALOG",
        &vapp.uuid,
    )?;
    let source = item
        .get("Source")
        .ok_or_else(|| Problem::bad_request("SourcedItem has no Source."))?;
    let template = template(call, infra, source.attribute("href").unwrap_or_default())?;
    let general = item.get("VmGeneralParams");
    let name = general
        .and_then(|general| general.text_of("Name"))
        .or_else(|| source.attribute("name"))
        .unwrap_or(&template.name);
    let name = checked("name", name, MAX_NAME_CHARS)?;
    let description = general.and_then(|general| general.text_of("Description"));
    let params = item.get("InstantiationParams");
    let guest = params.and_then(|params| params.get("GuestCustomizationSection"));
    let guest = guest
        .map(new_customization)
        .transpose()?
        .unwrap_or_default();
    let needs = general.and_then(|general| general.text_of("NeedsCustomization")) == Some("true");
    let nics = params.and_then(|params| params.get("NetworkConnectionSection"));
    let policy = |name| {
        item.path(&["ComputePolicy", name])
            .and_then(|policy| policy.attribute("href"))
    };
    Ok(NewVm {
        description: checked(
            "Description",
            description.unwrap_or_default(),
            MAX_DESCRIPTION_CHARS,
        )?,
        template: template.uuid.clone(),
        customization: Customization {
            enabled: guest.enabled.unwrap_or(needs),
            computer_name: guest.computer_name.unwrap_or_else(|| name.clone()),
            script: guest.script.unwrap_or_default(),
            complete: false,
        },
        nics: nics
            .map(|section| cards(vapp, section))
            .transpose()?
            .unwrap_or_default(),
        storage_profile: infra.profile_of(&vapp.vdc, item)?,
        sizing_policy: compute_policy(infra, policy("VmSizingPolicy"))?,
        placement_policy: compute_policy(infra, policy("VmPlacementPolicy"))?,
        name,
    })
}

/// The template behind the href of its VM or of itself, if the caller may see it.
fn template<'a>(call: &Call<'_>, infra: &'a Infra, href: &str) -> Result<&'a Template, Problem> {
    let last = href.rsplit('/').next().unwrap_or_default();
    let uuid = last
        .split_once('-')
        .map(|(_, uuid)| uuid)
        .unwrap_or_default();
    let found = infra
        .templates
        .values()
        .find(|one| one.vm == uuid || one.uuid == uuid);
    found
        .filter(|one| {
            let catalog = infra.catalogs.get(&one.catalog);
            catalog.is_some_and(|catalog| sees(&call.principal, &catalog.org_id))
        })
        .ok_or_else(|| refused("Base", "VAPP_TEMPLATE_VIEW", uuid))
}

fn cards(vapp: &Vapp, section: &Element) -> Result<Vec<Nic>, Problem> {
    let cards: Vec<Nic> = section.all("NetworkConnection").map(nic).collect();
    let unknown = cards.iter().find(|nic| {
        nic.network != "none" && !vapp.networks.iter().any(|known| known.name == nic.network)
    });
    match unknown {
        Some(nic) => Err(Problem::new(
            400,
            "INVALID_REFERENCE",
            format!(
                "The vApp \"{}\" has no network \"{}\".",
                vapp.name, nic.network
            ),
        )),
        None => Ok(cards),
    }
}

fn compute_policy(infra: &Infra, href: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(href) = href.filter(|href| !href.is_empty()) else {
        return Ok(None);
    };
    let uuid = bare(href);
    match infra.policies.get(uuid) {
        Some(policy) => Ok(Some(policy.uuid.clone())),
        None => Err(Problem::new(
            400,
            "INVALID_REFERENCE",
            format!("The compute policy {uuid} is not available in this VDC."),
        )),
    }
}

/// Reads the `DeleteItem`s of a request: VMs of `vapp` that are undeployed.
pub(crate) fn delete_items(
    infra: &Infra,
    vapp: &Vapp,
    body: &Element,
) -> Result<Vec<String>, Problem> {
    let mut vms = Vec::new();
    for item in body.all("DeleteItem") {
        let href = item.attribute("href").unwrap_or_default();
        let uuid = href
            .rsplit_once("/vm-")
            .map(|(_, uuid)| uuid)
            .unwrap_or_default();
        let vm = infra.vms.get(uuid).filter(|vm| vm.vapp == vapp.uuid);
        let vm = vm.ok_or_else(|| refused("Base", "VAPP_VM_VIEW", uuid))?;
        super::vms::require_undeployed(vm)?;
        vms.push(vm.uuid.clone());
    }
    Ok(vms)
}

impl Infra {
    /// Puts a VM that is still being copied into `vapp`; returns its bare UUID.
    pub(crate) fn add_copy(&mut self, vapp: &Vapp, new: NewVm, ctx: &mut Context<'_>) -> String {
        let uuid = ctx.uuid();
        let NewVm { mut nics, .. } = new;
        for nic in &mut nics {
            nic.mac = self.next_mac();
        }
        let policy = new
            .sizing_policy
            .as_ref()
            .and_then(|uuid| self.policies.get(uuid));
        let default = self.default_profile(&vapp.vdc).unwrap_or_default();
        let vm = Vm {
            uuid: uuid.clone(),
            name: new.name,
            description: new.description,
            vapp: vapp.uuid.clone(),
            status: Status::Unresolved,
            deployed: false,
            created: ctx.wall,
            nics,
            customization: new.customization,
            extra_config: BTreeMap::new(),
            cpus: policy.map_or(DEFAULT_CPUS, |policy| policy.cpus),
            memory_mib: policy.map_or(DEFAULT_MEMORY_MIB, |policy| policy.memory_mib),
            disks: self
                .templates
                .get(&new.template)
                .map(|template| InternalDisk::boot(template.disk_mib))
                .into_iter()
                .collect(),
            machine: Machine::default(),
            template: new.template,
            storage_profile: new.storage_profile.unwrap_or(default),
            sizing_policy: new.sizing_policy,
            placement_policy: new.placement_policy,
            metadata: BTreeMap::new(),
            product: None,
            medium: None,
            snapshot: None,
        };
        self.vms.insert(uuid.clone(), vm);
        uuid
    }
}
