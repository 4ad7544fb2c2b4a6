//! What this replica has seen of the clusters that need work: since when each record has not changed.
//!
//! Flow: `poll` puts rows in; `run` takes out those that may be claimed, in random order.
//!
//! Invariants:
//! - Age counts from this observer's first sight of exactly this record; a restart only lengthens it.
//! - The highest record ever seen is kept while the cluster is watched. One that goes back in time is not
//!   believed: nobody here takes the cluster for a whole term, whatever the record says, because whoever
//!   held it when it was rolled back may not know yet.
//! - Bounded by the clusters that need work, not by the clusters there are.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::Candidate;
use super::poll::Row;
use crate::chance::Chance;
use crate::clock::Moment;
use crate::domain::claim::{Claim, HolderId};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::EntityId;
use crate::reconcile::backoff::delay;
use crate::reconcile::claimable::{Claimable, Identity, claimable};
use crate::reconcile::policy::Policy;
use crate::reconcile::sharing::{Errand, Job};

#[derive(Debug)]
struct Watched {
    claim: Claim,
    since: Moment,
    jitter: f64,
    /// Highest epoch, and highest sequence within it, ever seen.
    highest: (u64, u64),
    /// The record is an earlier one than the highest.
    rolled_back: bool,
    job: Job,
    not_before: Moment,
    quarantined: bool,
    /// Shown by a quick poll before: when the next one does not show it any more, it is finished.
    hot: bool,
    /// Claims in a row that failed.
    failures: u32,
}

/// A cluster that may be claimed, and what for.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) candidate: Candidate,
    pub(crate) job: Job,
}

/// What a listing covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every cluster: those it does not show need no work.
    Full,
    /// Unfinished clusters only, as far as VCD's filter finds them.
    Hot,
    /// A part of them.
    Partial,
}

impl Watched {
    fn may_go(&self, now: Moment, policy: &Policy) -> bool {
        let freeze = policy.takeover.mul_f64(1.0 + 0.2 * self.jitter);
        let frozen = self.rolled_back && now.since(self.since) < freeze;
        self.not_before <= now && !frozen
    }
}

/// The clusters that need work, as seen from here.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    by_entity: BTreeMap<EntityId, Watched>,
}

impl Watch {
    /// Takes note of listed clusters, and forgets those that need no work any more.
    pub(crate) fn note(&mut self, rows: Vec<Row>, scope: Scope, now: Moment, chance: &Chance) {
        let shown: BTreeSet<&EntityId> = rows.iter().map(|row| &row.entity).collect();
        self.by_entity.retain(|entity, watched| match scope {
            Scope::Full => shown.contains(entity),
            Scope::Hot => shown.contains(entity) || !watched.hot,
            Scope::Partial => true,
        });
        for row in rows {
            let heartbeat = row.claim.heartbeat.as_ref();
            let record = heartbeat.map_or((0, 0), |found| (found.epoch, found.seq));
            let job = Job {
                org: row.org,
                errand: row.errand,
                own: false,
            };
            let watched = self.by_entity.entry(row.entity).or_insert_with(|| Watched {
                claim: row.claim.clone(),
                since: row.same_since.unwrap_or(now),
                jitter: chance.next_fraction(),
                highest: record,
                rolled_back: false,
                job: job.clone(),
                not_before: now,
                quarantined: false,
                hot: false,
                failures: 0,
            });
            watched.hot |= scope == Scope::Hot;
            watched.rolled_back = record < watched.highest;
            watched.highest = watched.highest.max(record);
            watched.job = job;
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
    ) -> Vec<Waiting> {
        let (now, chance) = setting;
        let mut candidates: Vec<Waiting> = self
            .by_entity
            .iter()
            .filter(|(entity, watched)| !active.contains(*entity) && watched.may_go(now, policy))
            .filter_map(|(entity, watched)| {
                let observed = (now.since(watched.since), watched.jitter);
                let own = match claimable(&watched.claim, identity, observed, policy) {
                    Claimable::Held { .. } => return None,
                    Claimable::Free | Claimable::Silent => false,
                    Claimable::Mine | Claimable::Inherited => true,
                };
                Some(Waiting {
                    candidate: Candidate {
                        entity: entity.clone(),
                        claim: watched.claim.clone(),
                        observed,
                        epoch_floor: watched.highest.0,
                    },
                    job: Job {
                        own,
                        ..watched.job.clone()
                    },
                })
            })
            .collect();
        // A private order per replica keeps several replicas from asking for the same one at once.
        chance.shuffle(&mut candidates);
        candidates
    }

    /// Forgets a cluster that needs no work any more; a poll that shows it again starts from anew.
    pub(crate) fn forget(&mut self, entity: &EntityId) {
        self.by_entity.remove(entity);
    }

    /// Leaves a cluster alone until its record changes or `until` has come.
    pub(crate) fn park(&mut self, entity: &EntityId, until: Moment) {
        if let Some(watched) = self.by_entity.get_mut(entity) {
            watched.not_before = until;
        }
    }

    /// Leaves a cluster alone after a claim that failed, longer each time; returns how often it has.
    pub(crate) fn claim_failed(
        &mut self,
        entity: &EntityId,
        class: &ErrorClass,
        setting: (Moment, &Chance),
    ) -> u32 {
        let (now, chance) = setting;
        let Some(watched) = self.by_entity.get_mut(entity) else {
            return 1;
        };
        watched.failures = watched.failures.saturating_add(1);
        watched.not_before = now.plus(delay(class, watched.failures, chance.next_fraction()));
        watched.failures
    }

    /// Leaves a cluster alone until `until`, whatever happens to its record.
    pub(crate) fn quarantine(&mut self, entity: &EntityId, until: Moment) {
        if let Some(watched) = self.by_entity.get_mut(entity) {
            watched.not_before = until;
            watched.quarantined = true;
        }
    }

    /// How many clusters need work, and how many other replicas hold some of them.
    pub(crate) fn spread(&self, active: &BTreeSet<EntityId>) -> (usize, usize) {
        let held = self
            .by_entity
            .iter()
            .filter(|(entity, watched)| !active.contains(*entity) && !watched.claim.is_free());
        let others: BTreeSet<&HolderId> = held
            .filter_map(|(_, watched)| watched.claim.holder.as_ref())
            .collect();
        (self.by_entity.len(), others.len())
    }

    /// Every cluster that needs work, its claim as last seen, and what it is wanted for.
    pub(crate) fn overview(&self) -> impl Iterator<Item = (&EntityId, &Claim, Errand)> {
        let seen = self.by_entity.iter();
        seen.map(|(entity, watched)| (entity, &watched.claim, watched.job.errand))
    }

    /// How many clusters somebody else holds.
    pub(crate) fn held_by_others(&self, active: &BTreeSet<EntityId>) -> usize {
        self.by_entity
            .iter()
            .filter(|(entity, watched)| !active.contains(*entity) && !watched.claim.is_free())
            .count()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(id: &str, worker: &str, nonce: u64) -> Row {
        let text = format!("k1;e=1;s=1;n={nonce:x};t=180;p=creating;i=1;x=held");
        Row {
            entity: EntityId::parse(&format!("urn:vcloud:entity:vmware:capvcdCluster:{id}"))
                .unwrap(),
            claim: Claim::from_wire(worker, if worker.is_empty() { "" } else { &text }),
            org: None,
            errand: Errand::Creation,
            same_since: None,
            kept_since: None,
        }
    }

    fn record(id: &str, epoch: u64, seq: u64) -> Row {
        let text = format!("k1;e={epoch};s={seq};n=1;t=180;p=creating;i=1;x=released");
        Row {
            claim: Claim::from_wire("", &text),
            ..row(id, "", 0)
        }
    }

    fn at(secs: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(secs))
    }

    struct Seat {
        watch: Watch,
        chance: Chance,
        policy: Policy,
        identity: Identity,
    }

    impl Seat {
        fn new() -> Self {
            Self {
                watch: Watch::default(),
                chance: Chance::seeded(3),
                policy: Policy::standard(Vec::new()),
                identity: Identity {
                    me: HolderId::new("a", 1),
                    predecessors: Vec::new(),
                },
            }
        }

        fn note(&mut self, rows: Vec<Row>, scope: Scope, now: u64) {
            self.watch.note(rows, scope, at(now), &self.chance);
        }

        fn candidates(&self, now: u64) -> Vec<String> {
            let found = self.watch.candidates(
                &BTreeSet::new(),
                &self.policy,
                &self.identity,
                (at(now), &self.chance),
            );
            let mut ids: Vec<String> = found
                .iter()
                .map(|waiting| waiting.candidate.entity.uuid().to_owned())
                .collect();
            ids.sort();
            ids
        }
    }

    #[test]
    fn a_record_grows_silent_only_while_it_stays_the_same_as_seen_here() {
        let mut seat = Seat::new();
        seat.note(vec![row("1", "b/1", 1), row("2", "", 0)], Scope::Full, 1000);
        assert_eq!(
            seat.candidates(1000),
            ["2"],
            "a held cluster is left to its holder at first sight"
        );
        seat.note(vec![row("1", "b/1", 1)], Scope::Partial, 1170);
        assert_eq!(seat.candidates(1170), ["2"], "the term is not over");
        seat.note(vec![row("1", "b/1", 2)], Scope::Partial, 1179);
        assert_eq!(
            seat.candidates(1300),
            ["2"],
            "a heartbeat starts the term anew"
        );
        assert_eq!(
            seat.candidates(1179 + 217),
            ["1", "2"],
            "silent for a term and its jitter"
        );
    }

    #[test]
    fn parked_forgotten_and_vanished_clusters_are_no_candidates() {
        let mut seat = Seat::new();
        seat.note(
            vec![row("1", "", 0), row("2", "", 0), row("3", "", 0)],
            Scope::Full,
            0,
        );
        seat.watch.park(&row("1", "", 0).entity, at(60));
        seat.watch.forget(&row("2", "", 0).entity);
        assert_eq!(seat.candidates(10), ["3"]);
        assert_eq!(seat.candidates(60), ["1", "3"]);
        seat.note(vec![row("1", "", 0)], Scope::Full, 61);
        assert_eq!(
            seat.candidates(61),
            ["1"],
            "a complete listing without it means no work"
        );
        seat.watch.quarantine(&row("1", "", 0).entity, at(600));
        seat.note(vec![row("1", "b/1", 9)], Scope::Partial, 62);
        seat.note(vec![row("1", "", 0)], Scope::Partial, 63);
        assert_eq!(
            seat.candidates(63),
            Vec::<String>::new(),
            "quarantine outlasts changes"
        );
    }
    #[test]
    fn a_quick_poll_forgets_what_an_earlier_one_showed_and_nothing_else() {
        let mut seat = Seat::new();
        seat.note(vec![row("1", "", 0), row("2", "", 0)], Scope::Full, 0);
        seat.note(vec![row("2", "", 0)], Scope::Hot, 10);
        assert_eq!(seat.candidates(10), ["1", "2"], "the filter may hide one");
        seat.note(Vec::new(), Scope::Partial, 20);
        assert_eq!(seat.candidates(20), ["1", "2"], "a part proves nothing");
        seat.note(Vec::new(), Scope::Hot, 20);
        assert_eq!(seat.candidates(20), ["1"]);
    }

    #[test]
    fn a_record_that_goes_back_in_time_is_left_alone_for_a_term() {
        let mut seat = Seat::new();
        seat.note(vec![record("1", 2, 7)], Scope::Full, 0);
        assert_eq!(seat.candidates(0), ["1"]);
        for older in [record("1", 2, 6), record("1", 1, 99), row("1", "", 0)] {
            seat.note(vec![older], Scope::Full, 100);
            assert_eq!(seat.candidates(100 + 179), Vec::<String>::new());
            assert_eq!(seat.candidates(100 + 217), ["1"], "the freeze is over");
            seat.note(vec![record("1", 2, 7)], Scope::Full, 101);
            assert_eq!(
                seat.candidates(101),
                ["1"],
                "only a cell that lagged behind"
            );
        }
    }

    #[test]
    fn a_record_seen_before_there_was_work_is_as_old_as_that() {
        let mut seat = Seat::new();
        let known = Row {
            claim: Claim::from_wire("w1", "beat"),
            same_since: Some(at(10)),
            ..row("1", "", 0)
        };
        seat.note(vec![known], Scope::Full, 5_000);
        assert_eq!(seat.candidates(5_000), ["1"]);
    }

    #[test]
    fn other_holders_and_all_work_are_counted() {
        let mut seat = Seat::new();
        let rows = vec![
            row("1", "b/1", 1),
            row("2", "b/1", 1),
            row("3", "c/1", 1),
            row("4", "", 0),
        ];
        seat.note(rows, Scope::Full, 0);
        assert_eq!(seat.watch.spread(&BTreeSet::new()), (4, 2));
        let active = BTreeSet::from([row("3", "", 0).entity]);
        assert_eq!(seat.watch.spread(&active), (4, 1));
    }

    #[test]
    fn a_claim_that_keeps_failing_is_tried_ever_more_rarely() {
        let mut seat = Seat::new();
        seat.note(vec![row("1", "", 0)], Scope::Full, 0);
        let entity = row("1", "", 0).entity;
        for failures in 1..=12 {
            let setting = (at(0), &seat.chance);
            let count = seat
                .watch
                .claim_failed(&entity, &ErrorClass::Terminal, setting);
            assert_eq!(count, failures);
        }
        assert_eq!(seat.candidates(60), Vec::<String>::new());
        assert_eq!(seat.candidates(300), ["1"]);
        seat.note(vec![row("1", "", 1)], Scope::Hot, 60);
        assert_eq!(seat.candidates(60), Vec::<String>::new(), "no new record");
    }
}
