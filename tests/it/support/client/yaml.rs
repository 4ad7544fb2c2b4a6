//! The manifests as a client takes them apart and puts them together again.
//!
//! Invariants:
//! - The text is split at `---` followed by a line end, wherever that stands; each piece is one document.
//! - Written back, keys come sorted and comments are gone.
//!
//! Source: go-vcloud-director, changing the manifests of a cluster.

use serde_json::{Map, Value};

/// The documents; an empty one is null.
///
/// # Errors
/// Which piece is no document.
pub(crate) fn split(text: &str) -> Result<Vec<Value>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let document = |piece: &str| -> Result<Value, String> {
        if piece.trim().is_empty() {
            return Ok(Value::Null);
        }
        let parsed: Value = serde_saphyr::from_str(piece)
            .map_err(|cause| format!("{cause} in the piece\n{piece}"))?;
        if parsed.is_null() || parsed.is_object() {
            Ok(parsed)
        } else {
            Err(format!("a piece is no document but {parsed}"))
        }
    };
    text.split("---\n").map(document).collect()
}

/// The text of the documents.
pub(crate) fn join(documents: &[Value]) -> String {
    let text = |one: &Value| format!("{}\n", serde_saphyr::to_string(&sorted(one)).unwrap());
    documents.iter().map(text).collect::<Vec<_>>().join("---\n")
}

fn sorted(value: &Value) -> Value {
    if let Some(map) = value.as_object() {
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort();
        let pairs = keys.into_iter().map(|key| (key.clone(), sorted(&map[key])));
        return Value::Object(pairs.collect::<Map<_, _>>());
    }
    match value.as_array() {
        Some(items) => items.iter().map(sorted).collect(),
        None => value.clone(),
    }
}

/// The document of that kind and name.
pub(crate) fn find<'d>(documents: &'d mut [Value], kind: &str, name: &str) -> &'d mut Value {
    let found = documents
        .iter_mut()
        .find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn what_is_put_together_comes_apart_again() {
    let text = "kind: B\nb: 1\na: [x, \"y: z\"] # gone\n---\nkind: A\n";
    let documents = split(text).unwrap();
    assert_eq!(documents.len(), 2);
    let joined = join(&documents);
    assert!(joined.starts_with("a:"), "{joined}");
    assert_eq!(split(&joined).unwrap(), documents);
    assert_eq!(split("a: 1\n---\n").unwrap()[1], Value::Null);
    assert!(split("pem: |\n  -----BEGIN X-----\n  -----END X-----\n").is_err());
}
