//! Entities as clients see them: restricted fields left out or masked.
//!
//! Invariants:
//! - No secure value is ever written here; the only way to one is a behavior or the full contents.
//! - The rendered text of one revision is made once per view and then shared, so that a page of
//!   large entities costs a copy and no serialization.
//!
//! Source: VCD `x-vcloud-restricted`: `private` for full control only; `secure` left out below API
//! 38.0 and shown as asterisks from there on, where the dates of the envelope begin, too.

use bytes::Bytes;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Entity;
use crate::sim::access::Level;
use crate::sim::call::ApiVersion;
use crate::sim::directory::Directory;
use crate::sim::registry::FieldRules;
use crate::sim::reply::stamp;
use crate::sim::versions::MASKED_SINCE;

/// What a secure value looks like from API 38.0 on.
pub(crate) const MASK: &str = "******";

/// The ways one entity can look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Shows private fields.
    pub(crate) full: bool,
    /// Shows that secure fields are there, and dates.
    pub(crate) masked: bool,
}

impl View {
    /// The view of a caller with `level` at `version`.
    pub(crate) fn of(level: Level, version: ApiVersion) -> Self {
        Self {
            full: level == Level::FullControl,
            masked: version >= MASKED_SINCE,
        }
    }
}

/// Rendered texts of one entity, each with the revision it shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rendered {
    texts: [Option<(u64, Bytes)>; 4],
}

impl Rendered {
    fn slot(&mut self, view: View) -> Option<&mut Option<(u64, Bytes)>> {
        self.texts
            .get_mut(usize::from(view.full) * 2 + usize::from(view.masked))
    }
}

/// The entity as JSON text.
pub(crate) fn text(entity: &mut Entity, view: View, directory: &Directory) -> Bytes {
    let revision = entity.revision;
    if let Some(Some((shown, text))) = entity.rendered.slot(view)
        && *shown == revision
    {
        return text.clone();
    }
    let shown = Shown {
        object: &entity.content,
        rules: &entity.rules.fields,
        view,
    };
    let text = envelope(entity, view, &shown, directory);
    if let Some(slot) = entity.rendered.slot(view) {
        *slot = Some((revision, text.clone()));
    }
    text
}

/// The entity as JSON text with everything in it; for `fullContents` only.
pub(crate) fn full_text(entity: &Entity, version: ApiVersion, directory: &Directory) -> Bytes {
    let view = View::of(Level::FullControl, version);
    envelope(entity, view, &entity.content, directory)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, C> {
    id: &'a str,
    entity_type: &'a str,
    name: &'a str,
    external_id: Option<&'a str>,
    entity: &'a C,
    // Older clients read `state`, newer documents say `entityState`; both always agree.
    state: &'static str,
    entity_state: &'static str,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modification_date: Option<String>,
    owner: Named<'a>,
    org: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    id: &'a str,
}

fn envelope<C: Serialize>(
    entity: &Entity,
    view: View,
    content: &C,
    directory: &Directory,
) -> Bytes {
    let owner = directory
        .users
        .get(&entity.owner_id)
        .map(|user| user.name.as_str());
    let envelope = Envelope {
        id: &entity.id,
        entity_type: &entity.type_urn,
        name: &entity.name,
        external_id: entity.external_id.as_deref(),
        entity: content,
        state: entity.state.name(),
        entity_state: entity.state.name(),
        message: entity.message.as_deref(),
        creation_date: view.masked.then(|| stamp(entity.created)),
        last_modification_date: view.masked.then(|| stamp(entity.modified)),
        owner: Named {
            name: owner.unwrap_or_default(),
            id: &entity.owner_id,
        },
        org: Named {
            name: directory.org_name(&entity.org_id).unwrap_or_default(),
            id: &entity.org_id,
        },
    };
    // JSON values with text keys always serialize.
    Bytes::from(serde_json::to_vec(&envelope).unwrap_or_default())
}

/// An object with what the view hides left out.
struct Shown<'a> {
    object: &'a Map<String, Value>,
    rules: &'a FieldRules,
    view: View,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.object {
            let Some(rules) = self.rules.properties.get(name) else {
                map.serialize_entry(name, value)?;
                continue;
            };
            if rules.private && !self.view.full {
                continue;
            }
            if !rules.secure {
                map.serialize_entry(
                    name,
                    &Field {
                        value,
                        rules,
                        view: self.view,
                    },
                )?;
            } else if self.view.masked {
                map.serialize_entry(name, MASK)?;
            }
        }
        map.end()
    }
}

/// A value that may hold restricted fields further down.
struct Field<'a> {
    value: &'a Value,
    rules: &'a FieldRules,
    view: View,
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.value, &self.rules.items) {
            (Value::Object(object), _) => Shown {
                object,
                rules: self.rules,
                view: self.view,
            }
            .serialize(serializer),
            (Value::Array(values), Some(rules)) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Field {
                        value,
                        rules,
                        view: self.view,
                    })?;
                }
                list.end()
            }
            (plain, _) => plain.serialize(serializer),
        }
    }
}

/// The plain value at a dotted path below the content, unless the view hides it.
pub(crate) fn visible_at<'e>(entity: &'e Entity, path: &str, view: View) -> Option<&'e Value> {
    let mut rules = Some(&entity.rules.fields);
    let mut parts = path.split('.');
    let first = parts.next()?;
    let mut value = entity.content.get(first)?;
    let mut hidden = |name: &str| {
        rules = rules.and_then(|rules| rules.properties.get(name));
        rules.is_some_and(|rules| rules.secure || (rules.private && !view.full))
    };
    if hidden(first) {
        return None;
    }
    for part in parts {
        value = value.get(part)?;
        if hidden(part) {
            return None;
        }
    }
    Some(value)
}
