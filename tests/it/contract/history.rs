//! Whole histories of entities, version by version: a client may read at any moment.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HOUR, NAME, asked, manifests, shapes, with_conflicts};
use crate::support::client::read::Cluster;
use crate::support::client::{Client, Shape};
use crate::support::fleet::Fleet;

/// Fewer versions than a creation has prove nothing.
const FEW: usize = 25;

/// What holds for every version that ever stood in the entity.
pub(super) fn assert_readable(fleet: &Fleet, urn: &str) -> usize {
    let versions = fleet.versions.of(urn);
    for (n, content) in versions.iter().enumerate() {
        let at = || {
            format!(
                "version {n} of {}: {content:#}\n{}",
                versions.len(),
                fleet.context()
            )
        };
        let cluster = Cluster::read(content).unwrap_or_else(|error| panic!("{error}\n{}", at()));
        if let Some(version) = &cluster.cse_version {
            assert!((vec![4, 1, 0]..vec![4, 3, 0]).contains(version), "{}", at());
        }
        let known = ["", "provisioning", "provisioned", "error", "deleting"];
        assert!(known.contains(&cluster.state.as_str()), "{}", at());
        assert_texts_are_where_clients_look(content, &at);
        assert_separable(content, &at);
    }
    versions.len()
}

/// Every entry that a server writes has a name, a date and its text under the key that clients read.
fn assert_texts_are_where_clients_look(content: &Value, at: &dyn Fn() -> String) {
    for (set, key) in [
        ("eventSet", "Detailed Event"),
        ("errorSet", "Detailed Error"),
    ] {
        let entries = &content["status"]["vcdKe"][set];
        for entry in entries.as_array().map_or(&[][..], Vec::as_slice) {
            let text = entry["additionalDetails"][key].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{entry} has no {key}\n{}", at());
            assert!(
                entry["name"].as_str().is_some_and(|name| !name.is_empty()),
                "{entry}"
            );
        }
    }
}

/// The manifests come apart by splitting the text, and no line inside a document looks like its end.
fn assert_separable(content: &Value, at: &dyn Fn() -> String) {
    let text = content["spec"]["capiYaml"].as_str().unwrap_or_default();
    let ends = |line: &&str| line.ends_with("---") && *line != "---";
    assert_eq!(text.lines().find(ends), None, "{}", at());
    let documents = manifests(content);
    let planes = documents.iter().filter(|one| {
        let name = one["metadata"]["name"].as_str().unwrap_or_default();
        one["kind"] == "VCDMachineTemplate" && name.contains("control-plane-node-pool")
    });
    assert_eq!(planes.count(), 1, "{}", at());
}

#[tokio::test(start_paused = true)]
async fn every_version_of_a_creation_can_be_read() {
    for (seed, shape) in shapes(4_100) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap();
        fleet.pass(Duration::from_mins(15)).await;
        let versions = assert_readable(&fleet, &urn);
        assert!(versions > FEW, "{versions}\n{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_of_failures_repairs_and_handovers_can_be_read() {
    for (seed, shape) in shapes(4_110) {
        let (mut fleet, client, urn) = asked(seed, shape, true);
        fleet.world().fail_guest(NAME, "providers", 1);
        fleet.start("a");
        fleet.start("b");
        fleet.pass(Duration::from_secs(50)).await;
        fleet.stop("a").await;
        fleet.pass(Duration::from_secs(50)).await;
        fleet.kill("b").await;
        fleet.start("c");
        client.wait(&fleet, &urn, 2 * HOUR).await.unwrap();
        let versions = assert_readable(&fleet, &urn);
        assert!(versions > FEW, "{versions}\n{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_of_a_creation_that_needs_the_tenant_can_be_read() {
    for (seed, shape) in shapes(4_120) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.start("a");
        fleet.pass(Duration::from_secs(40)).await;
        let token = fleet.tenants[0].api_token.clone();
        fleet.world().revoke_api_token(&token);
        client.wait(&fleet, &urn, HOUR).await.unwrap_err();
        let versions = assert_readable(&fleet, &urn);
        assert!(versions > 3, "{versions}\n{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_of_a_creation_among_conflicts_can_be_read() {
    let (mut fleet, client, urn) = asked(4_130, Shape::V42, false);
    with_conflicts(&fleet);
    fleet.start("a");
    fleet.start("b");
    client.wait(&fleet, &urn, HOUR).await.unwrap();
    assert!(assert_readable(&fleet, &urn) > FEW, "{}", fleet.context());
    assert!(fleet.faults.struck() > 0, "no conflict proves nothing");
}

/// What a client wrote is what it reads: objects, their order, every field; a server may add the id of the
/// entity to the `VCDCluster`, and nothing else.
#[tokio::test(start_paused = true)]
async fn the_manifests_stay_as_the_client_wrote_them() {
    for (seed, shape) in shapes(4_140) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        let wanted = manifests(client.get(&fleet, &urn).unwrap().content());
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap();
        for content in fleet.versions.of(&urn) {
            let mut stored = manifests(&content);
            for document in stored.iter_mut().filter(|one| one["kind"] == "VCDCluster") {
                let spec = document["spec"].as_object_mut().unwrap();
                let added = spec.remove("rdeId");
                assert!(
                    added.is_none_or(|id| id == json!(urn)),
                    "{}",
                    fleet.context()
                );
            }
            assert_eq!(stored, wanted, "{}", fleet.context());
        }
    }
}

/// Sections that VCD keeps to itself are left out of every write: sent along empty they would be lost, and
/// sent along full they would be in a log somewhere.
#[tokio::test(start_paused = true)]
async fn secure_fields_are_never_written_and_never_lost() {
    for (seed, shape) in [(4_150, Shape::V41), (4_151, Shape::V42)] {
        let (mut fleet, client, urn) = asked(seed, shape, true);
        fleet.world().fail_guest(NAME, "tools", 1);
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap();
        let token = fleet.tenants[0].api_token.clone();
        let full = fleet.content(&urn);
        assert_eq!(full["spec"]["vcdKe"]["secure"]["apiToken"], token.as_str());
        let config = &full["status"]["capvcd"]["private"]["kubeConfig"];
        assert!(config.is_string(), "{}", fleet.context());
        let written = fleet.versions.written();
        assert!(written.len() > FEW, "{}", written.len());
        for body in written {
            for secret in [token.as_str(), "\"secure\"", "\"private\"", "kubeConfig"] {
                assert!(!body.contains(secret), "{secret} in {body}");
            }
        }
        let seen = client.get(&fleet, &urn).unwrap();
        assert_eq!(seen.content()["spec"]["vcdKe"].get("secure"), None);
    }
}

/// A creation in the life of a busy site: node failures, Services and volumes make the controllers inside
/// write, and clients read all of it.
#[tokio::test(start_paused = true)]
async fn every_version_of_a_cluster_at_work_can_be_read() {
    for (seed, shape) in shapes(4_160) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap();
        for action in [
            json!({"create_service": {"cluster": NAME, "name": "web", "ports": [80, 443]}}),
            json!({"create_volume": {"cluster": NAME, "name": "pvc-1", "size_mib": 1024}}),
            json!({"fail_node": {"cluster": NAME}}),
        ] {
            fleet.pull(&action);
            fleet.pass(Duration::from_mins(10)).await;
        }
        let versions = assert_readable(&fleet, &urn);
        assert!(versions > FEW, "{versions}\n{}", fleet.context());
        read_all(&fleet, &client, &urn);
    }
}

fn read_all(fleet: &Fleet, client: &Client, urn: &str) {
    let cluster = client.read(fleet, urn).unwrap();
    assert!(cluster.details.is_some(), "{}", fleet.context());
    assert!(!cluster.events.is_empty(), "{}", fleet.context());
}
