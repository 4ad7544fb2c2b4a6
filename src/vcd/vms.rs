//! Virtual machines: read, prepare the guest, power on, undeploy, delete.
//!
//! Invariants:
//! - VMs are named by id, never by name: an id that is gone is gone, a name may be somebody else's.
//! - A change of extra config repeats the hardware it does not change.
//!
//! Source: VCD API 37.2, VM operations; request shapes of CAPVCD.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::error::VcdError;
use super::model::Vm;
use super::operation::Operation;
use super::tasks::started;
use super::transport::{Response, Transport};
use super::vapps::UNDEPLOY;
use super::wire::compose::{GuestSection, Undeploy};
use super::wire::vapp::VmElement;
use super::wire::{rewrite, xml};
use crate::domain::ids::{TaskId, VmId};

const VM: &str = "application/vnd.vmware.vcloud.vm+xml";
const GUEST: &str = "application/vnd.vmware.vcloud.guestCustomizationSection+xml";

impl<T: Transport> VcdClient<T> {
    /// Sets host name and first-boot script of a VM that was never powered on.
    ///
    /// Repeat: safe. Cancel: may leave it set.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn customise_guest(
        &self,
        vm: &VmId,
        computer_name: &str,
        script: &str,
    ) -> Result<TaskId, VcdError> {
        let op = Operation::CUSTOMISE_GUEST;
        let target = format!("{}/guestCustomizationSection", vm_target(vm));
        let call = Call::xml(op, Method::PUT, &target).body(
            GUEST,
            xml::write(op, &GuestSection::document(computer_name, script))?,
        );
        started(op, &self.perform(call).await?)
    }

    /// Sets keys of the configuration that VM and guest share; other keys keep their values.
    ///
    /// Repeat: safe. Cancel: may leave it set.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn set_extra_config(
        &self,
        vm: &VmId,
        pairs: &[(&str, &str)],
    ) -> Result<TaskId, VcdError> {
        let read = Operation::GET_VM;
        let response = self.vm_document(vm).await?;
        let present = xml::text(read, response.body())?;
        let wanted = rewrite::extra_config(present, pairs)
            .map_err(|problem| VcdError::unreadable(read, problem))?;
        let op = Operation::SET_EXTRA_CONFIG;
        let call = Call::xml(
            op,
            Method::POST,
            &format!("{}/action/reconfigureVm", vm_target(vm)),
        )
        .body(VM, xml::finish(op, wanted)?);
        started(op, &self.perform(call).await?)
    }

    /// A VM with its address and the keys its guest has set.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist (any more), or the login has no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn vm(&self, id: &VmId) -> Result<Vm, VcdError> {
        let response = self.vm_document(id).await?;
        let op = Operation::GET_VM;
        xml::read::<VmElement>(op, response.body())?.into_vm(op)
    }

    /// Powers a VM on.
    ///
    /// Repeat: safe after a read. Cancel: may leave it powered on.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn power_on(&self, vm: &VmId) -> Result<TaskId, VcdError> {
        let op = Operation::POWER_ON_VM;
        let target = format!("{}/power/action/powerOn", vm_target(vm));
        started(
            op,
            &self.perform(Call::xml(op, Method::POST, &target)).await?,
        )
    }

    /// Stops a VM and frees its resources.
    ///
    /// Repeat: safe after a read. Cancel: may leave it undeployed.
    ///
    /// # Errors
    /// - [`VcdError::Rejected`]: among others, when it is not deployed.
    /// - others: see [`VcdError::class`].
    pub async fn undeploy_vm(&self, vm: &VmId) -> Result<TaskId, VcdError> {
        let op = Operation::UNDEPLOY_VM;
        let call = Call::xml(
            op,
            Method::POST,
            &format!("{}/action/undeploy", vm_target(vm)),
        )
        .body(UNDEPLOY, xml::write(op, &Undeploy::POWER_OFF)?);
        started(op, &self.perform(call).await?)
    }

    /// Deletes a VM; it must be undeployed.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn delete_vm(&self, vm: &VmId) -> Result<TaskId, VcdError> {
        let op = Operation::DELETE_VM;
        started(
            op,
            &self
                .perform(Call::xml(op, Method::DELETE, &vm_target(vm)))
                .await?,
        )
    }

    async fn vm_document(&self, id: &VmId) -> Result<Response, VcdError> {
        self.perform(Call::xml(Operation::GET_VM, Method::GET, &vm_target(id)))
            .await
    }
}

fn vm_target(id: &VmId) -> String {
    format!("/vApp/vm-{}", id.uuid())
}
