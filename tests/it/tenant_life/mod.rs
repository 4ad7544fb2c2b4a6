//! Clusters that live on their own: what happens inside them with every server stopped.

mod balancers;
mod deletion;
mod entity;
mod nodes;
mod resizing;
mod storage;

use cse_server::sim::faults::Faults;
use cse_server::sim::levers::{Action, Lever, LeverError};
use serde_json::{Value, json};

use crate::support::bootstrap::capvcd;
use crate::support::lab::Lab;
use crate::support::site::Ask;

/// Name of the control plane's pool.
const PLANE: &str = "kite7-control-plane-node-pool";

/// Changes the manifests of the entity, as a client does.
fn edit(lab: &mut Lab, urn: &str, change: impl FnOnce(&mut Vec<Value>)) {
    let wall = lab.wall();
    lab.world.modify_entity(urn, wall, |content| {
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
fn resize(lab: &mut Lab, urn: &str, pool: &str, replicas: u32) {
    let kind = if pool == PLANE {
        "KubeadmControlPlane"
    } else {
        "MachineDeployment"
    };
    edit(lab, urn, |documents| {
        document(documents, kind, pool)["spec"]["replicas"] = json!(replicas);
    });
}

/// Desired and available nodes of a pool as its entity says.
fn counts(lab: &Lab, urn: &str, pool: &str) -> Option<(u64, u64)> {
    let status = capvcd(lab, urn);
    let pools = status["nodePool"].as_array()?.clone();
    let found = pools.into_iter().find(|one| one["name"] == pool)?;
    let count = |key: &str| found[key].as_u64();
    Some((count("desiredReplicas")?, count("availableReplicas")?))
}

/// Names of the machines in the cluster's vApp, sorted.
fn machines(lab: &Lab) -> Vec<String> {
    let vms = lab.world.vms().into_iter();
    let mut names: Vec<String> = vms
        .filter(|vm| vm.vapp == "kite7")
        .map(|vm| vm.name)
        .collect();
    names.sort();
    names
}

/// Waits until a pool has so many nodes, all available, and no machine too many is left.
fn settle(lab: &mut Lab, urn: &str, pool: &str, nodes: u64) {
    let prefix = format!("{pool}-");
    lab.until(&format!("{pool} has {nodes}"), 3600, |lab| {
        let all = machines(lab);
        let mine = all.iter().filter(|name| name.starts_with(&prefix)).count();
        counts(lab, urn, pool) == Some((nodes, nodes)) && u64::try_from(mine) == Ok(nodes)
    });
}

/// A section of `status`.
fn section(lab: &Lab, urn: &str, name: &str) -> Value {
    lab.world.entity_content(urn).unwrap()["status"][name].clone()
}

/// Names of the entries of a set, or their types.
fn listed(section: &Value, set: &str, key: &str) -> Vec<String> {
    let entries = section[set].as_array().cloned().unwrap_or_default();
    let text = |one: &Value| one[key].as_str().unwrap_or_default().to_owned();
    entries.iter().map(text).collect()
}

fn pull(lab: &mut Lab, action: &Value) -> Result<Value, LeverError> {
    let action: Action = serde_json::from_value(action.clone()).unwrap();
    let at = (lab.now(), lab.wall());
    let faults = Faults::none();
    let mut lever = Lever {
        world: &mut lab.world,
        faults: &faults,
        at,
    };
    lever.pull(&action)
}

/// What a list of the tenant's gateway holds, such as `virtualServiceSummaries`.
fn at_gateway(lab: &mut Lab, list: &str) -> Vec<Value> {
    let networks = get(lab, "orgVdcNetworks");
    let gateway = networks["values"][0]["connection"]["routerRef"]["id"].clone();
    let gateway = gateway.as_str().unwrap();
    let found = get(lab, &format!("edgeGateways/{gateway}/{list}"));
    found["values"].as_array().cloned().unwrap()
}

/// A session of the author that has not expired.
fn log_in(lab: &mut Lab) {
    let token = lab.tenant.api_token.clone();
    lab.author = lab.token_of("acme", &token);
}

fn get(lab: &mut Lab, path: &str) -> Value {
    log_in(lab);
    let author = lab.author.clone();
    let answer = lab.call(Ask::get(&format!("/cloudapi/1.0.0/{path}")).by(&author));
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    answer.json()
}
