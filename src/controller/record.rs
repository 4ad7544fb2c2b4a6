//! Writing a decision down: which fields and events follow from which change.
//!
//! Flow: `Change` -> ([`Edit`], [`Step`]) -> one conditional write through the claim.
//!
//! Invariants:
//! - The intent of a phase is in the document before its first effect; an object's id is there before
//!   the object may act.
//! - Events are sentences for the tenant: no token, no internal id beyond the object's own.

use jiff::Timestamp;

use super::claim::Step;
use super::day_two::edit_for_report;
use super::deletion_record;
use super::document::{self, Edit, Provisioned};
use crate::domain::claim::ClaimPhase;
use crate::domain::status::{ClusterState, EventEntry, Resource, ResourceKind};
use crate::reconcile::decision::{Change, Milestone};
use crate::reconcile::observation::Observation;
use crate::reconcile::policy::Policy;

/// What the writing of a change needs to know.
pub(super) struct Setting<'a> {
    pub(super) seen: &'a Observation,
    pub(super) policy: &'a Policy,
    /// `vcdResourceSet` as it stands.
    pub(super) resources: Vec<Resource>,
    /// What a provisioned cluster is told to come from.
    pub(super) release: String,
    pub(super) at: Timestamp,
}

/// The write that carries out `change`.
pub(super) fn edit_for(change: &Change, setting: &Setting<'_>) -> (Edit, Step) {
    match change {
        Change::CommitVapp { id, name } => setting.commit(ResourceKind::Vapp, id.as_str(), name),
        Change::CommitVm { id, name } => setting.commit(ResourceKind::Vm, id.as_str(), name),
        Change::RaiseIncarnation {
            incarnation,
            epoch_at_least,
            because,
        } => {
            let step = Step {
                incarnation: Some(*incarnation),
                epoch_at_least: *epoch_at_least,
                ..to_phase(ClaimPhase::Creating)
            };
            (setting.restart(because), step)
        }
        Change::ReportProgress(news) => (setting.progress(news), Step::default()),
        Change::BeginTeardown => setting.begin_teardown(),
        Change::Fail { reason, retry } => setting.fail(reason, *retry),
        Change::BeginAttempt => setting.begin_attempt(),
        Change::EndInspection => setting.end_inspection(),
        Change::Settle => setting.settle(),
        Change::Postpone => (Edit::default(), released(to_phase(ClaimPhase::Done))),
        Change::ResumeProvisioned {
            incarnation,
            epoch_at_least,
            because,
        } => {
            let step = Step {
                incarnation: Some(*incarnation),
                epoch_at_least: *epoch_at_least,
                ..to_phase(ClaimPhase::Teardown)
            };
            (setting.resume_provisioned(because), step)
        }
        Change::Finish => setting.finish(),
        Change::BeginDeletion => deletion_record::begun(setting.at),
        Change::ReportRemoval { news, healed } => {
            let edit = deletion_record::reported(news, healed, setting.at);
            (edit, Step::default())
        }
        Change::BlockDeletion {
            obstacles,
            retry_in,
        } => {
            let about = (&setting.seen.document.deletion, setting.at);
            deletion_record::blocked(obstacles, *retry_in, about)
        }
        Change::ReportRunning(report) => edit_for_report(report, setting.at),
    }
}

/// The write that hands the cluster over to whoever wants it.
pub(super) fn handover(at: Timestamp) -> (Edit, Step) {
    let event = EventEntry {
        name: "ClusterHandedOver",
        at,
        detail: "The server process that worked on the cluster stops; another one goes on."
            .to_owned(),
        resource: None,
    };
    (
        Edit {
            events: vec![event],
            ..Edit::default()
        },
        released(Step::default()),
    )
}

pub(super) fn to_phase(phase: ClaimPhase) -> Step {
    Step {
        phase: Some(phase),
        ..Step::default()
    }
}

pub(super) fn released(step: Step) -> Step {
    Step {
        release: true,
        ..step
    }
}

impl Setting<'_> {
    pub(super) fn event(&self, name: &'static str, detail: impl Into<String>) -> EventEntry {
        EventEntry {
            name,
            at: self.at,
            detail: detail.into(),
            resource: None,
        }
    }

    fn commit(&self, kind: ResourceKind, id: &str, name: &str) -> (Edit, Step) {
        let mut resources = self.resources.clone();
        resources.retain(|entry| entry.kind != kind);
        resources.push(Resource {
            kind,
            id: id.to_owned(),
            name: name.to_owned(),
        });
        let (event, detail) = match kind {
            ResourceKind::Vapp => (
                "CapiYamlProcessed",
                "The request is valid; the vApp for the bootstrap VM has been made.",
            ),
            ResourceKind::Vm => ("BootstrapVmCreated", "The bootstrap VM has been made."),
        };
        let mut entry = self.event(event, detail);
        entry.resource = Some((id.to_owned(), name.to_owned()));
        (
            Edit {
                resources: Some(resources),
                events: vec![entry],
                ..Edit::default()
            },
            Step::default(),
        )
    }

    /// What was committed belongs to an attempt that is over.
    fn restart(&self, because: &str) -> Edit {
        let detail = format!("The bootstrap begins anew: {because}.");
        Edit {
            state: Some(ClusterState::Provisioning),
            resources: Some(Vec::new()),
            events: vec![self.event("BootstrapRestarted", detail)],
            ..Edit::default()
        }
    }

    /// Events about phases name the committed VM: that is how a later holder knows they are written.
    fn progress(&self, news: &[Milestone]) -> Edit {
        let vm = self
            .resources
            .iter()
            .find(|entry| entry.kind == ResourceKind::Vm);
        let entry = |milestone: &Milestone| {
            let plan = self.policy.phases.get(milestone.phase)?;
            let mut entry = if milestone.succeeded {
                self.event(
                    plan.succeeded,
                    format!("Bootstrap phase \"{}\" is complete.", plan.name),
                )
            } else {
                self.event(
                    plan.started,
                    format!("Bootstrap phase \"{}\" has begun.", plan.name),
                )
            };
            entry.resource = vm.map(|vm| (vm.id.clone(), vm.name.clone()));
            Some(entry)
        };
        Edit {
            events: news.iter().filter_map(entry).collect(),
            ..Edit::default()
        }
    }

    fn begin_teardown(&self) -> (Edit, Step) {
        let detail = "The cluster is complete; the bootstrap VM is being removed.";
        let edit = Edit {
            events: vec![self.event("ClusterReady", detail)],
            ..Edit::default()
        };
        (edit, to_phase(ClaimPhase::Teardown))
    }

    fn finish(&self) -> (Edit, Step) {
        let edit = Edit {
            state: Some(ClusterState::Provisioned),
            resources: Some(Vec::new()),
            events: vec![
                self.event(
                    "BootstrapVmDeleted",
                    "The bootstrap VM and its vApp are gone.",
                ),
                self.event("ClusterProvisioned", "The cluster is available."),
            ],
            clear_errors: true,
            provisioned: Some(Provisioned {
                version: self.release.clone(),
            }),
            ..Edit::default()
        };
        (edit, released(to_phase(ClaimPhase::Done)))
    }
}

/// `vcdResourceSet` of a document, for [`Setting`].
pub(super) fn resources_of(content: &document::Content) -> Vec<Resource> {
    document::resources(content)
}
