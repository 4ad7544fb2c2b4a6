//! Everything that ever stood in the entities of clusters, and what replicas wrote there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cse_server::sim::world::World;
use cse_server::vcd::transport::Request;
use serde_json::Value;

/// A record that is empty until somebody [watches](Self::watch).
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Arc<Mutex<Option<Record>>>);

#[derive(Debug, Default)]
struct Record {
    contents: BTreeMap<String, Vec<Value>>,
    /// The last one of each.
    revisions: BTreeMap<String, u64>,
    bodies: Vec<String>,
}

impl Versions {
    /// Begins to record.
    pub(crate) fn watch(&self) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.get_or_insert_default();
    }

    /// Takes down what has changed since the last time.
    pub(crate) fn look(&self, world: &World) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = record.as_mut() else {
            return;
        };
        for (urn, revision) in world.revisions() {
            if record.revisions.get(urn) == Some(&revision) {
                continue;
            }
            record.revisions.insert(urn.to_owned(), revision);
            let Some(content) = world.entity_content(urn) else {
                continue;
            };
            let known = record.contents.entry(urn.to_owned()).or_default();
            let content = Value::Object(content);
            if known.last() != Some(&content) {
                known.push(content);
            }
        }
    }

    /// Takes down the body of a replica's write of an entity.
    pub(crate) fn sent(&self, request: &Request) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = record.as_mut() else {
            return;
        };
        if request.method() == http::Method::PUT && request.uri().path().contains("/entities/") {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            record.bodies.push(body);
        }
    }

    /// All contents of an entity, secure fields included, in their order.
    pub(crate) fn of(&self, urn: &str) -> Vec<Value> {
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = record.as_ref().expect("somebody watches");
        record.contents.get(urn).cloned().unwrap_or_default()
    }

    /// The bodies of all writes of entities by replicas.
    pub(crate) fn written(&self) -> Vec<String> {
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.as_ref().expect("somebody watches").bodies.clone()
    }
}
