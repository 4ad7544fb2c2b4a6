//! Everything that anybody has written into one entity, in the order of time.
//!
//! Flow: content of an entity -> [`read`] -> [`Entry`]s, the newest last.
//!
//! Invariants:
//! - Reading never fails: an entry of a strange shape counts as far as it can be read.
//! - An error that is mirrored for Terraform into CAPVCD's section is there once.
//! - At most [`MOST_ENTRIES`] of each set are looked at, the newest; texts are kept as they are and shown
//!   through [`super::words::printable`].
//!
//! Source: `eventSet`, `errorSet` of `status.{vcdKe,capvcd,cpi,csi,projector}`; each writer has keys of its own
//! for the text.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// Most entries of one set that are looked at: writers keep 40 at most.
pub const MOST_ENTRIES: usize = 200;

/// Keys under which the text of an entry stands.
const DETAILS: [&str; 6] = [
    "Detailed Event",
    "Detailed Error",
    "Detailed Description",
    "Detailed Info",
    "event",
    "error",
];

/// Who has written an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A server, this one or an original one: `status.vcdKe`.
    Server,
    /// The infrastructure provider: `status.capvcd`.
    Capvcd,
    /// The cloud provider: `status.cpi`.
    Cpi,
    /// The storage driver: `status.csi`.
    Csi,
    /// The agent inside the cluster, ours or the vendor's projector: `status.projector`.
    Agent,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Server,
        Self::Capvcd,
        Self::Cpi,
        Self::Csi,
        Self::Agent,
    ];

    /// Its section of `status`.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Server => "vcdKe",
            Self::Capvcd => "capvcd",
            Self::Cpi => "cpi",
            Self::Csi => "csi",
            Self::Agent => "projector",
        }
    }

    /// Its name in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Capvcd => "CAPVCD",
            Self::Cpi => "CPI",
            Self::Csi => "CSI",
            Self::Agent => "agent",
        }
    }

    /// Its name in sentences.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Server => "the server",
            Self::Capvcd => "CAPVCD, the infrastructure provider inside the cluster",
            Self::Cpi => "CPI, the cloud provider inside the cluster",
            Self::Csi => "CSI, the storage driver inside the cluster",
            Self::Agent => "the agent inside the cluster",
        }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something happened.
    Event,
    /// Something is wrong, until its writer takes it back.
    Error,
}

/// One entry of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, by the clock of its writer.
    pub at: Option<Timestamp>,
    /// Who wrote it.
    pub source: Source,
    /// What it is.
    pub kind: Kind,
    /// Stable name.
    pub name: String,
    /// The text; may be empty.
    pub detail: String,
    /// Id of the object it is about; may be empty.
    pub resource_id: String,
    /// Name of the object, pool or version it is about; may be empty.
    pub about: String,
}

/// All entries of all sections; those without a readable date come first, the newest last.
pub fn read(content: &Map<String, Value>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for source in Source::ALL {
        for kind in [Kind::Event, Kind::Error] {
            let found = set(content, source, kind);
            // Mirrored for Terraform: the same entry to the letter, in another section.
            let fresh = |entry: &Entry| {
                source != Source::Capvcd || !entries.iter().any(|known| is_mirrored(known, entry))
            };
            let found: Vec<Entry> = found.into_iter().filter(fresh).collect();
            entries.extend(found);
        }
    }
    // Stable: what one writer wrote at one moment keeps its order.
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The entries of one set, in its order.
pub fn set(content: &Map<String, Value>, source: Source, kind: Kind) -> Vec<Entry> {
    let name = match kind {
        Kind::Event => "eventSet",
        Kind::Error => "errorSet",
    };
    let section = content
        .get("status")
        .and_then(|at| at.get(source.section()));
    let list = section
        .and_then(|at| at.get(name))
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let skip = list.len().saturating_sub(MOST_ENTRIES);
    let entry = |value: &Value| entry(value, source, kind);
    list.iter().skip(skip).filter_map(entry).collect()
}

fn is_mirrored(known: &Entry, entry: &Entry) -> bool {
    known.source == Source::Server
        && (known.at, known.kind) == (entry.at, entry.kind)
        && (&known.name, &known.detail) == (&entry.name, &entry.detail)
}

fn entry(value: &Value, source: Source, kind: Kind) -> Option<Entry> {
    let text = |key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let name = text("name");
    let details = value.get("additionalDetails");
    let detail = DETAILS.iter().find_map(|key| {
        let text = details?.get(*key)?.as_str()?;
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    });
    (!name.is_empty() || detail.is_some()).then(|| Entry {
        at: text("occurredAt").parse().ok(),
        source,
        kind,
        name,
        detail: detail.unwrap_or_default(),
        resource_id: text("vcdResourceId"),
        about: text("vcdResourceName"),
    })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(status: &Value) -> Map<String, Value> {
        json!({ "status": status }).as_object().unwrap().clone()
    }

    #[test]
    fn all_sections_are_merged_by_time_and_mirrored_errors_stand_once() {
        let error = json!({"name": "VdcNotFound", "occurredAt": "2026-03-01T09:00:03.000Z",
            "additionalDetails": {"Detailed Error": "Attempt 1: no VDC."}});
        let status = json!({
            "vcdKe": {"errorSet": [error], "eventSet": [
                {"name": "ClusterCreationStarted", "occurredAt": "2026-03-01T09:00:01Z",
                 "additionalDetails": {"Detailed Event": "taken"}}]},
            "capvcd": {"errorSet": [error, {"name": "VCDClusterError", "occurredAt": "2026-03-01T09:00:02Z",
                "additionalDetails": {"error": "x"}}]},
            "csi": {"eventSet": [{"name": "DiskCreateEvent", "occurredAt": "2026-03-01T09:00:04Z",
                "additionalDetails": {"Detailed Info": "a disk"}}]},
            "projector": {"eventSet": [{"name": "CapiYamlApplied", "occurredAt": "never",
                "additionalDetails": {"event": "all"}}]},
        });
        let found = read(&content(&status));
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        let want = [
            "CapiYamlApplied",
            "ClusterCreationStarted",
            "VCDClusterError",
            "VdcNotFound",
            "DiskCreateEvent",
        ];
        assert_eq!(names, want);
        assert_eq!(
            (found[3].source, found[3].kind),
            (Source::Server, Kind::Error)
        );
        let details: Vec<&str> = found.iter().map(|entry| entry.detail.as_str()).collect();
        assert_eq!(
            details,
            ["all", "taken", "x", "Attempt 1: no VDC.", "a disk"]
        );
    }

    #[test]
    fn odd_and_endless_sets_are_read_as_far_as_they_go() {
        for status in [
            json!(7),
            json!({"vcdKe": []}),
            json!({"vcdKe": {"eventSet": {}}}),
        ] {
            assert_eq!(read(&content(&status)), []);
        }
        let entries: Vec<Value> = (0..500).map(|n| json!({"name": format!("E{n}")})).collect();
        let odd = json!([7, [], {}, {"name": 3}, {"additionalDetails": "x"}]);
        let status = json!({"vcdKe": {"eventSet": entries}, "cpi": {"errorSet": odd}});
        let found = read(&content(&status));
        assert_eq!(found.len(), MOST_ENTRIES);
        assert_eq!(found[MOST_ENTRIES - 1].name, "E499");
    }
}
