//! What a change does to the claim record, the state and the committed objects: the protocol part of a write.
//!
//! Flow: `decide` -> [`Change`] -> [`written`] -> `controller::record` adds the sentences for the tenant ->
//! one conditional write through the claim.
//!
//! Invariants:
//! - The intent of a phase is in the document before its first effect; an object's id is there before the
//!   object may act.
//! - What was committed is dropped only together with a higher incarnation, or when nothing is left of it.
//! - No change ends a phase of deletion: only the entity's end does.
//!
//! Not here: events and errors (`controller::record`), numbering of the record (`holder`).

use std::time::Duration;

use super::decision::Change;
use super::observation::{Observation, Power};
use crate::domain::claim::ClaimPhase;
use crate::domain::ids::{VappId, VmId};
use crate::domain::status::ClusterState;

/// What the next record says besides being the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Step {
    /// The new phase; `None` leaves it.
    pub phase: Option<ClaimPhase>,
    /// The new incarnation; `None` leaves it.
    pub incarnation: Option<u32>,
    /// The new epoch is at least this.
    pub epoch_at_least: u64,
    /// The claim goes: anybody may take the cluster.
    pub release: bool,
    /// Released, and nobody is to claim before this time is over.
    pub pause: Option<Duration>,
}

impl Step {
    /// On to `phase`.
    pub const fn to(phase: ClaimPhase) -> Self {
        Self {
            phase: Some(phase),
            incarnation: None,
            epoch_at_least: 0,
            release: false,
            pause: None,
        }
    }

    /// The same, and the claim goes.
    #[must_use]
    pub const fn released(self) -> Self {
        Self {
            release: true,
            ..self
        }
    }

    /// Whether the holder goes on after this.
    pub const fn holds(&self) -> bool {
        !self.release && self.pause.is_none()
    }
}

/// What becomes of the committed objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Commitment {
    /// They stay.
    #[default]
    Kept,
    /// They belong to an attempt that is over.
    Dropped,
    /// This vApp is the one of the incarnation.
    Vapp(VappId, String),
    /// This VM is the one of the incarnation.
    Vm(VmId, String),
}

/// The protocol part of one write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Written {
    /// What becomes of the record.
    pub step: Step,
    /// The new state; `None` leaves it.
    pub state: Option<ClusterState>,
    /// What becomes of the committed objects.
    pub commitment: Commitment,
    /// No attempt follows: auto-repair is turned off, and clients need not wait for one.
    pub ends_repair: bool,
    /// What the cluster's own controllers reported of an attempt that is gone is forgotten.
    pub forgets_reports: bool,
    /// The errors of earlier attempts are over.
    pub clears_errors: bool,
}

/// What becomes of the bootstrap VM of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// The next attempt follows; everything goes first.
    Retried,
    /// No attempt follows, and there is nothing of the bootstrap.
    Nothing,
    /// No attempt follows, and the bootstrap VM has never run: it goes at once.
    Useless,
    /// No attempt follows; the bootstrap VM is kept for inspection.
    Kept,
}

/// What becomes of the bootstrap VM of the attempt that has just failed.
pub fn remains(seen: &Observation, retry: bool) -> Remains {
    let ran = seen.vm.as_ref().is_some_and(|vm| {
        vm.power == Power::On || vm.power == Power::Other || !vm.report.is_silent()
    });
    let committed = &seen.document.committed_vapp;
    let stands = seen
        .vapps
        .iter()
        .any(|vapp| committed.as_ref() == Some(&vapp.id));
    // Without a way in nothing can be removed, and nobody knows what there is.
    let closed = seen.preparation.is_err();
    let is_there = committed.is_some() && (stands || closed);
    if retry {
        Remains::Retried
    } else if is_there && (ran || !seen.document.reported.is_empty() || closed) {
        Remains::Kept
    } else if is_there || seen.vapps.iter().any(|vapp| vapp.marker.is_some()) {
        Remains::Useless
    } else {
        Remains::Nothing
    }
}

/// The protocol part of the write that carries out `change`, which was decided on `seen`.
pub fn written(change: &Change, seen: &Observation) -> Written {
    match change {
        Change::CommitVapp { id, name } => committed(Commitment::Vapp(id.clone(), name.clone())),
        Change::CommitVm { id, name } => committed(Commitment::Vm(id.clone(), name.clone())),
        Change::RaiseIncarnation {
            incarnation,
            epoch_at_least,
            ..
        } => Written {
            commitment: Commitment::Dropped,
            ..back_to(ClaimPhase::Creating, (*incarnation, *epoch_at_least))
        },
        Change::ResumeProvisioned {
            incarnation,
            epoch_at_least,
            ..
        } => back_to(ClaimPhase::Teardown, (*incarnation, *epoch_at_least)),
        Change::BeginTeardown => recorded(Step::to(ClaimPhase::Teardown)),
        Change::Fail { retry, .. } => failed(remains(seen, *retry)),
        Change::BeginAttempt => Written {
            step: Step {
                incarnation: Some(seen.document.incarnation.saturating_add(1)),
                ..Step::to(ClaimPhase::Creating)
            },
            state: Some(ClusterState::Provisioning),
            commitment: Commitment::Dropped,
            forgets_reports: true,
            ..Written::default()
        },
        Change::EndInspection => Written {
            ends_repair: true,
            ..recorded(Step::to(ClaimPhase::Teardown))
        },
        Change::Settle => Written {
            commitment: Commitment::Dropped,
            ..recorded(Step::to(ClaimPhase::Done).released())
        },
        Change::Postpone => recorded(Step::to(ClaimPhase::Done).released()),
        Change::Finish => Written {
            state: Some(ClusterState::Provisioned),
            commitment: Commitment::Dropped,
            ends_repair: true,
            clears_errors: true,
            ..recorded(Step::to(ClaimPhase::Done).released())
        },
        Change::BeginDeletion => deleting(Step::to(ClaimPhase::Deleting)),
        Change::ReportRemoval { .. } => deleting(Step::default()),
        Change::BlockDeletion { retry_in, .. } => deleting(Step {
            pause: Some(*retry_in),
            ..Step::default()
        }),
        Change::ReportProgress(_) | Change::Condemn(_) => Written::default(),
        Change::ReportRunning(report) => recorded(Step {
            release: report.release,
            ..Step::default()
        }),
    }
}

/// The write that hands the cluster over to whoever wants it.
pub fn handed_over() -> Written {
    recorded(Step::default().released())
}

/// The write after an older version of the document was written over a deletion; `touched` when something may
/// be gone already.
pub fn rolled_back(touched: bool) -> Written {
    if !touched {
        return recorded(Step::default().released());
    }
    Written {
        state: Some(ClusterState::Error),
        ..recorded(Step::to(ClaimPhase::Done).released())
    }
}

fn recorded(step: Step) -> Written {
    Written {
        step,
        ..Written::default()
    }
}

fn committed(commitment: Commitment) -> Written {
    Written {
        commitment,
        ..Written::default()
    }
}

/// The document or the bootstrap went back: clients see a creation until it is clear what it ended in.
fn back_to(phase: ClaimPhase, (incarnation, epoch_at_least): (u32, u64)) -> Written {
    Written {
        step: Step {
            incarnation: Some(incarnation),
            epoch_at_least,
            ..Step::to(phase)
        },
        state: Some(ClusterState::Provisioning),
        ..Written::default()
    }
}

fn failed(remains: Remains) -> Written {
    let (step, commitment) = match remains {
        Remains::Retried | Remains::Useless => (Step::to(ClaimPhase::Teardown), Commitment::Kept),
        Remains::Kept => (Step::to(ClaimPhase::Done).released(), Commitment::Kept),
        Remains::Nothing => (Step::to(ClaimPhase::Done).released(), Commitment::Dropped),
    };
    Written {
        step,
        state: Some(ClusterState::Error),
        commitment,
        ends_repair: remains != Remains::Retried,
        ..Written::default()
    }
}

/// The state is `deleting` with every write; a client's rewrite does not hide the deletion for long.
fn deleting(step: Step) -> Written {
    Written {
        state: Some(ClusterState::Deleting),
        ..recorded(step)
    }
}
