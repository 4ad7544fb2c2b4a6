//! A rehearsal: the whole bootstrap runs on this machine, with the real scripts and the real user
//! data, and one stub for every tool (`tests/fixtures/bootstrap/stub.sh`).
//!
//! Goal: no phase uses a variable that is not set, a function that is not there or a file that was
//! not written; a run that was interrupted or failed ends well when it is started again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::bootstrap::tests::{Attempt, config};

const STUB: &str = include_str!("../../tests/fixtures/bootstrap/stub.sh");
const TOOLS: [&str; 7] = [
    "curl",
    "ip",
    "sleep",
    "sysctl",
    "systemctl",
    "update-ca-certificates",
    "vmtoolsd",
];

/// A VM that cloud-init has just written the files of an attempt to.
struct Vm {
    root: TempDir,
}

impl Vm {
    fn new(attempt: &Attempt) -> Self {
        let vm = Self {
            root: TempDir::new().unwrap(),
        };
        vm.write("stub.sh", STUB);
        let stub = vm.root.path().join("stub.sh");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(vm.root.path().join("bin")).unwrap();
        for tool in TOOLS {
            symlink(&stub, vm.root.path().join("bin").join(tool)).unwrap();
        }
        for (path, content) in attempt.files() {
            if let Some(name) = path.strip_prefix("/opt/cse/") {
                vm.write(name, &content);
            }
        }
        vm
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).unwrap_or_default()
    }

    fn run(&self) -> i32 {
        let root = self.root.path();
        let mut command = Command::new("bash");
        command
            .arg(root.join("bootstrap.sh"))
            .env_clear()
            .env("HOME", root)
            .env("PATH", "/usr/bin:/bin");
        command
            .env("CSE_ROOT", root)
            .env("CSE_STATE", root.join("state"))
            .env("CSE_LOG", root.join("log"));
        command
            .env("CSE_SYSTEM", root.join("system"))
            .stdin(Stdio::null());
        command.output().unwrap().status.code().unwrap()
    }

    /// The last value of each key, without `guestinfo.`.
    fn keys(&self) -> BTreeMap<String, String> {
        let line = |line: &str| {
            let (key, value) = line.strip_prefix("info-set guestinfo.")?.split_once(' ')?;
            Some((key.to_owned(), value.trim_end().to_owned()))
        };
        self.read("reports").lines().filter_map(line).collect()
    }

    /// What was applied where, in order, once each.
    fn applied(&self) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        let mut lines: Vec<String> = self
            .read("world/applied")
            .lines()
            .map(|line| line.replace(&root, ""))
            .collect();
        lines.dedup();
        lines
    }

    fn assert_done(&self, context: &str) {
        let keys = self.keys();
        let story = format!("{context}: {keys:#?}\n{}", self.read("log"));
        for phase in Phase::ALL {
            let key = format!("cse.phase.{}.status", phase.name());
            assert_eq!(
                keys.get(&key).map(String::as_str),
                Some("successful"),
                "{story}"
            );
        }
        assert_eq!(keys["cse.exit"], "0", "{story}");
        assert_eq!(keys["userdata"], "---", "{story}");
        assert!(!self.root.path().join("world/kind").exists(), "{story}");
        assert!(
            self.root.path().join("world/objects-workload").exists(),
            "{story}"
        );
    }
}

fn private_site() -> Attempt {
    let profile = json!({
        "githubConfig": {"githubPersonalAccessToken": "github-token"},
        "bootstrapClusterConfig": {
            "proxyConfig": {"httpProxy": "http://u:p@proxy.example.test:3128", "httpsProxy": "http://proxy.example.test:3128"},
            "certificateAuthorities": ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"],
            "downloadMirrorUrl": "https://mirror.example.test/files/",
        },
        "containerRegistryUrl": "registry.example.test/vcd",
    });
    Attempt {
        config: config(&profile),
        ..Attempt::sample()
    }
}

#[test]
fn a_bootstrap_with_the_internet_goes_through() {
    let vm = Vm::new(&Attempt::sample());
    assert_eq!(vm.run(), 0, "{}", vm.read("log"));
    vm.assert_done("first run");
    let want = [
        "kind cluster.yaml",
        "workload workload.yaml",
        "workload manifests/cpi/ccm.yaml",
        "workload manifests/cni/antrea.yaml",
        "workload manifests/csi/csi-controller-crs.yaml",
        "workload manifests/csi/csi-driver.yaml",
        "workload manifests/csi/csi-node-crs.yaml",
        "workload storage-class.yaml",
        "workload workload-extra.yaml",
    ];
    assert_eq!(vm.applied(), want);
    let calls = vm.read("world/calls");
    assert!(
        calls.contains("https://dl.k8s.io/release/v1.27.8/bin/linux/"),
        "{calls}"
    );
    assert!(
        calls.contains("--core cluster-api:v1.4.0 --bootstrap kubeadm:v1.4.0"),
        "{calls}"
    );
    assert!(calls.contains("--image kindest/node:v1.27.1"), "{calls}");
}

#[test]
fn a_bootstrap_without_the_internet_uses_mirror_registry_and_proxy() {
    let vm = Vm::new(&private_site());
    assert_eq!(vm.run(), 0, "{}", vm.read("log"));
    vm.assert_done("first run");
    let calls = vm.read("world/calls");
    let away = calls
        .lines()
        .filter(|line| line.starts_with("curl") && !line.contains("example.test"));
    assert_eq!(away.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(
        calls.contains("https://mirror.example.test/files/dl.k8s.io/release/"),
        "{calls}"
    );
    assert!(
        calls.contains("--image registry.example.test/vcd/kindest/node:v1.27.1"),
        "{calls}"
    );
    assert_eq!(
        vm.read("state/clusterctl.yaml"),
        vm.read("clusterctl-registry.yaml")
    );
    assert_eq!(
        vm.read("manifests/cni/antrea.yaml").lines().next(),
        Some("image: \"registry.example.test/vcd/x/y:1\"")
    );
    let drop_in = vm.read("system/etc/systemd/system/docker.service.d/http-proxy.conf");
    assert!(
        drop_in.contains("\"HTTP_PROXY=http://u:p@proxy.example.test:3128\""),
        "{drop_in}"
    );
    let config: serde_json::Value =
        serde_json::from_str(&vm.read("system/etc/docker/daemon.json")).unwrap();
    assert_eq!(
        (&config["bip"], &config["mtu"]),
        (&json!("172.17.0.1/24"), &json!(1500))
    );
}

#[test]
fn no_secret_is_ever_on_a_command_line() {
    let vm = Vm::new(&private_site());
    vm.run();
    let calls = vm.read("world/calls");
    for secret in ["tenant-token-7f3a", "github-token", "u:p@"] {
        assert!(!calls.contains(secret), "{secret}");
    }
}

/// Goal: whichever call fails for good, the reason is told, and the next run goes on from there.
#[test]
fn a_run_that_fails_in_one_phase_after_the_other_gets_there_in_the_end() {
    let vm = Vm::new(&Attempt::sample());
    let unreachable = "VMware Cloud Director cannot be reached from the cluster's network";
    for (call, phase, reason) in [
        ("curl --silent", "network", unreachable),
        (
            "curl --fail",
            "tools",
            "cannot download https://download.docker.com/",
        ),
        ("kind create", "kind", "kind could not create"),
        (
            "clusterctl init",
            "providers",
            "Cluster API could not be installed in the temporary",
        ),
        (
            "kubectl apply",
            "apply",
            "the cluster's documents were refused",
        ),
        (
            "get secret",
            "control-plane",
            "Cluster API has made no kubeconfig",
        ),
        (
            "deployment/vmware",
            "addons",
            "the cloud provider does not start",
        ),
        (
            "scale deployment",
            "pivot",
            "CAPVCD in the temporary cluster cannot be stopped",
        ),
        (
            "clusterctl move",
            "pivot",
            "the Cluster API objects could not be moved",
        ),
        ("wait machines", "finish", "not all machines run"),
    ] {
        vm.write("world/broken", call);
        let code = vm.run();
        let keys = vm.keys();
        let story = format!("{call}: {keys:#?}\n{}", vm.read("log"));
        assert_ne!(code, 0, "{story}");
        assert_eq!(
            keys[&format!("cse.phase.{phase}.status")],
            "failed",
            "{story}"
        );
        assert!(keys["cse.reason"].starts_with(reason), "{story}");
        assert_eq!(keys["cse.exit"], code.to_string(), "{story}");
    }
    vm.write("world/broken", "");
    assert_eq!(vm.run(), 0, "{}", vm.read("log"));
    vm.assert_done("last run");
}

#[test]
fn a_network_that_clashes_with_containers_is_named() {
    let vm = Vm::new(&Attempt::sample());
    vm.write(
        "world/addresses",
        "2: eth0    inet 172.18.4.9/24 brd 172.18.4.255 scope global eth0\n",
    );
    vm.run();
    assert!(vm.keys()["cse.reason"].starts_with("the cluster's network lies in 172.17.0.0/16 or"));
    let vm = Vm::new(&Attempt::sample());
    vm.write(
        "world/addresses",
        "3: docker0    inet 172.17.0.1/24 scope global docker0\n",
    );
    vm.run();
    assert!(vm.keys()["cse.reason"].starts_with("the bootstrap VM has no IPv4 address"));
}

#[test]
fn a_run_stopped_in_the_middle_of_the_move_goes_on_with_the_rest() {
    let vm = Vm::new(&Attempt::sample());
    vm.write(
        "world/broken",
        "get cluster kite7 --output jsonpath={.spec.paused}",
    );
    assert_ne!(vm.run(), 0);
    assert!(vm.root.path().join("world/objects-workload").exists());
    vm.write("world/broken", "");
    let moves = |vm: &Vm| vm.read("world/calls").matches("clusterctl move").count();
    let before = moves(&vm);
    assert_eq!(vm.run(), 0, "{}", vm.read("log"));
    vm.assert_done("second run");
    assert_eq!(moves(&vm), before, "what had moved was moved again");
}

#[test]
fn a_temporary_cluster_that_cannot_be_deleted_is_no_failure() {
    let vm = Vm::new(&Attempt::sample());
    vm.write("world/broken", "kind delete cluster --name cse-bootstrap");
    assert_eq!(vm.run(), 0, "{}", vm.read("log"));
    assert_eq!(vm.keys()["cse.exit"], "0");
}
