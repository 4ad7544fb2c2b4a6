//! Entities beyond their daily life: making one, who may see it, and which types there are.
//!
//! Flow: a backup notes types and access controls; a restore makes the configuration entity anew and gives it
//! the access controls it had.
//!
//! Invariants:
//! - An entity's id cannot be chosen: whoever makes one anew gets another id.
//!
//! Source: VCD `OpenAPI` 37.2, `/cloudapi/1.0.0/entityTypes` and `.../accessControls`.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::VcdClient;
use super::call::{Call, task_location};
use super::encode::path_segment;
use super::error::VcdError;
use super::json;
use super::lists::List;
use super::operation::Operation;
use super::paging::MAX_PAGE_SIZE;
use super::transport::Transport;
use crate::domain::ids::{EntityId, TaskId};

/// A registered type of entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityTypeRef {
    /// Its URN.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

impl<T: Transport> VcdClient<T> {
    /// Posts a new entity of a type; the task names it from its first read on.
    ///
    /// The task runs until the entity is resolved: do not wait for it.
    /// Repeat: never; look by name first. Cancel: may leave it made.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn post_entity(
        &self,
        entity_type: &str,
        name: &str,
        content: &Map<String, Value>,
    ) -> Result<TaskId, VcdError> {
        let op = Operation::CREATE_ENTITY;
        let target = format!("/1.0.0/entityTypes/{}", path_segment(entity_type));
        let body = json!({"entityType": entity_type, "name": name, "entity": content});
        let call =
            Call::json(op, Method::POST, &target).body("application/json", json::write(op, &body)?);
        task_location(op, &self.perform(call).await?)
    }

    /// The registered types of `vendor` with this short name.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn type_refs(&self, vendor: &str, nss: &str) -> Result<Vec<EntityTypeRef>, VcdError> {
        let query = format!(
            "&filter=vendor=={};nss=={}",
            path_segment(vendor),
            path_segment(nss)
        );
        self.list(List {
            op: Operation::LIST_ENTITY_TYPES,
            path: "/1.0.0/entityTypes",
            query: &query,
            page_size: MAX_PAGE_SIZE,
        })
        .await
    }

    /// Who may do what with an entity, besides its owner; as VCD spells it.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn entity_grants(&self, id: &EntityId) -> Result<Vec<Value>, VcdError> {
        let path = format!("/1.0.0/entities/{id}/accessControls");
        self.list(List {
            op: Operation::LIST_ACCESS_CONTROLS,
            path: &path,
            query: "",
            page_size: MAX_PAGE_SIZE,
        })
        .await
    }

    /// Adds an access control to an entity.
    ///
    /// Repeat: safe after a read. Cancel: may leave it added.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn grant_entity(&self, id: &EntityId, grant: &Value) -> Result<(), VcdError> {
        let op = Operation::ADD_ACCESS_CONTROL;
        let target = format!("/1.0.0/entities/{id}/accessControls");
        let call =
            Call::json(op, Method::POST, &target).body("application/json", json::write(op, grant)?);
        self.perform(call).await.map(drop)
    }
}
