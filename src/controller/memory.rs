//! What one holder remembers of its cluster between passes.
//!
//! Invariants:
//! - It saves requests, measures waits and remembers what it may remove; losing it loses no safety.

use std::collections::BTreeSet;
use std::time::Duration;

use super::claim::Held;
use super::day_two::Follow;
use super::deletion::Demolition;
use super::evidence::Listing;
use super::tenant::{NoTenant, Tenant};
use crate::clock::Moment;
use crate::domain::claim::ClaimPhase;
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::TaskId;
use crate::reconcile::failure::FailureReason;
use crate::reconcile::observation::{GuestSeen, Observation, TaskSeen};
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

/// Refusals in a row that make a token refused: a cell that has just started refuses good ones too,
/// and the creation ends with this verdict.
const TOKEN_REFUSALS: u32 = 4;
/// Answers in a row after which is believed what may be a mistake: that something cannot be seen or done.
pub(super) const DOUBTS: u32 = 6;
/// The same for answers that are not VCD's words: whatever stands before it may be out of order for minutes.
const STRANGE: u32 = 10;

/// After how many answers like this one, in a row, it is believed.
pub(super) fn believed_after(error: &VcdError) -> u32 {
    if error.is_strange() { STRANGE } else { DOUBTS }
}

/// What one holder remembers between passes.
pub(super) struct Memory<T: Transport> {
    pub(super) tenant: Option<Tenant<T>>,
    pub(super) task: Option<TaskId>,
    pub(super) action_failures: u32,
    /// A failure of the last action that repeating will not heal.
    pub(super) refusal: Option<TaskSeen>,
    pub(super) stage: Option<(ClaimPhase, u32, Moment)>,
    pub(super) phase: Option<(String, Moment)>,
    pub(super) beat: Option<(String, Moment)>,
    pub(super) listing: Option<(Moment, Listing)>,
    /// Set when the last decision was to wait for the guest: the listing may be reused.
    pub(super) listing_may_age: bool,
    pub(super) kubeconfig_seen: bool,
    /// Set when a task was just seen to have failed in a way that may pass: wait before repeating.
    pub(super) task_just_failed: bool,
    /// Passes in a row in which VCD refused the author's token.
    pub(super) token_refusals: u32,
    /// Passes in a row in which VCD refused something else for good.
    pub(super) doubts: u32,
    /// Why the last action cannot be carried out at all.
    pub(super) blocked: Option<FailureReason>,
    /// Nothing is left of the cluster, and until then nothing is done.
    pub(super) pausing_until: Option<Moment>,
    /// How the removal of the cluster goes.
    pub(super) demolition: Demolition<T>,
    /// What was condemned in the present stage.
    pub(super) condemned: BTreeSet<String>,
    /// The incarnation that has passed preflight.
    pub(super) examined: Option<u32>,
    /// Looks of preflight that came to no result, in a row.
    pub(super) vain_looks: u32,
    /// What is remembered of a cluster that runs.
    pub(super) follow: Follow,
}

impl<T: Transport> Default for Memory<T> {
    fn default() -> Self {
        Self {
            tenant: None,
            task: None,
            action_failures: 0,
            refusal: None,
            stage: None,
            phase: None,
            beat: None,
            listing: None,
            listing_may_age: false,
            kubeconfig_seen: false,
            task_just_failed: false,
            token_refusals: 0,
            doubts: 0,
            blocked: None,
            pausing_until: None,
            demolition: Demolition::default(),
            condemned: BTreeSet::new(),
            examined: None,
            vain_looks: 0,
            follow: Follow::default(),
        }
    }
}

impl<T: Transport> Memory<T> {
    /// What keeps the tenant's side out of sight: a reason for the tenant, or a failure to be tried again.
    ///
    /// Unless it was a mere hiccup, the next pass signs in and looks everything up afresh.
    pub(super) fn understand(&mut self, problem: NoTenant) -> Result<FailureReason, VcdError> {
        let hiccup =
            matches!(&problem, NoTenant::Failed(error) if error.class() != ErrorClass::Terminal);
        if !hiccup {
            self.tenant = None;
        }
        match problem {
            NoTenant::Blocked(reason) => Ok(reason),
            NoTenant::Failed(error) if hiccup => Err(error),
            NoTenant::Failed(error) => {
                if self.doubt(believed_after(&error)) {
                    return Err(error);
                }
                Ok(FailureReason::OperationRefused(chain(&error).to_string()))
            }
            NoTenant::Unshown(error) => {
                if self.doubt(DOUBTS) {
                    return Err(error);
                }
                Ok(FailureReason::TokenMissing)
            }
            NoTenant::Refused(error) => {
                self.token_refusals = self.token_refusals.saturating_add(1);
                if self.token_refusals < TOKEN_REFUSALS {
                    return Err(error);
                }
                Ok(FailureReason::TokenRefused(chain(&error).to_string()))
            }
        }
    }

    /// Counts an answer that may be a mistake; whether it is still to be doubted.
    pub(super) const fn doubt(&mut self, believed_after: u32) -> bool {
        self.doubts = self.doubts.saturating_add(1);
        self.doubts < believed_after
    }

    pub(super) fn stage_age(&mut self, held: &Held<T>, now: Moment) -> Duration {
        let current = (held.heartbeat().phase, held.heartbeat().incarnation);
        match &self.stage {
            Some((phase, incarnation, since)) if (*phase, *incarnation) == current => {
                now.since(*since)
            }
            _ => {
                self.stage = Some((current.0, current.1, now));
                self.listing = None;
                self.kubeconfig_seen = false;
                self.condemned.clear();
                Duration::ZERO
            }
        }
    }

    /// How long the guest has shown the same progress.
    pub(super) fn phase_age(&mut self, seen: &Observation, now: Moment) -> Duration {
        let Some(guest) = &seen.vm else {
            return Duration::ZERO;
        };
        // A phase does not last while the VM is off: the wait for it begins when the VM is on.
        let report = &guest.report;
        let progress = format!("{:?}{:?}{:?}", guest.power, report.phases, report.exit);
        match &self.phase {
            Some((known, since)) if *known == progress => now.since(*since),
            _ => {
                self.phase = Some((progress, now));
                Duration::ZERO
            }
        }
    }

    /// How long the guest's sign of life has been the same.
    pub(super) fn silent_for(&mut self, guest: &GuestSeen, now: Moment) -> Option<Duration> {
        let beat = guest.report.beat.as_ref()?;
        match &self.beat {
            Some((known, since)) if known == beat => Some(now.since(*since)),
            _ => {
                self.beat = Some((beat.clone(), now));
                Some(Duration::ZERO)
            }
        }
    }

    /// Counts the outcome of the task the last action started, if there was one.
    pub(super) fn task_ended(&mut self, outcome: &TaskSeen) {
        let Some(_) = self.task.take() else { return };
        match outcome {
            TaskSeen::None => self.action_failures = 0,
            TaskSeen::FailedForNow(_) => {
                self.action_failures = self.action_failures.saturating_add(1);
                self.task_just_failed = true;
            }
            TaskSeen::Running | TaskSeen::Failed(_) => {}
        }
    }

    /// VCD took the author's token.
    pub(super) const fn token_accepted(&mut self) {
        self.token_refusals = 0;
    }

    /// The login to work with: the one a removal has made, or the one of the creation.
    pub(super) fn client(&self) -> Option<&VcdClient<T>> {
        let of_creation = self.tenant.as_ref().map(|tenant| &tenant.client);
        self.demolition.client.as_ref().or(of_creation)
    }

    /// Takes note of how the task of a removal ended, if there was one.
    pub(super) fn removal_task_ended(&mut self, outcome: &TaskSeen) {
        self.task = None;
        if let Some(tries) = self.demolition.ended(outcome) {
            self.action_failures = tries;
            self.task_just_failed = true;
        }
    }

    /// Nothing of the last action matters any more.
    pub(super) fn forget_action(&mut self) {
        self.task = None;
        self.refusal = None;
        self.blocked = None;
        self.action_failures = 0;
        self.follow.has_told();
    }
}
