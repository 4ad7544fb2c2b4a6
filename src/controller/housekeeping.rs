//! Which failed clusters are due to have their bootstrap VM collected.
//!
//! Flow: `run` passes what a poll found through [`Housekeeping::due`]: clusters that merely keep a VM come
//! out when its time is over. Such a cluster costs no request until then.
//!
//! Invariants:
//! - Everything is in the document: a replica that starts anew collects just the same.
//! - What could not be collected is left alone for [`AGAIN_AFTER`], by this replica.
//! - Bounded by the failed clusters whose VM could not be collected.
//!
//! Not here: the time itself (`reconcile::inspection`), the removal (`reconcile`).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::poll::Row;
use crate::clock::Moment;
use crate::domain::ids::EntityId;
use crate::reconcile::inspection::until;
use crate::reconcile::policy::Policy;

/// How long a bootstrap VM that could not be removed is left alone.
const AGAIN_AFTER: Duration = Duration::from_hours(6);

/// What could not be collected, and when it is tried again.
#[derive(Debug, Default)]
pub(crate) struct Housekeeping {
    postponed: BTreeMap<EntityId, Moment>,
}

impl Housekeeping {
    /// The rows without those that merely keep a bootstrap VM whose time has not come.
    pub(crate) fn due(
        &mut self,
        rows: Vec<Row>,
        policy: &Policy,
        (now, wall): (Moment, Timestamp),
    ) -> Vec<Row> {
        self.postponed.retain(|_, again| *again > now);
        let due = |row: &Row| match row.kept_since {
            None => true,
            Some(since) => {
                until(since, policy) <= wall && !self.postponed.contains_key(&row.entity)
            }
        };
        rows.into_iter().filter(due).collect()
    }

    /// The VM of this cluster could not be removed.
    pub(crate) fn postpone(&mut self, entity: &EntityId, now: Moment) {
        self.postponed.insert(entity.clone(), now.plus(AGAIN_AFTER));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;
    use crate::domain::claim::Claim;
    use crate::reconcile::sharing::Errand;

    fn row(id: u8, kept_since: Option<Timestamp>) -> Row {
        let urn = format!("urn:vcloud:entity:vmware:capvcdCluster:{id}");
        Row {
            entity: EntityId::parse(&urn).unwrap(),
            claim: Claim::default(),
            org: None,
            errand: Errand::Upkeep,
            same_since: None,
            kept_since,
        }
    }

    #[test]
    fn work_is_always_due_and_collecting_after_the_time_unless_postponed() {
        let policy = Policy::standard(Vec::new());
        let start = Timestamp::UNIX_EPOCH;
        let day = Duration::from_hours(24);
        let mut housekeeping = Housekeeping::default();
        let due = |housekeeping: &mut Housekeeping, passed: Duration| -> Vec<String> {
            let rows = vec![row(1, None), row(2, Some(start)), row(3, Some(start + day))];
            let at = (Moment::from_origin(passed), start + passed);
            let found = housekeeping.due(rows, &policy, at);
            found
                .iter()
                .map(|row| row.entity.uuid().to_owned())
                .collect()
        };
        assert_eq!(due(&mut housekeeping, Duration::ZERO), ["1"]);
        assert_eq!(due(&mut housekeeping, day), ["1", "2"]);
        let entity = row(2, None).entity;
        housekeeping.postpone(&entity, Moment::from_origin(day));
        assert_eq!(due(&mut housekeeping, day), ["1"]);
        assert_eq!(due(&mut housekeeping, day + AGAIN_AFTER), ["1", "2"]);
        assert_eq!(due(&mut housekeeping, day * 2), ["1", "2", "3"]);
    }
}
