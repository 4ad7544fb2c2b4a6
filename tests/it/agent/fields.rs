//! Who owns which field: the heart of server-side apply, on paths of leaves.
//!
//! A list counts as one field, as in custom resources without list types.
//! Source: Kubernetes, server-side apply (conflicts, forced apply, removal of fields nobody owns).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A path of keys.
pub(super) type Path = Vec<String>;

/// How a manager wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// A manager and its fields.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: Operation,
    pub(super) fields: BTreeSet<Path>,
}

/// Everything of `value` that is no object with content.
pub(super) fn leaves(value: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

fn walk(value: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                at.push(key.clone());
                walk(value, at, found);
                at.pop();
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            found.insert(at.clone());
        }
    }
}

pub(super) fn get<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

pub(super) fn put(value: &mut Value, path: &[String], new: Value) {
    let mut at = value;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let fields = at.as_object_mut().unwrap();
        at = fields.entry(key.clone()).or_insert(Value::Null);
    }
    // An empty object among the leaves says only that it is there.
    if !(new.as_object().is_some_and(Map::is_empty) && at.is_object()) {
        *at = new;
    }
}

/// Removes a field and the objects that become empty by it.
pub(super) fn remove(value: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let parent = parents
        .iter()
        .try_fold(&mut *value, |value, key| value.get_mut(key));
    let Some(fields) = parent.and_then(Value::as_object_mut) else {
        return;
    };
    fields.shift_remove(last);
    if fields.is_empty() && parents.len() > 1 {
        remove(value, parents);
    }
}

/// `.spec.replicas`
pub(super) fn spelled(path: &[String]) -> String {
    path.iter()
        .fold(String::new(), |text, key| text + "." + key)
}
