//! Named disks, the storage of persistent volumes: found, detached, deleted.
//!
//! Invariants:
//! - The query service only finds candidates; attachments are read from the disk itself.
//!
//! Source: VCD API 37.2, query types `disk` and `adminDisk`, `/api/disk/{uuid}`, `disk/action/detach`.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::error::VcdError;
use super::infrastructure::Search;
use super::model::{Disk, DiskRecord};
use super::operation::Operation;
use super::tasks::started;
use super::transport::{Response, Transport};
use super::wire::disk::{DetachDisk, DiskElement, VmReferences};
use super::wire::inventory::uuid_of;
use super::wire::xml;
use crate::domain::ids::{DiskId, TaskId, VdcId, VmId};

const DETACH: &str = "application/vnd.vmware.vcloud.diskAttachOrDetachParams+xml";

impl<T: Transport> VcdClient<T> {
    /// The named disks of a VDC, or all the login can see.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn disks(&self, vdc: Option<&VdcId>) -> Result<Vec<DiskRecord>, VcdError> {
        let op = Operation::LIST_DISKS;
        let terms = vdc.map(|vdc| ("vdc", vdc.as_str()));
        let search = Search {
            op,
            kinds: ["disk", "adminDisk"],
            terms: terms.as_slice(),
            pick: |page| page.disks,
        };
        let records = self.search(search).await?;
        let disks = records.into_iter().map(|record| {
            let id = disk_id(op, uuid_of(&record.href))?;
            Ok(DiskRecord {
                id,
                name: record.name,
                description: record.description,
                attached: record.attached,
            })
        });
        disks.collect()
    }

    /// A named disk.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist (any more), or the login has no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn disk(&self, id: &DiskId) -> Result<Disk, VcdError> {
        Ok(self.disk_element(id).await?.into_disk(id))
    }

    /// The VMs a disk is attached to.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: the disk does not exist (any more), or there is no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn vms_of_disk(&self, id: &DiskId) -> Result<Vec<VmId>, VcdError> {
        let op = Operation::GET_ATTACHMENTS;
        let target = format!("{}/attachedVms", disk_target(id));
        let response = self.perform(Call::xml(op, Method::GET, &target)).await?;
        xml::read::<VmReferences>(op, response.body())?.into_ids(op)
    }

    /// Detaches a disk from a VM.
    ///
    /// Repeat: safe after a read. Cancel: may leave it detached.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: disk or VM is gone, or there is no right to it.
    /// - [`VcdError::Rejected`]: among others, when it is not attached.
    /// - others: see [`VcdError::class`].
    pub async fn detach_disk(&self, vm: &VmId, disk: &DiskId) -> Result<TaskId, VcdError> {
        // Requests name a disk by the address VCD gives it.
        let element = self.disk_element(disk).await?;
        let op = Operation::DETACH_DISK;
        let target = format!("/vApp/vm-{}/disk/action/detach", vm.uuid());
        let body = xml::write(op, &DetachDisk::new(&element.href))?;
        let call = Call::xml(op, Method::POST, &target).body(DETACH, body);
        started(op, &self.perform(call).await?)
    }

    /// Deletes a named disk with everything on it; it must not be attached.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Rejected`]: among others, while it is attached.
    /// - others: see [`VcdError::class`].
    pub async fn delete_disk(&self, id: &DiskId) -> Result<TaskId, VcdError> {
        let op = Operation::DELETE_DISK;
        let call = Call::xml(op, Method::DELETE, &disk_target(id));
        started(op, &self.perform(call).await?)
    }

    async fn disk_element(&self, id: &DiskId) -> Result<DiskElement, VcdError> {
        let op = Operation::GET_DISK;
        let call = Call::xml(op, Method::GET, &disk_target(id));
        let response: Response = self.perform(call).await?;
        xml::read(op, response.body())
    }
}

fn disk_target(id: &DiskId) -> String {
    format!("/disk/{}", id.uuid())
}

fn disk_id(op: Operation, uuid: &str) -> Result<DiskId, VcdError> {
    DiskId::parse(&format!("urn:vcloud:disk:{uuid}"))
        .map_err(|error| VcdError::unreadable(op, error.to_string()))
}
