//! Changes of a running cluster as clients make them: whether a server runs or not, the cluster follows,
//! and the state never leaves `provisioned`.

use std::time::Duration;

use serde_json::{Value, json};

use super::history::assert_readable;
use super::{
    HOUR, PLANE, POOL, counts, eventually, manifests, provisioned, shapes, with_conflicts,
};
use crate::support::client::{Client, Shape, yaml};
use crate::support::fleet::Fleet;

const NEXT: &str = "v1.28.11+vmware.2";

/// One change, and what the cluster then has.
struct Step {
    name: &'static str,
    change: fn(&mut Vec<Value>),
    pool: &'static str,
    nodes: u64,
}

const STEPS: [Step; 5] = [
    Step {
        name: "resize up",
        change: |documents| replicas(documents, "MachineDeployment", POOL, 3),
        pool: POOL,
        nodes: 3,
    },
    Step {
        name: "resize down",
        change: |documents| replicas(documents, "MachineDeployment", POOL, 1),
        pool: POOL,
        nodes: 1,
    },
    Step {
        name: "add a pool",
        change: add_pool,
        pool: "workers-b",
        nodes: 2,
    },
    Step {
        name: "empty a pool",
        change: |documents| replicas(documents, "MachineDeployment", "workers-b", 0),
        pool: "workers-b",
        nodes: 0,
    },
    Step {
        name: "three control planes",
        change: |documents| replicas(documents, "KubeadmControlPlane", PLANE, 3),
        pool: PLANE,
        nodes: 3,
    },
];

fn replicas(documents: &mut [Value], kind: &str, name: &str, count: u32) {
    yaml::find(documents, kind, name)["spec"]["replicas"] = json!(count);
}

/// Copies of the first pool's two documents under another name, at the end.
fn add_pool(documents: &mut Vec<Value>) {
    let mut template = yaml::find(documents, "VCDMachineTemplate", POOL).clone();
    let mut pool = yaml::find(documents, "MachineDeployment", POOL).clone();
    for document in [&mut template, &mut pool] {
        document["metadata"]["name"] = json!("workers-b");
    }
    pool["spec"]["replicas"] = json!(2);
    pool["spec"]["template"]["spec"]["infrastructureRef"]["name"] = json!("workers-b");
    documents.extend([template, pool]);
}

/// All that an upgrade writes, in one go.
fn upgrade(documents: &mut Vec<Value>) {
    let template = "ubuntu-2204-kube-v1.28.11+vmware.2-tkg.2-7820f47053de95b5aaf7e33a17511e47";
    for document in documents {
        match document["kind"].as_str().unwrap_or_default() {
            "VCDMachineTemplate" => {
                document["spec"]["template"]["spec"]["template"] = json!(template);
            }
            "MachineDeployment" => document["spec"]["template"]["spec"]["version"] = json!(NEXT),
            "Cluster" => {
                document["metadata"]["annotations"]["TKGVERSION"] = json!("v2.5.2");
                document["metadata"]["labels"]["tanzuKubernetesRelease"] =
                    json!("v1.28.11---vmware.2-tkg.2");
            }
            "KubeadmControlPlane" => {
                let kubeadm = &mut document["spec"]["kubeadmConfigSpec"]["clusterConfiguration"];
                kubeadm["dns"]["imageTag"] = json!("v1.10.1_vmware.21");
                kubeadm["etcd"]["local"]["imageTag"] = json!("v3.5.12_vmware.5");
                document["spec"]["version"] = json!(NEXT);
            }
            _ => {}
        }
    }
}

/// Makes a change and waits until the cluster reports it done.
async fn make(fleet: &Fleet, (client, urn): (&Client, &str), step: &Step) {
    let mut cluster = client.read(fleet, urn).unwrap();
    let updated = client.update(fleet, (urn, &mut cluster), step.change);
    assert_eq!(updated, Ok(()), "{}\n{}", step.name, fleet.context());
    let done = |fleet: &Fleet| counts(fleet, urn, step.pool) == Some((step.nodes, step.nodes));
    let done = eventually(fleet, 2 * HOUR, done).await;
    assert!(done, "{}\n{}", step.name, fleet.context());
}

async fn make_upgrade(fleet: &Fleet, (client, urn): (&Client, &str)) {
    let mut cluster = client.read(fleet, urn).unwrap();
    let updated = client.update(fleet, (urn, &mut cluster), upgrade);
    assert_eq!(updated, Ok(()), "{}", fleet.context());
    let done = |fleet: &Fleet| {
        let status = fleet.content(urn)["status"]["capvcd"].clone();
        let settled = [PLANE, POOL].map(|pool| counts(fleet, urn, pool));
        let settled = settled.iter().all(|pool| pool.is_some_and(|(a, b)| a == b));
        let upgrade = &status["upgrade"];
        upgrade["current"]["kubernetesVersion"] == NEXT && upgrade["ready"] == true && settled
    };
    assert!(
        eventually(fleet, 4 * HOUR, done).await,
        "{}",
        fleet.context()
    );
    let details = client.read(fleet, urn).unwrap().details.unwrap();
    assert_eq!(details.kubernetes, NEXT);
}

/// Since the cluster was provisioned, the state was nothing else, and no error was ever told.
fn assert_undisturbed(fleet: &Fleet, urn: &str) {
    let versions = fleet.versions.of(urn);
    let state = |content: &Value| content["status"]["vcdKe"]["state"].clone();
    let begin = versions
        .iter()
        .position(|content| state(content) == "provisioned");
    let since = &versions[begin.unwrap()..];
    assert!(
        since.len() > 3,
        "{} versions\n{}",
        since.len(),
        fleet.context()
    );
    for content in since {
        assert_eq!(state(content), "provisioned", "{}", fleet.context());
        let errors = &content["status"]["vcdKe"]["errorSet"];
        let none = errors.as_array().is_none_or(Vec::is_empty);
        assert!(none, "{errors}\n{}", fleet.context());
    }
    assert_readable(fleet, urn);
    for effect in ["vapp.composed", "vm.created", "vapp.deleted"] {
        assert_eq!(
            fleet.effect(effect, urn),
            1,
            "{effect}\n{}",
            fleet.context()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_followed_while_servers_run() {
    for (seed, shape) in shapes(4_800) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        for step in &STEPS {
            make(&fleet, (&client, &urn), step).await;
        }
        make_upgrade(&fleet, (&client, &urn)).await;
        assert_undisturbed(&fleet, &urn);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_followed_while_every_server_is_down() {
    for (seed, shape) in shapes(4_810) {
        let (mut fleet, client, urn) = provisioned(seed, shape).await;
        fleet.stop("a").await;
        for step in &STEPS {
            make(&fleet, (&client, &urn), step).await;
        }
        make_upgrade(&fleet, (&client, &urn)).await;
        fleet.start("b");
        fleet.pass(HOUR).await;
        assert_undisturbed(&fleet, &urn);
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_come_back_in_the_middle_of_a_change_disturb_nothing() {
    for (seed, shape) in shapes(4_820) {
        let (mut fleet, client, urn) = provisioned(seed, shape).await;
        fleet.kill("a").await;
        let mut cluster = client.read(&fleet, &urn).unwrap();
        client
            .update(&fleet, (&urn, &mut cluster), upgrade)
            .unwrap();
        fleet.pass(Duration::from_mins(4)).await;
        fleet.start("a");
        fleet.start("b");
        make(&fleet, (&client, &urn), &STEPS[0]).await;
        fleet.pass(HOUR).await;
        assert_undisturbed(&fleet, &urn);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_lands_within_six_tries_among_conflicts() {
    let (fleet, client, urn) = provisioned(4_830, Shape::V42).await;
    with_conflicts(&fleet);
    for step in &STEPS[..2] {
        make(&fleet, (&client, &urn), step).await;
    }
    assert_undisturbed(&fleet, &urn);
}

/// Switching the health check off removes a document by moving the last one into its place.
#[tokio::test(start_paused = true)]
async fn the_health_check_is_switched_off_and_on_again() {
    for (seed, shape) in shapes(4_840) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        let mut cluster = client.read(&fleet, &urn).unwrap();
        assert!(cluster.details.as_ref().unwrap().health_check);
        let mut check = Value::Null;
        let off = |documents: &mut Vec<Value>| {
            let at = documents
                .iter()
                .position(|one| one["kind"] == "MachineHealthCheck");
            check = documents.swap_remove(at.unwrap());
        };
        client.update(&fleet, (&urn, &mut cluster), off).unwrap();
        assert!(!cluster.details.as_ref().unwrap().health_check);
        fleet.pass(Duration::from_mins(30)).await;
        let mut cluster = client.read(&fleet, &urn).unwrap();
        let on = |documents: &mut Vec<Value>| documents.push(check);
        client.update(&fleet, (&urn, &mut cluster), on).unwrap();
        assert!(cluster.details.as_ref().unwrap().health_check);
        fleet.pass(Duration::from_mins(30)).await;
        assert_undisturbed(&fleet, &urn);
    }
}

/// A change and then another one, from one read: the second carries the state of before the first.
#[tokio::test(start_paused = true)]
async fn a_second_change_from_an_old_read_wins_and_its_cluster_follows() {
    let (fleet, client, urn) = provisioned(4_850, Shape::V42).await;
    let mut first = client.read(&fleet, &urn).unwrap();
    let mut second = first.clone();
    client
        .update(&fleet, (&urn, &mut first), STEPS[0].change)
        .unwrap();
    fleet.pass(Duration::from_mins(3)).await;
    let two = |documents: &mut Vec<Value>| replicas(documents, "MachineDeployment", POOL, 2);
    client.update(&fleet, (&urn, &mut second), two).unwrap();
    let done = |fleet: &Fleet| counts(fleet, &urn, POOL) == Some((2, 2));
    assert!(
        eventually(&fleet, 2 * HOUR, done).await,
        "{}",
        fleet.context()
    );
    assert_undisturbed(&fleet, &urn);
    let stored = manifests(client.get(&fleet, &urn).unwrap().content());
    assert!(stored.len() >= 7, "{}", stored.len());
}
