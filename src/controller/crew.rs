//! The clusters a replica is at work on: one task for each, from claim to release.
//!
//! Invariants:
//! - A cluster is worked on by one task; a task that panics ends alone.
//! - How many of them still wait for their claim is known at any time, however they end.
//!
//! Not here: which cluster is taken (`run`, `reconcile::sharing`), what is done for it (`workflow`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, warn};

use super::Deps;
use super::claim::{Held, NotClaimed, acquire};
use super::watch::Waiting;
use super::workflow::{End, span_of, work};
use crate::domain::ids::EntityId;
use crate::metrics::Meters;
use crate::reconcile::claimable::Claimable;
use crate::reconcile::sharing::Job;
use crate::telemetry::event;
use crate::vcd::transport::Transport;

/// How the work on a cluster ended; an error is a defect of this program.
pub(super) type Ended = Result<Result<End, NotClaimed>, JoinError>;

/// All work of a replica.
#[derive(Default)]
pub(super) struct Crew {
    tasks: JoinSet<Result<End, NotClaimed>>,
    at_work: BTreeMap<Id, (EntityId, Job)>,
    claiming: Arc<AtomicUsize>,
    /// Cancelled when the replica drains: workflows hand their clusters over.
    drain: CancellationToken,
}

/// Counts one claim until it is decided.
struct Claiming(Arc<AtomicUsize>);

impl Claiming {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Claiming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Crew {
    /// Clusters at work, those whose claim is not decided yet included.
    pub(super) fn len(&self) -> usize {
        self.at_work.len()
    }

    /// Clusters whose claim is not decided yet.
    pub(super) fn claiming(&self) -> usize {
        self.claiming.load(Ordering::Acquire)
    }

    pub(super) fn active(&self) -> BTreeSet<EntityId> {
        let entities = self.at_work.values().map(|(entity, _)| entity.clone());
        entities.collect()
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.at_work.values().map(|(_, job)| job)
    }

    /// Claims a cluster and works on it; a replica that drains begins nothing.
    pub(super) fn begin<T: Transport>(&mut self, deps: &Arc<Deps<T>>, waiting: Waiting) {
        if self.drain.is_cancelled() {
            return;
        }
        let Waiting { candidate, job } = waiting;
        let (deps, drain) = (Arc::clone(deps), self.drain.clone());
        let entity = candidate.entity.clone();
        let claiming = Claiming::begin(&self.claiming);
        let handle = self.tasks.spawn(async move {
            let held = acquire(&deps, &candidate).await;
            drop(claiming);
            let held = held?;
            let span = span_of(&held);
            span.in_scope(|| tell(&deps.meters, &held));
            Ok(work(deps, held, drain).instrument(span).await)
        });
        self.at_work.insert(handle.id(), (entity, job));
    }

    /// Lets every workflow finish its call and release its claim.
    pub(super) fn drain(&self) {
        self.drain.cancel();
    }

    /// Waits until the work on some cluster ends; `None` when nobody is at work. Cancel: safe.
    pub(super) async fn next_ended(&mut self) -> Option<(EntityId, Ended)> {
        loop {
            let ended = self.tasks.join_next_with_id().await?;
            let (id, ended) = match ended {
                Ok((id, ended)) => (id, Ok(ended)),
                Err(error) => (error.id(), Err(error)),
            };
            if let Some((entity, _)) = self.at_work.remove(&id) {
                return Some((entity, ended));
            }
        }
    }

    /// Ends all work where it stands.
    pub(super) async fn abandon(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// One line about a cluster that was claimed.
fn tell<T: Transport>(meters: &Meters, held: &Held<T>) {
    match held.origin {
        Claimable::Silent => {
            meters.claimed("silent");
            warn!(
                event = event::CLAIM_TAKEN_OVER,
                "cluster taken over from a silent replica"
            );
        }
        Claimable::Inherited | Claimable::Mine => {
            meters.claimed("own");
            info!(
                event = event::CLUSTER_CLAIMED,
                "cluster taken back after a restart"
            );
        }
        Claimable::Free | Claimable::Held { .. } => {
            meters.claimed("free");
            info!(event = event::CLUSTER_CLAIMED, "cluster claimed");
        }
    }
}
