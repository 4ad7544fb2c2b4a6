//! The marker: proof, on the VCD object itself, that it is ours and of which attempt.
//!
//! It travels in the `Description` of the create call, so there is no moment in which the object
//! exists without it. It is the second witness beside the record in the entity: when the two
//! disagree, the document was rolled back.
//!
//! Invariants:
//! - Objects without a marker of this very entity are never deleted.

use std::fmt;

use super::ids::EntityId;

/// `rde=<entity URN>;e=<epoch>;i=<incarnation>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The cluster the object belongs to.
    pub entity: EntityId,
    /// Epoch of the holder that made it.
    pub epoch: u64,
    /// Attempt it was made for.
    pub incarnation: u32,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rde={};e={};i={}",
            self.entity, self.epoch, self.incarnation
        )
    }
}

impl Marker {
    /// Reads a marker from a description; `None` when it is anything else.
    pub fn parse(description: &str) -> Option<Self> {
        let mut parts = description.trim().split(';');
        let entity = EntityId::parse(parts.next()?.strip_prefix("rde=")?).ok()?;
        let epoch = parts.next()?.strip_prefix("e=")?.parse().ok()?;
        let incarnation = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        Some(Self {
            entity,
            epoch,
            incarnation,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn marker_reads_back_and_foreign_descriptions_are_no_marker() {
        let entity = EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:5b7e").unwrap();
        let marker = Marker {
            entity,
            epoch: 4,
            incarnation: 2,
        };
        let text = marker.to_string();
        assert_eq!(
            text,
            "rde=urn:vcloud:entity:vmware:capvcdCluster:5b7e;e=4;i=2"
        );
        assert_eq!(Marker::parse(&text), Some(marker));
        for other in [
            "",
            "Auto-created VM",
            "rde=x;e=1;i=1",
            "rde=urn:vcloud:entity:a:b:c;e=1",
            "e=1;i=1",
        ] {
            assert_eq!(Marker::parse(other), None, "{other}");
        }
    }
}
