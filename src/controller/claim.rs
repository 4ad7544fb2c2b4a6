//! Taking, keeping and giving back a claim: every write of a cluster's document goes through here.
//!
//! Flow: `run` asks for a cluster; [`acquire`] spends the tag of the read it decided on; the resulting
//! [`Held`] is the right to act and the only way to write.
//!
//! Invariants:
//! - A refused or unclear write is followed by a read, never by the same write again.
//! - Whether the claim is still ours is said by `reconcile::holder` alone.
//! - A document that nobody else writes is written without a read before. Where others write, too, one that is not
//!   fresh is read first: a read costs less than a refused write, and the others lose no try to it.
//!
//! Not here: who may claim and with which record (`reconcile::taking`), the rules of holding
//! (`reconcile::holder`), what is written besides the claim (`record`).

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Deps;
use super::at_hand::AtHand;
use super::claiming::{claim_edit, claiming_edit};
use super::day_two::wants_look;
use super::document::{self, Edit};
use crate::clock::Moment;
use crate::domain::claim::{Claim, ClaimPhase, Heartbeat};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, VappId};
use crate::domain::versioned::{ETag, Versioned};
use crate::reconcile::claimable::Claimable;
use crate::reconcile::decision::Action;
use crate::reconcile::holder::Holder;
use crate::reconcile::inspection;
use crate::reconcile::interest::{is_held, needs_work};
use crate::reconcile::observation::DocumentSeen;
use crate::reconcile::step::Step;
use crate::reconcile::taking::{first_record, may_take};
use crate::vcd::error::VcdError;
use crate::vcd::fence::Fence;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// Re-reads after which a contested write is left to the next pass.
const MAX_REREADS: u32 = 5;

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
    /// Others wrote the document, and the claim is as it was: the next poll tries again.
    #[error("the document keeps changing")]
    Contested,
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
    /// Others wrote faster than this holder could follow, or an earlier write of its own landed late; decide
    /// again.
    #[error("the document keeps changing")]
    Contested,
}

impl WriteError {
    /// The id that VCD's logs carry for the request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Failed(error) => error.request_id(),
            Self::Lost | Self::Contested => None,
        }
    }
}

/// The right to act on one cluster, with the document as last read or written.
pub(crate) struct Held<T: Transport> {
    deps: Arc<Deps<T>>,
    document: EntityDocument,
    at_hand: AtHand,
    /// Until when this holder may change anything besides the document.
    fence: Fence,
    holder: Holder<ETag, Moment>,
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
    let watched = (&candidate.claim, candidate.observed);
    let origin = may_take(&claim, watched, &deps.identity, &deps.policy);
    let origin = origin.ok_or(NotClaimed::Gone)?;
    let summary = document::summary(content);
    let due = || inspection::is_over(&summary, deps.clock.wall(), &deps.policy);
    let wanted = needs_work(&summary) || is_held(&summary);
    if !wanted && !wants_look(content, &deps.look()) && !due() {
        return Err(NotClaimed::Gone);
    }
    let nonce = deps.chance.next_u64();
    let record = first_record(&summary, candidate.epoch_floor, nonce, &deps.policy);
    let edit = claiming_edit(deps, &summary, &record);
    let now = deps.clock.now();
    let mut held = Held {
        deps: Arc::clone(deps),
        document: read.value,
        at_hand: AtHand::new(&read.etag, now),
        fence: Fence::new(deps.clock.clone(), now),
        holder: Holder::taking(deps.identity.me.clone(), record.clone(), (read.etag, now)),
        lost_to: None,
        origin,
        paused: claim.pause(),
        resumes_deletion: claim.phase() == ClaimPhase::Deleting,
    };
    match held.put(&edit, record).await {
        Ok(()) => Ok(held),
        Err(PutError::Conflict) => held.claim_landed(&claim, NotClaimed::Contested).await,
        Err(PutError::Other(error)) if error.class() == ErrorClass::Terminal => {
            Err(NotClaimed::Failed(error))
        }
        Err(PutError::Other(error)) => held.claim_landed(&claim, NotClaimed::Failed(error)).await,
    }
}

enum PutError {
    Conflict,
    Other(VcdError),
}

impl<T: Transport> Held<T> {
    /// The document as last read or written.
    pub(crate) const fn document(&self) -> &EntityDocument {
        &self.document
    }

    /// The record as last acknowledged.
    pub(crate) const fn heartbeat(&self) -> &Heartbeat {
        self.holder.record()
    }

    /// Whether an action that was decided on `document` is one that the last acknowledged record allows.
    pub(crate) fn admits(&self, document: &DocumentSeen, action: &Action) -> bool {
        self.holder.admits(document, action)
    }

    /// Whether an effect may start now (rule R9).
    pub(crate) fn admits_effect(&self) -> bool {
        self.deps.policy.admits_effect(self.since_ack())
    }

    /// For the clients that this holder acts through.
    pub(crate) fn fence(&self) -> Fence {
        self.fence.clone()
    }

    fn move_fence(&self) {
        let until = self.holder.sent_at().plus(self.deps.policy.effects_for());
        self.fence.set(until);
    }

    /// Time since the last acknowledged write was sent.
    pub(crate) fn since_ack(&self) -> Duration {
        self.deps.clock.now().since(self.holder.sent_at())
    }

    /// Whether the document at hand may be older than this holder's own last write.
    pub(crate) const fn is_stale(&self) -> bool {
        self.holder.is_stale()
    }

    /// Reads the document again and checks that the claim is still ours.
    pub(crate) async fn refresh(&mut self) -> Result<(), WriteError> {
        let read = self.read().await?;
        self.at_hand.read(&read.etag, self.deps.clock.now());
        let claim = document::claim(&read.value.entity);
        if self.holder.read(&claim, read.etag).is_err() {
            self.lost_to = Some(read.value.entity);
            self.fence.set(Moment::default());
            return Err(WriteError::Lost);
        }
        self.document = read.value;
        self.move_fence();
        Ok(())
    }

    /// Whether nobody can have committed `vapp`, made by this holder and committed by nobody as far
    /// as it knows, after the claim was lost.
    pub(crate) fn is_nobodys(&self, vapp: &VappId) -> bool {
        let Some(content) = &self.lost_to else {
            return true;
        };
        let committed = document::resources(content);
        self.holder.leaves_to_nobody(&document::claim(content))
            && !committed.iter().any(|entry| entry.id == vapp.as_str())
    }

    /// Writes `edit` and the next record; re-reads and re-applies when somebody else wrote in between.
    ///
    /// What was decided on one phase is not written on top of another one: that is for the next pass to decide.
    pub(crate) async fn write(&mut self, mut edit: Edit, step: Step) -> Result<(), WriteError> {
        if self.holder.is_stale() {
            self.refresh().await?;
        }
        let decided_on = self.heartbeat().clone();
        let mut sent = None;
        for _ in 0..=MAX_REREADS {
            if self.holder.is_stale() || self.at_hand.is_doubtful(self.deps.clock.now()) {
                self.refresh().await?;
                if sent == Some(self.heartbeat().nonce) {
                    // A request that something on the way repeats conflicts with itself.
                    return Ok(());
                }
                if !self.holder.stands_as(&decided_on) {
                    return Err(WriteError::Contested);
                }
            }
            let nonce = self.deps.chance.next_u64();
            let next = self.holder.next(&step, nonce, &self.deps.policy);
            sent = Some(nonce);
            let holder = step.holds().then_some(&self.deps.identity.me);
            edit.claim = Some(claim_edit(&self.deps, &next, holder));
            match self.put(&edit, next).await {
                Ok(()) => return Ok(()),
                Err(PutError::Conflict) => {
                    debug!(cluster_id = %self.document.id, "document written by somebody else, reading it again");
                }
                Err(PutError::Other(error)) => return self.write_landed(error, nonce).await,
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
            .delete_entity(&self.document.id, self.holder.spend());
        match deleted.await {
            Ok(()) | Err(VcdError::NotVisible { .. }) => Ok(()),
            Err(error) => Err(WriteError::Failed(error)),
        }
    }

    /// Of a lost claim: whether the entity itself is gone, or hidden from the service account.
    pub(crate) const fn is_gone(&self) -> bool {
        self.lost_to.is_none()
    }

    /// Whether the claim was lost to an older version of the document that knows of no deletion.
    pub(crate) fn deletion_rolled_back(&self) -> bool {
        self.lost_to.as_ref().is_some_and(|content| {
            self.holder
                .deletion_rolled_back(&document::summary(content))
        })
    }

    /// Writes `edit` on the older version of the document that the claim was lost to, and lets go; the
    /// record goes to the phase of `step`, or stays where that version had it.
    pub(crate) async fn write_rolled_back(
        &mut self,
        mut edit: Edit,
        step: Step,
    ) -> Result<(), WriteError> {
        for _ in 0..=MAX_REREADS {
            let read = self.read().await?;
            self.lost_to = Some(read.value.entity.clone());
            if !self.deletion_rolled_back() {
                return Err(WriteError::Lost);
            }
            let claim = document::claim(&read.value.entity);
            let draw = (self.deps.chance.next_u64(), &self.deps.policy);
            let next = self.holder.after_rollback(&claim, step.phase, draw);
            self.document = read.value;
            self.holder.follow_rollback(read.etag);
            edit.claim = Some(claim_edit(&self.deps, &next, None));
            match self.put(&edit, next).await {
                Ok(()) => return Ok(()),
                Err(PutError::Conflict) => {}
                Err(PutError::Other(error)) => return Err(WriteError::Failed(error)),
            }
        }
        Err(WriteError::Contested)
    }

    /// One conditional write of the document with `edit` applied. Spends the tag.
    async fn put(&mut self, edit: &Edit, next: Heartbeat) -> Result<(), PutError> {
        let Some(seen) = self.holder.send(next, self.deps.clock.now()) else {
            return Err(PutError::Conflict);
        };
        let mut document = self.document.clone();
        document::apply(&mut document.entity, edit);
        match self.deps.client.replace_entity(&document, seen).await {
            Ok(Versioned { value, etag }) => {
                self.document = value;
                self.at_hand.written(&etag, self.deps.clock.now());
                self.holder.acknowledged(etag);
                self.move_fence();
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
        if self.heartbeat().nonce == nonce {
            return Ok(());
        }
        Err(WriteError::Failed(error))
    }

    /// After a claim of what was `before` that was refused or had no clear answer: it landed if, and only if, its nonce
    /// is in the document. A request that something on the way repeats conflicts with itself, and what it claimed would
    /// be looked after by nobody until the claim has run out. Where the claim is as it was before, `otherwise` is said.
    async fn claim_landed(
        mut self,
        before: &Claim,
        otherwise: NotClaimed,
    ) -> Result<Self, NotClaimed> {
        let expected = self.heartbeat().nonce;
        let found = match self.refresh().await {
            Ok(()) if self.heartbeat().nonce == expected => return Ok(self),
            Ok(()) => Some(document::claim(&self.document.entity)),
            Err(WriteError::Lost) => self.lost_to_claim(),
            Err(WriteError::Contested) => None,
            Err(WriteError::Failed(error)) => return Err(NotClaimed::Failed(error)),
        };
        if found.as_ref() == Some(before) {
            return Err(otherwise);
        }
        Err(NotClaimed::Gone)
    }

    /// The claim that this one was lost to.
    fn lost_to_claim(&self) -> Option<Claim> {
        self.lost_to.as_ref().map(document::claim)
    }

    /// A refusal is believed when it is repeated: VCD hides what is gone, and now and then what is there.
    async fn read(&self) -> Result<Versioned<EntityDocument>, WriteError> {
        let entity = &self.document.id;
        let mut read = self.deps.client.get_entity(entity).await;
        if matches!(read, Err(VcdError::NotVisible { .. })) {
            self.deps.clock.sleep(self.deps.policy.task_poll).await;
            read = self.deps.client.get_entity(entity).await;
        }
        match read {
            Ok(read) => Ok(read),
            Err(VcdError::NotVisible { .. }) => Err(WriteError::Lost),
            Err(error) => Err(WriteError::Failed(error)),
        }
    }
}
