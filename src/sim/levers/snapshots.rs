//! All entities as they were, under a name.

use jiff::Timestamp;

use super::LeverError;
use crate::sim::entities::{Entities, Entity};
use crate::sim::world::World;

/// All entities as they were.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) taken: Timestamp,
    pub(crate) entities: Vec<Entity>,
}

impl World {
    pub(super) fn take_snapshot(&mut self, name: &str, wall: Timestamp) -> usize {
        let entities: Vec<Entity> = self.entities.iter().cloned().collect();
        let count = entities.len();
        let taken = wall;
        self.snapshots
            .insert(name.to_owned(), Snapshot { taken, entities });
        count
    }

    pub(super) fn restore_snapshot(
        &mut self,
        name: &str,
        wall: Timestamp,
    ) -> Result<usize, LeverError> {
        let snapshot = self.snapshots.get(name);
        let snapshot = snapshot.ok_or_else(|| LeverError::unknown("snapshot", name))?;
        let revisions = snapshot.entities.iter().chain(self.entities.iter());
        let highest = revisions.map(|entity| entity.revision).max();
        let mut restored = Entities::default();
        for entity in &snapshot.entities {
            let mut entity = entity.clone();
            // Above all that any client can have seen, so that no old ETag fits again.
            entity.revision = highest.unwrap_or_default();
            entity.touch(wall);
            restored.restore(entity, &self.registry);
        }
        restored.replace_all(&self.entities);
        self.entities = restored;
        Ok(snapshot.entities.len())
    }
}

impl World {
    /// Names of the snapshots, with their dates and the number of their entities.
    pub fn snapshots(&self) -> Vec<(&str, Timestamp, usize)> {
        let all = self.snapshots.iter();
        all.map(|(name, one)| (name.as_str(), one.taken, one.entities.len()))
            .collect()
    }

    /// Forgets a snapshot; false when there is none of this name.
    pub fn drop_snapshot(&mut self, name: &str) -> bool {
        self.snapshots.remove(name).is_some()
    }

    /// The scenarios that run, and what they have done.
    pub fn scenarios(&self) -> serde_json::Value {
        self.levers.document()
    }
}
