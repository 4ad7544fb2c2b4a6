//! The node health check of a running cluster: on or off, and with which limits.
//!
//! Invariants:
//! - A cluster without one never gets one here: turning it on is the tenant's choice.
//! - Of the YAML only the text of that one document changes, so clients read the rest as before.
//!
//! Source: `MachineHealthCheck` as go-vcloud-director writes it (CSE 4.1, 4.2); clients split the YAML
//! at `---` and a line end.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Note;
use super::told::Told;
use crate::domain::cluster::{ClusterSpec, Kind, text_at, value_at};
use crate::domain::server_config::{NodeHealthCheck, parse_duration};
use crate::yaml;

const ON: &str = "NodeHealthCheckOn";
const OFF: &str = "NodeHealthCheckOff";
const CHANGED: &str = "NodeHealthCheckChanged";
/// Where clients split the YAML.
const SEPARATOR: &str = "---\n";

/// The health check that a request holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthCheck {
    /// `None` when the request cannot be read.
    is_on: Option<bool>,
    new_limits: Option<NodeHealthCheck>,
}

impl HealthCheck {
    /// Compares what the request holds with the limits it shall have, if any.
    pub(super) fn read(spec: Option<&ClusterSpec>, wanted: Option<NodeHealthCheck>) -> Self {
        let document = spec.and_then(|spec| spec.documents.of(Kind::MachineHealthCheck).next());
        let differs = |wanted: &NodeHealthCheck| {
            document.is_some_and(|document| limits(document) != Limits::of(wanted))
        };
        Self {
            is_on: spec.map(|_| document.is_some()),
            new_limits: wanted.filter(differs),
        }
    }

    pub(super) const fn new_limits(&self) -> Option<NodeHealthCheck> {
        self.new_limits
    }

    /// What is to be told: a change since it was last told; and where it never was, how it stands, but
    /// only beside something else.
    pub(super) fn events(
        &self,
        told: &Told,
        new_limits: Option<&NodeHealthCheck>,
        tells_anyway: bool,
    ) -> Vec<Note> {
        let mut events = Vec::new();
        if let Some(limits) = new_limits {
            let detail = format!(
                "The provider has changed the limits of node health checks: at most {} % unhealthy, {} s to \
                 start, {} s not ready, {} s unknown.",
                limits.max_unhealthy_percent,
                limits.node_startup.as_secs(),
                limits.node_not_ready.as_secs(),
                limits.node_unknown.as_secs(),
            );
            events.push(Note::new(CHANGED, "", &detail));
        }
        let Some(is_on) = self.is_on else {
            return events;
        };
        let known = told.newest_about(&[ON, OFF]).map(|(name, _)| name == ON);
        let is_news = known.map_or(tells_anyway, |known| known != is_on);
        if is_news && is_on {
            let detail = "Node health check is on: nodes that fail are replaced.";
            events.push(Note::new(ON, "", detail));
        } else if is_news {
            let detail =
                "Node health check is off: nodes that fail stay until somebody replaces them.";
            events.push(Note::new(OFF, "", detail));
        }
        events
    }
}

/// The limits of one document; `None` for what is absent or unreadable.
#[derive(Debug, PartialEq, Eq)]
struct Limits {
    max_unhealthy_percent: Option<u64>,
    node_startup: Option<Duration>,
    node_not_ready: Option<Duration>,
    node_unknown: Option<Duration>,
}

impl Limits {
    fn of(wanted: &NodeHealthCheck) -> Self {
        Self {
            max_unhealthy_percent: Some(u64::from(wanted.max_unhealthy_percent)),
            node_startup: Some(wanted.node_startup),
            node_not_ready: Some(wanted.node_not_ready),
            node_unknown: Some(wanted.node_unknown),
        }
    }
}

fn limits(document: &Value) -> Limits {
    let percent = text_at(document, &["spec", "maxUnhealthy"]);
    let percent = percent.and_then(|text| text.strip_suffix('%'));
    let startup = text_at(document, &["spec", "nodeStartupTimeout"]);
    let conditions = value_at(document, &["spec", "unhealthyConditions"]);
    let timeout = |status: &str| {
        let mut all = conditions.and_then(Value::as_array).into_iter().flatten();
        let condition = all.find(|one| is_ready_condition(one, status))?;
        parse_duration(text_at(condition, &["timeout"])?)
    };
    Limits {
        max_unhealthy_percent: percent.and_then(|text| text.trim().parse().ok()),
        node_startup: startup.and_then(parse_duration),
        node_not_ready: timeout("False"),
        node_unknown: timeout("Unknown"),
    }
}

fn is_ready_condition(condition: &Value, status: &str) -> bool {
    text_at(condition, &["type"]) == Some("Ready")
        && text_at(condition, &["status"]) == Some(status)
}

/// The YAML with new limits in its health check, all other documents byte for byte as they were.
///
/// `None` when it has no health check, or one that cannot be read or already has these limits.
pub fn rewritten(yaml_text: &str, wanted: &NodeHealthCheck) -> Option<String> {
    let mut found = false;
    let parts: Vec<String> = yaml_text
        .split(SEPARATOR)
        .map(|part| match with_limits(part, wanted) {
            Some(text) => {
                found = true;
                text
            }
            None => part.to_owned(),
        })
        .collect();
    found.then(|| parts.join(SEPARATOR))
}

fn with_limits(part: &str, wanted: &NodeHealthCheck) -> Option<String> {
    if !part.contains("MachineHealthCheck") {
        return None;
    }
    let mut documents = yaml::read_documents(part).ok()?;
    let [document] = documents.as_mut_slice() else {
        return None;
    };
    if !Kind::MachineHealthCheck.is(document) || limits(document) == Limits::of(wanted) {
        return None;
    }
    let spec = document.get_mut("spec")?.as_object_mut()?;
    let seconds = |time: Duration| json!(format!("{}s", time.as_secs()));
    let percent = format!("{}%", wanted.max_unhealthy_percent);
    spec.insert("maxUnhealthy".to_owned(), json!(percent));
    spec.insert(
        "nodeStartupTimeout".to_owned(),
        seconds(wanted.node_startup),
    );
    set_timeout(spec, "Unknown", &seconds(wanted.node_unknown));
    set_timeout(spec, "False", &seconds(wanted.node_not_ready));
    yaml::write_documents(&documents).ok()
}

/// Conditions of the tenant's own stay as they are.
fn set_timeout(spec: &mut Map<String, Value>, status: &str, timeout: &Value) {
    let conditions = spec
        .entry("unhealthyConditions")
        .or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else {
        return;
    };
    match conditions
        .iter_mut()
        .find(|one| is_ready_condition(one, status))
        .and_then(Value::as_object_mut)
    {
        Some(condition) => {
            condition.insert("timeout".to_owned(), timeout.clone());
        }
        None => conditions.push(json!({"type": "Ready", "status": status, "timeout": timeout})),
    }
}
