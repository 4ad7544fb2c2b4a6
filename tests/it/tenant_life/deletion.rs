//! `kubectl delete cluster`, from outside the cluster and from its own inside.

use super::{at_gateway, machines, pull};
use crate::support::bootstrap::{
    PHASES, bootstrap, capvcd, claim, exit, manifests, provisioned, userdata,
};
use crate::support::lab::{Lab, path_of};
use crate::support::site::Ask;
use crate::support::xml;
use serde_json::json;

/// A cluster whose controllers stay on its bootstrap VM.
fn hosted() -> (Lab, String) {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let manifests = manifests(&lab, &urn, &token);
    bootstrap(&mut lab, "kite7", &userdata(&PHASES[..3], &manifests));
    lab.until("exit", 3600, |lab| exit(lab).is_some());
    lab.until("nodes", 1800, |lab| {
        capvcd(lab, &urn)["nodePool"][0]["availableReplicas"] == 1
    });
    (lab, urn)
}

fn delete(lab: &mut Lab) {
    let at = (lab.now(), lab.wall());
    lab.world.delete_cluster_inside("kite7", at).unwrap();
}

fn vapp_path(lab: &mut Lab) -> String {
    super::log_in(lab);
    let found = lab.get("/api/query?type=vApp&filter=name==kite7");
    path_of(&xml::attribute(&found, "VAppRecord", "href"))
}

#[test]
fn from_outside_everything_goes_but_what_is_no_part_of_the_cluster() {
    let (mut lab, urn) = hosted();
    let volume = json!({"create_volume": {"cluster": "kite7", "name": "pvc-1", "size_mib": 1024}});
    pull(&mut lab, &volume).unwrap();
    lab.wait(120);
    delete(&mut lab);
    let gone = |lab: &mut Lab| lab.world.entity_content(&urn).is_none();
    lab.until("the entity is gone", 1800, gone);
    assert_eq!(machines(&lab), Vec::<String>::new());
    assert_eq!(lab.world.vapps(), ["kite7_ephemeral_vapp"]);
    for list in [
        "loadBalancer/virtualServiceSummaries",
        "loadBalancer/poolSummaries",
    ] {
        assert!(at_gateway(&mut lab, list).is_empty(), "{list}");
    }
    assert_eq!(lab.world.disks(), ["pvc-1"], "its claim was never deleted");
    lab.wait(3600);
    assert_eq!(
        lab.world.vapps(),
        ["kite7_ephemeral_vapp"],
        "and it stays so"
    );
}

#[test]
fn a_machine_of_somebody_else_keeps_the_vapp_and_the_entity() {
    let (mut lab, urn) = hosted();
    let vapp = vapp_path(&mut lab);
    let answer = lab.recompose(&vapp, "guest", "a stranger");
    lab.succeed(&answer);
    delete(&mut lab);
    let told = |lab: &mut Lab| {
        let errors = capvcd(lab, &urn)["errorSet"].to_string();
        errors.contains("VCDClusterVAppDeleteError") && errors.contains("1 VMs detected")
    };
    lab.until("told", 1800, told);
    super::log_in(&mut lab);
    let vm = lab.vm_path(&vapp, "guest");
    let answer = lab.xml(Ask::delete(&vm));
    lab.succeed(&answer);
    let gone = |lab: &mut Lab| lab.world.entity_content(&urn).is_none();
    lab.until("the entity is gone", 600, gone);
}

#[test]
fn from_its_own_inside_a_cluster_stops_half_way() {
    let (mut lab, urn) = provisioned(1);
    delete(&mut lab);
    lab.wait(7200);
    assert!(lab.world.entity_content(&urn).is_some());
    let left = machines(&lab);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("control-plane"), "{left:?}");
    let services = at_gateway(&mut lab, "loadBalancer/virtualServiceSummaries");
    assert_eq!(services.len(), 1);
}
