//! From findings to `status.projector`, in the shape of the vendor's projector.
//!
//! Flow: the section as read and the [`Findings`] in, the section to write out, or nothing when it already
//! says so.
//!
//! Invariants:
//! - `errorSet` is what is wrong now: an error keeps the time it was first told, and goes when it is healed.
//! - `eventSet` is a window of the newest [`MAX_EVENTS`]; an event that stands there is not added again.
//! - Keys that are not the agent's (`operations`, `retrySet`, `lastAppliedSequence`) stay as they were; the
//!   keys that the schema gives every section are there.
//!
//! Source: `status.projector` of `capvcdCluster` 1.3.0; details under `event` and `Detailed Error`, as
//! go-vcloud-director reads them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::NAME;
use super::findings::{Finding, Findings};

/// Longest event set, in entries.
const MAX_EVENTS: usize = 20;
/// Longest error set, in entries.
const MAX_ERRORS: usize = 10;

const EVENT_DETAIL: &str = "event";
const ERROR_DETAIL: &str = "Detailed Error";

/// The section to write, or `None` if `read` already says all.
pub(super) fn section(read: Option<&Map<String, Value>>, told: &Findings) -> Option<Value> {
    let mut section = read.cloned().unwrap_or_default();
    let events = events(&section, &told.events);
    let errors = errors(&section, &told.errors);
    section.insert("name".to_owned(), json!(NAME));
    section.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    section.insert("eventSet".to_owned(), Value::Array(events));
    section.insert("errorSet".to_owned(), Value::Array(errors));
    for key in ["operations", "retrySet"] {
        section.entry(key).or_insert_with(|| json!([]));
    }
    section
        .entry("lastAppliedSequence")
        .or_insert_with(|| json!(1));
    if let Some(at) = told.applied_at {
        section.insert("lastAppliedTimestamp".to_owned(), json!(stamp(at)));
    }
    (read != Some(&section)).then_some(Value::Object(section))
}

/// Whether the section holds an event with this name and detail.
pub(super) fn has_event(section: Option<&Map<String, Value>>, name: &str, detail: &str) -> bool {
    let entries = section.map(|section| list(section, "eventSet"));
    entries
        .unwrap_or_default()
        .iter()
        .any(|entry| is_about(entry, name, (EVENT_DETAIL, detail)))
}

fn list<'a>(section: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    section
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn is_about(entry: &Value, name: &str, (key, detail): (&str, &str)) -> bool {
    entry.get("name").and_then(Value::as_str) == Some(name)
        && entry
            .get("additionalDetails")
            .and_then(|details| details.get(key))
            .and_then(Value::as_str)
            == Some(detail)
}

fn events(section: &Map<String, Value>, new: &[Finding]) -> Vec<Value> {
    let mut entries = list(section, "eventSet").to_vec();
    for finding in new {
        let entry = entry(finding, EVENT_DETAIL);
        // A write whose answer was lost may have landed.
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let surplus = entries.len().saturating_sub(MAX_EVENTS);
    entries.split_off(surplus)
}

fn errors(section: &Map<String, Value>, now: &[Finding]) -> Vec<Value> {
    let before = list(section, "errorSet");
    let keep = |finding: &Finding| {
        let known = before
            .iter()
            .find(|entry| is_about(entry, finding.name, (ERROR_DETAIL, &finding.detail)));
        known
            .cloned()
            .unwrap_or_else(|| entry(finding, ERROR_DETAIL))
    };
    now.iter().take(MAX_ERRORS).map(keep).collect()
}

fn entry(finding: &Finding, detail: &str) -> Value {
    json!({
        "name": finding.name,
        "occurredAt": stamp(finding.at),
        "vcdResourceId": "",
        "vcdResourceName": "",
        "additionalDetails": {detail: finding.detail},
    })
}

/// RFC 3339 with milliseconds.
fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::super::findings::{error, event};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn told(errors: &[(&'static str, &str, i64)], events: &[(&'static str, i64)]) -> Findings {
        Findings {
            errors: errors
                .iter()
                .map(|(name, detail, second)| Finding::new(name, detail, at(*second)))
                .collect(),
            events: events
                .iter()
                .map(|(name, second)| Finding::new(name, "done", at(*second)))
                .collect(),
            applied_at: None,
        }
    }

    #[test]
    fn a_section_that_says_all_is_not_written_again() {
        let findings = told(&[(error::APPLY, "no", 1)], &[(event::APPLIED, 2)]);
        let first = section(None, &findings).unwrap();
        let read = first.as_object().unwrap();
        assert_eq!(read["name"], "cse-agent");
        assert_eq!(
            read["eventSet"][0]["occurredAt"],
            "2026-01-01T00:00:02.000Z"
        );
        assert_eq!(section(Some(read), &findings), None);
        let quiet = Findings {
            events: Vec::new(),
            ..findings
        };
        assert_eq!(section(Some(read), &quiet), None, "events need no repeat");
    }

    #[test]
    fn an_error_keeps_its_first_time_and_goes_when_healed() {
        let first = section(None, &told(&[(error::APPLY, "no", 1)], &[])).unwrap();
        let later = told(&[(error::APPLY, "no", 9), (error::CONFLICT, "x", 9)], &[]);
        let second = section(first.as_object(), &later).unwrap();
        assert_eq!(
            second["errorSet"][0]["occurredAt"],
            first["errorSet"][0]["occurredAt"]
        );
        assert_eq!(second["errorSet"].as_array().unwrap().len(), 2);
        let healed = section(second.as_object(), &told(&[], &[])).unwrap();
        assert_eq!(healed["errorSet"], json!([]));
    }

    #[test]
    fn the_window_is_bounded_and_foreign_keys_stay() {
        let mut read = json!({"operations": [{"sequence": 3}], "lastAppliedSequence": 3, "x": 1});
        for second in 0..50 {
            let findings = told(&[], &[(event::APPLIED, second)]);
            read = section(read.as_object(), &findings).unwrap();
        }
        assert_eq!(read["eventSet"].as_array().unwrap().len(), MAX_EVENTS);
        assert_eq!(read["operations"], json!([{"sequence": 3}]));
        assert_eq!(
            (&read["lastAppliedSequence"], &read["x"]),
            (&json!(3), &json!(1))
        );
        assert!(has_event(read.as_object(), event::APPLIED, "done"));
        assert!(!has_event(read.as_object(), event::APPLIED, "undone"));
    }
}
