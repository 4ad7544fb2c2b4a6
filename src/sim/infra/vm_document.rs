//! The VM document with its sections.
//!
//! Invariants:
//! - Hardware, network and specification sections are always there: CAPVCD reads them unchecked.
//! - The prefixes `ovf`, `rasd`, `vssd`, `vmw` and, on the hardware section, `ns10` are declared.
//!
//! Source: VCD API, `GET /api/vApp/vm-{uuid}`.

use super::document::{link, namespaced, tasks, vapp_href};
use super::machine::{Nic, Status, Vm};
use super::vm_changes::SWITCHES;
use super::{Infra, media, vm_disks};
use crate::sim::context::Context;
use crate::sim::reply::stamp;
use crate::sim::tasks::Reference;
use crate::sim::xml::{Element, VCLOUD, reference};

/// Media type of a VM, the part after `application/`.
pub(crate) const VM: &str = "vnd.vmware.vcloud.vm+xml";
/// Media type of the hardware section.
pub(crate) const HARDWARE: &str = "vnd.vmware.vcloud.virtualHardwareSection+xml";
/// Media type of the network section of a VM.
pub(crate) const NICS: &str = "vnd.vmware.vcloud.networkConnectionSection+xml";
/// Media type of the guest customization section.
pub(crate) const CUSTOMIZATION: &str = "vnd.vmware.vcloud.guestCustomizationSection+xml";

/// URL of a VM.
pub(crate) fn vm_href(site: &str, uuid: &str) -> String {
    format!("{site}/api/vApp/vm-{uuid}")
}

/// A reference to a VM, as owner of tasks.
pub(crate) fn vm_reference(vm: &Vm, site: &str) -> Reference {
    Reference {
        href: vm_href(site, &vm.uuid),
        id: format!("urn:vcloud:vm:{}", vm.uuid),
        name: vm.name.clone(),
        media_type: format!("application/{VM}"),
    }
}

/// The whole document.
pub(crate) fn vm(ctx: &Context<'_>, infra: &Infra, vm: &Vm) -> Element {
    body(namespaced("Vm"), ctx, infra, vm)
}

/// `root` filled with attributes, links and sections of `vm`.
pub(crate) fn body(root: Element, ctx: &Context<'_>, infra: &Infra, vm: &Vm) -> Element {
    let href = vm_href(ctx.site, &vm.uuid);
    root.attr(
        "needsCustomization",
        vm.customization.enabled && !vm.customization.complete,
    )
    .attr("nestedHypervisorEnabled", vm.machine.nested_hypervisor)
    .attr("deployed", vm.deployed)
    .attr("status", vm.status.number())
    .attr("name", &vm.name)
    .attr("id", format!("urn:vcloud:vm:{}", vm.uuid))
    .attr("href", &href)
    .attr("type", format!("application/{VM}"))
    .children(links(ctx.site, &href, vm))
    .child(Element::leaf("Description", &vm.description))
    .children(tasks(ctx, infra, &vm.uuid))
    .child(hardware_section(ctx.site, infra, vm))
    .child(network_section(ctx.site, vm))
    .child(customization_section(ctx.site, vm))
    .child(
        Element::new("RuntimeInfoSection")
            .child(Element::leaf("ovf:Info", "Specifies Runtime info"))
            .child(Element::new("VMWareTools").attr("version", 12352)),
    )
    .child(Element::leaf("VAppScopedLocalId", &vm.name))
    .child(Element::leaf("DateCreated", stamp(vm.created)))
    .child(capabilities(vm))
    .child(reference(
        "StorageProfile",
        &infra.profile_reference(ctx.site, &vm.storage_profile),
    ))
    .child(spec_section(ctx.site, infra, vm))
    .child(compute_policy(ctx.site, infra, vm))
    .child(
        Element::new("BootOptions")
            .child(Element::leaf("BootDelay", vm.machine.boot_delay))
            .child(Element::leaf("EnterBIOSSetup", vm.machine.enter_bios_setup)),
    )
}

/// `VmCapabilities` of a VM.
pub(crate) fn capabilities(vm: &Vm) -> Element {
    Element::new("VmCapabilities")
        .child(Element::leaf(
            "MemoryHotAddEnabled",
            vm.machine.memory_hot_add,
        ))
        .child(Element::leaf("CpuHotAddEnabled", vm.machine.cpu_hot_add))
}

fn links(site: &str, href: &str, vm: &Vm) -> Vec<Element> {
    let mut links = match vm.status {
        Status::PoweredOn => vec![
            link(
                "power:powerOff",
                format!("{href}/power/action/powerOff"),
                None,
            ),
            link("power:reboot", format!("{href}/power/action/reboot"), None),
            link("power:reset", format!("{href}/power/action/reset"), None),
            link(
                "power:shutdown",
                format!("{href}/power/action/shutdown"),
                None,
            ),
            link(
                "power:suspend",
                format!("{href}/power/action/suspend"),
                None,
            ),
        ],
        Status::PoweredOff | Status::Suspended => {
            vec![link(
                "power:powerOn",
                format!("{href}/power/action/powerOn"),
                None,
            )]
        }
        Status::Unresolved | Status::Mixed => Vec::new(),
    };
    links.extend(change_links(href, vm));
    links.push(link(
        "up",
        vapp_href(site, &vm.vapp),
        Some("vnd.vmware.vcloud.vApp+xml"),
    ));
    links
}

fn change_links(href: &str, vm: &Vm) -> Vec<Element> {
    let mut links = Vec::new();
    if vm.deployed {
        let media = Some("vnd.vmware.vcloud.undeployVAppParams+xml");
        links.push(link("undeploy", format!("{href}/action/undeploy"), media));
    } else {
        let media = Some("vnd.vmware.vcloud.deployVAppParams+xml");
        links.push(link("deploy", format!("{href}/action/deploy"), media));
        links.push(link("remove", href, None));
    }
    for way in ["attach", "detach"] {
        links.push(link(
            &format!("disk:{way}"),
            format!("{href}/disk/action/{way}"),
            Some("vnd.vmware.vcloud.diskAttachOrDetachParams+xml"),
        ));
    }
    for way in ["insertMedia", "ejectMedia"] {
        links.push(link(
            &format!("media:{way}"),
            format!("{href}/media/action/{way}"),
            Some("vnd.vmware.vcloud.mediaInsertOrEjectParams+xml"),
        ));
    }
    links.push(link("edit", href, Some(VM)));
    links.push(link(
        "reconfigureVm",
        format!("{href}/action/reconfigureVm"),
        Some(VM),
    ));
    links
}

/// The hardware section with extra config.
pub(crate) fn hardware_section(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let configs = vm.extra_config.iter().map(|(key, value)| {
        Element::new("vmw:ExtraConfig")
            .attr("ovf:required", "true")
            .attr("vmw:key", key)
            .attr("vmw:value", value)
    });
    Element::new("ovf:VirtualHardwareSection")
        .attr("xmlns:ns10", VCLOUD)
        .attr("ovf:transport", "")
        .attr(
            "ns10:href",
            format!("{}/virtualHardwareSection/", vm_href(site, &vm.uuid)),
        )
        .attr("ns10:type", format!("application/{HARDWARE}"))
        .child(Element::leaf("ovf:Info", "Virtual hardware requirements"))
        .child(system(vm))
        .children(
            vm.nics
                .iter()
                .enumerate()
                .map(|(index, nic)| nic_item((index, vm.machine.primary_nic), nic)),
        )
        .child(media::item(site, infra, vm))
        .children(vm_disks::items(site, infra, vm))
        .child(cpu_item(Element::new("ovf:Item"), vm))
        .child(memory_item(Element::new("ovf:Item"), vm))
        .children(configs)
}

fn system(vm: &Vm) -> Element {
    Element::new("ovf:System")
        .child(Element::leaf("vssd:ElementName", "Virtual Hardware Family"))
        .child(Element::leaf("vssd:InstanceID", 0))
        .child(Element::leaf("vssd:VirtualSystemIdentifier", &vm.name))
        .child(Element::leaf(
            "vssd:VirtualSystemType",
            &vm.machine.hardware_version,
        ))
}

fn nic_item((index, primary): (usize, usize), nic: &Nic) -> Element {
    let connection = Element::leaf("rasd:Connection", &nic.network)
        .attr("ns10:ipAddressingMode", &nic.mode)
        .attr(
            "ns10:ipAddress",
            nic.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        )
        .attr("ns10:primaryNetworkConnection", index == primary);
    Element::new("ovf:Item")
        .child(Element::leaf("rasd:Address", &nic.mac))
        .child(Element::leaf("rasd:AddressOnParent", index))
        .child(Element::leaf("rasd:AutomaticAllocation", nic.connected))
        .child(connection)
        .child(Element::leaf(
            "rasd:ElementName",
            format!("Network adapter {index}"),
        ))
        .child(Element::leaf("rasd:InstanceID", index + 1))
        .child(Element::leaf("rasd:ResourceSubType", &nic.adapter))
        .child(Element::leaf("rasd:ResourceType", 10))
}

/// Completes the `Item` that tells the number of CPUs.
pub(crate) fn cpu_item(item: Element, vm: &Vm) -> Element {
    let name = format!("{} virtual CPU(s)", vm.cpus);
    count_item(item, ("3", "1"), name, vm.cpus)
}

/// Completes the `Item` that tells the memory.
pub(crate) fn memory_item(item: Element, vm: &Vm) -> Element {
    let name = format!("{} MB of memory", vm.memory_mib);
    count_item(item, ("4", "2"), name, vm.memory_mib)
}

fn count_item(item: Element, (kind, instance): (&str, &str), name: String, count: u32) -> Element {
    item.child(Element::leaf("rasd:ElementName", name))
        .child(Element::leaf("rasd:InstanceID", format!("{instance}0000")))
        .child(Element::leaf("rasd:ResourceType", kind))
        .child(Element::leaf("rasd:VirtualQuantity", count))
}

/// The network section of a VM.
pub(crate) fn network_section(site: &str, vm: &Vm) -> Element {
    let connections = vm.nics.iter().enumerate().map(|(index, nic)| {
        let ip = nic.ip.map(|ip| Element::leaf("IpAddress", ip));
        let kind = nic.ip.map(|_| Element::leaf("IpType", "IPV4"));
        Element::new("NetworkConnection")
            .attr("network", &nic.network)
            .attr(
                "needsCustomization",
                nic.ip.is_some() && !vm.customization.complete,
            )
            .child(Element::leaf("NetworkConnectionIndex", index))
            .children(ip)
            .children(kind)
            .child(Element::leaf("IsConnected", nic.connected))
            .child(Element::leaf("MACAddress", &nic.mac))
            .child(Element::leaf("IpAddressAllocationMode", &nic.mode))
            .child(Element::leaf("SecondaryIpAddressAllocationMode", "NONE"))
            .child(Element::leaf("NetworkAdapterType", &nic.adapter))
    });
    Element::new("NetworkConnectionSection")
        .attr(
            "href",
            format!("{}/networkConnectionSection/", vm_href(site, &vm.uuid)),
        )
        .attr("type", format!("application/{NICS}"))
        .attr("ovf:required", "false")
        .child(Element::leaf(
            "ovf:Info",
            "Specifies the available VM network connections",
        ))
        .child(Element::leaf(
            "PrimaryNetworkConnectionIndex",
            vm.machine.primary_nic,
        ))
        .children(connections)
}

/// The guest customization section; the administrator password is never shown.
pub(crate) fn customization_section(site: &str, vm: &Vm) -> Element {
    let guest = &vm.customization;
    let switches = SWITCHES.iter().map(|(name, default)| {
        let written = guest.switches.get(*name).map(String::as_str);
        Element::leaf(name, written.unwrap_or(default))
    });
    Element::new("GuestCustomizationSection")
        .attr(
            "href",
            format!("{}/guestCustomizationSection/", vm_href(site, &vm.uuid)),
        )
        .attr("type", format!("application/{CUSTOMIZATION}"))
        .attr("ovf:required", "false")
        .child(Element::leaf(
            "ovf:Info",
            "Specifies Guest OS Customization Settings",
        ))
        .child(Element::leaf("Enabled", guest.enabled))
        .child(Element::leaf("VirtualMachineId", &vm.uuid))
        .children(switches)
        .child(Element::leaf("CustomizationScript", &guest.script))
        .child(Element::leaf("ComputerName", &guest.computer_name))
}

fn spec_section(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let configured =
        |name, value: u32| Element::new(name).child(Element::leaf("Configured", value));
    Element::new("VmSpecSection")
        .attr("Modified", false)
        .child(Element::leaf("ovf:Info", "Virtual Machine specification"))
        .child(Element::leaf("OsType", &vm.machine.os_type))
        .child(Element::leaf("Firmware", &vm.machine.firmware))
        .child(Element::leaf("NumCpus", vm.cpus))
        .child(Element::leaf(
            "NumCoresPerSocket",
            vm.machine.cores_per_socket,
        ))
        .child(configured("CpuResourceMhz", vm.cpus.saturating_mul(1000)))
        .child(configured("MemoryResourceMb", vm.memory_mib))
        .child(media::section(site, infra, vm))
        .child(vm_disks::section(site, infra, vm))
        .child(Element::leaf(
            "HardwareVersion",
            &vm.machine.hardware_version,
        ))
        .child(Element::leaf("VmToolsVersion", 12352))
        .child(Element::leaf("TimeSyncWithHost", false))
}

fn compute_policy(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let policy = |name: &str, uuid: Option<&String>| {
        let policy = uuid.and_then(|uuid| infra.policies.get(uuid))?;
        let href = format!("{site}/cloudapi/2.0.0/vdcComputePolicies/{}", policy.urn());
        Some(
            Element::new(name)
                .attr("href", href)
                .attr("id", policy.urn())
                .attr("name", &policy.name)
                .attr("type", "application/json"),
        )
    };
    Element::new("ComputePolicy")
        .children(policy("VmPlacementPolicy", vm.placement_policy.as_ref()))
        .children(policy("VmSizingPolicy", vm.sizing_policy.as_ref()))
        .child(Element::leaf("VmSizingPolicyFinal", false))
}
