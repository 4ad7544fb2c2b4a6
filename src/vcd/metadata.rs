//! Metadata of vApps: by which CAPVCD and this server know what is theirs.
//!
//! Invariants:
//! - Only the domain that tenants write to is read: values of others are never proof of anything.
//!
//! Source: VCD API 37.2, `{vApp}/metadata`; CAPVCD's key `CapvcdInfraId`.

use std::collections::BTreeMap;

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::encode::path_segment;
use super::error::VcdError;
use super::operation::Operation;
use super::tasks::started;
use super::transport::Transport;
use super::wire::metadata::{Metadata, MetadataValue};
use super::wire::xml;
use crate::domain::ids::{TaskId, VappId};

const VALUE: &str = "application/vnd.vmware.vcloud.metadata.value+xml";

impl<T: Transport> VcdClient<T> {
    /// The metadata of a vApp in the domain GENERAL.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: the vApp does not exist (any more), or there is no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn vapp_metadata(&self, id: &VappId) -> Result<BTreeMap<String, String>, VcdError> {
        let op = Operation::GET_METADATA;
        let target = format!("{}/", metadata_target(id));
        let response = self.perform(Call::xml(op, Method::GET, &target)).await?;
        Ok(xml::read::<Metadata>(op, response.body())?.into_general())
    }

    /// Sets one text in the metadata of a vApp; other keys stay as they are.
    ///
    /// Repeat: safe. Cancel: may leave it set.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn set_vapp_metadata(
        &self,
        id: &VappId,
        key: &str,
        value: &str,
    ) -> Result<TaskId, VcdError> {
        let op = Operation::SET_METADATA;
        let target = format!("{}/{}", metadata_target(id), path_segment(key));
        let body = xml::write(op, &MetadataValue::text(value))?;
        let call = Call::xml(op, Method::PUT, &target).body(VALUE, body);
        started(op, &self.perform(call).await?)
    }
}

fn metadata_target(id: &VappId) -> String {
    format!("/vApp/vapp-{}/metadata", id.uuid())
}
