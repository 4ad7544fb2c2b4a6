//! Tables of what is told of a running cluster, and when somebody follows it.
//!
//! Here: stories of one cluster, step by step: every report is written into the document before the
//! next look, as the holder does.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod trouble;

use serde_json::{Value, json};

use super::*;
use crate::domain::cluster::sample::{self, PLANE};

const NEXT: &str = "v1.28.4+vmware.1";

/// One cluster and its document.
struct Story {
    content: Map<String, Value>,
    look: Look,
}

/// What depends on the holder.
#[derive(Clone, Copy, Default)]
struct Age {
    stalled: u64,
    reported: u64,
}

impl Story {
    /// The sample cluster at rest.
    fn new() -> Self {
        let mut content = sample::entity();
        let status = json!({
            "vcdKe": {"state": "provisioned", "eventSet": [], "errorSet": []},
            "capvcd": sample::report(),
        });
        content.insert("status".to_owned(), status);
        let now = "2026-03-01T09:00:00Z".parse().unwrap();
        let look = Look {
            now,
            health_check: None,
        };
        Self { content, look }
    }

    fn ask(&mut self, edit: impl FnOnce(&mut Vec<Value>)) {
        let edited = sample::entity_edited(edit);
        self.content["spec"]["capiYaml"] = edited["spec"]["capiYaml"].clone();
    }

    fn ask_nodes(&mut self, kind: &str, name: &str, count: u32) {
        self.ask(|all| sample::set(all, kind, name, ("/spec/replicas", json!(count))));
    }

    /// The report of a pool: desired, available, and the phases of its nodes.
    fn report(&mut self, pool: &str, (desired, available): (u32, u32), phases: &[&str]) {
        let nodes: Map<String, Value> = phases
            .iter()
            .enumerate()
            .map(|(n, phase)| (format!("{pool}-{n}"), json!(phase)))
            .collect();
        let pools = self.content["status"]["capvcd"]["nodePool"]
            .as_array_mut()
            .unwrap();
        let entry = json!({"name": pool, "desiredReplicas": desired, "availableReplicas": available,
            "nodeStatus": nodes});
        match pools.iter_mut().find(|one| one["name"] == pool) {
            Some(known) => *known = entry,
            None => pools.push(entry),
        }
    }

    fn facts(&self) -> Facts {
        Facts::read(&self.content, &self.look).unwrap()
    }

    fn seen(&self, age: Age) -> RunningSeen {
        RunningSeen {
            facts: Some(self.facts()),
            stalled_for: Duration::from_mins(age.stalled),
            since_report: Duration::from_mins(age.reported),
            silent_for: Duration::ZERO,
            missing_templates: None,
            token_refused: None,
        }
    }

    fn needs_work(&self) -> bool {
        self.facts().need_work()
    }

    /// One pass of the holder: names of events, names of all errors if they change, and whether it
    /// lets go. What it reports is in the document afterwards.
    fn pass(&mut self, age: Age) -> Passed {
        self.pass_with(&self.seen(age))
    }

    fn pass_with(&mut self, seen: &RunningSeen) -> Passed {
        let decision = step(seen, &Policy::standard(Vec::new()));
        if let Decision::Commit(Change::ReportRunning(report)) = decision {
            self.write(&report);
            let names = |notes: &[Note]| notes.iter().map(|note| note.name).collect();
            return Passed::Tells {
                events: names(&report.events),
                errors: report.errors.as_deref().map(names),
                release: report.release,
            };
        }
        let waits =
            matches!(&decision, Decision::Wait { on, .. } if *on == WaitReason::ClusterChange);
        assert!(waits, "{decision:?}");
        Passed::Waits
    }

    fn write(&mut self, report: &Report) {
        let section = &mut self.content["status"]["vcdKe"];
        let entry = |note: &Note, key: &str| {
            json!({"name": note.name, "occurredAt": "2026-03-01T08:00:00Z", "vcdResourceName": note.about,
                "additionalDetails": {key: note.detail}})
        };
        let events = section["eventSet"].as_array_mut().unwrap();
        events.extend(
            report
                .events
                .iter()
                .map(|note| entry(note, "Detailed Event")),
        );
        if let Some(errors) = &report.errors {
            let kept = section["errorSet"].as_array().unwrap().clone().into_iter();
            let kept = kept.filter(|one| !is_ours(one["name"].as_str().unwrap()));
            let fresh = errors.iter().map(|note| entry(note, "Detailed Error"));
            section["errorSet"] = kept.chain(fresh).collect();
        }
        if let Some(limits) = &report.health_check {
            let yaml = self.content["spec"]["capiYaml"].as_str().unwrap();
            self.content["spec"]["capiYaml"] = json!(rewritten(yaml, limits).unwrap());
        }
    }

    fn error(&self) -> String {
        let error = &self.content["status"]["vcdKe"]["errorSet"][0];
        let text = error["additionalDetails"]["Detailed Error"].as_str();
        text.unwrap_or_default().to_owned()
    }

    fn newest_event(&self) -> String {
        let events = self.content["status"]["vcdKe"]["eventSet"]
            .as_array()
            .unwrap();
        let details = &events.last().unwrap()["additionalDetails"]["Detailed Event"];
        details.as_str().unwrap().to_owned()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Passed {
    Waits,
    Tells {
        events: Vec<&'static str>,
        errors: Option<Vec<&'static str>>,
        release: bool,
    },
}

fn tells(events: &[&'static str], release: bool) -> Passed {
    Passed::Tells {
        events: events.to_vec(),
        errors: None,
        release,
    }
}

fn complains(events: &[&'static str], errors: &[&'static str], release: bool) -> Passed {
    Passed::Tells {
        events: events.to_vec(),
        errors: Some(errors.to_vec()),
        release,
    }
}

const NOW: Age = Age {
    stalled: 0,
    reported: 0,
};
const LATER: Age = Age {
    stalled: 0,
    reported: 10,
};
const STALLED: Age = Age {
    stalled: 45,
    reported: 0,
};
/// Told beside the first thing that is told.
const CHECK: &str = "NodeHealthCheckOn";

#[test]
fn a_cluster_at_rest_needs_nobody() {
    let mut story = Story::new();
    assert!(!story.needs_work());
    assert_eq!(
        story.pass(LATER),
        tells(&[], true),
        "whoever holds it lets go"
    );
    story.report("red", (5, 3), &["Running", "Running", "Running", "Pending"]);
    assert!(
        !story.needs_work(),
        "the autoscaler's doings are nobody's edit"
    );
    story.content["status"]["capvcd"] = json!({"phase": "Provisioned"});
    assert!(Facts::read(&story.content, &story.look).is_none());
}

#[test]
fn a_resize_is_told_from_request_to_end_once_each() {
    for (kind, pool, from, to) in [
        ("MachineDeployment", "blue", 4, 6),
        ("KubeadmControlPlane", PLANE, 3, 5),
    ] {
        let mut story = Story::new();
        story.ask_nodes(kind, pool, to);
        assert!(story.needs_work(), "{pool}");
        assert_eq!(
            story.pass(NOW),
            tells(&["NodePoolResizeRequested", CHECK], false)
        );
        assert_eq!(story.pass(NOW), Passed::Waits);
        let mut phases = vec!["Running"; usize::try_from(from).unwrap()];
        phases.extend(["Provisioning", "Pending"]);
        story.report(pool, (to, from), &phases);
        assert_eq!(
            story.pass(NOW),
            Passed::Waits,
            "progress is told now and then only"
        );
        assert_eq!(story.pass(LATER), tells(&["NodePoolChanging"], false));
        assert!(
            story
                .newest_event()
                .ends_with(&format!(": {from} nodes are ready of {to} asked for.")),
            "{}",
            story.newest_event()
        );
        assert_eq!(
            story.pass(LATER),
            Passed::Waits,
            "the same progress is no news"
        );
        let all = vec!["Running"; usize::try_from(to).unwrap()];
        story.report(pool, (to, to), &all);
        assert!(story.needs_work());
        assert_eq!(story.pass(NOW), tells(&["NodePoolReady"], true));
        assert!(!story.needs_work());
    }
}

#[test]
fn shrinking_ends_when_the_last_node_too_many_is_gone() {
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 1);
    assert_eq!(
        story.pass(NOW),
        tells(&["NodePoolResizeRequested", CHECK], false)
    );
    story.report("blue", (1, 1), &["Running", "Deleting", "Deleting"]);
    assert_eq!(story.pass(NOW), Passed::Waits);
    story.report("blue", (1, 1), &["Running"]);
    assert_eq!(story.pass(NOW), tells(&["NodePoolReady"], true));
    story.ask_nodes("MachineDeployment", "blue", 0);
    assert_eq!(story.pass(NOW), tells(&["NodePoolResizeRequested"], false));
    story.content["status"]["capvcd"]["nodePool"][0] = json!({"name": "blue"});
    assert_eq!(
        story.pass(NOW),
        tells(&["NodePoolReady"], true),
        "clients drop a zero"
    );
}

#[test]
fn another_wish_in_the_middle_is_a_request_of_its_own() {
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 6);
    story.pass(NOW);
    story.ask_nodes("MachineDeployment", "blue", 8);
    assert_eq!(story.pass(NOW), tells(&["NodePoolResizeRequested"], false));
    story.ask_nodes("MachineDeployment", "blue", 6);
    assert_eq!(story.pass(NOW), tells(&["NodePoolResizeRequested"], false));
    assert_eq!(story.pass(NOW), Passed::Waits);
}

/// Adds a pool `green` to the YAML.
fn with_green(all: &mut Vec<Value>) {
    for kind in ["VCDMachineTemplate", "MachineDeployment"] {
        let mut copy = all
            .iter()
            .find(|one| one["kind"] == kind && one["metadata"]["name"] == "blue")
            .unwrap()
            .clone();
        copy["metadata"]["name"] = json!("green");
        if kind == "MachineDeployment" {
            copy["spec"]["template"]["spec"]["infrastructureRef"]["name"] = json!("green");
        }
        all.push(copy);
    }
}

#[test]
fn pools_come_and_go() {
    let mut story = Story::new();
    story.ask(with_green);
    assert_eq!(
        story.pass(NOW),
        tells(&["NodePoolAdditionRequested", CHECK], false)
    );
    assert_eq!(story.pass(LATER), Passed::Waits, "nothing is ready yet");
    story.report(
        "green",
        (4, 1),
        &["Running", "Pending", "Pending", "Pending"],
    );
    assert_eq!(story.pass(LATER), tells(&["NodePoolChanging"], false));
    story.report("green", (4, 4), &["Running"; 4]);
    assert_eq!(story.pass(NOW), tells(&["NodePoolReady"], true));
    story.ask(|_| {});
    assert_eq!(story.pass(NOW), tells(&["NodePoolRemovalRequested"], false));
    assert_eq!(story.pass(LATER), Passed::Waits);
    let pools = &mut story.content["status"]["capvcd"]["nodePool"];
    pools
        .as_array_mut()
        .unwrap()
        .retain(|one| one["name"] != "green");
    assert_eq!(story.pass(NOW), tells(&["NodePoolRemoved"], true));
    assert!(!story.needs_work());
}

fn upgrade(story: &mut Story, version: &str) {
    let template = json!(format!("ubuntu-2204-kube-{version}-tkg.1-ab"));
    let core = version.split('+').next().unwrap().to_owned();
    story.ask(|all| {
        sample::set(
            all,
            "KubeadmControlPlane",
            "",
            ("/spec/version", json!(version)),
        );
        let path = "/spec/template/spec/version";
        sample::set(all, "MachineDeployment", "", (path, json!(version)));
        let path = "/spec/template/spec/template";
        sample::set(all, "VCDMachineTemplate", "", (path, template));
        let path = "/metadata/labels/tanzuKubernetesRelease";
        sample::set(
            all,
            "Cluster",
            "",
            (path, json!(format!("{core}---vmware.1-tkg.1"))),
        );
    });
}

/// The controllers have taken the version over.
fn applied(story: &mut Story, version: &str, ready: bool) {
    let status = &mut story.content["status"]["capvcd"];
    status["kubernetes"] = json!(version);
    let before = status["upgrade"]["current"].clone();
    status["upgrade"] =
        json!({"current": {"kubernetesVersion": version}, "previous": before, "ready": ready});
}

#[test]
fn an_upgrade_is_told_from_request_to_the_last_node() {
    let mut story = Story::new();
    upgrade(&mut story, NEXT);
    assert_eq!(
        story.pass(NOW),
        tells(&["ClusterUpgradeRequested", CHECK], false)
    );
    assert_eq!(story.pass(LATER), Passed::Waits, "nobody has begun");
    applied(&mut story, NEXT, false);
    story.report(
        PLANE,
        (3, 3),
        &["Running", "Running", "Running", "Provisioning"],
    );
    assert_eq!(story.pass(LATER), tells(&["ClusterUpgrading"], false));
    let told = story.newest_event();
    assert!(
        told.contains("control plane 3 of 3 nodes ready (1 being replaced)"),
        "{told}"
    );
    assert!(told.contains("worker pool \"blue\" 4 of 4"), "{told}");
    // A client writes: `ready` is false, so it drops it, and `previous` with it.
    story.content["status"]["capvcd"]["upgrade"] = json!({"current": {"kubernetesVersion": NEXT}});
    story.report(
        "blue",
        (4, 3),
        &["Running", "Running", "Running", "Pending", "Deleting"],
    );
    assert_eq!(
        story.pass(NOW),
        Passed::Waits,
        "nodes missing are the upgrade's doing"
    );
    applied(&mut story, NEXT, true);
    assert_eq!(story.pass(NOW), Passed::Waits, "old nodes have to go");
    story.report(PLANE, (3, 3), &["Running"; 3]);
    story.report("blue", (4, 4), &["Running"; 4]);
    assert_eq!(story.pass(NOW), tells(&["ClusterUpgraded"], true));
    assert!(!story.needs_work());
    upgrade(&mut story, "v1.29.6+vmware.1");
    assert_eq!(story.pass(NOW), tells(&["ClusterUpgradeRequested"], false));
}

#[test]
fn an_edit_found_under_way_is_told_and_one_found_done_is_not() {
    let mut story = Story::new();
    story.ask_nodes("MachineDeployment", "blue", 6);
    let phases = [
        "Running",
        "Running",
        "Running",
        "Running",
        "Provisioning",
        "Pending",
    ];
    story.report("blue", (6, 4), &phases);
    assert_eq!(
        story.pass(NOW),
        tells(&["NodePoolResizeRequested", CHECK], false)
    );
    story.report("blue", (6, 6), &["Running"; 6]);
    assert_eq!(story.pass(NOW), tells(&["NodePoolReady"], true));

    let mut story = Story::new();
    upgrade(&mut story, NEXT);
    applied(&mut story, NEXT, false);
    assert_eq!(
        story.pass(NOW),
        tells(&["ClusterUpgradeRequested", CHECK], false)
    );
    assert!(story.error().is_empty());

    let mut story = Story::new();
    upgrade(&mut story, NEXT);
    applied(&mut story, NEXT, true);
    story.ask_nodes_too("blue", 6);
    story.report("blue", (6, 6), &["Running"; 6]);
    assert!(!story.needs_work());
}

impl Story {
    /// Changes the size of a pool in the YAML as it stands.
    fn ask_nodes_too(&mut self, name: &str, count: u32) {
        let yaml = self.content["spec"]["capiYaml"].as_str().unwrap();
        let mut documents = crate::yaml::read_documents(yaml).unwrap();
        sample::set(
            &mut documents,
            "MachineDeployment",
            name,
            ("/spec/replicas", json!(count)),
        );
        let yaml = crate::yaml::write_documents(&documents).unwrap();
        self.content["spec"]["capiYaml"] = json!(yaml);
    }
}
