//! Writing a decision down: which fields and events follow from which change.
//!
//! Flow: `Change` -> what it does to record, state and committed objects (`reconcile::step`), and the sentences
//! about it -> ([`Edit`], [`Step`]) -> one conditional write through the claim.
//!
//! Invariants:
//! - Events are sentences for the tenant: no token, no internal id beyond the object's own.

use jiff::Timestamp;

use super::day_two::edit_for_report;
use super::deletion_record;
use super::document::{self, Edit, Provisioned};
use crate::domain::status::{EventEntry, Resource, ResourceKind};
use crate::reconcile::decision::{Change, Milestone};
use crate::reconcile::observation::Observation;
use crate::reconcile::policy::Policy;
use crate::reconcile::step::{Commitment, Step, Written, handed_over, written};

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
    let written = written(change, setting.seen);
    let edit = setting.follow(setting.sentences(change), &written);
    (edit, written.step)
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
    (told(event), handed_over().step)
}

/// An edit that says this and nothing else.
pub(super) fn told(event: EventEntry) -> Edit {
    Edit {
        events: vec![event],
        ..Edit::default()
    }
}

impl Setting<'_> {
    /// What the tenant is told about `change`.
    fn sentences(&self, change: &Change) -> Edit {
        match change {
            Change::CommitVapp { id, name } => {
                self.committed((id.as_str(), name), ResourceKind::Vapp)
            }
            Change::CommitVm { id, name } => self.committed((id.as_str(), name), ResourceKind::Vm),
            Change::RaiseIncarnation { because, .. } => {
                let detail = format!("The bootstrap begins anew: {because}.");
                told(self.event("BootstrapRestarted", detail))
            }
            Change::ReportProgress(news) => self.progress(news),
            Change::BeginTeardown => {
                let detail = "The cluster is complete; the bootstrap VM is being removed.";
                told(self.event("ClusterReady", detail))
            }
            Change::Fail { reason, retry } => self.failed(reason, *retry),
            Change::BeginAttempt => self.begun_again(),
            Change::EndInspection => self.inspection_ended(),
            Change::Settle => self.settled(),
            Change::Postpone | Change::Condemn(_) => Edit::default(),
            Change::ResumeProvisioned { because, .. } => self.resumed(because),
            Change::Finish => self.finished(),
            Change::BeginDeletion => deletion_record::begun(self.at),
            Change::ReportRemoval { news, healed } => {
                deletion_record::reported(news, healed, self.at)
            }
            Change::BlockDeletion { obstacles, .. } => {
                let about = (&self.seen.document.deletion, self.at);
                deletion_record::blocked(obstacles, about)
            }
            Change::ReportRunning(report) => edit_for_report(report, self.at),
        }
    }

    /// The sentences, and the protocol part of the write.
    fn follow(&self, sentences: Edit, written: &Written) -> Edit {
        Edit {
            state: written.state,
            resources: self.resources_after(&written.commitment),
            clear_errors: written.clears_errors,
            stop_repair: written.ends_repair,
            reset_reports: written.forgets_reports,
            ..sentences
        }
    }

    fn resources_after(&self, commitment: &Commitment) -> Option<Vec<Resource>> {
        let (kind, id, name) = match commitment {
            Commitment::Kept => return None,
            Commitment::Dropped => return Some(Vec::new()),
            Commitment::Vapp(id, name) => (ResourceKind::Vapp, id.as_str(), name),
            Commitment::Vm(id, name) => (ResourceKind::Vm, id.as_str(), name),
        };
        let mut resources = self.resources.clone();
        resources.retain(|entry| entry.kind != kind);
        resources.push(Resource {
            kind,
            id: id.to_owned(),
            name: name.clone(),
        });
        Some(resources)
    }

    pub(super) fn event(&self, name: &'static str, detail: impl Into<String>) -> EventEntry {
        EventEntry {
            name,
            at: self.at,
            detail: detail.into(),
            resource: None,
        }
    }

    fn committed(&self, (id, name): (&str, &str), kind: ResourceKind) -> Edit {
        let (event, detail) = match kind {
            ResourceKind::Vapp => (
                "CapiYamlProcessed",
                "The request is valid; the vApp for the bootstrap VM has been made.",
            ),
            ResourceKind::Vm => ("BootstrapVmCreated", "The bootstrap VM has been made."),
        };
        let mut entry = self.event(event, detail);
        entry.resource = Some((id.to_owned(), name.to_owned()));
        told(entry)
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

    fn finished(&self) -> Edit {
        let gone = "The bootstrap VM and its vApp are gone.";
        Edit {
            events: vec![
                self.event("BootstrapVmDeleted", gone),
                self.event("ClusterProvisioned", "The cluster is available."),
            ],
            provisioned: Some(Provisioned {
                version: self.release.clone(),
            }),
            ..Edit::default()
        }
    }
}

/// `vcdResourceSet` of a document, for [`Setting`].
pub(super) fn resources_of(content: &document::Content) -> Vec<Resource> {
    document::resources(content)
}
