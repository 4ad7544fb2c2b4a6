//! What a pass decides: settled, wait, act on VCD, or write a change of the document.
//!
//! Invariants:
//! - One side effect per decision: a crash loses at most one step, and whoever looks next sees it.
//! - What deletes carries an id, never a name.

use std::collections::BTreeSet;
use std::time::Duration;

use super::day_two::Report;
use super::delete::Departure;
use super::failure::FailureReason;
use super::observation::ErrorSeen;
use super::removal::{Obstacle, Removing};
use crate::domain::ids::{VappId, VmId};

/// The answer of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is left to do; the claim goes.
    Settled,
    /// Somebody else is at work.
    Wait {
        /// Whom or what it is waited for.
        on: WaitReason,
        /// When to look again.
        recheck_in: Duration,
    },
    /// One effect outside the document.
    Act(Action),
    /// One conditional write of the document.
    Commit(Change),
}

/// What a pass waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// A task this holder started.
    Task,
    /// An operation on the bootstrap vApp or VM that somebody started.
    BusyVapp,
    /// The bootstrap guest.
    Guest,
    /// The cluster's own controllers, which write their status into the document.
    ClusterStatus,
    /// An operation that the cluster's own controllers carry out.
    ClusterChange,
    /// The pause before the next attempt.
    AttemptPause,
    /// The tenant's side cannot be reached to clean up.
    Preparation(FailureReason),
    /// Something that is needed is not there yet, and may come by itself.
    NotYet(FailureReason),
    /// An object that is to be removed and that VCD is at work on.
    BusyObject,
    /// Requests of earlier holders that may still be on their way, before the entity goes.
    Quarantine,
}

/// One effect in VCD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Compose the empty, marked bootstrap vApp.
    ComposeVapp,
    /// Connect the vApp to the cluster's network.
    ConnectNetwork(VappId),
    /// Copy the template into the vApp as a marked VM that stays off.
    CreateVm(VappId),
    /// Write the bootstrap user data into the committed VM.
    WriteUserData(VmId),
    /// Switch the committed VM on.
    PowerOn(VmId),
    /// Write on the cluster's vApp that the cluster was provisioned.
    WriteWitness(VappId),
    /// Resolve the entity.
    ResolveEntity,
    /// Undeploy a vApp of ours.
    UndeployVapp(VappId),
    /// Delete a vApp of ours.
    DeleteVapp(VappId),
    /// Switch off a VM of ours that is not the committed one.
    UndeployVm(VmId),
    /// Delete a VM of ours that is not the committed one.
    DeleteVm(VmId),
    /// Take the estate apart by one step.
    Remove(Removing),
    /// Delete the entity: nothing of the cluster is left.
    DeleteEntity,
}

impl Action {
    /// Name in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ComposeVapp => "compose-vapp",
            Self::ConnectNetwork(_) => "connect-network",
            Self::CreateVm(_) => "create-vm",
            Self::WriteUserData(_) => "write-user-data",
            Self::PowerOn(_) => "power-on",
            Self::WriteWitness(_) => "write-witness",
            Self::ResolveEntity => "resolve-entity",
            Self::UndeployVapp(_) => "undeploy-vapp",
            Self::DeleteVapp(_) => "delete-vapp",
            Self::UndeployVm(_) => "undeploy-vm",
            Self::DeleteVm(_) => "delete-vm",
            Self::Remove(removing) => removing.name(),
            Self::DeleteEntity => "delete-entity",
        }
    }

    /// Id of the object that goes, or is changed so that another one can go; `None` for everything else.
    pub fn removes(&self) -> Option<&str> {
        match self {
            Self::UndeployVapp(id) | Self::DeleteVapp(id) => Some(id.as_str()),
            Self::UndeployVm(id) | Self::DeleteVm(id) => Some(id.as_str()),
            Self::Remove(removing) => Some(removing.subject()),
            Self::ComposeVapp
            | Self::ConnectNetwork(_)
            | Self::CreateVm(_)
            | Self::WriteUserData(_)
            | Self::PowerOn(_)
            | Self::WriteWitness(_)
            | Self::ResolveEntity
            | Self::DeleteEntity => None,
        }
    }
}

/// A point the guest's script has passed, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milestone {
    /// Index of the phase in the policy's list.
    pub phase: usize,
    /// Whether the phase has succeeded; else it has begun.
    pub succeeded: bool,
}

/// One change of the document, written together with the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This vApp is the one of the incarnation.
    CommitVapp {
        /// Its id.
        id: VappId,
        /// Its name.
        name: String,
    },
    /// This VM is the one of the incarnation.
    CommitVm {
        /// Its id.
        id: VmId,
        /// Its name.
        name: String,
    },
    /// A committed object is gone, or the document was rolled back: go on with this incarnation and
    /// with nothing committed.
    RaiseIncarnation {
        /// The new incarnation.
        incarnation: u32,
        /// The new epoch is at least this.
        epoch_at_least: u64,
        /// Why, as a sentence for the event.
        because: &'static str,
    },
    /// The guest has come this far since the last report.
    ReportProgress(Vec<Milestone>),
    /// The cluster is complete; the bootstrap VM may go.
    BeginTeardown,
    /// The attempt failed.
    Fail {
        /// Why.
        reason: FailureReason,
        /// Clean up and try again; otherwise leave everything for inspection.
        retry: bool,
    },
    /// These ids stand of the failed attempt, and go. Nothing of it is written but the claim: that the write was
    /// accepted after the look proves that no later holder can have made them.
    Condemn(BTreeSet<String>),
    /// Everything of the failed attempt is gone: begin the next one.
    BeginAttempt,
    /// The time for inspection is over: remove the bootstrap vApp of a creation that failed.
    EndInspection,
    /// The bootstrap vApp of a failed creation is gone, and no attempt follows.
    Settle,
    /// The bootstrap vApp of a failed creation cannot be removed now: another day.
    Postpone,
    /// The cluster stands although the document says otherwise: provisioned again, as soon as its own
    /// status says that it is ready.
    ResumeProvisioned {
        /// The new incarnation.
        incarnation: u32,
        /// The new epoch is at least this.
        epoch_at_least: u64,
        /// Why, as a sentence for the event.
        because: &'static str,
    },
    /// Everything of ours is gone: the cluster is provisioned.
    Finish,
    /// The cluster is to be deleted: create nothing more.
    BeginDeletion,
    /// So much of the cluster is gone since the last report, and these errors are over.
    ReportRemoval {
        /// What is gone.
        news: Vec<Departure>,
        /// Errors that are over.
        healed: Vec<ErrorSeen>,
    },
    /// The deletion cannot go on for now: say why, let go, and let somebody try again later.
    BlockDeletion {
        /// What is in the way, and what is left.
        obstacles: Vec<Obstacle>,
        /// When to try again.
        retry_in: Duration,
    },
    /// Something is to be told about a cluster that runs.
    ReportRunning(Report),
}

impl Change {
    /// Name in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CommitVapp { .. } => "commit-vapp",
            Self::CommitVm { .. } => "commit-vm",
            Self::RaiseIncarnation { .. } => "raise-incarnation",
            Self::ReportProgress(_) => "report-progress",
            Self::BeginTeardown => "begin-teardown",
            Self::Fail { .. } => "fail",
            Self::Condemn(_) => "condemn",
            Self::BeginAttempt => "begin-attempt",
            Self::EndInspection => "end-inspection",
            Self::Settle => "settle",
            Self::Postpone => "postpone",
            Self::ResumeProvisioned { .. } => "resume-provisioned",
            Self::Finish => "finish",
            Self::BeginDeletion => "begin-deletion",
            Self::ReportRemoval { .. } => "report-removal",
            Self::BlockDeletion { .. } => "block-deletion",
            Self::ReportRunning(_) => "report-running",
        }
    }
}
