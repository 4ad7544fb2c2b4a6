//! Organizations, VDCs and vApp templates in XML, as far as they are read.
//!
//! Invariants:
//! - Ids come from `id` where VCD gives one, else from the last part of `href`.
//!
//! Source: VCD API 37.2, `OrgList`, `Vdc`, `VAppTemplate`.

use serde::Deserialize;

use crate::domain::ids::{OrgId, VappId, VdcId};
use crate::domain::site::{Allowance, StorageDetails, VdcLimits};
use crate::vcd::error::VcdError;
use crate::vcd::model::{
    NamedRef, NetworkRef, StorageProfileRef, Template, TemplateRef, VcdStatus, Vdc,
};
use crate::vcd::operation::Operation;

/// The media type of a vApp among the entities of a VDC, in lower case.
const VAPP_TYPE: &str = "application/vnd.vmware.vcloud.vapp+xml";

/// `<X href= id= name= type=/>`.
#[derive(Deserialize)]
pub(in crate::vcd) struct Reference {
    #[serde(rename = "@href", default)]
    pub(in crate::vcd) href: String,
    #[serde(rename = "@id", default)]
    id: String,
    #[serde(rename = "@name", default)]
    pub(in crate::vcd) name: String,
    #[serde(rename = "@type", default)]
    media_type: String,
}

/// The last part of a URL's path, without its kind (`vm-`, `vapp-`, `vappTemplate-`).
pub(in crate::vcd) fn uuid_of(href: &str) -> &str {
    let path = href
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let kinds = ["vm-", "vapp-", "vappTemplate-"];
    kinds
        .iter()
        .find_map(|kind| last.strip_prefix(kind))
        .unwrap_or(last)
}

#[derive(Deserialize)]
pub(in crate::vcd) struct OrgList {
    #[serde(rename = "Org", default)]
    orgs: Vec<Reference>,
}

impl OrgList {
    pub(in crate::vcd) fn into_orgs(self, op: Operation) -> Result<Vec<NamedRef<OrgId>>, VcdError> {
        self.orgs
            .into_iter()
            .map(|org| {
                let urn = if org.id.is_empty() {
                    format!("urn:vcloud:org:{}", uuid_of(&org.href))
                } else {
                    org.id
                };
                let id = OrgId::parse(&urn).map_err(|e| VcdError::unreadable(op, e.to_string()))?;
                Ok(NamedRef { id, name: org.name })
            })
            .collect()
    }
}

#[derive(Deserialize)]
pub(in crate::vcd) struct VdcElement {
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "ResourceEntities")]
    entities: Option<ResourceEntities>,
    #[serde(rename = "AvailableNetworks")]
    networks: Option<AvailableNetworks>,
    #[serde(rename = "VdcStorageProfiles")]
    profiles: Option<StorageProfiles>,
    #[serde(rename = "IsEnabled", default)]
    enabled: bool,
    #[serde(rename = "AllocationModel", default)]
    allocation_model: String,
    #[serde(rename = "ComputeCapacity", default)]
    capacity: ComputeCapacity,
    /// 0 for no limit, like every limit of a VDC.
    #[serde(rename = "NicQuota", default)]
    nic_quota: u64,
    #[serde(rename = "VmQuota", default)]
    vm_quota: u64,
}

#[derive(Deserialize, Default)]
struct ComputeCapacity {
    #[serde(rename = "Cpu", default)]
    cpu: Capacity,
    #[serde(rename = "Memory", default)]
    memory: Capacity,
}

#[derive(Deserialize, Default)]
struct Capacity {
    #[serde(rename = "Units", default)]
    units: String,
    #[serde(rename = "Limit", default)]
    limit: u64,
    #[serde(rename = "Used", default)]
    used: u64,
}

impl Capacity {
    /// Unlimited where the unit is another one than VCD's usual.
    fn allowance(&self, unit: &str) -> Allowance {
        let known = self.units.eq_ignore_ascii_case(unit);
        Allowance {
            limit: limit(self.limit).filter(|_| known),
            used: self.used,
        }
    }
}

/// VCD writes 0 where nothing is limited.
pub(in crate::vcd) fn limit(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

#[derive(Deserialize)]
struct ResourceEntities {
    #[serde(rename = "ResourceEntity", default)]
    entities: Vec<Reference>,
}

#[derive(Deserialize)]
struct AvailableNetworks {
    #[serde(rename = "Network", default)]
    networks: Vec<Reference>,
}

#[derive(Deserialize)]
struct StorageProfiles {
    #[serde(rename = "VdcStorageProfile", default)]
    profiles: Vec<Reference>,
}

impl VdcElement {
    /// The VDC asked for as `id`.
    pub(in crate::vcd) fn into_vdc(self, op: Operation, id: &VdcId) -> Result<Vdc, VcdError> {
        let entities = self.entities.map(|list| list.entities).unwrap_or_default();
        let is_vapp = |entity: &Reference| entity.media_type.eq_ignore_ascii_case(VAPP_TYPE);
        let vapps = entities
            .into_iter()
            .filter(is_vapp)
            .map(|entity| vapp_ref(op, entity));
        let networks = self.networks.map(|list| list.networks).unwrap_or_default();
        let profiles = self.profiles.map(|list| list.profiles).unwrap_or_default();
        let limits = VdcLimits {
            allocation_model: self.allocation_model,
            vms: limit(self.vm_quota),
            nics: limit(self.nic_quota),
            cpu_mhz: self.capacity.cpu.allowance("MHz"),
            memory_mib: self.capacity.memory.allowance("MB"),
        };
        Ok(Vdc {
            id: id.clone(),
            name: self.name,
            vapps: vapps.collect::<Result<_, _>>()?,
            networks: networks
                .into_iter()
                .map(|network| NetworkRef {
                    name: network.name,
                    href: network.href,
                })
                .collect(),
            storage_profiles: profiles
                .into_iter()
                .map(|profile| StorageProfileRef {
                    name: profile.name,
                    href: profile.href,
                })
                .collect(),
            enabled: self.enabled,
            limits,
        })
    }
}

fn vapp_ref(op: Operation, entity: Reference) -> Result<NamedRef<VappId>, VcdError> {
    let id = VappId::parse(&format!("urn:vcloud:vapp:{}", uuid_of(&entity.href)))
        .map_err(|error| VcdError::unreadable(op, error.to_string()))?;
    Ok(NamedRef {
        id,
        name: entity.name,
    })
}

#[derive(Deserialize)]
pub(in crate::vcd) struct TemplateElement {
    #[serde(rename = "@name", default)]
    name: String,
    #[serde(rename = "@href", default)]
    href: String,
    #[serde(rename = "@status", default)]
    status: i32,
    #[serde(rename = "Children")]
    children: Option<TemplateChildren>,
}

#[derive(Deserialize)]
struct TemplateChildren {
    #[serde(rename = "Vm", default)]
    vms: Vec<TemplateVm>,
}

#[derive(Deserialize)]
struct TemplateVm {
    #[serde(rename = "@href", default)]
    href: String,
    #[serde(rename = "ProductSection", default)]
    products: Vec<ProductSection>,
}

#[derive(Deserialize)]
struct ProductSection {
    #[serde(rename = "Property", default)]
    properties: Vec<ProductProperty>,
}

#[derive(Deserialize)]
struct ProductProperty {
    #[serde(rename = "@key", default)]
    key: String,
    /// What the image was made with.
    #[serde(rename = "@value", default)]
    value: String,
    /// What somebody set later.
    #[serde(rename = "Value")]
    set: Option<PropertyValue>,
}

#[derive(Deserialize)]
struct PropertyValue {
    #[serde(rename = "@value", default)]
    value: String,
}

impl TemplateVm {
    /// The property by which clients know TKG images.
    fn version(&self) -> Option<String> {
        let mut properties = self.products.iter().flat_map(|product| &product.properties);
        let property = properties.find(|property| property.key == "VERSION")?;
        let set = property.set.as_ref().map(|set| set.value.as_str());
        let text = set.filter(|text| !text.is_empty());
        let text = text.unwrap_or(&property.value);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl TemplateElement {
    /// The template found as `wanted`; one without VMs is itself the source, as for CAPVCD.
    pub(in crate::vcd) fn into_template(
        self,
        op: Operation,
        wanted: &TemplateRef,
    ) -> Result<Template, VcdError> {
        let vms = self
            .children
            .map(|children| children.vms)
            .unwrap_or_default();
        let first = vms.into_iter().next();
        let version = first.as_ref().and_then(TemplateVm::version);
        let vm_href = first.map_or(self.href, |vm| vm.href);
        if vm_href.is_empty() {
            return Err(VcdError::unreadable(
                op,
                format!("template {:?} has no href", wanted.name),
            ));
        }
        let ready = VcdStatus::from_number(self.status) == VcdStatus::PoweredOff;
        Ok(Template {
            name: self.name,
            ready,
            vm_href,
            version,
        })
    }
}

/// A storage profile, in its form for tenants or for the provider.
#[derive(Deserialize)]
pub(in crate::vcd) struct StorageProfileElement {
    #[serde(rename = "Enabled", default)]
    enabled: bool,
    #[serde(rename = "Units", default)]
    units: String,
    #[serde(rename = "Limit", default)]
    limit: u64,
    #[serde(rename = "Default", default)]
    default: bool,
    #[serde(rename = "StorageUsedMB", default)]
    used_mb: u64,
}

impl StorageProfileElement {
    pub(in crate::vcd) fn into_details(self) -> StorageDetails {
        let in_mb = self.units.eq_ignore_ascii_case("MB");
        StorageDetails {
            enabled: self.enabled,
            is_default: self.default,
            space_mib: Allowance {
                limit: limit(self.limit).filter(|_| in_mb),
                used: self.used_mb,
            },
        }
    }
}

/// What only the provider's form of a VDC tells.
#[derive(Deserialize)]
pub(in crate::vcd) struct AdminVdcElement {
    #[serde(rename = "UsesFastProvisioning")]
    pub(in crate::vcd) fast_provisioning: Option<bool>,
}
