//! A running cluster as clients read and change it, with no server anywhere.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cse_server::sim::seed::{ClusterRequest, CseShape};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fact::Mark::{Inferred, Source};
use super::fact::{Fact, fact};
use super::support::bench::Bench;
use super::support::legacy::Legacy;
use super::support::rde::at;
use super::support::wire::Ask;

const FULL: &str =
    "behaviors/urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0/invocations";
const PHASES: [(&str, &str); 3] = [
    ("50-apply", "kubectl apply -f /opt/cse/cluster.yaml"),
    (
        "60-control-plane",
        "kubectl wait --for=condition=ControlPlaneInitialized cluster/kite7",
    ),
    ("90-pivot", "clusterctl move --to-kubeconfig workload.conf"),
];

/// What the cloud-config of a bootstrap machine says for the cluster.
fn user_data(bench: &Bench, urn: &str) -> String {
    let content = bench.world().entity_content(urn).unwrap();
    let yaml = content["spec"]["capiYaml"].as_str().unwrap();
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let is_home = |one: &&mut Value| one["kind"] == "VCDCluster";
    let home = documents.iter_mut().find(is_home).unwrap();
    home["spec"]["rdeId"] = json!(urn);
    let namespace = home["metadata"]["namespace"].clone();
    documents.push(json!({"kind": "Namespace", "metadata": {"name": namespace}}));
    documents.push(json!({
        "kind": "Secret",
        "metadata": {"name": "capi-user-credentials", "namespace": namespace},
        "stringData": {"refreshToken": bench.tenant.api_token},
    }));
    let texts = documents
        .iter()
        .map(|one| serde_saphyr::to_string(one).unwrap());
    let manifests = texts.collect::<Vec<_>>().join("---\n");
    let mut files = vec![
        json!({"path": "/opt/cse/run.sh", "content": "#!/bin/bash"}),
        json!({"path": "/opt/cse/cluster.yaml", "content": manifests}),
    ];
    files.extend(PHASES.map(
        |(name, script)| json!({"path": format!("/opt/cse/phases/{name}.sh"), "content": script}),
    ));
    let config = json!({"write_files": files, "runcmd": [["/bin/bash", "/opt/cse/run.sh"]]});
    STANDARD.encode(format!(
        "#cloud-config\n{}",
        serde_saphyr::to_string(&config).unwrap()
    ))
}

/// A cluster of one control-plane node and two workers that has come up and manages itself.
async fn running(bench: &Bench) -> String {
    let request = ClusterRequest {
        name: "kite7".to_owned(),
        shape: CseShape::V42,
        control_planes: 1,
        pools: vec![("blue".to_owned(), 2)],
        auto_repair: false,
    };
    let (now, wall) = bench.at();
    let urn = bench
        .world()
        .create_cluster(&bench.tenant, &request, now, wall);
    bench.world().modify_entity(&urn, wall, |content| {
        let status = json!({"vcdKe": {"state": "provisioned", "vcdKeVersion": "4.2.2"}});
        content.insert("status".to_owned(), status);
    });
    let legacy = Legacy::author(bench).await;
    let (_, vm) = legacy.machine("bootstrap", "temporary").await;
    let data = user_data(bench, &urn);
    legacy
        .reconfigure(
            &vm,
            &format!(
                "<Vm xmlns=\"http://www.vmware.com/vcloud/v1.5\"><ovf:VirtualHardwareSection>\
                 <ovf:Info>x</ovf:Info><vmw:ExtraConfig vmw:key=\"guestinfo.userdata\" vmw:value=\"{data}\" \
                 ovf:required=\"true\"/><vmw:ExtraConfig vmw:key=\"guestinfo.userdata.encoding\" \
                 vmw:value=\"base64\" ovf:required=\"true\"/></ovf:VirtualHardwareSection></Vm>"
            ),
        )
        .await;
    legacy
        .done(&legacy.act(&format!("{vm}/power/action/powerOn")).await)
        .await;
    settled(bench, &urn, 2).await;
    bench.pass(Duration::from_mins(15));
    legacy_off(bench, &vm).await;
    urn
}

/// The bootstrap machine has done its work.
async fn legacy_off(bench: &Bench, vm: &str) {
    let legacy = Legacy::author(bench).await;
    legacy
        .done(&legacy.act(&format!("{vm}/power/action/powerOff")).await)
        .await;
}

async fn entity(bench: &Bench, urn: &str) -> Value {
    let author = bench.author().await;
    let answer = bench.send(Ask::get(&at(urn)).by(&author)).await;
    answer.expect(200).json()
}

/// Waits until the workers and the control plane are as many as said.
async fn settled(bench: &Bench, urn: &str, workers: u64) {
    for _ in 0..400 {
        let status = entity(bench, urn).await["entity"]["status"]["capvcd"].clone();
        let count = |pool: usize| status["nodePool"][pool]["availableReplicas"].as_u64();
        if (count(0), count(1)) == (Some(workers), Some(1)) {
            return;
        }
        bench.pass(Duration::from_secs(10));
    }
    panic!("{}", entity(bench, urn).await);
}

fn types(section: &Value) -> Vec<&str> {
    let set = section["vcdResourceSet"].as_array().unwrap().iter();
    set.map(|one| one["type"].as_str().unwrap()).collect()
}

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        fact(
            "11.3",
            Source,
            "a running cluster has all fields that clients refuse to do without, and times they can parse",
            fields_clients_need,
        ),
        fact(
            "11.3",
            Source,
            "the kubeconfig is read through the behavior and never by GET",
            kubeconfig_by_behavior,
        ),
        fact(
            "11.4",
            Source,
            "a PUT of the whole entity with another number of workers is carried out inside the cluster",
            resize_by_put,
        ),
        fact(
            "11.6",
            Source,
            "CAPVCD resolves the entity, ties it to its vApp and lists load balancer, pool and vApp",
            resolved_tied_listed,
        ),
        fact(
            "7.5",
            Source,
            "the control plane's service and pool are named by cluster and entity, the node is a member",
            names_of_load_balancer,
        ),
        fact(
            "7.6",
            Source,
            "a volume is a named disk described by the cluster's id, listed by the CSI driver",
            volume_is_disk,
        ),
        fact(
            "3.10",
            Inferred,
            "a Service of type LoadBalancer is listed by the cloud provider, with its address",
            service_is_listed,
        ),
    ]
}

async fn fields_clients_need(bench: Bench) {
    let urn = running(&bench).await;
    let entity = entity(&bench, &urn).await;
    let status = &entity["entity"]["status"];
    let capvcd = &status["capvcd"];
    for (text, what) in [
        (&capvcd["capvcdVersion"], "capvcdVersion"),
        (&status["cpi"]["version"], "cpi.version"),
        (&status["csi"]["version"], "csi.version"),
    ] {
        let parts: Vec<&str> = text.as_str().expect(what).trim().split('.').collect();
        let numbers = parts.iter().all(|part| part.parse::<u32>().is_ok());
        assert!(parts.len() == 3 && numbers, "{what}: {text}");
    }
    for section in ["capvcd", "cpi", "csi"] {
        for event in status[section]["eventSet"].as_array().unwrap() {
            let occurred = event["occurredAt"].as_str().unwrap();
            assert!(occurred.parse::<Timestamp>().is_ok(), "{event}");
        }
    }
    for pool in capvcd["nodePool"].as_array().unwrap() {
        for key in ["name", "sizingPolicy", "placementPolicy", "storageProfile"] {
            assert!(pool[key].is_string(), "{key} of {pool}");
        }
        for key in ["desiredReplicas", "availableReplicas", "diskSizeMb"] {
            assert!(pool[key].is_u64(), "{key} of {pool}");
        }
    }
    let endpoint = &capvcd["clusterApiStatus"]["apiEndpoints"][0];
    assert_eq!(endpoint["port"], 6443);
    assert!(endpoint["host"].is_string(), "{endpoint}");
    assert!(
        !capvcd["clusterResourceSetBindings"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(capvcd["upgrade"]["ready"], true);
    let vdc = &capvcd["vcdProperties"]["orgVdcs"][0];
    let network = vdc["ovdcNetworkName"].as_str().unwrap();
    let legacy = Legacy::author(&bench).await;
    let path = format!("/cloudapi/1.0.0/orgVdcNetworks/?filter=name=={network}&pageSize=32");
    let found = legacy.ask(Ask::get(&path)).await.expect(200).json();
    assert_eq!(found["resultTotal"], 1, "{found}");
}

async fn kubeconfig_by_behavior(bench: Bench) {
    let urn = running(&bench).await;
    let plain = entity(&bench, &urn).await;
    assert_eq!(plain["entity"]["status"]["capvcd"]["private"], Value::Null);
    let author = bench.author().await;
    let ask = Ask::post(&format!("{}/{FULL}", at(&urn)));
    let accepted = bench.send(ask.by(&author).json(&json!({}))).await;
    let task = bench.succeeded(&accepted, &author).await;
    assert!(
        task.contains("kubeConfig") && task.contains("kite7-admin"),
        "{task}"
    );
}

async fn resize_by_put(bench: Bench) {
    let urn = running(&bench).await;
    let author = bench.author().await;
    let read = bench
        .send(Ask::get(&at(&urn)).by(&author))
        .await
        .expect(200);
    let etag = read.header("etag").expect("an ETag");
    let mut whole = read.json();
    let yaml = whole["entity"]["spec"]["capiYaml"].as_str().unwrap();
    let (from, to) = ("replicas: 2\n  selector", "replicas: 4\n  selector");
    assert!(yaml.contains(from), "{yaml}");
    whole["entity"]["spec"]["capiYaml"] = json!(yaml.replace(from, to));
    let ask = Ask::put(&at(&urn)).by(&author).header("if-match", &etag);
    bench.send(ask.json(&whole)).await.expect(200);
    settled(&bench, &urn, 4).await;
    let pool = entity(&bench, &urn).await["entity"]["status"]["capvcd"]["nodePool"][0].clone();
    assert_eq!(pool["desiredReplicas"], 4);
}

async fn resolved_tied_listed(bench: Bench) {
    let urn = running(&bench).await;
    let entity = entity(&bench, &urn).await;
    assert_eq!(entity["state"], "RESOLVED");
    let capvcd = &entity["entity"]["status"]["capvcd"];
    let mut types = types(capvcd);
    types.sort_unstable();
    assert_eq!(types, ["VApp", "lb-pool", "virtual-service"]);
    let set = capvcd["vcdResourceSet"].as_array().unwrap();
    let vapp = set.iter().find(|one| one["type"] == "VApp").unwrap();
    assert_eq!(entity["externalId"], vapp["id"]);
    assert_eq!(vapp["name"], "kite7");
}

async fn names_of_load_balancer(bench: Bench) {
    let urn = running(&bench).await;
    let legacy = Legacy::author(&bench).await;
    let ask = Ask::get("/cloudapi/1.0.0/orgVdcNetworks");
    let networks = legacy.ask(ask).await.expect(200).json();
    let gateway = networks["values"][0]["connection"]["routerRef"]["id"].clone();
    let gateway = gateway.as_str().unwrap();
    for list in ["virtualServiceSummaries", "poolSummaries"] {
        let path = format!("/cloudapi/1.0.0/edgeGateways/{gateway}/loadBalancer/{list}");
        let found = legacy.ask(Ask::get(&path)).await.expect(200).json();
        let one = &found["values"][0];
        assert_eq!(one["name"], json!(format!("kite7-{urn}-tcp")), "{one}");
        assert_eq!(one["healthStatus"], "UP", "{one}");
        if list == "poolSummaries" {
            assert_eq!(one["memberCount"], 1, "{one}");
        }
    }
}

async fn volume_is_disk(bench: Bench) {
    let urn = running(&bench).await;
    let clocks = bench.at();
    let made = bench
        .world()
        .create_volume("kite7", "pvc-1", (1024, false), clocks);
    made.unwrap();
    bench.pass(Duration::from_mins(3));
    let csi = entity(&bench, &urn).await["entity"]["status"]["csi"].clone();
    assert_eq!(types(&csi), ["named-disk"]);
    let id = csi["vcdResourceSet"][0]["id"].as_str().unwrap();
    let uuid = id.rsplit(':').next().unwrap();
    let legacy = Legacy::author(&bench).await;
    let disk = legacy.get(&format!("/api/disk/{uuid}")).await;
    let description = format!("<Description>{urn}</Description>");
    assert!(
        disk.contains("name=\"pvc-1\"") && disk.contains(&description),
        "{disk}"
    );
    let vms = legacy.get(&format!("/api/disk/{uuid}/attachedVms")).await;
    assert!(vms.contains("blue-"), "{vms}");
}

async fn service_is_listed(bench: Bench) {
    let urn = running(&bench).await;
    let clocks = bench.at();
    let service = ("default", "web");
    let made = bench
        .world()
        .create_load_balancer_service("kite7", service, &[80], clocks);
    made.unwrap();
    bench.pass(Duration::from_mins(3));
    let cpi = entity(&bench, &urn).await["entity"]["status"]["cpi"].clone();
    assert_eq!(types(&cpi), ["virtual-service", "lb-pool"]);
    let service = &cpi["vcdResourceSet"][0];
    let uuid = urn.rsplit(':').next().unwrap();
    let name = format!("ingress-vs-web-capvcdCluster:{uuid}-");
    assert_eq!(
        service["name"],
        json!(name),
        "an unnamed port ends the name"
    );
    assert!(
        service["additionalDetails"]["virtualIP"].is_string(),
        "{service}"
    );
}
