//! What a reconfiguration changes of one VM, read from request sections and applied at the task's end.
//!
//! Invariants:
//! - Prefixes do not matter: CAPVCD copies them from an answer into its request without declaring them.
//! - Extra config is merged: keys not mentioned stay, an empty value removes its key.
//! - Each kind of change demands its own right, before anything is accepted.
//!
//! Source: VCD API, `reconfigureVm`, `virtualHardwareSection`, `guestCustomizationSection`.

use serde::{Deserialize, Serialize};

use super::access::{require, right};
use super::machine::{Nic, Vm};
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
    DiskMib(u64),
    /// Merged into what is there; an empty value removes the key.
    ExtraConfig(Vec<(String, String)>),
    Customization(NewCustomization),
    /// Mode, connection and adapter of the cards, by index; addresses and MACs stay.
    Nics(Vec<Nic>),
}

/// A guest customization section as sent; absent parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewCustomization {
    pub(crate) enabled: Option<bool>,
    pub(crate) computer_name: Option<String>,
    pub(crate) script: Option<String>,
}

/// Applies one change.
pub(crate) fn apply(change: VmChange, vm: &mut Vm) {
    match change {
        VmChange::Name(name) => vm.name = name,
        VmChange::Description(description) => vm.description = description,
        VmChange::Cpus(cpus) => vm.cpus = cpus,
        VmChange::MemoryMib(memory) => vm.memory_mib = memory,
        VmChange::DiskMib(disk) => vm.disk_mib = disk,
        VmChange::ExtraConfig(pairs) => {
            for (key, value) in pairs {
                if value.is_empty() {
                    vm.extra_config.remove(&key);
                } else {
                    vm.extra_config.insert(key, value);
                }
            }
        }
        VmChange::Customization(new) => {
            let old = &mut vm.customization;
            old.enabled = new.enabled.unwrap_or(old.enabled);
            old.computer_name = new
                .computer_name
                .unwrap_or_else(|| old.computer_name.clone());
            old.script = new.script.unwrap_or_else(|| old.script.clone());
        }
        VmChange::Nics(nics) => {
            for (old, new) in vm.nics.iter_mut().zip(nics) {
                let (ip, mac) = (old.ip, old.mac.clone());
                *old = Nic { ip, mac, ..new };
            }
        }
    }
}

/// Reads a `reconfigureVm` body.
pub(crate) fn of_reconfigure(
    call: &Call<'_>,
    body: &Element,
    vm: &Vm,
) -> Result<Vec<VmChange>, Problem> {
    let mut changes = Vec::new();
    let name = body.attribute("name").filter(|name| *name != vm.name);
    let description = body
        .text_of("Description")
        .filter(|text| *text != vm.description);
    if name.is_some() || description.is_some() {
        require(call, right::VM_PROPERTIES, "VAPP_VM_EDIT", &vm.uuid)?;
    }
    if let Some(name) = name {
        changes.push(VmChange::Name(checked("name", name, MAX_NAME_CHARS)?));
    }
    if let Some(text) = description {
        changes.push(VmChange::Description(checked(
            "Description",
            text,
            MAX_DESCRIPTION_CHARS,
        )?));
    }
    if let Some(section) = body.get("VirtualHardwareSection") {
        changes.extend(extra_config(call, section, vm)?);
    }
    if let Some(section) = body.get("GuestCustomizationSection") {
        changes.push(customization(call, section, vm)?);
    }
    if let Some(section) = body.get("NetworkConnectionSection") {
        changes.push(nics(call, section, vm)?);
    }
    if let Some(spec) = body
        .get("VmSpecSection")
        .filter(|spec| spec.attribute("Modified") == Some("true"))
    {
        changes.extend(hardware(call, spec, vm)?);
    }
    Ok(changes)
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
        if vm
            .extra_config
            .get(key)
            .map(String::as_str)
            .unwrap_or_default()
            != value
        {
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
    let computer_name = match section.text_of("ComputerName") {
        Some(name) => Some(checked("ComputerName", name, MAX_COMPUTER_NAME_CHARS)?),
        None => None,
    };
    Ok(NewCustomization {
        enabled: section.text_of("Enabled").map(|text| text == "true"),
        computer_name,
        script: section.text_of("CustomizationScript").map(str::to_owned),
    })
}

/// Reads a network connection section of a VM that exists.
pub(crate) fn nics(call: &Call<'_>, section: &Element, vm: &Vm) -> Result<VmChange, Problem> {
    require(call, right::VM_NETWORK, "VAPP_VM_EDIT_NETWORK", &vm.uuid)?;
    Ok(VmChange::Nics(
        section.all("NetworkConnection").map(nic).collect(),
    ))
}

/// Reads one `NetworkConnection`; the MAC is left empty.
pub(crate) fn nic(connection: &Element) -> Nic {
    let text = |name: &str, default: &str| {
        connection
            .text_of(name)
            .filter(|text| !text.is_empty())
            .unwrap_or(default)
            .to_owned()
    };
    Nic {
        network: connection.attribute("network").unwrap_or("none").to_owned(),
        mode: text("IpAddressAllocationMode", "NONE"),
        ip: None,
        mac: String::new(),
        adapter: text("NetworkAdapterType", "VMXNET3"),
        connected: text("IsConnected", "true") == "true",
    }
}

fn hardware(call: &Call<'_>, spec: &Element, vm: &Vm) -> Result<Vec<VmChange>, Problem> {
    let mut changes = Vec::new();
    if let Some(cpus) = number::<u32>(spec.get("NumCpus"))?.filter(|cpus| *cpus != vm.cpus) {
        require(call, right::VM_CPU, "VAPP_VM_EDIT_CPU", &vm.uuid)?;
        changes.push(VmChange::Cpus(cpus));
    }
    let memory = number::<u32>(spec.path(&["MemoryResourceMb", "Configured"]))?;
    if let Some(memory) = memory.filter(|memory| *memory != vm.memory_mib) {
        require(call, right::VM_MEMORY, "VAPP_VM_EDIT_MEMORY", &vm.uuid)?;
        changes.push(VmChange::MemoryMib(memory));
    }
    let disk = number::<u64>(spec.path(&["DiskSection", "DiskSettings", "SizeMb"]))?;
    if let Some(disk) = disk.filter(|disk| *disk != vm.disk_mib) {
        require(call, right::VM_DISK, "VAPP_VM_EDIT_HARD_DISK", &vm.uuid)?;
        if disk < vm.disk_mib {
            return Err(Problem::bad_request(format!(
                "The disk of VM \"{}\" cannot shrink from {} MB to {disk} MB.",
                vm.name, vm.disk_mib
            )));
        }
        changes.push(VmChange::DiskMib(disk));
    }
    Ok(changes)
}

fn number<N: std::str::FromStr>(element: Option<&Element>) -> Result<Option<N>, Problem> {
    let Some(element) = element else {
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
