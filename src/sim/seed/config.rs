//! The server configuration entity `vcdKeConfig`.
//!
//! Source: CSE 4.2 documentation, server configuration; values as CSE 4.2.3 ships them.

use std::sync::Arc;

use serde_json::Value;

use super::SEEDED_AT;
use super::site::ADMINISTRATOR;
use crate::clock::Moment;
use crate::setup::objects::shipped_config;
use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::directory::{SYSTEM, derived_urn};
use crate::sim::entities::NewEntity;
use crate::sim::world::World;

/// Content of a configuration entity of type 1.1.0, as a fresh CSE 4.2.3 has it.
pub fn default_config() -> Value {
    Value::Object(shipped_config())
}

impl World {
    /// Stores `config` as the resolved entity `vcdKeConfig` of the provider's organization; anything
    /// but an object is stored as an empty one. Needs `seed_site` before.
    pub fn seed_config(&mut self, config: Value) {
        let content = match config {
            Value::Object(content) => content,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => serde_json::Map::new(),
        };
        let Some(rules) = self
            .registry
            .types
            .get("urn:vcloud:type:vmware:VCDKEConfig:1.1.0")
        else {
            return;
        };
        let rules = Arc::clone(&rules.rules);
        let org_id = self.directory.org_by_name(SYSTEM).map(|org| org.id.clone());
        let mut users = self.directory.users.values();
        let owner_id = users
            .find(|user| user.name == ADMINISTRATOR)
            .map(|user| user.id.clone());
        let new = NewEntity {
            rules,
            name: "vcdKeConfig".to_owned(),
            external_id: None,
            content,
            owner_id: owner_id.unwrap_or_default(),
            org_id: org_id.clone().unwrap_or_default(),
        };
        let tenant_id = org_id.unwrap_or_default();
        let (mut ctx, areas) = self.split(Moment::default(), SEEDED_AT);
        let id = areas.entities.add(new, &mut ctx);
        // Tenants read it by the right that their bundle gives them.
        let grant = Grant {
            id: derived_urn("accessControl", &id),
            grantee: Grantee::Right("vmware:VCDKEConfig: View".to_owned()),
            level: Level::ReadOnly,
            tenant_id,
        };
        if let Some(entity) = areas.entities.get_mut(&id) {
            entity.grants.insert(grant.id.clone(), grant);
        }
        areas.entities.resolve(&id, &mut ctx);
    }
}
