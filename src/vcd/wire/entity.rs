//! A runtime defined entity in JSON: the fields this server uses, and the envelope as it was read.
//!
//! Invariants:
//! - A document is written with exactly the keys it was read with: none invented, none lost, whatever
//!   this server makes of them.
//!
//! Source: VCD `OpenAPI` 37.2, `DefinedEntity`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::ids::EntityId;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, EntityOwner, IdName};
use crate::vcd::operation::Operation;

/// As read. `resolve` may answer without `name` and `entityType`, so that these are not mandatory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct EntityRead {
    id: String,
    entity_type: Option<String>,
    name: Option<String>,
    entity: Map<String, Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The part of an entity that tells whose it is; the rest is skipped, not stored.
#[derive(Deserialize)]
pub(in crate::vcd) struct OwnerRead {
    id: String,
    #[serde(default)]
    name: String,
    org: Option<IdName>,
}

impl OwnerRead {
    pub(in crate::vcd) fn into_owner(self, op: Operation) -> Result<EntityOwner, VcdError> {
        let id = EntityId::parse(&self.id)
            .map_err(|error| VcdError::unreadable(op, format!("entity id: {error}")))?;
        Ok(EntityOwner {
            id,
            name: self.name,
            org: self.org.map(|org| org.id),
        })
    }
}

impl EntityRead {
    /// Whether it can become an [`EntityDocument`].
    pub(in crate::vcd) fn is_whole(&self) -> bool {
        self.name.is_some() && self.entity_type.is_some()
    }

    /// The document for the callers of the client.
    pub(in crate::vcd) fn into_document(self, op: Operation) -> Result<EntityDocument, VcdError> {
        let id = EntityId::parse(&self.id)
            .map_err(|error| VcdError::unreadable(op, format!("entity id: {error}")))?;
        let missing = |field: &str| VcdError::unreadable(op, format!("entity {id} has no {field}"));
        let text = |key: &str| {
            self.rest
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        // `entityState` is how newer versions spell it; both are sent for a while.
        let state = text("state").or_else(|| text("entityState"));
        Ok(EntityDocument {
            entity_type: self.entity_type.ok_or_else(|| missing("entityType"))?,
            name: self.name.ok_or_else(|| missing("name"))?,
            state: state.ok_or_else(|| missing("state"))?,
            id,
            message: text("message"),
            owner: reference(&self.rest, "owner"),
            org: reference(&self.rest, "org"),
            entity: self.entity,
            rest: self.rest,
        })
    }
}

fn reference(rest: &Map<String, Value>, key: &str) -> Option<IdName> {
    IdName::deserialize(rest.get(key)?).ok()
}

/// As written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityWrite<'a> {
    id: &'a str,
    entity_type: &'a str,
    name: &'a str,
    entity: &'a Map<String, Value>,
    #[serde(flatten)]
    rest: &'a Map<String, Value>,
}

/// The body of a `PUT`.
pub(in crate::vcd) fn body(document: &EntityDocument) -> impl Serialize + '_ {
    EntityWrite {
        id: document.id.as_str(),
        entity_type: &document.entity_type,
        name: &document.name,
        entity: &document.entity,
        rest: &document.rest,
    }
}
