//! Entities as clients see them: the envelope, and content with restricted fields left out or masked.
//!
//! Invariants:
//! - No secure value is ever written here; the only way to one is a behavior or the full contents.
//! - Content is never parsed to be shown: an answer is the envelope around a copy of its text.
//!
//! Source: VCD `x-vcloud-restricted`: `private` for full control only; `secure` left out below API
//! 38.0 and shown as asterisks from there on, where the dates of the envelope begin, too.

use bytes::Bytes;
use serde::Serialize;

use super::Entity;
use crate::sim::access::Level;
use crate::sim::call::{ApiVersion, Call};
use crate::sim::directory::Directory;
use crate::sim::reply::stamp;
use crate::sim::versions::MASKED_SINCE;

/// What a secure value looks like from API 38.0 on.
pub(crate) const MASK: &str = "******";

/// Since when an entity has dates, where that is later than masks.
const DATED_LATE: ApiVersion = ApiVersion {
    major: 39,
    minor: 0,
};

/// Room for an envelope, in bytes; longer ones cost another allocation.
const ENVELOPE_BYTES: usize = 1024;

/// The ways one entity can look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Shows private fields.
    pub(crate) full: bool,
    /// Shows that secure fields are there.
    pub(crate) masked: bool,
    /// Shows dates.
    pub(crate) dated: bool,
}

impl View {
    /// The view of a caller with `level`.
    pub(crate) fn of(call: &Call<'_>, level: Level) -> Self {
        Self {
            full: level == Level::FullControl,
            masked: call.version >= MASKED_SINCE,
            dated: shows_dates(call),
        }
    }
}

/// Whether the version of a request knows the dates of an entity.
pub(super) fn shows_dates(call: &Call<'_>) -> bool {
    let since = if call.settings.entities_are_dated_late {
        DATED_LATE
    } else {
        MASKED_SINCE
    };
    call.version >= since
}

/// The entity as JSON text.
pub(crate) fn text(entity: &Entity, view: View, directory: &Directory) -> Bytes {
    let mut out = Vec::with_capacity(size(entity));
    write(entity, view, directory, &mut out);
    Bytes::from(out)
}

/// About how many bytes [`write`] will add.
pub(super) fn size(entity: &Entity) -> usize {
    entity.content.text().len() + ENVELOPE_BYTES
}

/// Adds the entity as JSON text to the end of `out`.
pub(super) fn write(entity: &Entity, view: View, directory: &Directory, out: &mut Vec<u8>) {
    let fields = &entity.rules.fields;
    envelope(entity, view, directory, out, |out| {
        entity.content.write(fields, view, out);
    });
}

/// The entity as JSON text with everything in it; for `fullContents` only.
pub(crate) fn full_text(call: &Call<'_>, entity: &Entity, directory: &Directory) -> Bytes {
    let view = View::of(call, Level::FullControl);
    let mut out = Vec::with_capacity(size(entity));
    envelope(entity, view, directory, &mut out, |out| {
        out.extend_from_slice(entity.content.text().as_bytes());
    });
    Bytes::from(out)
}

/// What stands before the content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Before<'a> {
    id: &'a str,
    entity_type: &'a str,
    name: &'a str,
    external_id: Option<&'a str>,
}

/// What stands after it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct After<'a> {
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

fn envelope(
    entity: &Entity,
    view: View,
    directory: &Directory,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>),
) {
    let before = Before {
        id: &entity.id,
        entity_type: &entity.type_urn,
        name: &entity.name,
        external_id: entity.external_id.as_deref(),
    };
    let owner = directory
        .users
        .get(&entity.owner_id)
        .map(|user| user.name.as_str());
    let after = After {
        state: entity.state.name(),
        entity_state: entity.state.name(),
        message: entity.message.as_deref(),
        creation_date: view.dated.then(|| stamp(entity.created)),
        last_modification_date: view.dated.then(|| stamp(entity.modified)),
        owner: Named {
            name: owner.unwrap_or_default(),
            id: &entity.owner_id,
        },
        org: Named {
            name: directory.org_name(&entity.org_id).unwrap_or_default(),
            id: &entity.org_id,
        },
    };
    out.push(b'{');
    members(&before, out);
    out.extend_from_slice(b",\"entity\":");
    content(out);
    out.push(b',');
    members(&after, out);
    out.push(b'}');
}

/// Adds what stands between the braces of an object.
fn members(object: &impl Serialize, out: &mut Vec<u8>) {
    // Shapes of text alone always serialize.
    let text = serde_json::to_vec(object).unwrap_or_default();
    out.extend_from_slice(
        text.get(1..text.len().saturating_sub(1))
            .unwrap_or_default(),
    );
}
