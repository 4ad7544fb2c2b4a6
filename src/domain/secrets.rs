//! Secrets in documents: leaving them out, and putting them back from the document that has them.
//!
//! What is secret is told by where it stands (a key that ends in `token`, `password`, ...; the data of a
//! Kubernetes Secret; the user part of a URL; a private key), never by what it looks like. In its place stands
//! [`PLACEHOLDER`], in texts of several lines as well.
//!
//! Invariants:
//! - What is shown or written to a file went through [`masked`] before.
//! - A placeholder never becomes a value: [`filled`] puts back what the live document holds at that place, or
//!   names the place.
//! - A CAPI YAML whose secrets cannot be told apart is left out as a whole.
//!
//! Source: `x-vcloud-restricted` of `vmware:capvcdCluster` 1.1.0 to 1.3.0; Secrets in the CAPI YAML of CSE 4.0;
//! `vmware:VCDKEConfig`, which restricts nothing.

mod text;

use serde_json::{Map, Value};

use super::tree::{Step, TreePath};
use crate::yaml;

/// Stands where a secret stood; what VCD itself shows for secure fields from API 38.0 on.
pub const PLACEHOLDER: &str = "******";

/// Ends of keys, in lower case and without punctuation, whose values are secret.
const ENDINGS: [&str; 15] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "credential",
    "credentials",
    "apikey",
    "privatekey",
    "secretkey",
    "clientkeydata",
    "certificatekey",
    "encryptionkey",
    "authorization",
    "kubeconfig",
];
/// The text in a cluster's entity that holds Kubernetes documents.
const MANIFESTS: &str = "capiYaml";
/// Shortest secret that is looked for by its text; shorter ones stand in other words, too.
const LEAST_SEARCHED: usize = 8;

/// Whether the value of such a key is secret.
pub fn is_secret_key(key: &str) -> bool {
    let letters = key.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    ENDINGS.iter().any(|end| plain.ends_with(end))
}

/// The same without its secrets.
pub fn masked(value: &Value) -> Value {
    mask(None, value, false)
}

/// The same for a value that stands under `key`.
pub fn masked_under(key: &str, value: &Value) -> Value {
    mask(Some(key), value, is_secret_key(key))
}

/// Whether a secret is left out somewhere in it.
pub fn holds_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PLACEHOLDER),
        Value::Array(items) => items.iter().any(holds_placeholder),
        Value::Object(members) => members.values().any(holds_placeholder),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Where something is left out.
pub fn placeholders(value: &Value) -> Vec<TreePath> {
    let found = super::tree::leaves(value).into_iter();
    found
        .filter(|(_, leaf)| holds_placeholder(leaf))
        .map(|(path, _)| path)
        .collect()
}

fn mask(key: Option<&str>, value: &Value, secret: bool) -> Value {
    match value {
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(_) | Value::Number(_) if secret => PLACEHOLDER.into(),
        Value::String(text) if key == Some(MANIFESTS) => {
            mask_manifests(text).map_or_else(|| PLACEHOLDER.into(), Value::from)
        }
        Value::String(text) => text::masked(text).into(),
        Value::Array(items) => items.iter().map(|item| mask(key, item, secret)).collect(),
        Value::Object(members) => {
            let is_kubernetes = is_kubernetes_secret(members);
            let inside = |(key, member): (&String, &Value)| {
                let secret = secret || is_secret_member(key, is_kubernetes);
                (key.clone(), mask(Some(key), member, secret))
            };
            Value::Object(members.iter().map(inside).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn is_kubernetes_secret(members: &Map<String, Value>) -> bool {
    members.get("kind").and_then(Value::as_str) == Some("Secret")
}

fn is_secret_member(key: &str, of_kubernetes_secret: bool) -> bool {
    is_secret_key(key) || (of_kubernetes_secret && matches!(key, "data" | "stringData"))
}

/// A CAPI YAML without secrets, as it was written wherever that is possible; `None` when nobody can tell.
fn mask_manifests(text: &str) -> Option<String> {
    let documents = yaml::read_documents(text).ok()?;
    let without: Vec<Value> = documents.iter().map(masked).collect();
    if without == documents {
        // Comments are no part of the documents.
        return Some(text::masked(text));
    }
    let mut secrets = Vec::new();
    for (document, masked) in documents.iter().zip(&without) {
        secrets_of(document, masked, &mut secrets);
    }
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let long = secrets
        .iter()
        .filter(|secret| secret.len() >= LEAST_SEARCHED);
    let replaced = long.fold(text.to_owned(), |text, secret| {
        text.replace(*secret, PLACEHOLDER)
    });
    let candidate = text::masked(&replaced);
    let is_same = yaml::read_documents(&candidate).is_ok_and(|read| read == without);
    if is_same {
        return Some(candidate);
    }
    yaml::write_documents(&without).ok()
}

/// The texts that are there and are not once it is masked.
fn secrets_of<'a>(document: &'a Value, masked: &Value, found: &mut Vec<&'a str>) {
    match document {
        Value::String(text) if masked.as_str() == Some(PLACEHOLDER) => found.push(text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                secrets_of(item, masked.get(index).unwrap_or(&Value::Null), found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                secrets_of(member, masked.get(key).unwrap_or(&Value::Null), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The document with its placeholders replaced by what `live` holds at the same places.
///
/// Elements of lists that have a name are found by it, others by their number.
///
/// # Errors
/// The places whose secret `live` does not have, or has beside other text than the document.
pub fn filled(document: &Value, live: Option<&Value>) -> Result<Value, Vec<TreePath>> {
    let mut missing = Vec::new();
    let at = Filling {
        key: None,
        secret: false,
        path: TreePath::default(),
    };
    let whole = fill(document, live, &at, &mut missing);
    if missing.is_empty() {
        Ok(whole)
    } else {
        Err(missing)
    }
}

/// The same, leaving out what cannot be filled: a text becomes empty, so that "none" is what is read.
pub fn filled_or_empty(document: &Value, live: Option<&Value>) -> (Value, Vec<TreePath>) {
    match filled(document, live) {
        Ok(whole) => (whole, Vec::new()),
        Err(missing) => {
            let mut whole = document.clone();
            for path in &missing {
                // The place is there: it has just been found.
                path.set(&mut whole, Value::from("")).unwrap_or(());
            }
            let (whole, more) = match filled(&whole, live) {
                Ok(whole) => (whole, Vec::new()),
                Err(more) => (whole, more),
            };
            (whole, missing.into_iter().chain(more).collect())
        }
    }
}

/// Where in a document it is filled.
struct Filling<'a> {
    key: Option<&'a str>,
    secret: bool,
    path: TreePath,
}

fn fill(
    value: &Value,
    live: Option<&Value>,
    at: &Filling<'_>,
    missing: &mut Vec<TreePath>,
) -> Value {
    if !holds_placeholder(value) {
        return value.clone();
    }
    if let Some(live) = live
        && mask(at.key, live, at.secret) == *value
    {
        return live.clone();
    }
    match value {
        Value::String(text) if at.key == Some(MANIFESTS) => {
            let filled = live
                .and_then(Value::as_str)
                .and_then(|live| fill_manifests(text, live));
            filled.unwrap_or_else(|| {
                missing.push(at.path.clone());
                value.clone()
            })
        }
        Value::Array(items) => {
            let element = |(index, item): (usize, &Value)| {
                let path = at.path.then(Step::Index(index));
                fill(
                    item,
                    partner(live, index, item),
                    &Filling { path, ..*at },
                    missing,
                )
            };
            items.iter().enumerate().map(element).collect()
        }
        Value::Object(members) => {
            let is_kubernetes = is_kubernetes_secret(members);
            let member = |(key, member): (&String, &Value)| {
                let inside = Filling {
                    key: Some(key),
                    secret: at.secret || is_secret_member(key, is_kubernetes),
                    path: at.path.then(Step::Key(key.clone())),
                };
                let live = live.and_then(|live| live.get(key));
                (key.clone(), fill(member, live, &inside, missing))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            missing.push(at.path.clone());
            value.clone()
        }
    }
}

/// The element of the live list that stands for this one.
fn partner<'a>(live: Option<&'a Value>, index: usize, item: &Value) -> Option<&'a Value> {
    let live = live?.as_array()?;
    let identity = |item: &Value| {
        let name = item
            .get("name")
            .or_else(|| item.get("metadata")?.get("name"));
        Some((item.get("kind").cloned(), name?.clone()))
    };
    match identity(item) {
        Some(wanted) => live
            .iter()
            .find(|one| identity(one).as_ref() == Some(&wanted)),
        None => live.get(index).filter(|one| identity(one).is_none()),
    }
}

fn fill_manifests(text: &str, live: &str) -> Option<Value> {
    let documents = yaml::read_documents(text).ok()?;
    let live = yaml::read_documents(live).ok()?;
    let whole = filled(&Value::Array(documents), Some(&Value::Array(live))).ok()?;
    yaml::write_documents(whole.as_array()?)
        .ok()
        .map(Value::from)
}

#[cfg(test)]
#[path = "secrets/tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
