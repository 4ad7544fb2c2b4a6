//! Deletion of clusters: everything of them goes, nothing of anybody else, and the entity goes last.

mod blocked;
mod creation;
mod faults;
mod provisioned;
mod rollback;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

/// Whether the deletion is forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Plain,
    Forced,
}

/// Marks a cluster for deletion, as the portal or Terraform does.
fn mark(fleet: &Fleet, urn: &str, how: How) {
    fleet.mark(urn, how == How::Forced);
}

fn is_gone(fleet: &Fleet, urn: &str) -> bool {
    fleet.world().entity_content(urn).is_none()
}

async fn until_gone(fleet: &Fleet, urn: &str) {
    let gone = fleet.until(HOUR, |fleet| is_gone(fleet, urn)).await;
    assert!(gone, "{urn} is not gone\n{}", fleet.context());
}

/// A fleet with one replica and these clusters, all provisioned.
async fn provisioned(seed: u64, names: &[&str]) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    for name in names {
        fleet.ask_for(name);
    }
    fleet.start("a");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    fleet
}

/// Nothing that names a cluster that is no more is left, but the disks in `kept`; nothing was deleted twice.
fn assert_clean(fleet: &Fleet, kept: &[&str]) {
    let leaks: Vec<String> = fleet
        .world()
        .leaks()
        .into_iter()
        .filter(|leak| leak.kind != "disk" || !kept.contains(&leak.name.as_str()))
        .map(|leak| format!("{} {}: {}", leak.kind, leak.name, leak.why))
        .collect();
    assert_eq!(leaks, Vec::<String>::new(), "{}", fleet.context());
    let twice: Vec<String> = fleet
        .world()
        .effects()
        .iter()
        .filter(|((effect, subject), count)| {
            // Bootstrap VMs have a subject of their own; nodes are named after their machine.
            let deleted = [
                "vm.deleted",
                "vapp.deleted",
                "lb.vs.deleted",
                "lb.pool.deleted",
            ];
            deleted.contains(&effect.as_ref()) && !subject.is_empty() && **count > 1
        })
        .map(|((effect, subject), count)| format!("{effect} {subject}: {count} times"))
        .filter(|line| !line.contains("Auto-created VM"))
        .collect();
    assert_eq!(twice, Vec::<String>::new(), "{}", fleet.context());
}

/// Names of everything in VCD that belongs to the cluster called `name`: its vApp, machines and network
/// objects.
fn belongings(fleet: &Fleet, name: &str, urn: &str) -> BTreeSet<String> {
    let world = fleet.world();
    let uuid = urn.rsplit(':').next().unwrap().to_owned();
    let vapps = world.vapps().into_iter().filter(|vapp| vapp == name);
    let vms = world.vms().into_iter().filter(|vm| vm.vapp == name);
    let mut all: BTreeSet<String> = vapps.map(|vapp| format!("vApp {vapp}")).collect();
    all.extend(vms.map(|vm| format!("VM {} {}", vm.name, vm.status)));
    let objects = world.network_objects();
    all.extend(objects.into_iter().filter(|object| object.contains(&uuid)));
    all
}

/// Claims a volume and lets it be attached.
async fn volume(fleet: &Fleet, cluster: &str, name: &str) {
    let at = (fleet.clock.now(), fleet.clock.wall());
    let made = fleet
        .world()
        .create_volume(cluster, name, (1024, false), at);
    made.unwrap();
    let there = |fleet: &Fleet| fleet.world().disks().contains(&name.to_owned());
    assert!(fleet.until(HOUR, there).await, "{}", fleet.context());
    fleet.pass_time(Duration::from_mins(2)).await;
}

/// Events and errors of the cluster's document, by name.
fn names(fleet: &Fleet, urn: &str, set: &str) -> Vec<String> {
    let content = fleet.world().entity_content(urn).unwrap_or_default();
    let entries = content
        .get("status")
        .and_then(|status| status["vcdKe"][set].as_array().cloned())
        .unwrap_or_default();
    let name = |entry: &Value| entry["name"].as_str().unwrap_or_default().to_owned();
    entries.iter().map(name).collect()
}
