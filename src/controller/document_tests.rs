//! What of a document is read, and what a write changes.

use super::*;
use crate::domain::claim::{ClaimPhase, Hold};
use std::time::Duration;

fn content(value: &Value) -> Content {
    value.as_object().unwrap().clone()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn claim_edit(holder: Option<HolderId>) -> ClaimEdit {
    ClaimEdit {
        instance: "site-1".to_owned(),
        holder,
        heartbeat: Heartbeat {
            epoch: 2,
            seq: 9,
            nonce: 5,
            term: Duration::from_mins(3),
            phase: ClaimPhase::Creating,
            incarnation: 1,
            hold: Hold::Held,
        },
        at: at(0),
    }
}

fn error(name: &'static str, second: i64) -> EventEntry {
    EventEntry {
        name,
        at: at(second),
        detail: "why".to_owned(),
        resource: None,
    }
}

#[test]
fn a_write_changes_owned_fields_only() {
    let before = json!({
        "zeta": 1, "kind": "CAPVCDCluster", "spec": {"capiYaml": "a", "vcdKe": {"unknown": [1]}},
        "status": {"capvcd": {"phase": "Provisioning"}, "vcdKe": {"later": "field"}, "cpi": {}}
    });
    let mut after = content(&before);
    let edit = Edit {
        claim: Some(claim_edit(Some(HolderId::new("a", 1)))),
        state: Some(ClusterState::Provisioning),
        ..Edit::default()
    };
    apply(&mut after, &edit);
    assert_eq!(claim(&after).holder, Some(HolderId::new("a", 1)));
    assert_eq!(state(&after), ClusterState::Provisioning);
    for key in [
        "vcdKeInstanceId",
        "workerId",
        "heartbeatTimestamp",
        "heartbeatString",
        "state",
    ] {
        after["status"]["vcdKe"]
            .as_object_mut()
            .unwrap()
            .remove(key)
            .unwrap();
    }
    assert_eq!(
        Value::Object(after).to_string(),
        before.to_string(),
        "order and unknown keys stay"
    );
}

#[test]
fn a_provisioned_cluster_loses_auto_repair_and_reports_its_storage_class() {
    let mut after = content(&json!({"spec": {"vcdKe": {
        "autoRepairOnErrors": true,
        "defaultStorageClassOptions": {"filesystem": "ext4", "k8sStorageClassName": "gold-sc",
            "vcdStorageProfileName": "gold", "useDeleteReclaimPolicy": true}}}}));
    let provisioned = Some(Provisioned {
        version: "4.2.3".to_owned(),
    });
    apply(
        &mut after,
        &Edit {
            provisioned,
            ..Edit::default()
        },
    );
    assert!(!ClusterFlags::read(&after).auto_repair);
    let class = &after["status"]["vcdKe"]["defaultStorageClass"];
    assert_eq!(class["fileSystem"], "ext4");
    assert_eq!(class["k8sStorageClassName"], "gold-sc");
    assert_eq!(after["status"]["vcdKe"]["vcdKeVersion"], "4.2.3");
}

#[test]
fn errors_are_mirrored_for_terraform_and_leave_together() {
    let mut after = content(&json!({"status": {"capvcd": {"errorSet": [
        {"name": "VCDClusterError", "occurredAt": "2026-01-01T00:00:00Z"}]}}}));
    let errors = vec![error("BootstrapPhaseFailed", 1)];
    apply(
        &mut after,
        &Edit {
            errors,
            ..Edit::default()
        },
    );
    let mirrored = &after["status"]["capvcd"]["errorSet"][1];
    assert_eq!(mirrored["additionalDetails"]["Detailed Error"], "why");
    apply(
        &mut after,
        &Edit {
            clear_errors: true,
            ..Edit::default()
        },
    );
    assert_eq!(after["status"]["vcdKe"]["errorSet"], json!([]));
    assert_eq!(
        after["status"]["capvcd"]["errorSet"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn event_sets_are_windows_and_hostile_documents_are_read_as_absent() {
    let mut after = content(&json!({"status": {"vcdKe": {"eventSet": "not a list"}}}));
    for second in 0..60 {
        apply(
            &mut after,
            &Edit {
                events: vec![error("E", second)],
                ..Edit::default()
            },
        );
    }
    let events = after["status"]["vcdKe"]["eventSet"].as_array().unwrap();
    assert_eq!(events.len(), MAX_ENTRIES);
    assert_eq!(
        events[MAX_ENTRIES - 1]["occurredAt"],
        "2027-01-15T08:00:59.000Z"
    );
    let entity = EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:1").unwrap();
    for odd in [
        json!({"status": []}),
        json!({"status": {"vcdKe": 3}}),
        json!({}),
    ] {
        let seen = seen(&entity, &content(&odd), false);
        assert_eq!(seen.state, ClusterState::Unclaimed);
        assert!(!seen.control_plane_ready);
    }
}
