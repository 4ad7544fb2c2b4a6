//! What the document says was told before: our memory, as far as clients leave it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Note, is_ours};

/// Most entries of a set that are looked at; ours are shorter.
const MOST_ENTRIES: usize = 200;
/// The last event of a creation.
const PROVISIONED: &str = "ClusterProvisioned";

/// An entry of a set, as it stands there.
#[derive(Clone, Debug)]
struct Entry {
    name: String,
    about: String,
    detail: String,
    at: Option<Timestamp>,
}

/// Events and errors of `status.vcdKe`, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    events: Vec<Entry>,
    errors: Vec<Entry>,
}

impl Told {
    pub(super) fn read(content: &Map<String, Value>) -> Self {
        let section = content.get("status").and_then(|at| at.get("vcdKe"));
        let set = |name: &str, detail: &str| {
            let entries = section
                .and_then(|at| at.get(name))
                .and_then(Value::as_array);
            let entries = entries.map_or(&[][..], Vec::as_slice);
            let skip = entries.len().saturating_sub(MOST_ENTRIES);
            let entries = entries.iter().skip(skip);
            entries.filter_map(|one| entry(one, detail)).collect()
        };
        Self {
            events: set("eventSet", "Detailed Event"),
            errors: set("errorSet", "Detailed Error"),
        }
    }

    /// Name and text of the newest event about `about` that has one of these names.
    pub(super) fn newest(&self, names: &[&str], about: &str) -> Option<(&str, &str)> {
        let mut newest = self.events.iter().rev();
        newest
            .find(|one| one.about == about && names.contains(&one.name.as_str()))
            .map(|one| (one.name.as_str(), one.detail.as_str()))
    }

    /// What the newest event with one of these names is about.
    pub(super) fn newest_about(&self, names: &[&str]) -> Option<(&str, &str)> {
        let mut newest = self.events.iter().rev();
        newest
            .find(|one| names.contains(&one.name.as_str()))
            .map(|one| (one.name.as_str(), one.about.as_str()))
    }

    /// Everything that events of this name are about, each once.
    pub(super) fn subjects(&self, name: &str) -> Vec<&str> {
        let mut subjects: Vec<&str> = self
            .events
            .iter()
            .filter(|one| one.name == name)
            .map(|one| one.about.as_str())
            .collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// Whether the cluster was finished less than `age` ago and nothing was told since.
    pub(super) fn is_new(&self, now: Timestamp, age: Duration) -> bool {
        let Some(last) = self.events.last().filter(|last| last.name == PROVISIONED) else {
            return false;
        };
        let Some(at) = last.at else { return true };
        let passed = now.duration_since(at);
        // A clock that is behind makes it look younger, which only delays.
        passed.is_negative() || passed.unsigned_abs() < age
    }

    /// Whether an error of ours says exactly this.
    pub(super) fn has_error(&self, note: &Note) -> bool {
        self.errors.iter().any(|one| one.is(note))
    }

    /// Whether the errors about running clusters are these and no others.
    pub(super) fn has_exactly(&self, wanted: &[Note]) -> bool {
        let ours = || self.errors.iter().filter(|one| is_ours(&one.name));
        wanted.iter().all(|note| ours().any(|one| one.is(note)))
            && ours().all(|one| wanted.iter().any(|note| one.is(note)))
    }

    /// The error of that name whose text begins so.
    pub(super) fn error_beginning(&self, name: &'static str, beginning: &str) -> Option<Note> {
        let known = self
            .errors
            .iter()
            .find(|one| one.name == name && one.detail.starts_with(beginning))?;
        Some(Note {
            name,
            about: known.about.clone(),
            detail: known.detail.clone(),
        })
    }
}

impl Entry {
    fn is(&self, note: &Note) -> bool {
        self.name == note.name && self.about == note.about && self.detail == note.detail
    }
}

fn entry(value: &Value, detail: &str) -> Option<Entry> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Entry {
        name: value.get("name")?.as_str()?.to_owned(),
        about: text(value.get("vcdResourceName")),
        detail: text(value.get("additionalDetails").and_then(|at| at.get(detail))),
        at: value
            .get("occurredAt")
            .and_then(Value::as_str)
            .and_then(|at| at.parse().ok()),
    })
}
