//! Tasks: where background work stands.
//!
//! Invariants:
//! - A failed task is no error of the call: it is an observation with a class of its own.
//!
//! Source: VCD API 37.2, `GET /api/task/{uuid}`.

use http::Method;

use super::VcdClient;
use super::call::Call;
use super::error::VcdError;
use super::model::Task;
use super::operation::Operation;
use super::transport::{Response, Transport};
use super::wire::task::TaskElement;
use super::wire::xml;
use crate::domain::ids::TaskId;

impl<T: Transport> VcdClient<T> {
    /// A task as it stands now.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: unknown, or so old that VCD has dropped it (about 90 days).
    /// - others: see [`VcdError::class`].
    pub async fn task(&self, id: &TaskId) -> Result<Task, VcdError> {
        let op = Operation::GET_TASK;
        let call = Call::xml(op, Method::GET, &format!("/task/{}", id.uuid()));
        let response = self.perform(call).await?;
        xml::read::<TaskElement>(op, response.body())?.into_task(op)
    }
}

/// The task that an accepted request of the XML API started, from its body.
pub(super) fn started(op: Operation, response: &Response) -> Result<TaskId, VcdError> {
    Ok(xml::read::<TaskElement>(op, response.body())?
        .into_task(op)?
        .id)
}
