//! One cluster as its entity shows it: the facts that views are made of, read with limits.
//!
//! Invariants:
//! - Reading never fails: what is of the wrong type counts as absent, as for servers.
//! - The facts that servers decide by are read by the servers' own functions.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::timeline::{Entry, Kind, Source, set};
use crate::controller::document;
use crate::domain::claim::{Claim, Hold};
use crate::domain::cluster::{ClusterFlags, text_at};
use crate::domain::ids::EntityId;
use crate::reconcile::interest::Summary;
use crate::reconcile::observation::DocumentSeen;
use crate::vcd::model::EntityDocument;

/// Who holds a cluster, according to its claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Holder {
    /// A replica of this server.
    Replica {
        /// Its name.
        name: String,
        /// Tells processes of one name apart: the first 8 of 32 hexadecimal digits.
        process: String,
    },
    /// A server that does not write our record: an original one.
    Original {
        /// Its `workerId`.
        name: String,
    },
}

impl Holder {
    /// Whoever a claim names; `None` when it names nobody.
    pub fn of(claim: &Claim) -> Option<Self> {
        let holder = claim.holder.as_ref()?;
        let held = claim
            .heartbeat
            .as_ref()
            .is_some_and(|heartbeat| heartbeat.hold == Hold::Held);
        match holder.as_str().split_once('/') {
            // Who signs over a record that we released is no replica of ours.
            Some((name, process)) if held => Some(Self::Replica {
                name: name.to_owned(),
                process: process.chars().take(8).collect(),
            }),
            _ => Some(Self::Original {
                name: holder.as_str().to_owned(),
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Replica { name, .. } | Self::Original { name } => name,
        }
    }

    /// Whether it is a server of the original kind.
    pub const fn is_original(&self) -> bool {
        match self {
            Self::Original { .. } => true,
            Self::Replica { .. } => false,
        }
    }
}

/// One cluster.
#[derive(Clone, Debug)]
pub struct ClusterSeen {
    /// Its URN.
    pub id: EntityId,
    /// Name of the entity; not unique.
    pub name: String,
    /// Name of its organization.
    pub org: String,
    /// Name of its VDC, as the client wrote it.
    pub vdc: String,
    /// User who owns it.
    pub owner: String,
    /// Version of its entity type.
    pub type_version: String,
    /// State of the entity: `PRE_CREATED`, `RESOLVED`, `RESOLUTION_ERROR`, `IN_DELETION`.
    pub entity_state: String,
    /// Why the last resolution failed.
    pub entity_message: String,
    /// Its wishes outside the YAML.
    pub flags: ClusterFlags,
    /// What servers go by when they look for work.
    pub summary: Summary,
    /// What servers decide by.
    pub document: DocumentSeen,
    /// `status.vcdKe.state` as written.
    pub state_text: String,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// `vcdKeInstanceId`.
    pub instance: String,
    /// When the claim was last written, by the clock of its writer.
    pub renewed: Option<Timestamp>,
    /// The release it was provisioned by.
    pub release: String,
    /// What the servers wrote, in their order.
    pub events: Vec<Entry>,
    /// What servers say is wrong, in their order.
    pub errors: Vec<Entry>,
    /// What the components inside the cluster say is wrong.
    pub complaints: Vec<Entry>,
    /// The whole content.
    pub content: Map<String, Value>,
}

impl ClusterSeen {
    /// Reads an entity.
    pub fn read(entity: EntityDocument) -> Self {
        let content = entity.entity;
        let at = |path: &[&str]| {
            let (first, rest) = path.split_first()?;
            text_at(content.get(*first)?, rest).map(str::to_owned)
        };
        let text = |path: &[&str]| at(path).unwrap_or_default();
        let status = |key: &str| text(&["status", "vcdKe", key]);
        let summary = document::summary(&content);
        let errors = set(&content, Source::Server, Kind::Error);
        let mut complaints = Vec::new();
        for source in [Source::Capvcd, Source::Cpi, Source::Csi, Source::Agent] {
            complaints.extend(set(&content, source, Kind::Error));
        }
        let is_mirrored = |one: &Entry| {
            errors
                .iter()
                .any(|own| (&own.name, &own.detail) == (&one.name, &one.detail))
        };
        complaints.retain(|one| !is_mirrored(one));
        let version = entity.entity_type.rsplit(':').next().unwrap_or_default();
        Self {
            document: document::seen(&entity.id, &content, entity.state == "RESOLVED"),
            holder: Holder::of(&summary.claim),
            flags: ClusterFlags::read(&content),
            instance: status("vcdKeInstanceId"),
            renewed: status("heartbeatTimestamp").parse().ok(),
            release: status("vcdKeVersion"),
            state_text: status("state"),
            vdc: text(&["metadata", "virtualDataCenterName"]),
            org: entity
                .org
                .map_or_else(|| text(&["metadata", "orgName"]), |org| org.name),
            owner: entity.owner.map(|owner| owner.name).unwrap_or_default(),
            type_version: version.to_owned(),
            entity_state: entity.state,
            entity_message: entity.message.unwrap_or_default(),
            events: set(&content, Source::Server, Kind::Event),
            id: entity.id,
            name: entity.name,
            summary,
            errors,
            complaints,
            content,
        }
    }

    /// Whether an error of a server has that name.
    pub fn has_error(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.name == name)
    }

    /// When the newest of the servers' events with one of these names was written.
    pub fn last_event(&self, names: &[&str]) -> Option<&Entry> {
        let mut newest = self.events.iter().rev();
        newest.find(|event| names.contains(&event.name.as_str()))
    }

    /// The newest error of a server.
    pub fn last_error(&self) -> Option<&Entry> {
        self.errors.iter().max_by_key(|error| error.at)
    }
}
