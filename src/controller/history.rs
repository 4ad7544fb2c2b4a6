//! What a document tells of attempts that failed, and what is forgotten of them.
//!
//! Flow: `document` and `poll` read; a new attempt resets.
//!
//! Invariants:
//! - The errors are written by this server and by nobody else, and kept by typed clients. Their dates are
//!   used for housekeeping only.
//! - Reading never fails; what a tenant forges here spoils the tenant's own cluster only.
//!
//! Source: `status.vcdKe.errorSet`, `status.{capvcd,cpi}` of `capvcdCluster` 1.1.0 to 1.3.0.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document::{Content, list, object, text, vcd_ke};
use crate::reconcile::failure::ROLLBACK_DETECTED;

/// How the text of an attempt's error begins; its number follows.
pub(super) const ATTEMPT: &str = "Attempt ";

/// The highest attempt that an error tells of; 0 when none does.
pub(super) fn failed_attempts(errors: &[Value]) -> u32 {
    let number = |entry: &Value| {
        let details = entry.get("additionalDetails")?.get("Detailed Error")?;
        let rest = details.as_str()?.strip_prefix(ATTEMPT)?;
        rest.split_once(':')?.0.parse::<u32>().ok()
    };
    errors.iter().filter_map(number).max().unwrap_or(0)
}

/// How long before `wall` the newest error was written; nothing when there is none or `wall` is behind.
pub(super) fn failure_age(content: &Content, wall: Timestamp) -> Duration {
    let newest = newest_error(list(vcd_ke(content), "errorSet"));
    newest
        .and_then(|at| Duration::try_from(wall.duration_since(at)).ok())
        .unwrap_or_default()
}

/// When the newest error was written.
fn newest_error(errors: &[Value]) -> Option<Timestamp> {
    let date = |entry: &Value| text(entry.as_object(), "occurredAt").parse().ok();
    errors.iter().filter_map(date).max()
}

/// Since when a bootstrap VM is kept; an unknown date counts as long ago, so that it does not stay for ever.
pub(super) fn bootstrap_since(resources: &[Value], errors: &[Value]) -> Option<Timestamp> {
    (!resources.is_empty()).then(|| newest_error(errors).unwrap_or(Timestamp::MIN))
}

/// Whether an error says that the document went back in time.
pub(super) fn rollback_reported(errors: &[Value]) -> bool {
    errors
        .iter()
        .any(|entry| text(entry.as_object(), "name") == ROLLBACK_DETECTED)
}

/// Whether a cluster left alone after a rollback may be reported as provisioned again.
pub(super) fn is_restorable(errors: &[Value], control_plane_ready: bool) -> bool {
    control_plane_ready && rollback_reported(errors)
}

/// Removes the errors of earlier attempts, here and where they were mirrored; CAPVCD's own stay.
pub(super) fn clear_errors(status: &mut Content) {
    let key = |entry: &Value| (entry.get("name").cloned(), entry.get("occurredAt").cloned());
    let vcd_ke = object(status, "vcdKe");
    let ours: Vec<_> = list(Some(vcd_ke), "errorSet").iter().map(key).collect();
    vcd_ke.insert("errorSet".to_owned(), json!([]));
    let capvcd = status.get_mut("capvcd").and_then(Value::as_object_mut);
    if let Some(Value::Array(entries)) = capvcd.and_then(|at| at.get_mut("errorSet")) {
        entries.retain(|entry| !ours.contains(&key(entry)));
    }
}

/// Forgets what the controllers of a cluster that is gone have reported: addresses, nodes, objects, errors.
///
/// The errors of this server that are mirrored for clients stay, and so does `status.csi`, which names the
/// disks there are. The kubeconfig cannot be taken back: a write without it leaves it as it is.
pub(super) fn reset_reports(status: &mut Content) {
    let ours = list(status.get("vcdKe").and_then(Value::as_object), "errorSet").to_vec();
    if let Some(capvcd) = status.get_mut("capvcd") {
        let mirrored = list(capvcd.as_object(), "errorSet");
        let kept: Vec<Value> = mirrored
            .iter()
            .filter(|entry| ours.contains(entry))
            .cloned()
            .collect();
        *capvcd = json!({ "errorSet": kept });
    }
    status.shift_remove("cpi");
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;

    fn error(detail: &str, at: &str) -> Value {
        json!({"name": "X", "occurredAt": at, "additionalDetails": {"Detailed Error": detail}})
    }

    #[test]
    fn attempts_are_read_from_errors_and_hostile_ones_are_none() {
        let date = "2026-01-01T00:00:00Z";
        let cases = [
            (vec![], 0),
            (
                vec![error("Attempt 1: a.", date), error("Attempt 2: b.", date)],
                2,
            ),
            (vec![error("Attempt -1: a.", date)], 0),
            (vec![error("Attempt 99999999999: a.", date)], 0),
            (
                vec![
                    error("attempt 3: a.", date),
                    json!([]),
                    json!({"additionalDetails": 7}),
                ],
                0,
            ),
        ];
        for (errors, want) in cases {
            assert_eq!(failed_attempts(&errors), want, "{errors:?}");
        }
    }

    #[test]
    fn the_newest_readable_date_counts() {
        let errors = [
            error("a", "2026-01-01T00:00:00Z"),
            error("b", "2026-01-02T00:00:00.000Z"),
            error("c", "tomorrow"),
        ];
        let newest = newest_error(&errors).unwrap();
        assert_eq!(newest.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(bootstrap_since(&[], &errors), None);
        assert_eq!(bootstrap_since(&[json!({})], &errors), Some(newest));
        assert_eq!(bootstrap_since(&[json!({})], &[]), Some(Timestamp::MIN));
    }

    #[test]
    fn a_reset_keeps_the_mirrored_errors_and_nothing_of_the_old_cluster() {
        let ours = error("Attempt 1: a.", "2026-01-01T00:00:00Z");
        let status = json!({
            "vcdKe": {"state": "error", "errorSet": [ours]},
            "capvcd": {"errorSet": [{"name": "VCDMachineError"}, ours], "phase": "Provisioned",
                "clusterApiStatus": {"phase": "Ready"}, "nodePool": [{}]},
            "cpi": {"virtualIPs": ["1"]},
            "csi": {"vcdResourceSet": [{}]},
            "projector": {"version": "1"},
        });
        let mut status = status.as_object().unwrap().clone();
        let before = status["vcdKe"].clone();
        reset_reports(&mut status);
        assert_eq!(status["capvcd"], json!({"errorSet": [ours]}));
        assert_eq!(status["vcdKe"], before);
        let keys: Vec<&String> = status.keys().collect();
        assert_eq!(keys, ["vcdKe", "capvcd", "csi", "projector"]);
    }
}
