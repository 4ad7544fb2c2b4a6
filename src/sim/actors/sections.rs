//! Sections of `status`, one per component, and the changes components make in them.
//!
//! Flow: a component reads its entity, applies one [`Edit`] to what it has read, and writes the whole
//! entity back (`report`).
//!
//! Invariants:
//! - An edit touches its component's section only.
//! - Sets keep their newest entries; an error is current until it is removed.
//! - CAPVCD writes its status through a struct: keys the struct does not know are lost.
//!
//! Source: CAPVCD `capisdk`, CPI `vcdsdk` (`RDEManager`), `status.capvcd` of `capvcdCluster` 1.1.0.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::sim::reply::stamp;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Component {
    Capvcd,
    Cpi,
    Csi,
    Projector,
}

impl Component {
    /// Key of its section.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::Capvcd => "capvcd",
            Self::Cpi => "cpi",
            Self::Csi => "csi",
            Self::Projector => "projector",
        }
    }

    /// Its name as it writes it.
    const fn name(self) -> &'static str {
        match self {
            Self::Capvcd => "cluster-api-provider-cloud-director",
            Self::Cpi => "cloud-controller-manager",
            Self::Csi => "cloud-director-named-disk-csi-driver",
            Self::Projector => "rde-projector",
        }
    }

    /// Its version as it writes it: the version file of the CPI ends with a line break.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Capvcd => "1.3.2",
            Self::Cpi => "1.6.1\n",
            Self::Csi => "1.6.0",
            Self::Projector => "0.7.1",
        }
    }

    /// Entries it keeps in a set.
    const fn window(self) -> usize {
        match self {
            Self::Capvcd => 20,
            Self::Cpi | Self::Csi | Self::Projector => 10,
        }
    }
}

/// An event or an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    name: String,
    occurred: String,
    resource_id: String,
    resource_name: String,
    details: Map<String, Value>,
}

impl Entry {
    /// About the resource `(id, name)`; either may be empty.
    pub(super) fn new(name: &str, resource: (&str, &str), wall: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            occurred: stamp(wall),
            resource_id: resource.0.to_owned(),
            resource_name: resource.1.to_owned(),
            details: Map::new(),
        }
    }

    /// With one more detail.
    pub(super) fn saying(mut self, key: &str, text: &str) -> Self {
        self.details.insert(key.to_owned(), json!(text));
        self
    }

    /// Fields without a value are left out, as Go's `omitempty` does.
    fn value(&self) -> Value {
        let mut entry = Map::new();
        let mut put = |key: &str, text: &str| {
            if !text.is_empty() {
                entry.insert(key.to_owned(), json!(text));
            }
        };
        put("name", &self.name);
        put("occurredAt", &self.occurred);
        put("vcdResourceId", &self.resource_id);
        put("vcdResourceName", &self.resource_name);
        if !self.details.is_empty() {
            let details = Value::Object(self.details.clone());
            entry.insert("additionalDetails".to_owned(), details);
        }
        Value::Object(entry)
    }
}

/// An object in VCD that belongs to the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// Such as `virtual-service`.
    pub(super) kind: String,
    /// URN.
    pub(super) id: String,
    pub(super) name: String,
    /// Address of a virtual service.
    pub(super) virtual_ip: Option<String>,
}

impl Resource {
    pub(super) fn new(kind: &str, id: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
            virtual_ip: None,
        }
    }

    fn value(&self) -> Value {
        let mut value = json!({"type": self.kind, "id": self.id, "name": self.name});
        if let (Some(ip), Some(map)) = (&self.virtual_ip, value.as_object_mut()) {
            map.insert("additionalDetails".to_owned(), json!({"virtualIP": ip}));
        }
        value
    }
}

/// One change of a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edit {
    /// The whole status of CAPVCD, without its sets.
    Status(Value),
    /// Ties the entity to its vApp by the external id; no part of any section.
    Tie(String),
    /// A section of its own, where there is none; these keys in it.
    Put(Map<String, Value>),
    Event(Entry),
    Error(Entry),
    Forgive {
        name: String,
        resource: Option<String>,
    },
    Add(Resource),
    Remove {
        kind: String,
        name: String,
    },
}

/// `section` after `edit`; `None` when it changes nothing.
pub(super) fn edited(section: Option<&Value>, component: Component, edit: &Edit) -> Option<Value> {
    let before = section.and_then(Value::as_object);
    let mut after = before.cloned().unwrap_or_default();
    match edit {
        Edit::Status(status) => after = rewritten(&after, status),
        Edit::Tie(_) => {}
        Edit::Put(keys) => {
            introduce(&mut after, component);
            after.extend(keys.clone());
        }
        Edit::Event(entry) => append(&mut after, component, ("eventSet", entry)),
        Edit::Error(entry) => append(&mut after, component, ("errorSet", entry)),
        Edit::Forgive { name, resource } => {
            if let Some(Value::Array(errors)) = after.get_mut("errorSet") {
                errors.retain(|error| !concerns(error, name, resource.as_deref()));
            }
        }
        Edit::Add(resource) => add(&mut after, component, resource),
        Edit::Remove { kind, name } => {
            if let Some(Value::Array(resources)) = after.get_mut("vcdResourceSet") {
                resources.retain(|one| !is(one, "type", kind) || !is(one, "name", name));
            }
        }
    }
    (before != Some(&after) && (before.is_some() || !after.is_empty()))
        .then_some(Value::Object(after))
}

fn is(value: &Value, key: &str, text: &str) -> bool {
    value.get(key).and_then(Value::as_str) == Some(text)
}

fn concerns(error: &Value, name: &str, resource: Option<&str>) -> bool {
    is(error, "name", name)
        && resource.is_none_or(|resource| is(error, "vcdResourceName", resource))
}

/// A component that finds no section of its own makes one with its name and version.
fn introduce(section: &mut Map<String, Value>, component: Component) {
    if section.is_empty() {
        section.insert("name".to_owned(), json!(component.name()));
        section.insert("version".to_owned(), json!(component.version()));
    }
}

fn set<'a>(section: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Vec<Value>> {
    let slot = section.entry(name).or_insert_with(|| json!([]));
    if !slot.is_array() {
        *slot = json!([]);
    }
    slot.as_array_mut()
}

fn append(section: &mut Map<String, Value>, component: Component, (name, entry): (&str, &Entry)) {
    introduce(section, component);
    if let Some(entries) = set(section, name) {
        entries.push(entry.value());
        let surplus = entries.len().saturating_sub(component.window());
        entries.drain(..surplus);
    }
}

/// An entry of the same id and type takes the new details; any other stays beside it.
fn add(section: &mut Map<String, Value>, component: Component, resource: &Resource) {
    introduce(section, component);
    let Some(resources) = set(section, "vcdResourceSet") else {
        return;
    };
    let mut known = resources.iter_mut();
    let known = known.find(|one| is(one, "id", &resource.id) && is(one, "type", &resource.kind));
    match known {
        Some(known) => {
            let details = resource.value().get("additionalDetails").cloned();
            if let (Some(details), Some(known)) = (details, known.as_object_mut()) {
                known.insert("additionalDetails".to_owned(), details);
            }
        }
        None => resources.push(resource.value()),
    }
}

/// `status.capvcd` as CAPVCD writes it back: what it computed, its sets as they were, and nothing else.
fn rewritten(old: &Map<String, Value>, status: &Value) -> Map<String, Value> {
    let mut new = status.as_object().cloned().unwrap_or_default();
    let current = |section: &Map<String, Value>| section.get("upgrade")?.get("current").cloned();
    let previous = match (current(old), current(&new)) {
        (Some(before), Some(now)) if before != now => Some(before),
        _ => old
            .get("upgrade")
            .and_then(|upgrade| upgrade.get("previous"))
            .cloned(),
    };
    if let Some(upgrade) = new.get_mut("upgrade").and_then(Value::as_object_mut) {
        upgrade.insert("previous".to_owned(), previous.unwrap_or(Value::Null));
    }
    for kept in [
        "errorSet",
        "eventSet",
        "vcdResourceSet",
        "clusterResourceSet",
        "createdByVersion",
    ] {
        let before = old.get(kept).filter(|value| !is_empty(value));
        if let Some(value) = before {
            new.insert(kept.to_owned(), value.clone());
        }
    }
    if !new.contains_key("private")
        && let Some(private) = old.get("private")
    {
        new.insert("private".to_owned(), private.clone());
    }
    new
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, resource: &str) -> Entry {
        Entry::new(name, ("", resource), Timestamp::UNIX_EPOCH).saying("error", "why")
    }

    fn after(edits: &[Edit], component: Component) -> Option<Value> {
        edits.iter().fold(None, |section, edit| {
            edited(section.as_ref(), component, edit).or(section)
        })
    }

    #[test]
    fn a_set_keeps_its_newest_entries() {
        for (component, window) in [(Component::Capvcd, 20), (Component::Cpi, 10)] {
            let edits: Vec<Edit> = (0..25)
                .map(|number| Edit::Event(entry(&format!("e{number}"), "")))
                .collect();
            let section = after(&edits, component).unwrap_or_default();
            let names: Vec<&str> = section
                .get("eventSet")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|one| one.get("name")?.as_str())
                .collect();
            assert_eq!(names.len(), window);
            assert_eq!(names.last(), Some(&"e24"));
            assert_eq!(section.get("name"), Some(&json!(component.name())));
        }
    }

    #[test]
    fn an_error_is_current_until_it_is_forgiven() {
        let broken = [Edit::Error(entry("A", "x")), Edit::Error(entry("A", "y"))];
        let forgive = |resource: Option<&str>| Edit::Forgive {
            name: "A".to_owned(),
            resource: resource.map(str::to_owned),
        };
        let section = after(&broken, Component::Capvcd);
        let count = |section: Option<Value>| {
            let set = section?.get("errorSet")?.as_array()?.len();
            Some(set)
        };
        let one = edited(section.as_ref(), Component::Capvcd, &forgive(Some("x")));
        assert_eq!(count(one.clone()), Some(1));
        let none = edited(one.as_ref(), Component::Capvcd, &forgive(None));
        assert_eq!(count(none.clone()), Some(0));
        assert_eq!(
            edited(none.as_ref(), Component::Capvcd, &forgive(None)),
            None,
            "nothing to write"
        );
        assert_eq!(edited(None, Component::Capvcd, &forgive(None)), None);
    }

    #[test]
    fn a_resource_is_listed_once() {
        let mut service = Resource::new("virtual-service", "urn:1", "kite");
        let plain = Edit::Add(service.clone());
        let section = after(&[plain.clone(), plain.clone()], Component::Cpi);
        assert_eq!(edited(section.as_ref(), Component::Cpi, &plain), None);
        service.virtual_ip = Some("203.0.113.9".to_owned());
        let section = edited(section.as_ref(), Component::Cpi, &Edit::Add(service));
        let set = section.as_ref().and_then(|one| one.get("vcdResourceSet"));
        assert_eq!(
            set,
            Some(
                &json!([{"type": "virtual-service", "id": "urn:1", "name": "kite",
                "additionalDetails": {"virtualIP": "203.0.113.9"}}])
            )
        );
        let gone = Edit::Remove {
            kind: "virtual-service".to_owned(),
            name: "kite".to_owned(),
        };
        let section = edited(section.as_ref(), Component::Cpi, &gone);
        let set = section.as_ref().and_then(|one| one.get("vcdResourceSet"));
        assert_eq!(set, Some(&json!([])));
    }

    #[test]
    fn a_rewritten_status_keeps_sets_and_the_former_version_and_loses_unknown_keys() {
        let version = |text: &str| json!({"upgrade": {"current": {"kubernetesVersion": text}}});
        let mut old = version("v1.27");
        if let Some(map) = old.as_object_mut() {
            map.insert("eventSet".to_owned(), json!([{"name": "e"}]));
            map.insert("private".to_owned(), json!({"kubeConfig": "k"}));
            map.insert("unknown".to_owned(), json!(1));
        }
        let new = edited(
            Some(&old),
            Component::Capvcd,
            &Edit::Status(version("v1.28")),
        );
        let again = edited(
            new.as_ref(),
            Component::Capvcd,
            &Edit::Status(version("v1.28")),
        );
        assert_eq!(again, None, "the same again");
        let want = json!({
            "upgrade": {
                "current": {"kubernetesVersion": "v1.28"},
                "previous": {"kubernetesVersion": "v1.27"},
            },
            "eventSet": [{"name": "e"}],
            "private": {"kubeConfig": "k"},
        });
        assert_eq!(new, Some(want));
    }
}
