//! Unobserved transitions: what happens between two looks of a replica, and is over when it looks again.
//!
//! Method: the replica stands still meanwhile, so that nothing of it can be seen.

use std::time::Duration;

use cse_server::domain::ids::{TaskId, VappId, VmId};
use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::transport::InProcess;
use cse_server::vcd::VcdClient;
use cse_server::vcd::model::{NewVm, TaskStatus};
use http::Method;
use libtest_mimic::Trial;
use serde_json::json;

use super::{assert_nothing_left, until_created, until_deleted, until_soon};
use crate::effort::{on_virtual_time, trial};
use crate::stage::{
    HOUR, brought, configure, has, is_collected, is_gone, mark, orphaned, tells, urn,
};
use crate::support::fleet::{Fleet, Saved};
use crate::support::snare::{Snare, Which};

/// Answers to a claim that say nothing of who has the cluster.
const FOR_NOW: [Fault; 4] = [
    Fault::NotSent,
    Fault::RequestLost,
    Fault::Refused(Refusal::Throttled {
        retry_after_secs: Some(7),
    }),
    Fault::Refused(Refusal::Maintenance),
];

/// An answer to a claim that says of somebody else's write.
const CONFLICT: [Fault; 1] = [Fault::Refused(Refusal::Conflict)];

/// Changes from beside, of documents that were not looked at just then.
const BESIDE: [(&str, fn()); 3] = [
    (
        "a cluster written by another client between a read and its takeover is taken at the next poll",
        || on_virtual_time(hindered_takeovers(6_895, &CONFLICT)),
    ),
    (
        "a takeover that VCD does not take for now is tried again at the next poll",
        || on_virtual_time(hindered_takeovers(6_896, &FOR_NOW)),
    ),
    (
        "a running cluster whose document is written back as held is let go",
        || on_virtual_time(written_back_as_held(6_897)),
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let cases: [(&str, fn()); 10] = [
        (
            "a cluster deleted and made again with the same name in one look is another cluster",
            || on_virtual_time(made_again(6_800)),
        ),
        (
            "a cluster deleted while its creator stood still is not created any further",
            || on_virtual_time(deleted_meanwhile(6_810)),
        ),
        (
            "a cluster marked and unmarked between two looks is created",
            || on_virtual_time(marked_and_unmarked(6_820)),
        ),
        (
            "a running cluster marked and unmarked between two looks stays",
            || on_virtual_time(running_marked_and_unmarked(6_830)),
        ),
        (
            "a configuration changed twice between two looks counts as it stands then",
            || on_virtual_time(configured_twice(6_840)),
        ),
        (
            "a bootstrap VM replaced by hand between two looks is never switched on",
            || on_virtual_time(replaced(6_850)),
        ),
        (
            "a cluster claimed and released between two looks is taken with a higher epoch",
            || on_virtual_time(claimed_and_released(6_860)),
        ),
        (
            "a holder whose cluster was claimed and released meanwhile goes on as a new one",
            || on_virtual_time(claimed_under_a_holder(6_870)),
        ),
        (
            "a cluster provisioned by another replica between a read and its write stays as it is",
            || on_virtual_time(provisioned_meanwhile(6_880)),
        ),
        (
            "a cluster deleted by another replica between a read and its write stays gone",
            || on_virtual_time(gone_meanwhile(6_890)),
        ),
    ];
    let named = cases.into_iter().chain(BESIDE);
    named
        .map(|(name, case)| trial(format!("sieve: {name}"), case))
        .collect()
}

/// `a` has begun and stands still, with a request that it is about to send; `b` may take over.
async fn stopped(seed: u64, path: &'static str) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.snare("a", Which::next("POST", path), Snare::HoldRequest);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    fleet
}

async fn made_again(seed: u64) {
    for path in ["composeVApp", "recomposeVApp", "powerOn", "undeploy"] {
        let mut fleet = stopped(seed, path).await;
        fleet.what = format!("stopped before {path}");
        fleet.start("b");
        mark(&fleet, true);
        assert!(fleet.until(HOUR, is_gone).await, "{}", fleet.context());
        let first = fleet.urns.remove(0);
        // The next one is of the same tenant only if the number of requests is as before.
        fleet.ask_for("oak");
        assert_ne!(first, urn(&fleet));
        let begun = |fleet: &Fleet| has(fleet, "vapp.composed");
        until_soon(&fleet, begun).await;
        fleet.freeze("a", false);
        until_created(&fleet).await;
        fleet.pass(Duration::from_mins(1)).await;
        fleet.assert_converged();
        let leaks = fleet.world().leaks();
        assert_eq!(leaks, [], "{}", fleet.context());
        let on = fleet.effect("vm.powered_on", &first);
        assert!(on <= 1, "{on}\n{}", fleet.context());
    }
}

async fn deleted_meanwhile(seed: u64) {
    for path in ["composeVApp", "recomposeVApp", "powerOn", "undeploy"] {
        let mut fleet = stopped(seed, path).await;
        fleet.what = format!("stopped before {path}");
        fleet.start("b");
        mark(&fleet, false);
        assert!(fleet.until(HOUR, is_gone).await, "{}", fleet.context());
        fleet.freeze("a", false);
        fleet.pass(Duration::from_mins(5)).await;
        assert_nothing_left(&fleet);
    }
}

async fn marked_and_unmarked(seed: u64) {
    let fleet = stopped(seed, "recomposeVApp").await;
    let before = fleet.content(urn(&fleet));
    mark(&fleet, true);
    fleet.change(urn(&fleet), |content| {
        content["spec"] = before["spec"].clone();
    });
    fleet.freeze("a", false);
    until_created(&fleet).await;
    fleet.assert_converged();
}

async fn running_marked_and_unmarked(seed: u64) {
    let fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.pass(Duration::from_mins(2)).await;
    let before = fleet.content(urn(&fleet));
    let machines = fleet.world().vms();
    fleet.freeze("z", true);
    mark(&fleet, true);
    fleet.pass_time(Duration::from_secs(1)).await;
    fleet.change(urn(&fleet), |content| {
        content["spec"] = before["spec"].clone();
    });
    fleet.freeze("z", false);
    fleet.pass(Duration::from_mins(20)).await;
    fleet.assert_converged();
    assert_eq!(fleet.world().vms(), machines, "{}", fleet.context());
}

async fn configured_twice(seed: u64) {
    let fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.pass(Duration::from_mins(35)).await;
    fleet.freeze("z", true);
    configure(&fleet, 40, true).await;
    configure(&fleet, 60, true).await;
    fleet.freeze("z", false);
    let told = |fleet: &Fleet| tells(fleet, "NodeHealthCheckChanged");
    assert!(fleet.until(2 * HOUR, told).await, "{}", fleet.context());
    fleet.pass(HOUR).await;
    let names = fleet.event_names(urn(&fleet));
    let changes = names
        .iter()
        .filter(|name| *name == "NodeHealthCheckChanged");
    assert_eq!(changes.count(), 1, "{names:?}");
    let content = fleet.content(urn(&fleet));
    let yaml = content["spec"]["capiYaml"].as_str().unwrap();
    assert!(yaml.contains("60%") && !yaml.contains("40%"), "{yaml}");
}

/// Lets a task of the author's end.
async fn done(fleet: &Fleet, author: &VcdClient<InProcess>, task: TaskId) {
    for _ in 0..600 {
        match author.task(&task).await.unwrap().status {
            TaskStatus::Running => fleet.pass_time(Duration::from_secs(1)).await,
            TaskStatus::Success => return,
            failed @ TaskStatus::Failed { .. } => panic!("{failed:?}\n{}", fleet.context()),
        }
    }
    panic!("a task never ends\n{}", fleet.context());
}

/// Deletes the bootstrap VM and puts one of the same name and marker in its place; its URN.
async fn replace(fleet: &Fleet, author: &VcdClient<InProcess>, vapp: &VappId) -> String {
    let tenant = fleet.tenants[0].clone();
    let vms = fleet.world().vms();
    let named = vms.iter().find(|vm| vm.name == "EPHEMERAL_TEMP_VM");
    let old = named.unwrap();
    let id = VmId::parse(&old.urn).unwrap();
    if old.status == "POWERED_ON" {
        let task = author.undeploy_vm(&id).await.unwrap();
        done(fleet, author, task).await;
    }
    let task = author.delete_vm(&id).await.unwrap();
    done(fleet, author, task).await;
    let found = author
        .find_templates(&tenant.catalog, &tenant.template)
        .await;
    let template = author.template(&found.unwrap()[0]).await.unwrap();
    let new = NewVm {
        name: old.name.clone(),
        description: old.description.clone(),
        computer_name: "mine".to_owned(),
        template_vm_href: template.vm_href,
        network: tenant.network.clone(),
        sizing_policy_urn: None,
        storage_profile_href: None,
        customization_script: "true".to_owned(),
    };
    let task = author.add_vm(vapp, &new).await.unwrap();
    done(fleet, author, task).await;
    let vms = fleet.world().vms();
    let mine = vms.iter().find(|vm| vm.name == old.name);
    mine.unwrap().urn.clone()
}

/// Whether the document names the bootstrap VM: until then one with its marker is as good as any other.
fn is_committed(fleet: &Fleet) -> bool {
    let content = fleet.content(urn(fleet));
    let committed = content["status"]["vcdKe"]["vcdResourceSet"].as_array();
    committed.is_some_and(|all| all.iter().any(|entry| entry["type"] == "VM"))
}

/// The tenant deletes the bootstrap VM and puts one of the same name and marker in its place.
async fn replaced(seed: u64) {
    for moment in ["vm.created", "vm.powered_on"] {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("after {moment}");
        fleet.ask_for_repaired("oak");
        fleet.start("a");
        until_soon(&fleet, |fleet| has(fleet, moment) && is_committed(fleet)).await;
        fleet.freeze("a", true);
        // VCD ends what it is at work on.
        fleet.pass(Duration::from_secs(30)).await;
        let tenant = fleet.tenants[0].clone();
        let author = fleet.client(&tenant.org, &tenant.api_token).await;
        let content = fleet.content(urn(&fleet));
        let committed = content["status"]["vcdKe"]["vcdResourceSet"][0]["id"].clone();
        let vapp = VappId::parse(committed.as_str().unwrap()).unwrap();
        let mine = replace(&fleet, &author, &vapp).await;
        fleet.freeze("a", false);
        for _ in 0..3_600 {
            if fleet.all_provisioned() && is_collected(&fleet) {
                break;
            }
            fleet.pass_time(Duration::from_secs(1)).await;
            let vms = fleet.world().vms();
            let on = vms
                .iter()
                .any(|vm| vm.urn == mine && vm.status == "POWERED_ON");
            assert!(!on, "{}", fleet.context());
        }
        fleet.assert_sound();
    }
}

/// Another writer is faster at the moment in which a silent claim is taken over.
async fn hindered_takeovers(seed: u64, faults: &[Fault]) {
    let saved = orphaned(seed).await;
    for fault in faults {
        hindered_takeover(&saved, *fault).await;
    }
}

async fn hindered_takeover(saved: &Saved, fault: Fault) {
    let mut fleet = Fleet::resume(saved);
    fleet.seed += 500;
    fleet.what = format!("{fault:?}");
    let write = Target::next(1, Method::PUT, "/entities/urn");
    fleet.faults.arm(write, fault);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.faults.struck() == 1).await;
    let struck = fleet.clock.now();
    let held = |fleet: &Fleet| {
        let holder = fleet.cluster(urn(fleet)).holder.unwrap_or_default();
        holder.starts_with("a/")
    };
    until_soon(&fleet, held).await;
    let took = fleet.clock.now().since(struck);
    assert!(
        took < Duration::from_secs(30),
        "{took:?}\n{}",
        fleet.context()
    );
    until_created(&fleet).await;
    fleet.assert_converged();
}

async fn claimed_and_released(seed: u64) {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.snare("a", Which::next("PUT", "/entities/urn"), Snare::HoldRequest);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    write_record(&fleet, "x/1", "k1;e=7;s=1;n=11;t=180;p=creating;i=3;x=held");
    write_record(
        &fleet,
        "",
        "k1;e=7;s=2;n=12;t=180;p=creating;i=3;x=released",
    );
    fleet.freeze("a", false);
    until_created(&fleet).await;
    fleet.assert_converged();
    let beat = fleet.cluster(urn(&fleet)).heartbeat.unwrap();
    assert!(beat.contains(";e=8;") && beat.contains(";i=3;"), "{beat}");
}

async fn claimed_under_a_holder(seed: u64) {
    for path in ["composeVApp", "recomposeVApp", "powerOn", "undeploy"] {
        let fleet = stopped(seed, path).await;
        let beat = fleet.cluster(urn(&fleet)).heartbeat.unwrap();
        let part = |key: &str| {
            let parts = beat.split(';').find_map(|part| part.strip_prefix(key));
            parts.unwrap().to_owned()
        };
        let (phase, incarnation) = (part("p="), part("i="));
        for (worker, seq, hold) in [("x/1", 1, "held"), ("", 2, "released")] {
            let beat = format!("k1;e=7;s={seq};n={seq};t=180;p={phase};i={incarnation};x={hold}");
            write_record(&fleet, worker, &beat);
        }
        fleet.freeze("a", false);
        until_created(&fleet).await;
        fleet.assert_sound();
        for effect in ["vm.created", "vm.powered_on"] {
            assert_eq!(
                fleet.effect(effect, urn(&fleet)),
                1,
                "{path}\n{}",
                fleet.context()
            );
        }
        let beat = fleet.cluster(urn(&fleet)).heartbeat.unwrap();
        assert!(beat.contains(";e=8;"), "{beat}");
    }
}

/// An earlier document names a server that is alive and works on other things.
async fn written_back_as_held(seed: u64) {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.start("a");
    fleet.pass(Duration::from_mins(1)).await;
    for holder in ["a", "z"] {
        let me = fleet.me(holder).to_owned();
        let beat = fleet.cluster(urn(&fleet)).heartbeat.unwrap();
        write_record(&fleet, &me, &beat.replace("x=released", "x=held"));
        let free = |fleet: &Fleet| fleet.is_let_go(urn(fleet));
        assert!(!free(&fleet), "{}", fleet.context());
        let in_time = fleet.until(Duration::from_mins(5), free).await;
        assert!(in_time, "{holder}\n{}", fleet.context());
        fleet.assert_converged();
    }
}

fn write_record(fleet: &Fleet, worker: &str, beat: &str) {
    fleet.change(urn(fleet), |content| {
        if content.get("status").is_none() {
            content.insert(
                "status".to_owned(),
                json!({"vcdKe": {"state": "provisioning"}}),
            );
        }
        let own = &mut content["status"]["vcdKe"];
        own["workerId"] = json!(worker);
        own["heartbeatString"] = json!(beat);
    });
}

/// `a` has read the document and is about to claim; before that, `b` does everything there is to do.
async fn provisioned_meanwhile(seed: u64) {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.snare("a", Which::next("PUT", "/entities/urn"), Snare::HoldRequest);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    fleet.start("b");
    until_created(&fleet).await;
    fleet.pass(Duration::from_mins(1)).await;
    let before = fleet.content(urn(&fleet));
    fleet.freeze("a", false);
    fleet.pass(Duration::from_mins(10)).await;
    fleet.assert_converged();
    assert_eq!(
        fleet.content(urn(&fleet))["status"]["vcdKe"],
        before["status"]["vcdKe"]
    );
}

async fn gone_meanwhile(seed: u64) {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.stop("z").await;
    mark(&fleet, true);
    fleet.snare("a", Which::next("PUT", "/entities/urn"), Snare::HoldRequest);
    fleet.start("a");
    until_soon(&fleet, |fleet| fleet.is_frozen("a")).await;
    fleet.start("b");
    until_deleted(&fleet).await;
    fleet.freeze("a", false);
    fleet.pass(Duration::from_mins(5)).await;
    assert!(is_gone(&fleet));
    assert_nothing_left(&fleet);
}
