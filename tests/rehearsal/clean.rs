//! Runs without faults: what they leave behind, and what surprises of the site they tell apart.

use std::collections::BTreeSet;

use cse_server::domain::phase::Phase;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::order::{API_TOKEN, GITHUB_TOKEN, PROXY_PASSWORD, Site};
use super::standin::record::{Call, Fault, What, Which};
use super::trial;
use super::vm::{End, Vm};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("clean: a site with the Internet gets its cluster", plain),
        trial(
            "clean: a run after the end does nothing but report",
            after_the_end,
        ),
        trial("clean: no secret is ever on a command line", command_lines),
        trial(
            "clean: a secret that programs print does not stay in the log",
            printed_secrets,
        ),
        trial(
            "clean: a network that clashes with containers is named",
            clash,
        ),
        trial("clean: a network without an address is named", no_address),
        trial(
            "clean: a login page is no program, and does not stay",
            login_page,
        ),
        trial(
            "clean: a VM that restarts wakes its temporary cluster",
            restarts,
        ),
        trial(
            "clean: a move that stopped half way goes on with the rest",
            half_moved,
        ),
        trial(
            "clean: proxies are written so that Docker's unit reads them as they are",
            unit_file,
        ),
        trial("clean: signs of life change", signs_of_life),
    ]
}

fn names(of: &BTreeSet<String>) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

fn plain() {
    let vm = Vm::at(Site::PLAIN);
    vm.assert_done(&vm.run(), "first run");
    let world = vm.world();
    assert_eq!(world.kinds_made, 1);
    assert!(!world.kind_exists, "the temporary cluster is left");
    assert_eq!((world.new.declared, world.new.machines), (true, 2));
    let want = [
        "agent.yaml",
        "antrea.yaml",
        "ccm.yaml",
        "csi-controller-crs.yaml",
        "csi-driver.yaml",
        "csi-node-crs.yaml",
        "storage-class.yaml",
        "workload-extra.yaml",
        "workload.yaml",
    ];
    assert_eq!(names(&world.new.applied), want);
    let calls: Vec<String> = vm.calls().iter().map(Call::line).collect();
    let called = |part: &str| calls.iter().filter(|line| line.contains(part)).count();
    for (part, times) in [
        ("download.docker.com/linux/static/stable/", 1),
        ("kind/releases/download/v0.19.0/kind-linux-", 1),
        ("https://dl.k8s.io/release/v1.27.8/bin/linux/", 1),
        ("cluster-api/releases/download/v1.4.0/clusterctl-linux-", 1),
        ("--image kindest/node:v1.27.1", 1),
        (
            "init --core cluster-api:v1.4.0 --bootstrap kubeadm:v1.4.0 --control-plane kubeadm:v1.4.0 --infrastructure vcd:v1.1.0",
            2,
        ),
        ("clusterctl move", 2),
        ("--dry-run", 1),
    ] {
        assert_eq!(called(part), times, "{part}");
    }
    // CAPVCD stops between the trial and the move.
    let at = |part: &str| calls.iter().position(|line| line.contains(part)).unwrap();
    let stop = at("scale deployment --all --replicas=0");
    assert!(at("--dry-run") < stop && stop < calls.len() - 1);
    let last_move = calls
        .iter()
        .rposition(|line| line.starts_with("clusterctl move"));
    assert!(last_move > Some(stop));
}

fn after_the_end() {
    let vm = Vm::at(Site::PLAIN);
    vm.assert_done(&vm.run(), "first run");
    let before = vm.calls().len();
    vm.write("world/reports", "");
    vm.assert_done(&vm.run(), "second run");
    let calls = vm.calls();
    let more: BTreeSet<&str> = calls[before..]
        .iter()
        .map(|call| call.tool.as_str())
        .collect();
    assert_eq!(more, BTreeSet::from(["systemctl", "vmtoolsd"]));
}

fn command_lines() {
    let vm = Vm::at(Site::RICH);
    vm.assert_done(&vm.run(), "run");
    let calls = vm.calls();
    assert!(calls.len() > 100, "{}", calls.len());
    for call in &calls {
        for secret in [API_TOKEN, GITHUB_TOKEN, PROXY_PASSWORD] {
            assert!(!call.line().contains(secret), "{}", call.line());
        }
    }
}

fn printed_secrets() {
    let vm = Vm::at(Site::RICH);
    let which = Which::All("clusterctl".to_owned(), "init".to_owned());
    let (phase, what) = ("providers".to_owned(), What::Fails);
    vm.order_fault(Some(&Fault { phase, what, which }));
    let end = vm.run();
    vm.assert_failed(&end, "clusterctl prints secrets");
    let log = vm.read("log");
    assert!(log.contains("broken on purpose: [\"<redacted>\""), "{log}");
    assert!(vm.log_tail().contains("<redacted>"), "{}", vm.log_tail());
}

fn clash() {
    let vm = Vm::at(Site::PLAIN);
    vm.write(
        "world/addresses",
        "2: eth0    inet 172.18.4.9/24 scope global eth0\n",
    );
    let reason = vm.assert_failed(&vm.run(), "172.18");
    assert!(
        reason.starts_with("the cluster's network lies in 172.17.0.0/16 or"),
        "{reason}"
    );
}

fn no_address() {
    let vm = Vm::at(Site::PLAIN);
    vm.write(
        "world/addresses",
        "3: docker0    inet 172.17.0.1/24 scope global docker0\n",
    );
    let reason = vm.assert_failed(&vm.run(), "no address");
    assert!(
        reason.starts_with("the bootstrap VM has no IPv4 address"),
        "{reason}"
    );
}

fn login_page() {
    let vm = Vm::at(Site::PLAIN);
    for (part, phase, want) in [
        ("/docker-", Phase::Tools, "is no program for"),
        ("/kind-linux-", Phase::Tools, "is no program for"),
        (
            "/core-components.yaml",
            Phase::Providers,
            "is no Kubernetes manifest",
        ),
        ("/antrea.yml", Phase::Addons, "is no Kubernetes manifest"),
    ] {
        vm.write("world/login-page", part);
        let reason = vm.assert_failed(&vm.run(), part);
        assert!(reason.contains(want), "{reason}");
        assert_eq!(
            vm.keys()[&format!("cse.phase.{}.status", phase.name())],
            "failed"
        );
    }
    vm.write("world/login-page", "no such file");
    vm.assert_done(&vm.run(), "without login page");
}

fn restarts() {
    let base = Vm::at(Site::PLAIN);
    base.keep_snapshots();
    base.assert_done(&base.run(), "clean run");
    for phase in Phase::ALL.into_iter().filter(|phase| *phase > Phase::Kind) {
        let vm = base.resumed(phase);
        let mut world = vm.world();
        world.kind_runs = false;
        vm.set_world(&world);
        vm.assert_done(&vm.run(), phase.name());
        assert_eq!(vm.world().kinds_made, 1, "{phase:?}");
    }
}

fn half_moved() {
    // Only the real move: the trial has one argument more, and comes first.
    let number = {
        let probe = Vm::at(Site::PLAIN);
        probe.assert_done(&probe.run(), "probe");
        let calls = probe.calls();
        let real = |call: &&Call| {
            call.line().starts_with("clusterctl move") && !call.line().contains("--dry-run")
        };
        calls.iter().find(real).unwrap().number
    };
    for what in [What::Halves, What::FailsLate] {
        let vm = Vm::at(Site::PLAIN);
        let fault = Fault {
            phase: "pivot".to_owned(),
            what,
            which: Which::Number(number),
        };
        vm.order_fault(Some(&fault));
        let end = vm.run();
        if what == What::Halves {
            vm.assert_done(&end, "the second attempt moves the rest");
        } else {
            // The move was complete, and says it was not: nothing is left to move.
            vm.assert_failed(&end, "late failure");
            vm.order_fault(None);
            vm.assert_done(&vm.run(), "run after the late failure");
        }
        let world = vm.world();
        assert_eq!(
            (world.new.machines, world.new.paused),
            (2, false),
            "{what:?}"
        );
    }
}

fn unit_file() {
    let vm = Vm::at(Site::RICH);
    vm.keep_snapshots();
    vm.assert_done(&vm.run(), "run");
    let place = "snapshots/kind/system/etc";
    let unit = vm.read(&format!(
        "{place}/systemd/system/docker.service.d/http-proxy.conf"
    ));
    let want = "\"HTTP_PROXY=http://u:pr0xy%%2Dsecret@proxy.example.test:3128\"";
    assert!(unit.contains(want), "{unit}");
    assert_eq!(unit.lines().count(), 2, "{unit}");
    let daemon: Value =
        serde_json::from_str(&vm.read(&format!("{place}/docker/daemon.json"))).unwrap();
    assert_eq!(
        (&daemon["bip"], &daemon["mtu"]),
        (&json!("172.17.0.1/24"), &json!(1500))
    );
}

fn signs_of_life() {
    let vm = Vm::at(Site::PLAIN);
    assert_eq!(vm.run(), End::Exit(0));
    assert!(vm.has("world/beats"), "{}", vm.story());
    let beat = "vmtoolsd --cmd info-set guestinfo.cse.beat ";
    for line in vm.read("world/beats").lines() {
        let value = line.strip_prefix(beat).unwrap();
        assert!(value.parse::<u64>().is_ok(), "{line}");
    }
}
