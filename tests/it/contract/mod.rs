//! The wire contract with clients, rule by rule: what Terraform and everything else on go-vcloud-director
//! relies on, asked with a model of that client.
//!
//! Source: go-vcloud-director (CSE 4.1 and 4.2), `vcd_cse_kubernetes_cluster`.

mod creation;
mod day_two;
mod delete;
mod history;
mod provisioned;
mod rewrites;

use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};
use http::Method;
use serde_json::Value;

use crate::support::client::{Client, Shape, yaml};
use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
const NAME: &str = "kite7";
/// Name of the control plane's pool.
const PLANE: &str = "kite7-control-plane-node-pool";
const POOL: &str = "workers-a";

/// A cluster that one replica has created; the replica goes on.
async fn provisioned(seed: u64, shape: Shape) -> (Fleet, Client, String) {
    let (mut fleet, client, urn) = asked(seed, shape, false);
    fleet.start("a");
    let created = client.wait(&fleet, &urn, HOUR).await;
    assert!(created.is_ok(), "{created:?}\n{}", fleet.context());
    (fleet, client, urn)
}

/// A cluster that was asked for, every version of its entity watched, and no replica yet.
fn asked(seed: u64, shape: Shape, repair: bool) -> (Fleet, Client, String) {
    let mut fleet = Fleet::quick(seed);
    fleet.what = format!("{shape:?}");
    fleet.versions.watch();
    let client = Client::of(&fleet, 0);
    let urn = client.ask(&mut fleet, shape, (NAME, repair));
    (fleet, client, urn)
}

/// Seeds for each shape, `base` onwards.
fn shapes(base: u64) -> impl Iterator<Item = (u64, Shape)> + Clone {
    (base..).zip(Shape::ALL)
}

/// The manifests in an entity's content.
fn manifests(content: &Value) -> Vec<Value> {
    let text = content["spec"]["capiYaml"].as_str().unwrap();
    yaml::split(text).unwrap()
}

/// Desired and available nodes of a pool as the cluster reports them.
fn counts(fleet: &Fleet, urn: &str, pool: &str) -> Option<(u64, u64)> {
    let status = fleet.content(urn)["status"]["capvcd"].clone();
    let pools = status["nodePool"].as_array()?;
    let found = pools.iter().find(|one| one["name"] == pool)?;
    let count = |key: &str| found[key].as_u64().unwrap_or_default();
    Some((count("desiredReplicas"), count("availableReplicas")))
}

/// Lets time pass until `done`, looking as often as a client does.
async fn eventually(fleet: &Fleet, limit: Duration, done: impl Fn(&Fleet) -> bool) -> bool {
    let end = fleet.clock.now().plus(limit);
    while !done(fleet) {
        if fleet.clock.now() >= end {
            return false;
        }
        fleet.pass(Duration::from_secs(10)).await;
    }
    true
}

/// Every third write of an entity, by chance, meets somebody who was faster.
fn with_conflicts(fleet: &Fleet) {
    let target = Target {
        method: Some(Method::PUT),
        path: Some("/entities/".to_owned()),
        times: u64::MAX,
        per_mille: Some(300),
        ..Target::default()
    };
    fleet.faults.arm(target, Fault::Refused(Refusal::Conflict));
}
