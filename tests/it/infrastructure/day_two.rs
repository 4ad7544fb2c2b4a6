//! What the controllers of a running cluster do.

use serde_json::json;

use crate::support::bootstrap::{available, capvcd, provisioned};
use crate::support::lab::Lab;
use crate::support::site::Ask;

/// Replaces text in the entity's manifests, as a client does.
fn edit(lab: &mut Lab, urn: &str, from: &str, to: &str) {
    let wall = lab.wall();
    lab.world.modify_entity(urn, wall, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        assert!(yaml.contains(from), "{from} in {yaml}");
        content["spec"]["capiYaml"] = json!(yaml.replace(from, to));
    });
}

#[test]
fn a_self_managed_cluster_follows_its_manifests() {
    let (mut lab, urn) = provisioned(1);
    edit(
        &mut lab,
        &urn,
        "replicas: 1\n  selector",
        "replicas: 3\n  selector",
    );
    lab.until("grown", 1800, |lab| {
        available(lab, &urn)[0] == ("blue".to_owned(), 3, 3)
    });
    edit(
        &mut lab,
        &urn,
        "replicas: 3\n  selector",
        "replicas: 0\n  selector",
    );
    let gone = |lab: &mut Lab| {
        lab.world
            .vms()
            .iter()
            .filter(|vm| vm.vapp == "kite7")
            .count()
            == 1
    };
    lab.until("shrunk", 1800, gone);
    edit(&mut lab, &urn, "v1.27.8+vmware.1\n", "v1.28.4+vmware.1\n");
    lab.until("started", 300, |lab| {
        capvcd(lab, &urn)["upgrade"]["ready"] == false
    });
    assert_eq!(
        capvcd(&lab, &urn)["kubernetes"],
        "v1.28.4+vmware.1",
        "desired, not reached"
    );
    lab.until("upgraded", 3600, |lab| {
        capvcd(lab, &urn)["upgrade"]["ready"] == true
    });
    lab.until("old nodes gone", 600, gone);
    let upgrade = capvcd(&lab, &urn)["upgrade"].clone();
    assert_eq!(upgrade["previous"]["kubernetesVersion"], "v1.27.8+vmware.1");
}

#[test]
fn an_upgrade_that_skips_a_minor_version_is_refused_by_the_webhook() {
    let (mut lab, urn) = provisioned(1);
    edit(&mut lab, &urn, "v1.27.8+vmware.1\n", "v1.29.6+vmware.1\n");
    let refused = |lab: &mut Lab| {
        let content = lab.world.entity_content(&urn).unwrap();
        content["status"]["projector"]["errorSet"]
            .to_string()
            .contains("cannot update Kubernetes version")
    };
    lab.until("refused", 300, refused);
    assert_eq!(capvcd(&lab, &urn)["kubernetes"], "v1.27.8+vmware.1");
}

#[test]
fn a_lost_worker_is_replaced_where_a_health_check_asks_for_it() {
    let (mut lab, urn) = provisioned(2);
    let worker = lab
        .world
        .vms()
        .into_iter()
        .find(|vm| vm.name.starts_with("blue-"))
        .unwrap();
    let path = worker.urn.replace("urn:vcloud:vm:", "/api/vApp/vm-");
    let answer = lab.xml(Ask::post(&format!("{path}/power/action/powerOff")));
    lab.succeed(&answer);
    lab.until("noticed", 300, |lab| available(lab, &urn)[0].2 == 1);
    lab.until("replaced", 1800, |lab| available(lab, &urn)[0].2 == 2);
    assert!(lab.view(&worker.name).is_none());
}

#[test]
fn one_seed_gives_one_history() {
    let history = || {
        let (lab, urn) = provisioned(2);
        (
            lab.world.effects().clone(),
            lab.world.vms(),
            capvcd(&lab, &urn).to_string(),
        )
    };
    let (first, second) = (history(), history());
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert_eq!(first.2, second.2);
}
