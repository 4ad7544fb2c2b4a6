//! Creations that fail: which are repeated, what is cleaned up, what is kept, and what is never touched.

mod attempts;
mod inspection;
mod rollback;
mod tenants;

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::controller::estate::{Scope, survey};
use cse_server::domain::ids::{EntityId, TaskId, VmId};
use cse_server::reconcile::estate::EstateSeen;
use cse_server::sim::VmView;
use cse_server::sim::transport::InProcess;
use cse_server::vcd::VcdClient;
use cse_server::vcd::model::TaskStatus;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
const BOOTSTRAP_VM: &str = "EPHEMERAL_TEMP_VM";

type Client = VcdClient<InProcess>;

/// Lets a task of the author's end.
async fn done(fleet: &Fleet, client: &Client, task: TaskId) {
    for _ in 0..600 {
        match client.task(&task).await.unwrap().status {
            TaskStatus::Running => fleet.pass_time(Duration::from_secs(1)).await,
            TaskStatus::Success => return,
            failed @ TaskStatus::Failed { .. } => panic!("{failed:?}\n{}", fleet.context()),
        }
    }
    panic!("a task never ends\n{}", fleet.context());
}

/// Everything of the first cluster in VCD, besides its bootstrap vApp.
async fn estate(fleet: &Fleet) -> EstateSeen {
    let urn = EntityId::parse(&fleet.urns[0]).unwrap();
    let service = fleet.provider().await;
    let document = service.get_entity(&urn).await.unwrap().value;
    survey(&fleet.author().await, &Scope::of(&document))
        .await
        .unwrap()
}

fn bootstrap_vm(fleet: &Fleet) -> Option<VmView> {
    let vms = fleet.world().vms();
    vms.into_iter().find(|vm| vm.name == BOOTSTRAP_VM)
}

fn id_of(vm: &VmView) -> VmId {
    VmId::parse(&vm.urn).unwrap()
}

/// URN and status of every node.
fn nodes(fleet: &Fleet) -> BTreeMap<String, &'static str> {
    let vms = fleet.world().vms();
    let nodes = vms.into_iter().filter(|vm| vm.name != BOOTSTRAP_VM);
    nodes.map(|vm| (vm.urn, vm.status)).collect()
}

fn set_repair(fleet: &Fleet, urn: &str, on: bool) {
    fleet.change(urn, |content| {
        content["spec"]["vcdKe"]["autoRepairOnErrors"] = json!(on);
    });
}

/// When events of this name were written.
fn times_of(fleet: &Fleet, urn: &str, event: &str) -> Vec<Timestamp> {
    let content = fleet.content(urn);
    let own = content.get("status").map(|status| &status["vcdKe"]);
    let entries = own.and_then(|own| own["eventSet"].as_array().cloned());
    let entries = entries.unwrap_or_default();
    let named = entries.iter().filter(|entry| entry["name"] == event);
    named
        .map(|entry| entry["occurredAt"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn has_event(fleet: &Fleet, urn: &str, event: &str) -> bool {
    !times_of(fleet, urn, event).is_empty()
}

/// The cluster has failed for good: nobody holds it, clients stop waiting, the reason is where they look.
fn assert_given_up(fleet: &Fleet, urn: &str, errors: &[&str]) {
    let context = fleet.context();
    let names: Vec<String> = fleet.errors(urn).into_iter().map(|error| error.0).collect();
    assert_eq!(names, errors, "{context}");
    let cluster = fleet.cluster(urn);
    assert_eq!(cluster.state.as_deref(), Some("error"), "{context}");
    assert_eq!(cluster.holder.as_deref(), Some(""), "{context}");
    assert_eq!(cluster.auto_repair, Some(false), "{context}");
    let status = fleet.content(urn)["status"].clone();
    let ours = status["vcdKe"]["errorSet"].as_array().unwrap();
    let mirrored = status["capvcd"]["errorSet"].as_array().unwrap();
    assert!(
        ours.iter().all(|error| mirrored.contains(error)),
        "{context}"
    );
}

fn assert_no_leaks(fleet: &Fleet) {
    // The guard is gone before the context takes its own.
    let leaks = fleet.world().leaks();
    assert_eq!(leaks, [], "{}", fleet.context());
}
