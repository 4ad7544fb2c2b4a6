//! A tenant: organization, author, VDC, network with an address pool, catalog, storage profile.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::templates::{DEFAULT_IMAGE, TKG_IMAGES, TkgImage};
use crate::setup::objects::{AUTHOR_ROLE, Site};
use crate::sim::context::new_uuid;
use crate::sim::control::NewUser;
use crate::sim::directory::{bare, derived_urn};
use crate::sim::infra::sharing::Sharing;
use crate::sim::infra::site::{Catalog, Medium, Network, StorageProfile, Template, Vdc, VdcLimits};
use crate::sim::tasks::Reference;
use crate::sim::world::World;

/// When everything seeded was made: before any test or demo begins.
const SEEDED_AT: Timestamp = Timestamp::constant(1_704_067_200, 0);
/// Name of the medium in the catalog.
const MEDIUM: &str = "seed.iso";
/// Disk of a TKG image, in MiB.
const IMAGE_DISK_MIB: u64 = 20 * 1024;

/// Names, ids and token of a seeded tenant.
#[derive(Clone)]
pub struct Tenant {
    /// Organization name.
    pub org: String,
    /// `urn:vcloud:org:<uuid>`
    pub org_id: String,
    /// VDC name.
    pub vdc: String,
    /// Organization VDC network name.
    pub network: String,
    /// Catalog name.
    pub catalog: String,
    /// Name of the template clusters are created from.
    pub template: String,
    /// Author's user name; its role is "Kubernetes Cluster Author".
    pub author: String,
    /// `urn:vcloud:user:<uuid>`
    pub author_id: String,
    /// Author's API token.
    pub api_token: String,
    /// Name of the VDC's storage profile.
    pub storage_profile: String,
}

/// The catalog of a seeded tenant.
pub(crate) const DEFAULT_CATALOG: &str = "tkg-images";

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("org", &self.org)
            .field("vdc", &self.vdc)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Adds a tenant that can create clusters, with every known TKG image in its catalog.
    pub fn seed_tenant(&mut self, org: &str) -> Tenant {
        let org_id = self.add_org(org);
        let author = format!("{org}-author");
        let api_token = self.new_token();
        let site = Site::shipped();
        // Where nothing is set up yet, the role gives nothing: its users gain its rights with it.
        let role = derived_urn("globalRole", AUTHOR_ROLE);
        let is_set_up = self.directory.right_sets.contains_key(&role);
        let rights = if is_set_up {
            site.rights(AUTHOR_ROLE)
        } else {
            Vec::new()
        };
        let author_id = self.add_user(NewUser {
            org,
            name: &author,
            role: AUTHOR_ROLE,
            rights: &rights,
            api_token: Some(&api_token),
            ..NewUser::default()
        });
        let tenant = Tenant {
            org: org.to_owned(),
            org_id,
            vdc: format!("{org}-vdc"),
            network: format!("{org}-net"),
            catalog: DEFAULT_CATALOG.to_owned(),
            template: DEFAULT_IMAGE.template_name(),
            author,
            author_id: author_id.unwrap_or_default(),
            api_token,
            storage_profile: "gold".to_owned(),
        };
        let vdc = self.seed_vdc(&tenant);
        self.seed_catalog(&tenant, &vdc);
        self.seed_edge(&tenant, &vdc);
        tenant
    }

    /// Leaves `addresses` free addresses in the pool of the tenant's network, at most what it has.
    pub fn limit_pool(&mut self, tenant: &Tenant, addresses: u32) {
        let mut networks = self.infra.networks.values_mut();
        if let Some(network) = networks.find(|network| network.name == tenant.network) {
            let used = u32::try_from(network.used.len()).unwrap_or(u32::MAX);
            let first = u32::from(network.pool.0);
            let size = used.saturating_add(addresses).min(network.size());
            network.pool.1 = Ipv4Addr::from(first.saturating_add(size).saturating_sub(1));
        }
    }

    fn fresh(&mut self) -> String {
        new_uuid(&mut self.rng).to_string()
    }

    fn seed_vdc(&mut self, tenant: &Tenant) -> String {
        let vdc = self.fresh();
        // One /16 of 10.0.0.0/8 per tenant; clear of the networks a bootstrap VM uses inside.
        let second = u8::try_from(self.infra.vdcs.len() % 250)
            .unwrap_or_default()
            .saturating_add(1);
        let network = Network {
            uuid: self.fresh(),
            name: tenant.network.clone(),
            vdc: vdc.clone(),
            gateway: Ipv4Addr::new(10, second, 0, 1),
            prefix: 16,
            dns: Ipv4Addr::new(10, second, 0, 2),
            pool: (
                Ipv4Addr::new(10, second, 1, 1),
                Ipv4Addr::new(10, second, 16, 254),
            ),
            used: BTreeMap::new(),
        };
        let profile = StorageProfile {
            uuid: self.fresh(),
            name: tenant.storage_profile.clone(),
            vdc: vdc.clone(),
            default: true,
            disabled: false,
            limit_mib: 0,
        };
        self.infra.networks.insert(network.uuid.clone(), network);
        self.infra
            .storage_profiles
            .insert(profile.uuid.clone(), profile);
        let seeded = Vdc {
            uuid: vdc.clone(),
            name: tenant.vdc.clone(),
            org_id: tenant.org_id.clone(),
            enabled: true,
            limits: VdcLimits::default(),
        };
        self.infra.vdcs.insert(vdc.clone(), seeded);
        vdc
    }

    fn seed_catalog(&mut self, tenant: &Tenant, vdc: &str) {
        let catalog = Catalog {
            uuid: self.fresh(),
            name: tenant.catalog.clone(),
            org_id: tenant.org_id.clone(),
            owner: Reference::user(&self.site, (&tenant.author_id, &tenant.author)),
            created: SEEDED_AT,
            description: String::new(),
            storage_profile: None,
            sharing: Sharing::default(),
            published: false,
            published_outside: false,
            metadata: BTreeMap::new(),
        };
        for image in &TKG_IMAGES {
            self.seed_template(image, &catalog.uuid, vdc);
        }
        let derived = |kind| derived_urn(kind, &format!("{}/{MEDIUM}", tenant.org_id));
        let medium = Medium {
            uuid: bare(&derived("media")).to_owned(),
            item: bare(&derived("catalogitem")).to_owned(),
            name: MEDIUM.to_owned(),
            catalog: catalog.uuid.clone(),
            vdc: vdc.to_owned(),
            size_bytes: 1024 * 1024,
            description: String::new(),
            upload: None,
        };
        self.infra.media.insert(medium.uuid.clone(), medium);
        self.infra.catalogs.insert(catalog.uuid.clone(), catalog);
    }

    fn seed_template(&mut self, image: &TkgImage, catalog: &str, vdc: &str) {
        let template = Template {
            uuid: self.fresh(),
            item: self.fresh(),
            vm: self.fresh(),
            name: image.template_name(),
            catalog: catalog.to_owned(),
            vdc: vdc.to_owned(),
            product_version: image.version.to_owned(),
            disk_mib: IMAGE_DISK_MIB,
            metadata: BTreeMap::new(),
            description: String::new(),
            upload: None,
        };
        self.infra.templates.insert(template.uuid.clone(), template);
    }
}
