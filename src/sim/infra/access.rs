//! Who may see and do what: organization isolation and rights by their exact names.
//!
//! Invariants:
//! - "Not yours" and "does not exist" give the same 403: clients take it for "gone".
//!
//! Source: VCD roles and rights; the text of the refusal is the one CAPVCD recognises.

use super::Infra;
use super::machine::{Vapp, Vm};
use crate::sim::call::{Call, Principal};
use crate::sim::reply::Problem;

/// Rights that gate the handlers, by their exact VCD names.
pub(crate) mod right {
    pub(crate) const CREATE: &str = "vApp: Create / Reconfigure";
    pub(crate) const DELETE: &str = "vApp: Delete";
    pub(crate) const POWER: &str = "vApp: Power Operations";
    pub(crate) const EDIT: &str = "vApp: Edit Properties";
    pub(crate) const EXTRA_CONFIG: &str = "vApp: Allow All Extra Config";
    pub(crate) const VM_CPU: &str = "vApp: Edit VM CPU";
    pub(crate) const VM_MEMORY: &str = "vApp: Edit VM Memory";
    pub(crate) const VM_DISK: &str = "vApp: Edit VM Hard Disk";
    pub(crate) const VM_NETWORK: &str = "vApp: Edit VM Network";
    pub(crate) const VM_POLICY: &str = "vApp: Edit VM Compute Policy";
    pub(crate) const VM_BOOT: &str = "vApp: VM Boot Options";
    pub(crate) const SHARE: &str = "vApp: Sharing";
    pub(crate) const SNAPSHOT: &str = "vApp: Snapshot Operations";
    pub(crate) const VM_PROPERTIES: &str = "vApp: Edit VM Properties";
    pub(crate) const ADD_FROM_CATALOG: &str = "Catalog: Add vApp from My Cloud";
    pub(crate) const CATALOGS: &str = "Catalog: View Private and Shared Catalogs";
    pub(crate) const CATALOG_CREATE: &str = "Catalog: Create / Delete a Catalog";
    pub(crate) const CATALOG_EDIT: &str = "Catalog: Edit Properties";
    /// Rights that nobody but administrators has from the beginning.
    pub(crate) const ADMINISTRATIVE: [&str; 2] = [CATALOG_CREATE, CATALOG_EDIT];
    pub(crate) const TEMPLATES: &str = "vApp Template / Media: View";
    pub(crate) const TEMPLATE_EDIT: &str = "vApp Template / Media: Edit";
    pub(crate) const VDCS: &str = "Access All Organization VDCs";
    pub(crate) const POLICIES: &str = "Organization vDC Compute Policy: View";
    pub(crate) const NETWORKS: &str = "Organization vDC Network: View Properties";
    pub(crate) const GATEWAYS: &str = "Organization vDC Gateway: View";
    pub(crate) const DISK_CREATE: &str = "Organization vDC Named Disk: Create";
    pub(crate) const DISK_DELETE: &str = "Organization vDC Named Disk: Delete";
    pub(crate) const DISK_EDIT: &str = "Organization vDC Named Disk: Edit Properties";
    pub(crate) const DISK_VIEW: &str = "Organization vDC Named Disk: View Properties";
    pub(crate) const DISK_SHARE: &str = "Organization vDC Shared Named Disk: Create";
}

/// The refusal for a missing right, an unknown object or a foreign one.
pub(crate) fn refused(rights: &str, operation: &str, target: &str) -> Problem {
    Problem::forbidden(format!(
        "Either you need some or all of the following rights [{rights}] to perform operations \
         [{operation}] for {target} or the target entity is invalid."
    ))
}

/// Demands `right` of the caller.
pub(crate) fn require(
    call: &Call<'_>,
    right: &str,
    operation: &str,
    target: &str,
) -> Result<(), Problem> {
    if call.principal.has(right) {
        Ok(())
    } else {
        Err(refused(right, operation, target))
    }
}

/// Whether the caller looks into the organization `org_id`: its own, or any for a provider that has
/// not narrowed itself by the tenant-context header.
pub(crate) fn sees(who: &Principal, org_id: &str) -> bool {
    who.acting_org_id == org_id || (who.provider && !who.in_context)
}

/// Whether the caller may look at vApps and VMs at all.
fn has_vapp_right(who: &Principal) -> bool {
    who.rights.iter().any(|name| name.starts_with("vApp: "))
}

/// The vApp, if the caller may see it.
pub(crate) fn vapp<'a>(call: &Call<'_>, infra: &'a Infra, uuid: &str) -> Result<&'a Vapp, Problem> {
    infra
        .vapps
        .get(uuid)
        .filter(|vapp| has_vapp_right(&call.principal) && sees(&call.principal, &vapp.org_id))
        .ok_or_else(|| refused("Base", "VAPP_VIEW", uuid))
}

/// The VM, if the caller may see it.
pub(crate) fn vm<'a>(call: &Call<'_>, infra: &'a Infra, uuid: &str) -> Result<&'a Vm, Problem> {
    infra
        .vms
        .get(uuid)
        .filter(|vm| vapp(call, infra, &vm.vapp).is_ok())
        .ok_or_else(|| refused("Base", "VAPP_VM_VIEW", uuid))
}
