//! What a site looks like when a workflow is over, ids and times left out: two runs of one workflow end alike.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::workflow::Workflow;
use crate::stage::urn;
use crate::support::fleet::Fleet;

/// Entries that say who works on a cluster, not what became of it.
const ABOUT_SERVERS: [&str; 3] = [
    "ClusterCreationResumed",
    "ClusterHandedOver",
    "ClusterDeletionResumed",
];
/// Ends of the names of effects that are counted; the rest is looked at or written as often as needed.
const COUNTED: [&str; 6] = [
    ".created",
    ".composed",
    ".deleted",
    ".powered_on",
    ".allocated",
    ".released",
];

/// Lines such as `event ClusterProvisioned`, each with how often it is true.
pub(super) type End = BTreeMap<String, u32>;

/// The end of a fleet's first cluster and of the site around it; `told` stood in its document when it was
/// last there.
pub(super) fn end_of(fleet: &Fleet, told: &[String], workflow: &Workflow) -> End {
    let mut end = End::new();
    let mut add = |line: String, times: u32| *end.entry(line).or_default() += times;
    let world = fleet.world();
    match world.entity_content(urn(fleet)) {
        None => add("the cluster is gone".to_owned(), 1),
        Some(content) => {
            for line in document(&Value::Object(content)) {
                add(line, 1);
            }
        }
    }
    let lasting = |name: &&String| {
        let name = name.as_str();
        !ABOUT_SERVERS.contains(&name) && !workflow.progress.contains(&name)
    };
    let mut names: Vec<&String> = told.iter().filter(lasting).collect();
    if workflow.windowed {
        // What fell out of the window depends on who else has told something.
        names.sort();
        names.dedup();
    }
    for name in names {
        add(format!("entry {name}"), 1);
    }
    for vapp in world.vapps() {
        add(format!("vApp {vapp}"), 1);
    }
    for vm in world.vms() {
        let marker = vm.description.split(';').next().unwrap_or_default();
        add(format!("VM in {} {} {marker}", vm.vapp, vm.status), 1);
    }
    for object in world.network_objects() {
        let kind = object.split(' ').next().unwrap_or_default();
        add(format!("network object {kind}"), 1);
    }
    for disk in world.disks() {
        add(format!("disk {disk}"), 1);
    }
    for leak in world.leaks() {
        add(format!("leak {} {}", leak.kind, leak.why), 1);
    }
    for ((effect, subject), times) in world.effects() {
        let node = effect.starts_with("vm.") && !subject.starts_with("rde=");
        if node && workflow.grows {
            continue;
        }
        if COUNTED.iter().any(|ending| effect.ends_with(ending)) {
            add(format!("effect {effect}"), *times);
        }
    }
    end
}

/// What of the document has to be alike.
fn document(content: &Value) -> Vec<String> {
    let own = &content["status"]["vcdKe"];
    let mut lines = Vec::new();
    let beat = own["heartbeatString"].as_str().unwrap_or_default();
    let lasting = beat
        .split(';')
        .filter(|part| ["p=", "i=", "x="].iter().any(|key| part.starts_with(key)));
    lines.push(format!("record {}", lasting.collect::<Vec<_>>().join(";")));
    lines.push(format!("holder {}", own["workerId"]));
    lines.push(format!("state {}", own["state"]));
    lines.push(format!("version {}", own["vcdKeVersion"]));
    let committed = own["vcdResourceSet"].as_array().into_iter().flatten();
    lines.extend(committed.map(|entry| format!("committed {} {}", entry["type"], entry["name"])));
    for key in ["apiVersion", "kind", "metadata", "spec"] {
        lines.push(format!("{key} {}", content[key]));
    }
    let capvcd = &content["status"]["capvcd"];
    lines.push(format!("cluster phase {}", capvcd["phase"]));
    lines.push(format!(
        "pools {}",
        capvcd["nodePool"].as_array().map_or(0, Vec::len)
    ));
    lines
}

/// What is there in one end and not as often in the other.
pub(super) fn differences(clean: &End, end: &End) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines: BTreeSet<&String> = clean.keys().chain(end.keys()).collect();
    for line in lines {
        let of = |end: &End| end.get(line).copied().unwrap_or_default();
        let (want, have) = (of(clean), of(end));
        if want != have {
            let short: String = line.chars().take(300).collect();
            wrong.push(format!("{have} times and not {want}: {short}"));
        }
    }
    wrong
}
