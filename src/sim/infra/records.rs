//! One record of the query service per object, for every type clients ask for.
//!
//! Invariants:
//! - A record holds what is rendered and, apart from it, ids that can only be filtered by.
//! - Records of objects the caller may not see are never made.
//!
//! Source: VCD API, query types and record elements.

use std::borrow::Cow;

use super::Infra;
use super::access::{self, refused, require, right, sees};
use super::catalogs::template_href;
use super::document::vapp_href;
use super::vm_document::vm_href;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::{Problem, stamp};
use crate::sim::tasks::{Task, TaskState};
use crate::sim::xml::Element;

/// One hit before filtering.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    element: &'static str,
    attributes: Vec<(&'static str, String)>,
    /// URN; shown with `format=idrecords` only.
    pub(crate) id: String,
}

impl Record {
    fn new(element: &'static str, id: String, href: String, name: &str) -> Self {
        Self {
            element,
            attributes: vec![("name", name.to_owned()), ("href", href)],
            id,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "call sites read like the document"
    )]
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// What is shown under `key`; `None` for a key the type does not have.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        if key == "id" {
            return Some(&self.id);
        }
        self.attributes
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The same with references as URNs instead of URLs: clients filter with either.
    pub(crate) fn value_by_urn(&self, key: &str) -> Option<Cow<'_, str>> {
        let value = self.value(key)?;
        let kind = match key {
            "org" => "org",
            "vdc" => "vdc",
            "catalog" => "catalog",
            "container" => "vapp",
            _ => return Some(Cow::Borrowed(value)),
        };
        let last = value.rsplit('/').next().unwrap_or_default();
        let uuid = last.strip_prefix("vapp-").unwrap_or(last);
        Some(Cow::Owned(format!("urn:vcloud:{kind}:{uuid}")))
    }

    /// The element of a `records` answer; `ids` adds the id.
    pub(crate) fn element(&self, ids: bool) -> Element {
        let mut element = Element::new(self.element);
        if ids {
            element = element.attr("id", &self.id);
        }
        self.attributes
            .iter()
            .fold(element, |element, (name, value)| element.attr(name, value))
    }

    /// The element of a `references` answer.
    pub(crate) fn reference(&self) -> Element {
        let name = self.element.trim_end_matches("Record");
        let of = |key| self.value(key).unwrap_or_default();
        Element::new(format!("{name}Reference"))
            .attr("href", of("href"))
            .attr("id", &self.id)
            .attr("name", of("name"))
    }
}

/// Records of a query type the caller may see; `None` when there is no such type.
pub(crate) fn of_type(
    call: &Call<'_>,
    ctx: &Context<'_>,
    infra: &Infra,
    kind: &str,
) -> Result<Option<Vec<Record>>, Problem> {
    let admin = kind.starts_with("admin");
    if admin && !call.principal.provider {
        return Err(refused("General: Administrator View", "QUERY_ADMIN", kind));
    }
    let view = View {
        call,
        ctx,
        infra,
        admin,
    };
    Ok(Some(match kind {
        "organization" => view.orgs(),
        "orgVdc" | "adminOrgVdc" => view.vdcs()?,
        "vAppTemplate" | "adminVAppTemplate" => view.templates()?,
        "catalog" | "adminCatalog" => view.catalogs()?,
        "orgVdcStorageProfile" | "adminOrgVdcStorageProfile" => view.storage_profiles()?,
        "orgVdcNetwork" => view.networks()?,
        "vApp" | "adminVApp" => view.vapps(),
        "vm" | "adminVM" => view.vms(),
        "task" | "adminTask" => view.tasks(),
        _ => return Ok(None),
    }))
}

struct View<'a> {
    call: &'a Call<'a>,
    ctx: &'a Context<'a>,
    infra: &'a Infra,
    admin: bool,
}

impl View<'_> {
    fn sees(&self, org_id: &str) -> bool {
        sees(&self.call.principal, org_id)
    }

    fn named(&self, tenant: &'static str, admin: &'static str) -> &'static str {
        if self.admin { admin } else { tenant }
    }

    /// Admin records carry hrefs below `/api/admin` for VDCs.
    fn vdc_href(&self, uuid: &str) -> String {
        let path = if self.admin {
            "api/admin/vdc"
        } else {
            "api/vdc"
        };
        format!("{}/{path}/{uuid}", self.ctx.site)
    }

    fn org_name(&self, org_id: &str) -> String {
        self.ctx
            .directory
            .org_name(org_id)
            .unwrap_or_default()
            .to_owned()
    }

    fn org_href(&self, org_id: &str) -> String {
        format!("{}/api/org/{}", self.ctx.site, bare(org_id))
    }

    fn vdc_name(&self, uuid: &str) -> String {
        self.infra
            .vdcs
            .get(uuid)
            .map(|vdc| vdc.name.clone())
            .unwrap_or_default()
    }

    fn vdc_visible(&self, uuid: &str) -> bool {
        self.infra
            .vdcs
            .get(uuid)
            .is_some_and(|vdc| self.sees(&vdc.org_id))
    }

    fn orgs(&self) -> Vec<Record> {
        let orgs = self
            .ctx
            .directory
            .orgs
            .values()
            .filter(|org| self.sees(&org.id));
        orgs.map(|org| {
            Record::new(
                "OrgRecord",
                org.id.clone(),
                self.org_href(&org.id),
                &org.name,
            )
            .with("displayName", &org.full_name)
            .with("isEnabled", true)
        })
        .collect()
    }

    fn vdcs(&self) -> Result<Vec<Record>, Problem> {
        require(self.call, right::VDCS, "QUERY_ORG_VDC", "orgVdc")?;
        let element = self.named("OrgVdcRecord", "AdminVdcRecord");
        let vdcs = self
            .infra
            .vdcs
            .values()
            .filter(|vdc| self.sees(&vdc.org_id));
        let record = |vdc: &super::site::Vdc| {
            let vapps = self
                .infra
                .vapps
                .values()
                .filter(|vapp| vapp.vdc == vdc.uuid)
                .count();
            let id = format!("urn:vcloud:vdc:{}", vdc.uuid);
            Record::new(element, id, self.vdc_href(&vdc.uuid), &vdc.name)
                .with("orgName", self.org_name(&vdc.org_id))
                .with("org", self.org_href(&vdc.org_id))
                .with("isEnabled", vdc.enabled)
                .with("isBusy", false)
                .with("status", "READY")
                .with("allocationModel", "Flex")
                .with("networkProviderType", "NSX_T")
                .with("numberOfVApps", vapps)
                .with("cpuAllocationMhz", 0)
                .with("cpuLimitMhz", 0)
                .with("cpuUsedMhz", 0)
                .with("memoryAllocationMB", 0)
                .with("memoryLimitMB", 0)
                .with("memoryUsedMB", 0)
                .with("storageLimitMB", 0)
                .with("storageUsedMB", 0)
        };
        Ok(vdcs.map(record).collect())
    }

    fn templates(&self) -> Result<Vec<Record>, Problem> {
        require(
            self.call,
            right::TEMPLATES,
            "QUERY_VAPP_TEMPLATE",
            "vAppTemplate",
        )?;
        let element = self.named("VAppTemplateRecord", "AdminVAppTemplateRecord");
        let mut records = Vec::new();
        for template in self.infra.templates.values() {
            let Some(catalog) = self.infra.catalogs.get(&template.catalog) else {
                continue;
            };
            if !self.sees(&catalog.org_id) {
                continue;
            }
            let id = format!("urn:vcloud:vapptemplate:{}", template.uuid);
            let href = template_href(self.ctx.site, template);
            let catalog_href = format!("{}/api/catalog/{}", self.ctx.site, catalog.uuid);
            let record = Record::new(element, id, href, &template.name)
                .with("catalogName", &catalog.name)
                .with("catalog", catalog_href)
                .with("vdc", self.vdc_href(&template.vdc))
                .with("vdcName", self.vdc_name(&template.vdc))
                .with("org", self.org_href(&catalog.org_id))
                .with("ownerName", &catalog.owner.name)
                .with("status", "RESOLVED")
                .with("isExpired", false)
                .with("isEnabled", true)
                .with("numberOfVMs", 1);
            records.push(record);
        }
        Ok(records)
    }

    fn catalogs(&self) -> Result<Vec<Record>, Problem> {
        require(self.call, right::CATALOGS, "QUERY_CATALOG", "catalog")?;
        let element = self.named("CatalogRecord", "AdminCatalogRecord");
        let catalogs = self
            .infra
            .catalogs
            .values()
            .filter(|one| self.sees(&one.org_id));
        let record = |catalog: &super::site::Catalog| {
            let templates = self.infra.templates.values();
            let count = templates.filter(|one| one.catalog == catalog.uuid).count();
            let id = format!("urn:vcloud:catalog:{}", catalog.uuid);
            let href = format!("{}/api/catalog/{}", self.ctx.site, catalog.uuid);
            Record::new(element, id, href, &catalog.name)
                .with("orgName", self.org_name(&catalog.org_id))
                .with("org", self.org_href(&catalog.org_id))
                .with("owner", &catalog.owner.href)
                .with("ownerName", &catalog.owner.name)
                .with("isPublished", false)
                .with("isShared", true)
                .with("numberOfVAppTemplates", count)
                .with("status", "READY")
        };
        Ok(catalogs.map(record).collect())
    }

    fn storage_profiles(&self) -> Result<Vec<Record>, Problem> {
        require(
            self.call,
            right::VDCS,
            "QUERY_STORAGE_PROFILE",
            "orgVdcStorageProfile",
        )?;
        let element = self.named(
            "OrgVdcStorageProfileRecord",
            "AdminOrgVdcStorageProfileRecord",
        );
        let path = if self.admin {
            "api/admin/vdcStorageProfile"
        } else {
            "api/vdcStorageProfile"
        };
        let profiles = self
            .infra
            .storage_profiles
            .values()
            .filter(|one| self.vdc_visible(&one.vdc));
        let record = |profile: &super::site::StorageProfile| {
            let id = format!("urn:vcloud:vdcstorageProfile:{}", profile.uuid);
            let href = format!("{}/{path}/{}", self.ctx.site, profile.uuid);
            Record::new(element, id, href, &profile.name)
                .with("vdc", self.vdc_href(&profile.vdc))
                .with("vdcName", self.vdc_name(&profile.vdc))
                .with("isEnabled", true)
                .with("isDefaultStorageProfile", profile.default)
                .with("storageUsedMB", 0)
                .with("storageLimitMB", 0)
        };
        Ok(profiles.map(record).collect())
    }

    fn networks(&self) -> Result<Vec<Record>, Problem> {
        require(
            self.call,
            right::NETWORKS,
            "QUERY_ORG_VDC_NETWORK",
            "orgVdcNetwork",
        )?;
        let networks = self
            .infra
            .networks
            .values()
            .filter(|one| self.vdc_visible(&one.vdc));
        let record = |network: &super::site::Network| {
            let id = format!("urn:vcloud:network:{}", network.uuid);
            let href = format!("{}/api/network/{}", self.ctx.site, network.uuid);
            Record::new("OrgVdcNetworkRecord", id, href, &network.name)
                .with("vdc", self.vdc_href(&network.vdc))
                .with("vdcName", self.vdc_name(&network.vdc))
                .with("defaultGateway", network.gateway)
                .with("netmask", network.netmask())
                .with("linkType", 1)
                .with("isShared", false)
        };
        Ok(networks.map(record).collect())
    }

    fn vapps(&self) -> Vec<Record> {
        let element = self.named("VAppRecord", "AdminVAppRecord");
        let vapps = self.infra.vapps.values();
        let visible = vapps.filter(|vapp| access::vapp(self.call, self.infra, &vapp.uuid).is_ok());
        let record = |vapp: &super::machine::Vapp| {
            let href = vapp_href(self.ctx.site, &vapp.uuid);
            Record::new(
                element,
                format!("urn:vcloud:vapp:{}", vapp.uuid),
                href,
                &vapp.name,
            )
            .with("description", &vapp.description)
            .with("vdc", self.vdc_href(&vapp.vdc))
            .with("vdcName", self.vdc_name(&vapp.vdc))
            .with("ownerName", &vapp.owner.name)
            .with("creationDate", stamp(vapp.created))
            .with("status", self.infra.vapp_status(vapp).name())
            .with("isDeployed", self.infra.vapp_deployed(&vapp.uuid))
            .with("isEnabled", true)
            .with("isBusy", self.infra.busy.contains_key(&vapp.uuid))
            .with("numberOfVMs", self.infra.vms_of(&vapp.uuid).len())
        };
        visible.map(record).collect()
    }

    fn vms(&self) -> Vec<Record> {
        let element = self.named("VMRecord", "AdminVMRecord");
        let vms = self.infra.vms.values();
        let visible = vms.filter(|vm| access::vm(self.call, self.infra, &vm.uuid).is_ok());
        let record = |vm: &super::machine::Vm| {
            let vapp = self.infra.vapps.get(&vm.vapp);
            let vdc = vapp.map(|vapp| vapp.vdc.as_str()).unwrap_or_default();
            let network = vm
                .nics
                .first()
                .map(|nic| nic.network.as_str())
                .unwrap_or_default();
            let href = vm_href(self.ctx.site, &vm.uuid);
            Record::new(
                element,
                format!("urn:vcloud:vm:{}", vm.uuid),
                href,
                &vm.name,
            )
            .with("container", vapp_href(self.ctx.site, &vm.vapp))
            .with(
                "containerName",
                vapp.map(|vapp| vapp.name.as_str()).unwrap_or_default(),
            )
            .with("vdc", self.vdc_href(vdc))
            .with("status", vm.status.name())
            .with("isVAppTemplate", false)
            .with("isDeployed", vm.deployed)
            .with("isBusy", self.infra.busy.contains_key(&vm.uuid))
            .with(
                "ipAddress",
                vm.ip().map(|ip| ip.to_string()).unwrap_or_default(),
            )
            .with("networkName", network)
            .with("numberOfCpus", vm.cpus)
            .with("memoryMB", vm.memory_mib)
        };
        visible.map(record).collect()
    }

    fn tasks(&self) -> Vec<Record> {
        let element = self.named("TaskRecord", "AdminTaskRecord");
        let tasks = self.ctx.tasks.iter().filter(|task| self.sees(&task.org.id));
        let record = |task: &Task| {
            let status = match &task.state {
                TaskState::Running { .. } => "running",
                TaskState::Success { .. } => "success",
                TaskState::Failed(_) => "error",
            };
            let href = format!("{}/api/task/{}", self.ctx.site, task.uuid);
            let id = format!("urn:vcloud:task:{}", task.uuid);
            Record::new(element, id, href, &task.operation_name)
                .with("operationFull", &task.operation)
                .with("status", status)
                .with("object", &task.owner.href)
                .with("objectName", &task.owner.name)
                .with("ownerName", &task.user.name)
                .with("orgName", &task.org.name)
                .with("org", &task.org.href)
                .with("startDate", stamp(task.started))
        };
        tasks.map(record).collect()
    }
}
