//! VMs that are to be: what compositions and standalone creations ask for, and how a VM comes to be.
//!
//! Flow: request element -> checked [`NewVm`] -> a VM of status `UNRESOLVED`, which the end of the
//! task turns into a powered-off one with an address.
//!
//! Invariants:
//! - Everything a request names (template, network, policies, storage profile) is checked before the
//!   task is accepted; names of VMs are unique inside a vApp.
//!
//! Source: VCD API, `SourcedItem`, `CreateItem`, `DeleteItem`; policy hrefs may be bare URNs.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{self, refused, require, right};
use super::machine::{Customization, InternalDisk, Nic, Status, Vapp, Vm};
use super::site::Template;
use super::submissions::duplicate_vm;
use super::vm_changes::{
    MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS, NewCustomization, checked, new_customization,
};
use super::vm_spec::{self, Hardware};
use super::{Infra, media, nics};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// A VM to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewVm {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Bare UUID of the template; empty for a VM made from nothing.
    pub(crate) template: String,
    pub(crate) customization: Customization,
    pub(crate) nics: Vec<Nic>,
    /// Bare UUID; the default of the VDC when absent.
    pub(crate) storage_profile: Option<String>,
    /// Bare UUIDs.
    pub(crate) sizing_policy: Option<String>,
    pub(crate) placement_policy: Option<String>,
    pub(crate) hardware: Hardware,
}

/// CPUs and memory of a copy without a sizing policy, as the TKG images ship.
pub(crate) const DEFAULT_CPUS: u32 = 2;
pub(crate) const DEFAULT_MEMORY_MIB: u32 = 4096;

/// Reads the `SourcedItem`s and `CreateItem`s of a request for `vapp`.
pub(crate) fn items(
    call: &Call<'_>,
    infra: &Infra,
    vapp: &Vapp,
    body: &Element,
) -> Result<Vec<NewVm>, Problem> {
    let mut names = BTreeSet::new();
    let mut items = Vec::new();
    let sourced = body.all("SourcedItem").map(|item| (item, true));
    let created = body.all("CreateItem").map(|item| (item, false));
    for (item, sourced) in sourced.chain(created) {
        let new = if sourced {
            sourced_item(call, infra, vapp, (item, "InstantiationParams"))?
        } else {
            created_item(call, infra, vapp, item)?
        };
        infra.require_free_vm_name(&vapp.uuid, &new.name, None)?;
        if !names.insert(new.name.clone()) {
            return Err(duplicate_vm(&new.name));
        }
        items.push(new);
    }
    Ok(items)
}

/// What a copy is made of.
struct Source {
    template: String,
    name: String,
    hardware: Hardware,
}

/// Reads a copy of a template's VM or of another VM; `params` names the element with its sections.
pub(crate) fn sourced_item(
    call: &Call<'_>,
    infra: &Infra,
    vapp: &Vapp,
    (item, params): (&Element, &str),
) -> Result<NewVm, Problem> {
    require(
        call,
        right::ADD_FROM_CATALOG,
        "VAPP_ADD_FROM_CATALOG",
        &vapp.uuid,
    )?;
    let named = item
        .get("Source")
        .ok_or_else(|| Problem::bad_request("SourcedItem has no Source."))?;
    if item.attribute("sourceDelete") == Some("true") {
        return Err(Problem::bad_request(
            "A VM cannot be moved into another vApp here; copy it instead.",
        ));
    }
    let source = source(call, infra, named.attribute("href").unwrap_or_default())?;
    let general = item.get("VmGeneralParams");
    let name = general
        .and_then(|general| general.text_of("Name"))
        .or_else(|| named.attribute("name"))
        .filter(|name| !name.is_empty())
        .unwrap_or(&source.name);
    let description = general.and_then(|general| general.text_of("Description"));
    let needs = general.and_then(|general| general.text_of("NeedsCustomization")) == Some("true");
    let sections = Sections {
        name,
        description: description.unwrap_or_default(),
        needs_customization: needs,
        params: item.get(params),
        item,
    };
    sections.read(infra, vapp, (source.template, source.hardware))
}

/// Reads a VM that is made from nothing: `CreateItem` of a recomposition, `CreateVm` of a standalone one.
pub(crate) fn created_item(
    call: &Call<'_>,
    infra: &Infra,
    vapp: &Vapp,
    item: &Element,
) -> Result<NewVm, Problem> {
    let spec = item.get("VmSpecSection");
    let mut hardware = match spec {
        Some(spec) => vm_spec::of_new(infra, &vapp.vdc, spec)?,
        None => Hardware {
            disks: Some(Vec::new()),
            ..Hardware::default()
        },
    };
    hardware.medium = media::named(call, infra, item.get("Media"))?;
    let sections = Sections {
        name: item.attribute("name").unwrap_or_default(),
        description: item.text_of("Description").unwrap_or_default(),
        needs_customization: false,
        params: Some(item),
        item,
    };
    sections.read(infra, vapp, (String::new(), hardware))
}

/// Where the parts of a new VM stand in a request.
struct Sections<'a> {
    name: &'a str,
    description: &'a str,
    needs_customization: bool,
    /// Holds guest customization and network cards.
    params: Option<&'a Element>,
    /// Holds storage profile and policies.
    item: &'a Element,
}

impl Sections<'_> {
    fn read(
        &self,
        infra: &Infra,
        vapp: &Vapp,
        (template, mut hardware): (String, Hardware),
    ) -> Result<NewVm, Problem> {
        let name = checked("name", self.name, MAX_NAME_CHARS)?;
        let section = |name| self.params.and_then(|params| params.get(name));
        let guest = section("GuestCustomizationSection");
        let guest = guest.map(new_customization).transpose()?;
        let cards = section("NetworkConnectionSection");
        let (cards, primary) = match cards {
            Some(section) => nics::read(vapp, section)?,
            None => (Vec::new(), 0),
        };
        hardware.machine.primary_nic = primary;
        let policy = |name| match self.item.get("ComputePolicy") {
            Some(section) => infra.policy_of(section, name),
            None => Ok(None),
        };
        Ok(NewVm {
            description: checked("Description", self.description, MAX_DESCRIPTION_CHARS)?,
            template,
            customization: self.customization(guest.unwrap_or_default(), &name),
            nics: cards,
            storage_profile: infra.profile_of(&vapp.vdc, self.item)?,
            sizing_policy: policy("VmSizingPolicy")?,
            placement_policy: policy("VmPlacementPolicy")?,
            hardware,
            name,
        })
    }

    fn customization(&self, guest: NewCustomization, name: &str) -> Customization {
        Customization {
            enabled: guest.enabled.unwrap_or(self.needs_customization),
            computer_name: guest.computer_name.unwrap_or_else(|| name.to_owned()),
            script: guest.script.unwrap_or_default(),
            complete: false,
            switches: guest.switches,
        }
    }
}

/// What is behind the href of a template, of its VM, or of a VM.
fn source(call: &Call<'_>, infra: &Infra, href: &str) -> Result<Source, Problem> {
    let last = href.rsplit('/').next().unwrap_or_default();
    let (kind, uuid) = last.split_once('-').unwrap_or(("", last));
    if kind == "vm" && infra.vms.contains_key(uuid) {
        let vm = access::vm(call, infra, uuid)?;
        return Ok(Source {
            template: vm.template.clone(),
            name: vm.name.clone(),
            hardware: Hardware {
                cpus: Some(vm.cpus),
                memory_mib: Some(vm.memory_mib),
                disks: Some(vm.disks.clone()),
                machine: vm.machine.clone(),
                medium: None,
            },
        });
    }
    let template = template(call, infra, uuid)?;
    if template.upload.is_some() {
        let text = format!("The vApp template \"{}\" is not uploaded.", template.name);
        return Err(Problem::bad_request(text));
    }
    Ok(Source {
        template: template.uuid.clone(),
        name: template.name.clone(),
        hardware: Hardware::default(),
    })
}

/// The template with this UUID, or whose VM has it, if the caller may see it.
pub(crate) fn template<'a>(
    call: &Call<'_>,
    infra: &'a Infra,
    uuid: &str,
) -> Result<&'a Template, Problem> {
    let mut templates = infra.templates.values();
    let found = templates.find(|one| one.vm == uuid || one.uuid == uuid);
    found
        .filter(|one| {
            let catalog = infra.catalogs.get(&one.catalog);
            catalog.is_some_and(|catalog| catalog.seen_by(&call.principal))
        })
        .ok_or_else(|| refused("Base", "VAPP_TEMPLATE_VIEW", uuid))
}

/// Reads the `DeleteItem`s of a request: VMs of `vapp` that can be deleted.
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
        infra.require_deletable(vm)?;
        vms.push(vm.uuid.clone());
    }
    Ok(vms)
}

impl Infra {
    /// Puts a VM that is still being made into `vapp`; returns its bare UUID.
    pub(crate) fn add_copy(&mut self, vapp: &Vapp, new: NewVm, ctx: &mut Context<'_>) -> String {
        let uuid = ctx.uuid();
        let NewVm {
            mut nics, hardware, ..
        } = new;
        for nic in nics.iter_mut().filter(|nic| nic.mac.is_empty()) {
            nic.mac = self.next_mac();
        }
        let policy = new
            .sizing_policy
            .as_ref()
            .and_then(|uuid| self.policies.get(uuid));
        let default = self.default_profile(&vapp.vdc).unwrap_or_default();
        let disks = hardware.disks.unwrap_or_else(|| {
            let template = self.templates.get(&new.template);
            let boot = template.map(|template| InternalDisk::boot(template.disk_mib));
            boot.into_iter().collect()
        });
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
            cpus: policy
                .map(|policy| policy.cpus)
                .or(hardware.cpus)
                .unwrap_or(DEFAULT_CPUS),
            memory_mib: policy
                .map(|policy| policy.memory_mib)
                .or(hardware.memory_mib)
                .unwrap_or(DEFAULT_MEMORY_MIB),
            disks,
            machine: hardware.machine,
            template: new.template,
            storage_profile: new.storage_profile.unwrap_or(default),
            sizing_policy: new.sizing_policy,
            placement_policy: new.placement_policy,
            metadata: BTreeMap::new(),
            product: None,
            medium: hardware.medium,
            snapshot: None,
        };
        self.vms.insert(uuid.clone(), vm);
        uuid
    }
}
