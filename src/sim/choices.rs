//! Alternatives where documents of VCD contradict each other or leave it open.
//!
//! Flow: fields of [`Settings`](super::context::Settings); handlers match on them where they decide.
//!
//! Not here: switches that are on or off, which are plain booleans of the settings.

use serde::{Deserialize, Serialize};

/// What a `PUT` makes of an entity whose resolution failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnresolvableRewrite {
    /// It is `PRE_CREATED` again, as the model of the entity documents.
    #[default]
    PreCreated,
    /// It stays `RESOLUTION_ERROR`, as the tests of `go-vcloud-director` saw it.
    ResolutionError,
}

/// What happens to a `PUT` that makes a resolved entity invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidRewrite {
    /// It is refused and changes nothing, as documented up to API 37.2.
    #[default]
    Refused,
    /// It is stored and the entity is `RESOLUTION_ERROR`, as newer documents say.
    Stored,
}

/// What happens to a `DELETE` of an entity that was never resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnresolvedDeletion {
    /// 400 `RDE_ENTITY_NOT_RESOLVED`.
    #[default]
    BadRequest,
    /// The same with 409.
    Conflict,
    /// The entity goes.
    Allowed,
}

/// What happens to restricted fields that a writer without full control sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestrictedWrites {
    /// They keep their stored value, and the rest is written.
    #[default]
    Kept,
    /// A different value is refused with 403; leaving a field out is no change.
    Refused,
}

/// The version an `Accept` header without one is answered in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnversionedAccept {
    /// The highest offered.
    #[default]
    Highest,
    /// The lowest offered.
    Lowest,
    /// None: 406. The paths that need no session are answered all the same.
    Refused,
}
