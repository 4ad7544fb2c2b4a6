//! Storage profiles as requests name them and documents show them.

use super::Infra;
use super::site::Policy;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::tasks::Reference;
use crate::sim::xml::Element;

impl Infra {
    /// A reference to a storage profile; without a name when it is gone.
    pub(crate) fn profile_reference(&self, site: &str, uuid: &str) -> Reference {
        let profile = self.storage_profiles.get(uuid);
        Reference {
            href: format!("{site}/api/vdcStorageProfile/{uuid}"),
            id: format!("urn:vcloud:vdcstorageProfile:{uuid}"),
            name: profile
                .map(|profile| profile.name.clone())
                .unwrap_or_default(),
            media_type: "application/vnd.vmware.vcloud.vdcStorageProfile+xml".to_owned(),
        }
    }

    /// The bare UUID of the `StorageProfile` inside `item`, by href or id; absent when there is none.
    ///
    /// # Errors
    /// 400 `INVALID_REFERENCE` for a profile of another VDC or none.
    pub(crate) fn profile_of(&self, vdc: &str, item: &Element) -> Result<Option<String>, Problem> {
        let Some(named) = item.get("StorageProfile") else {
            return Ok(None);
        };
        let text = named.attribute("href").or_else(|| named.attribute("id"));
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let uuid = bare(text);
        let known = self.storage_profiles.get(uuid);
        match known.filter(|profile| profile.vdc == vdc) {
            Some(profile) => Ok(Some(profile.uuid.clone())),
            None => Err(Problem::new(
                400,
                "INVALID_REFERENCE",
                format!("The storage profile {uuid} is not available in this VDC."),
            )),
        }
    }
}

impl Infra {
    /// The policy of VMs that name none: the first one that the VDC has.
    pub(crate) fn default_policy(&self, vdc: &str) -> Option<&Policy> {
        let mut policies = self.policies.values();
        policies.find(|policy| policy.is_assigned(vdc))
    }

    /// The bare UUID of the compute policy `name` inside a `ComputePolicy`; hrefs may be bare URNs.
    ///
    /// # Errors
    /// 400 `INVALID_REFERENCE` for a policy that does not exist.
    pub(crate) fn policy_of(
        &self,
        section: &Element,
        name: &str,
    ) -> Result<Option<String>, Problem> {
        let named = section.get(name);
        let text = named.and_then(|policy| policy.attribute("href").or(policy.attribute("id")));
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let uuid = bare(text);
        match self.policies.get(uuid) {
            Some(policy) => Ok(Some(policy.uuid.clone())),
            None => Err(Problem::new(
                400,
                "INVALID_REFERENCE",
                format!("The compute policy {uuid} is not available in this VDC."),
            )),
        }
    }
}
