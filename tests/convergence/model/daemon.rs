//! The daemon's own step functions, asked with the model's numbers: what to do, what to write, whose claim it is.
//!
//! Nothing is decided here. An observation is built from a replica's copy of the document and from the objects as
//! they are at the moment of its look; `decide`, `written`, `Holder`, `may_take` and `first_record` say the rest.
//! Answers to the same question are remembered, because there are few questions.

mod change;
mod look;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use cse_server::domain::claim::{Claim, Heartbeat, HolderId};
use cse_server::domain::ids::EntityId;
use cse_server::reconcile::claimable::Identity;
use cse_server::reconcile::decision::{Action, Decision};
use cse_server::reconcile::holder::Holder;
use cse_server::reconcile::interest::Summary;
use cse_server::reconcile::observation::Observation;
use cse_server::reconcile::policy::{PhasePlan, Policy};
use cse_server::reconcile::removal::Removing;
use cse_server::reconcile::step::{Commitment, Written, handed_over, rolled_back, written};
use cse_server::reconcile::{decide, taking};

use self::change::{about_change, applied, step};
use self::look::key;
use super::mutants::{self, Mutant};
use super::shape::{mixed, phase_code};
use super::state::{Cluster, Doc, Effect, Few, Record, Replica, State, Vapp, Vm, Write};

/// Longer than anything is waited for.
const AGES: Duration = Duration::from_hours(24 * 365);
/// The only phase of the modelled guest, and the only event about it.
const PHASE: &str = "bootstrap";

/// What a replica does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Wait,
    Settled,
    Act(Effect),
    DeleteEntity,
    Write(Write),
    /// Decided, and refused by the holder: a defect.
    Refused(&'static str),
}

/// What a replica sees when it looks.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) doc: Doc,
    pub(crate) vapps: Vec<Vapp>,
    pub(crate) vms: Vec<Vm>,
    pub(crate) cluster: Cluster,
    /// Whether the replica has condemned this cluster.
    pub(crate) condemned: bool,
    /// Whether waits have lasted longer than they may.
    pub(crate) late: bool,
}

#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = mixed(self.0, u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mixed(self.0, word);
    }
}

type Memo = HashMap<[u64; 15], Plan, BuildHasherDefault<Mixer>>;

/// The daemon as every replica runs it.
pub(crate) struct Daemon {
    policy: Policy,
    entity: EntityId,
    identities: Vec<HolderId>,
    /// Names of changes, by number.
    names: Vec<&'static str>,
    known: Memo,
    /// What is wrong with it on purpose.
    pub(crate) mutant: Option<Mutant>,
    /// Whether a kept bootstrap VM is collected at any time.
    inspection: bool,
}

/// What a holder says about a document it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Ours,
    Lost {
        /// The claim was lost to an older version that knows of no deletion.
        deletion_rolled_back: bool,
        /// Nobody can have committed what this holder made last.
        composed_is_nobodys: bool,
    },
}

impl Daemon {
    pub(crate) fn new(
        mutant: Option<Mutant>,
        (attempts, phases, inspection): (u32, bool, bool),
    ) -> Self {
        let plan = PhasePlan {
            name: PHASE,
            started: "Told",
            succeeded: "Told",
            deadline: Duration::from_mins(10),
        };
        let policy = Policy {
            max_attempts: attempts,
            ..Policy::standard(phases.then_some(plan).into_iter().collect())
        };
        Self {
            policy,
            entity: EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:1").unwrap(),
            identities: (0..16).map(|n| HolderId::new("replica", n)).collect(),
            names: Vec::new(),
            known: Memo::default(),
            mutant,
            inspection,
        }
    }

    pub(crate) fn name(&self, write: &Write) -> &'static str {
        self.names
            .get(usize::from(write.name))
            .copied()
            .unwrap_or("write")
    }

    fn heartbeat(&self, record: &Record) -> Heartbeat {
        Heartbeat {
            epoch: u64::from(record.epoch),
            seq: u64::from(record.seq),
            nonce: u64::from(record.nonce),
            term: self.policy.takeover,
            phase: record.phase,
            incarnation: u32::from(record.incarnation),
            hold: record.hold,
        }
    }

    fn claim(&self, doc: &Doc) -> Claim {
        Claim {
            holder: (doc.holder != 0).then(|| self.identities[usize::from(doc.holder)].clone()),
            heartbeat_text: String::new(),
            heartbeat: doc.record.as_ref().map(|record| self.heartbeat(record)),
            stamp: String::new(),
        }
    }

    pub(crate) fn summary(&self, doc: &Doc) -> Summary {
        let kept = doc.vapp != 0 || doc.vm != 0;
        Summary {
            is_vcdke: true,
            marked_for_delete: doc.marked,
            state: doc.state,
            claim: self.claim(doc),
            bootstrap_since: kept.then_some(jiff::Timestamp::UNIX_EPOCH),
            restorable: doc.rollback_reported && doc.ready,
        }
    }

    /// Whether a poll takes the cluster for one that needs work.
    pub(crate) fn needs_work(&self, doc: &Doc) -> bool {
        let summary = self.summary(doc);
        let collects = || cse_server::reconcile::inspection::kept_since(&summary).is_some();
        cse_server::reconcile::interest::needs_work(&summary) || self.inspection && collects()
    }

    /// The first record of `replica` on the document, and the document with it.
    pub(crate) fn first(&self, doc: &Doc, replica: &Replica, nonce: u8) -> (Record, Doc) {
        let summary = self.summary(doc);
        let [me, predecessor] = [replica.identity, replica.predecessor].map(usize::from);
        let identity = Identity {
            me: self.identities[me].clone(),
            predecessors: vec![self.identities[predecessor].clone()],
        };
        let watched = (&summary.claim, (AGES, 0.0));
        let origin = taking::may_take(&summary.claim, watched, &identity, &self.policy);
        assert!(
            origin.is_some(),
            "a record that is silent for ever may be taken"
        );
        let first = taking::first_record(
            &summary,
            u64::from(replica.floor),
            u64::from(nonce),
            &self.policy,
        );
        let mut record = record(&first);
        if self.mutant == Some(Mutant::SameEpoch)
            && let Some(before) = &doc.record
        {
            record.epoch = before.epoch;
        }
        let state = taking::first_state(&summary).unwrap_or(doc.state);
        let taken = Doc {
            holder: replica.identity,
            record: Some(record),
            state,
            ..*doc
        };
        (record, taken)
    }

    fn holder(&self, replica: &Replica) -> Holder<u8, ()> {
        let me = self.identities[usize::from(replica.identity)].clone();
        let record = self.heartbeat(&replica.acknowledged.unwrap());
        let mut holder = Holder::taking(me, record, (replica.tag, ()));
        for sent in replica.unanswered.as_slice().iter().flatten() {
            holder.follow_rollback(0);
            holder.send(self.heartbeat(sent), ());
        }
        if replica.tag == 0 {
            holder.spend();
        } else {
            holder.follow_rollback(replica.tag);
        }
        holder
    }

    fn note(replica: &mut Replica, holder: &Holder<u8, ()>, tag: u8) {
        let before = replica.acknowledged.map(stage);
        let now = record(holder.record());
        if before != Some(stage(now)) {
            replica.condemned = 0;
        }
        replica.acknowledged = Some(now);
        replica.unanswered = Few::default();
        for sent in holder.unanswered() {
            replica.unanswered.push(Some(record(sent)));
        }
        replica.tag = if holder.is_stale() { 0 } else { tag };
    }

    /// The replica has sent a write of `record`.
    pub(crate) fn sent(&self, replica: &mut Replica, record: Record) -> u8 {
        let mut holder = self.holder(replica);
        let tag = holder.send(self.heartbeat(&record), ());
        Self::note(replica, &holder, 0);
        replica.sent = record.nonce;
        tag.expect("a write needs a tag")
    }

    /// Its last write took effect; the document has `tag` now.
    pub(crate) fn acknowledged(&self, replica: &mut Replica, tag: u8) {
        let mut holder = self.holder(replica);
        holder.acknowledged(tag);
        Self::note(replica, &holder, tag);
    }

    /// It has read the document.
    pub(crate) fn read(&self, replica: &mut Replica, doc: &Doc) -> Reading {
        let mut holder = self.holder(replica);
        let claim = self.claim(doc);
        if holder.read(&claim, doc.tag).is_ok() {
            Self::note(replica, &holder, doc.tag);
            replica.document = *doc;
            return Reading::Ours;
        }
        if mutants::believes_itself(self.mutant, replica, doc) {
            return Reading::Ours;
        }
        Reading::Lost {
            deletion_rolled_back: holder.deletion_rolled_back(&self.summary(doc)),
            composed_is_nobodys: holder.leaves_to_nobody(&claim) && doc.vapp != replica.composed,
        }
    }

    /// Whether the claim stands as it did when its record was `decided_on`.
    pub(crate) fn stands_as(&self, replica: &Replica, decided_on: &Record) -> bool {
        self.holder(replica).stands_as(&self.heartbeat(decided_on))
    }

    /// The next record and the document with the change in it.
    pub(crate) fn next(&self, replica: &Replica, write: &Write, nonce: u8) -> (Record, Doc) {
        let holder = self.holder(replica);
        let next = record(&holder.next(&step(write), u64::from(nonce), &self.policy));
        let holds = step(write).holds();
        let mut doc = applied(&replica.document, write);
        doc.record = Some(next);
        doc.holder = if holds { replica.identity } else { 0 };
        (next, doc)
    }

    /// The end of a deletion that `found` was written over.
    pub(crate) fn rollback(&self, replica: &Replica, found: &Doc, nonce: u8) -> (Record, Doc) {
        let ended = rolled_back(replica.touched);
        let draw = (u64::from(nonce), &self.policy);
        let holder = self.holder(replica);
        let next = record(&holder.after_rollback(&self.claim(found), ended.step.phase, draw));
        let mut doc = *found;
        doc.record = Some(next);
        doc.holder = 0;
        doc.state = ended.state.unwrap_or(doc.state);
        doc.built = true;
        (next, doc)
    }

    /// What hands the cluster over.
    pub(crate) fn handover(&mut self) -> Write {
        self.write(&handed_over(), "hand-over")
    }

    /// What the replica does after a look at `state`.
    pub(crate) fn plan(&mut self, replica: &Replica, state: &State, late: bool) -> Plan {
        let mut sight = Sight {
            doc: replica.document,
            vapps: state.vapps.as_slice().to_vec(),
            vms: state.vms.as_slice().to_vec(),
            cluster: state.cluster,
            condemned: state.cluster.id != 0 && state.cluster.id == replica.condemned,
            late,
        };
        let known = replica.acknowledged.map(what_it_says);
        if known != replica.document.record.map(what_it_says) && self.mutant.is_none() {
            return Plan::Refused("anything");
        }
        let key = key(&sight);
        if let Some(plan) = self.known.get(&key) {
            return *plan;
        }
        mutants::blind(self.mutant, &mut sight);
        let seen = self.observe(&sight);
        let decision = decide(&seen, &self.policy);
        let plan = self.planned(replica, &seen, decision);
        let plan = mutants::twist(self.mutant, plan, &sight);
        self.known.insert(key, plan);
        plan
    }

    fn planned(&mut self, replica: &Replica, seen: &Observation, decision: Decision) -> Plan {
        match decision {
            Decision::Settled => Plan::Settled,
            Decision::Wait { .. } => Plan::Wait,
            Decision::Commit(change) => {
                let plan = written(&change, seen);
                let mut write = self.write(&plan, change.name());
                about_change(&mut write, &change, seen);
                Plan::Write(write)
            }
            Decision::Act(action) => {
                let admitted = self.holder(replica).admits(&seen.document, &action);
                if !admitted && self.mutant.is_none() {
                    return Plan::Refused(action.name());
                }
                act(&action)
            }
        }
    }

    fn write(&mut self, written: &Written, name: &'static str) -> Write {
        let at = self.names.iter().position(|known| *known == name);
        let at = at.unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        let (vapp, vm) = match &written.commitment {
            Commitment::Kept => (None, None),
            Commitment::Dropped => (Some(0), Some(0)),
            Commitment::Vapp(id, _) => (Some(number(id.as_str())), None),
            Commitment::Vm(id, _) => (None, Some(number(id.as_str()))),
        };
        Write {
            phase: written.step.phase,
            incarnation: written.step.incarnation.map(small),
            epoch_at_least: u8::try_from(written.step.epoch_at_least).unwrap(),
            release: written.step.release,
            pause: written.step.pause.is_some(),
            state: written.state,
            vapp,
            vm,
            ends_repair: written.ends_repair,
            forgets_reports: written.forgets_reports,
            clears_errors: written.clears_errors,
            name: small(u32::try_from(at).unwrap()),
            ..Write::default()
        }
    }
}

/// What an effect must be of: R9.
const fn what_it_says(record: Record) -> (u8, u8, u8) {
    (record.epoch, record.incarnation, phase_code(record.phase))
}

/// In which what was condemned stays so.
const fn stage(record: Record) -> (u8, u8) {
    (record.incarnation, phase_code(record.phase))
}

fn act(action: &Action) -> Plan {
    Plan::Act(match action {
        Action::ComposeVapp => Effect::Compose,
        Action::CreateVm(vapp) => Effect::CreateVm(number(vapp.as_str())),
        Action::PowerOn(vm) => Effect::PowerOn(number(vm.as_str())),
        Action::WriteWitness(vapp) => Effect::WriteWitness(number(vapp.as_str()) - 100),
        Action::UndeployVapp(vapp) => Effect::UndeployVapp(number(vapp.as_str())),
        Action::DeleteVapp(vapp) => Effect::DeleteVapp(number(vapp.as_str())),
        Action::UndeployVm(vm) => Effect::UndeployVm(number(vm.as_str())),
        Action::DeleteVm(vm) => Effect::DeleteVm(number(vm.as_str())),
        Action::Remove(Removing::DeleteVapp(vapp)) => {
            Effect::RemoveCluster(number(vapp.as_str()) - 100)
        }
        Action::DeleteEntity => return Plan::DeleteEntity,
        Action::ConnectNetwork(_)
        | Action::WriteUserData(_)
        | Action::ResolveEntity
        | Action::Remove(_) => unreachable!("not of this world: {action:?}"),
    })
}

fn record(heartbeat: &Heartbeat) -> Record {
    let number = |value: u64| u8::try_from(value).unwrap();
    Record {
        epoch: number(heartbeat.epoch),
        seq: number(heartbeat.seq),
        nonce: number(heartbeat.nonce),
        phase: heartbeat.phase,
        incarnation: small(heartbeat.incarnation),
        hold: heartbeat.hold,
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).unwrap()
}

fn number(id: &str) -> u8 {
    id.rsplit(':')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap()
}
