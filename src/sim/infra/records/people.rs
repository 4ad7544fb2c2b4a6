//! Records of users, roles and rights, and of the provider's own resources.
//!
//! Not here: how users and roles are made (`sim::accounts`, `sim::rights`). Provider VDCs are not modelled;
//! the site has one, with the storage profiles that its VDCs have.

use std::collections::BTreeSet;

use super::{Record, View, values};
use crate::sim::directory::{bare, derived_urn};
use crate::sim::rights;

pub(super) const USER: &[&str] = &[
    "name",
    "href",
    "fullName",
    "isEnabled",
    "isLdapUser",
    "identityProviderType",
    "deployedVMQuota",
    "storedVMQuota",
    "numberOfDeployedVMs",
    "numberOfStoredVMs",
    "org",
    "roleNames",
];

pub(super) const ROLE: &[&str] = &["name", "href", "isReadOnly", "org"];

pub(super) const RIGHT: &[&str] = &["name", "href", "category", "fullName"];

pub(super) const PROVIDER_VDC: &[&str] = &[
    "name",
    "href",
    "status",
    "isEnabled",
    "isBusy",
    "isDeleted",
    "cpuAllocationMhz",
    "cpuLimitMhz",
    "cpuUsedMhz",
    "memoryAllocationMB",
    "memoryLimitMB",
    "memoryUsedMB",
    "storageAllocationMB",
    "storageLimitMB",
    "storageUsedMB",
    "numberOfVdcs",
    "numberOfDatastores",
    "numberOfStorageProfiles",
];

pub(super) const PROVIDER_PROFILE: &[&str] = &[
    "name",
    "href",
    "providerVdc",
    "vc",
    "storageProfileMoref",
    "isEnabled",
    "storageProvisionedMB",
    "storageRequestedMB",
    "storageTotalMB",
    "storageUsedMB",
    "numberOfConditions",
];

/// Name of the one provider VDC.
const PROVIDER_VDC_NAME: &str = "pvdc1";
/// Its storage, and that of each storage profile.
const STORAGE_MIB: u64 = 100 * 1024 * 1024;

/// The bare UUID of something that is not modelled.
fn derived(kind: &str, name: &str) -> String {
    bare(&derived_urn(kind, name)).to_owned()
}

impl View<'_> {
    /// Users of the caller's organization, or of the one it acts in; service accounts are none.
    pub(super) fn users(&self) -> Vec<Record> {
        let users = self.ctx.directory.users.values();
        let visible = users
            .filter(|user| user.id.starts_with("urn:vcloud:user:") && self.in_org(&user.org_id));
        visible
            .map(|user| {
                let values = values![
                    user.name,
                    self.href("admin/user", bare(&user.id)),
                    user.profile.full_name,
                    !user.profile.disabled,
                    false,
                    "INTEGRATED",
                    0,
                    0,
                    0,
                    0,
                    self.org_href(&user.org_id),
                    user.role,
                ];
                self.record(user.id.clone(), values)
            })
            .collect()
    }

    /// Roles of the same organization.
    pub(super) fn roles(&self) -> Vec<Record> {
        let org = &self.call.principal.acting_org_id;
        let roles = rights::roles_in(self.ctx.directory, org);
        roles
            .into_values()
            .map(|role| {
                let values = values![
                    role.name,
                    self.href("admin/role", bare(&role.id)),
                    false,
                    self.org_href(org),
                ];
                self.record(role.id, values)
            })
            .collect()
    }

    /// All rights that are known.
    pub(super) fn rights(&self) -> Vec<Record> {
        let rights = rights::known(self.ctx.directory);
        rights
            .into_iter()
            .map(|name| {
                let id = derived_urn("right", name);
                let category = name.split_once(':').map_or(name, |(category, _)| category);
                let values = values![name, self.href("admin/right", bare(&id)), category, name];
                self.record(id, values)
            })
            .collect()
    }

    /// The one provider VDC.
    pub(super) fn provider_vdcs(&self) -> Vec<Record> {
        let uuid = derived("providervdc", PROVIDER_VDC_NAME);
        let values = values![
            PROVIDER_VDC_NAME,
            self.href("admin/extension/providervdc", &uuid),
            1,
            true,
            false,
            false,
            0,
            0,
            0,
            0,
            0,
            0,
            STORAGE_MIB,
            STORAGE_MIB,
            0,
            self.infra.vdcs.len(),
            1,
            self.profile_names().len(),
        ];
        vec![self.record(format!("urn:vcloud:providervdc:{uuid}"), values)]
    }

    /// Its storage profiles: one for each name that VDCs have.
    pub(super) fn provider_profiles(&self) -> Vec<Record> {
        let vdc = derived("providervdc", PROVIDER_VDC_NAME);
        self.profile_names()
            .into_iter()
            .map(|name| {
                let uuid = derived("providervdcstorageprofile", name);
                let values = values![
                    name,
                    self.href("admin/extension/pvdcStorageProfile", &uuid),
                    self.href("admin/extension/providervdc", &vdc),
                    self.href("admin/extension/vimServer", &derived("vimserver", "vc1")),
                    "policy-1",
                    true,
                    0,
                    0,
                    STORAGE_MIB,
                    0,
                    0,
                ];
                let id = format!("urn:vcloud:providervdcstorageprofile:{uuid}");
                self.record(id, values)
            })
            .collect()
    }

    fn profile_names(&self) -> BTreeSet<&str> {
        let profiles = self.infra.storage_profiles.values();
        profiles.map(|profile| profile.name.as_str()).collect()
    }

    fn in_org(&self, org_id: &str) -> bool {
        self.call.principal.acting_org_id == org_id
    }
}
