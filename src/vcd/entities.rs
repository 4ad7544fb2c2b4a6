//! Runtime defined entities: list, read, replace under a tag, resolve, delete, invoke behaviors.
//!
//! Flow: the poll reads [`VcdClient::entity_page`]; a pass reads one entity, decides, and writes it
//! back with the tag of that read.
//!
//! Invariants:
//! - A list has no tags: nothing can be written on the strength of a list.
//! - A write carries the whole document as it was read, changes included.
//!
//! Source: VCD `OpenAPI` 37.2, `/cloudapi/1.0.0/entities`.

use std::collections::BTreeSet;
use std::fmt::Write;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::VcdClient;
use super::call::{Call, etag, task_location};
use super::encode::{path_segment, query_value};
use super::error::VcdError;
use super::json;
use super::lists::List;
use super::model::{EntityDocument, EntityOwner, EntityQuery};
use super::operation::Operation;
use super::paging::{MAX_PAGE_SIZE, MAX_PAGES, parse_page};
use super::transport::{Response, Transport};
use super::wire::entity::{EntityRead, OwnerRead, body};
use crate::domain::ids::{EntityId, TaskId};
use crate::domain::versioned::{ETag, Versioned};
use crate::telemetry::{chain, event};

/// Media type of JSON bodies.
const JSON: &str = "application/json";

impl<T: Transport> VcdClient<T> {
    /// One page of a list, unread: the poll compares pages before it parses them.
    ///
    /// Pages count from 1, in the order of names. Parse with [`super::paging::parse_page`].
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn entity_page(&self, query: &EntityQuery, page: u32) -> Result<Bytes, VcdError> {
        let call = Call::json(
            Operation::LIST_ENTITIES,
            Method::GET,
            &list_target(query, page),
        );
        Ok(self.perform(call.page()).await?.into_body())
    }

    /// All entities of a list, each once.
    ///
    /// An entity that cannot be read is left out with a warning in the log: one tenant's odd document
    /// must not hide all others.
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::TooManyPages`]: the list did not end.
    /// - others: see [`VcdError::class`].
    pub async fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityDocument>, VcdError> {
        let mut found = Vec::new();
        self.each_entity(query, |entity| found.push(entity)).await?;
        Ok(found)
    }

    /// The same, one after the other: a whole fleet does not fit into memory.
    ///
    /// # Errors
    /// As [`Self::entities`].
    pub async fn each_entity(
        &self,
        query: &EntityQuery,
        mut take: impl FnMut(EntityDocument),
    ) -> Result<(), VcdError> {
        let take = |listed| match listed {
            Ok(entity) => take(entity),
            Err(error) => tracing::warn!(
                event = event::ENTITY_UNREADABLE,
                error = %chain(&error),
                "entity left out of the list"
            ),
        };
        self.each_listed(query, take).await
    }

    /// The same, and those that cannot be read are told one by one: whoever counts clusters must not
    /// lose any.
    ///
    /// # Errors
    /// As [`Self::entities`].
    pub async fn each_listed(
        &self,
        query: &EntityQuery,
        mut take: impl FnMut(Result<EntityDocument, VcdError>),
    ) -> Result<(), VcdError> {
        let op = Operation::LIST_ENTITIES;
        let (mut known, mut seen) = (BTreeSet::new(), 0_u64);
        for number in 1..=MAX_PAGES {
            let bytes = self.entity_page(query, number).await?;
            let page = parse_page::<&RawValue>(&bytes)?;
            seen = seen.saturating_add(u64::try_from(page.values.len()).unwrap_or(u64::MAX));
            for raw in &page.values {
                let entity = json::read::<EntityRead>(op, raw.get().as_bytes());
                match entity.and_then(|entity| entity.into_document(op)) {
                    // While pages are read, a new entity may push another onto the next page.
                    Ok(entity) if known.insert(entity.id.clone()) => take(Ok(entity)),
                    Ok(_) => {}
                    Err(error) => take(Err(error)),
                }
            }
            if page.is_last(number, seen) {
                return Ok(());
            }
        }
        Err(VcdError::TooManyPages {
            op,
            limit: MAX_PAGES,
        })
    }

    /// Ids and organizations of all entities of a type, whole or not at all.
    ///
    /// Unlike [`VcdClient::entities`] it leaves nothing out: whoever decides on what is missing from the
    /// list must not be misled by what could not be read. Filter and page size of the query do not count.
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`]; a list that ends early is an error.
    pub async fn entity_owners(&self, query: &EntityQuery) -> Result<Vec<EntityOwner>, VcdError> {
        let op = Operation::LIST_ENTITIES;
        let path = format!(
            "/1.0.0/entities/types/{}/{}",
            path_segment(&query.vendor),
            path_segment(&query.nss)
        );
        let list = List {
            op,
            path: &path,
            query: "&sortAsc=name",
            page_size: MAX_PAGE_SIZE,
        };
        let found = self.list::<OwnerRead>(list).await?;
        found.into_iter().map(|one| one.into_owner(op)).collect()
    }

    /// An entity and the tag of its present version.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: it does not exist (any more), or the login has no right to it.
    /// - others: see [`VcdError::class`].
    pub async fn get_entity(&self, id: &EntityId) -> Result<Versioned<EntityDocument>, VcdError> {
        let op = Operation::GET_ENTITY;
        let response = self
            .perform(Call::json(op, Method::GET, &entity_target(id)))
            .await?;
        document(op, &response)
    }

    /// Replaces an entity, provided nobody has written it since `seen` was read.
    ///
    /// Spends `seen`: one read licenses one write. The answer carries the tag for the next.
    /// Repeat: never. Cancel: may leave it written.
    ///
    /// # Errors
    /// - [`VcdError::Conflict`]: somebody wrote first. Read and decide again; never resend.
    /// - [`VcdError::OutcomeUnknown`]: it may have landed; read before writing again.
    /// - others: see [`VcdError::class`].
    pub async fn replace_entity(
        &self,
        document: &EntityDocument,
        seen: ETag,
    ) -> Result<Versioned<EntityDocument>, VcdError> {
        let op = Operation::REPLACE_ENTITY;
        let call = Call::json(op, Method::PUT, &entity_target(&document.id))
            .body(JSON, json::write(op, &body(document))?)
            .if_match(seen);
        self::document(op, &self.perform(call).await?)
    }

    /// Has VCD check the entity against its type; the state of the answer tells the outcome.
    ///
    /// Repeat: safe. Cancel: safe.
    ///
    /// # Errors
    /// See [`VcdError::class`]; a failed check is no error but state `RESOLUTION_ERROR`.
    pub async fn resolve_entity(
        &self,
        id: &EntityId,
    ) -> Result<Versioned<EntityDocument>, VcdError> {
        let op = Operation::RESOLVE_ENTITY;
        let target = format!("{}/resolve", entity_target(id));
        let response = self.perform(Call::json(op, Method::POST, &target)).await?;
        let entity: EntityRead = json::read(op, response.body())?;
        // Some versions answer without name and type; such a document must never be written back.
        if !entity.is_whole() {
            return self.get_entity(id).await;
        }
        Ok(Versioned {
            value: entity.into_document(op)?,
            etag: etag(op, &response)?,
        })
    }

    /// Deletes an entity; with a hook on its type VCD may only begin to.
    ///
    /// Repeat: safe after a read. Cancel: may leave it deleted.
    ///
    /// # Errors
    /// - [`VcdError::NotVisible`]: already gone, or no right to it.
    /// - [`VcdError::Conflict`]: written since `seen` was read.
    /// - [`VcdError::Rejected`]: among others, when it is not resolved.
    /// - others: see [`VcdError::class`].
    pub async fn delete_entity(&self, id: &EntityId, seen: Option<ETag>) -> Result<(), VcdError> {
        let mut call = Call::json(Operation::DELETE_ENTITY, Method::DELETE, &entity_target(id));
        if let Some(seen) = seen {
            call = call.if_match(seen);
        }
        self.perform(call).await.map(drop)
    }

    /// Starts a behavior; its result is in the task.
    ///
    /// `behavior` is its URN; `arguments` is null for none.
    /// Repeat: never, unless the behavior is known to be harmless. Cancel: may leave it running.
    ///
    /// # Errors
    /// See [`VcdError::class`].
    pub async fn invoke_behavior(
        &self,
        id: &EntityId,
        behavior: &str,
        arguments: &Value,
    ) -> Result<TaskId, VcdError> {
        let op = Operation::INVOKE_BEHAVIOR;
        let target = format!(
            "{}/behaviors/{}/invocations",
            entity_target(id),
            path_segment(behavior)
        );
        let invocation = if arguments.is_null() {
            json!({})
        } else {
            json!({ "arguments": arguments })
        };
        let call = Call::json(op, Method::POST, &target).body(JSON, json::write(op, &invocation)?);
        task_location(op, &self.perform(call).await?)
    }
}

fn entity_target(id: &EntityId) -> String {
    format!("/1.0.0/entities/{id}")
}

fn list_target(query: &EntityQuery, page: u32) -> String {
    let mut target = format!(
        "/1.0.0/entities/types/{}/{}",
        path_segment(&query.vendor),
        path_segment(&query.nss)
    );
    let size = query.page_size.clamp(1, MAX_PAGE_SIZE);
    // Writing to a String cannot fail.
    if let Some(version) = &query.version {
        write!(target, "/{}", path_segment(version)).unwrap_or_default();
    }
    write!(target, "?page={page}&pageSize={size}&sortAsc=name").unwrap_or_default();
    if let Some(filter) = &query.filter {
        write!(target, "&filter={}", query_value(filter)).unwrap_or_default();
    }
    target
}

fn document(op: Operation, response: &Response) -> Result<Versioned<EntityDocument>, VcdError> {
    if response.status() != StatusCode::OK {
        let reason = format!(
            "status {} where 200 was expected",
            response.status().as_u16()
        );
        return Err(VcdError::unreadable(op, reason));
    }
    let entity: EntityRead = json::read(op, response.body())?;
    Ok(Versioned {
        value: entity.into_document(op)?,
        etag: etag(op, response)?,
    })
}
