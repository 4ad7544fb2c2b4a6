//! Value and version tag travel together: one read licenses one write.
//!
//! Invariants:
//! - [`ETag`] is not `Clone`: a conditional write consumes the tag of the read it was decided on.
//! - The tag is opaque and goes back byte for byte (VCD `OpenAPI`, `ETag` and `If-Match` on entities).

use std::fmt;

/// The opaque version tag of an entity, as VCD sent it.
#[derive(PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// Wraps the header value as received.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The header value, to be sent as `If-Match`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ETag({})", self.0)
    }
}

/// A value and the tag of the version it was read at.
#[derive(Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// What was read or written.
    pub value: T,
    /// Its version; spent by the next conditional write.
    pub etag: ETag,
}
