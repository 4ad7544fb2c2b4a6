//! The disks of a VM as its document shows them: its own and the named ones attached to it.
//!
//! Invariants:
//! - A named disk is told by the reference `Disk` in its settings; the CSI driver finds it there to grow it.
//!
//! Source: VCD API, `DiskSection` of `VmSpecSection`, `ovf:Item` of resource type 17.

use super::Infra;
use super::disk_document::{disk_href, disk_reference};
use super::machine::Vm;
use crate::sim::xml::{Element, reference};

const MIB: u64 = 1024 * 1024;

/// One disk, whichever kind.
struct Shown {
    id: u32,
    size_mib: u64,
    bus: u32,
    unit: u32,
    adapter: String,
    profile: String,
    overrides: bool,
    /// Set for a named disk.
    named: Option<Element>,
    href: Option<String>,
}

fn shown(site: &str, infra: &Infra, vm: &Vm) -> Vec<Shown> {
    let own = vm.disks.iter().map(|disk| Shown {
        id: disk.id,
        size_mib: disk.size_mib,
        bus: disk.bus,
        unit: disk.unit,
        adapter: disk.adapter.clone(),
        profile: disk
            .storage_profile
            .clone()
            .unwrap_or_else(|| vm.storage_profile.clone()),
        overrides: disk.storage_profile.is_some(),
        named: None,
        href: None,
    });
    let named = infra.disks_of(&vm.uuid).into_iter();
    let named = named.map(|(slot, disk)| Shown {
        id: slot.disk_id(),
        size_mib: disk.size_mib,
        bus: slot.bus,
        unit: slot.unit,
        adapter: disk.adapter().to_owned(),
        profile: disk.storage_profile.clone(),
        overrides: true,
        named: Some(reference("Disk", &disk_reference(disk, site))),
        href: Some(disk_href(site, &disk.uuid)),
    });
    own.chain(named).collect()
}

/// `DiskSection` of the specification.
pub(crate) fn section(site: &str, infra: &Infra, vm: &Vm) -> Element {
    let settings = shown(site, infra, vm).into_iter().map(|disk| {
        let iops = Element::new("IopsAllocation")
            .child(Element::leaf("Reservation", 0))
            .child(Element::leaf("Limit", 0))
            .child(Element::leaf("SharesLevel", "NORMAL"))
            .child(Element::leaf("Shares", 1000));
        let profile = infra.profile_reference(site, &disk.profile);
        Element::new("DiskSettings")
            .child(Element::leaf("DiskId", disk.id))
            .child(Element::leaf("SizeMb", disk.size_mib))
            .child(Element::leaf("UnitNumber", disk.unit))
            .child(Element::leaf("BusNumber", disk.bus))
            .child(Element::leaf("AdapterType", disk.adapter))
            .child(Element::leaf("ThinProvisioned", true))
            .children(disk.named)
            .child(reference("StorageProfile", &profile))
            .child(Element::leaf("overrideVmDefault", disk.overrides))
            .child(iops)
            .child(Element::leaf("VirtualQuantityUnit", "byte"))
            .child(Element::leaf(
                "VirtualQuantity",
                disk.size_mib.saturating_mul(MIB),
            ))
    });
    Element::new("DiskSection").children(settings)
}

/// The disks among the items of the hardware section.
pub(crate) fn items(site: &str, infra: &Infra, vm: &Vm) -> Vec<Element> {
    let disks = shown(site, infra, vm).into_iter().enumerate();
    let items = disks.map(|(index, disk)| {
        let mut resource = Element::new("rasd:HostResource")
            .attr("ns10:storageProfileHref", {
                infra.profile_reference(site, &disk.profile).href
            })
            .attr("ns10:busType", 6)
            .attr("ns10:busSubType", "VirtualSCSI")
            .attr("ns10:capacity", disk.size_mib)
            .attr("ns10:storageProfileOverrideVmDefault", disk.overrides);
        if let Some(href) = disk.href {
            resource = resource.attr("ns10:disk", href);
        }
        Element::new("ovf:Item")
            .child(Element::leaf("rasd:AddressOnParent", disk.unit))
            .child(Element::leaf(
                "rasd:ElementName",
                format!("Hard disk {}", index + 1),
            ))
            .child(resource)
            .child(Element::leaf("rasd:InstanceID", disk.id))
            .child(Element::leaf("rasd:Parent", 2_u32.saturating_add(disk.bus)))
            .child(Element::leaf("rasd:ResourceType", 17))
            .child(Element::leaf(
                "rasd:VirtualQuantity",
                disk.size_mib.saturating_mul(MIB),
            ))
            .child(Element::leaf("rasd:VirtualQuantityUnits", "byte"))
    });
    items.collect()
}
