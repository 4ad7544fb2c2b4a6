//! One claimed cluster from claim to release: observe, decide, act or record, again and again.
//!
//! Flow: `run` spawns one [`work`] per cluster; it ends when nothing is left to do, when the claim is
//! lost, or when the replica drains.
//!
//! Invariants:
//! - One decision per pass, one effect per decision.
//! - Between two writes never passes more than the heartbeat period plus one pass; before an effect the
//!   last acknowledged write is young enough (rule R9), else a heartbeat comes first.
//! - A lost claim ends the work at once: nothing is written, nothing is cleaned up any more except what
//!   this holder itself made and never committed.
//! - Failures wait with backoff; only the pass loop repeats.
//! - When the replica drains, a look is dropped where it is, an effect that is under way is awaited, and no
//!   further one begins. The claim is released only when nothing of this holder is on its way any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, error, error_span, info, warn};

mod deletion;
mod failures;
mod told;

use super::Deps;
use super::act::{ActError, execute, take_back};
use super::claim::{Held, WriteError};
use super::document::Edit;
use super::memory::{DOUBTS, Memory};
use super::observe::observe;
use super::record::{Setting, edit_for, handover, resources_of};
use crate::domain::claim::ClaimPhase;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::VappId;
use crate::reconcile::backoff::{busy, delay};
use crate::reconcile::decide;
use crate::reconcile::decision::{Action, Change, Decision, WaitReason};
use crate::reconcile::observation::Observation;
use crate::reconcile::step::Step;
use crate::telemetry::{chain, event};
use crate::vcd::transport::Transport;

/// How the work on a cluster ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The cluster is provisioned.
    Provisioned,
    /// The cluster failed for good, or needs nothing any more.
    Settled,
    /// Its bootstrap VM could not be collected.
    Postponed,
    /// Somebody else holds it now, or it is gone.
    Lost,
    /// Handed over because the replica drains.
    HandedOver,
    /// Nothing can be done for now; somebody tries again later.
    Waiting,
    /// The cluster is gone.
    Deleted,
}

/// Works on one claimed cluster until nothing is left to do here.
pub(crate) async fn work<T: Transport>(
    deps: Arc<Deps<T>>,
    held: Held<T>,
    drain: CancellationToken,
) -> End {
    let mut work = Work {
        deps,
        held,
        memory: Memory::default(),
        failures: 0,
        composed: None,
        drain,
        acting: Acting::default(),
        waiting_on: None,
        busy: 0,
        passes: 0,
    };
    work.until_end().await
}

/// What every line about a held cluster carries. Of level ERROR: a filter that shows the line shows this.
pub(super) fn span_of<T: Transport>(held: &Held<T>) -> Span {
    let document = held.document();
    error_span!(
        "cluster",
        cluster_id = %document.id,
        cluster_name = %document.name,
        org = document.org.as_ref().map_or("", |org| org.name.as_str()),
        epoch = held.heartbeat().epoch,
    )
}

struct Work<T: Transport> {
    deps: Arc<Deps<T>>,
    held: Held<T>,
    memory: Memory<T>,
    /// Passes in a row that failed.
    failures: u32,
    /// A vApp this holder made and has not committed.
    composed: Option<VappId>,
    drain: CancellationToken,
    acting: Acting,
    waiting_on: Option<WaitReason>,
    /// Passes in a row that found the same thing busy.
    busy: u32,
    /// Passes begun.
    passes: u64,
}

/// Whether an effect in VCD is under way.
#[derive(Clone, Default)]
struct Acting(Arc<AtomicBool>);

impl Acting {
    fn set(&self, acting: bool) {
        self.0.store(acting, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What one pass says about the next.
enum Next {
    Now,
    After(Duration),
    Stop(End),
}

impl<T: Transport> Work<T> {
    async fn until_end(&mut self) -> End {
        loop {
            if self.drain.is_cancelled() {
                return self.hand_over().await;
            }
            let span = self.pass_span();
            let passed = self.pass_unless_drained().instrument(span.clone()).await;
            let Some(passed) = passed else {
                return self.hand_over().await;
            };
            let next = match passed {
                Ok(next) => {
                    self.failures = 0;
                    next
                }
                Err(WriteError::Lost) => return self.lost().instrument(span).await,
                Err(WriteError::Failed(error)) => {
                    Next::After(span.in_scope(|| self.backoff(&error)))
                }
                Err(WriteError::Contested) => Next::After(self.deps.policy.task_poll),
            };
            match next {
                Next::Now => {}
                Next::After(wait) => self.pause(wait).await,
                Next::Stop(end) => return end,
            }
        }
    }

    /// What ties the lines of one pass together; its id is like no other's, because no two claims of a
    /// cluster have the same epoch.
    fn pass_span(&mut self) -> Span {
        self.passes = self.passes.saturating_add(1);
        let held = self.held.heartbeat();
        let cluster = self.held.document().id.uuid();
        let cluster = cluster.split('-').next().unwrap_or_default();
        error_span!(
            "pass",
            pass = %format_args!("{cluster}-{}-{}", held.epoch, self.passes),
            phase = held.phase.as_str(),
            attempt = held.incarnation,
        )
    }

    /// One pass; `None` when the replica drains and nothing has to be awaited.
    async fn pass_unless_drained(&mut self) -> Option<Result<Next, WriteError>> {
        let (drain, acting) = (self.drain.clone(), self.acting.clone());
        let pass = self.pass();
        tokio::pin!(pass);
        tokio::select! {
            biased;
            passed = &mut pass => return Some(passed),
            () = drain.cancelled() => {}
        }
        if acting.is_set() {
            return Some(pass.await);
        }
        None
    }

    async fn pass(&mut self) -> Result<Next, WriteError> {
        if self.held.since_ack() >= self.heartbeat_period() {
            self.held.write(Edit::default(), Step::default()).await?;
        } else if self.held.is_stale() || self.waiting_on == Some(WaitReason::ClusterStatus) {
            // Decided on a document older than an own write, a step would be written down twice.
            self.held.refresh().await?;
        }
        let seen = observe(&self.deps, &self.held, &mut self.memory)
            .await
            .map_err(WriteError::Failed)?;
        if std::mem::take(&mut self.memory.task_just_failed)
            && self.memory.action_failures < self.deps.policy.max_action_failures
        {
            let (failures, jitter) = (
                self.memory.action_failures,
                self.deps.chance.next_fraction(),
            );
            return Ok(Next::After(delay(&ErrorClass::Transient, failures, jitter)));
        }
        let decision = decide(&seen, &self.deps.policy);
        debug!(decision = ?decision, "decided");
        self.memory.listing_may_age = false;
        let waited_on = self.waiting_on.take();
        match decision {
            Decision::Settled => Ok(Next::Stop(End::Settled)),
            Decision::Wait { on, recheck_in } => {
                let recheck_in = self.patience((&on, recheck_in), waited_on.as_ref());
                self.note_wait((&on, recheck_in), waited_on.as_ref());
                self.waiting_on = Some(on);
                Ok(Next::After(recheck_in))
            }
            Decision::Act(action) if !self.held.admits(&seen.document, &action) => {
                Ok(self.refuse(&action))
            }
            Decision::Act(action) => self.act(&action).await,
            Decision::Commit(change) => self.commit(&change, &seen).await,
        }
    }

    /// Decided on another document than the claim stands for: a defect, and nothing is done.
    fn refuse(&self, action: &Action) -> Next {
        error!(
            event = event::CLAIM_FENCED,
            action = action.name(),
            "an action that the claim does not allow was refused; this is a defect of this server"
        );
        Next::After(self.deps.policy.heartbeat)
    }

    /// How long to wait: longer each time that a look finds the same object busy.
    fn patience(
        &mut self,
        (on, recheck_in): (&WaitReason, Duration),
        before: Option<&WaitReason>,
    ) -> Duration {
        if !matches!(on, WaitReason::BusyVapp | WaitReason::BusyObject) {
            return recheck_in;
        }
        self.busy = match before {
            Some(before) if before == on => self.busy.saturating_add(1),
            Some(_) | None => 0,
        };
        busy(recheck_in, self.busy)
    }

    fn note_wait(
        &mut self,
        (on, recheck_in): (&WaitReason, Duration),
        before: Option<&WaitReason>,
    ) {
        self.memory.listing_may_age = match on {
            WaitReason::Guest | WaitReason::ClusterStatus => true,
            WaitReason::Task
            | WaitReason::BusyVapp
            | WaitReason::Quarantine
            | WaitReason::ClusterChange => false,
            WaitReason::AttemptPause => {
                self.memory.pausing_until = Some(self.deps.clock.now().plus(recheck_in));
                false
            }
            WaitReason::BusyObject => {
                self.memory.demolition.waiting(self.deps.clock.now());
                false
            }
            WaitReason::NotYet(reason) => {
                if before != Some(on) {
                    info!(
                        event = event::CLUSTER_BLOCKED,
                        reason = %reason,
                        "waiting for something that is not there yet"
                    );
                }
                false
            }
            WaitReason::Preparation(reason) => {
                if before != Some(on) {
                    error!(
                        event = event::CLUSTER_BLOCKED,
                        reason = %reason,
                        "what was made for the cluster cannot be removed until somebody helps"
                    );
                }
                self.memory.forget_action();
                // Sign in afresh next time: the token may have been replaced.
                self.memory.tenant = None;
                false
            }
        };
    }

    /// H, shortened by up to a tenth so that the heartbeats of many clusters spread out.
    fn heartbeat_period(&self) -> Duration {
        self.deps
            .policy
            .heartbeat
            .mul_f64(0.9 + 0.1 * self.deps.chance.next_fraction())
    }

    async fn act(&mut self, action: &Action) -> Result<Next, WriteError> {
        if !self.held.admits_effect() {
            warn!(
                event = event::CLAIM_FENCED,
                since_ack_secs = self.held.since_ack().as_secs(),
                "no effect without a fresh heartbeat"
            );
            self.held.write(Edit::default(), Step::default()).await?;
            return Ok(Next::Now);
        }
        if self.drain.is_cancelled() {
            return Ok(Next::Now);
        }
        if *action == Action::DeleteEntity {
            self.acting.set(true);
            let deleted = self.delete_entity().await;
            self.acting.set(false);
            return deleted;
        }
        let subject = self.subject(action);
        if let Some(subject) = &subject {
            let limit = self.deps.policy.max_removal_tries;
            if !self.memory.demolition.begin(subject, action, limit) {
                return Ok(Next::Now);
            }
        }
        info!(
            event = event::ACTION_STARTED,
            action = action.name(),
            object = action.removes(),
            "acting"
        );
        self.acting.set(true);
        let begun = self.deps.clock.now();
        let outcome = execute(&self.deps, &self.held, &self.memory, action).await;
        self.acting.set(false);
        self.finished(action, &outcome, begun);
        match outcome {
            Ok(outcome) => {
                let next = self.acted(action, outcome, subject.as_deref());
                self.see_resolution(action, false).await?;
                Ok(next)
            }
            Err(ActError::Blocked(reason)) => {
                self.memory.blocked = Some(reason);
                Ok(Next::Now)
            }
            Err(ActError::Vcd(error)) => {
                let next = match &subject {
                    Some(subject) => self.removal_failed((action, subject), &error),
                    None => self.act_failed(action, &error),
                };
                self.see_resolution(action, !error.is_verdict()).await?;
                Ok(next)
            }
        }
    }

    async fn commit(&mut self, change: &Change, seen: &Observation) -> Result<Next, WriteError> {
        let document = self.held.document();
        let setting = Setting {
            seen,
            policy: &self.deps.policy,
            resources: resources_of(&document.entity),
            release: self.deps.server_config.release_told(&document.entity_type),
            at: self.deps.clock.wall(),
        };
        let (edit, step) = edit_for(change, &setting);
        self.held.write(edit, step).await?;
        self.memory.forget_action();
        self.composed = None;
        if let Change::Condemn(ids) = change {
            self.memory.condemned.clone_from(ids);
        }
        self.log_change(change);
        Ok(match change {
            Change::Finish => Next::Stop(End::Provisioned),
            Change::Postpone => Next::Stop(End::Postponed),
            Change::Fail { retry: false, .. } if step.release => Next::Stop(End::Settled),
            Change::Settle => Next::Stop(End::Settled),
            Change::BlockDeletion { .. } => Next::Stop(End::Waiting),
            Change::ReportRunning(report) if report.release => Next::Stop(End::Settled),
            Change::CommitVapp { .. }
            | Change::CommitVm { .. }
            | Change::RaiseIncarnation { .. }
            | Change::ReportProgress(_)
            | Change::BeginTeardown
            | Change::Fail { .. }
            | Change::BeginAttempt
            | Change::Condemn(_)
            | Change::EndInspection
            | Change::ResumeProvisioned { .. }
            | Change::ReportRemoval { .. }
            | Change::BeginDeletion
            | Change::ReportRunning(_) => Next::Now,
        })
    }

    /// Waits, but never past the next heartbeat, and not at all once the replica drains.
    async fn pause(&self, wait: Duration) {
        let to_heartbeat = self
            .deps
            .policy
            .heartbeat
            .saturating_sub(self.held.since_ack());
        // After a failed write the heartbeat is overdue; the backoff still has to be kept.
        let wait = if to_heartbeat.is_zero() {
            wait
        } else {
            wait.min(to_heartbeat)
        };
        tokio::select! {
            biased;
            () = self.drain.cancelled() => {}
            () = self.deps.clock.sleep(wait) => {}
        }
    }

    async fn lost(&mut self) -> End {
        if self.held.is_gone() && self.held.heartbeat().phase == ClaimPhase::Deleting {
            info!(
                event = event::CLUSTER_DELETED,
                by_us = self.memory.demolition.entity_asked,
                "the cluster is deleted"
            );
            return End::Deleted;
        }
        if self.held.deletion_rolled_back() {
            return self.stop_rolled_back().await;
        }
        warn!(
            event = event::CLAIM_LOST,
            "the claim is lost; another replica goes on, or the cluster is gone"
        );
        if let Some(vapp) = &self.composed
            && self.held.is_nobodys(vapp)
        {
            take_back(&self.memory, vapp).await;
        }
        End::Lost
    }

    async fn hand_over(&mut self) -> End {
        let (mut edit, step) = handover(self.deps.clock.wall());
        if self.held.heartbeat().phase == ClaimPhase::Done {
            // A cluster that runs is only looked at: who does so is nobody's news.
            edit.events.clear();
        }
        match self.held.write(edit, step).await {
            Ok(()) => info!(event = event::CLAIM_RELEASED, "cluster handed over"),
            Err(error) => warn!(
                event = event::CLAIM_RELEASED,
                request_id = error.request_id(),
                error = %chain(&error),
                "cluster not handed over; another replica takes it when the claim has run out"
            ),
        }
        End::HandedOver
    }
}
