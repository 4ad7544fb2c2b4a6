//! Clusters for the tests of the views.

use serde_json::{Map, Value, json};

use super::Outlook;
use super::cluster::ClusterSeen;
use crate::domain::cluster::sample;
use crate::domain::ids::EntityId;
use crate::vcd::model::{EntityDocument, IdName};

/// At ten o'clock, under a valid configuration.
pub(super) fn outlook() -> Outlook {
    Outlook {
        is_configured: Some(true),
        ..Outlook::new("2026-03-01T10:00:00Z".parse().unwrap(), None)
    }
}

/// A cluster `blue` of organization `acme` that a client has just asked for, with `content` over it.
pub(super) fn seen(id: &str, content: &Value) -> ClusterSeen {
    let mut entity = sample::entity();
    let marked = json!({"spec": {"vcdKe": {"isVCDKECluster": true}}});
    for layer in [&marked, content] {
        merge(&mut entity, layer.as_object().unwrap());
    }
    ClusterSeen::read(EntityDocument {
        id: EntityId::parse(&format!("urn:vcloud:entity:vmware:capvcdCluster:{id}")).unwrap(),
        entity_type: "urn:vcloud:type:vmware:capvcdCluster:1.3.0".to_owned(),
        name: "blue".to_owned(),
        state: "RESOLVED".to_owned(),
        message: None,
        owner: Some(IdName {
            id: "urn:vcloud:user:1".to_owned(),
            name: "ann".to_owned(),
        }),
        org: Some(IdName {
            id: "urn:vcloud:org:1".to_owned(),
            name: "acme".to_owned(),
        }),
        entity,
        rest: Map::new(),
    })
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(layer)) => merge(known, layer),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
