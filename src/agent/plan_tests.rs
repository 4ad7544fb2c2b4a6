//! Which cluster may be touched, and what waits for the control plane.

use serde_json::{Value, json};

use super::super::judge::{Judgement, judge};
use super::*;
use crate::domain::cluster::sample::{entity_edited, set};

const URN: &str = "urn:vcloud:entity:vmware:capvcdCluster:7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e";
const OLD: &str = "v1.27.8+vmware.1";
const NEW: &str = "v1.28.4+vmware.1";

fn id() -> EntityId {
    EntityId::parse(URN).unwrap()
}

/// The sample at `version`, every object being as the sample is at [`OLD`].
fn seen(version: &str, image: &str) -> Vec<Seen> {
    let read = |version: &str, image: &str| {
        let content = entity_edited(|documents| {
            set(
                documents,
                "KubeadmControlPlane",
                "",
                ("/spec/version", json!(version)),
            );
            set(
                documents,
                "MachineDeployment",
                "",
                (WORKER_VERSION, json!(version)),
            );
            set(documents, "VCDMachineTemplate", "", (IMAGE, json!(image)));
        });
        match judge(&content, &id(), "kite7-ns") {
            Judgement::Apply(wish) => wish.documents,
            Judgement::Leave | Judgement::Refuse(..) => Vec::new(),
        }
    };
    let (wanted, stands) = (read(version, image), read(OLD, "old-image"));
    assert!(wanted.len() > 10, "the sample is read");
    wanted
        .into_iter()
        .zip(stands)
        .map(|(document, stands)| Seen {
            document,
            live: Some(stands.body),
        })
        .collect()
}

/// The control plane with `updated` of 3 nodes at its version.
fn control_plane(seen: &mut [Seen], version: &str, updated: u64) {
    let plane = seen
        .iter_mut()
        .find(|seen| seen.part() == Part::ControlPlane);
    let live = plane.unwrap().live.as_mut().unwrap();
    live["spec"]["version"] = json!(version);
    live["spec"]["replicas"] = json!(3);
    live["metadata"]["generation"] = json!(7);
    live["status"] = json!({
        "version": if updated == 3 { version } else { OLD },
        "observedGeneration": 7, "replicas": 3, "updatedReplicas": updated, "readyReplicas": 3,
    });
}

fn body<'a>(plan: &'a Plan, kind: &str, name: &str) -> &'a Value {
    let mut steps = plan.steps.iter();
    let step = steps
        .find(|step| step.document.address.kind.name == kind && step.document.address.name == name);
    &step.unwrap().document.body
}

#[test]
fn workers_and_their_image_wait_until_every_control_plane_node_runs_the_version() {
    for updated in [0, 2] {
        let mut seen = seen(NEW, "new-image");
        control_plane(&mut seen, NEW, updated);
        let plan = plan(seen, NEW);
        assert_eq!(plan.held, ["blue", "red"], "{updated}");
        assert_eq!(
            body(&plan, "MachineDeployment", "blue").pointer(WORKER_VERSION),
            Some(&json!(OLD))
        );
        assert_eq!(
            body(&plan, "VCDMachineTemplate", "blue").pointer(IMAGE),
            Some(&json!("old-image"))
        );
        let plane = "kite7-control-plane-node-pool";
        assert_eq!(
            body(&plan, "VCDMachineTemplate", plane).pointer(IMAGE),
            Some(&json!("new-image"))
        );
        assert_eq!(
            body(&plan, "KubeadmControlPlane", plane)["spec"]["version"],
            NEW
        );
    }
    let mut seen = seen(NEW, "new-image");
    control_plane(&mut seen, NEW, 3);
    let plan = plan(seen, NEW);
    assert_eq!(plan.held, Vec::<String>::new());
    assert_eq!(
        body(&plan, "MachineDeployment", "blue").pointer(WORKER_VERSION),
        Some(&json!(NEW))
    );
    assert_eq!(
        body(&plan, "VCDMachineTemplate", "blue").pointer(IMAGE),
        Some(&json!("new-image"))
    );
}

#[test]
fn what_the_controllers_have_not_seen_yet_is_not_done() {
    let mut unseen = seen(NEW, "new-image");
    control_plane(&mut unseen, NEW, 3);
    let plane = unseen
        .iter_mut()
        .find(|seen| seen.part() == Part::ControlPlane);
    plane.unwrap().live.as_mut().unwrap()["metadata"]["generation"] = json!(8);
    assert_eq!(plan(unseen, NEW).held, ["blue", "red"]);
    let mut refused = seen(NEW, "new-image");
    control_plane(&mut refused, OLD, 3);
    assert_eq!(
        plan(refused, NEW).held,
        ["blue", "red"],
        "the version was refused"
    );
}

#[test]
fn a_resize_waits_for_nothing_and_goes_on_during_an_upgrade() {
    let mut seen = seen(NEW, "new-image");
    for seen in &mut seen {
        if seen.document.address.name == "blue" && seen.part() == Part::Workers {
            seen.document.body["spec"]["replicas"] = json!(9);
        }
    }
    control_plane(&mut seen, NEW, 1);
    let held = plan(seen, NEW);
    assert_eq!(
        body(&held, "MachineDeployment", "blue")["spec"]["replicas"],
        9
    );
    // A control plane that is busy for another reason holds nobody up.
    let mut same = self::seen(OLD, "old-image");
    control_plane(&mut same, OLD, 2);
    assert_eq!(plan(same, OLD).held, Vec::<String>::new());
}

#[test]
fn a_new_pool_waits_for_a_control_plane_that_is_being_upgraded() {
    let mut seen = seen(NEW, "new-image");
    for seen in seen
        .iter_mut()
        .filter(|seen| seen.document.address.name == "red")
    {
        seen.live = None;
    }
    control_plane(&mut seen, NEW, 1);
    let plan = plan(seen, NEW);
    assert_eq!(plan.held, ["blue", "red"]);
    let mut pools = plan
        .steps
        .iter()
        .filter(|step| step.document.address.name == "red");
    let kinds: Vec<&str> = pools
        .by_ref()
        .map(|step| step.document.address.kind.name)
        .collect();
    assert_eq!(
        kinds,
        ["VCDMachineTemplate"],
        "the template alone makes no node"
    );
}

#[test]
fn a_cluster_is_touched_only_if_it_is_there_stays_and_is_the_entitys() {
    type Change = (&'static str, fn(&mut Vec<Seen>));
    fn live(seen: &mut [Seen], part: Part) -> &mut Value {
        let found = seen.iter_mut().find(|seen| seen.part() == part);
        found.unwrap().live.as_mut().unwrap()
    }
    let rows: [Change; 6] = [
        ("", |_| {}),
        ("not in this cluster", |seen| {
            seen.iter_mut()
                .find(|seen| seen.part() == Part::Cluster)
                .unwrap()
                .live = None;
        }),
        ("not in this cluster", |seen| {
            seen.iter_mut()
                .find(|seen| seen.part() == Part::ControlPlane)
                .unwrap()
                .live = None;
        }),
        ("being deleted", |seen| {
            live(seen, Part::Infrastructure)["metadata"]["deletionTimestamp"] =
                json!("2026-03-01T09:00:00Z");
        }),
        ("paused", |seen| {
            live(seen, Part::Cluster)["spec"]["paused"] = json!(true);
        }),
        ("urn:vcloud:entity:vmware:capvcdCluster:other", |seen| {
            live(seen, Part::Infrastructure)["status"] =
                json!({"infraId": "urn:vcloud:entity:vmware:capvcdCluster:other"});
        }),
    ];
    for (want, change) in rows {
        let mut seen = seen(OLD, "old-image");
        live(&mut seen, Part::Infrastructure)["spec"]["rdeId"] = json!(URN);
        change(&mut seen);
        let told = match standing(&seen, &id()) {
            Standing::Ready => String::new(),
            Standing::Wait(why) => why.to_owned(),
            Standing::Foreign(other) => other,
        };
        assert!(
            told.contains(want) && told.is_empty() == want.is_empty(),
            "{want}: {told}"
        );
    }
}

#[test]
fn a_change_is_told_in_numbers_and_versions() {
    let pool = |replicas: u32, version: &str| json!({"spec": {"replicas": replicas, "template": {"spec": {"version": version}}}});
    let rows = [
        (None, "MachineDeployment blue (new)"),
        (Some(pool(3, OLD)), "MachineDeployment blue"),
        (
            Some(pool(2, OLD)),
            "MachineDeployment blue (replicas 2 to 3)",
        ),
        (
            Some(pool(3, "v1.26.0")),
            "MachineDeployment blue (version v1.26.0 to v1.27.8+vmware.1)",
        ),
    ];
    for (before, want) in rows {
        let told = change("MachineDeployment blue", before.as_ref(), &pool(3, OLD));
        assert_eq!(told, want);
    }
}

#[test]
fn an_empty_selector_is_applied_as_it_stands() {
    let filled = json!({"matchLabels": {"pool": "blue"}});
    let mut seen = seen(OLD, "old-image");
    for seen in seen.iter_mut().filter(|seen| seen.part() == Part::Workers) {
        if seen.document.address.name == "red" {
            seen.live = None;
        } else {
            seen.live.as_mut().unwrap()["spec"]["selector"] = filled.clone();
        }
    }
    control_plane(&mut seen, OLD, 3);
    let plan = plan(seen, OLD);
    let selector = |name: &str| body(&plan, "MachineDeployment", name)["spec"]["selector"].clone();
    assert_eq!((selector("blue"), selector("red")), (filled, json!({})));
}
