//! Pools that grow, shrink, come and go, and versions that roll out.

use serde_json::json;

use super::{PLANE, at_gateway, document, edit, machines, resize, section, settle};
use crate::support::bootstrap::{capvcd, provisioned};

const OLD: &str = "v1.27.8+vmware.1";
const NEW: &str = "v1.28.4+vmware.1";

#[test]
fn pools_grow_and_shrink_and_the_control_plane_keeps_its_load_balancer() {
    let (mut lab, urn) = provisioned(1);
    resize(&mut lab, &urn, "blue", 3);
    settle(&mut lab, &urn, "blue", 3);
    resize(&mut lab, &urn, "blue", 1);
    settle(&mut lab, &urn, "blue", 1);
    for planes in [3, 1] {
        resize(&mut lab, &urn, PLANE, u32::try_from(planes).unwrap());
        settle(&mut lab, &urn, PLANE, planes);
        lab.wait(120);
        let pools = at_gateway(&mut lab, "loadBalancer/poolSummaries");
        let pool = pools
            .iter()
            .find(|one| one["name"].as_str().unwrap().starts_with("kite7-"));
        let pool = pool.unwrap();
        assert_eq!(pool["memberCount"], planes, "{pool}");
        assert_eq!(pool["healthStatus"], "UP", "{pool}");
    }
    assert_eq!(lab.world.leaks(), []);
}

#[test]
fn a_pool_is_added_and_taken_away() {
    let (mut lab, urn) = provisioned(1);
    edit(&mut lab, &urn, |documents| {
        for kind in ["MachineDeployment", "VCDMachineTemplate"] {
            let mut copy = document(documents, kind, "blue").clone();
            copy["metadata"]["name"] = json!("red");
            if kind == "MachineDeployment" {
                copy["spec"]["replicas"] = json!(2);
                let machine = &mut copy["spec"]["template"]["spec"];
                machine["infrastructureRef"]["name"] = json!("red");
            }
            documents.push(copy);
        }
    });
    settle(&mut lab, &urn, "red", 2);
    edit(&mut lab, &urn, |documents| {
        documents.retain(|one| one["metadata"]["name"] != "red");
    });
    let gone = |lab: &mut crate::support::lab::Lab| {
        capvcd(lab, &urn)["nodePool"].as_array().unwrap().len() == 2 && machines(lab).len() == 2
    };
    lab.until("red is gone", 1800, gone);
}

#[test]
fn an_upgrade_rolls_the_control_plane_one_by_one_and_then_the_workers() {
    let (mut lab, urn) = provisioned(2);
    resize(&mut lab, &urn, PLANE, 3);
    settle(&mut lab, &urn, PLANE, 3);
    let before = machines(&lab);
    edit(&mut lab, &urn, |documents| {
        document(documents, "KubeadmControlPlane", PLANE)["spec"]["version"] = json!(NEW);
        let workers = document(documents, "MachineDeployment", "blue");
        workers["spec"]["template"]["spec"]["version"] = json!(NEW);
    });
    lab.until("begun", 300, |lab| {
        capvcd(lab, &urn)["upgrade"]["ready"] == false
    });
    let upgrade = capvcd(&lab, &urn)["upgrade"].clone();
    assert_eq!(
        upgrade["current"]["kubernetesVersion"], NEW,
        "from its start"
    );
    assert_eq!(upgrade["previous"]["kubernetesVersion"], OLD);
    lab.until("upgraded", 7200, |lab| {
        let now = machines(lab);
        let planes: Vec<&String> = now.iter().filter(|name| name.starts_with(PLANE)).collect();
        let old = |name: &&String| before.contains(name);
        let workers = now.iter().filter(|name| name.starts_with("blue-"));
        assert!(planes.len() <= 4, "{now:?}");
        assert!(now.len() <= 7, "{now:?}");
        let old_planes = planes.iter().filter(|name| before.contains(name)).count();
        let new_workers = workers
            .clone()
            .filter(|name| !before.contains(name))
            .count();
        assert!(
            old_planes == 0 || new_workers == 0,
            "control plane first: {now:?}"
        );
        capvcd(lab, &urn)["upgrade"]["ready"] == true && !now.iter().any(|name| old(&name))
    });
    settle(&mut lab, &urn, PLANE, 3);
    settle(&mut lab, &urn, "blue", 2);
}

#[test]
fn another_machine_template_rolls_a_pool_and_another_content_of_it_does_not() {
    let (mut lab, urn) = provisioned(1);
    let before = machines(&lab);
    edit(&mut lab, &urn, |documents| {
        let template = document(documents, "VCDMachineTemplate", "blue");
        template["spec"]["template"]["spec"]["diskSize"] = json!("40Gi");
    });
    lab.wait(1800);
    assert_eq!(machines(&lab), before);
    edit(&mut lab, &urn, |documents| {
        let mut copy = document(documents, "VCDMachineTemplate", "blue").clone();
        copy["metadata"]["name"] = json!("blue-2");
        documents.push(copy);
        let workers = document(documents, "MachineDeployment", "blue");
        workers["spec"]["template"]["spec"]["infrastructureRef"]["name"] = json!("blue-2");
    });
    lab.until("rolled", 1800, |lab| {
        let now = machines(lab);
        now.len() == 2 && now != before
    });
}

#[test]
fn a_refused_upgrade_is_told_by_the_agent_until_it_is_taken_back() {
    let (mut lab, urn) = provisioned(1);
    let set = |lab: &mut crate::support::lab::Lab, version: &str| {
        edit(lab, &urn, |documents| {
            document(documents, "KubeadmControlPlane", PLANE)["spec"]["version"] = json!(version);
        });
    };
    set(&mut lab, "v1.30.1+vmware.1");
    let errors = |lab: &mut crate::support::lab::Lab| {
        section(lab, &urn, "projector")["errorSet"]
            .as_array()
            .map_or(0, Vec::len)
    };
    lab.until("told", 300, |lab| errors(lab) == 1);
    lab.wait(600);
    assert_eq!(errors(&mut lab), 1, "once");
    set(&mut lab, OLD);
    lab.until("taken back", 300, |lab| errors(lab) == 0);
}
