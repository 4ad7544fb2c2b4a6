//! vApps: compose, read, connect to a network, add VMs, undeploy, delete.
//!
//! Invariants:
//! - Nothing here powers a VM on.
//! - A change that VCD would apply to the whole vApp repeats what it does not change.
//!
//! Source: VCD API 37.2, vApp life cycle; request shapes of CAPVCD and go-vcloud-director.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::error::VcdError;
use super::model::{NetworkRef, NewVm, Vapp};
use super::operation::Operation;
use super::tasks::started;
use super::transport::Transport;
use super::wire::compose::{AddVm, ComposeVapp, Undeploy};
use super::wire::vapp::VappElement;
use super::wire::{rewrite, xml};
use crate::domain::ids::{TaskId, VappId, VdcId};

const COMPOSE: &str = "application/vnd.vmware.vcloud.composeVAppParams+xml";
const RECOMPOSE: &str = "application/vnd.vmware.vcloud.recomposeVAppParams+xml";
const NETWORKS: &str = "application/vnd.vmware.vcloud.networkConfigSection+xml";
/// Media type of an undeploy request, for vApps and VMs alike.
pub(super) const UNDEPLOY: &str = "application/vnd.vmware.vcloud.undeployVAppParams+xml";

impl<T: Transport> VcdClient<T> {
    /// Creates an empty vApp.
    ///
    /// VCD does not keep names unique. Repeat: after a read. Cancel: may leave a vApp.
    ///
    /// # Errors
    /// - [`VcdError::OutcomeUnknown`]: look for the name in the VDC before trying again.
    /// - others: see [`VcdError::class`].
    pub async fn compose_vapp(
        &self,
        vdc: &VdcId,
        name: &str,
        description: &str,
    ) -> Result<Vapp, VcdError> {
        let op = Operation::COMPOSE_VAPP;
        let call = Call::xml(
            op,
            Method::POST,
            &format!("/vdc/{}/action/composeVApp", vdc.uuid()),
        )
        .body(
            COMPOSE,
            xml::write(op, &ComposeVapp::new(name, description))?,
        );
        let response = self.perform(call).await?;
        xml::read::<VappElement>(op, response.body())?.into_vapp(op)
    }

    /// A vApp and its VMs.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist (any more), or the login has no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn vapp(&self, id: &VappId) -> Result<Vapp, VcdError> {
        let op = Operation::GET_VAPP;
        let response = self
            .perform(Call::xml(op, Method::GET, &vapp_target(id)))
            .await?;
        xml::read::<VappElement>(op, response.body())?.into_vapp(op)
    }

    /// Connects a vApp to an organization network, bridged; networks it has stay as they are.
    ///
    /// Repeat: safe, a network that is there already is not added twice. Cancel: may leave it added.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn add_vapp_network(
        &self,
        id: &VappId,
        network: &NetworkRef,
    ) -> Result<TaskId, VcdError> {
        let read = Operation::GET_VAPP_NETWORKS;
        let target = format!("{}/networkConfigSection/", vapp_target(id));
        let response = self.perform(Call::xml(read, Method::GET, &target)).await?;
        let present = xml::text(read, response.body())?;
        let wanted = rewrite::added_network(present, &network.name, &network.href)
            .map_err(|problem| VcdError::unreadable(read, problem))?;
        let op = Operation::ADD_VAPP_NETWORK;
        let call = Call::xml(op, Method::PUT, &target).body(NETWORKS, xml::finish(op, wanted)?);
        started(op, &self.perform(call).await?)
    }

    /// Adds a VM from a template, powered off.
    ///
    /// Repeat: after a read; VCD refuses a second VM of one name in a vApp. Cancel: may leave a VM.
    ///
    /// # Errors
    /// - [`VcdError::OutcomeUnknown`]: look for the name in the vApp before trying again.
    /// - others: see [`VcdError::class`].
    pub async fn add_vm(&self, vapp: &VappId, vm: &NewVm) -> Result<TaskId, VcdError> {
        let present = self.vapp(vapp).await?;
        let op = Operation::ADD_VM;
        let target = format!("{}/action/recomposeVApp", vapp_target(vapp));
        let call = Call::xml(op, Method::POST, &target)
            .body(RECOMPOSE, xml::write(op, &AddVm::new(&present, vm))?);
        started(op, &self.perform(call).await?)
    }

    /// Stops a vApp's VMs and frees their resources.
    ///
    /// Repeat: safe after a read. Cancel: may leave it undeployed.
    ///
    /// # Errors
    /// - [`VcdError::Rejected`]: among others, when it is not deployed.
    /// - others: see [`VcdError::class`].
    pub async fn undeploy_vapp(&self, id: &VappId) -> Result<TaskId, VcdError> {
        let op = Operation::UNDEPLOY_VAPP;
        let call = Call::xml(
            op,
            Method::POST,
            &format!("{}/action/undeploy", vapp_target(id)),
        )
        .body(UNDEPLOY, xml::write(op, &Undeploy::POWER_OFF)?);
        started(op, &self.perform(call).await?)
    }

    /// Deletes a vApp with its VMs; it must be undeployed.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn delete_vapp(&self, id: &VappId) -> Result<TaskId, VcdError> {
        let op = Operation::DELETE_VAPP;
        let response = self
            .perform(Call::xml(op, Method::DELETE, &vapp_target(id)))
            .await?;
        started(op, &response)
    }
}

fn vapp_target(id: &VappId) -> String {
    format!("/vApp/vapp-{}", id.uuid())
}
