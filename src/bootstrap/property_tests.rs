//! Whatever a tenant writes into a document, it is refused with a reason or makes user data whose
//! files can be read back; nothing panics and no file is torn open.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::tests::{Attempt, files_of};
use super::*;
use crate::domain::cluster::SecureFields;
use crate::domain::cluster::sample::entity_edited;

fn hostile() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "",
        "x",
        "'",
        "\"; id",
        "$(id)",
        "a\nb",
        "---\nkind: Pod",
        "\t- tab",
        "-----END",
        "{{ x }}",
        "0644",
        "yes",
        "a: b #c",
    ]);
    prop_oneof![
        texts.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!([])),
        Just(json!({"a": ["b", {"c": null}]})),
        Just(json!([[["deep"]]])),
    ]
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| places(item, &format!("{at}/{index}"), found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, item)| places(item, &format!("{at}/{}", escaped(key)), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn change(documents: &mut [Value], (document, place, value): (Index, Index, Value)) {
    let document = document.get_mut(documents);
    let mut pointers = Vec::new();
    places(document, "", &mut pointers);
    if let Some(target) = document.pointer_mut(place.get::<String>(&pointers)) {
        *target = value;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_document_is_refused_or_rendered(
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), hostile()), 1..3),
    ) {
        let content = entity_edited(|documents| {
            for one in changes {
                change(documents, one);
            }
        });
        match ClusterSpec::parse(&content, SecureFields::Included) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok(spec) => {
                let wanted = spec.documents.all().len();
                let attempt = Attempt { spec, ..Attempt::sample() };
                let inputs = BootstrapInputs { org: &attempt.spec.org, ..attempt.inputs() };
                let files: BTreeMap<String, String> = files_of(&inputs);
                let count = |name: &str| {
                    let text = files.get(name).map_or("", String::as_str);
                    yaml::read_documents(text).unwrap().len()
                };
                let written = count("/opt/cse/cluster.yaml") + count("/opt/cse/workload-extra.yaml");
                prop_assert_eq!(written, wanted + 2);
            }
        }
    }
}
