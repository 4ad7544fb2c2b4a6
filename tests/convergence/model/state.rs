//! One state of the modelled world: the document, the objects in VCD, the replicas, the requests on their way.
//!
//! Numbers that are only compared for equality (nonces, tags) or for order (ids) are renamed to the smallest ones
//! that keep the comparisons, so that states which differ in nothing else are one.

use cse_server::domain::claim::{ClaimPhase, Hold};
use cse_server::domain::status::ClusterState;

pub(crate) use super::few::Few;

pub(crate) const MOST_REPLICAS: usize = 3;
const MOST_VAPPS: usize = 6;
const MOST_VMS: usize = 6;
const MOST_REQUESTS: usize = 7;
/// As many as a holder remembers.
const MOST_UNANSWERED: usize = 8;

/// The claim record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: u8,
    pub(crate) seq: u8,
    pub(crate) nonce: u8,
    pub(crate) phase: ClaimPhase,
    pub(crate) incarnation: u8,
    pub(crate) hold: Hold,
}

/// The cluster's document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) exists: bool,
    /// Its tag.
    pub(crate) tag: u8,
    /// Identity of the holder; 0 when free.
    pub(crate) holder: u8,
    pub(crate) record: Option<Record>,
    pub(crate) state: ClusterState,
    pub(crate) marked: bool,
    pub(crate) auto_repair: bool,
    /// Whether the cluster's own controllers report that it is ready.
    pub(crate) ready: bool,
    /// Whether an event tells of anything that was made.
    pub(crate) built: bool,
    pub(crate) rollback_reported: bool,
    pub(crate) failed_attempts: u8,
    /// Committed vApp and VM; 0 when there is none.
    pub(crate) vapp: u8,
    pub(crate) vm: u8,
    /// The VM about whose progress an event tells.
    pub(crate) told_vm: u8,
}

impl Default for Doc {
    fn default() -> Self {
        Self {
            exists: false,
            tag: 0,
            holder: 0,
            record: None,
            state: ClusterState::Unclaimed,
            marked: false,
            auto_repair: false,
            ready: false,
            built: false,
            rollback_reported: false,
            failed_attempts: 0,
            vapp: 0,
            vm: 0,
            told_vm: 0,
        }
    }
}

/// A vApp with the bootstrap's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vapp {
    pub(crate) id: u8,
    /// Epoch and incarnation of its marker; 0 without one.
    pub(crate) epoch: u8,
    pub(crate) incarnation: u8,
    /// Whether a server made it.
    pub(crate) ours: bool,
    /// For the judge: made by a request of somebody who no longer held the cluster or no longer waited. It is empty,
    /// and when nobody looks any more it stays until the cluster is deleted: the one residue there may be.
    pub(crate) late: bool,
}

/// Where the guest of a VM has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guest {
    #[default]
    Unborn,
    AtWork,
    Succeeded,
    Failed,
}

/// A bootstrap VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vm {
    pub(crate) id: u8,
    pub(crate) vapp: u8,
    pub(crate) epoch: u8,
    pub(crate) incarnation: u8,
    pub(crate) on: bool,
    pub(crate) guest: Guest,
    /// For the judge: its id was once written into the document.
    pub(crate) was_committed: bool,
    /// For the judge: it was once switched on.
    pub(crate) has_run: bool,
}

/// The cluster's own vApp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// 0 when there is none.
    pub(crate) id: u8,
    pub(crate) complete: bool,
    pub(crate) witness: bool,
    /// Ids given out so far.
    pub(crate) made: u8,
}

/// What a change writes, as numbers; made from the daemon's own `Written`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) phase: Option<ClaimPhase>,
    pub(crate) incarnation: Option<u8>,
    pub(crate) epoch_at_least: u8,
    pub(crate) release: bool,
    pub(crate) pause: bool,
    pub(crate) state: Option<ClusterState>,
    pub(crate) vapp: Option<u8>,
    pub(crate) vm: Option<u8>,
    pub(crate) ends_repair: bool,
    pub(crate) forgets_reports: bool,
    pub(crate) clears_errors: bool,
    /// An error tells of this attempt.
    pub(crate) failed_attempt: u8,
    pub(crate) reports_rollback: bool,
    pub(crate) tells_of_building: bool,
    pub(crate) tells_progress: bool,
    /// The cluster's vApp that is condemned.
    pub(crate) condemns: u8,
    /// Number of the change's name, for people.
    pub(crate) name: u8,
}

/// An effect outside the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Compose,
    CreateVm(u8),
    PowerOn(u8),
    WriteWitness(u8),
    UndeployVapp(u8),
    DeleteVapp(u8),
    UndeployVm(u8),
    DeleteVm(u8),
    RemoveCluster(u8),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Replace the document that has this tag by this one.
    Put(u8, Doc),
    /// Delete the document that has this tag.
    DeleteEntity(u8),
    /// An effect, with the epoch and incarnation of the sender's record.
    Effect(Effect, u8, u8),
}

/// A request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) sender: u8,
    /// Whether the sender still waits for the answer.
    pub(crate) awaited: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            ask: Ask::DeleteEntity(0),
            sender: 0,
            awaited: false,
        }
    }
}

/// Why a replica writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    #[default]
    Claim,
    Change(Write),
    Effect,
    DeleteEntity,
    /// The end of a deletion that an older document was written over; whether it had begun to remove.
    Rollback(bool),
}

/// Where a replica stands with the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    Dead,
    #[default]
    Idle,
    /// It holds the cluster and may look, decide and send.
    Holds,
    /// It waits for the answer to its request.
    Waits(Purpose),
    /// The answer was unclear: it reads the document.
    Unclear(Purpose),
    /// Somebody wrote in between: it reads the document and applies the same change again.
    Again(Purpose),
}

/// One replica: one process at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) mode: Mode,
    pub(crate) identity: u8,
    pub(crate) predecessor: u8,
    /// The highest epoch this process has seen.
    pub(crate) floor: u8,
    /// The last acknowledged record, or the first one sent.
    pub(crate) acknowledged: Option<Record>,
    pub(crate) unanswered: Few<Option<Record>, MOST_UNANSWERED>,
    /// Tag at hand; 0 when it is spent.
    pub(crate) tag: u8,
    /// The document at hand.
    pub(crate) document: Doc,
    /// Nonce of the last write.
    pub(crate) sent: u8,
    /// A vApp it made and has not committed.
    pub(crate) composed: u8,
    /// Whether it has begun to remove, or an earlier holder had.
    pub(crate) touched: bool,
    /// The cluster's vApp that it has condemned in this clean-up; 0 when there is none.
    pub(crate) condemned: u8,
}

/// What goes wrong at most so often, and what people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A process dies; it is started again.
    Crash,
    /// A replica takes a cluster from another one that still works on it.
    Takeover,
    /// A request or its answer is lost, or comes after the sender gave up waiting.
    Lost,
    /// A request takes effect twice.
    Twice,
    /// The tenant removes the bootstrap VM or vApp.
    Tenant,
    /// Somebody writes the document without changing what matters here.
    Writer,
    /// A client reads the document, and writes that version back later.
    Rollback,
    /// The user asks for deletion.
    Delete,
    /// A replica is told to stop while it works.
    Drain,
    /// The guest fails.
    Guest,
}

pub(crate) const FAULTS: usize = 10;

impl Fault {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Crash => 0,
            Self::Takeover => 1,
            Self::Lost => 2,
            Self::Twice => 3,
            Self::Tenant => 4,
            Self::Writer => 5,
            Self::Rollback => 6,
            Self::Delete => 7,
            Self::Drain => 8,
            Self::Guest => 9,
        }
    }
}

/// What the judge remembers of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Incarnations of which a VM was switched on, by bit.
    pub(crate) ran: u8,
    /// Attempts up to this one were declared over by a write.
    pub(crate) over: u8,
    pub(crate) provisioned: bool,
    /// A write has said that the cluster is to go.
    pub(crate) deleting: bool,
    pub(crate) rolled_back: bool,
    pub(crate) marked: bool,
    pub(crate) tenant_removed: bool,
}

/// The whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) doc: Doc,
    /// The version a client has read and may write back.
    pub(crate) old: Option<Doc>,
    pub(crate) vapps: Few<Vapp, MOST_VAPPS>,
    pub(crate) vms: Few<Vm, MOST_VMS>,
    pub(crate) cluster: Cluster,
    pub(crate) replicas: Few<Replica, MOST_REPLICAS>,
    pub(crate) requests: Few<Request, MOST_REQUESTS>,
    /// Identities given out so far.
    pub(crate) identities: u8,
    pub(crate) spent: [u8; FAULTS],
    pub(crate) past: Past,
}

impl State {
    pub(crate) fn vapp(&self, id: u8) -> Option<&Vapp> {
        self.vapps.as_slice().iter().find(|vapp| vapp.id == id)
    }

    pub(crate) fn vm(&self, id: u8) -> Option<&Vm> {
        self.vms.as_slice().iter().find(|vm| vm.id == id)
    }

    pub(crate) fn vms_in(&self, vapp: u8) -> impl Iterator<Item = &Vm> {
        let vms = self.vms.as_slice().iter();
        vms.filter(move |vm| vm.vapp == vapp)
    }

    /// A number that no record has.
    pub(crate) fn fresh_nonce(&self) -> u8 {
        let mut most = 0;
        let mut copy = *self;
        copy.each_record(|record| most = most.max(record.nonce));
        let sent = self.replicas.as_slice().iter().map(|replica| replica.sent);
        most.max(sent.max().unwrap_or(0)) + 1
    }

    /// A tag that nothing has.
    pub(crate) fn fresh_tag(&self) -> u8 {
        let mut most = 0;
        let mut copy = *self;
        copy.each_tag(|tag| most = most.max(*tag));
        most + 1
    }

    pub(crate) fn fresh_vapp(&self) -> u8 {
        let mut most = 0;
        let mut copy = *self;
        copy.each_vapp(|id| most = most.max(*id));
        most + 1
    }

    pub(crate) fn fresh_vm(&self) -> u8 {
        let mut most = 0;
        let mut copy = *self;
        copy.each_vm(|id| most = most.max(*id));
        most + 1
    }

    /// Every document there is a copy of.
    fn each_doc(&mut self, mut each: impl FnMut(&mut Doc)) {
        each(&mut self.doc);
        if let Some(old) = &mut self.old {
            each(old);
        }
        for replica in self.replicas.as_mut() {
            each(&mut replica.document);
        }
        for request in self.requests.as_mut() {
            if let Ask::Put(_, doc) = &mut request.ask {
                each(doc);
            }
        }
    }

    pub(crate) fn each_record(&mut self, mut each: impl FnMut(&mut Record)) {
        self.each_doc(|doc| {
            if let Some(record) = &mut doc.record {
                each(record);
            }
        });
        for replica in self.replicas.as_mut() {
            let unanswered = replica.unanswered.as_mut().iter_mut();
            for record in unanswered.chain([&mut replica.acknowledged]).flatten() {
                each(record);
            }
        }
    }

    /// Every tag; a client's old version and a version on its way have none of their own.
    pub(crate) fn each_tag(&mut self, mut each: impl FnMut(&mut u8)) {
        each(&mut self.doc.tag);
        for replica in self.replicas.as_mut() {
            each(&mut replica.tag);
            each(&mut replica.document.tag);
        }
        for request in self.requests.as_mut() {
            match &mut request.ask {
                Ask::Put(tag, _) | Ask::DeleteEntity(tag) => each(tag),
                Ask::Effect(..) => {}
            }
        }
    }

    fn each_write(&mut self, mut each: impl FnMut(&mut Write)) {
        for replica in self.replicas.as_mut() {
            match &mut replica.mode {
                Mode::Waits(Purpose::Change(write))
                | Mode::Unclear(Purpose::Change(write))
                | Mode::Again(Purpose::Change(write)) => each(write),
                Mode::Dead
                | Mode::Idle
                | Mode::Holds
                | Mode::Waits(_)
                | Mode::Unclear(_)
                | Mode::Again(_) => {}
            }
        }
    }

    pub(crate) fn each_vapp(&mut self, mut each: impl FnMut(&mut u8)) {
        self.vapps
            .as_mut()
            .iter_mut()
            .for_each(|vapp| each(&mut vapp.id));
        self.vms
            .as_mut()
            .iter_mut()
            .for_each(|vm| each(&mut vm.vapp));
        self.each_doc(|doc| each(&mut doc.vapp));
        self.each_write(|write| write.vapp.iter_mut().for_each(&mut each));
        for replica in self.replicas.as_mut() {
            each(&mut replica.composed);
        }
        for request in self.requests.as_mut() {
            if let Ask::Effect(
                Effect::CreateVm(id) | Effect::UndeployVapp(id) | Effect::DeleteVapp(id),
                ..,
            ) = &mut request.ask
            {
                each(id);
            }
        }
    }

    pub(crate) fn each_vm(&mut self, mut each: impl FnMut(&mut u8)) {
        self.vms.as_mut().iter_mut().for_each(|vm| each(&mut vm.id));
        self.each_doc(|doc| {
            each(&mut doc.vm);
            each(&mut doc.told_vm);
        });
        self.each_write(|write| write.vm.iter_mut().for_each(&mut each));
        for request in self.requests.as_mut() {
            if let Ask::Effect(
                Effect::PowerOn(id) | Effect::UndeployVm(id) | Effect::DeleteVm(id),
                ..,
            ) = &mut request.ask
            {
                each(id);
            }
        }
    }
}
