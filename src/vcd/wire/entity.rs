//! A runtime defined entity in JSON: envelope fields this server uses, everything else kept aside.
//!
//! Invariants:
//! - A document is written with the keys it was read with: none invented, and the unknown ones kept.
//!
//! Source: VCD `OpenAPI` 37.2, `DefinedEntity`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::ids::EntityId;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, IdName};
use crate::vcd::operation::Operation;

/// As read. `resolve` answers without `name` and `entityType`, so that none of them is mandatory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct EntityRead {
    id: String,
    entity_type: Option<String>,
    name: Option<String>,
    state: Option<String>,
    message: Option<String>,
    owner: Option<IdName>,
    org: Option<IdName>,
    entity: Map<String, Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
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
        let newer_spelling = self.rest.get("entityState").and_then(Value::as_str);
        let state = self.state.or_else(|| newer_spelling.map(str::to_owned));
        let missing = |field: &str| VcdError::unreadable(op, format!("entity {id} has no {field}"));
        Ok(EntityDocument {
            entity_type: self.entity_type.ok_or_else(|| missing("entityType"))?,
            name: self.name.ok_or_else(|| missing("name"))?,
            state: state.ok_or_else(|| missing("state"))?,
            id,
            message: self.message,
            owner: self.owner,
            org: self.org,
            entity: self.entity,
            rest: self.rest,
        })
    }
}

/// As written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityWrite<'a> {
    id: &'a str,
    entity_type: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a IdName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a IdName>,
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
        state: Some(document.state.as_str()),
        message: document.message.as_deref(),
        owner: document.owner.as_ref(),
        org: document.org.as_ref(),
        entity: &document.entity,
        rest: &document.rest,
    }
}
