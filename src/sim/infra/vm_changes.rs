//! What a reconfiguration changes of one VM, read from request sections and applied at the task's end.
//!
//! Invariants:
//! - Prefixes do not matter: CAPVCD copies them from an answer into its request without declaring them.
//! - Extra config is merged: keys not mentioned stay, an empty value removes its key.
//! - Each kind of change demands its own right, before anything is accepted; what is sent as it was
//!   read is no change and demands none.
//!
//! Not here: CPUs, memory and disks (`infra::vm_spec`), network cards (`infra::nics`).
//! Source: VCD API, `reconfigureVm`, `virtualHardwareSection`, `guestCustomizationSection`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::{require, right};
use super::effects::gone;
use super::machine::{InternalDisk, Machine, Nic, Snapshot, Vm};
use super::{Infra, nics, vm_spec};
use crate::sim::call::Call;
use crate::sim::reply::Problem;
use crate::sim::xml::Element;

/// Longest name of a VM or vApp.
pub(crate) const MAX_NAME_CHARS: usize = 128;
/// Longest description.
pub(crate) const MAX_DESCRIPTION_CHARS: usize = 256;
/// Longest computer name of a Linux guest.
const MAX_COMPUTER_NAME_CHARS: usize = 63;

/// One change of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum VmChange {
    Name(String),
    Description(String),
    Cpus(u32),
    MemoryMib(u32),
    /// All disks of its own.
    Disks(Vec<InternalDisk>),
    /// New sizes in MiB of named disks, by bare UUID.
    NamedDisks(Vec<(String, u64)>),
    Machine(Machine),
    /// Merged into what is there; an empty value removes the key.
    ExtraConfig(Vec<(String, String)>),
    Customization(NewCustomization),
    /// All cards by index, and which is the primary one.
    Nics(Vec<Nic>, usize),
    /// Bare UUID.
    StorageProfile(String),
    /// Bare UUIDs.
    Policies {
        sizing: Option<String>,
        placement: Option<String>,
    },
    Product(Vec<Element>),
    /// Bare UUID of what is in the drive.
    Medium(Option<String>),
    Snapshot(Option<Snapshot>),
}

/// A guest customization section as sent; absent parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewCustomization {
    pub(crate) enabled: Option<bool>,
    pub(crate) computer_name: Option<String>,
    pub(crate) script: Option<String>,
    /// Switches of [`SWITCHES`].
    pub(crate) switches: BTreeMap<String, String>,
}

/// Parts of a guest customization that are kept and shown, with what they are at first.
pub(crate) const SWITCHES: [(&str, &str); 8] = [
    ("ChangeSid", "false"),
    ("JoinDomainEnabled", "false"),
    ("UseOrgSettings", "false"),
    ("AdminPasswordEnabled", "true"),
    ("AdminPasswordAuto", "false"),
    ("AdminAutoLogonEnabled", "false"),
    ("AdminAutoLogonCount", "0"),
    ("ResetPasswordRequired", "false"),
];

/// Applies one change.
pub(crate) fn apply(change: VmChange, uuid: &str, infra: &mut Infra) -> Result<(), Problem> {
    let policy = if let VmChange::Policies {
        sizing: Some(sizing),
        ..
    } = &change
    {
        let policy = infra.policies.get(sizing);
        policy.map(|policy| (policy.cpus, policy.memory_mib))
    } else {
        None
    };
    let vm = infra.vms.get_mut(uuid).ok_or_else(|| gone("VM", uuid))?;
    match change {
        VmChange::Name(name) => vm.name = name,
        VmChange::Description(description) => vm.description = description,
        VmChange::Cpus(cpus) => vm.cpus = cpus,
        VmChange::MemoryMib(memory) => vm.memory_mib = memory,
        VmChange::Disks(disks) => vm.disks = disks,
        VmChange::NamedDisks(sizes) => {
            for (disk, size_mib) in sizes {
                let disk = infra
                    .disks
                    .get_mut(&disk)
                    .ok_or_else(|| gone("disk", &disk))?;
                disk.size_mib = disk.size_mib.max(size_mib);
            }
        }
        VmChange::Machine(machine) => vm.machine = machine,
        VmChange::ExtraConfig(pairs) => merge(pairs, &mut vm.extra_config),
        VmChange::Customization(new) => customize(new, vm),
        VmChange::Nics(cards, primary) => {
            vm.machine.primary_nic = primary;
            infra.set_nics(uuid, cards)?;
        }
        VmChange::StorageProfile(profile) => vm.storage_profile = profile,
        VmChange::Policies { sizing, placement } => {
            vm.sizing_policy = sizing;
            vm.placement_policy = placement;
            if let Some((cpus, memory)) = policy {
                vm.cpus = cpus;
                vm.memory_mib = memory;
            }
        }
        VmChange::Product(sections) => vm.product = Some(sections),
        VmChange::Medium(medium) => vm.medium = medium,
        VmChange::Snapshot(snapshot) => vm.snapshot = snapshot,
    }
    Ok(())
}

fn merge(pairs: Vec<(String, String)>, config: &mut BTreeMap<String, String>) {
    for (key, value) in pairs {
        if value.is_empty() {
            config.remove(&key);
        } else {
            config.insert(key, value);
        }
    }
}

fn customize(new: NewCustomization, vm: &mut Vm) {
    let old = &mut vm.customization;
    old.enabled = new.enabled.unwrap_or(old.enabled);
    old.computer_name = new
        .computer_name
        .unwrap_or_else(|| old.computer_name.clone());
    old.script = new.script.unwrap_or_else(|| old.script.clone());
    old.switches.extend(new.switches);
}

/// Reads a `reconfigureVm` body.
pub(crate) fn of_reconfigure(
    call: &Call<'_>,
    infra: &Infra,
    body: &Element,
    vm: &Vm,
) -> Result<Vec<VmChange>, Problem> {
    let mut changes = naming(call, body, vm)?;
    if let Some(section) = body.get("VirtualHardwareSection") {
        changes.extend(extra_config(call, section, vm)?);
    }
    if let Some(section) = body.get("GuestCustomizationSection") {
        changes.push(customization(call, section, vm)?);
    }
    if let Some(section) = body.get("NetworkConnectionSection") {
        changes.extend(network_cards(call, infra, section, vm)?);
    }
    if let Some(spec) = body
        .get("VmSpecSection")
        .filter(|spec| spec.attribute("Modified") == Some("true"))
    {
        changes.extend(vm_spec::changes(call, infra, vm, spec)?);
    }
    changes.extend(placing(call, infra, body, vm)?);
    if let Some(options) = body.get("BootOptions") {
        changes.extend(boot_options(call, options, vm)?);
    }
    Ok(changes)
}

fn naming(call: &Call<'_>, body: &Element, vm: &Vm) -> Result<Vec<VmChange>, Problem> {
    let name = body
        .attribute("name")
        .filter(|name| !name.is_empty() && *name != vm.name);
    let description = body
        .text_of("Description")
        .filter(|text| *text != vm.description);
    if name.is_some() || description.is_some() {
        require(call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
    }
    let mut changes = Vec::new();
    if let Some(name) = name {
        changes.push(VmChange::Name(checked("name", name, MAX_NAME_CHARS)?));
    }
    if let Some(text) = description {
        let text = checked("Description", text, MAX_DESCRIPTION_CHARS)?;
        changes.push(VmChange::Description(text));
    }
    Ok(changes)
}

/// Storage profile and compute policies.
fn placing(
    call: &Call<'_>,
    infra: &Infra,
    body: &Element,
    vm: &Vm,
) -> Result<Vec<VmChange>, Problem> {
    let vdc = infra.vapps.get(&vm.vapp).map(|vapp| vapp.vdc.as_str());
    let mut changes = Vec::new();
    let profile = infra.profile_of(vdc.unwrap_or_default(), body)?;
    if let Some(profile) = profile.filter(|profile| *profile != vm.storage_profile) {
        require(call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
        changes.push(VmChange::StorageProfile(profile));
    }
    if let Some(section) = body.get("ComputePolicy") {
        let sizing = infra.policy_of(section, "VmSizingPolicy")?;
        let placement = infra.policy_of(section, "VmPlacementPolicy")?;
        if sizing != vm.sizing_policy || placement != vm.placement_policy {
            let operation = "VAPP_VM_EDIT_COMPUTE_POLICY";
            require(call, right::VM_POLICY, operation, &vm.uuid)?;
            changes.push(VmChange::Policies { sizing, placement });
        }
    }
    Ok(changes)
}

fn boot_options(call: &Call<'_>, options: &Element, vm: &Vm) -> Result<Option<VmChange>, Problem> {
    let old = &vm.machine;
    let delay = number::<u32>(options.get("BootDelay"))?;
    let setup = options.text_of("EnterBIOSSetup").map(|text| text == "true");
    let machine = Machine {
        boot_delay: delay.unwrap_or(old.boot_delay),
        enter_bios_setup: setup.unwrap_or(old.enter_bios_setup),
        ..old.clone()
    };
    if machine == *old {
        return Ok(None);
    }
    require(call, right::VM_BOOT, "VAPP_VM_EDIT_BOOT_OPTIONS", &vm.uuid)?;
    Ok(Some(VmChange::Machine(machine)))
}

/// Reads the `ExtraConfig` elements of a hardware section; none of them is no change.
pub(crate) fn extra_config(
    call: &Call<'_>,
    section: &Element,
    vm: &Vm,
) -> Result<Option<VmChange>, Problem> {
    let mut pairs = Vec::new();
    for element in section.all("ExtraConfig") {
        let key = element.attribute("key").unwrap_or_default();
        let value = element.attribute("value").unwrap_or_default();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(Problem::bad_request(format!(
                "The ExtraConfig key \"{key}\" is invalid."
            )));
        }
        let old = vm.extra_config.get(key).map(String::as_str);
        if old.unwrap_or_default() != value {
            pairs.push((key.to_owned(), value.to_owned()));
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    require(
        call,
        right::EXTRA_CONFIG,
        "VAPP_VM_EDIT_EXTRA_CONFIG",
        &vm.uuid,
    )?;
    Ok(Some(VmChange::ExtraConfig(pairs)))
}

/// Reads a guest customization section.
pub(crate) fn customization(
    call: &Call<'_>,
    section: &Element,
    vm: &Vm,
) -> Result<VmChange, Problem> {
    require(
        call,
        right::VM_PROPERTIES,
        "VAPP_VM_EDIT_GUEST_CUSTOMIZATION",
        &vm.uuid,
    )?;
    Ok(VmChange::Customization(new_customization(section)?))
}

/// Reads the parts of a guest customization section, without a look at rights.
pub(crate) fn new_customization(section: &Element) -> Result<NewCustomization, Problem> {
    let computer_name = section.text_of("ComputerName");
    let computer_name = match computer_name.filter(|name| !name.is_empty()) {
        Some(name) => Some(checked("ComputerName", name, MAX_COMPUTER_NAME_CHARS)?),
        None => None,
    };
    let switches = SWITCHES.iter().filter_map(|(name, _)| {
        let text = section.text_of(name)?;
        Some(((*name).to_owned(), text.to_owned()))
    });
    Ok(NewCustomization {
        enabled: section.text_of("Enabled").map(|text| text == "true"),
        computer_name,
        script: section.text_of("CustomizationScript").map(str::to_owned),
        switches: switches.collect(),
    })
}

/// Reads a network connection section of a VM that exists; as it was read is no change.
pub(crate) fn network_cards(
    call: &Call<'_>,
    infra: &Infra,
    section: &Element,
    vm: &Vm,
) -> Result<Option<VmChange>, Problem> {
    let vapp = infra.vapps.get(&vm.vapp);
    let vapp = vapp.ok_or_else(|| gone("vApp", &vm.vapp))?;
    let (cards, primary) = nics::read(vapp, section)?;
    let same = cards.len() == vm.nics.len()
        && primary == vm.machine.primary_nic
        && cards.iter().zip(&vm.nics).all(|(new, old)| {
            let mac = new.mac.is_empty() || new.mac == old.mac;
            let ip = new.ip.is_none() || new.ip == old.ip;
            let rest = |nic: &Nic| (nic.network.clone(), nic.mode.clone(), nic.adapter.clone());
            mac && ip && rest(new) == rest(old) && new.connected == old.connected
        });
    if same {
        return Ok(None);
    }
    require(call, right::VM_NETWORK, "VAPP_VM_EDIT_NETWORK", &vm.uuid)?;
    Ok(Some(VmChange::Nics(cards, primary)))
}

/// The number an element holds, if it is there and not empty.
pub(crate) fn number<N: std::str::FromStr>(
    element: Option<&Element>,
) -> Result<Option<N>, Problem> {
    let Some(element) = element.filter(|element| !element.text().is_empty()) else {
        return Ok(None);
    };
    match element.text().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Problem::bad_request(format!(
            "{} is no number.",
            element.local_name()
        ))),
    }
}

/// A text that must not be empty nor longer than `limit` characters; descriptions may be empty.
pub(crate) fn checked(field: &str, text: &str, limit: usize) -> Result<String, Problem> {
    let empty = text.is_empty() && field != "Description";
    if empty || text.chars().count() > limit {
        return Err(Problem::bad_request(format!(
            "The value of {field} must have between 1 and {limit} characters."
        )));
    }
    Ok(text.to_owned())
}
