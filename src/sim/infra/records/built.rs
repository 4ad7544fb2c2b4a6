//! Records of what tenants build, and of the tasks that build it.

use super::{Record, View, values};
use crate::sim::infra::access;
use crate::sim::infra::catalogs::template_href;
use crate::sim::infra::disk_document::disk_href;
use crate::sim::infra::document::vapp_href;
use crate::sim::infra::machine::{Machine, Status, Vm};
use crate::sim::infra::recompose::{DEFAULT_CPUS, DEFAULT_MEMORY_MIB};
use crate::sim::infra::site::Template;
use crate::sim::infra::vm_document::vm_href;
use crate::sim::reply::stamp;
use crate::sim::task_api::Facts;

pub(super) const VAPP: &[&str] = &[
    "name",
    "href",
    "description",
    "vdc",
    "vdcName",
    "isVdcEnabled",
    "ownerName",
    "owner",
    "org",
    "creationDate",
    "status",
    "isDeployed",
    "isEnabled",
    "isBusy",
    "isExpired",
    "isInMaintenanceMode",
    "isPublic",
    "isAutoNature",
    "numberOfVMs",
    "numberOfCpus",
    "memoryAllocationMB",
    "storageKB",
];

pub(super) const VM: &[&str] = &[
    "name",
    "href",
    "description",
    "container",
    "containerName",
    "containerStatus",
    "owner",
    "ownerName",
    "org",
    "vdc",
    "vdcName",
    "status",
    "isVAppTemplate",
    "isDeployed",
    "isDeleted",
    "isBusy",
    "isPublished",
    "isExpired",
    "isInMaintenanceMode",
    "isAutoNature",
    "ipAddress",
    "networkName",
    "guestOs",
    "hardwareVersion",
    "numberOfCpus",
    "memoryMB",
    "totalStorageAllocatedMb",
    "storageProfileName",
    "vmSizingPolicyId",
    "vmPlacementPolicyId",
    "isComputePolicyCompliant",
    "catalogName",
    "gcStatus",
    "vmToolsVersion",
    "dateCreated",
];

pub(super) const DISK: &[&str] = &[
    "name",
    "href",
    "description",
    "vdc",
    "vdcName",
    "ownerName",
    "owner",
    "org",
    "sizeMb",
    "iops",
    "encrypted",
    "uuid",
    "storageProfile",
    "storageProfileName",
    "status",
    "busType",
    "busSubType",
    "busTypeDesc",
    "attachedVmCount",
    "sharingType",
    "isAttached",
    "isShareable",
    "creationDate",
];

pub(super) const TASK: &[&str] = &[
    "name",
    "href",
    "operationFull",
    "message",
    "status",
    "progress",
    "object",
    "objectName",
    "objectType",
    "ownerName",
    "owner",
    "orgName",
    "org",
    "serviceNamespace",
    "startDate",
    "endDate",
];

impl View<'_> {
    pub(super) fn vapps(&self) -> Vec<Record> {
        let vapps = self.infra.vapps.values();
        let visible = vapps.filter(|vapp| access::vapp(self.call, self.infra, &vapp.uuid).is_ok());
        visible
            .map(|vapp| {
                let vms = self.infra.vms_of(&vapp.uuid);
                let sum = |of: fn(&Vm) -> u64| vms.iter().map(|vm| of(vm)).sum::<u64>();
                let storage = sum(|vm| vm.disks.iter().map(|disk| disk.size_mib).sum());
                let vdc = self.infra.vdcs.get(&vapp.vdc);
                let values = values![
                    vapp.name,
                    vapp_href(self.ctx.site, &vapp.uuid),
                    vapp.description,
                    self.vdc_href(&vapp.vdc),
                    self.vdc_name(&vapp.vdc),
                    vdc.is_some_and(|vdc| vdc.enabled),
                    vapp.owner.name,
                    vapp.owner.href,
                    self.org_href(&vapp.org_id),
                    stamp(vapp.created),
                    self.infra.vapp_status(vapp).name(),
                    self.infra.vapp_deployed(&vapp.uuid),
                    true,
                    self.infra.busy.contains_key(&vapp.uuid),
                    false,
                    false,
                    false,
                    vapp.auto_nature,
                    vms.len(),
                    sum(|vm| vm.cpus.into()),
                    sum(|vm| vm.memory_mib.into()),
                    storage.saturating_mul(1024),
                ];
                self.record(format!("urn:vcloud:vapp:{}", vapp.uuid), values)
            })
            .collect()
    }

    /// Machines, and those inside templates, which are told by `isVAppTemplate`.
    pub(super) fn vms(&self) -> Vec<Record> {
        let vms = self.infra.vms.values();
        let visible = vms.filter(|vm| access::vm(self.call, self.infra, &vm.uuid).is_ok());
        let machines = visible.map(|vm| self.vm(vm));
        let templates = self.infra.templates.values();
        let inside = templates.filter_map(|template| self.template_vm(template));
        machines.chain(inside).collect()
    }

    /// The VM inside a template, if the caller may see it.
    fn template_vm(&self, template: &Template) -> Option<Record> {
        let catalog = self.infra.catalogs.get(&template.catalog);
        let catalog = catalog.filter(|catalog| self.sees(&catalog.org_id))?;
        let profile = self.infra.default_profile(&template.vdc);
        let machine = Machine::default();
        let values = values![
            template.name,
            format!("{}/api/vAppTemplate/vm-{}", self.ctx.site, template.vm),
            "",
            template_href(self.ctx.site, template),
            template.name,
            "RESOLVED",
            catalog.owner.href,
            catalog.owner.name,
            self.org_href(&catalog.org_id),
            self.vdc_href(&template.vdc),
            self.vdc_name(&template.vdc),
            Status::PoweredOff.name(),
            true,
            false,
            false,
            self.infra.busy.contains_key(&template.uuid),
            false,
            false,
            false,
            false,
            "",
            "",
            machine.os_type,
            machine.hardware_version.trim_start_matches("vmx-"),
            DEFAULT_CPUS,
            DEFAULT_MEMORY_MIB,
            template.disk_mib,
            self.profile_name(&profile.unwrap_or_default()),
            "",
            "",
            true,
            catalog.name,
            "",
            12352,
            catalog.created_stamp(),
        ];
        Some(self.record(format!("urn:vcloud:vm:{}", template.vm), values))
    }

    fn vm(&self, vm: &Vm) -> Record {
        let infra = self.infra;
        let vapp = infra.vapps.get(&vm.vapp);
        let vdc = vapp.map_or("", |vapp| vapp.vdc.as_str());
        let owner = vapp.map(|vapp| vapp.owner.clone()).unwrap_or_default();
        let network = vm.nics.first().map_or("", |nic| nic.network.as_str());
        let template = infra.templates.get(&vm.template);
        let catalog = template.and_then(|template| infra.catalogs.get(&template.catalog));
        let policy = |uuid: &Option<String>| {
            let policy = uuid.as_ref().and_then(|uuid| infra.policies.get(uuid));
            policy
                .map(super::super::site::Policy::urn)
                .unwrap_or_default()
        };
        let storage: u64 = vm.disks.iter().map(|disk| disk.size_mib).sum();
        let customized = vm.customization.complete || !vm.customization.enabled;
        let values = values![
            vm.name,
            vm_href(self.ctx.site, &vm.uuid),
            vm.description,
            vapp_href(self.ctx.site, &vm.vapp),
            vapp.map_or("", |vapp| vapp.name.as_str()),
            vapp.map_or(Status::Unresolved, |vapp| infra.vapp_status(vapp))
                .name(),
            owner.href,
            owner.name,
            vapp.map(|vapp| self.org_href(&vapp.org_id))
                .unwrap_or_default(),
            self.vdc_href(vdc),
            self.vdc_name(vdc),
            vm.status.name(),
            false,
            vm.deployed,
            false,
            infra.busy.contains_key(&vm.uuid),
            false,
            false,
            false,
            vapp.is_some_and(|vapp| vapp.auto_nature),
            vm.ip().map(|ip| ip.to_string()).unwrap_or_default(),
            network,
            vm.machine.os_type,
            vm.machine.hardware_version.trim_start_matches("vmx-"),
            vm.cpus,
            vm.memory_mib,
            storage,
            self.profile_name(&vm.storage_profile),
            policy(&vm.sizing_policy),
            policy(&vm.placement_policy),
            true,
            catalog.map_or("", |catalog| catalog.name.as_str()),
            if customized {
                "GC_COMPLETE"
            } else {
                "GC_PENDING"
            },
            12352,
            stamp(vm.created),
        ];
        self.record(format!("urn:vcloud:vm:{}", vm.uuid), values)
    }

    pub(super) fn disks(&self) -> Vec<Record> {
        let disks = self.infra.disks.values();
        let visible = disks.filter(|disk| self.sees(&disk.org_id));
        visible
            .map(|disk| {
                let profile = self
                    .infra
                    .profile_reference(self.ctx.site, &disk.storage_profile);
                let attached = !disk.attached.is_empty();
                let values = values![
                    disk.name,
                    disk_href(self.ctx.site, &disk.uuid),
                    disk.description,
                    self.vdc_href(&disk.vdc),
                    self.vdc_name(&disk.vdc),
                    disk.owner.name,
                    disk.owner.href,
                    self.org_href(&disk.org_id),
                    disk.size_mib,
                    0,
                    false,
                    disk.backing,
                    profile.href,
                    profile.name,
                    if disk.unresolved {
                        "UNRESOLVED"
                    } else {
                        "RESOLVED"
                    },
                    disk.bus_type,
                    disk.bus_sub_type,
                    disk.bus_description(),
                    disk.attached.len(),
                    disk.sharing,
                    attached,
                    disk.shareable(),
                    stamp(disk.created),
                ];
                self.record(disk.urn(), values)
            })
            .collect()
    }

    pub(super) fn tasks(&self) -> Vec<Record> {
        let tasks = self.ctx.tasks.iter();
        let visible = tasks.filter(|task| self.sees(&task.org.id));
        visible
            .map(|task| {
                let facts = Facts::of(task, self.ctx);
                let kind = task.owner.id.split(':').nth(2).unwrap_or_default();
                let message = facts.error.map(|(_, _, message)| message);
                let values = values![
                    task.operation_name,
                    self.href("task", &task.uuid),
                    task.operation,
                    message.unwrap_or_default(),
                    facts.status,
                    facts.progress.unwrap_or_default(),
                    task.owner.href,
                    task.owner.name,
                    kind,
                    task.user.name,
                    task.user.href,
                    task.org.name,
                    task.org.href,
                    "com.vmware.vcloud",
                    facts.start,
                    facts.end.unwrap_or_default(),
                ];
                self.record(format!("urn:vcloud:task:{}", task.uuid), values)
            })
            .collect()
    }
}
