//! Which of the waiting clusters a replica takes next: within its slots, and fair among organizations.
//!
//! Flow: `run` hands over what may be claimed, in random order, and what it works on; it claims what comes back.
//!
//! Invariants:
//! - An organization has at most its share of the slots, and at most so many deletions at once: the rest
//!   stays free, so that the clusters of one tenant never keep another tenant's waiting.
//! - The organization with the fewest clusters at work is served first; among equals chance decides.
//! - What clients wait for comes before upkeep.
//! - Claims of this process and of its dead predecessor compete with nobody: they wait for a slot only.
//!
//! Not here: whether a cluster may be claimed at all (`claimable`).

use std::collections::BTreeMap;

use crate::domain::ids::OrgId;

/// How many clusters one replica works on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// In all.
    pub total: usize,
    /// Of one organization.
    pub per_org: usize,
    /// Of one organization and being deleted.
    pub removals_per_org: usize,
}

impl Slots {
    /// `total` slots, of which one organization may have `share_percent`, and one in any case.
    pub fn new(total: usize, share_percent: usize, removals_per_org: usize) -> Self {
        Self {
            total,
            per_org: (total.saturating_mul(share_percent) / 100).max(1),
            removals_per_org: removals_per_org.max(1),
        }
    }

    /// The defaults: 32 slots, a quarter of them and two deletions for one organization.
    pub fn standard() -> Self {
        Self::new(32, 25, 2)
    }
}

/// What a cluster is to be claimed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Deletion.
    Removal,
    /// Creation, or the cleaning up after one.
    Creation,
    /// A look at a running cluster, or the collection of a bootstrap VM that was kept.
    Upkeep,
}

/// A cluster at work or waiting, as far as sharing goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its organization; all clusters without a readable one share the same slots.
    pub org: Option<OrgId>,
    /// What it is claimed for.
    pub errand: Errand,
    /// Whether its record is this process's own, or that of its dead predecessor.
    pub own: bool,
}

/// How much may be taken now.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Free slots.
    pub free: usize,
    /// Most clusters to take that others may want, too.
    pub batch: usize,
}

/// What to take.
#[derive(Debug, PartialEq, Eq)]
pub struct Picked {
    /// Positions in the list of waiting clusters.
    pub taken: Vec<usize>,
    /// Whether more could have been taken in a larger batch.
    pub more: bool,
}

#[derive(Clone, Copy, Default)]
struct OrgLoad {
    jobs: usize,
    removals: usize,
}

/// Chooses among `waiting`, which is in random order, given what is `at_work`.
pub fn pick<'a>(
    waiting: &[&'a Job],
    at_work: impl Iterator<Item = &'a Job>,
    slots: &Slots,
    room: Room,
) -> Picked {
    let mut load = Load::default();
    at_work.for_each(|job| load.add(job));
    let own = waiting.iter().enumerate().filter(|(_, job)| job.own);
    let mut taken: Vec<usize> = own.map(|(at, _)| at).take(room.free).collect();
    let own_taken = taken.len();
    for job in taken.iter().filter_map(|at| waiting.get(*at).copied()) {
        load.add(job);
    }
    loop {
        let full = taken.len() >= room.free;
        let next = waiting
            .iter()
            .copied()
            .enumerate()
            .filter(|(at, job)| !full && !job.own && !taken.contains(at) && load.fits(job, slots))
            .min_by_key(|(_, job)| (job.errand == Errand::Upkeep, load.of(job).jobs));
        let Some((at, job)) = next else {
            return Picked { taken, more: false };
        };
        if taken.len() - own_taken >= room.batch {
            return Picked { taken, more: true };
        }
        load.add(job);
        taken.push(at);
    }
}

#[derive(Default)]
struct Load<'a>(BTreeMap<Option<&'a OrgId>, OrgLoad>);

impl<'a> Load<'a> {
    fn add(&mut self, job: &'a Job) {
        let org = self.0.entry(job.org.as_ref()).or_default();
        org.jobs += 1;
        org.removals += usize::from(job.errand == Errand::Removal);
    }

    fn of(&self, job: &Job) -> OrgLoad {
        self.0.get(&job.org.as_ref()).copied().unwrap_or_default()
    }

    fn fits(&self, job: &Job, slots: &Slots) -> bool {
        let org = self.of(job);
        org.jobs < slots.per_org
            && (job.errand != Errand::Removal || org.removals < slots.removals_per_org)
    }
}

/// What is a fair part of `all` clusters that need work beside `others` replicas that hold some.
pub const fn fair_share(all: usize, others: usize) -> usize {
    all.div_ceil(others.saturating_add(1))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;

    fn org(n: u8) -> OrgId {
        OrgId::parse(&format!(
            "urn:vcloud:org:0000000{n}-0000-4000-8000-000000000000"
        ))
        .unwrap()
    }

    fn job(n: u8, errand: Errand) -> Job {
        Job {
            org: Some(org(n)),
            errand,
            own: false,
        }
    }

    fn jobs(count: usize, n: u8, errand: Errand) -> Vec<Job> {
        vec![job(n, errand); count]
    }

    fn picked(waiting: &[Job], at_work: &[Job], (free, batch): (usize, usize)) -> Picked {
        let room = Room { free, batch };
        let waiting: Vec<&Job> = waiting.iter().collect();
        let picked = pick(&waiting, at_work.iter(), &Slots::standard(), room);
        let mut seen = picked.taken.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), picked.taken.len(), "nothing is taken twice");
        assert!(picked.taken.len() <= free);
        picked
    }

    #[test]
    fn one_tenant_leaves_three_quarters_of_the_slots_to_the_others() {
        assert_eq!(Slots::standard(), Slots::new(32, 25, 2));
        assert_eq!(
            Slots::new(3, 25, 0),
            Slots {
                total: 3,
                per_org: 1,
                removals_per_org: 1
            }
        );
        let many = jobs(200, 1, Errand::Creation);
        assert_eq!(picked(&many, &[], (32, 100)).taken.len(), 8);
        let at_work = jobs(7, 1, Errand::Creation);
        let found = picked(&many, &at_work, (25, 4));
        assert_eq!(
            (found.taken.len(), found.more),
            (1, false),
            "its share is used up"
        );
    }

    #[test]
    fn the_tenant_with_the_least_at_work_comes_first() {
        let mut waiting = jobs(200, 1, Errand::Creation);
        waiting.push(job(2, Errand::Creation));
        let found = picked(&waiting, &jobs(3, 1, Errand::Creation), (20, 4));
        assert_eq!(found.taken[0], 200, "a single cluster among two hundred");
        assert_eq!((found.taken.len(), found.more), (4, true));
        let even = [jobs(9, 1, Errand::Creation), jobs(9, 2, Errand::Creation)].concat();
        let found = picked(&even, &[], (20, 4)).taken;
        assert_eq!(found.iter().filter(|at| **at < 9).count(), 2, "{found:?}");
    }

    #[test]
    fn two_deletions_of_a_tenant_at_once_and_its_creations_go_on() {
        let waiting = [jobs(5, 1, Errand::Removal), jobs(2, 1, Errand::Creation)].concat();
        let found = picked(&waiting, &[], (32, 32));
        let removals = found.taken.iter().filter(|at| **at < 5).count();
        assert_eq!((removals, found.taken.len()), (2, 4));
        let found = picked(&waiting, &jobs(2, 1, Errand::Removal), (32, 32));
        assert!(found.taken.iter().all(|at| *at >= 5), "{found:?}");
    }

    #[test]
    fn upkeep_waits_for_everything_else() {
        let mut waiting = jobs(9, 1, Errand::Upkeep);
        waiting.push(job(2, Errand::Creation));
        waiting.push(job(2, Errand::Removal));
        let mut first = picked(&waiting, &jobs(4, 2, Errand::Creation), (32, 2)).taken;
        first.sort_unstable();
        assert_eq!(first, [9, 10]);
    }

    #[test]
    fn own_claims_need_a_free_slot_and_nothing_else() {
        let own = Job {
            own: true,
            ..job(1, Errand::Removal)
        };
        let waiting = [vec![job(1, Errand::Creation)], vec![own; 12]].concat();
        let found = picked(&waiting, &[], (20, 4));
        assert_eq!(
            found.taken.len(),
            12,
            "the share of the tenant is used up by them"
        );
        assert_eq!(picked(&waiting, &[], (5, 4)).taken.len(), 5);
        assert_eq!(
            picked(&waiting, &[], (0, 4)),
            Picked {
                taken: Vec::new(),
                more: false
            }
        );
    }

    #[test]
    fn a_fair_share_is_rounded_up() {
        let cases = [
            ((30, 2), 10),
            ((31, 2), 11),
            ((1, 4), 1),
            ((0, 3), 0),
            ((7, 0), 7),
        ];
        for ((all, others), want) in cases {
            assert_eq!(fair_share(all, others), want, "{all} beside {others}");
        }
    }
}
