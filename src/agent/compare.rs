//! Whether an object is as a document wants it, and whether an apply changed it.
//!
//! Invariants:
//! - Only what the document names counts: fields of others never make a difference.

use serde_json::Value;

/// Whether everything that `wanted` says is in `live`. Lists count as a whole.
pub(super) fn holds(live: &Value, wanted: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, value)| {
            // Reading an object gives no kind of its own in some answers.
            matches!(key.as_str(), "apiVersion" | "kind")
                || match live.get(key) {
                    Some(there) => holds(there, value),
                    None => is_nothing(value),
                }
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| holds(live, wanted))
        }
        _ => wanted == live,
    }
}

/// An API server drops what is empty, false or zero by its own rules.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

/// Whether two states of an object differ in what people write: everything but the status and what the API
/// server keeps for itself.
pub(super) fn differs(before: &Value, after: &Value) -> bool {
    written(before) != written(after)
}

fn written(object: &Value) -> Value {
    let mut object = object.clone();
    let Some(fields) = object.as_object_mut() else {
        return object;
    };
    fields.shift_remove("status");
    fields.shift_remove("apiVersion");
    fields.shift_remove("kind");
    if let Some(metadata) = fields.get("metadata") {
        let kept: serde_json::Map<String, Value> = ["labels", "annotations"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone())))
            .collect();
        fields.insert("metadata".to_owned(), Value::Object(kept));
    }
    object
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_document_says_makes_a_difference() {
        let live = json!({
            "metadata": {"name": "blue", "uid": "7", "labels": {"a": "b"}},
            "spec": {"replicas": 3, "paused": true, "list": [{"x": 1, "y": 2}]},
            "status": {"replicas": 2},
        });
        let rows = [
            (json!({"spec": {"replicas": 3}}), true),
            (json!({"spec": {"replicas": 4}}), false),
            (json!({"spec": {"list": [{"x": 1}]}}), true),
            (json!({"spec": {"list": []}}), false),
            (json!({"spec": {"new": "text"}}), false),
            (
                json!({"spec": {"placementPolicy": "", "selector": {"matchLabels": null}}}),
                true,
            ),
            (json!({"metadata": {"labels": {"a": "c"}}}), false),
            (json!({"apiVersion": "v1", "kind": "Thing"}), true),
        ];
        for (wanted, want) in rows {
            assert_eq!(holds(&live, &wanted), want, "{wanted}");
        }
    }

    #[test]
    fn status_and_bookkeeping_are_no_change() {
        let before =
            json!({"metadata": {"resourceVersion": "1"}, "spec": {"a": 1}, "status": {"b": 1}});
        let busy =
            json!({"metadata": {"resourceVersion": "2"}, "spec": {"a": 1}, "status": {"b": 2}});
        let edited =
            json!({"metadata": {"resourceVersion": "2"}, "spec": {"a": 2}, "status": {"b": 1}});
        assert!(!differs(&before, &busy));
        assert!(differs(&before, &edited));
    }
}
