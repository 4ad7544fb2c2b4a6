//! Edits of running clusters, as their servers see and tell them; the clusters themselves carry them out.

mod edits;
mod troubles;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
const NEW: &str = "v1.28.4+vmware.1";

/// A cluster `oak` that a replica `a` has made, at rest, and nodes that take `node` from now on.
async fn running(seed: u64, node: Duration) -> (Fleet, String) {
    let mut fleet = Fleet::new(seed);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    let made = fleet.until(HOUR, Fleet::all_provisioned).await;
    assert!(made, "{}", fleet.context());
    // Its report follows, and half an hour later nobody takes it for new any more.
    fleet.pass_time(Duration::from_mins(35)).await;
    fleet.world().timings_mut().node = node;
    (fleet, urn)
}

fn plane() -> String {
    "oak-control-plane-node-pool".to_owned()
}

/// Changes the manifests as a client does: whole documents, written anew.
fn edit(fleet: &Fleet, urn: &str, change: impl FnOnce(&mut Vec<Value>)) {
    fleet.change(urn, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
        change(&mut documents);
        let texts = documents
            .iter()
            .map(|one| serde_saphyr::to_string(one).unwrap());
        content["spec"]["capiYaml"] = json!(texts.collect::<Vec<_>>().join("---\n"));
    });
}

/// The document of that kind and name.
fn document<'d>(documents: &'d mut [Value], kind: &str, name: &str) -> &'d mut Value {
    let mut all = documents.iter_mut();
    all.find(|one| one["kind"] == kind && one["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{kind} {name}"))
}

/// Gives a pool so many nodes; the control plane is one, too.
fn resize(fleet: &Fleet, urn: &str, pool: &str, replicas: u32) {
    let kind = if pool == plane() {
        "KubeadmControlPlane"
    } else {
        "MachineDeployment"
    };
    edit(fleet, urn, |documents| {
        document(documents, kind, pool)["spec"]["replicas"] = json!(replicas);
    });
}

/// Everything a client changes for another version.
fn upgrade(fleet: &Fleet, urn: &str, version: &str) {
    let images = cse_server::sim::seed::TKG_IMAGES;
    let image = images
        .iter()
        .find(|one| one.kubernetes() == version)
        .unwrap();
    let template = format!("ubuntu-2204-kube-{}", image.version);
    edit(fleet, urn, |documents| {
        for one in documents {
            match one["kind"].as_str().unwrap() {
                "VCDMachineTemplate" => {
                    one["spec"]["template"]["spec"]["template"] = json!(template);
                }
                "KubeadmControlPlane" => one["spec"]["version"] = json!(version),
                "MachineDeployment" => {
                    one["spec"]["template"]["spec"]["version"] = json!(version);
                }
                "Cluster" => {
                    one["metadata"]["labels"]["tanzuKubernetesRelease"] = json!(image.release);
                    one["metadata"]["annotations"]["TKGVERSION"] = json!(image.tkg);
                }
                _ => {}
            }
        }
    });
}

/// Lets time pass in steps of 15 seconds until `done`, for `limit` at most.
async fn until(fleet: &Fleet, limit: Duration, done: impl Fn(&Fleet) -> bool) -> bool {
    let end = fleet.clock.now().plus(limit);
    while fleet.clock.now() < end && !done(fleet) {
        fleet.pass_time(Duration::from_secs(15)).await;
    }
    done(fleet)
}

/// How often an event or error of that name stands in the cluster's document.
fn told(fleet: &Fleet, urn: &str, name: &str) -> usize {
    let names = fleet.event_names(urn);
    names.iter().filter(|one| *one == name).count()
}

/// Waits until an event or error of that name stands there so often.
async fn await_told(fleet: &Fleet, urn: &str, name: &str, times: usize) {
    let seen = until(fleet, 3 * HOUR, |fleet| told(fleet, urn, name) >= times).await;
    assert!(
        seen,
        "{name}: {:?}\n{}",
        fleet.event_names(urn),
        fleet.context()
    );
    assert_eq!(told(fleet, urn, name), times, "{name}\n{}", fleet.context());
}

/// Names of the errors about the running cluster.
fn errors(fleet: &Fleet, urn: &str) -> Vec<String> {
    let errors = fleet.errors(urn).into_iter();
    errors.map(|(name, _)| name).collect()
}

async fn await_errors(fleet: &Fleet, urn: &str, want: &[&str]) {
    let seen = until(fleet, 2 * HOUR, |fleet| errors(fleet, urn) == want).await;
    assert!(
        seen,
        "{want:?}: {:?}\n{}",
        errors(fleet, urn),
        fleet.context()
    );
    assert!(fleet.is_in(urn, "provisioned"), "{}", fleet.context());
}

/// Nobody holds the cluster.
fn is_let_go(fleet: &Fleet, urn: &str) -> bool {
    fleet
        .cluster(urn)
        .holder
        .is_none_or(|holder| holder.is_empty())
}

/// Nobody asks after the cluster for half an hour.
async fn assert_left_alone(fleet: &Fleet, urn: &str) {
    // A replica that saw it held by another one looks once whether it still is.
    fleet.pass_time(Duration::from_mins(11)).await;
    assert!(is_let_go(fleet, urn), "{}", fleet.context());
    fleet.sent.clear();
    fleet.pass_time(Duration::from_mins(30)).await;
    let mut sent = fleet.sent.lines();
    sent.retain(|line| line.contains("urn:vcloud:entity:vmware:capvcdCluster:"));
    assert_eq!(sent, Vec::<String>::new(), "{}", fleet.context());
}

/// Changes the limits of health checks in the shared configuration.
async fn configure(fleet: &Fleet, health_check: Value) {
    let configuration = fleet.configuration().await;
    fleet.change(&configuration, |content| {
        content["profiles"][0]["K8Config"]["mhc"] = health_check;
    });
}
