//! Volumes of a running cluster.

use serde_json::json;

use super::{listed, log_in, pull, resize, section, settle};
use crate::support::bootstrap::provisioned;
use crate::support::lab::Lab;

fn disks(lab: &mut Lab) -> String {
    log_in(lab);
    lab.get("/api/query?type=disk&format=records")
}

#[test]
fn a_volume_is_a_named_disk_on_a_worker_and_moves_with_its_node() {
    let (mut lab, urn) = provisioned(2);
    let volume = json!({"cluster": "kite7", "name": "pvc-1", "size_mib": 1024});
    pull(&mut lab, &json!({"create_volume": volume})).unwrap();
    let event = |lab: &Lab, wanted: &str| {
        let events = listed(&section(lab, &urn, "csi"), "eventSet", "name");
        events.iter().filter(|name| *name == wanted).count()
    };
    lab.until("attached", 300, |lab| event(lab, "DiskAttachEvent") == 1);
    let csi = section(&lab, &urn, "csi");
    assert_eq!(listed(&csi, "vcdResourceSet", "type"), ["named-disk"]);
    assert_eq!(listed(&csi, "vcdResourceSet", "name"), ["pvc-1"]);
    assert!(disks(&mut lab).contains("name=\"pvc-1\""));
    assert_eq!(lab.world.leaks(), []);

    // The other worker goes, then the one that has it.
    for _ in 0..2 {
        resize(&mut lab, &urn, "blue", 1);
        settle(&mut lab, &urn, "blue", 1);
        resize(&mut lab, &urn, "blue", 2);
        settle(&mut lab, &urn, "blue", 2);
        let fail = json!({"fail_node": {"cluster": "kite7", "how": "kubelet"}});
        pull(&mut lab, &fail).unwrap();
        lab.wait(120);
        settle(&mut lab, &urn, "blue", 2);
    }
    lab.wait(300);
    assert!(
        disks(&mut lab).contains("isAttached=\"true\""),
        "{}",
        disks(&mut lab)
    );

    let volume = json!({"cluster": "kite7", "name": "pvc-1"});
    pull(&mut lab, &json!({"delete_volume": volume})).unwrap();
    lab.until("deleted", 300, |lab| !disks(lab).contains("pvc-1"));
    lab.wait(60);
    assert_eq!(section(&lab, &urn, "csi")["vcdResourceSet"], json!([]));
}

#[test]
fn a_retained_volume_leaves_its_disk() {
    let (mut lab, _) = provisioned(1);
    let volume = json!({"cluster": "kite7", "name": "pvc-2", "size_mib": 64, "retain": true});
    pull(&mut lab, &json!({"create_volume": volume})).unwrap();
    lab.wait(120);
    let volume = json!({"cluster": "kite7", "name": "pvc-2"});
    pull(&mut lab, &json!({"delete_volume": volume})).unwrap();
    lab.wait(300);
    let left = disks(&mut lab);
    assert!(
        left.contains("pvc-2") && left.contains("isAttached=\"false\""),
        "{left}"
    );
}

#[test]
fn levers_refuse_what_cannot_be() {
    let (mut lab, _) = provisioned(1);
    let table = [
        (
            json!({"create_volume": {"cluster": "none", "name": "a", "size_mib": 1}}),
            "no running cluster",
        ),
        (
            json!({"create_volume": {"cluster": "kite7", "name": "A b", "size_mib": 1}}),
            "no name",
        ),
        (
            json!({"create_volume": {"cluster": "kite7", "name": "a", "size_mib": 0}}),
            "size_mib",
        ),
        (
            json!({"delete_volume": {"cluster": "kite7", "name": "a"}}),
            "no volume",
        ),
        (
            json!({"create_service": {"cluster": "kite7", "name": "a", "ports": []}}),
            "ports",
        ),
        (
            json!({"create_service": {"cluster": "kite7", "name": "a", "ports": [80, 80]}}),
            "ports",
        ),
        (
            json!({"delete_service": {"cluster": "kite7", "name": "a"}}),
            "no service",
        ),
    ];
    for (action, want) in table {
        let told = pull(&mut lab, &action).unwrap_err().to_string();
        assert!(told.contains(want), "{action}: {told}");
    }
    let mut young = Lab::new();
    young.cluster("kite7", 1);
    let volume = json!({"create_volume": {"cluster": "kite7", "name": "a", "size_mib": 1}});
    assert!(pull(&mut young, &volume).is_err());
}
