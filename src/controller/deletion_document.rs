//! What a cluster's document says about its deletion, and taking errors out of it that are over.
//!
//! Invariants:
//! - Reading never fails: a field of the wrong type counts as absent.
//! - Errors are told apart by name, object and text; those of others, such as CAPVCD's own, stay.
//!
//! Not here: which errors are over (`reconcile::delete`).

use serde_json::{Map, Value, json};

use super::document::{Content, MAX_ENTRIES, list, section, text, vcd_ke};
use crate::domain::cluster::ClusterFlags;
use crate::reconcile::observation::{DeletionSeen, ErrorSeen};

/// Events that stand in documents of which nobody has built anything yet.
const BEFORE_ANYTHING_WAS_MADE: [&str; 8] = [
    "ClusterCreationStarted",
    "ClusterCreationResumed",
    "ClusterCreationFailed",
    "ClusterHandedOver",
    "ClusterDeletionStarted",
    "ClusterDeletionResumed",
    "ClusterDeletionBlocked",
    "ClusterResourcesRemoved",
];

/// The facts of a document that a deletion depends on.
pub(super) fn seen(content: &Content) -> DeletionSeen {
    let events = list(vcd_ke(content), "eventSet");
    let names = events.iter().map(|entry| text(entry.as_object(), "name"));
    DeletionSeen {
        forced: ClusterFlags::read(content).force_delete,
        reclaims_volumes: reclaims_volumes(content),
        never_built: never_built(content),
        announced: names.map(str::to_owned).collect(),
        errors: list(vcd_ke(content), "errorSet")
            .iter()
            .map(error)
            .collect(),
    }
}

/// The default storage class: as reported when the cluster was provisioned, else as asked for.
fn reclaims_volumes(content: &Content) -> bool {
    let reported = section(content, &["status", "vcdKe", "defaultStorageClass"]);
    let asked = section(content, &["spec", "vcdKe", "defaultStorageClassOptions"]);
    // Clients drop the key when it is false.
    [reported, asked]
        .into_iter()
        .flatten()
        .any(|class| class.get("useDeleteReclaimPolicy") == Some(&Value::Bool(true)))
}

fn never_built(content: &Content) -> bool {
    let components = ["vcdKe", "capvcd", "cpi", "csi"];
    let recorded = components.into_iter().any(|component| {
        !list(section(content, &["status", component]), "vcdResourceSet").is_empty()
    });
    let reported = section(content, &["status", "capvcd", "clusterApiStatus"]).is_some()
        || section(content, &["status", "cpi"]).is_some()
        || section(content, &["status", "csi"]).is_some();
    let provisioned = !text(vcd_ke(content), "vcdKeVersion").is_empty();
    let events = list(vcd_ke(content), "eventSet");
    let told = events.iter().any(|entry| {
        let name = text(entry.as_object(), "name");
        !BEFORE_ANYTHING_WAS_MADE.contains(&name)
    });
    // A full window may have lost the very event that counts.
    !(recorded || reported || provisioned || told || events.len() >= MAX_ENTRIES)
}

fn error(entry: &Value) -> ErrorSeen {
    let owned = |key: &str| text(entry.as_object(), key).to_owned();
    let details = entry.get("additionalDetails").and_then(Value::as_object);
    ErrorSeen {
        name: owned("name"),
        resource: owned("vcdResourceId"),
        detail: text(details, "Detailed Error").to_owned(),
    }
}

/// Removes errors that are over, here and where they were mirrored.
pub(super) fn heal(status: &mut Map<String, Value>, healed: &[ErrorSeen]) {
    if healed.is_empty() {
        return;
    }
    for component in ["vcdKe", "capvcd"] {
        let section = status.get_mut(component).and_then(Value::as_object_mut);
        let Some(errors) = section.and_then(|at| at.get_mut("errorSet")) else {
            continue;
        };
        match errors {
            Value::Array(entries) => entries.retain(|entry| !healed.contains(&error(entry))),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => *errors = json!([]),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn content(value: &Value) -> Content {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn only_a_document_without_any_trace_of_an_object_is_of_a_cluster_never_built() {
        let full: Vec<Value> = (0..MAX_ENTRIES)
            .map(|_| json!({"name": "ClusterCreationStarted"}))
            .collect();
        let object = json!([{"type": "VApp", "id": "x", "name": "y"}]);
        let rows = [
            ("no status", json!({}), true),
            (
                "claimed",
                json!({"vcdKe": {"state": "provisioning", "eventSet": [
                {"name": "ClusterCreationStarted"}, {"name": "ClusterCreationFailed"}]}}),
                true,
            ),
            ("odd", json!({"vcdKe": [], "capvcd": 7}), true),
            (
                "committed",
                json!({"vcdKe": {"vcdResourceSet": object}}),
                false,
            ),
            (
                "committed once",
                json!({"vcdKe": {"eventSet": [{"name": "CapiYamlProcessed"}]}}),
                false,
            ),
            (
                "provisioned once",
                json!({"vcdKe": {"vcdKeVersion": "4.2.3"}}),
                false,
            ),
            (
                "built by an original server",
                json!({"capvcd": {"vcdResourceSet": object}}),
                false,
            ),
            (
                "reported",
                json!({"capvcd": {"clusterApiStatus": {}}}),
                false,
            ),
            ("with volumes", json!({"csi": {}}), false),
            ("full window", json!({"vcdKe": {"eventSet": full}}), false),
        ];
        for (name, status, want) in rows {
            let content = content(&json!({"status": status}));
            assert_eq!(seen(&content).never_built, want, "{name}");
        }
    }

    #[test]
    fn the_reclaim_policy_is_read_as_reported_and_as_asked_for() {
        let rows = [
            ("nothing said", json!({}), false),
            (
                "asked for",
                json!({"spec": {"vcdKe": {"defaultStorageClassOptions": {"useDeleteReclaimPolicy": true}}}}),
                true,
            ),
            (
                "reported",
                json!({"status": {"vcdKe": {"defaultStorageClass": {"useDeleteReclaimPolicy": true}}}}),
                true,
            ),
            (
                "text is no promise",
                json!({"status": {"vcdKe": {"defaultStorageClass": {"useDeleteReclaimPolicy": "true"}}}}),
                false,
            ),
        ];
        for (name, document, want) in rows {
            assert_eq!(seen(&content(&document)).reclaims_volumes, want, "{name}");
        }
    }

    #[test]
    fn errors_that_are_over_go_from_both_places_and_no_others() {
        let entry = |name: &str, detail: &str| {
            json!({"name": name, "vcdResourceId": "id-1",
                "additionalDetails": {"Detailed Error": detail}})
        };
        let both = json!([
            entry("ResourceNotRemoved", "busy"),
            entry("VCDClusterError", "other")
        ]);
        let mut status =
            content(&json!({"vcdKe": {"errorSet": both}, "capvcd": {"errorSet": both}}));
        let over = ErrorSeen {
            name: "ResourceNotRemoved".to_owned(),
            resource: "id-1".to_owned(),
            detail: "busy".to_owned(),
        };
        heal(&mut status, &[over]);
        let left = json!([entry("VCDClusterError", "other")]);
        let want = json!({"vcdKe": {"errorSet": left}, "capvcd": {"errorSet": left}});
        assert_eq!(Value::Object(status), want);
    }
}
