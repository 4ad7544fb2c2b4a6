//! What a restore would do with each entity of a backup; pure.
//!
//! A document can go back in time, the cluster cannot. So what is put back of a cluster is what its owner asked
//! for; of its status, which servers and controllers report, only what is missing, unless the operator says that
//! the status is what was damaged.
//!
//! Invariants:
//! - A cluster at work, or being deleted, is left alone. A deletion is never put back.
//! - Auto-repair never comes back to a cluster that was provisioned.
//! - A secret is taken from the live entity, or nothing is written.

use serde_json::{Map, Value};

use super::saved::{SavedEntity, secure_places};
use crate::domain::claim::{Claim, Hold};
use crate::domain::cluster::{ClusterFlags, text_at};
use crate::domain::secrets::{filled, filled_or_empty};
use crate::domain::server_config::findings::{Severity, findings};
use crate::domain::tree::{self, Change, Step, TreePath};

/// Content of an entity.
type Content = Map<String, Value>;

/// What an operator asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Entities that are there and differ are to be written.
    pub overwrite: bool,
    /// Of clusters the status goes back as well.
    pub with_status: bool,
}

/// How an entity in VCD stands to the one in the backup.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing to put back.
    Same,
    /// This would be written.
    Differs {
        /// The content.
        wanted: Content,
        /// What the operator should know.
        notes: Vec<String>,
    },
    /// It must not be written now; as a sentence.
    Refused(String),
}

/// Compares an entity that is there.
pub fn compare(saved: &SavedEntity, live: &Content, orders: Orders) -> Standing {
    if saved.is_configuration() {
        configuration(saved, live)
    } else {
        cluster(saved, live, orders)
    }
}

fn configuration(saved: &SavedEntity, live: &Content) -> Standing {
    let (wanted, lost) = filled_or_empty(
        &Value::Object(saved.entity.clone()),
        Some(&Value::Object(live.clone())),
    );
    let Value::Object(wanted) = wanted else {
        return Standing::Same;
    };
    if wanted == *live {
        return Standing::Same;
    }
    match invalid(&wanted) {
        Some(reason) => Standing::Refused(reason),
        None => Standing::Differs {
            wanted,
            notes: lost_secrets(&lost),
        },
    }
}

/// The configuration to be made anew, and what the operator should know.
///
/// # Errors
/// It is invalid; as a sentence.
pub fn configuration_anew(saved: &SavedEntity) -> Result<(Content, Vec<String>), String> {
    let (wanted, lost) = filled_or_empty(&Value::Object(saved.entity.clone()), None);
    let Value::Object(wanted) = wanted else {
        return Err("its content is no object".to_owned());
    };
    match invalid(&wanted) {
        Some(reason) => Err(reason),
        None => Ok((wanted, lost_secrets(&lost))),
    }
}

fn invalid(wanted: &Content) -> Option<String> {
    let found = findings(wanted);
    let error = found.iter().find(|one| one.severity == Severity::Error)?;
    Some(format!(
        "the configuration in the backup is invalid ({})",
        error.line()
    ))
}

fn lost_secrets(lost: &[TreePath]) -> Vec<String> {
    let note = |path: &TreePath| {
        format!(
            "{path} held a secret, which no backup has: set it again with cse-server config set"
        )
    };
    lost.iter().map(note).collect()
}

fn cluster(saved: &SavedEntity, live: &Content, orders: Orders) -> Standing {
    let now = Value::Object(live.clone());
    let mut wanted = Value::Object(saved.entity.clone());
    let mut notes = Vec::new();
    // What is encrypted stays as this login sees it: left out, or as it is.
    for place in secure_places(&now) {
        if let Some(secret) = place.get(&now) {
            place.set(&mut wanted, secret.clone()).unwrap_or(());
        }
    }
    let mut wanted = match filled(&wanted, Some(&now)) {
        Ok(wanted) => wanted,
        Err(missing) => {
            let places: Vec<String> = missing.iter().map(ToString::to_string).collect();
            return Standing::Refused(format!(
                "{} holds a secret in the backup's place that is not in VCD any more; put it right by hand",
                places.join(", ")
            ));
        }
    };
    flags(&mut wanted, live, &mut notes);
    status(&mut wanted, live, orders);
    let Value::Object(wanted) = wanted else {
        return Standing::Same;
    };
    let changes = tree::changes(&now, &Value::Object(wanted.clone()));
    if changes.is_empty() {
        return Standing::Same;
    }
    if let Some(reason) = busy(live) {
        return Standing::Refused(reason);
    }
    let capi = TreePath::parse("spec.capiYaml").unwrap_or_default();
    if changes.iter().any(|one| one.path.touches(&capi)) {
        notes.push("spec.capiYaml goes back: the agent inside the cluster applies it, so nodes may be added, removed or replaced".to_owned());
    }
    Standing::Differs { wanted, notes }
}

/// Why the cluster must not be written now.
fn busy(live: &Content) -> Option<String> {
    let state = live
        .get("status")
        .and_then(|status| text_at(status, &["vcdKe", "state"]));
    if ClusterFlags::read(live).mark_for_delete || state == Some("deleting") {
        return Some("it is being deleted; nothing is put back into it".to_owned());
    }
    let own = live.get("status").and_then(|status| status.get("vcdKe"))?;
    let text = |key: &str| text_at(own, &[key]).unwrap_or_default();
    let claim = Claim::from_wire(text("workerId"), text("heartbeatString"));
    let heartbeat = claim.heartbeat.as_ref()?;
    let holder = claim.holder.as_ref()?;
    (heartbeat.hold == Hold::Held).then(|| {
        format!("replica {:?} is at work on it; try again when it is done, or stop the replicas first and wait until it is taken over or released", holder.replica())
    })
}

/// The switches of `spec.vcdKe` that must not go back.
fn flags(wanted: &mut Value, live: &Content, notes: &mut Vec<String>) {
    let asked = wanted
        .as_object()
        .map(ClusterFlags::read)
        .unwrap_or_default();
    let now = ClusterFlags::read(live);
    let live = Value::Object(live.clone());
    let mut keep = |key: &str| {
        let place = TreePath::parse("spec.vcdKe")
            .unwrap_or_default()
            .then(Step::Key(key.to_owned()));
        match place.get(&live) {
            Some(value) => place.set(wanted, value.clone()).unwrap_or(()),
            None => drop(place.remove(wanted)),
        }
    };
    if asked.mark_for_delete && !now.mark_for_delete {
        keep("markForDelete");
        keep("forceDelete");
        notes.push("in the backup it was marked for deletion; that is not put back".to_owned());
    }
    let state = TreePath::parse("status.vcdKe.state").unwrap_or_default();
    if asked.auto_repair
        && !now.auto_repair
        && state.get(&live).and_then(Value::as_str) == Some("provisioned")
    {
        keep("autoRepairOnErrors");
    }
}

/// What servers and controllers report stays as it is, where it is there.
fn status(wanted: &mut Value, live: &Content, orders: Orders) {
    let old = wanted.get("status").cloned();
    let merged = match (old, live.get("status")) {
        (old, Some(now)) if !orders.with_status => {
            Some(old.map_or_else(|| now.clone(), |old| completed(now, &old)))
        }
        (Some(old), Some(now)) => Some(with_claim_of(old, now)),
        (old, _) => old,
    };
    if let (Some(merged), Some(members)) = (merged, wanted.as_object_mut()) {
        members.insert("status".to_owned(), merged);
    }
}

/// `now` with what it lacks of `old`.
fn completed(now: &Value, old: &Value) -> Value {
    match (now, old) {
        (Value::Object(now), Value::Object(old)) => {
            let mut members = now.clone();
            for (key, old) in old {
                match members.get_mut(key) {
                    Some(value) => *value = completed(value, old),
                    None => drop(members.insert(key.clone(), old.clone())),
                }
            }
            Value::Object(members)
        }
        (Value::Null, old) => old.clone(),
        (now, _) => now.clone(),
    }
}

/// The old status with the claim of today: an older one would look like one that is alive.
fn with_claim_of(mut old: Value, now: &Value) -> Value {
    for key in [
        "workerId",
        "vcdKeInstanceId",
        "heartbeatString",
        "heartbeatTimestamp",
    ] {
        let place = TreePath::parse("vcdKe")
            .unwrap_or_default()
            .then(Step::Key(key.to_owned()));
        match place.get(now) {
            Some(value) => place.set(&mut old, value.clone()).unwrap_or(()),
            None => drop(place.remove(&mut old)),
        }
    }
    old
}

/// Access controls of the backup that the entity does not have, as they are to be posted.
pub fn missing_grants(saved: &[Value], live: &[Value]) -> Vec<Value> {
    let identity = |grant: &Value| {
        let text = |key: &str| grant.get(key).and_then(Value::as_str).map(str::to_owned);
        (
            text("grantType"),
            text("accessLevelId"),
            text("memberId"),
            text("rightId"),
        )
    };
    let missing = saved
        .iter()
        .filter(|grant| !live.iter().any(|one| identity(one) == identity(grant)));
    let posted = |grant: &Value| {
        let keys = ["grantType", "accessLevelId", "memberId", "rightId"];
        let pairs = keys
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), grant.get(key)?.clone())));
        Value::Object(pairs.filter(|(_, value)| !value.is_null()).collect())
    };
    missing.map(posted).collect()
}

/// What would change, for people and programs.
pub fn told(live: &Content, wanted: &Content) -> Vec<Change> {
    tree::changes(&Value::Object(live.clone()), &Value::Object(wanted.clone()))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
