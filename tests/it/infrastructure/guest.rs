//! The bootstrap guest and the controllers it starts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::lab::Lab;
use crate::support::site::Ask;

const PHASES: [(&str, &str); 5] = [
    ("10-network", "curl -fsS https://vcd.example/api/versions"),
    (
        "50-apply",
        "kubectl apply --server-side -f /opt/cse/cluster.yaml",
    ),
    (
        "60-control-plane",
        "kubectl wait --for=condition=ControlPlaneInitialized cluster/kite7",
    ),
    ("90-pivot", "clusterctl move --to-kubeconfig workload.conf"),
    ("95-finish", "kubectl get nodes"),
];

/// A cloud-config that runs `phases` with these manifests.
fn userdata(phases: &[(&str, &str)], manifests: &str) -> String {
    let mut files = vec![
        json!({"path": "/opt/cse/bootstrap.sh", "permissions": "0700", "content": "#!/bin/bash"}),
        json!({"path": "/opt/cse/cluster.yaml", "encoding": "b64", "content": STANDARD.encode(manifests)}),
    ];
    files.extend(phases.iter().map(
        |(name, script)| json!({"path": format!("/opt/cse/phases/{name}.sh"), "content": script}),
    ));
    let config = json!({"write_files": files, "runcmd": [["/bin/bash", "/opt/cse/bootstrap.sh"]]});
    let yaml = serde_saphyr::to_string(&config).unwrap();
    STANDARD.encode(format!("#cloud-config\n{yaml}"))
}

/// The manifests of an entity, completed as a server completes them.
fn manifests(lab: &Lab, urn: &str, token: &str) -> String {
    let content = lab.world.entity_content(urn).unwrap();
    let yaml = content["spec"]["capiYaml"].as_str().unwrap();
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let cluster = documents
        .iter_mut()
        .find(|one| one["kind"] == "VCDCluster")
        .unwrap();
    cluster["spec"]["rdeId"] = json!(urn);
    let namespace = cluster["metadata"]["namespace"].clone();
    documents.insert(
        0,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
    );
    documents.insert(
        1,
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "capi-user-credentials", "namespace": namespace},
            "data": {"username": "", "password": "", "refreshToken": STANDARD.encode(token)},
        }),
    );
    let texts: Vec<String> = documents
        .iter()
        .map(|one| serde_saphyr::to_string(one).unwrap())
        .collect();
    texts.join("---\n")
}

/// Gives the entity the `status` a server writes before it starts anything.
fn claim(lab: &mut Lab, urn: &str) {
    let wall = lab.wall();
    lab.world.modify_entity(urn, wall, |content| {
        content.insert(
            "status".to_owned(),
            json!({"vcdKe": {"state": "provisioning"}}),
        );
    });
}

/// Builds the bootstrap VM with this user data and powers it on; returns its path.
fn bootstrap(lab: &mut Lab, name: &str, data: &str) -> String {
    let vapp = lab.vapp(&format!("{name}_ephemeral_vapp"), "rde=x;e=1;i=a");
    let answer = lab.recompose(&vapp, "EPHEMERAL_TEMP_VM", "rde=x;e=1;i=a");
    lab.succeed(&answer);
    let vm = lab.vm_path(&vapp, "EPHEMERAL_TEMP_VM");
    let pairs = [
        ("guestinfo.userdata", data),
        ("guestinfo.userdata.encoding", "base64"),
        ("disk.enableUUID", "1"),
    ];
    let answer = lab.extra_config(&vm, &pairs);
    lab.succeed(&answer);
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOn")));
    lab.succeed(&answer);
    vm
}

fn key(lab: &Lab, key: &str) -> Option<String> {
    lab.view("EPHEMERAL_TEMP_VM")?
        .extra_config
        .get(key)
        .cloned()
}

fn exit(lab: &Lab) -> Option<String> {
    key(lab, "guestinfo.cse.exit")
}

fn capvcd(lab: &Lab, urn: &str) -> Value {
    lab.world.entity_content(urn).unwrap()["status"]["capvcd"].clone()
}

fn available(lab: &Lab, urn: &str) -> Vec<(String, u64, u64)> {
    let status = capvcd(lab, urn);
    let pools = status["nodePool"].as_array().cloned().unwrap_or_default();
    let count = |pool: &Value, key: &str| pool[key].as_u64().unwrap();
    pools
        .iter()
        .map(|pool| {
            let name = pool["name"].as_str().unwrap().to_owned();
            (
                name,
                count(pool, "desiredReplicas"),
                count(pool, "availableReplicas"),
            )
        })
        .collect()
}

/// A lab in which cluster `kite7` has come up and manages itself.
fn provisioned(workers: u32) -> (Lab, String) {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", workers);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    bootstrap(&mut lab, "kite7", &data);
    lab.until("exit", 3600, |lab| exit(lab).is_some());
    assert_eq!(
        exit(&lab).as_deref(),
        Some("0"),
        "{:?}",
        key(&lab, "guestinfo.cse.reason")
    );
    (lab, urn)
}

#[test]
fn a_bootstrap_runs_its_phases_and_the_cluster_comes_up() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 2);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    let vm = bootstrap(&mut lab, "kite7", &data);
    let phase = |lab: &Lab, name: &str| key(lab, &format!("guestinfo.cse.phase.{name}.status"));
    lab.until("network", 120, |lab| {
        phase(lab, "network").as_deref() == Some("in_progress")
    });
    lab.until("apply", 120, |lab| {
        phase(lab, "apply").as_deref() == Some("successful")
    });
    assert_eq!(phase(&lab, "pivot"), None);
    lab.until("initialized", 1200, |lab| {
        phase(lab, "control-plane").as_deref() == Some("successful")
    });
    assert_eq!(capvcd(&lab, &urn)["clusterApiStatus"]["phase"], "Ready");
    lab.until("exit", 1800, |lab| exit(lab).is_some());
    assert_eq!(exit(&lab).as_deref(), Some("0"));
    assert_eq!(
        available(&lab, &urn),
        [
            ("blue".to_owned(), 2, 2),
            ("kite7-control-plane-node-pool".to_owned(), 1, 1)
        ]
    );
    let author = lab.author.clone();
    let entity = lab
        .call(Ask::get(&format!("/cloudapi/1.0.0/entities/{urn}")).by(&author))
        .json();
    assert_eq!(entity["state"], "RESOLVED", "{entity}");
    assert!(
        entity["externalId"]
            .as_str()
            .unwrap()
            .starts_with("urn:vcloud:vapp:")
    );
    assert_eq!(
        entity["entity"]["status"]["capvcd"]["private"],
        Value::Null,
        "secure"
    );
    assert_eq!(
        entity["entity"]["status"]["vcdKe"]["state"], "provisioning",
        "not theirs"
    );
    lab.wait(70);
    let status = capvcd(&lab, &urn);
    assert!(
        status["private"]["kubeConfig"]
            .as_str()
            .unwrap()
            .contains("https://203.0.113.")
    );
    assert_eq!(
        status["upgrade"]["current"]["kubernetesVersion"],
        "v1.27.8+vmware.1"
    );
    assert_eq!(status["upgrade"]["ready"], true);
    let names: Vec<&str> = status["eventSet"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    for name in [
        "LoadBalancerAvailable",
        "InfraVappAvailable",
        "VcdMachineBootstrapped",
        "ControlplaneReady",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let nodes = lab
        .world
        .vms()
        .into_iter()
        .filter(|vm| vm.vapp == "kite7" && vm.status == "POWERED_ON");
    assert_eq!(nodes.count(), 3);

    // The bootstrap VM goes; the cluster stays.
    let undeploy =
        "<UndeployVAppParams><UndeployPowerAction>force</UndeployPowerAction></UndeployVAppParams>";
    let answer = lab.xml(Ask::post(&format!("{vm}/action/undeploy")).body(undeploy));
    lab.succeed(&answer);
    let vapp = lab.get("/api/query?type=vApp&filter=name==kite7_ephemeral_vapp");
    let vapp = crate::support::xml::attribute(&vapp, "VAppRecord", "href");
    let answer = lab.xml(Ask::delete(&crate::support::lab::path_of(&vapp)));
    lab.succeed(&answer);
    assert_eq!(lab.world.bootstrap_leftovers(), Vec::<String>::new());
    assert_eq!(lab.world.vapps(), ["kite7"]);
}

#[test]
fn without_readable_user_data_nothing_is_ever_reported() {
    let mut lab = Lab::new();
    bootstrap(&mut lab, "x", "bm90IGNsb3VkLWNvbmZpZw==");
    lab.wait(3600);
    let keys = lab.view("EPHEMERAL_TEMP_VM").unwrap().extra_config;
    assert!(
        keys.keys().all(|key| !key.starts_with("guestinfo.cse.")),
        "{keys:?}"
    );
}

#[test]
fn manifests_that_cannot_work_fail_the_phase_that_applies_them() {
    let cases: [(&str, &str, &str, &str); 8] = [
        ("entity", "rdeId: urn:", "rdeId: nourn:", "names no entity"),
        (
            "site",
            "site: https://vcd.example",
            "site: https://other.example",
            "cannot be reached",
        ),
        (
            "vdc",
            "ovdc: acme-vdc",
            "ovdc: elsewhere",
            "VDC \"elsewhere\" not found",
        ),
        (
            "network",
            "ovdcNetwork: acme-net",
            "ovdcNetwork: nowhere",
            "network \"nowhere\" not found",
        ),
        (
            "namespace",
            "kind: Namespace",
            "kind: ConfigMap",
            "namespaces \"kite7-ns\" not found",
        ),
        (
            "secret",
            "kind: Secret",
            "kind: ConfigMap",
            "Secret \"capi-user-credentials\" not found",
        ),
        (
            "cluster",
            "kind: Cluster\n",
            "kind: Clutter\n",
            "no Cluster",
        ),
        ("no YAML", "kind: Cluster\n", "kind: [\n", "no YAML"),
    ];
    for (name, from, to, reason) in cases {
        let mut lab = Lab::new();
        let urn = lab.cluster("kite7", 1);
        claim(&mut lab, &urn);
        let token = lab.tenant.api_token.clone();
        let whole = manifests(&lab, &urn, &token);
        assert!(whole.contains(from), "{name}: {whole}");
        let data = userdata(&PHASES, &whole.replace(from, to));
        bootstrap(&mut lab, "kite7", &data);
        lab.until(name, 600, |lab| exit(lab).is_some());
        assert_eq!(exit(&lab).as_deref(), Some("1"), "{name}");
        assert_eq!(
            key(&lab, "guestinfo.cse.phase.apply.status").as_deref(),
            Some("failed"),
            "{name}"
        );
        let told = key(&lab, "guestinfo.cse.reason").unwrap();
        assert!(told.contains(reason), "{name}: {told}");
        assert!(!told.contains('\n'));
        assert!(
            STANDARD
                .decode(key(&lab, "guestinfo.cse.log").unwrap())
                .is_ok()
        );
        assert_eq!(
            lab.world.vapps(),
            ["kite7_ephemeral_vapp"],
            "{name}: nothing was built"
        );
    }
}

#[test]
fn an_even_control_plane_and_a_dead_token_are_refused() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let even =
        manifests(&lab, &urn, &token).replace("replicas: 1\n  version", "replicas: 2\n  version");
    bootstrap(&mut lab, "kite7", &userdata(&PHASES, &even));
    lab.until("exit", 600, |lab| exit(lab).is_some());
    let told = key(&lab, "guestinfo.cse.reason").unwrap();
    assert!(told.contains("cannot be an even number"), "{told}");

    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    claim(&mut lab, &urn);
    let dead = manifests(&lab, &urn, "revoked-token-revoked-token-revoked-token");
    bootstrap(&mut lab, "kite7", &userdata(&PHASES, &dead));
    lab.until("exit", 600, |lab| exit(lab).is_some());
    let told = key(&lab, "guestinfo.cse.reason").unwrap();
    assert!(
        told.contains("refreshToken was refused") && !told.contains("revoked-token"),
        "{told}"
    );
}

#[test]
fn a_power_cut_stops_the_guest_for_good() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    let vm = bootstrap(&mut lab, "kite7", &data);
    let applied = |lab: &mut Lab| {
        key(lab, "guestinfo.cse.phase.apply.status").as_deref() == Some("successful")
    };
    lab.until("apply", 300, applied);
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOff")));
    lab.succeed(&answer);
    let before = lab.world.vms().len();
    lab.wait(1800);
    assert_eq!(
        lab.world.vms().len(),
        before,
        "the controllers ran on that VM"
    );
    let answer = lab.xml(Ask::post(&format!("{vm}/power/action/powerOn")));
    lab.succeed(&answer);
    lab.wait(1800);
    assert_eq!(exit(&lab), None, "cloud-init runs user data once");
}

#[test]
fn an_ordered_failure_strikes_as_often_as_ordered() {
    let mut lab = Lab::new();
    lab.world.fail_guest("kite7", "network", 1);
    let urn = lab.cluster("kite7", 1);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    bootstrap(&mut lab, "kite7", &data);
    lab.until("exit", 300, |lab| exit(lab).is_some());
    assert_eq!(
        key(&lab, "guestinfo.cse.phase.network.status").as_deref(),
        Some("failed")
    );
    assert_eq!(key(&lab, "guestinfo.cse.phase.apply.status"), None);
}

#[test]
fn without_a_status_the_controllers_cannot_report() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    bootstrap(&mut lab, "kite7", &data);
    lab.until("exit", 3600, |lab| exit(lab).is_some());
    assert!(
        !lab.world
            .entity_content(&urn)
            .unwrap()
            .contains_key("status")
    );
}

/// Replaces text in the entity's manifests, as a client does.
fn edit(lab: &mut Lab, urn: &str, from: &str, to: &str) {
    let wall = lab.wall();
    lab.world.modify_entity(urn, wall, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        assert!(yaml.contains(from), "{from} in {yaml}");
        content["spec"]["capiYaml"] = json!(yaml.replace(from, to));
    });
}

#[test]
fn a_self_managed_cluster_follows_its_manifests() {
    let (mut lab, urn) = provisioned(1);
    edit(
        &mut lab,
        &urn,
        "replicas: 1\n  selector",
        "replicas: 3\n  selector",
    );
    lab.until("grown", 1800, |lab| {
        available(lab, &urn)[0] == ("blue".to_owned(), 3, 3)
    });
    edit(
        &mut lab,
        &urn,
        "replicas: 3\n  selector",
        "replicas: 0\n  selector",
    );
    let gone = |lab: &mut Lab| {
        lab.world
            .vms()
            .iter()
            .filter(|vm| vm.vapp == "kite7")
            .count()
            == 1
    };
    lab.until("shrunk", 1800, gone);
    edit(&mut lab, &urn, "v1.27.8+vmware.1\n", "v1.28.4+vmware.1\n");
    lab.until("started", 300, |lab| {
        capvcd(lab, &urn)["upgrade"]["ready"] == false
    });
    assert_eq!(
        capvcd(&lab, &urn)["kubernetes"],
        "v1.28.4+vmware.1",
        "desired, not reached"
    );
    lab.until("upgraded", 3600, |lab| {
        capvcd(lab, &urn)["upgrade"]["ready"] == true
    });
    lab.until("old nodes gone", 600, gone);
    let upgrade = capvcd(&lab, &urn)["upgrade"].clone();
    assert_eq!(upgrade["previous"]["kubernetesVersion"], "v1.27.8+vmware.1");
}

#[test]
fn an_upgrade_that_skips_a_minor_version_is_refused_by_the_webhook() {
    let (mut lab, urn) = provisioned(1);
    edit(&mut lab, &urn, "v1.27.8+vmware.1\n", "v1.29.6+vmware.1\n");
    let refused = |lab: &mut Lab| {
        let content = lab.world.entity_content(&urn).unwrap();
        content["status"]["projector"]["errorSet"]
            .to_string()
            .contains("cannot update Kubernetes version")
    };
    lab.until("refused", 300, refused);
    assert_eq!(capvcd(&lab, &urn)["kubernetes"], "v1.27.8+vmware.1");
}

#[test]
fn a_lost_worker_is_replaced_where_a_health_check_asks_for_it() {
    let (mut lab, urn) = provisioned(2);
    let worker = lab
        .world
        .vms()
        .into_iter()
        .find(|vm| vm.name.starts_with("blue-"))
        .unwrap();
    let path = worker.urn.replace("urn:vcloud:vm:", "/api/vApp/vm-");
    let answer = lab.xml(Ask::post(&format!("{path}/power/action/powerOff")));
    lab.succeed(&answer);
    lab.until("noticed", 300, |lab| available(lab, &urn)[0].2 == 1);
    lab.until("replaced", 1800, |lab| available(lab, &urn)[0].2 == 2);
    assert!(lab.view(&worker.name).is_none());
}

#[test]
fn one_seed_gives_one_history() {
    let history = || {
        let (lab, urn) = provisioned(2);
        (
            lab.world.effects().clone(),
            lab.world.vms(),
            capvcd(&lab, &urn).to_string(),
        )
    };
    let (first, second) = (history(), history());
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert_eq!(first.2, second.2);
}
