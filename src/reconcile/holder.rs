//! What a holder knows of its own claim: the last acknowledged record, the unanswered ones, the tag at hand.
//!
//! Flow: the right to act begins with [`Holder::taking`]; every write is [`Holder::send`], then
//! [`Holder::acknowledged`] or silence; after silence or a conflict comes [`Holder::read`].
//!
//! Invariants:
//! - One read licenses one write: sending spends the tag.
//! - An unclear answer is no acknowledgement; only our record found in the document is.
//! - Time of an acknowledged write counts from when it was *sent*.
//! - A record that is not exactly one this process wrote means the claim is lost, even when it looks like
//!   an older one of ours: then the document was rolled back.
//! - Epoch and sequence never go down.
//! - An effect starts only from a look at the document with the last acknowledged record in it (rule R9).
//!
//! Not here: requests and what they carry (`controller::claim`), when a record may be taken (`taking`).

use std::cmp::Ordering;

use super::decision::Action;
use super::interest::Summary;
use super::observation::DocumentSeen;
use super::policy::Policy;
use super::step::Step;
use crate::domain::claim::{Claim, ClaimPhase, Heartbeat, Hold, HolderId};

/// Unanswered writes that are remembered; all but the last few are refused by their tags anyway.
const MAX_UNANSWERED: usize = 8;

/// The claim belongs to somebody else, or the document went back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs;

/// One process's hold on one cluster. `Tag` is the tag of a read, `When` a moment of the process's own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder<Tag, When> {
    me: HolderId,
    record: Heartbeat,
    /// When the last acknowledged write was sent.
    sent_at: When,
    /// Records sent since the last acknowledged one, and when: each may have landed, or still may.
    unanswered: Vec<(Heartbeat, When)>,
    /// `None` after the tag was spent on a write without a usable answer.
    tag: Option<Tag>,
}

impl<Tag, When: Copy> Holder<Tag, When> {
    /// A process about to write `record`, its first, upon the read that gave `tag`.
    pub fn taking(me: HolderId, record: Heartbeat, (tag, now): (Tag, When)) -> Self {
        Self {
            me,
            record,
            sent_at: now,
            unanswered: Vec::new(),
            tag: Some(tag),
        }
    }

    /// This process.
    pub const fn me(&self) -> &HolderId {
        &self.me
    }

    /// The record as last acknowledged.
    pub const fn record(&self) -> &Heartbeat {
        &self.record
    }

    /// When the last acknowledged write was sent.
    pub const fn sent_at(&self) -> When {
        self.sent_at
    }

    /// The records that may have landed, or still may, the oldest first.
    pub fn unanswered(&self) -> impl Iterator<Item = &Heartbeat> {
        self.unanswered.iter().map(|(record, _)| record)
    }

    /// Whether the document at hand may be older than this holder's own last write.
    pub const fn is_stale(&self) -> bool {
        self.tag.is_none()
    }

    /// The next record: one more write of this holder.
    pub fn next(&self, step: &Step, nonce: u64, policy: &Policy) -> Heartbeat {
        let last = &self.record;
        Heartbeat {
            epoch: last.epoch.max(step.epoch_at_least),
            seq: last.seq.saturating_add(1),
            nonce,
            term: step.pause.unwrap_or(policy.takeover),
            phase: step.phase.unwrap_or(last.phase),
            incarnation: step.incarnation.unwrap_or(last.incarnation),
            hold: match step.pause {
                Some(_) => Hold::Waiting,
                None if step.release => Hold::Released,
                None => Hold::Held,
            },
        }
    }

    /// A write of `record` leaves now: spends the tag, which the write must carry. `None`: read first.
    pub fn send(&mut self, record: Heartbeat, now: When) -> Option<Tag> {
        let tag = self.tag.take()?;
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.remove(0);
        }
        self.unanswered.push((record, now));
        Some(tag)
    }

    /// The write that was sent last has taken effect; `tag` is the document's new one.
    pub fn acknowledged(&mut self, tag: Tag) {
        if let Some((record, sent_at)) = self.unanswered.pop() {
            self.record = record;
            self.sent_at = sent_at;
        }
        self.unanswered.clear();
        self.tag = Some(tag);
    }

    /// The document was read: is the claim in it still ours, by the last acknowledged record or by one whose
    /// answer never came?
    ///
    /// # Errors
    /// [`NotOurs`]: the claim is lost. Nothing may be written or done any more.
    pub fn read(&mut self, claim: &Claim, tag: Tag) -> Result<(), NotOurs> {
        if !self.is_mine(claim, &self.record) {
            let sent = &self.unanswered;
            let at = sent.iter().position(|(sent, _)| self.is_mine(claim, sent));
            let at = at.ok_or(NotOurs)?;
            (self.record, self.sent_at) = self.unanswered.swap_remove(at);
        }
        self.tag = Some(tag);
        Ok(())
    }

    /// Whether the claim stands as it did when its record was `decided_on`: the same attempt in the same phase.
    ///
    /// A write of ours that was given up may land late and change both. What was decided before is then out of
    /// date, and must not be written on top of it.
    pub fn stands_as(&self, decided_on: &Heartbeat) -> bool {
        let of = |record: &Heartbeat| (record.phase, record.incarnation, record.epoch);
        of(&self.record) == of(decided_on)
    }

    /// Takes the tag for a request that is to take effect on exactly the document at hand.
    pub const fn spend(&mut self) -> Option<Tag> {
        self.tag.take()
    }

    fn is_mine(&self, claim: &Claim, record: &Heartbeat) -> bool {
        let by_me = claim.holder.as_ref() == Some(&self.me) || claim.holder.is_none();
        by_me
            && claim
                .heartbeat
                .as_ref()
                .is_some_and(|found| is_same(found, record))
    }

    /// Whether `action`, decided on `document`, may start: the document shows the last acknowledged record,
    /// and the action is one of its phase.
    pub fn admits(&self, document: &DocumentSeen, action: &Action) -> bool {
        let ours = &self.record;
        let seen = (document.phase, document.incarnation, document.epoch);
        let held = ours.hold == Hold::Held;
        held && seen == (ours.phase, ours.incarnation, ours.epoch) && is_of_phase(action, document)
    }

    /// Whether nobody can have committed a vApp, made by this holder and committed by nobody as far as it
    /// knows, after the claim was lost to `claim`.
    ///
    /// Another holder at work on the same attempt finds the vApp by its marker and goes on with it; so does one
    /// that goes on from an older version of the document, whatever phase that is in. What was begun must then
    /// stay.
    pub fn leaves_to_nobody(&self, claim: &Claim) -> bool {
        let creates = match claim.phase() {
            ClaimPhase::Pending | ClaimPhase::Creating => true,
            ClaimPhase::Done | ClaimPhase::Teardown | ClaimPhase::Deleting => false,
        };
        let is_over = match claim.incarnation().cmp(&self.record.incarnation) {
            Ordering::Less => false,
            Ordering::Equal => !creates,
            Ordering::Greater => true,
        };
        is_over && !self.is_newer_than(claim)
    }

    /// Whether the record is from before ours: nobody claims with a lower epoch, and no holder writes a lower
    /// sequence, so an older version of the document was written over ours.
    fn is_newer_than(&self, claim: &Claim) -> bool {
        let found = claim.heartbeat.as_ref();
        let found = found.map_or((0, 0), |record| (record.epoch, record.seq));
        found < (self.record.epoch, self.record.seq)
    }

    /// Whether the claim was lost to an older version of the document that knows of no deletion.
    pub fn deletion_rolled_back(&self, found: &Summary) -> bool {
        let deletes = self.record.phase == ClaimPhase::Deleting;
        deletes && self.is_newer_than(&found.claim) && !found.wants_deletion()
    }

    /// The record that ends a deletion over which the older version `found` was written; it goes to `phase`, or
    /// stays where that version had it.
    pub fn after_rollback(
        &self,
        found: &Claim,
        phase: Option<ClaimPhase>,
        (nonce, policy): (u64, &Policy),
    ) -> Heartbeat {
        Heartbeat {
            epoch: self.record.epoch.saturating_add(1),
            seq: 1,
            nonce,
            term: policy.takeover,
            phase: phase.unwrap_or_else(|| found.phase()),
            incarnation: self.record.incarnation.max(found.incarnation()),
            hold: Hold::Released,
        }
    }

    /// The older version that a deletion was lost to was read: from here on writes go on top of it.
    pub fn follow_rollback(&mut self, tag: Tag) {
        self.tag = Some(tag);
    }
}

/// Whether it is the same record; the text has whole seconds of the term only.
fn is_same(found: &Heartbeat, written: &Heartbeat) -> bool {
    let term = written.term;
    let found = Heartbeat {
        term,
        ..found.clone()
    };
    found == *written
}

/// Whether the action is one that the phase of the document allows.
fn is_of_phase(action: &Action, document: &DocumentSeen) -> bool {
    let creates = document.phase == ClaimPhase::Creating;
    match action {
        Action::ComposeVapp => creates && document.committed_vapp.is_none(),
        Action::ConnectNetwork(vapp) | Action::CreateVm(vapp) => {
            creates && document.committed_vapp.as_ref() == Some(vapp)
        }
        Action::WriteUserData(vm) | Action::PowerOn(vm) => {
            creates && document.committed_vm.as_ref() == Some(vm)
        }
        Action::UndeployVm(vm) | Action::DeleteVm(vm) => {
            creates && document.committed_vm.as_ref() != Some(vm)
        }
        Action::UndeployVapp(vapp) | Action::DeleteVapp(vapp) => {
            !creates || document.committed_vapp.as_ref() != Some(vapp)
        }
        Action::WriteWitness(_) => creates,
        Action::Remove(_) => {
            matches!(document.phase, ClaimPhase::Teardown | ClaimPhase::Deleting)
        }
        Action::ResolveEntity => creates || document.phase == ClaimPhase::Deleting,
        Action::DeleteEntity => document.phase == ClaimPhase::Deleting,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;
    use crate::domain::ids::{EntityId, VappId, VmId};
    use crate::domain::status::ClusterState;
    use crate::reconcile::observation::DeletionSeen;

    fn me() -> HolderId {
        HolderId::new("a", 1)
    }

    fn first() -> Heartbeat {
        Heartbeat {
            epoch: 4,
            seq: 1,
            nonce: 1,
            term: Policy::standard(Vec::new()).takeover,
            phase: ClaimPhase::Creating,
            incarnation: 2,
            hold: Hold::Held,
        }
    }

    fn claim(record: &Heartbeat) -> Claim {
        Claim::from_wire(me().as_str(), &record.to_string())
    }

    /// Acknowledged at moment 10, with the tag "b" at hand.
    fn holder() -> Holder<&'static str, u8> {
        let mut holder = Holder::taking(me(), first(), ("a", 9));
        assert_eq!(holder.send(first(), 10), Some("a"));
        holder.acknowledged("b");
        holder
    }

    fn next(holder: &Holder<&'static str, u8>, nonce: u64) -> Heartbeat {
        let policy = Policy::standard(Vec::new());
        holder.next(&Step::default(), nonce, &policy)
    }

    #[test]
    fn a_tag_serves_one_write_and_silence_acknowledges_nothing() {
        let mut holder = holder();
        let second = next(&holder, 2);
        assert_eq!(holder.send(second.clone(), 20), Some("b"));
        assert_eq!(holder.send(next(&holder, 3), 21), None);
        assert!(holder.is_stale());
        assert_eq!((holder.record(), holder.sent_at()), (&first(), 10));
        // It has landed after all, and counts from when it was sent.
        assert_eq!(holder.read(&claim(&second), "c"), Ok(()));
        assert_eq!((holder.record(), holder.sent_at()), (&second, 20));
    }

    #[test]
    fn a_record_of_somebody_else_or_an_older_or_changed_one_of_ours_is_not_ours() {
        let mut holder = holder();
        let (_, second) = (holder.send(next(&holder, 2), 20), next(&holder, 2));
        holder.acknowledged("c");
        let changed = Heartbeat {
            phase: ClaimPhase::Teardown,
            ..second.clone()
        };
        let other = Claim::from_wire("b/7", &second.to_string());
        for lost in [claim(&first()), claim(&changed), other, Claim::default()] {
            assert_eq!(holder.clone().read(&lost, "d"), Err(NotOurs), "{lost:?}");
        }
        assert_eq!(holder.read(&claim(&second), "d"), Ok(()));
    }

    #[test]
    fn a_late_write_of_ours_that_changes_the_phase_outdates_what_was_decided() {
        let mut holder = holder();
        let policy = Policy::standard(Vec::new());
        let late = holder.next(&Step::to(ClaimPhase::Deleting), 2, &policy);
        let heartbeat = next(&holder, 3);
        holder.send(late.clone(), 20);
        holder.read(&claim(&first()), "c").unwrap();
        let decided_on = holder.record().clone();
        assert!(holder.stands_as(&decided_on));
        holder.send(heartbeat.clone(), 30);
        let mut other = holder.clone();
        assert_eq!(other.read(&claim(&heartbeat), "d"), Ok(()));
        assert!(other.stands_as(&decided_on));
        assert_eq!(holder.read(&claim(&late), "d"), Ok(()));
        assert!(!holder.stands_as(&decided_on));
    }

    #[test]
    fn epoch_and_sequence_only_go_up() {
        let policy = Policy::standard(Vec::new());
        for (at_least, epoch) in [(0, 4), (4, 4), (9, 9)] {
            let step = Step {
                epoch_at_least: at_least,
                ..Step::default()
            };
            let next = holder().next(&step, 5, &policy);
            assert_eq!((next.epoch, next.seq, next.incarnation), (epoch, 2, 2));
        }
    }

    #[test]
    fn what_a_holder_made_is_left_to_whoever_may_go_on_with_it() {
        let found = |epoch, phase, incarnation| {
            claim(&Heartbeat {
                epoch,
                phase,
                incarnation,
                ..first()
            })
        };
        let cases = [
            (
                "a successor at the same attempt",
                found(5, ClaimPhase::Creating, 2),
                false,
            ),
            (
                "a successor at a later attempt",
                found(5, ClaimPhase::Creating, 3),
                true,
            ),
            (
                "a successor that removes",
                found(5, ClaimPhase::Teardown, 2),
                true,
            ),
            (
                "an older version of a clean-up",
                found(3, ClaimPhase::Teardown, 1),
                false,
            ),
            (
                "a successor upon that version",
                found(5, ClaimPhase::Teardown, 1),
                false,
            ),
            (
                "an older version that was over",
                found(3, ClaimPhase::Done, 1),
                false,
            ),
            ("a version before any claim", Claim::default(), false),
        ];
        for (name, claim, nobodys) in cases {
            assert_eq!(holder().leaves_to_nobody(&claim), nobodys, "{name}");
        }
    }

    fn document(phase: ClaimPhase, incarnation: u32) -> DocumentSeen {
        DocumentSeen {
            entity: EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:1").unwrap(),
            marked_for_delete: false,
            auto_repair: false,
            state: ClusterState::Provisioning,
            phase,
            incarnation,
            epoch: 4,
            committed_vapp: Some(VappId::parse("urn:vcloud:vapp:1").unwrap()),
            committed_vm: Some(VmId::parse("urn:vcloud:vm:1").unwrap()),
            reported: std::collections::BTreeSet::new(),
            resolved: false,
            control_plane_ready: false,
            failed_attempts: 0,
            rollback_reported: false,
            deletion: DeletionSeen::default(),
        }
    }

    #[test]
    fn only_what_the_acknowledged_record_allows_may_start() {
        let vapp = |n: u8| VappId::parse(&format!("urn:vcloud:vapp:{n}")).unwrap();
        let vm = |n: u8| VmId::parse(&format!("urn:vcloud:vm:{n}")).unwrap();
        let creating = document(ClaimPhase::Creating, 2);
        let cases = [
            (&creating, Action::PowerOn(vm(1)), true),
            (&creating, Action::PowerOn(vm(2)), false),
            (&creating, Action::DeleteVm(vm(1)), false),
            (&creating, Action::DeleteVm(vm(2)), true),
            (&creating, Action::DeleteVapp(vapp(1)), false),
            (&creating, Action::DeleteVapp(vapp(2)), true),
            (&creating, Action::ComposeVapp, false),
            (&creating, Action::DeleteEntity, false),
            (
                &document(ClaimPhase::Creating, 3),
                Action::PowerOn(vm(1)),
                false,
            ),
            (
                &document(ClaimPhase::Deleting, 2),
                Action::DeleteEntity,
                false,
            ),
        ];
        for (document, action, may) in cases {
            assert_eq!(holder().admits(document, &action), may, "{action:?}");
        }
    }
}
