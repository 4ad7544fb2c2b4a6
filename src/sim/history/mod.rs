//! What was done to the site, in one total order: who did it, when it was sent, and what became of it.
//!
//! Flow: the world says who is at work ([`History::begin`]); handlers and effects count and note what they do;
//! the world notes every entity that changed. Each [`Entry`] goes to the judge at once.
//!
//! Invariants:
//! - An entry is of something that has happened; what was refused or failed is none.
//! - Entries are numbered from 1 without gaps. The oldest are forgotten, unless a test wants all of them;
//!   the judge has seen each.
//! - A cluster is followed from the first request of a replica on that may change it, so that a site of
//!   hundred thousand idle clusters costs nothing; a whole history follows all from the beginning.
//! - No text of an entry holds a secret: documents are kept as hashes, claims, states and ids.
//!
//! Not here: requests that changed nothing (`sim::request_log`), what is lawful (`sim::judge`).

mod deed;
mod world;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::deed::{
    Actor, Deed, Entry, Item, Machine, MachineChange, MachineKind, Origin, Written,
};
pub use super::entities::look::Look;
use super::judge::{Judge, Verdict};
use super::leaks::named_clusters;
use super::request_log::Delivery;
use crate::clock::Moment;

/// Entries that are remembered, unless all are.
const REMEMBERED: usize = 10_000;

/// How the label of a replica that comes over HTTP begins: its `User-Agent`, with its name in brackets.
const REPLICA_AGENT: &str = "cse-server/";

/// What was done, and how often.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// (effect, subject) -> how often it was applied. Effects: `vapp.composed`, `vm.created`,
    /// `vm.powered_on`, `vm.deleted`, `vapp.deleted`, `entity.replaced`, ... ; subject: the marker in
    /// the object's description, or the entity URN.
    #[serde(with = "super::state::pairs")]
    pub(crate) effects: BTreeMap<(Cow<'static, str>, String), u32>,
    /// Of this run of the simulator; a world that is read back begins a new one.
    #[serde(skip)]
    course: Course,
}

/// The entries, and what is needed to write the next one.
#[derive(Debug, Default)]
struct Course {
    entries: VecDeque<Entry>,
    /// Whether all are kept and all clusters followed.
    whole: bool,
    last: u64,
    by: Arc<Origin>,
    at: (Moment, Timestamp),
    /// Who began the tasks that run, by the task's bare UUID.
    tied: BTreeMap<String, Arc<Origin>>,
    /// Labels of the replicas in this process.
    replicas: BTreeSet<String>,
    judge: Judge,
}

impl History {
    /// The entries that are remembered, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.course.entries.iter()
    }

    /// How many entries there were in all.
    pub fn len(&self) -> u64 {
        self.course.last
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.course.last == 0
    }

    /// Counts one applied effect on `subject`.
    pub(crate) fn count(&mut self, effect: &'static str, subject: &str) {
        *self
            .effects
            .entry((Cow::Borrowed(effect), subject.to_owned()))
            .or_default() += 1;
        if is_of_an_item(effect) {
            self.note_item(effect, subject, ("", named_clusters(subject)));
        }
    }

    /// The same for an object that is known by `id` and belongs to `clusters`.
    pub(crate) fn count_item(
        &mut self,
        effect: &'static str,
        subject: &str,
        about: (&str, Vec<String>),
    ) {
        *self
            .effects
            .entry((Cow::Borrowed(effect), subject.to_owned()))
            .or_default() += 1;
        self.note_item(effect, subject, about);
    }

    fn note_item(
        &mut self,
        effect: &'static str,
        subject: &str,
        (id, clusters): (&str, Vec<String>),
    ) {
        self.note(Deed::Item(Box::new(Item {
            effect,
            id: id.to_owned(),
            name: subject.to_owned(),
            clusters,
        })));
    }

    /// Writes an entry about what happens now.
    pub(crate) fn note(&mut self, deed: Deed) {
        let course = &mut self.course;
        course.last += 1;
        let entry = Entry {
            number: course.last,
            at: course.at.0,
            wall: course.at.1,
            by: Arc::clone(&course.by),
            deed,
        };
        course.judge.see(&entry);
        course.entries.push_back(entry);
        if !course.whole && course.entries.len() > REMEMBERED {
            course.entries.pop_front();
        }
    }

    /// Whatever happens from here on happens at this moment.
    pub(crate) fn set_time(&mut self, at: (Moment, Timestamp)) {
        self.course.at = at;
    }

    /// Whatever happens from here on is done by `actor`, of itself.
    pub(crate) fn begin(&mut self, actor: Actor) {
        if self.course.by.actor != actor || !self.course.by.caller.is_empty() {
            self.course.by = Arc::new(Origin {
                actor,
                ..Origin::default()
            });
        }
    }

    /// Whatever happens from here on is done by whoever sent this request.
    pub(crate) fn begin_request(&mut self, delivery: &Delivery<'_>) {
        let caller = delivery.caller;
        let in_process = self.course.replicas.contains(caller);
        let over_http = caller.starts_with(REPLICA_AGENT) && caller.contains(" (");
        self.course.by = Arc::new(Origin {
            actor: if in_process || over_http {
                Actor::Replica
            } else {
                Actor::Client
            },
            caller: caller.to_owned(),
            user: None,
            // Over HTTP nobody knows how long a request was under way.
            sent: in_process.then_some(delivery.sent),
        });
    }

    /// Adds who is logged in.
    pub(crate) fn set_user(&mut self, user: &str) {
        Arc::make_mut(&mut self.course.by).user = Some(user.to_owned());
    }

    /// Whether a replica is at work.
    pub(crate) fn is_by_replica(&self) -> bool {
        self.course.by.actor == Actor::Replica
    }

    /// Remembers who began a task.
    pub(crate) fn tie(&mut self, task: &str) {
        let by = Arc::clone(&self.course.by);
        self.course.tied.insert(task.to_owned(), by);
    }

    /// Whatever happens from here on is done by whoever began the task, which ends.
    pub(crate) fn resume(&mut self, task: &str) {
        if let Some(by) = self.course.tied.remove(task) {
            self.course.by = by;
        }
    }

    /// Whether changes of the entity are noted.
    pub(crate) fn follows(&self, urn: &str) -> bool {
        self.course.whole || self.course.judge.look(urn).is_some()
    }

    /// What the entity was like at the last entry about it.
    pub(crate) fn look(&self, urn: &str) -> Option<&Arc<Look>> {
        self.course.judge.look(urn)
    }

    pub(crate) fn keep_all(&mut self) {
        self.course.whole = true;
    }

    pub(crate) fn add_replica(&mut self, label: &str) {
        self.course.replicas.insert(label.to_owned());
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.course.judge.verdicts(self.course.at.0)
    }
}

/// Whether an effect is on an object that is no entity, vApp or VM: those have entries of their own.
fn is_of_an_item(effect: &str) -> bool {
    let others = ["request", "entity.", "behavior.", "vapp.", "vm.", "disk."];
    !others.iter().any(|other| effect.starts_with(other))
}
