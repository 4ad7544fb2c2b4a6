//! What tests and the demo look at: clusters as plain rows, without going through the API.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::entities::Entity;
use super::world::World;

/// One cluster as its entity tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// Entity URN.
    pub urn: String,
    /// Entity name.
    pub name: String,
    /// Name of the organization.
    pub org: String,
    /// State of the entity, such as `RESOLVED`.
    pub rde_state: String,
    /// `status.vcdKe.state`.
    pub state: Option<String>,
    /// `status.vcdKe.workerId`: who holds the claim.
    pub holder: Option<String>,
    /// `status.vcdKe.heartbeatString`.
    pub heartbeat: Option<String>,
    /// Name of the newest entry of `status.vcdKe.eventSet`.
    pub last_event: Option<String>,
    /// When the entity was created.
    pub created: Timestamp,
    /// `status.capvcd.phase`.
    pub capvcd_phase: Option<String>,
    /// `spec.vcdKe.autoRepairOnErrors`.
    pub auto_repair: Option<bool>,
}

impl World {
    /// All clusters, oldest first.
    pub fn clusters(&self) -> Vec<ClusterView> {
        let clusters = self
            .entities
            .iter()
            .filter(|entity| entity.rules.nss == "capvcdCluster");
        let mut views: Vec<ClusterView> = clusters.map(|entity| self.view(entity)).collect();
        views.sort_by(|a, b| (a.created, &a.urn).cmp(&(b.created, &b.urn)));
        views
    }

    /// URN and revision of every cluster's entity: what has the same revision is the same.
    pub fn revisions(&self) -> impl Iterator<Item = (&str, u64)> {
        let clusters = self.entities.iter();
        clusters
            .filter(|entity| entity.rules.nss == "capvcdCluster")
            .map(|entity| (entity.id.as_str(), entity.revision))
    }

    /// Content of one entity with its secure fields; `None` when it is gone.
    pub fn entity_content(&self, urn: &str) -> Option<Map<String, Value>> {
        self.entities.get(urn).map(|entity| entity.content.parse())
    }

    /// Whether there is such an entity.
    pub fn has_entity(&self, urn: &str) -> bool {
        self.entities.get(urn).is_some()
    }

    /// One value of the content, parsed; `None` when it or the entity is not there.
    pub fn entity_value(&self, urn: &str, path: &[&str]) -> Option<Value> {
        self.entities.get(urn)?.content.at(path)
    }

    fn view(&self, entity: &Entity) -> ClusterView {
        let value = |path: &[&str]| entity.content.at(path);
        let text = |path: &[&str]| entity.content.text_at(path);
        ClusterView {
            urn: entity.id.clone(),
            name: entity.name.clone(),
            org: self
                .directory
                .org_name(&entity.org_id)
                .unwrap_or_default()
                .to_owned(),
            rde_state: entity.state.name().to_owned(),
            state: text(&["status", "vcdKe", "state"]),
            holder: text(&["status", "vcdKe", "workerId"]),
            heartbeat: text(&["status", "vcdKe", "heartbeatString"]),
            last_event: value(&["status", "vcdKe", "eventSet"]).and_then(|set| newest_event(&set)),
            created: entity.created,
            capvcd_phase: text(&["status", "capvcd", "phase"]),
            auto_repair: value(&["spec", "vcdKe", "autoRepairOnErrors"])
                .and_then(|value| value.as_bool()),
        }
    }
}

/// Name of the entry with the latest `occurredAt`; among equals the last one, as they are appended.
fn newest_event(set: &Value) -> Option<String> {
    let dated = |event: &Value| -> Option<(Timestamp, String)> {
        let moment = event.get("occurredAt")?.as_str()?.parse().ok()?;
        Some((moment, event.get("name")?.as_str()?.to_owned()))
    };
    let events = set.as_array()?.iter().filter_map(dated);
    events
        .max_by_key(|(moment, _)| *moment)
        .map(|(_, name)| name)
}
