//! What a `PUT` makes of the stored content: restricted fields survive writers that cannot see them.
//!
//! Invariants:
//! - Without full control nothing restricted changes, whether the writer sends it or leaves it out.
//! - With full control a secure value that the writer was not shown is kept, unless it is cleared:
//!   by null below API 38.0, by null or absence from there on.
//!
//! Source: VCD `x-vcloud-restricted` and its read and write rules by API version.

use serde_json::{Map, Value};

use super::render::{MASK, View};
use crate::sim::registry::FieldRules;

/// Merges what a writer sent into what is stored, the way `view` of it read and writes.
pub(super) fn merge(
    stored: &Map<String, Value>,
    sent: Map<String, Value>,
    rules: &FieldRules,
    view: View,
) -> Map<String, Value> {
    let mut merged = sent;
    merge_object(stored, &mut merged, rules, view);
    merged
}

fn merge_object(
    stored: &Map<String, Value>,
    sent: &mut Map<String, Value>,
    rules: &FieldRules,
    view: View,
) {
    for (name, rules) in &rules.properties {
        let before = stored.get(name);
        // Taken in place: removing and inserting would move the key to the end.
        let after = match sent.get_mut(name) {
            Some(slot) => merge_value(before, Some(slot.take()), rules, view),
            None => merge_value(before, None, rules, view),
        };
        match (after, sent.get_mut(name)) {
            (Some(after), Some(slot)) => *slot = after,
            (Some(after), None) => {
                sent.insert(name.clone(), after);
            }
            (None, _) => {
                sent.shift_remove(name);
            }
        }
    }
}

fn merge_value(
    stored: Option<&Value>,
    sent: Option<Value>,
    rules: &FieldRules,
    view: View,
) -> Option<Value> {
    let restricted = rules.protected || rules.private || rules.secure;
    if restricted && !view.full {
        return stored.cloned();
    }
    if rules.secure {
        return match sent {
            Some(Value::Null) => None,
            Some(Value::String(text)) if text == MASK && view.masked => stored.cloned(),
            None if !view.masked => stored.cloned(),
            sent => sent,
        };
    }
    match (stored, sent) {
        (Some(Value::Object(stored)), Some(Value::Object(mut sent))) => {
            merge_object(stored, &mut sent, rules, view);
            Some(Value::Object(sent))
        }
        // A parent left out takes its open fields with it, but not what the writer cannot see.
        (Some(Value::Object(stored)), None) => {
            let mut kept = Map::new();
            merge_object(stored, &mut kept, rules, view);
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        (Some(Value::Array(stored)), Some(Value::Array(sent))) => {
            Some(Value::Array(merge_items(stored, sent, rules, view)))
        }
        (_, sent) => sent,
    }
}

/// Items belong together by position.
fn merge_items(stored: &[Value], sent: Vec<Value>, rules: &FieldRules, view: View) -> Vec<Value> {
    let Some(rules) = &rules.items else {
        return sent;
    };
    let items = sent.into_iter().enumerate();
    items
        .filter_map(|(at, sent)| merge_value(stored.get(at), Some(sent), rules, view))
        .collect()
}

/// The first restricted field, dotted, for which `sent` has another value than `stored`.
pub(super) fn restricted_change(
    stored: &Map<String, Value>,
    sent: &Map<String, Value>,
    rules: &FieldRules,
) -> Option<String> {
    rules.properties.iter().find_map(|(name, rules)| {
        let (before, after) = (stored.get(name), sent.get(name)?);
        if rules.protected || rules.private || rules.secure {
            let masked = after.as_str() == Some(MASK);
            return (before != Some(after) && !masked && !same_where_shown(before, after))
                .then(|| name.clone());
        }
        let below = restricted_change(before?.as_object()?, after.as_object()?, rules)?;
        Some(format!("{name}.{below}"))
    })
}

/// Whether `after` differs from `before` only by what it leaves out, such as hidden fields further down.
fn same_where_shown(before: Option<&Value>, after: &Value) -> bool {
    match (before, after) {
        (Some(Value::Object(before)), Value::Object(after)) => after
            .iter()
            .all(|(name, after)| same_where_shown(before.get(name), after)),
        (before, after) => before == Some(after) || after.as_str() == Some(MASK),
    }
}

/// Adds the defaults of a schema where the content has no value; for a change of the type's version.
pub(super) fn fill_defaults(content: &mut Map<String, Value>, rules: &FieldRules) {
    for (name, rules) in &rules.properties {
        if !content.contains_key(name)
            && let Some(default) = &rules.default
        {
            content.insert(name.clone(), default.clone());
        }
        if let Some(Value::Object(object)) = content.get_mut(name) {
            fill_defaults(object, rules);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{View, fill_defaults, merge};
    use crate::sim::registry::TypeRules;

    fn rules() -> TypeRules {
        let schema = json!({"properties": {
            "open": {"type": "string"},
            "spec": {"properties": {
                "key": {"x-vcloud-restricted": ["private", "secure"]},
                "flag": {"default": true},
            }},
            "status": {"x-vcloud-restricted": "protected", "properties": {
                "secret": {"x-vcloud-restricted": "secure"},
            }},
            "list": {"items": {"properties": {"v": {"x-vcloud-restricted": "secure"}}}},
            "mine": {"x-vcloud-restricted": "private"},
        }});
        TypeRules::compile(("v", "n", "1.0.0"), &schema).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    const OWNER: View = View {
        full: true,
        masked: false,
        dated: false,
    };
    const OWNER_38: View = View {
        full: true,
        masked: true,
        dated: false,
    };
    const WRITER: View = View {
        full: false,
        masked: false,
        dated: false,
    };
    const WRITER_38: View = View {
        full: false,
        masked: true,
        dated: false,
    };

    fn check(view: View, table: &[(&str, Value, Value)]) {
        let stored = object(json!({
            "open": "a",
            "spec": {"key": "k"},
            "status": {"x": 1, "secret": "s"},
            "list": [{"v": 1}, {"v": 2}],
            "mine": "m",
        }));
        for (name, sent, want) in table {
            let got = merge(&stored, object(sent.clone()), &rules().fields, view);
            assert_eq!(&Value::Object(got), want, "{name}");
        }
    }

    #[test]
    fn full_control_keeps_what_it_was_not_shown_and_clears_by_null() {
        let table = [
            (
                "absent keeps",
                json!({"spec": {}, "status": {"x": 2}, "list": [{}]}),
                json!({"spec": {"key": "k"}, "status": {"x": 2, "secret": "s"}, "list": [{"v": 1}]}),
            ),
            (
                "an absent parent keeps",
                json!({"open": "b"}),
                json!({"open": "b", "spec": {"key": "k"}, "status": {"secret": "s"}}),
            ),
            (
                "null clears",
                json!({"spec": {"key": null}, "status": {"secret": null}}),
                json!({"spec": {}, "status": {}}),
            ),
            (
                "the mask is a value like any other",
                json!({"spec": {"key": "******"}, "status": {"secret": null}}),
                json!({"spec": {"key": "******"}, "status": {}}),
            ),
        ];
        check(OWNER, &table);
    }

    #[test]
    fn from_38_on_the_mask_keeps_and_absence_clears() {
        let table = [
            (
                "the mask keeps",
                json!({"spec": {"key": "******"}, "status": {"secret": "******"}}),
                json!({"spec": {"key": "k"}, "status": {"secret": "s"}}),
            ),
            (
                "absence clears",
                json!({"spec": {}, "status": {}}),
                json!({"spec": {}, "status": {}}),
            ),
            (
                "a value replaces",
                json!({"spec": {"key": "n"}, "mine": "o"}),
                json!({"spec": {"key": "n"}, "mine": "o"}),
            ),
        ];
        check(OWNER_38, &table);
    }

    #[test]
    fn without_full_control_only_open_fields_change() {
        let kept = json!({"open": "b", "spec": {"key": "k"}, "status": {"x": 1, "secret": "s"},
            "mine": "m", "list": []});
        let sent = json!({"open": "b", "spec": {"key": "n"}, "status": {"x": 9}, "mine": "o",
            "list": []});
        for view in [WRITER, WRITER_38] {
            check(view, &[("all sent", sent.clone(), kept.clone())]);
            check(
                view,
                &[(
                    "all left out",
                    json!({"open": "b", "list": []}),
                    kept.clone(),
                )],
            );
        }
    }

    #[test]
    fn defaults_fill_gaps_only() {
        let mut content = object(json!({"spec": {"key": "k"}}));
        fill_defaults(&mut content, &rules().fields);
        assert_eq!(
            Value::Object(content),
            json!({"spec": {"key": "k", "flag": true}})
        );
    }
}
