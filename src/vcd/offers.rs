//! What a VDC offers beyond its document: compute policies, storage, VMs in use, how disks are copied.
//!
//! Source: VCD `OpenAPI` 37.2, `vdcs/{id}/computePolicies`; vCloud API 37.2, `vdcStorageProfile`, `query`,
//! `admin/vdc`.

use http::Method;
use serde::Deserialize;

use super::VcdClient;
use super::call::Call;
use super::encode::query_value;
use super::error::VcdError;
use super::lists::List;
use super::model::StorageProfileRef;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use super::wire::inventory::{AdminVdcElement, StorageProfileElement, uuid_of};
use super::wire::query::Records;
use super::wire::xml;
use crate::domain::ids::VdcId;
use crate::domain::site::{PolicyOffer, StorageDetails};

/// The kind of policy that VMs have; the others are for clusters of another product.
const VM_POLICY: &str = "VdcVmPolicy";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyRead {
    id: String,
    name: String,
    policy_type: Option<String>,
    is_sizing_only: Option<bool>,
    cpu_count: Option<u64>,
    cpu_speed: Option<u64>,
    memory: Option<u64>,
}

impl<T: Transport> VcdClient<T> {
    /// The compute policies that VMs of a VDC may have.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: no such VDC, or no right to its policies.
    /// - others: see [`VcdError::class`].
    pub async fn vdc_policies(&self, vdc: &VdcId) -> Result<Vec<PolicyOffer>, VcdError> {
        let path = format!("/2.0.0/vdcs/{vdc}/computePolicies");
        let list = List {
            op: Operation::LIST_VDC_POLICIES,
            path: &path,
            query: "",
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<PolicyRead>(list).await?.into_iter();
        let of_vms = found.filter(|policy| {
            let kind = policy.policy_type.as_deref();
            kind.is_none_or(|kind| kind == VM_POLICY)
        });
        Ok(of_vms
            .map(|policy| PolicyOffer {
                id: policy.id,
                name: policy.name,
                sizing_only: policy.is_sizing_only.unwrap_or(true),
                cpus: policy.cpu_count,
                cpu_mhz: policy.cpu_speed,
                memory_mib: policy.memory,
            })
            .collect())
    }

    /// What a storage profile of a VDC allows.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn storage_details(
        &self,
        profile: &StorageProfileRef,
    ) -> Result<StorageDetails, VcdError> {
        let op = Operation::GET_STORAGE_PROFILE;
        let target = format!("/vdcStorageProfile/{}", uuid_of(&profile.href));
        let response = self.perform(Call::xml(op, Method::GET, &target)).await?;
        Ok(xml::read::<StorageProfileElement>(op, response.body())?.into_details())
    }

    /// How many VMs there are in a VDC, those inside templates not counted.
    ///
    /// The query service may lag behind.
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn count_vms(&self, vdc: &VdcId) -> Result<u64, VcdError> {
        let op = Operation::COUNT_VMS;
        let kind = if self.session.is_provider() {
            "adminVM"
        } else {
            "vm"
        };
        let filter = query_value(&format!("vdc=={vdc};isVAppTemplate==false"));
        let target = format!("/query?type={kind}&format=records&page=1&pageSize=1&filter={filter}");
        let response = self.perform(Call::xml(op, Method::GET, &target)).await?;
        Ok(xml::read::<Records>(op, response.body())?.total)
    }

    /// Whether disks of a VDC are copied fast, as linked clones; `None` where VCD does not say.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: most tenants have no right to this form of the VDC.
    /// - others: see [`VcdError::class`].
    pub async fn fast_provisioning(&self, vdc: &VdcId) -> Result<Option<bool>, VcdError> {
        let op = Operation::GET_PROVISIONING;
        let call = Call::xml(op, Method::GET, &format!("/admin/vdc/{}", vdc.uuid()));
        let response = self.perform(call).await?;
        Ok(xml::read::<AdminVdcElement>(op, response.body())?.fast_provisioning)
    }
}
