//! What a replica does next: it claims, looks, decides, sends, reads.

use cse_server::domain::claim::{ClaimPhase, Hold};
use cse_server::domain::status::ClusterState;

use super::super::daemon::{Plan, Reading};
use super::super::mutants::Mutant;
use super::super::site::Broken;
use super::super::state::{Ask, Doc, Effect, Fault, Mode, Purpose, Replica, Request, State, Write};
use super::{Moves, Who, forsake, rest, send};

impl Moves<'_> {
    pub(super) fn replica(&mut self, who: usize) {
        let replica = self.from.replicas.as_slice()[who];
        let me = Who::Replica(u8::try_from(who).unwrap());
        if !matches!(replica.mode, Mode::Dead | Mode::Idle)
            && let Some(mut state) = self.fault(Fault::Crash)
        {
            forsake(&mut state, who);
            state.replicas.as_mut()[who] = Replica {
                mode: Mode::Dead,
                identity: replica.identity,
                ..Replica::default()
            };
            self.push((me, "dies"), false, state, None);
        }
        match replica.mode {
            Mode::Dead => {
                let mut state = *self.from;
                state.identities += 1;
                state.replicas.as_mut()[who] = Replica {
                    identity: state.identities,
                    predecessor: if self.bounds.inherits {
                        replica.identity
                    } else {
                        0
                    },
                    ..Replica::default()
                };
                self.push((me, "starts again"), true, state, None);
            }
            Mode::Idle => self.claim(who, me),
            Mode::Holds => self.pass(who, me),
            Mode::Waits(_) => {}
            Mode::Unclear(purpose) | Mode::Again(purpose) => self.read(who, me, purpose),
        }
    }

    fn claim(&mut self, who: usize, me: Who) {
        let doc = self.from.doc;
        if !doc.exists || !self.daemon.needs_work(&doc) {
            return;
        }
        let robbed = self.is_worked_on(&doc);
        let state = if robbed {
            self.fault(Fault::Takeover)
        } else {
            Some(*self.from)
        };
        let Some(mut state) = state else { return };
        let nonce = state.fresh_nonce();
        let before = state.replicas.as_slice()[who];
        let (record, taken) = self.daemon.first(&doc, &before, nonce);
        let mut replica = Replica {
            mode: Mode::Waits(Purpose::Claim),
            acknowledged: Some(record),
            tag: doc.tag,
            document: doc,
            touched: doc
                .record
                .is_some_and(|record| record.phase == ClaimPhase::Deleting),
            ..before
        };
        let tag = self.daemon.sent(&mut replica, record);
        state.replicas.as_mut()[who] = replica;
        let ask = Ask::Put(tag, taken);
        send(&mut state, who, ask);
        let what = if robbed {
            "takes the cluster over: asks to claim"
        } else {
            "asks to claim"
        };
        self.push((me, what), !robbed, state, None);
        self.describe(ask, "claim");
    }

    /// Whether a live process believes that the record in the document is its own.
    fn is_worked_on(&self, doc: &Doc) -> bool {
        let record = doc
            .record
            .filter(|record| doc.holder != 0 && record.hold == Hold::Held);
        let Some(record) = record else { return false };
        self.from.replicas.as_slice().iter().any(|replica| {
            let mut known = replica
                .unanswered
                .as_slice()
                .iter()
                .chain([&replica.acknowledged]);
            replica.identity == doc.holder && known.any(|known| *known == Some(record))
        })
    }

    /// One pass of a holder.
    fn pass(&mut self, who: usize, me: Who) {
        let replica = self.from.replicas.as_slice()[who];
        if replica.tag == 0 || replica.document.tag != self.from.doc.tag || !self.from.doc.exists {
            self.read(who, me, Purpose::Effect);
        }
        if replica.tag == 0 {
            return;
        }
        let plan = self.daemon.plan(&replica, self.from, false);
        self.follow(plan, (who, me), Some(*self.from));
        if plan == Plan::Wait {
            // Time passes by itself.
            let late = self.daemon.plan(&replica, self.from, true);
            self.follow(late, (who, me), Some(*self.from));
        }
        if let Some(state) = self.fault(Fault::Drain) {
            let handover = self.daemon.handover();
            self.follow(Plan::Write(handover), (who, me), Some(state));
            if let Some(last) = self.out.last_mut() {
                last.fair = false;
            }
        }
    }

    fn follow(&mut self, plan: Plan, (who, me): (usize, Who), state: Option<State>) {
        let Some(mut state) = state else { return };
        let replica = state.replicas.as_slice()[who];
        match plan {
            Plan::Wait => {}
            Plan::Settled => {
                rest(&mut state, who);
                self.push((me, "finds nothing to do"), true, state, None);
            }
            Plan::Refused(what) => self.push((me, what), true, state, Some("an effect is refused")),
            Plan::DeleteEntity => self.delete_entity((who, me), state),
            Plan::Act(effect) => {
                let broken = judge_effect(&replica, effect);
                let record = replica.acknowledged.unwrap();
                let holds = &mut state.replicas.as_mut()[who];
                holds.mode = Mode::Waits(Purpose::Effect);
                holds.touched |= record.phase == ClaimPhase::Deleting;
                let ask = Ask::Effect(effect, record.epoch, record.incarnation);
                send(&mut state, who, ask);
                self.push((me, "asks to"), true, state, broken);
                self.describe(ask, "");
            }
            Plan::Write(write) => {
                let ask = self.write(&mut state, who, &write);
                self.push((me, "asks to write"), true, state, None);
                let name = self.daemon.name(&write);
                self.describe(ask, name);
            }
        }
    }

    /// The entity goes: it is read once more, and deleted as it was read.
    fn delete_entity(&mut self, (who, me): (usize, Who), mut state: State) {
        let quiet = |request: &Request| matches!(request.ask, Ask::Put(..) | Ask::DeleteEntity(_));
        // Whoever held the cluster before has stopped by itself long ago.
        let stopped = |(at, other): (usize, &Replica)| {
            let claims = |purpose: Purpose| purpose == Purpose::Claim;
            at == who
                || match other.mode {
                    Mode::Dead | Mode::Idle => true,
                    Mode::Waits(purpose) | Mode::Unclear(purpose) => claims(purpose),
                    Mode::Holds | Mode::Again(_) => false,
                }
        };
        let alone = || state.replicas.as_slice().iter().enumerate().all(stopped);
        let silent = || state.requests.as_slice().iter().all(quiet);
        if self.bounds.site.quarantine && !(alone() && silent()) {
            return;
        }
        let mut replica = state.replicas.as_slice()[who];
        let reading = if state.doc.exists {
            self.daemon.read(&mut replica, &state.doc)
        } else {
            gone()
        };
        match reading {
            Reading::Ours => {
                let tag = replica.tag;
                replica.tag = 0;
                replica.mode = Mode::Waits(Purpose::DeleteEntity);
                state.replicas.as_mut()[who] = replica;
                send(&mut state, who, Ask::DeleteEntity(tag));
                self.push((me, "asks to delete the entity"), true, state, None);
            }
            lost @ Reading::Lost { .. } => self.lost(who, me, (state, lost)),
        }
    }

    /// The replica's next write of the document leaves.
    fn write(&mut self, state: &mut State, who: usize, write: &Write) -> Ask {
        let nonce = state.fresh_nonce();
        let mut replica = state.replicas.as_slice()[who];
        let (record, doc) = self.daemon.next(&replica, write, nonce);
        let tag = self.daemon.sent(&mut replica, record);
        replica.mode = Mode::Waits(Purpose::Change(*write));
        state.replicas.as_mut()[who] = replica;
        let ask = Ask::Put(tag, doc);
        send(state, who, ask);
        ask
    }

    /// It reads the document, after an unclear answer, after a conflict, or to see what is new.
    fn read(&mut self, who: usize, me: Who, purpose: Purpose) {
        let mut state = *self.from;
        let mut replica = state.replicas.as_slice()[who];
        let again = matches!(replica.mode, Mode::Again(_));
        let decided_on = replica.acknowledged.unwrap();
        if let Purpose::Rollback(touched) = purpose {
            replica.touched = touched;
            state.replicas.as_mut()[who] = replica;
            self.end_deletion(who, me, state);
            return;
        }
        let reading = if state.doc.exists {
            self.daemon.read(&mut replica, &state.doc)
        } else {
            gone()
        };
        if reading != Reading::Ours {
            self.lost(who, me, (state, reading));
            return;
        }
        let landed = replica
            .acknowledged
            .is_some_and(|record| record.nonce == replica.sent);
        replica.mode = Mode::Holds;
        match purpose {
            Purpose::Change(write) if landed => {
                replica.composed = 0;
                replica.condemned = replica.condemned.max(write.condemns);
                state.replicas.as_mut()[who] = replica;
                if write.release || write.pause {
                    rest(&mut state, who);
                }
                self.push((me, "reads: its write has landed"), true, state, None);
            }
            Purpose::Change(write) if again && self.daemon.stands_as(&replica, &decided_on) => {
                state.replicas.as_mut()[who] = replica;
                let ask = self.write(&mut state, who, &write);
                self.push((me, "reads, and asks again to write"), true, state, None);
                let name = self.daemon.name(&write);
                self.describe(ask, name);
            }
            Purpose::Claim
            | Purpose::Change(_)
            | Purpose::Effect
            | Purpose::DeleteEntity
            | Purpose::Rollback(_) => {
                state.replicas.as_mut()[who] = replica;
                self.push((me, "reads the document: still its own"), true, state, None);
            }
        }
    }

    /// The claim is lost: nothing more is done, but what is only its own is taken back.
    fn lost(&mut self, who: usize, me: Who, (mut state, reading): (State, Reading)) {
        let Reading::Lost {
            deletion_rolled_back,
            composed_is_nobodys,
        } = reading
        else {
            return;
        };
        let replica = state.replicas.as_slice()[who];
        let first = matches!(replica.mode, Mode::Unclear(Purpose::Claim));
        if deletion_rolled_back && !first {
            self.end_deletion(who, me, state);
            return;
        }
        let taken_back = composed_is_nobodys || self.daemon.mutant == Some(Mutant::TakesBackAlways);
        if replica.composed != 0 && taken_back {
            let ask = Ask::Effect(Effect::DeleteVapp(replica.composed), 0, 0);
            send(&mut state, who, ask);
            forsake(&mut state, who);
        }
        rest(&mut state, who);
        self.push(
            (me, "reads the document: the claim is lost"),
            true,
            state,
            None,
        );
    }

    /// An older document was written over the deletion it was at.
    fn end_deletion(&mut self, who: usize, me: Who, mut state: State) {
        let mut replica = state.replicas.as_slice()[who];
        let found = state.doc;
        let still = found.exists
            && matches!(
                self.daemon.read(&mut replica.clone(), &found),
                Reading::Lost {
                    deletion_rolled_back: true,
                    ..
                }
            );
        if !still {
            rest(&mut state, who);
            self.push(
                (me, "reads the document: the claim is lost"),
                true,
                state,
                None,
            );
            return;
        }
        let nonce = state.fresh_nonce();
        let (record, doc) = self.daemon.rollback(&replica, &found, nonce);
        replica.tag = found.tag;
        let tag = self.daemon.sent(&mut replica, record);
        replica.mode = Mode::Waits(Purpose::Rollback(replica.touched));
        state.replicas.as_mut()[who] = replica;
        let ask = Ask::Put(tag, doc);
        send(&mut state, who, ask);
        self.push(
            (me, "finds its deletion rolled back: asks to write"),
            true,
            state,
            None,
        );
        self.describe(ask, "end of the deletion");
    }
}

/// Nothing is created by whoever knows that the cluster is to go, nor by whoever is done with it.
fn judge_effect(replica: &Replica, effect: Effect) -> Option<Broken> {
    let doc = &replica.document;
    let creates = matches!(
        effect,
        Effect::Compose | Effect::CreateVm(_) | Effect::PowerOn(_)
    );
    let going = doc.marked || doc.state == ClusterState::Deleting;
    if creates && going {
        return Some("something is created for a cluster that is to go");
    }
    (creates && replica.touched).then_some("C.8: whoever deletes goes on as if nothing had been")
}

const fn gone() -> Reading {
    Reading::Lost {
        deletion_rolled_back: false,
        composed_is_nobodys: true,
    }
}
