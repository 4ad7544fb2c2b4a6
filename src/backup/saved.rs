//! One entity in a backup, and the manifest that lists them all.
//!
//! Invariants:
//! - What VCD restricts as secure or private is left out by its place, whether this login sees it or not;
//!   every other secret by the rules of `domain::secrets`.
//!
//! Source: `x-vcloud-restricted` of `vmware:capvcdCluster` 1.1.0 to 1.3.0.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::ids::EntityId;
use crate::domain::secrets::{masked, placeholders};
use crate::domain::tree::TreePath;
use crate::vcd::entity_copies::EntityTypeRef;
use crate::vcd::model::EntityDocument;

/// What the manifest calls itself.
pub const FORMAT: &str = "cse-server-backup";
/// Version of the format that this program reads and writes.
pub const VERSION: u32 = 1;
/// Short name of the type of cluster entities.
pub const CLUSTERS: &str = "capvcdCluster";
/// Short name of the type of the configuration entity.
pub const CONFIGURATION: &str = "VCDKEConfig";

/// Places that are stored encrypted in VCD; `[]` stands for every element.
const SECURE: [&str; 4] = [
    "spec.vcdKe.secure",
    "status.capvcd.private",
    "spec.projector.operations[].values",
    "status.projector.retrySet[].operation.values",
];

/// An entity as it is kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedEntity {
    /// Its URN.
    pub id: String,
    /// URN of its type.
    pub entity_type: String,
    /// Its name.
    pub name: String,
    /// `RESOLVED` and the like.
    pub state: String,
    /// The rest of the envelope: owner, organization, dates.
    pub envelope: Map<String, Value>,
    /// Who may do what with it; of the configuration only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_controls: Vec<Value>,
    /// Its content without secrets.
    pub entity: Map<String, Value>,
}

impl SavedEntity {
    /// The entity without its secrets, and where something was left out.
    pub fn of(document: &EntityDocument, access_controls: Vec<Value>) -> (Self, Vec<String>) {
        let mut content = Value::Object(document.entity.clone());
        let mut left_out = Vec::new();
        for path in secure_places(&content) {
            if path.remove(&mut content).is_some() {
                left_out.push(path.to_string());
            }
        }
        let before = content;
        let content = masked(&before);
        let changed = placeholders(&content)
            .into_iter()
            .filter(|path| path.get(&before) != path.get(&content));
        left_out.extend(changed.map(|path| path.to_string()));
        let envelope = masked(&Value::Object(document.rest.clone()));
        let saved = Self {
            id: document.id.to_string(),
            entity_type: document.entity_type.clone(),
            name: document.name.clone(),
            state: document.state.clone(),
            envelope: members(envelope),
            access_controls,
            entity: members(content),
        };
        (saved, left_out)
    }

    /// Whether it is the shared configuration.
    pub fn is_configuration(&self) -> bool {
        is_of(&self.id, CONFIGURATION)
    }

    /// Name of its organization.
    pub fn org(&self) -> &str {
        let name = self.envelope.get("org").and_then(|org| org.get("name"));
        name.and_then(Value::as_str).unwrap_or_default()
    }

    /// Its id, checked.
    pub fn entity_id(&self) -> Option<EntityId> {
        let id = EntityId::parse(&self.id).ok()?;
        (is_of(&self.id, CLUSTERS) || is_of(&self.id, CONFIGURATION)).then_some(id)
    }
}

fn is_of(urn: &str, nss: &str) -> bool {
    let rest = urn
        .strip_prefix("urn:vcloud:entity:vmware:")
        .unwrap_or_default();
    rest.split_once(':').is_some_and(|(found, _)| found == nss)
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// The places of this content that VCD stores encrypted, as far as they are there.
pub fn secure_places(content: &Value) -> Vec<TreePath> {
    let mut found = Vec::new();
    for place in SECURE {
        match place.split_once("[].") {
            None => found.extend(TreePath::parse(place)),
            Some((list, rest)) => {
                let items = TreePath::parse(list)
                    .ok()
                    .and_then(|list| list.get(content)?.as_array().map(Vec::len));
                let each = (0..items.unwrap_or(0))
                    .map(|index| TreePath::parse(&format!("{list}[{index}].{rest}")));
                found.extend(each.flatten());
            }
        }
    }
    found.retain(|path| path.get(content).is_some());
    found
}

/// One entity in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Name of its file, below the directory `entities`.
    pub file: String,
    /// Its URN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Name of its organization.
    pub org: String,
    /// URN of its type.
    pub entity_type: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Where secrets were left out.
    pub left_out: Vec<String>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// Its URN.
    pub id: String,
    /// Why not.
    pub reason: String,
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Cluster entities.
    pub clusters: usize,
    /// Configuration entities.
    pub configurations: usize,
}

/// What a backup is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Program that wrote it, with its version.
    pub program: String,
    /// When it was begun, RFC 3339.
    pub taken_at: String,
    /// Origin of VCD's URL.
    pub vcd_url: String,
    /// API version that was spoken.
    pub api_version: String,
    /// How many entities there are.
    pub counts: Counts,
    /// Registered types; a restore needs them, and does not make them.
    pub entity_types: Vec<EntityTypeRef>,
    /// Entities that are there and could not be read.
    pub not_read: Vec<NotRead>,
    /// All entities.
    pub entities: Vec<Listed>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_vcd_encrypts_is_left_out_by_its_place() {
        let content = json!({
            "spec": {"vcdKe": {"secure": {"apiToken": "hush"}, "markForDelete": false},
                "projector": {"operations": [{"values": ["a"]}, {"name": "n"}]}},
            "status": {"capvcd": {"private": {"kubeConfig": "kc"}, "x": 1},
                "projector": {"retrySet": [{"operation": {"values": ["b"]}}]}},
        });
        let told: Vec<String> = secure_places(&content)
            .iter()
            .map(ToString::to_string)
            .collect();
        let want = [
            "spec.vcdKe.secure",
            "status.capvcd.private",
            "spec.projector.operations[0].values",
            "status.projector.retrySet[0].operation.values",
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn only_clusters_and_configurations_have_a_place_in_a_backup() {
        let saved = |id: &str| SavedEntity {
            id: id.to_owned(),
            entity_type: String::new(),
            name: String::new(),
            state: String::new(),
            envelope: Map::new(),
            access_controls: Vec::new(),
            entity: Map::new(),
        };
        assert!(saved("urn:vcloud:entity:vmware:VCDKEConfig:1").is_configuration());
        assert!(
            saved("urn:vcloud:entity:vmware:capvcdCluster:1")
                .entity_id()
                .is_some()
        );
        for id in [
            "urn:vcloud:entity:acme:capvcdCluster:1",
            "urn:vcloud:entity:vmware:other:1",
            "x",
        ] {
            assert!(saved(id).entity_id().is_none(), "{id}");
        }
        assert_eq!(
            serde_json::to_value(Counts::default()).unwrap(),
            json!({"clusters": 0, "configurations": 0})
        );
    }
}
