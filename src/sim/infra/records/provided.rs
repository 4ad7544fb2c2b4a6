//! Records of what a provider sets up: organizations, VDCs, catalogs, networks, gateways.

use super::{Record, View, values};
use crate::sim::infra::catalogs::template_href;
use crate::sim::infra::site::{Catalog, Template};
use crate::sim::infra::uploads::Upload;

pub(super) const ORG: &[&str] = &[
    "name",
    "href",
    "displayName",
    "isEnabled",
    "isReadOnly",
    "canPublishCatalogs",
    "numberOfCatalogs",
    "numberOfVdcs",
    "numberOfVApps",
    "numberOfDisks",
];

pub(super) const VDC: &[&str] = &[
    "name",
    "href",
    "orgName",
    "org",
    "isEnabled",
    "isBusy",
    "status",
    "allocationModel",
    "networkProviderType",
    "numberOfVApps",
    "numberOfVMs",
    "numberOfDisks",
    "numberOfVAppTemplates",
    "numberOfMedia",
    "numberOfStorageProfiles",
    "cpuAllocationMhz",
    "cpuLimitMhz",
    "cpuUsedMhz",
    "memoryAllocationMB",
    "memoryLimitMB",
    "memoryUsedMB",
    "storageLimitMB",
    "storageUsedMB",
];

pub(super) const TEMPLATE: &[&str] = &[
    "name",
    "href",
    "catalogName",
    "catalog",
    "catalogItem",
    "vdc",
    "vdcName",
    "isVdcEnabled",
    "org",
    "ownerName",
    "owner",
    "status",
    "creationDate",
    "isBusy",
    "isExpired",
    "isEnabled",
    "isDeployed",
    "isGoldMaster",
    "isPublished",
    "isInCatalog",
    "storageProfileName",
    "numberOfVMs",
];

pub(super) const CATALOG: &[&str] = &[
    "name",
    "href",
    "orgName",
    "org",
    "owner",
    "ownerName",
    "creationDate",
    "isPublished",
    "isShared",
    "isLocal",
    "numberOfVAppTemplates",
    "numberOfMedia",
    "publishSubscriptionType",
    "version",
    "status",
];

pub(super) const ITEM: &[&str] = &[
    "name",
    "href",
    "entity",
    "entityName",
    "entityType",
    "catalog",
    "catalogName",
    "owner",
    "ownerName",
    "vdc",
    "vdcName",
    "isVdcEnabled",
    "creationDate",
    "isPublished",
    "isExpired",
    "status",
];

pub(super) const MEDIA: &[&str] = &[
    "name",
    "href",
    "catalog",
    "catalogName",
    "catalogItem",
    "owner",
    "ownerName",
    "org",
    "vdc",
    "vdcName",
    "isVdcEnabled",
    "creationDate",
    "storageB",
    "isBusy",
    "isIso",
    "isInCatalog",
    "isPublished",
    "status",
];

pub(super) const PROFILE: &[&str] = &[
    "name",
    "href",
    "vdc",
    "vdcName",
    "isEnabled",
    "isDefaultStorageProfile",
    "isVdcBusy",
    "storageUsedMB",
    "storageLimitMB",
    "numberOfConditions",
    "iopsAllocated",
    "iopsLimit",
];

pub(super) const NETWORK: &[&str] = &[
    "name",
    "href",
    "vdc",
    "vdcName",
    "defaultGateway",
    "netmask",
    "dns1",
    "linkType",
    "connectedTo",
    "isBusy",
    "isShared",
    "isIpScopeInherited",
];

pub(super) const GATEWAY: &[&str] = &[
    "name",
    "href",
    "vdc",
    "orgVdcName",
    "numberOfExtNetworks",
    "numberOfOrgNetworks",
    "isBusy",
    "gatewayStatus",
    "haStatus",
];

/// Status of a template or a medium.
fn status(upload: Option<&Upload>) -> &'static str {
    upload.map_or("RESOLVED", Upload::status_name)
}

impl View<'_> {
    fn sees_catalog(&self, catalog: &Catalog) -> bool {
        catalog.seen_by(&self.call.principal)
    }

    pub(super) fn orgs(&self) -> Vec<Record> {
        let orgs = self.ctx.directory.orgs.values();
        let visible = orgs.filter(|org| self.sees(&org.id));
        visible
            .map(|org| {
                let infra = self.infra;
                let catalogs = infra.catalogs.values().filter(|one| one.org_id == org.id);
                let vdcs = infra.vdcs.values().filter(|one| one.org_id == org.id);
                let vapps = infra.vapps.values().filter(|one| one.org_id == org.id);
                let disks = infra.disks.values().filter(|one| one.org_id == org.id);
                let values = values![
                    org.name,
                    self.org_href(&org.id),
                    org.full_name,
                    true,
                    false,
                    true,
                    catalogs.count(),
                    vdcs.count(),
                    vapps.count(),
                    disks.count(),
                ];
                self.record(org.id.clone(), values)
            })
            .collect()
    }

    pub(super) fn vdcs(&self) -> Vec<Record> {
        let infra = self.infra;
        let vdcs = infra.vdcs.values().filter(|vdc| self.sees(&vdc.org_id));
        vdcs.map(|vdc| {
            let vapps = || infra.vapps.values().filter(|one| one.vdc == vdc.uuid);
            let vms = vapps().flat_map(|vapp| infra.vms_of(&vapp.uuid));
            let disks = infra.disks.values().filter(|one| one.vdc == vdc.uuid);
            let templates = infra.templates.values().filter(|one| one.vdc == vdc.uuid);
            let media = infra.media.values().filter(|one| one.vdc == vdc.uuid);
            let profiles = infra.storage_profiles.values();
            let profiles = profiles.filter(|one| one.vdc == vdc.uuid);
            let mut values = values![
                vdc.name,
                self.vdc_href(&vdc.uuid),
                self.org_name(&vdc.org_id),
                self.org_href(&vdc.org_id),
                vdc.enabled,
                false,
                "READY",
                "Flex",
                "NSX_T",
                vapps().count(),
                vms.count(),
                disks.count(),
                templates.count(),
                media.count(),
                profiles.count(),
            ];
            // Capacity and use, which clients parse as numbers.
            values.resize(self.keys.len(), "0".to_owned());
            self.record(format!("urn:vcloud:vdc:{}", vdc.uuid), values)
        })
        .collect()
    }

    /// Templates the caller sees, each with its catalog.
    fn visible_templates(&self) -> impl Iterator<Item = (&Template, &Catalog)> {
        let templates = self.infra.templates.values();
        templates.filter_map(|template| {
            let catalog = self.infra.catalogs.get(&template.catalog)?;
            self.sees_catalog(catalog).then_some((template, catalog))
        })
    }

    fn vdc_enabled(&self, uuid: &str) -> bool {
        self.infra.vdcs.get(uuid).is_some_and(|vdc| vdc.enabled)
    }

    pub(super) fn templates(&self) -> Vec<Record> {
        let found = self.visible_templates();
        found
            .map(|(template, catalog)| {
                let profile = self.infra.default_profile(&template.vdc);
                let values = values![
                    template.name,
                    template_href(self.ctx.site, template),
                    catalog.name,
                    self.href("catalog", &catalog.uuid),
                    self.href("catalogItem", &template.item),
                    self.vdc_href(&template.vdc),
                    self.vdc_name(&template.vdc),
                    self.vdc_enabled(&template.vdc),
                    self.org_href(&catalog.org_id),
                    catalog.owner.name,
                    catalog.owner.href,
                    status(template.upload.as_ref()),
                    catalog.created_stamp(),
                    self.infra.busy.contains_key(&template.uuid),
                    false,
                    true,
                    false,
                    false,
                    false,
                    true,
                    self.profile_name(&profile.unwrap_or_default()),
                    1,
                ];
                self.record(format!("urn:vcloud:vapptemplate:{}", template.uuid), values)
            })
            .collect()
    }

    pub(super) fn catalogs(&self) -> Vec<Record> {
        let catalogs = self.infra.catalogs.values();
        let visible = catalogs.filter(|one| self.sees_catalog(one));
        visible
            .map(|catalog| {
                let templates = self.infra.templates.values();
                let templates = templates.filter(|one| one.catalog == catalog.uuid);
                let media = self.infra.media.values();
                let media = media.filter(|one| one.catalog == catalog.uuid);
                let values = values![
                    catalog.name,
                    self.href("catalog", &catalog.uuid),
                    self.org_name(&catalog.org_id),
                    self.org_href(&catalog.org_id),
                    catalog.owner.href,
                    catalog.owner.name,
                    catalog.created_stamp(),
                    catalog.published,
                    true,
                    true,
                    templates.count(),
                    media.count(),
                    if catalog.published_outside {
                        "PUBLISHED"
                    } else {
                        "UNPUBLISHED"
                    },
                    1,
                    "READY",
                ];
                self.record(format!("urn:vcloud:catalog:{}", catalog.uuid), values)
            })
            .collect()
    }

    pub(super) fn items(&self) -> Vec<Record> {
        let item =
            |uuid: &str, name: &str, entity: (String, &str), catalog: &Catalog, vdc: &str| {
                let values = values![
                    name,
                    self.href("catalogItem", uuid),
                    entity.0,
                    name,
                    entity.1,
                    self.href("catalog", &catalog.uuid),
                    catalog.name,
                    catalog.owner.href,
                    catalog.owner.name,
                    self.vdc_href(vdc),
                    self.vdc_name(vdc),
                    self.vdc_enabled(vdc),
                    catalog.created_stamp(),
                    false,
                    false,
                    "RESOLVED",
                ];
                self.record(format!("urn:vcloud:catalogitem:{uuid}"), values)
            };
        let templates = self.visible_templates().map(|(template, catalog)| {
            let entity = (template_href(self.ctx.site, template), "vapptemplate");
            item(
                &template.item,
                &template.name,
                entity,
                catalog,
                &template.vdc,
            )
        });
        let media = self.infra.media.values().filter_map(|medium| {
            let catalog = self.infra.catalogs.get(&medium.catalog)?;
            let entity = (self.href("media", &medium.uuid), "media");
            let visible = self.sees_catalog(catalog);
            visible.then(|| item(&medium.item, &medium.name, entity, catalog, &medium.vdc))
        });
        templates.chain(media).collect()
    }

    pub(super) fn media(&self) -> Vec<Record> {
        let media = self.infra.media.values().filter_map(|medium| {
            let catalog = self.infra.catalogs.get(&medium.catalog)?;
            let values = values![
                medium.name,
                self.href("media", &medium.uuid),
                self.href("catalog", &catalog.uuid),
                catalog.name,
                self.href("catalogItem", &medium.item),
                catalog.owner.href,
                catalog.owner.name,
                self.org_href(&catalog.org_id),
                self.vdc_href(&medium.vdc),
                self.vdc_name(&medium.vdc),
                self.vdc_enabled(&medium.vdc),
                catalog.created_stamp(),
                medium.size_bytes,
                false,
                true,
                true,
                false,
                status(medium.upload.as_ref()),
            ];
            let id = format!("urn:vcloud:media:{}", medium.uuid);
            let visible = self.sees_catalog(catalog);
            visible.then(|| self.record(id, values))
        });
        media.collect()
    }

    pub(super) fn storage_profiles(&self) -> Vec<Record> {
        let path = if self.admin {
            "admin/vdcStorageProfile"
        } else {
            "vdcStorageProfile"
        };
        let profiles = self.infra.storage_profiles.values();
        let visible = profiles.filter(|one| self.vdc_visible(&one.vdc));
        visible
            .map(|profile| {
                let values = values![
                    profile.name,
                    self.href(path, &profile.uuid),
                    self.vdc_href(&profile.vdc),
                    self.vdc_name(&profile.vdc),
                    true,
                    profile.default,
                    false,
                    0,
                    0,
                    0,
                    0,
                    0,
                ];
                let id = format!("urn:vcloud:vdcstorageProfile:{}", profile.uuid);
                self.record(id, values)
            })
            .collect()
    }

    pub(super) fn networks(&self) -> Vec<Record> {
        let networks = self.infra.networks.values();
        let visible = networks.filter(|one| self.vdc_visible(&one.vdc));
        visible
            .map(|network| {
                let details = self.services.networks.get(&network.uuid);
                let gateway = details.and_then(|details| details.gateway.as_ref());
                let gateway = gateway.and_then(|uuid| self.services.gateways.get(uuid));
                let values = values![
                    network.name,
                    self.href("network", &network.uuid),
                    self.vdc_href(&network.vdc),
                    self.vdc_name(&network.vdc),
                    network.gateway,
                    network.netmask(),
                    network.dns,
                    if gateway.is_some() { 1 } else { 2 },
                    gateway
                        .map(|gateway| gateway.name.as_str())
                        .unwrap_or_default(),
                    false,
                    details.is_some_and(|details| details.shared),
                    false,
                ];
                self.record(format!("urn:vcloud:network:{}", network.uuid), values)
            })
            .collect()
    }

    pub(super) fn gateways(&self) -> Vec<Record> {
        let gateways = self.services.gateways.values();
        let visible = gateways.filter(|one| self.sees(&one.org_id));
        visible
            .map(|gateway| {
                let networks = self.services.networks.values();
                let routed = networks.filter(|one| one.gateway.as_deref() == Some(&gateway.uuid));
                let values = values![
                    gateway.name,
                    self.href("admin/edgeGateway", &gateway.uuid),
                    self.vdc_href(&gateway.vdc),
                    self.vdc_name(&gateway.vdc),
                    1,
                    routed.count(),
                    self.services.busy.contains_key(&gateway.uuid),
                    "READY",
                    "DISABLED",
                ];
                self.record(gateway.urn(), values)
            })
            .collect()
    }
}
