//! The simulator as somebody to practise with: a tenant asks for a cluster on request.

use cse_server::clock::Moment;
use cse_server::sim::faults::Faults;
use cse_server::sim::levers::{Action, Lever};
use cse_server::sim::seed::default_config;
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;
use serde_json::{Value, json};

/// Pulls one lever of the control API; what it answers, or why not.
fn pull(world: &mut World, action: Value) -> Result<Value, String> {
    let action: Action = serde_json::from_value(action).unwrap();
    let faults = Faults::none();
    let at = (Moment::default(), "2026-03-01T09:00:00Z".parse().unwrap());
    let mut lever = Lever {
        world,
        faults: &faults,
        at,
    };
    lever.pull(&action).map_err(|error| error.to_string())
}

#[test]
fn a_tenant_asks_for_a_cluster_that_waits_for_a_replica() {
    let mut world = World::new("https://vcd.example", 5, Timings::default());
    world.seed_site();
    world.seed_config(default_config());
    for org in ["acme", "nimbus"] {
        world.seed_tenant(org);
    }
    let ask = json!({"ask_for_cluster": {"org": "nimbus", "name": "blue", "workers": 2}});
    let answer = pull(&mut world, ask.clone()).unwrap();
    let clusters = world.clusters();
    assert_eq!(clusters.len(), 1);
    let seen = (clusters[0].name.as_str(), clusters[0].org.as_str());
    assert_eq!(seen, ("blue", "nimbus"));
    assert_eq!(answer["id"], clusters[0].urn.as_str());
    assert_eq!((&clusters[0].state, &clusters[0].holder), (&None, &None));
    let content = world.entity_content(&clusters[0].urn).unwrap();
    let manifests = content["spec"]["capiYaml"].as_str().unwrap();
    assert!(manifests.contains("replicas: 2"), "{manifests}");

    let unknown = json!({"ask_for_cluster": {"org": "none", "name": "red"}});
    let refused = pull(&mut world, unknown).unwrap_err();
    assert_eq!(
        refused,
        "there is no organization with a user \"none\"".to_owned()
    );
    assert_eq!(world.clusters().len(), 1);
}
