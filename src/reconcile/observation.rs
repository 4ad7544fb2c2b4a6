//! Everything one pass may look at: the input of `decide`.
//!
//! Invariants:
//! - Complete: a decision depends on this and on the policy alone, never on an earlier pass.
//! - Ages are durations seen by this holder; losing them on a takeover only lengthens a wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::day_two::RunningSeen;
use super::estate::{ClusterVapp, EstateSeen};
use super::failure::FailureReason;
use crate::domain::claim::ClaimPhase;
use crate::domain::ids::{EntityId, VappId, VmId};
use crate::domain::marker::Marker;
use crate::domain::phase::PhaseStatus;
use crate::domain::status::ClusterState;

/// One look at one cluster.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The cluster's document.
    pub document: DocumentSeen,
    /// What creation needs from the tenant's side, or why it cannot be had.
    pub preparation: Result<Preparation, FailureReason>,
    /// All vApps that carry the bootstrap name or a committed id.
    pub vapps: Vec<VappSeen>,
    /// The committed VM in detail, when it exists.
    pub vm: Option<GuestSeen>,
    /// The cluster's own vApps, and those of its name; looked at while no bootstrap VM is at work.
    pub cluster_vapps: Vec<ClusterVapp>,
    /// Everything in VCD that belongs to the cluster; looked at only where something is to be removed, and
    /// not in the pause after a failed attempt of which nothing is left.
    pub estate: Option<EstateSeen>,
    /// The task the last action started.
    pub task: TaskSeen,
    /// How many times in a row the last action has failed.
    pub action_failures: u32,
    /// How long the guest has been in its present phase, as seen by this holder.
    pub phase_age: Duration,
    /// How long the present claim phase has lasted, as seen by this holder.
    pub stage_age: Duration,
    /// How long ago the document's newest error was written, by the wall clock: for housekeeping only.
    pub failure_age: Duration,
    /// Whether a bootstrap VM that was kept for inspection may go, by the wall clock.
    pub inspection_over: bool,
    /// How the removal goes.
    pub removal: RemovalSeen,
    /// The cluster as it runs, once it is provisioned.
    pub running: Option<RunningSeen>,
}

/// How a removal goes, as this holder has seen it.
#[derive(Clone, Debug, Default)]
pub struct RemovalSeen {
    /// Id -> reason of objects that could not be removed since the claim.
    pub failed: BTreeMap<String, String>,
    /// How long ago nothing was left for the first time; `None` while something is.
    pub empty_for: Option<Duration>,
    /// How long VCD has been at work on what is waited for.
    pub busy_for: Duration,
    /// How long everybody paused before this claim, because nothing could be done.
    pub paused: Duration,
    /// Whether this holder has asked VCD to resolve the entity.
    pub resolve_tried: bool,
    /// Ids of what this holder has condemned ([`super::decision::Change::Condemn`]) in this clean-up.
    pub condemned: BTreeSet<String>,
}

/// An error that stands in the document's `errorSet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorSeen {
    /// Its name.
    pub name: String,
    /// Id of the object it is about; empty if none.
    pub resource: String,
    /// Its text.
    pub detail: String,
}

/// What the document says about a deletion.
#[derive(Clone, Debug, Default)]
pub struct DeletionSeen {
    /// `spec.vcdKe.forceDelete`.
    pub forced: bool,
    /// Whether volumes of the default storage class go with their claims.
    pub reclaims_volumes: bool,
    /// Whether no server and no controller ever recorded an object of this cluster: nothing can exist but
    /// one empty vApp, made in the moment in which its maker died.
    pub never_built: bool,
    /// Names of all events in the document.
    pub announced: BTreeSet<String>,
    /// The errors in the document.
    pub errors: Vec<ErrorSeen>,
}

/// The cluster's document as far as decisions depend on it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each read from its own field"
)]
pub struct DocumentSeen {
    /// The cluster.
    pub entity: EntityId,
    /// `spec.vcdKe.markForDelete`.
    pub marked_for_delete: bool,
    /// `spec.vcdKe.autoRepairOnErrors`; absent counts as off.
    pub auto_repair: bool,
    /// `status.vcdKe.state`.
    pub state: ClusterState,
    /// Phase of the claim record.
    pub phase: ClaimPhase,
    /// Incarnation of the claim record.
    pub incarnation: u32,
    /// Epoch of the claim record.
    pub epoch: u64,
    /// Committed bootstrap vApp.
    pub committed_vapp: Option<VappId>,
    /// Committed bootstrap VM.
    pub committed_vm: Option<VmId>,
    /// Names of the events already written about the committed VM.
    pub reported: BTreeSet<String>,
    /// Whether the entity is RESOLVED.
    pub resolved: bool,
    /// Whether `status.capvcd` shows a control plane that answers.
    pub control_plane_ready: bool,
    /// The highest attempt that an error of this server tells of.
    pub failed_attempts: u32,
    /// Whether an error says that the document went back in time.
    pub rollback_reported: bool,
    /// What it says about a deletion.
    pub deletion: DeletionSeen,
}

/// What creation needs from the tenant's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// Name of the cluster's network, to which the bootstrap VM is connected.
    pub network: String,
}

/// A vApp that is, or pretends to be, the bootstrap vApp.
#[derive(Clone, Debug)]
pub struct VappSeen {
    /// Its id.
    pub id: VappId,
    /// Its name.
    pub name: String,
    /// Its marker, if it is one of this very entity.
    pub marker: Option<Marker>,
    /// Whether an operation runs on it.
    pub busy: bool,
    /// Whether it, or a VM in it, is deployed.
    pub deployed: bool,
    /// Networks it is connected to.
    pub networks: Vec<String>,
    /// Its VMs.
    pub vms: Vec<VmSeen>,
}

/// Where a VM stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Still being made.
    Unresolved,
    /// Making it failed.
    Failed,
    /// Off.
    Off,
    /// On.
    On,
    /// Suspended, or something this server does not expect.
    Other,
}

/// A VM inside a bootstrap vApp.
#[derive(Clone, Debug)]
pub struct VmSeen {
    /// Its id.
    pub id: VmId,
    /// Its name.
    pub name: String,
    /// Its marker, if it is one of this very entity.
    pub marker: Option<Marker>,
    /// Where it stands.
    pub power: Power,
}

/// The committed VM and what its guest reports.
#[derive(Clone, Debug)]
pub struct GuestSeen {
    /// Where it stands.
    pub power: Power,
    /// Whether an operation runs on it.
    pub busy: bool,
    /// Whether the user data has been written.
    pub has_user_data: bool,
    /// The guest's report.
    pub report: GuestReport,
    /// How long this holder has seen no new sign of life; `None` if there has never been one.
    pub silent_for: Option<Duration>,
}

/// The guest's report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestReport {
    /// Phase name -> status; phases that have not begun are absent.
    pub phases: BTreeMap<String, PhaseStatus>,
    /// Exit code of the script, once it ended.
    pub exit: Option<i32>,
    /// One line that says why it failed.
    pub reason: Option<String>,
    /// Tail of the log, decoded.
    pub log_tail: Option<String>,
    /// The last sign of life; another text each time.
    pub beat: Option<String>,
}

impl GuestReport {
    /// Whether the guest has said anything at all.
    pub fn is_silent(&self) -> bool {
        self.phases.is_empty() && self.exit.is_none()
    }
}

/// The task the last action started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskSeen {
    /// None, or it ended well.
    None,
    /// Running.
    Running,
    /// Failed in a way that may pass (busy entity, limit).
    FailedForNow(String),
    /// Failed in a way that will not pass by itself.
    Failed(String),
}
