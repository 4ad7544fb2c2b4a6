//! What the history keeps of a cluster's document: what servers write there, and hashes of everything else.
//!
//! Invariants:
//! - Nothing is parsed but the few values that are kept: a write costs a walk over the text.
//! - What did not change since the last look is shared with it.
//! - Two documents with the same [`Parts`] are the same outside the fields a server owns, byte for byte but
//!   for the order of sections.
//!
//! Source: `capvcdCluster` 1.1.0 to 1.3.0; the fields a server writes, as go-vcloud-director and the portal
//! read them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Entity;
use super::content::Content;
use super::scan::{self, Member, Members};
use crate::domain::claim::Claim;

/// Keys of `status.vcdKe` that a server writes.
const OWNED: [&str; 10] = [
    "vcdKeInstanceId",
    "workerId",
    "heartbeatTimestamp",
    "heartbeatString",
    "state",
    "vcdResourceSet",
    "eventSet",
    "errorSet",
    "vcdKeVersion",
    "defaultStorageClass",
];

/// Sections of the status that record the objects of the cluster.
const RECORDS: [&str; 4] = ["vcdKe", "capvcd", "cpi", "csi"];

/// Shortest text in a secret place that counts as a secret, in bytes.
const MIN_SECRET_BYTES: usize = 12;

/// A document of a cluster, as far as servers and their judge are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Revision of the entity.
    pub revision: u64,
    /// State of the entity, such as `RESOLVED`.
    pub rde_state: &'static str,
    /// `status.vcdKe.state`.
    pub state: String,
    /// `status.vcdKe.workerId`.
    pub worker_id: String,
    /// `status.vcdKe.heartbeatString`.
    pub heartbeat: String,
    /// The two, understood.
    #[serde(skip)]
    pub claim: Claim,
    /// `spec.vcdKe.markForDelete`.
    pub marked: bool,
    /// `spec.vcdKe.autoRepairOnErrors`.
    pub auto_repair: bool,
    /// Whether the cluster's own controllers say that its control plane is ready.
    pub ready: bool,
    /// Ids in `status.vcdKe.vcdResourceSet`.
    pub committed: Vec<String>,
    /// What is in sets.
    #[serde(skip)]
    pub(crate) sets: Sets,
    /// Everything else.
    #[serde(skip)]
    pub(crate) parts: Parts,
}

/// What a document holds in sets; each is shared with the look before while its text stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    /// `status.vcdKe.eventSet`.
    pub(crate) events: Shared<Vec<Said>>,
    /// `status.vcdKe.errorSet`.
    pub(crate) errors: Shared<Vec<Said>>,
    /// Ids and names of all objects that the status records.
    pub(crate) recorded: Shared<BTreeSet<String>>,
}

/// A value, and the hash of the text it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared<T> {
    pub(crate) value: Arc<T>,
    text: u64,
}

impl<T> Shared<T> {
    /// The value of before if it had this text, else a new one.
    fn of(before: Option<&Self>, text: u64, read: impl FnOnce() -> T) -> Self {
        let same = before.filter(|before| before.text == text);
        let value = same.map_or_else(|| Arc::new(read()), |same| Arc::clone(&same.value));
        Self { value, text }
    }
}

#[cfg(test)]
impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self {
            value: Arc::new(value),
            text: 0,
        }
    }
}

/// An entry of an event or error set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    /// Its name.
    pub(crate) name: String,
    /// `occurredAt`.
    pub(crate) at: String,
    /// `vcdResourceId`.
    pub(crate) resource: String,
    /// `vcdResourceName`.
    pub(crate) about: String,
    /// Hash of the details.
    pub(crate) details: u64,
}

/// Hashes of what a server does not own; `None` for what is absent or empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// `spec.capiYaml`, of which health checks are the one thing a server changes.
    pub(crate) capi_yaml: Option<u64>,
    /// `spec` besides that and the flag of auto-repair.
    pub(crate) spec: Option<u64>,
    /// `status.capvcd` without the mirrored errors and the kubeconfig: forgotten when an attempt begins anew.
    pub(crate) capvcd: Option<u64>,
    /// `status.capvcd.private`: likewise, unless the type hides it from the server.
    pub(crate) kubeconfig: Option<u64>,
    /// `status.cpi`: likewise.
    pub(crate) cpi: Option<u64>,
    /// Everything else, name and type of the entity included.
    pub(crate) rest: Option<u64>,
}

impl Look {
    /// Names of the events and errors that the document tells, in its order.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        let (events, errors) = (&self.sets.events.value, &self.sets.errors.value);
        events
            .iter()
            .chain(errors.iter())
            .map(|said| said.name.as_str())
    }

    /// Looks at `entity`; `before` is the last look at it.
    pub(crate) fn of(entity: &Entity, before: Option<&Self>) -> Self {
        let content = &entity.content;
        let at = |path: &[&str]| content.at(path);
        let text = |path: &[&str]| content.text_at(path).unwrap_or_default();
        let is_set = |key: &str| match at(&["spec", "vcdKe", key]) {
            Some(Value::Bool(set)) => set,
            Some(Value::String(set)) => set.trim().eq_ignore_ascii_case("true"),
            Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => {
                false
            }
        };
        let worker_id = text(&["status", "vcdKe", "workerId"]);
        let heartbeat = text(&["status", "vcdKe", "heartbeatString"]);
        let known = before.map(|look| &look.sets);
        let sets = Sets {
            events: set(content, "eventSet", known.map(|sets| &sets.events)),
            errors: set(content, "errorSet", known.map(|sets| &sets.errors)),
            recorded: records(content, known.map(|sets| &sets.recorded)),
        };
        let external_id = entity.external_id.as_deref().unwrap_or_default();
        let envelope = [entity.name.as_str(), &entity.type_urn, external_id];
        Self {
            revision: entity.revision,
            rde_state: entity.state.name(),
            state: text(&["status", "vcdKe", "state"]),
            claim: Claim::from_wire(&worker_id, &heartbeat),
            worker_id,
            heartbeat,
            marked: is_set("markForDelete"),
            auto_repair: is_set("autoRepairOnErrors"),
            ready: text(&["status", "capvcd", "clusterApiStatus", "phase"]) == "Ready",
            committed: committed(at(&["status", "vcdKe", "vcdResourceSet"])),
            parts: Parts::of(content.text().as_bytes(), envelope),
            sets,
        }
    }
}

fn committed(set: Option<Value>) -> Vec<String> {
    let Some(Value::Array(entries)) = set else {
        return Vec::new();
    };
    let ids = entries.iter().filter_map(|entry| entry.get("id")?.as_str());
    ids.map(str::to_owned).collect()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// An event or error set.
fn set(content: &Content, key: &str, before: Option<&Shared<Vec<Said>>>) -> Shared<Vec<Said>> {
    let raw = content.raw_at(&["status", "vcdKe", key]);
    let raw = raw.unwrap_or_default();
    Shared::of(before, hash(raw.as_bytes()), || {
        let entries: Vec<Value> = serde_json::from_str(raw).unwrap_or_default();
        entries.iter().map(Said::read).collect()
    })
}

impl Said {
    fn read(entry: &Value) -> Self {
        let text = |key: &str| {
            let found = entry.get(key).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let details = entry.get("additionalDetails");
        Self {
            name: text("name"),
            at: text("occurredAt"),
            resource: text("vcdResourceId"),
            about: text("vcdResourceName"),
            details: hash(details.map(Value::to_string).unwrap_or_default().as_bytes()),
        }
    }
}

/// Ids and names in the resource sets of the status.
fn records(
    content: &Content,
    before: Option<&Shared<BTreeSet<String>>>,
) -> Shared<BTreeSet<String>> {
    let raw = RECORDS.map(|section| {
        let raw = content.raw_at(&["status", section, "vcdResourceSet"]);
        raw.unwrap_or_default()
    });
    Shared::of(before, hash(raw.concat().as_bytes()), || {
        let mut found = BTreeSet::new();
        for set in raw {
            let entries: Vec<Value> = serde_json::from_str(set).unwrap_or_default();
            for entry in &entries {
                let texts = ["id", "name"].map(|key| entry.get(key).and_then(Value::as_str));
                found.extend(texts.into_iter().flatten().map(str::to_owned));
            }
        }
        found
    })
}

/// The hash of some members, whatever their order: where a writer was not shown a secure field, VCD puts it
/// back at the end.
#[derive(Default)]
struct Feed(Option<u64>);

impl Feed {
    fn member(&mut self, text: &[u8], member: &Member<'_>) {
        self.bytes(text.get(member.start..member.end).unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let sum = self.0.unwrap_or_default();
        self.0 = Some(sum.wrapping_add(hash(bytes)));
    }
}

impl Parts {
    fn of(text: &[u8], envelope: [&str; 3]) -> Self {
        let mut rest = Feed::default();
        for word in envelope {
            rest.bytes(word.as_bytes());
        }
        let mut parts = Self::default();
        for member in Members::of(text, 0) {
            match member.name().as_deref() {
                Some("spec") if is_object(text, &member) => parts.take_spec(text, &member),
                Some("status") if is_object(text, &member) => {
                    parts.take_status(text, &member, &mut rest);
                }
                Some(_) | None => rest.member(text, &member),
            }
        }
        parts.rest = rest.0;
        parts
    }

    fn take_spec(&mut self, text: &[u8], spec: &Member<'_>) {
        let mut feed = Feed::default();
        for member in Members::of(text, spec.value) {
            match member.name().as_deref() {
                Some("capiYaml") => {
                    let yaml = text.get(member.value..member.end).unwrap_or_default();
                    self.capi_yaml = Some(hash(yaml));
                }
                Some("vcdKe") if is_object(text, &member) => {
                    feed_except(text, &member, &["autoRepairOnErrors"], &mut feed);
                }
                Some(_) | None => feed.member(text, &member),
            }
        }
        self.spec = feed.0;
    }

    fn take_status(&mut self, text: &[u8], status: &Member<'_>, rest: &mut Feed) {
        for member in Members::of(text, status.value) {
            let name = member.name();
            match name.as_deref() {
                Some("vcdKe") if is_object(text, &member) => {
                    feed_except(text, &member, &OWNED, rest);
                }
                Some("capvcd") if is_object(text, &member) => {
                    let mut feed = Feed::default();
                    feed_except(text, &member, &["errorSet", "private"], &mut feed);
                    self.capvcd = feed.0;
                    let private = scan::find(text, member.value, ["private"]);
                    let private = private.and_then(|(start, end)| text.get(start..end));
                    self.kubeconfig = private.map(hash);
                }
                Some("cpi") => {
                    let mut feed = Feed::default();
                    feed.member(text, &member);
                    self.cpi = feed.0;
                }
                Some(_) | None => rest.member(text, &member),
            }
        }
    }
}

fn is_object(text: &[u8], member: &Member<'_>) -> bool {
    text.get(member.value) == Some(&b'{')
}

/// Feeds the members of the object in `object`, but not those called like one of `names`.
fn feed_except(text: &[u8], object: &Member<'_>, names: &[&str], feed: &mut Feed) {
    for member in Members::of(text, object.value) {
        let name = member.name();
        if !name.is_some_and(|name| names.contains(&name.as_ref())) {
            feed.member(text, &member);
        }
    }
}

/// Places that hold credentials; older versions of the type show them to whoever has full control.
const CREDENTIALS: [[&str; 3]; 2] = [["spec", "vcdKe", "secure"], ["status", "capvcd", "private"]];

/// The texts of a cluster that no request of a server may hold: the credentials that its type keeps from
/// every reader, as JSON has them, without the quotes.
pub(crate) fn secrets(entity: &Entity) -> Vec<Box<str>> {
    let mut found = Vec::new();
    for place in CREDENTIALS {
        let rules = place
            .into_iter()
            .try_fold(&entity.rules.fields, |rules, part| {
                rules.properties.get(part)
            });
        if rules.is_some_and(|rules| rules.secure)
            && let Some(value) = entity.content.at(&place)
        {
            collect(&value, &mut found);
        }
    }
    found
}

fn collect(value: &Value, found: &mut Vec<Box<str>>) {
    match value {
        Value::String(text) if text.len() >= MIN_SECRET_BYTES => {
            let quoted = Value::String(text.clone()).to_string();
            found.push(Box::from(quoted.trim_matches('"')));
        }
        Value::Object(members) => members.values().for_each(|value| collect(value, found)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
