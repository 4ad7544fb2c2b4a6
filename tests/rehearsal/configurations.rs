//! Every combination of what can be configured, from empty VM to finished cluster.

use std::collections::BTreeMap;

use cse_server::yaml;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::order::{GITHUB_TOKEN, Order, PROXY_PASSWORD, Registry, Site};
use super::standin::record::Call;
use super::vm::Vm;
use super::{chosen, table, trial};

/// Cases per trial: small enough to share out, few enough to read.
const AT_ONCE: usize = 12;

pub(crate) fn trials() -> Vec<Trial> {
    let all = Site::all();
    assert_eq!(all.len(), 96);
    all.chunks(AT_ONCE)
        .enumerate()
        .map(|(index, sites)| {
            let sites = chosen(sites.to_vec(), index);
            trial(format!("configurations: part {}", index + 1), move || {
                for site in sites {
                    rehearse(site);
                    types_agree(site);
                }
            })
        })
        .collect()
}

fn rehearse(site: Site) {
    let context = format!("{site:?}");
    let files = Order::at(site).files();
    let vm = Vm::at(site);
    vm.keep_snapshots();
    vm.assert_done(&vm.run(), &context);
    let calls = vm.calls();
    check_proxy(site, &vm, (&files, &calls));
    check_authorities(site, &vm, &files);
    check_images(site, &vm, &calls);
    check_downloads(site, &calls);
    check_token(site, &calls);
    let word = |on: bool, name: &str| {
        if on {
            format!("+{name}")
        } else {
            String::new()
        }
    };
    let line = format!("{:?}", site.registry).to_lowercase();
    let what = [
        word(site.proxy, "proxy"),
        word(site.authorities, "ca"),
        word(site.github_token, "token"),
        word(site.mirror, "mirror"),
        word(site.clusterctl_override, "override"),
    ];
    let kind = if what.concat().is_empty() {
        "nothing".to_owned()
    } else {
        what.concat()
    };
    table::count(&format!("registry {line}"), &kind, "completed");
}

fn document<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|one| one["kind"] == kind).unwrap()
}

fn check_proxy(site: Site, vm: &Vm, (files, calls): (&BTreeMap<String, String>, &[Call])) {
    let documents = yaml::read_documents(&files["/opt/cse/cluster.yaml"]).unwrap();
    let nodes = &document(&documents, "VCDCluster")["spec"]["proxyConfigSpec"];
    let unit = "snapshots/kind/system/etc/systemd/system/docker.service.d/http-proxy.conf";
    let told: Vec<&Call> = calls
        .iter()
        .filter(|call| call.line().contains("set env"))
        .collect();
    let kind = calls
        .iter()
        .find(|call| call.line().starts_with("kind create"))
        .unwrap();
    assert_eq!(vm.has(unit), site.proxy, "{site:?}");
    if !site.proxy {
        assert_eq!((nodes, told.len()), (&Value::Null, 0), "{site:?}");
        assert!(!kind.environment.contains_key("HTTP_PROXY"));
        return;
    }
    let url = format!("http://u:{PROXY_PASSWORD}@proxy.example.test:3128");
    assert_eq!(
        (&nodes["httpProxy"], &nodes["noProxy"]),
        (&json!(url), &json!("localhost,.example.test"))
    );
    assert_eq!(told.len(), 2, "CAPVCD here and there: {site:?}");
    for call in told {
        let lines: Vec<&str> = call.input.lines().collect();
        assert_eq!(
            (lines.len(), lines[0]),
            (3, format!("HTTP_PROXY={url}").as_str())
        );
        assert!(
            lines[2].ends_with(",100.96.0.0/11,100.64.0.0/13"),
            "{}",
            lines[2]
        );
    }
    assert_eq!(kind.environment["HTTP_PROXY"], url);
    // The new cluster's API is never asked through the proxy.
    let late = calls
        .iter()
        .filter(|call| call.line().contains("rollout status"));
    for call in late.filter(|call| call.line().contains("workload.conf")) {
        assert!(
            call.environment["NO_PROXY"].contains(",10.1.2.3"),
            "{}",
            call.line()
        );
    }
}

fn check_authorities(site: Site, vm: &Vm, files: &BTreeMap<String, String>) {
    let trusted = vm.read("system/usr/local/share/ca-certificates/cse-00.crt");
    let documents = yaml::read_documents(&files["/opt/cse/cluster.yaml"]).unwrap();
    let plane = &document(&documents, "KubeadmControlPlane")["spec"]["kubeadmConfigSpec"];
    let workers = &document(&documents, "KubeadmConfigTemplate")["spec"]["template"]["spec"];
    for setup in [plane, workers] {
        let count = setup["files"].as_array().map(Vec::len);
        assert_eq!(count, site.authorities.then_some(1), "{site:?}");
    }
    assert_eq!(
        trusted.contains("BEGIN CERTIFICATE"),
        site.authorities,
        "{site:?}"
    );
}

fn check_images(site: Site, vm: &Vm, calls: &[Call]) {
    let has_node = site.registry != Registry::Public;
    let private = "--image registry.example.test/vcd/kindest/node:v1.27.1";
    let public = "--image kindest/node:v1.27.1";
    let used = |image: &str| calls.iter().any(|call| call.line().contains(image));
    assert_eq!(
        (used(private), used(public)),
        (has_node, !has_node),
        "{site:?}"
    );
    let chosen = vm.read("state/clusterctl.yaml");
    let own = vm.read("cse/clusterctl-override.yaml");
    if site.clusterctl_override {
        assert_eq!(chosen, own);
    } else {
        let from_registry = chosen.contains("registry.example.test/vcd/cluster-api");
        assert_eq!(
            from_registry,
            site.registry == Registry::Complete,
            "{site:?}"
        );
    }
    let cni = vm.read("cse/manifests/cni/antrea.yaml");
    let line = if has_node {
        "  image: \"registry.example.test/vcd/antrea/antrea-ubuntu:v1\""
    } else {
        "  image: \"antrea/antrea-ubuntu:v1\""
    };
    assert!(cni.contains(line), "{site:?}: {cni}");
    if site.registry == Registry::Complete {
        let cpi = vm.read("cse/manifests/cpi/manifest.yaml");
        assert!(
            cpi.contains("registry.example.test/vcd/vmware-cloud-director/x:1.4.0"),
            "{cpi}"
        );
    }
}

fn check_downloads(site: Site, calls: &[Call]) {
    let loaded = calls.iter().filter(|call| call.tool == "curl");
    let urls: Vec<String> = loaded
        .map(|call| call.arguments.last().unwrap().clone())
        .collect();
    assert!(urls.len() > 6, "{site:?}: {urls:?}");
    let near = |url: &&String| url.contains("example.test");
    let far: Vec<&String> = urls.iter().filter(|url| !near(url)).collect();
    let probes = |url: &&&String| url.ends_with("/v2/");
    let is_offline = site.mirror;
    assert_eq!(
        far.iter().filter(|url| !probes(url)).count() == 0,
        is_offline,
        "{site:?}: {far:?}"
    );
    if site.mirror {
        let from_mirror =
            |url: &&String| url.starts_with("https://mirror.example.test/files/dl.k8s.io/release/");
        assert_eq!(urls.iter().filter(from_mirror).count(), 1, "{site:?}");
    }
}

/// The token reaches clusterctl, and nobody else.
fn check_token(site: Site, calls: &[Call]) {
    let mut given = 0;
    for call in calls {
        let token = call.environment.get("GITHUB_TOKEN").map(String::as_str);
        let needs = call.tool == "clusterctl" && call.arguments[0] != "version";
        let want = (needs && site.github_token).then_some(GITHUB_TOKEN);
        assert_eq!(token, want, "{}", call.line());
        given += usize::from(token.is_some());
    }
    assert_eq!(given, if site.github_token { 4 } else { 0 }, "{site:?}");
}

/// An entity of type 1.1.0 differs in where the token is, and ends in the same files.
fn types_agree(site: Site) {
    let (later, first) = (
        Order::at(site).files(),
        Order::at(site).of_type_1_1_0().files(),
    );
    assert_eq!(
        later.keys().collect::<Vec<_>>(),
        first.keys().collect::<Vec<_>>()
    );
    for (path, content) in &later {
        if path == "/opt/cse/cluster.yaml" {
            let sorted = |text: &str| {
                let mut documents: Vec<String> = yaml::read_documents(text)
                    .unwrap()
                    .iter()
                    .map(canonical)
                    .collect();
                documents.sort();
                documents
            };
            assert_eq!(sorted(content), sorted(&first[path]), "{site:?}");
        } else {
            assert_eq!(content, &first[path], "{path}");
        }
    }
    table::count("types", "1.1.0 and 1.2.0+", "same files");
}

/// A value as text, with the keys of its maps in order.
fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}
