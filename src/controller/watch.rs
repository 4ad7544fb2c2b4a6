//! What this replica has seen of the clusters that need work: since when each record has not changed.
//!
//! Flow: `poll` puts rows in; `run` takes out those that may be claimed, in random order.
//!
//! Invariants:
//! - Age counts from this observer's first sight of exactly this record; a restart only lengthens it.
//! - The highest epoch ever seen is kept while the cluster is watched: a rolled-back record is not believed.
//! - Bounded by the clusters that need work, not by the clusters there are.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::Candidate;
use super::poll::Row;
use crate::chance::Chance;
use crate::clock::Moment;
use crate::domain::claim::Claim;
use crate::domain::ids::EntityId;
use crate::reconcile::claimable::{Claimable, Identity, claimable};
use crate::reconcile::policy::Policy;

#[derive(Debug)]
struct Watched {
    claim: Claim,
    since: Moment,
    jitter: f64,
    epoch_floor: u64,
    not_before: Moment,
    quarantined: bool,
}

/// The clusters that need work, as seen from here.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    by_entity: BTreeMap<EntityId, Watched>,
}

impl Watch {
    /// Takes note of listed clusters. `complete` says that clusters not in `rows` need no work.
    pub(crate) fn note(&mut self, rows: Vec<Row>, complete: bool, now: Moment, chance: &Chance) {
        if complete {
            let shown: BTreeSet<&EntityId> = rows.iter().map(|row| &row.entity).collect();
            self.by_entity.retain(|entity, _| shown.contains(entity));
        }
        for row in rows {
            let epoch = row
                .claim
                .heartbeat
                .as_ref()
                .map_or(0, |heartbeat| heartbeat.epoch);
            let watched = self.by_entity.entry(row.entity).or_insert_with(|| Watched {
                claim: row.claim.clone(),
                since: now,
                jitter: chance.next_fraction(),
                epoch_floor: 0,
                not_before: now,
                quarantined: false,
            });
            watched.epoch_floor = watched.epoch_floor.max(epoch);
            if watched.claim != row.claim {
                watched.claim = row.claim;
                watched.since = now;
                if !watched.quarantined || watched.not_before <= now {
                    watched.quarantined = false;
                    watched.not_before = now;
                }
            }
        }
    }

    /// Clusters that may be claimed now, in random order, without those in `active`.
    pub(crate) fn candidates(
        &self,
        active: &BTreeSet<EntityId>,
        policy: &Policy,
        identity: &Identity,
        setting: (Moment, &Chance),
    ) -> Vec<Candidate> {
        let (now, chance) = setting;
        let mut candidates: Vec<Candidate> = self
            .by_entity
            .iter()
            .filter(|(entity, watched)| !active.contains(*entity) && watched.not_before <= now)
            .filter_map(|(entity, watched)| {
                let observed = (now.since(watched.since), watched.jitter);
                match claimable(&watched.claim, identity, observed, policy) {
                    Claimable::Held { .. } => None,
                    Claimable::Free
                    | Claimable::Mine
                    | Claimable::Inherited
                    | Claimable::Silent => Some(Candidate {
                        entity: entity.clone(),
                        claim: watched.claim.clone(),
                        observed,
                        epoch_floor: watched.epoch_floor,
                    }),
                }
            })
            .collect();
        // A private order per replica keeps several replicas from asking for the same one at once.
        chance.shuffle(&mut candidates);
        candidates
    }

    /// Leaves a cluster alone until its record changes or `until` has come.
    pub(crate) fn park(&mut self, entity: &EntityId, until: Moment) {
        if let Some(watched) = self.by_entity.get_mut(entity) {
            watched.not_before = until;
        }
    }

    /// Leaves a cluster alone until `until`, whatever happens to its record.
    pub(crate) fn quarantine(&mut self, entity: &EntityId, until: Moment) {
        if let Some(watched) = self.by_entity.get_mut(entity) {
            watched.not_before = until;
            watched.quarantined = true;
        }
    }

    /// How many clusters somebody else holds.
    pub(crate) fn held_by_others(&self, active: &BTreeSet<EntityId>) -> usize {
        self.by_entity
            .iter()
            .filter(|(entity, watched)| !active.contains(*entity) && !watched.claim.is_free())
            .count()
    }
}
