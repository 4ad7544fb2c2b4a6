//! Nodes that fail, and what a health check makes of it.

use serde_json::json;

use super::{PLANE, counts, edit, listed, machines, pull, resize, section, settle};
use crate::support::bootstrap::{capvcd, provisioned};

#[test]
fn a_node_that_fails_in_any_way_is_replaced() {
    for how in ["power_off", "remove", "kubelet"] {
        let (mut lab, urn) = provisioned(2);
        let told = pull(
            &mut lab,
            &json!({"fail_node": {"cluster": "kite7", "how": how}}),
        );
        let lost = told.unwrap()["nodes"][0].as_str().unwrap().to_owned();
        assert!(lost.starts_with("blue-"), "{lost}");
        lab.until("noticed", 300, |lab| {
            counts(lab, &urn, "blue") == Some((2, 1))
        });
        settle(&mut lab, &urn, "blue", 2);
        assert!(!machines(&lab).contains(&lost), "{how}");
        let events = listed(&capvcd(&lab, &urn), "eventSet", "name");
        assert!(
            events.iter().any(|name| name == "VcdMachineNodeUnhealthy"),
            "{how}: {events:?}"
        );
    }
}

#[test]
fn without_a_health_check_a_lost_node_stays_lost() {
    let (mut lab, urn) = provisioned(2);
    edit(&mut lab, &urn, |documents| {
        documents.retain(|one| one["kind"] != "MachineHealthCheck");
    });
    lab.wait(120);
    pull(
        &mut lab,
        &json!({"fail_node": {"cluster": "kite7", "how": "kubelet"}}),
    )
    .unwrap();
    let before = machines(&lab);
    lab.wait(3600);
    assert_eq!(machines(&lab), before);
    assert_eq!(counts(&lab, &urn, "blue"), Some((2, 1)));
}

#[test]
fn one_of_three_control_plane_nodes_is_replaced_and_a_single_one_takes_all_with_it() {
    let (mut lab, urn) = provisioned(1);
    resize(&mut lab, &urn, PLANE, 3);
    settle(&mut lab, &urn, PLANE, 3);
    let planes = |lab: &crate::support::lab::Lab| {
        let all = machines(lab).into_iter();
        all.filter(|name| name.starts_with(PLANE))
            .collect::<Vec<_>>()
    };
    let lost = planes(&lab)[0].clone();
    let fail = json!({"fail_node": {"cluster": "kite7", "node": lost}});
    pull(&mut lab, &fail).unwrap();
    lab.until("replaced", 3600, |lab| {
        counts(lab, &urn, PLANE) == Some((3, 3)) && !planes(lab).contains(&lost)
    });
    resize(&mut lab, &urn, PLANE, 1);
    settle(&mut lab, &urn, PLANE, 1);
    let only = planes(&lab)[0].clone();
    pull(
        &mut lab,
        &json!({"fail_node": {"cluster": "kite7", "node": only}}),
    )
    .unwrap();
    let before = lab.world.entity_content(&urn).unwrap();
    resize(&mut lab, &urn, "blue", 3);
    let machines_before = machines(&lab);
    lab.wait(3600);
    assert_eq!(
        machines(&lab),
        machines_before,
        "no API server, no controllers"
    );
    assert_eq!(
        lab.world.entity_content(&urn).unwrap()["status"],
        before["status"]
    );
}

#[test]
fn a_script_that_fails_is_reported_and_its_machine_replaced_after_the_startup_time() {
    let (mut lab, urn) = provisioned(1);
    lab.world.fail_guest("kite7", "kubeadm.node.join", 1);
    resize(&mut lab, &urn, "blue", 2);
    let errors = |lab: &crate::support::lab::Lab| listed(&capvcd(lab, &urn), "errorSet", "name");
    lab.until("told", 900, |lab| {
        errors(lab)
            .iter()
            .any(|name| name == "VcdMachineScriptExecutionError")
    });
    let told = section(&lab, &urn, "capvcd")["errorSet"][0].clone();
    let why = told["additionalDetails"]["error"].as_str().unwrap();
    assert!(why.contains("script failed with status [1]"), "{why}");
    settle(&mut lab, &urn, "blue", 2);
}
