//! What the writers were told, and whether the documents agree.
//!
//! Method: the history of the site knows every version of a document and who wrote it. Along it the account follows
//! what has to stand in each place: a writer's own acknowledged update changes its own places; a typed rewrite and
//! a migration of the type set every place to what they wrote; a new attempt of the creation forgets what was
//! reported of the last one. Every document that any writer has read has to be exactly as the account says.
//!
//! Invariants:
//! - The n-th version of a document by one writer is its n-th acknowledged update: none is missing, none is more.
//! - What a server has written into its own fields changes by servers only, and by the typed rewrite.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cse_server::sim::history::{Actor, Deed, Entry, Look, Written};

use super::marks::{FORGOTTEN, Marks, PLACES, PROGRESS};
use super::wild::{Kind, LABEL};

/// Complaints that are told.
const TOLD: usize = 20;

/// An update that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) number: u64,
    /// All marks of the document that was written.
    pub(super) marks: Marks,
    pub(super) tries: usize,
}

#[derive(Debug, Default)]
struct Book {
    updates: BTreeMap<(String, Kind), VecDeque<Update>>,
    seen: Vec<(String, u64, Marks)>,
    gave_up: BTreeMap<Kind, usize>,
    complaints: Vec<String>,
}

/// What all writers write down.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acknowledged(&self, urn: &str, kind: Kind, update: Update) {
        let mut book = self.book();
        let updates = book.updates.entry((urn.to_owned(), kind)).or_default();
        updates.push_back(update);
    }

    /// Loses the last acknowledgement of a writer.
    pub(super) fn forget(&self, urn: &str, kind: Kind) {
        let mut book = self.book();
        let updates = book.updates.get_mut(&(urn.to_owned(), kind));
        updates.and_then(VecDeque::pop_back);
    }

    pub(super) fn saw(&self, urn: &str, revision: u64, marks: Marks) {
        self.book().seen.push((urn.to_owned(), revision, marks));
    }

    pub(super) fn gave_up(&self, kind: Kind) {
        *self.book().gave_up.entry(kind).or_default() += 1;
    }

    pub(super) fn complain(&self, what: String) {
        self.book().complaints.push(what);
    }

    /// Goes through the whole history.
    ///
    /// # Errors
    /// What was lost, or undone, or refused without a reason.
    pub(super) fn account<'e>(
        &self,
        history: impl Iterator<Item = &'e Entry>,
    ) -> Result<Account, String> {
        let mut book = std::mem::take(&mut *self.book());
        let mut audit = Audit {
            complaints: std::mem::take(&mut book.complaints),
            ..Audit::default()
        };
        for (kind, times) in &book.gave_up {
            audit.account.of(*kind).gave_up += times;
        }
        for entry in history {
            if let Deed::Written(written) = &entry.deed {
                audit.version(entry, written, &mut book);
            } else if let Deed::Gone { entity } = &entry.deed {
                audit.gone(entity);
            }
        }
        for ((urn, kind), left) in book.updates.iter().filter(|(_, left)| !left.is_empty()) {
            let (kind, left) = (kind.name(), left.len());
            audit.complain(format!("{left} updates of {kind} are no version of {urn}"));
        }
        audit.compare(&book.seen);
        audit.verdict()
    }
}

/// What became of the updates of one writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    pub(super) acknowledged: usize,
    pub(super) tries: usize,
    pub(super) most_tries: usize,
    pub(super) gave_up: usize,
    /// Replaced by the next one of the same writer.
    pub(super) replaced: usize,
    /// Set back by a typed rewrite.
    pub(super) rolled_back: usize,
    /// Back in force after a typed rewrite.
    pub(super) restored: usize,
    /// Left out by a migration of the type, which is one of two places of the projector.
    pub(super) left_out: usize,
    /// Forgotten with an attempt of the creation.
    pub(super) forgotten: usize,
    /// There until the cluster was deleted.
    pub(super) gone: usize,
    /// There at the end.
    pub(super) there: usize,
    /// Gone again before anybody could look.
    pub(super) unseen: usize,
}

impl Fate {
    /// Updates of which nobody knows what became of them.
    pub(super) const fn lost(&self) -> usize {
        let known = self.replaced + self.rolled_back + self.forgotten + self.gone + self.there;
        (self.acknowledged + self.restored).abs_diff(known)
    }
}

/// The figures of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) fates: BTreeMap<Kind, Fate>,
    /// Looks of writers at documents.
    pub(super) looks: usize,
    /// Versions that replicas have written.
    pub(super) ours: usize,
    /// Writes of others before which a server's own fields stood, and after which they still did.
    pub(super) kept: usize,
    /// Typed rewrites that set a server's own fields back.
    pub(super) set_back: usize,
}

impl Account {
    pub(super) fn of(&mut self, kind: Kind) -> &mut Fate {
        self.fates.entry(kind).or_default()
    }
}

/// A document as the account has it.
#[derive(Debug, Default)]
struct Page {
    marks: Marks,
    look: Option<Arc<Look>>,
    gone: bool,
}

#[derive(Debug, Default)]
struct Audit {
    pages: BTreeMap<String, Page>,
    /// What has to stand in each version.
    versions: BTreeMap<(String, u64), Marks>,
    account: Account,
    complaints: Vec<String>,
}

/// What a replica writes besides events: all of it is new with each write.
fn record(look: &Look) -> (&str, &str, &str, &[String]) {
    (
        &look.worker_id,
        &look.heartbeat,
        &look.state,
        &look.committed,
    )
}

/// Whether a server has begun the creation anew.
fn begins_anew(before: Option<&Arc<Look>>, after: &Look) -> bool {
    before.is_some_and(|before| {
        let tried = before.claim.incarnation();
        tried > 0 && after.state == "provisioning" && after.claim.incarnation() == tried + 1
    })
}

impl Audit {
    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn version(&mut self, entry: &Entry, written: &Written, book: &mut Book) {
        let (urn, look) = (&written.entity, &written.look);
        let mut page = self.pages.remove(urn).unwrap_or_default();
        let label = entry.by.caller.strip_prefix(LABEL);
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| label == Some(kind.name()));
        if let Some(kind) = kind {
            let updates = book.updates.get_mut(&(urn.clone(), kind));
            match updates.and_then(VecDeque::pop_front) {
                Some(update) => self.updated(kind, &update, (urn, &mut page.marks)),
                None => self.complain(format!(
                    "revision {} of {urn} by {} was not acknowledged",
                    look.revision,
                    kind.name()
                )),
            }
        }
        if entry.by.actor == Actor::Replica {
            self.account.ours += 1;
            if begins_anew(page.look.as_ref(), look) {
                self.forget(&mut page.marks);
            }
        } else if let Some(before) = &page.look {
            let same = record(before) == record(look);
            match (same, kind) {
                (true, _) => self.account.kept += 1,
                (false, Some(Kind::Terraform)) => self.account.set_back += 1,
                (false, _) => self.complain(format!(
                    "revision {} of {urn} by {:?} undoes what a server wrote: {:?} is {:?}",
                    look.revision,
                    entry.by,
                    record(before),
                    record(look)
                )),
            }
        }
        let version = (urn.clone(), look.revision);
        self.versions.insert(version, page.marks);
        page.look = Some(Arc::clone(look));
        self.pages.insert(urn.clone(), page);
    }

    /// An acknowledged update has become a version.
    fn updated(&mut self, kind: Kind, update: &Update, (urn, marks): (&str, &mut Marks)) {
        let fate = self.account.of(kind);
        fate.acknowledged += 1;
        fate.tries += update.tries;
        fate.most_tries = fate.most_tries.max(update.tries);
        for (n, (whose, path)) in PLACES.into_iter().enumerate() {
            let (before, after) = (marks[n], update.marks[n]);
            let own = whose == kind;
            if own && after != Some(update.number) {
                self.complain(format!("{} did not write {path} of {urn}", kind.name()));
            }
            if before == after || before.is_none() && own {
                continue;
            }
            let first = first_place(n);
            let fate = self.account.of(whose);
            if kind == Kind::Terraform && !own {
                fate.restored += usize::from(first && after.is_some());
            }
            if own {
                fate.replaced += usize::from(first);
            } else if kind == Kind::Terraform {
                fate.rolled_back += usize::from(first && before.is_some());
            } else if kind == Kind::Upgrade && path == PROGRESS {
                fate.left_out += 1;
            } else {
                self.complain(format!(
                    "{} wrote {after:?} over {before:?} of {} at {path} of {urn}",
                    kind.name(),
                    whose.name()
                ));
            }
        }
        *marks = update.marks;
    }

    fn forget(&mut self, marks: &mut Marks) {
        for (n, (whose, path)) in PLACES.into_iter().enumerate() {
            if FORGOTTEN.contains(&path) && marks[n].take().is_some() {
                self.account.of(whose).forgotten += 1;
            }
        }
    }

    fn gone(&mut self, urn: &str) {
        if let Some(page) = self.pages.get_mut(urn) {
            page.gone = true;
        }
    }

    /// Every document that was read is as it has to be.
    fn compare(&mut self, seen: &[(String, u64, Marks)]) {
        self.account.looks = seen.len();
        let mut found = BTreeSet::new();
        for (urn, revision, marks) in seen {
            let from = (urn.clone(), 0);
            let versions = self.versions.range(from..=(urn.clone(), *revision));
            let Some(((_, last), expected)) = versions.last() else {
                self.complain(format!("revision {revision} of {urn} is not known"));
                continue;
            };
            let (last, expected) = (*last, *expected);
            for (n, (whose, path)) in PLACES.into_iter().enumerate() {
                if marks[n] == expected[n] {
                    found.extend(marks[n].map(|number| (whose, number)));
                } else {
                    self.complain(format!(
                        "an update of {} is lost: {path} of {urn} is {:?} in revision {revision}, \
                         and {:?} was written by revision {last}",
                        whose.name(),
                        marks[n],
                        expected[n]
                    ));
                }
            }
        }
        for (kind, fate) in &mut self.account.fates {
            let looked_at = found.iter().filter(|(whose, _)| whose == kind).count();
            fate.unseen = fate.acknowledged.saturating_sub(looked_at);
        }
    }

    fn verdict(mut self) -> Result<Account, String> {
        for page in self.pages.values() {
            for (n, (whose, _)) in PLACES.into_iter().enumerate() {
                if first_place(n) && page.marks[n].is_some() {
                    let fate = self.account.fates.entry(whose).or_default();
                    if page.gone {
                        fate.gone += 1;
                    } else {
                        fate.there += 1;
                    }
                }
            }
        }
        if self.complaints.is_empty() {
            return Ok(self.account);
        }
        let number = self.complaints.len();
        self.complaints.truncate(TOLD);
        Err(format!(
            "{number} complaints:\n{}",
            self.complaints.join("\n")
        ))
    }
}

/// Whether it is the first place of its writer: a writer with two counts once.
fn first_place(n: usize) -> bool {
    n == 0 || PLACES[n - 1].0 != PLACES[n].0
}
