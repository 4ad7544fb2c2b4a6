//! Taking, keeping and giving back a claim: every write of a cluster's document goes through here.
//!
//! Flow: `run` asks for a cluster; [`acquire`] spends the tag of the read it decided on; the resulting
//! [`Held`] is the right to act and the only way to write.
//!
//! Invariants:
//! - One read licenses one write. A refused or unclear write is followed by a read, never by the same
//!   write again.
//! - An unclear answer is no acknowledgement; only our nonce found in the document is.
//! - Time of an acknowledged write counts from when it was *sent*.
//! - A record that is not exactly the one this process last wrote means the claim is lost, even when
//!   it looks like an older one of ours: then the document was rolled back.
//!
//! Not here: who may claim (`reconcile::claimable`), what is written besides the claim (`record`).

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Deps;
use super::claiming::{claim_edit, claiming_edit, first_heartbeat};
use super::day_two::wants_look;
use super::document::{self, Edit};
use crate::clock::Moment;
use crate::domain::claim::{Claim, ClaimPhase, Heartbeat, Hold};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, VappId};
use crate::domain::status::ClusterState;
use crate::domain::versioned::{ETag, Versioned};
use crate::reconcile::claimable::{Claimable, claimable};
use crate::reconcile::inspection;
use crate::reconcile::interest::needs_work;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// Re-reads after which a contested write is left to the next pass.
const MAX_REREADS: u32 = 5;

/// Unanswered writes that are remembered; all but the last few are refused by their tags anyway.
const MAX_UNCLEAR: usize = 8;

/// What is known of a candidate before its document is read.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) entity: EntityId,
    /// The record on which the poll found the cluster claimable.
    pub(crate) claim: Claim,
    /// How long that record has not changed as seen here, and this observer's jitter.
    pub(crate) observed: (Duration, f64),
    /// Highest epoch this process has ever seen on the cluster; a rolled-back one is not believed.
    pub(crate) epoch_floor: u64,
}

/// Why no claim came of a candidate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotClaimed {
    /// Somebody else was first, or the cluster needs nothing any more.
    #[error("another replica was first, or nothing is left to do")]
    Gone,
    /// VCD could not be asked.
    #[error("the cluster could not be claimed")]
    Failed(#[source] VcdError),
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The claim belongs to somebody else, or the entity is gone. Stop at once.
    #[error("the claim is lost")]
    Lost,
    /// It did not happen for now; decide again.
    #[error("the document could not be written")]
    Failed(#[source] VcdError),
    /// Others wrote faster than this holder could follow.
    #[error("others keep writing the document")]
    Contested,
}

/// The right to act on one cluster, with the document as last read or written.
pub(crate) struct Held<T: Transport> {
    deps: Arc<Deps<T>>,
    document: EntityDocument,
    /// `None` after the tag was spent on a write without a usable answer.
    etag: Option<ETag>,
    heartbeat: Heartbeat,
    last_ack_sent: Moment,
    /// Records sent since the last acknowledged one, and when: each may have landed, or still may.
    unclear: Vec<(Heartbeat, Moment)>,
    /// The content in which the claim was found to be lost; `None` while it is held, and when the
    /// entity itself is gone.
    lost_to: Option<document::Content>,
    /// How the claim came about, for the log.
    pub(crate) origin: Claimable,
    /// How long everybody paused before, because nothing could be done for the cluster.
    pub(crate) paused: Duration,
    /// Whether an earlier holder had begun to delete the cluster.
    pub(crate) resumes_deletion: bool,
}

/// Claims a candidate: one read, one conditional write.
pub(crate) async fn acquire<T: Transport>(
    deps: &Arc<Deps<T>>,
    candidate: &Candidate,
) -> Result<Held<T>, NotClaimed> {
    let read = deps
        .client
        .get_entity(&candidate.entity)
        .await
        .map_err(|error| match error.class() {
            ErrorClass::Terminal => NotClaimed::Gone,
            ErrorClass::Transient
            | ErrorClass::Throttled { .. }
            | ErrorClass::Conflict
            | ErrorClass::OutcomeUnknown
            | ErrorClass::Unauthenticated => NotClaimed::Failed(error),
        })?;
    let content = &read.value.entity;
    let claim = document::claim(content);
    let origin = may_take(deps, candidate, &claim).ok_or(NotClaimed::Gone)?;
    let summary = document::summary(content);
    let due = || inspection::is_over(&summary, deps.clock.wall(), &deps.policy);
    if !needs_work(&summary) && !wants_look(content, &deps.look()) && !due() {
        return Err(NotClaimed::Gone);
    }
    let mut heartbeat = first_heartbeat(deps, &summary, candidate.epoch_floor);
    if summary.state == ClusterState::Provisioned && !needs_work(&summary) {
        // Nothing is created, whatever a record that was rolled back says.
        heartbeat.phase = ClaimPhase::Done;
    }
    let edit = claiming_edit(deps, &summary, &heartbeat);
    let mut held = Held {
        deps: Arc::clone(deps),
        document: read.value,
        etag: Some(read.etag),
        last_ack_sent: deps.clock.now(),
        unclear: Vec::new(),
        lost_to: None,
        heartbeat,
        origin,
        paused: claim.pause(),
        resumes_deletion: claim.phase() == ClaimPhase::Deleting,
    };
    match held.put(&edit, held.heartbeat.clone()).await {
        Ok(()) => Ok(held),
        Err(PutError::Conflict) => Err(NotClaimed::Gone),
        Err(PutError::Other(error)) => held.claim_landed(error).await,
    }
}

fn may_take<T: Transport>(
    deps: &Deps<T>,
    candidate: &Candidate,
    claim: &Claim,
) -> Option<Claimable> {
    // A silent record must still be the very one whose time ran out.
    let observed = if *claim == candidate.claim {
        candidate.observed
    } else {
        (Duration::ZERO, 1.0)
    };
    match claimable(claim, &deps.identity, observed, &deps.policy) {
        Claimable::Held { .. } => None,
        answer @ (Claimable::Free | Claimable::Mine | Claimable::Inherited | Claimable::Silent) => {
            Some(answer)
        }
    }
}

enum PutError {
    Conflict,
    Other(VcdError),
}

/// What the next record says besides being the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    pub(crate) phase: Option<ClaimPhase>,
    pub(crate) incarnation: Option<u32>,
    pub(crate) epoch_at_least: u64,
    pub(crate) release: bool,
    /// Released, and nobody is to claim before this time is over.
    pub(crate) pause: Option<Duration>,
}

impl<T: Transport> Held<T> {
    /// The document as last read or written.
    pub(crate) const fn document(&self) -> &EntityDocument {
        &self.document
    }

    /// The record as last acknowledged.
    pub(crate) const fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Whether an effect may start now (rule R9).
    pub(crate) fn admits_effect(&self) -> bool {
        self.deps.policy.admits_effect(self.since_ack())
    }

    /// Time since the last acknowledged write was sent.
    pub(crate) fn since_ack(&self) -> Duration {
        self.deps.clock.now().since(self.last_ack_sent)
    }

    /// Whether the document at hand may be older than this holder's own last write.
    pub(crate) const fn is_stale(&self) -> bool {
        self.etag.is_none()
    }

    /// Reads the document again and checks that the claim is still ours: the record is the last
    /// acknowledged one, or one whose answer never came.
    pub(crate) async fn refresh(&mut self) -> Result<(), WriteError> {
        let read = self.read().await?;
        if !self.is_ours(&read.value, self.heartbeat.nonce) {
            let landed = self
                .unclear
                .iter()
                .position(|(sent, _)| self.is_ours(&read.value, sent.nonce));
            let Some(at) = landed else {
                self.lost_to = Some(read.value.entity);
                return Err(WriteError::Lost);
            };
            (self.heartbeat, self.last_ack_sent) = self.unclear.swap_remove(at);
        }
        self.document = read.value;
        self.etag = Some(read.etag);
        Ok(())
    }

    /// Whether nobody can have committed `vapp`, made by this holder and committed by nobody as far
    /// as it knows, after the claim was lost.
    ///
    /// Another holder at work on the same attempt finds the vApp by its marker and goes on with it;
    /// what was begun for it must then stay.
    pub(crate) fn is_nobodys(&self, vapp: &VappId) -> bool {
        let Some(content) = &self.lost_to else {
            return true;
        };
        let claim = document::claim(content);
        let creates = match claim.phase() {
            ClaimPhase::Pending | ClaimPhase::Creating => true,
            ClaimPhase::Done | ClaimPhase::Teardown | ClaimPhase::Deleting => false,
        };
        let adopts = creates && claim.incarnation() <= self.heartbeat.incarnation;
        let committed = document::resources(content);
        !adopts && !committed.iter().any(|entry| entry.id == vapp.as_str())
    }

    /// Writes `edit` and the next record; re-reads and re-applies when somebody else wrote in between.
    pub(crate) async fn write(&mut self, mut edit: Edit, step: Step) -> Result<(), WriteError> {
        let mut sent = None;
        for _ in 0..=MAX_REREADS {
            if self.etag.is_none() {
                self.refresh().await?;
                if sent == Some(self.heartbeat.nonce) {
                    // A request that something on the way repeats conflicts with itself.
                    return Ok(());
                }
            }
            let next = self.next_heartbeat(step);
            sent = Some(next.nonce);
            let held = !step.release && step.pause.is_none();
            let holder = held.then_some(&self.deps.identity.me);
            edit.claim = Some(claim_edit(&self.deps, &next, holder));
            match self.put(&edit, next.clone()).await {
                Ok(()) => return Ok(()),
                Err(PutError::Conflict) => {
                    debug!(entity_id = %self.document.id, "document written by somebody else, reading it again");
                }
                Err(PutError::Other(error)) => return self.write_landed(error, next.nonce).await,
            }
        }
        Err(WriteError::Contested)
    }

    /// Deletes the entity, provided nobody else has written it and the claim is ours.
    pub(crate) async fn delete_entity(&mut self) -> Result<(), WriteError> {
        self.refresh().await?;
        let deleted = self
            .deps
            .client
            .delete_entity(&self.document.id, self.etag.take());
        match deleted.await {
            Ok(()) | Err(VcdError::NotVisible { .. }) => Ok(()),
            Err(error) => Err(WriteError::Failed(error)),
        }
    }

    /// Of a lost claim: whether the entity itself is gone, or hidden from the service account.
    pub(crate) const fn is_gone(&self) -> bool {
        self.lost_to.is_none()
    }

    /// Whether the claim was lost to an older version of the document that knows of no deletion: nobody
    /// claims with a lower epoch, and no holder writes a lower sequence.
    pub(crate) fn deletion_rolled_back(&self) -> bool {
        self.lost_to.as_ref().is_some_and(|content| {
            let summary = document::summary(content);
            let heartbeat = summary.claim.heartbeat.as_ref();
            let record = heartbeat.map_or((0, 0), |found| (found.epoch, found.seq));
            let ours = (self.heartbeat.epoch, self.heartbeat.seq);
            self.heartbeat.phase == ClaimPhase::Deleting
                && record < ours
                && !summary.wants_deletion()
        })
    }

    /// Writes `edit` on the older version of the document that the claim was lost to, and lets go; the
    /// record goes to `phase`, or stays where that version had it.
    pub(crate) async fn write_rolled_back(
        &mut self,
        mut edit: Edit,
        phase: Option<ClaimPhase>,
    ) -> Result<(), WriteError> {
        for _ in 0..=MAX_REREADS {
            let read = self.read().await?;
            self.lost_to = Some(read.value.entity.clone());
            if !self.deletion_rolled_back() {
                return Err(WriteError::Lost);
            }
            let claim = document::claim(&read.value.entity);
            let next = Heartbeat {
                epoch: self.heartbeat.epoch.saturating_add(1),
                seq: 1,
                nonce: self.deps.chance.next_u64(),
                term: self.deps.policy.takeover,
                phase: phase.unwrap_or_else(|| claim.phase()),
                incarnation: self.heartbeat.incarnation.max(claim.incarnation()),
                hold: Hold::Released,
            };
            (self.document, self.etag) = (read.value, Some(read.etag));
            edit.claim = Some(claim_edit(&self.deps, &next, None));
            match self.put(&edit, next).await {
                Ok(()) => return Ok(()),
                Err(PutError::Conflict) => {}
                Err(PutError::Other(error)) => return Err(WriteError::Failed(error)),
            }
        }
        Err(WriteError::Contested)
    }

    fn next_heartbeat(&self, step: Step) -> Heartbeat {
        let last = &self.heartbeat;
        Heartbeat {
            epoch: last.epoch.max(step.epoch_at_least),
            seq: last.seq.saturating_add(1),
            nonce: self.deps.chance.next_u64(),
            term: step.pause.unwrap_or(self.deps.policy.takeover),
            phase: step.phase.unwrap_or(last.phase),
            incarnation: step.incarnation.unwrap_or(last.incarnation),
            hold: match step.pause {
                Some(_) => Hold::Waiting,
                None if step.release => Hold::Released,
                None => Hold::Held,
            },
        }
    }

    /// One conditional write of the document with `edit` applied. Spends the tag.
    async fn put(&mut self, edit: &Edit, next: Heartbeat) -> Result<(), PutError> {
        let Some(seen) = self.etag.take() else {
            return Err(PutError::Conflict);
        };
        let mut document = self.document.clone();
        document::apply(&mut document.entity, edit);
        let sent_at = self.deps.clock.now();
        if self.unclear.len() >= MAX_UNCLEAR {
            self.unclear.remove(0);
        }
        self.unclear.push((next.clone(), sent_at));
        match self.deps.client.replace_entity(&document, seen).await {
            Ok(Versioned { value, etag }) => {
                self.document = value;
                self.etag = Some(etag);
                self.heartbeat = next;
                self.last_ack_sent = sent_at;
                self.unclear.clear();
                Ok(())
            }
            Err(error) if error.class() == ErrorClass::Conflict => Err(PutError::Conflict),
            Err(error) => Err(PutError::Other(error)),
        }
    }

    /// After an unclear write: it landed if, and only if, its nonce is in the document.
    async fn write_landed(&mut self, error: VcdError, nonce: u64) -> Result<(), WriteError> {
        if error.class() == ErrorClass::Terminal {
            return Err(WriteError::Failed(error));
        }
        self.refresh().await?;
        if self.heartbeat.nonce == nonce {
            return Ok(());
        }
        Err(WriteError::Failed(error))
    }

    async fn claim_landed(mut self, error: VcdError) -> Result<Self, NotClaimed> {
        let expected = self.heartbeat.nonce;
        match self.write_landed(error, expected).await {
            Ok(()) => Ok(self),
            Err(WriteError::Failed(error)) => Err(NotClaimed::Failed(error)),
            Err(WriteError::Lost | WriteError::Contested) => Err(NotClaimed::Gone),
        }
    }

    async fn read(&self) -> Result<Versioned<EntityDocument>, WriteError> {
        match self.deps.client.get_entity(&self.document.id).await {
            Ok(read) => Ok(read),
            Err(VcdError::NotVisible { .. }) => Err(WriteError::Lost),
            Err(error) => Err(WriteError::Failed(error)),
        }
    }

    fn is_ours(&self, document: &EntityDocument, nonce: u64) -> bool {
        let claim = document::claim(&document.entity);
        let ours = claim.holder.as_ref() == Some(&self.deps.identity.me) || claim.holder.is_none();
        ours && claim
            .heartbeat
            .is_some_and(|heartbeat| heartbeat.nonce == nonce)
    }
}
