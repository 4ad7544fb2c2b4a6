//! `/cloudapi/1.0.0/entities/{id}/metadata`: typed key-value entries with tags of their own.
//!
//! Invariants:
//! - An entry is unique by domain, namespace and key; only its value and persistence change.
//! - Tenants see the domain `TENANT` only, make nothing read-only and change nothing that is.
//! - The tag of an entry is its own: the entity's does not change with its metadata.
//!
//! Not here: file entries, which need an upload; summaries of lists.
//! Source: VCD `OpenAPI` 37.0, metadata of defined entities; `go-vcloud-director` metadata entries.

use std::borrow::Cow;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Entity;
use super::api::{need, tag_is_stale};
use crate::sim::access::Level;
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::fiql::{Case, Filter};
use crate::sim::paging::{self, Listing};
use crate::sim::reply::{Problem, Reply};

/// Most entries of one entity.
const MAX_ENTRIES: usize = 50;

const KEYS: [&str; 7] = [
    "id",
    "persistent",
    "readOnly",
    "keyValue.domain",
    "keyValue.key",
    "keyValue.namespace",
    "keyValue.value.value",
];

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// `urn:vcloud:metadata:<uuid>`
    id: String,
    persistent: bool,
    read_only: bool,
    /// Whether it is the provider's own and hidden from tenants.
    provider: bool,
    namespace: String,
    key: String,
    value: Scalar,
    revision: u64,
}

/// A value with its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Scalar {
    Text(String),
    Number(i64),
    Flag(bool),
}

impl Scalar {
    fn read(typed: &Value) -> Option<Self> {
        let value = typed.get("value")?;
        match typed.get("type")?.as_str()? {
            "StringEntry" => Some(Self::Text(value.as_str()?.to_owned())),
            "NumberEntry" => Some(Self::Number(value.as_i64()?)),
            "BoolEntry" => Some(Self::Flag(value.as_bool()?)),
            _ => None,
        }
    }

    fn document(&self) -> Value {
        match self {
            Self::Text(text) => json!({"value": text, "type": "StringEntry"}),
            Self::Number(number) => json!({"value": number, "type": "NumberEntry"}),
            Self::Flag(flag) => json!({"value": flag, "type": "BoolEntry"}),
        }
    }

    /// As filters spell it: text between single quotes.
    fn searched(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Owned(format!("'{text}'")),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }
}

impl Entry {
    fn document(&self) -> Value {
        json!({
            "id": self.id,
            "persistent": self.persistent,
            "readOnly": self.read_only,
            "keyValue": {
                "domain": if self.provider { "PROVIDER" } else { "TENANT" },
                "key": self.key,
                "value": self.value.document(),
                "namespace": self.namespace,
            },
        })
    }

    fn etag(&self) -> String {
        format!("\"m{}\"", self.revision)
    }

    fn visible(&self, call: &Call<'_>) -> bool {
        call.principal.provider || !self.provider
    }

    fn same_place(&self, other: &Self) -> bool {
        (self.provider, &self.namespace, &self.key)
            == (other.provider, &other.namespace, &other.key)
    }

    /// Reads a body; `id` is the entry's own.
    fn read(call: &Call<'_>, id: String) -> Result<Self, Problem> {
        let body = call.json()?;
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or_default();
        let key_value = body.get("keyValue").unwrap_or(&Value::Null);
        let text = |name: &str| {
            key_value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let value = key_value.get("value").and_then(Scalar::read).ok_or_else(|| {
            Problem::bad_request("keyValue.value needs a value and its type: StringEntry, NumberEntry or BoolEntry")
        })?;
        let (key, namespace) = (text("key"), text("namespace"));
        if key.is_empty() || key.contains('|') || namespace.contains('|') {
            return Err(Problem::bad_request(
                "keyValue.key is missing, or key or namespace hold a vertical bar",
            ));
        }
        let provider = match text("domain") {
            "" | "TENANT" => false,
            "PROVIDER" => true,
            other => {
                let message = format!("{other} is no domain; TENANT and PROVIDER are.");
                return Err(Problem::bad_request(message));
            }
        };
        let entry = Self {
            id,
            persistent: flag("persistent"),
            read_only: flag("readOnly"),
            provider,
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            value,
            revision: 1,
        };
        if (entry.provider || entry.read_only) && !call.principal.provider {
            return Err(Problem::forbidden(
                "Tenants have no entries in the domain PROVIDER and no read-only ones.",
            ));
        }
        Ok(entry)
    }
}

/// Answers `.../metadata...` of an entity that the caller sees with `level`.
pub(super) fn handle(
    call: &Call<'_>,
    (entity, level): (&mut Entity, Level),
    rest: &[&str],
    ctx: &mut Context<'_>,
) -> Result<Reply, Problem> {
    match (call.method, rest) {
        (&Method::GET, []) => {
            let entries = entity.metadata.values();
            let entries = entries.filter(|entry| entry.visible(call));
            let rows = entries.map(Entry::document).collect();
            let listing = Listing::of("MetadataEntries", &KEYS);
            paging::list(call, ctx.site, &listing, rows)
        }
        (&Method::POST, []) => {
            need(call, level, Level::ReadWrite, &entity.id)?;
            let entry = Entry::read(call, format!("urn:vcloud:metadata:{}", ctx.uuid()))?;
            if entity
                .metadata
                .values()
                .any(|other| other.same_place(&entry))
            {
                let message = format!("There is an entry {} already.", entry.key);
                return Err(Problem::new(400, "DUPLICATE_NAME", message));
            }
            if entity.metadata.len() >= MAX_ENTRIES {
                let message = format!("An entity has {MAX_ENTRIES} metadata entries at most.");
                return Err(Problem::bad_request(message));
            }
            let reply = tagged(call, 201, &entry);
            entity.metadata.insert(entry.id.clone(), entry);
            Ok(reply)
        }
        (_, [id]) => one(call, (entity, level), id),
        _ => Err(Problem::wrong_method()),
    }
}

fn tagged(call: &Call<'_>, status: u16, entry: &Entry) -> Reply {
    Reply::json(status, call.version, &entry.document()).with_header("etag", entry.etag())
}

fn one(call: &Call<'_>, (entity, level): (&mut Entity, Level), id: &str) -> Result<Reply, Problem> {
    let entry = entity.metadata.get_mut(id);
    let entry = entry
        .filter(|entry| entry.visible(call))
        .ok_or_else(|| Problem::forbidden(format!("{id} not found or you lack access to it.")))?;
    if *call.method == Method::GET {
        return Ok(tagged(call, 200, entry));
    }
    need(call, level, Level::ReadWrite, &entity.id)?;
    if entry.read_only && !call.principal.provider {
        return Err(Problem::forbidden(format!("{id} is read-only.")));
    }
    if tag_is_stale(call, &entry.etag()) {
        let message =
            "The ETag in If-Match does not match the current state of the metadata entry.";
        return Err(Problem::new(412, "PRECONDITION_FAILED", message));
    }
    if *call.method == Method::DELETE {
        entity.metadata.remove(id);
        return Ok(Reply::empty(204));
    }
    let wanted = Entry::read(call, id.to_owned())?;
    if !wanted.same_place(entry) || wanted.read_only != entry.read_only {
        return Err(Problem::bad_request(
            "Only the value and the persistence of a metadata entry can change.",
        ));
    }
    entry.value = wanted.value;
    entry.persistent = wanted.persistent;
    entry.revision += 1;
    Ok(tagged(call, 200, entry))
}

/// Whether the entity's metadata matches `filter`, whose keys are `[namespace|]key`.
pub(super) fn matches(call: &Call<'_>, entity: &Entity, filter: &Filter) -> bool {
    filter.matches(Case::Sensitive, &|wanted| {
        let (namespace, key) = wanted.split_once('|').unwrap_or(("", wanted));
        let mut entries = entity.metadata.values().filter(|entry| entry.visible(call));
        let found = entries.find(|entry| entry.key == key && entry.namespace == namespace)?;
        Some(found.value.searched())
    })
}
