//! What to apply now, given what is in the cluster.
//!
//! Flow: the wished documents with the objects as they stand in; whether this is the right cluster, and
//! the bodies to apply now, out.
//!
//! Invariants:
//! - Clients change the versions of control plane and workers in one edit, and Cluster API would roll both
//!   at once. Workers that shall get another version wait until every control plane node runs it: a kubelet
//!   must not be newer than its API server. Their number follows the YAML meanwhile, and with the version
//!   waits the machine image, or a node made meanwhile would have the wrong one.
//! - A cluster that is not here, is going, is paused, or belongs to another entity is left alone.
//!
//! Source: Cluster API 1.4 to 1.7, `KubeadmControlPlane` status and `MachineDeployment`; Kubernetes version
//! skew policy.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::judge::Document;
use super::kinds::Part;
use crate::domain::cluster::text_at;
use crate::domain::ids::EntityId;

const WORKER_VERSION: &str = "/spec/template/spec/version";
const WORKER_TEMPLATE: &str = "/spec/template/spec/infrastructureRef/name";
const SELECTOR: &str = "/spec/selector";
const IMAGE: &str = "/spec/template/spec/template";

/// A document and the object as it stands.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) document: Document,
    pub(super) live: Option<Value>,
}

impl Seen {
    fn part(&self) -> Part {
        self.document.address.kind.part
    }
}

/// Whether the cluster may be touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ready,
    /// Not now, for this reason; nothing is wrong.
    Wait(&'static str),
    /// Never: it is another entity's.
    Foreign(String),
}

/// Judges the cluster by its own objects.
pub(super) fn standing(seen: &[Seen], entity: &EntityId) -> Standing {
    let live = |part: Part| {
        let found = seen.iter().find(|seen| seen.part() == part);
        found.and_then(|seen| seen.live.as_ref())
    };
    let (Some(cluster), Some(infrastructure), Some(plane)) = (
        live(Part::Cluster),
        live(Part::Infrastructure),
        live(Part::ControlPlane),
    ) else {
        return Standing::Wait("the cluster's objects are not in this cluster");
    };
    let leaves = |object: &Value| object.pointer("/metadata/deletionTimestamp").is_some();
    if [cluster, infrastructure, plane].into_iter().any(leaves) {
        return Standing::Wait("the cluster is being deleted");
    }
    if cluster.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Standing::Wait("the cluster is paused");
    }
    let ids = [
        text_at(infrastructure, &["spec", "rdeId"]),
        text_at(infrastructure, &["status", "infraId"]),
    ];
    // CAPVCD without an entity calls it NO_RDE_<uuid>; only another entity's id is a contradiction.
    let other = ids
        .into_iter()
        .flatten()
        .find(|id| id.starts_with("urn:") && *id != entity.as_str());
    match other {
        Some(other) => Standing::Foreign(other.to_owned()),
        None => Standing::Ready,
    }
}

/// What to apply, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Worker pools whose version waits for the control plane.
    pub(super) held: Vec<String>,
}

/// One document to apply.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) document: Document,
    pub(super) live: Option<Value>,
}

/// Plans the documents; `version` is what the control plane shall run.
pub(super) fn plan(seen: Vec<Seen>, version: &str) -> Plan {
    let plane = seen
        .iter()
        .find(|seen| seen.part() == Part::ControlPlane)
        .and_then(|seen| seen.live.as_ref());
    let ready = plane.is_some_and(|plane| runs(plane, version));
    let (mut held, mut templates) = (Vec::new(), BTreeSet::new());
    for seen in seen.iter().filter(|seen| !ready && is_upgrade(seen)) {
        held.push(seen.document.address.name.clone());
        let template = seen.document.body.pointer(WORKER_TEMPLATE);
        templates.extend(template.and_then(Value::as_str).map(str::to_owned));
    }
    let steps = seen
        .into_iter()
        .filter_map(|seen| {
            let name = &seen.document.address.name;
            let waits = match seen.part() {
                Part::Workers if held.contains(name) => WORKER_VERSION,
                Part::MachineTemplate if templates.contains(name) => IMAGE,
                Part::Cluster
                | Part::Infrastructure
                | Part::MachineTemplate
                | Part::ControlPlane
                | Part::Workers
                | Part::Other => return Some(now(seen)),
            };
            keep(seen, waits)
        })
        .collect();
    Plan { steps, held }
}

/// A selector counts as one field. Clients leave it empty, the webhook fills it in, and it must never change:
/// it is applied as it stands. Leaving it out would remove it from a pool that the agent made.
fn now(Seen { mut document, live }: Seen) -> Step {
    let stands = live.as_ref().and_then(|live| live.pointer(SELECTOR));
    if let (Some(slot), Some(stands)) = (document.body.pointer_mut(SELECTOR), stands)
        && document.address.kind.part == Part::Workers
        && *slot == json!({})
    {
        slot.clone_from(stands);
    }
    Step { document, live }
}

/// The document with the value at `place` as it stands. A pool that is not there yet waits as a whole, its
/// template need not.
fn keep(mut seen: Seen, place: &str) -> Option<Step> {
    let Some(live) = &seen.live else {
        return (seen.part() == Part::MachineTemplate).then(|| now(seen));
    };
    let stands = live.pointer(place).cloned();
    if let (Some(slot), Some(stands)) = (seen.document.body.pointer_mut(place), stands) {
        *slot = stands;
    }
    Some(now(seen))
}

/// Whether the document gives a pool another version than it has.
fn is_upgrade(seen: &Seen) -> bool {
    let version = |object: &Value| object.pointer(WORKER_VERSION).cloned();
    let wanted = version(&seen.document.body);
    let stands = seen.live.as_ref().and_then(version);
    seen.part() == Part::Workers && wanted.is_some() && wanted != stands
}

/// Whether all nodes of the control plane run `version`.
fn runs(plane: &Value, version: &str) -> bool {
    let number = |place: &str| plane.pointer(place).and_then(Value::as_u64).unwrap_or(0);
    let text = |place: &str| plane.pointer(place).and_then(Value::as_str);
    let wanted = plane
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let observed = plane
        .pointer("/status/observedGeneration")
        .and_then(Value::as_u64);
    text("/spec/version") == Some(version)
        && text("/status/version") == Some(version)
        && observed.is_none_or(|observed| observed >= number("/metadata/generation"))
        && number("/status/updatedReplicas") == wanted
        && number("/status/replicas") == wanted
}

/// What an apply changed, for people: object, and its number of nodes and version if they changed.
pub(super) fn change(address: &str, before: Option<&Value>, after: &Value) -> String {
    let Some(before) = before else {
        return format!("{address} (new)");
    };
    let fields = [
        ("replicas", "/spec/replicas"),
        ("version", "/spec/version"),
        ("version", WORKER_VERSION),
        ("image", IMAGE),
    ];
    let told: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, place)| {
            let (from, to) = (before.pointer(place), after.pointer(place)?);
            (from != Some(to)).then(|| {
                let from = from.cloned().unwrap_or_else(|| json!("unset"));
                format!("{name} {} to {}", plain(&from), plain(to))
            })
        })
        .collect();
    if told.is_empty() {
        address.to_owned()
    } else {
        format!("{address} ({})", told.join(", "))
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
