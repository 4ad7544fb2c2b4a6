//! Which clusters a replica claims, and what becomes of those whose work has ended.
//!
//! Invariants:
//! - At most [`BATCH`] claims begin before the clusters are listed again, and so many are undecided at any
//!   time: replicas that see the same new clusters share them instead of racing through the whole list,
//!   and a slow replica takes less.
//! - Fewer clusters are taken while VCD shows that it is overloaded, and after a start no more than a fair
//!   share: slots balance the load, not one replica's appetite.
//! - A task that panics takes its cluster out of service for a while and nothing else.
//!
//! Not here: fairness among organizations (`reconcile::sharing`), the claim itself (`claim`).

use std::time::Duration;

use tracing::{error, warn};

use super::Replica;
use crate::clock::Moment;
use crate::controller::claim::NotClaimed;
use crate::controller::crew::Ended;
use crate::controller::workflow::End;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::EntityId;
use crate::reconcile::sharing::{Job, Room, fair_share, pick};
use crate::telemetry::{chain, event};
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

/// Claims begun per listing.
pub(super) const BATCH: usize = 4;
/// Clusters at work for each call that may be under way at once: most of their time they wait.
const CLUSTERS_PER_CALL: usize = 4;
/// How long after the first listing a replica takes no more than its fair share.
const MODESTY: Duration = Duration::from_mins(1);
/// Pause before the next listing when claimable clusters were left over.
const RELIST_AFTER: Duration = Duration::from_secs(1);
/// How long a cluster whose work panicked is left alone.
const QUARANTINE: Duration = Duration::from_mins(10);
/// How long a cluster is left alone after its claim was lost, unless its record changes.
const PARK: Duration = Duration::from_mins(1);

impl<T: Transport> Replica<T> {
    pub(super) fn claim_some(&mut self) {
        let now = self.setup.clock.now();
        let free = self.setup.slots.total.saturating_sub(self.crew.len());
        if free == 0 {
            return;
        }
        if !self.poller.has_hot_poll() {
            // Listings are too rare to wait for.
            self.batch = BATCH;
        }
        let setting = (now, &*self.setup.chance);
        let (policy, identity) = (&self.deps.policy, &self.deps.identity);
        let mut waiting = self
            .watch
            .candidates(&self.crew.active(), policy, identity, setting);
        let within_limit = self.limit(now).saturating_sub(self.crew.len());
        let undecided = BATCH.saturating_sub(self.crew.claiming());
        let batch = self.batch.min(undecided);
        let jobs: Vec<&Job> = waiting.iter().map(|one| &one.job).collect();
        let room = Room {
            free,
            batch: batch.min(within_limit),
        };
        let mut picked = pick(&jobs, self.crew.jobs(), &self.setup.slots, room);
        // While VCD does not answer, the pause between two tries is the poll's own.
        if picked.more && batch < within_limit && self.poll_failures == 0 {
            self.next_hot = self.next_hot.min(now.plus(RELIST_AFTER));
        }
        // From the end on, so that the other positions stay what they are.
        picked.taken.sort_unstable();
        for at in picked.taken.into_iter().rev() {
            let taken = waiting.swap_remove(at);
            self.batch = self.batch.saturating_sub(usize::from(!taken.job.own));
            self.crew.begin(&self.deps, taken);
        }
    }

    /// Most clusters at work that others may want, too.
    fn limit(&self, now: Moment) -> usize {
        let calls = self.setup.client.window();
        let within_window = calls.map_or(usize::MAX, |calls| calls * CLUSTERS_PER_CALL);
        let is_new = self
            .first_listing
            .is_none_or(|first| now.since(first) < MODESTY);
        let (all, others) = self.watch.spread(&self.crew.active());
        if is_new && others > 0 {
            within_window.min(fair_share(all, others))
        } else {
            within_window
        }
    }

    pub(super) fn ended(&mut self, entity: &EntityId, ended: Ended) {
        let now = self.setup.clock.now();
        self.setup.meters.ended(name_of(&ended));
        match ended {
            Ok(Ok(End::Postponed)) => {
                self.housekeeping.postpone(entity, now);
                self.watch.forget(entity);
            }
            Ok(Ok(End::Lost)) => self.watch.park(entity, now.plus(PARK)),
            Ok(
                Ok(End::Provisioned | End::Settled | End::HandedOver | End::Waiting | End::Deleted)
                | Err(NotClaimed::Gone),
            ) => self.watch.forget(entity),
            // What has been seen of its record stays true: another writer's update restarts no term.
            Ok(Err(NotClaimed::Contested)) => {
                let setting = (now, &*self.setup.chance);
                self.watch
                    .claim_failed(entity, &ErrorClass::Conflict, setting);
            }
            Ok(Err(NotClaimed::Failed(error))) => self.claim_failed(entity, &error),
            Err(error) => {
                error!(
                    event = event::CLUSTER_QUARANTINED,
                    cluster_id = %entity,
                    quarantine_secs = QUARANTINE.as_secs(),
                    error = %error,
                    "a defect of this server ended the work on the cluster; it is left alone for a while"
                );
                self.watch.quarantine(entity, now.plus(QUARANTINE));
            }
        }
    }

    fn claim_failed(&mut self, entity: &EntityId, error: &VcdError) {
        self.setup.meters.claim_failed(error.class().name());
        let setting = (self.setup.clock.now(), &*self.setup.chance);
        let failures = self.watch.claim_failed(entity, &error.class(), setting);
        if failures == 1 || failures.is_multiple_of(10) {
            warn!(
                event = event::CLAIM_FAILED,
                cluster_id = %entity,
                failures,
                request_id = error.request_id(),
                error = %chain(error),
                "cluster could not be claimed"
            );
        }
    }
}

/// How the work ended, in figures.
const fn name_of(ended: &Ended) -> &'static str {
    match ended {
        Ok(Ok(End::Provisioned)) => "provisioned",
        Ok(Ok(End::Settled)) => "settled",
        Ok(Ok(End::Postponed)) => "postponed",
        Ok(Ok(End::Lost)) => "lost",
        Ok(Ok(End::HandedOver)) => "handed_over",
        Ok(Ok(End::Waiting)) => "waiting",
        Ok(Ok(End::Deleted)) => "deleted",
        Ok(Err(NotClaimed::Gone | NotClaimed::Contested)) => "not_claimed",
        Ok(Err(NotClaimed::Failed(_))) => "claim_failed",
        Err(_) => "panicked",
    }
}
