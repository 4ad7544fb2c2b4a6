//! The proof that the documented sample says what the code does.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::file::parse;
use super::tests::{SAMPLE, load_text};
use super::*;

/// Keys whose default is no fixed text; the sample shows an example of each.
const EXAMPLES: [&str; 5] = [
    "vcd.ca_file",
    "credentials.token_file",
    "replica.name",
    "replica.state_dir",
    "metrics.listen",
];

fn keys(tables: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (table, entries) in tables.as_object().unwrap() {
        for key in entries.as_object().unwrap().keys() {
            keys.insert(format!("{table}.{key}"));
        }
    }
    keys
}

#[test]
fn the_sample_parses_as_it_is_and_sets_nothing() {
    let raw = parse(Path::new("sample"), SAMPLE).unwrap();
    assert_eq!(raw, RawConfig::default());
}

#[test]
fn the_sample_shows_every_key_with_its_real_default() {
    let is_key = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ")
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b"_1".contains(&b))
    };
    let text: String = SAMPLE
        .lines()
        .map(|line| line.strip_prefix('#').filter(is_key).unwrap_or(line))
        .filter(|line| {
            !EXAMPLES
                .iter()
                .any(|key| line.starts_with(key.rsplit('.').next().unwrap()))
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let raw = parse(Path::new("sample"), &text).unwrap();
    let shown = serde_json::to_value(&raw).unwrap();
    let unset: BTreeSet<String> = keys(&shown)
        .into_iter()
        .filter(|key| {
            let (table, name) = key.split_once('.').unwrap();
            shown[table][name].is_null()
        })
        .collect();
    assert_eq!(
        unset,
        EXAMPLES.map(ToOwned::to_owned).into(),
        "keys the sample does not show"
    );
    for key in EXAMPLES {
        let line = format!("\n#{} = \"", key.rsplit('.').next().unwrap());
        assert!(
            SAMPLE.contains(&line),
            "the sample shows no example of {key}"
        );
    }
    let spelled = load_text(&text, &[]).unwrap();
    let implied = load_text("[vcd]\nurl = \"https://vcd.example.com\"\n", &[]).unwrap();
    assert_eq!(format!("{spelled:?}"), format!("{implied:?}"));
}
