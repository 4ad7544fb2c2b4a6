//! The agent in a running cluster that applies what its entity says: manifests, and operations of a server.
//!
//! Flow: once a minute it reads the entity -> `spec.capiYaml` becomes what the controllers want;
//! `spec.projector.operations` are carried out in order -> `status.projector`.
//!
//! Invariants:
//! - Level-based: an entity that was set back to an earlier time is followed like any other.
//! - What the API server refuses is told once and changes nothing; the versions of a control plane never
//!   go down, and up by one minor version at a time.
//!
//! Source: CAPVCD, prototype of the RDE projector; `spec.projector` of `capvcdCluster` 1.3.0; Cluster API
//! webhooks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::manifest::{Documents, Manifest};
use super::sections::{Component, Edit, Entry};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::entities::Entity;
use crate::sim::reply::stamp;

/// How often it reads the entity.
pub(super) const PERIOD: Duration = Duration::from_mins(1);
/// First version of the entity type that has a section for it.
const FIRST_VERSION: (u32, u32) = (1, 3);
const REFUSED: &str = "ApplyError";
const FAILED: &str = "OperationError";

/// What the agent remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Projector {
    /// When it reads the entity next.
    next: Moment,
    /// `spec.capiYaml` as it last applied or refused it.
    applied: Option<String>,
    refused: bool,
    /// Newest operation carried out.
    sequence: u64,
    /// Results of operations.
    done: Vec<Value>,
    /// Operations to be tried again.
    retries: Vec<Value>,
    /// When the newest one was carried out.
    last: Option<String>,
}

/// One look at the entity, if it is time for one.
pub(super) fn follow(cluster: &mut Cluster, entity: &Entity, ctx: &Context<'_>) {
    if ctx.now < cluster.projector.next {
        return;
    }
    cluster.projector.next = ctx.now.plus(PERIOD);
    let yaml = entity.content.text_at(&["spec", "capiYaml"]);
    apply(cluster, &yaml.unwrap_or_default(), ctx);
    if !has_section(&entity.type_urn) {
        return;
    }
    let operations = entity.content.at(&["spec", "projector", "operations"]);
    let operations = operations
        .and_then(|all| all.as_array().cloned())
        .unwrap_or_default();
    operate(cluster, &operations, ctx);
    let keys = section(&cluster.projector);
    cluster.desk.put(Component::Projector, Edit::Put(keys));
}

fn has_section(type_urn: &str) -> bool {
    let version = type_urn.rsplit(':').next().unwrap_or_default();
    minor(version).is_some_and(|version| version >= FIRST_VERSION)
}

fn apply(cluster: &mut Cluster, yaml: &str, ctx: &Context<'_>) {
    if cluster.projector.applied.as_deref() == Some(yaml) {
        return;
    }
    cluster.projector.applied = Some(yaml.to_owned());
    let prunes = !ctx.settings.projector_never_prunes;
    let wanted = Documents::parse(yaml)
        .and_then(|documents| Manifest::of(&documents))
        .and_then(|wanted| upgradable(&cluster.wanted, &wanted).map(|()| wanted));
    let edit = match wanted {
        Ok(wanted) => {
            let wanted = wanted.over(&cluster.wanted, prunes);
            cluster.settled &= wanted == cluster.wanted;
            cluster.wanted = wanted;
            cluster.projector.refused.then(|| Edit::Forgive {
                name: REFUSED.to_owned(),
                resource: None,
            })
        }
        Err(reason) => Some(Edit::Error(
            Entry::new(REFUSED, ("", &cluster.wanted.cluster), ctx.wall)
                .saying("Detailed Error", &reason),
        )),
    };
    cluster.projector.refused = matches!(edit, Some(Edit::Error(_)));
    if let Some(edit) = edit {
        cluster.desk.put(Component::Projector, edit);
    }
}

fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The control plane goes up by one minor version at most, and never down.
fn upgradable(old: &Manifest, new: &Manifest) -> Result<(), String> {
    match (minor(old.version()), minor(new.version())) {
        (Some((major, from)), Some((to_major, to)))
            if major == to_major && (from == to || from + 1 == to) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "admission webhook \"validation.kubeadmcontrolplane.controlplane.cluster.x-k8s.io\" \
             denied the request: spec.version: Forbidden: cannot update Kubernetes version from {} \
             to {}",
            old.version(),
            new.version()
        )),
    }
}

/// Carries out the operations that are new, and those that shall be tried until they succeed.
fn operate(cluster: &mut Cluster, operations: &[Value], ctx: &Context<'_>) {
    let sequence = |operation: &Value| operation.get("sequence").and_then(Value::as_u64);
    let mut due: Vec<(u64, Value)> = cluster
        .projector
        .retries
        .drain(..)
        .filter_map(|one| Some((sequence(&one)?, one)))
        .collect();
    let newest = cluster.projector.sequence;
    let fresh = operations
        .iter()
        .filter_map(|one| Some((sequence(one)?, one.clone())));
    due.extend(fresh.filter(|(number, _)| *number > newest));
    due.sort_by_key(|(number, _)| *number);
    for (number, operation) in due {
        cluster.projector.sequence = cluster.projector.sequence.max(number);
        cluster.projector.last = Some(stamp(ctx.wall));
        match carry_out(&operation) {
            Ok(output) => cluster.projector.done.push(result(&operation, &output)),
            Err(reason) => {
                let name = operation.get("name").and_then(Value::as_str);
                let entry = Entry::new(FAILED, ("", name.unwrap_or_default()), ctx.wall);
                let edit = Edit::Error(entry.saying("Detailed Error", &reason));
                cluster.desk.put(Component::Projector, edit);
                if operation.get("retryUntilSuccess") == Some(&Value::Bool(true)) {
                    cluster.projector.retries.push(operation);
                }
            }
        }
    }
}

/// What comes of an operation: nothing is fetched, and what is no manifest is refused.
fn carry_out(operation: &Value) -> Result<String, String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let verb = text("verb").unwrap_or_default();
    let values = operation.get("values").and_then(Value::as_array);
    let values: Vec<&str> = values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if values.is_empty() {
        return Err(format!("{verb}: no values"));
    }
    for value in &values {
        if text("valueType") == Some("yamlLink") {
            if !value.starts_with("https://") && !value.starts_with("http://") {
                return Err(format!("{verb}: unable to read URL {value:?}"));
            }
        } else {
            Documents::parse(value)?;
        }
    }
    Ok(format!("{verb}: {} manifests", values.len()))
}

fn result(operation: &Value, output: &str) -> Value {
    let mut result = Map::new();
    for key in ["verb", "name", "valueType", "sequence"] {
        if let Some(value) = operation.get(key) {
            result.insert(key.to_owned(), value.clone());
        }
    }
    result.insert("output".to_owned(), json!(output));
    Value::Object(result)
}

/// Its keys in `status.projector`, without the sets.
fn section(projector: &Projector) -> Map<String, Value> {
    let retries = projector.retries.iter();
    let retries = retries.map(|operation| json!({"operation": operation}));
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("lastAppliedSequence", json!(projector.sequence.max(1)));
    put("operations", json!(projector.done));
    put("retrySet", retries.collect());
    if let Some(last) = &projector.last {
        put("lastAppliedTimestamp", json!(last));
    }
    keys
}
