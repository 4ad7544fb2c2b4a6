//! Load balancers: of the control plane, and of Services inside the cluster.

use serde_json::{Value, json};

use super::{at_gateway, document, edit, listed, pull, resize, section, settle};
use crate::support::bootstrap::{
    PHASES, bootstrap, capvcd, claim, exit, manifests, provisioned, userdata,
};
use crate::support::lab::Lab;

const SERVICES: &str = "loadBalancer/virtualServiceSummaries";
const POOLS: &str = "loadBalancer/poolSummaries";

/// A lab in which cluster `kite7` comes up with these settings of its load balancers.
fn with_settings(settings: &Value) -> (Lab, String) {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    edit(&mut lab, &urn, |documents| {
        document(documents, "VCDCluster", "kite7")["spec"]["loadBalancerConfigSpec"] =
            settings.clone();
    });
    claim(&mut lab, &urn);
    let token = lab.tenant.api_token.clone();
    let data = userdata(&PHASES, &manifests(&lab, &urn, &token));
    bootstrap(&mut lab, "kite7", &data);
    (lab, urn)
}

fn names(lab: &mut Lab, list: &str) -> Vec<String> {
    let all = at_gateway(lab, list);
    let mut names: Vec<String> = all
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_control_plane_has_a_service_and_a_pool_at_the_gateway() {
    let (mut lab, urn) = provisioned(1);
    let name = format!("kite7-{urn}-tcp");
    assert_eq!(names(&mut lab, SERVICES), [name.as_str()]);
    assert_eq!(names(&mut lab, POOLS), [name.as_str()]);
    let status = capvcd(&lab, &urn);
    let set = status["vcdResourceSet"].as_array().unwrap();
    for kind in ["virtual-service", "lb-pool"] {
        let entry = set.iter().find(|one| one["type"] == kind).unwrap();
        assert_eq!(entry["name"], json!(name), "{entry}");
    }
    let service = set
        .iter()
        .find(|one| one["type"] == "virtual-service")
        .unwrap();
    let host = &status["clusterApiStatus"]["apiEndpoints"][0]["host"];
    assert_eq!(service["additionalDetails"]["virtualIP"], *host);
    assert!(set.iter().any(|one| one["type"] == "VApp"), "{set:?}");
}

#[test]
fn one_arm_mode_adds_a_rule_and_a_profile() {
    let (mut lab, urn) = with_settings(&json!({"useOneArm": true}));
    lab.until("exit", 3600, |lab| exit(lab).is_some());
    assert_eq!(exit(&lab).as_deref(), Some("0"));
    let status = capvcd(&lab, &urn);
    let kinds = listed(&status, "vcdResourceSet", "type");
    for kind in [
        "VApp",
        "virtual-service",
        "lb-pool",
        "dnat-rule",
        "app-port-profile",
    ] {
        assert!(kinds.iter().any(|one| one == kind), "{kind} in {kinds:?}");
    }
    let service = &at_gateway(&mut lab, SERVICES)[0];
    assert_eq!(service["virtualIpAddress"], "192.168.8.2");
    assert_ne!(
        status["clusterApiStatus"]["apiEndpoints"][0]["host"],
        "192.168.8.2"
    );
}

#[test]
fn without_an_address_the_cluster_reports_it_and_waits() {
    let (mut lab, urn) = with_settings(&json!({"vipSubnet": "198.51.100.0/30"}));
    let errors = |lab: &mut Lab| listed(&capvcd(lab, &urn), "errorSet", "name");
    lab.until("told", 900, |lab| !errors(lab).is_empty());
    assert!(
        errors(&mut lab)
            .iter()
            .all(|name| name == "LoadBalancerError")
    );
    let why = &capvcd(&lab, &urn)["errorSet"][0]["additionalDetails"]["error"];
    assert!(
        why.as_str().unwrap().contains("unable to obtain free IP"),
        "{why}"
    );
    lab.wait(600);
    assert_eq!(
        lab.world.vapps(),
        ["kite7_ephemeral_vapp"],
        "nothing was built"
    );
}

#[test]
fn a_service_gets_a_load_balancer_and_gives_it_back() {
    let (mut lab, urn) = provisioned(1);
    let uuid = urn.rsplit(':').next().unwrap();
    let service = json!({"cluster": "kite7", "name": "web", "ports": [80, 443]});
    pull(&mut lab, &json!({"create_service": service})).unwrap();
    let again = pull(&mut lab, &json!({"create_service": service}));
    assert!(again.unwrap_err().to_string().contains("already"));
    lab.until("created", 300, |lab| {
        let events = listed(&section(lab, &urn, "cpi"), "eventSet", "name");
        events.iter().any(|name| name == "CreatedLoadbalancer")
    });
    let wanted = |kind: &str| {
        [443, 80].map(|port| format!("ingress-{kind}-web-capvcdCluster:{uuid}-port-{port}"))
    };
    assert_eq!(names(&mut lab, SERVICES).get(..2).unwrap(), wanted("vs"));
    assert_eq!(names(&mut lab, POOLS).get(..2).unwrap(), wanted("pool"));
    let set = listed(&section(&lab, &urn, "cpi"), "vcdResourceSet", "type");
    assert_eq!(
        set,
        ["virtual-service", "lb-pool", "virtual-service", "lb-pool"]
    );
    resize(&mut lab, &urn, "blue", 3);
    settle(&mut lab, &urn, "blue", 3);
    lab.wait(120);
    let pools = at_gateway(&mut lab, POOLS);
    let members = pools.iter().filter(|one| one["memberCount"] == 3).count();
    assert_eq!(members, 2, "the members follow the workers: {pools:?}");
    assert_eq!(lab.world.leaks(), []);

    let service = json!({"cluster": "kite7", "name": "web"});
    pull(&mut lab, &json!({"delete_service": service})).unwrap();
    lab.until("deleted", 300, |lab| names(lab, POOLS).len() == 1);
    lab.wait(60);
    assert_eq!(section(&lab, &urn, "cpi")["vcdResourceSet"], json!([]));
    assert!(pull(&mut lab, &json!({"delete_service": service})).is_err());
}

#[test]
fn services_of_a_forgotten_cluster_are_leaks() {
    let (mut lab, urn) = provisioned(1);
    let service = json!({"cluster": urn, "name": "web"});
    pull(&mut lab, &json!({"create_service": service})).unwrap();
    lab.wait(300);
    assert_eq!(lab.world.leaks(), []);
    lab.world.forget_entity(&urn);
    let leaks = lab.world.leaks();
    let of = |kind: &str| leaks.iter().filter(|leak| leak.kind == kind).count();
    assert_eq!((of("virtual-service"), of("lb-pool")), (2, 2), "{leaks:?}");
}
