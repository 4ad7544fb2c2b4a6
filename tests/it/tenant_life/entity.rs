//! What components write into the entity, and who else does.

use std::time::Duration;

use cse_server::sim::world::World;
use serde_json::json;

use super::{counts, machines, pull, resize, section, settle};
use crate::support::bootstrap::{capvcd, provisioned};
use crate::support::lab::Lab;

fn effect(lab: &Lab, urn: &str, name: &str) -> u32 {
    let effects = lab.world.effects();
    let found = effects
        .iter()
        .find(|((effect, of), _)| effect == name && of == urn);
    found.map_or(0, |(_, times)| *times)
}

#[test]
fn a_component_that_was_overtaken_reads_again_and_writes_later() {
    let (mut lab, urn) = provisioned(1);
    lab.wait(120);
    lab.world.timings_mut().entity_write = Duration::from_secs(20);
    let before = effect(&lab, &urn, "entity.report_conflict");
    resize(&mut lab, &urn, "blue", 2);
    for number in 0..24 {
        lab.wait(5);
        let wall = lab.wall();
        lab.world.modify_entity(&urn, wall, |content| {
            content["status"]["vcdKe"]["heartbeatString"] = json!(number.to_string());
        });
    }
    let conflicts = effect(&lab, &urn, "entity.report_conflict") - before;
    assert!(conflicts >= 3, "{conflicts}");
    assert_eq!(
        counts(&lab, &urn, "blue"),
        Some((1, 1)),
        "nobody got through"
    );
    settle(&mut lab, &urn, "blue", 2);
    let server = section(&lab, &urn, "vcdKe");
    assert_eq!(
        server["heartbeatString"], "23",
        "and nobody was overwritten"
    );
}

#[test]
fn a_revoked_token_stops_the_controllers_and_not_the_machines() {
    let (mut lab, urn) = provisioned(1);
    lab.wait(120);
    let token = lab.tenant.api_token.clone();
    lab.world.revoke_api_token(&token);
    let status = capvcd(&lab, &urn);
    resize(&mut lab, &urn, "blue", 3);
    let before = machines(&lab);
    lab.wait(3600);
    assert_eq!(machines(&lab), before);
    assert_eq!(capvcd(&lab, &urn), status);
}

#[test]
fn what_was_not_written_before_the_token_was_revoked_never_is() {
    let (mut lab, urn) = provisioned(1);
    lab.wait(120);
    lab.world.timings_mut().entity_write = Duration::from_secs(20);
    resize(&mut lab, &urn, "blue", 3);
    let before = machines(&lab);
    lab.until("started", 300, |lab| machines(lab).len() > before.len());
    let token = lab.tenant.api_token.clone();
    lab.world.revoke_api_token(&token);
    let status = capvcd(&lab, &urn);
    lab.wait(600);
    assert_eq!(capvcd(&lab, &urn), status, "though there was much to tell");
}

#[test]
fn a_cluster_follows_an_entity_that_was_set_back() {
    let (mut lab, urn) = provisioned(1);
    lab.wait(120);
    pull(&mut lab, &json!({"snapshot": {"name": "before"}})).unwrap();
    resize(&mut lab, &urn, "blue", 3);
    settle(&mut lab, &urn, "blue", 3);
    pull(&mut lab, &json!({"restore": {"name": "before"}})).unwrap();
    assert_eq!(counts(&lab, &urn, "blue"), Some((1, 1)), "as it was");
    assert_eq!(machines(&lab).len(), 4, "the machines are what they are");
    lab.until("shrunk", 1800, |lab| machines(lab).len() == 2);
    settle(&mut lab, &urn, "blue", 1);
}

#[test]
fn what_clients_parse_is_there() {
    let (mut lab, urn) = provisioned(1);
    lab.wait(120);
    let status = capvcd(&lab, &urn);
    assert_eq!(status["phase"], "Provisioned");
    assert_eq!(status["uid"], json!(urn));
    let bindings = status["clusterResourceSetBindings"].as_array().unwrap();
    assert!(!bindings.is_empty());
    for binding in bindings {
        for key in ["clusterResourceSetName", "kind", "name", "lastAppliedTime"] {
            assert!(binding[key].is_string(), "{key} of {binding}");
        }
        assert_eq!(binding["applied"], true);
    }
    let yaml = status["capiStatusYaml"].as_str().unwrap();
    assert!(
        yaml.contains("KubeadmControlPlane") && !yaml.contains("Secret"),
        "{yaml}"
    );
    assert_eq!(
        status["k8sNetwork"]["pods"]["cidrBlocks"],
        json!(["100.96.0.0/11"])
    );
    let properties = &status["vcdProperties"];
    assert_eq!(properties["orgVdcs"][0]["name"], json!(lab.tenant.vdc));
    assert_eq!(
        properties["orgVdcs"][0]["ovdcNetworkName"],
        json!(lab.tenant.network)
    );
    for (name, version) in [("cpi", "1.6.1"), ("csi", "1.6.0")] {
        let found = section(&lab, &urn, name);
        assert_eq!(found["version"].as_str().unwrap().trim(), version);
    }
    assert_eq!(section(&lab, &urn, "projector")["lastAppliedSequence"], 1);
}

/// Runs a cluster with everything in it through a resize, reading the world back every so often.
fn history(reload_secs: Option<u64>) -> Vec<u8> {
    let (mut lab, urn) = provisioned(1);
    let service = json!({"cluster": "kite7", "name": "web", "ports": [80, 443]});
    pull(&mut lab, &json!({"create_service": service})).unwrap();
    let volume = json!({"cluster": "kite7", "name": "pvc-1", "size_mib": 64});
    pull(&mut lab, &json!({"create_volume": volume})).unwrap();
    resize(&mut lab, &urn, "blue", 3);
    for second in 1..900 {
        lab.wait(1);
        if reload_secs.is_some_and(|secs| second % secs == 0) {
            let mut text = Vec::new();
            lab.world.save(None, &mut text).unwrap();
            lab.world = World::load(text.as_slice(), None).unwrap().world;
        }
    }
    assert_eq!(counts(&lab, &urn, "blue"), Some((3, 3)));
    let mut text = Vec::new();
    lab.world.save(None, &mut text).unwrap();
    text
}

#[test]
fn a_world_read_back_while_a_cluster_changes_has_the_same_history() {
    let plain = history(None);
    assert!(plain == history(Some(37)), "something is not in the state");
}
