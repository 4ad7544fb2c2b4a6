//! The bootstrap guest and the controllers it starts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::bootstrap::{
    PHASES, available, bootstrap, capvcd, claim, exit, key, manifests, provisioned, userdata,
};
use crate::support::lab::{Lab, path_of};
use crate::support::site::Ask;
use crate::support::xml;

/// A lab whose bootstrap VM for cluster `kite7` runs; with the entity's URN and the VM's path.
fn started(phases: &[(&str, &str)], workers: u32) -> (Lab, String, String) {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", workers);
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(phases, &manifests(&lab, &urn, &token));
    let vm = bootstrap(&mut lab, "kite7", &data);
    (lab, urn, vm)
}

fn phase(lab: &Lab, name: &str) -> Option<String> {
    key(lab, &format!("guestinfo.cse.phase.{name}.status"))
}

fn is(lab: &Lab, name: &str, status: &str) -> bool {
    phase(lab, name).as_deref() == Some(status)
}

#[test]
fn phases_run_one_after_the_other_and_wait_for_what_they_ask_for() {
    let (mut lab, urn, _) = started(&PHASES, 2);
    lab.until("network", 120, |lab| is(lab, "network", "in_progress"));
    lab.until("apply", 120, |lab| is(lab, "apply", "successful"));
    assert_eq!(phase(&lab, "pivot"), None);
    lab.until("initialized", 1200, |lab| {
        is(lab, "control-plane", "successful")
    });
    assert_eq!(capvcd(&lab, &urn)["clusterApiStatus"]["phase"], "Ready");
    assert!(available(&lab, &urn)[0].2 < 2, "workers come later");
    lab.until("exit", 1800, |lab| exit(lab).is_some());
    assert_eq!(exit(&lab).as_deref(), Some("0"));
    let plane = "kite7-control-plane-node-pool".to_owned();
    assert_eq!(
        available(&lab, &urn),
        [("blue".to_owned(), 2, 2), (plane, 1, 1)]
    );
}

#[test]
fn the_controllers_report_in_their_section_and_resolve_the_entity() {
    let (mut lab, urn) = provisioned(2);
    let author = lab.author.clone();
    let entity = lab.call(Ask::get(&format!("/cloudapi/1.0.0/entities/{urn}")).by(&author));
    let entity = entity.json();
    assert_eq!(entity["state"], "RESOLVED", "{entity}");
    let external = entity["externalId"].as_str().unwrap();
    assert!(external.starts_with("urn:vcloud:vapp:"), "{external}");
    let status = &entity["entity"]["status"];
    assert_eq!(status["capvcd"]["private"], Value::Null, "secure");
    assert_eq!(status["vcdKe"]["state"], "provisioning", "not theirs");
    lab.wait(70);
    let status = capvcd(&lab, &urn);
    let kubeconfig = status["private"]["kubeConfig"].as_str().unwrap();
    assert!(kubeconfig.contains("https://100.64."), "{kubeconfig}");
    let upgrade = &status["upgrade"];
    assert_eq!(upgrade["current"]["kubernetesVersion"], "v1.27.8+vmware.1");
    assert_eq!(upgrade["ready"], true);
    let events = status["eventSet"].as_array().unwrap();
    let names: Vec<&str> = events
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    for name in [
        "LoadBalancerAvailable",
        "InfraVappAvailable",
        "VcdMachineInfraVMPoweredOn",
        "VcdMachineBootstrapped",
        "ControlplaneReady",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn a_cluster_that_manages_itself_outlives_its_bootstrap_vm() {
    let (mut lab, _) = provisioned(2);
    let undeploy = "<UndeployVAppParams><UndeployPowerAction>force</UndeployPowerAction>\
                    </UndeployVAppParams>";
    let found = lab.get("/api/query?type=vApp&filter=name==kite7_ephemeral_vapp");
    let vapp = path_of(&xml::attribute(&found, "VAppRecord", "href"));
    let answer = lab.xml(Ask::post(&format!("{vapp}/action/undeploy")).body(undeploy));
    lab.succeed(&answer);
    let answer = lab.xml(Ask::delete(&vapp));
    lab.succeed(&answer);
    assert_eq!(lab.world.bootstrap_leftovers(), Vec::<String>::new());
    assert_eq!(lab.world.vapps(), ["kite7"]);
    let running = lab
        .world
        .vms()
        .into_iter()
        .filter(|vm| vm.status == "POWERED_ON");
    assert_eq!(running.count(), 3);
}

#[test]
fn a_runner_with_a_unit_of_its_own_goes_on_after_a_restart() {
    let phases = [
        PHASES[0],
        PHASES[1],
        PHASES[2],
        (
            "70-unit",
            "systemctl enable cse.service; report guestinfo.userdata ---",
        ),
        PHASES[4],
    ];
    let (mut lab, _, vm) = started(&phases, 1);
    lab.until("apply", 300, |lab| is(lab, "apply", "successful"));
    for action in ["powerOff", "powerOn"] {
        let answer = lab.xml(Ask::post(&format!("{vm}/power/action/{action}")));
        lab.succeed(&answer);
    }
    lab.until("exit", 1800, |lab| exit(lab).is_some());
    assert_eq!(exit(&lab).as_deref(), Some("0"));
    let data = key(&lab, "guestinfo.userdata");
    assert_eq!(data.as_deref(), Some("---"), "the token is gone");
}

#[test]
fn a_phase_that_waits_too_long_fails_with_its_limit() {
    let (mut lab, _, _) = started(&PHASES, 1);
    // The controllers stop without a word, so the control plane never comes.
    lab.until("apply", 300, |lab| is(lab, "apply", "successful"));
    let token = lab.tenant.api_token.clone();
    lab.world.revoke_api_token(&token);
    lab.wait(3600);
    assert_eq!(phase(&lab, "control-plane").as_deref(), Some("failed"));
    let reason = key(&lab, "guestinfo.cse.reason").unwrap();
    assert!(reason.contains("did not end within 900 s"), "{reason}");
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

/// What is wrong, how it is made so, and what the guest says about it.
const BROKEN: [(&str, &str, &str, &str); 8] = [
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

#[test]
fn manifests_that_cannot_work_fail_the_phase_that_applies_them() {
    for (name, from, to, reason) in BROKEN {
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
    let (mut lab, _, vm) = started(&PHASES, 1);
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
