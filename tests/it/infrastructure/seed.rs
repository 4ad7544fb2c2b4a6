//! The seeded site and the payloads clients send to it.

use cse_server::sim::seed::{ClusterRequest, CseShape, cluster_payload};
use serde_json::Value;

use crate::support::lab::{Lab, SITE};
use crate::support::site::Ask;

fn request(shape: CseShape) -> ClusterRequest {
    ClusterRequest {
        name: "kite7".to_owned(),
        shape,
        control_planes: 3,
        pools: vec![("blue".to_owned(), 4), ("red".to_owned(), 1)],
        auto_repair: true,
    }
}

/// The documents of the payload's manifests, split as clients split them.
fn documents(payload: &Value) -> Vec<Value> {
    let yaml = payload["entity"]["spec"]["capiYaml"].as_str().unwrap();
    let parts = yaml.split("---\n");
    parts
        .map(|part| serde_saphyr::from_str(part).expect("YAML"))
        .collect()
}

fn pointer<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

#[test]
fn a_payload_holds_the_documents_clients_write_in_their_order() {
    let lab = Lab::new();
    let payload = cluster_payload(&lab.tenant, SITE, &request(CseShape::V42));
    let documents = documents(&payload);
    let named: Vec<String> = documents
        .iter()
        .map(|one| {
            let name = pointer(one, "/metadata/name").as_str().unwrap();
            format!("{} {name}", one["kind"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        named,
        [
            "MachineHealthCheck kite7",
            "VCDMachineTemplate blue",
            "MachineDeployment blue",
            "VCDMachineTemplate red",
            "MachineDeployment red",
            "Cluster kite7",
            "VCDCluster kite7",
            "VCDMachineTemplate kite7-control-plane-node-pool",
            "KubeadmControlPlane kite7-control-plane-node-pool",
            "KubeadmConfigTemplate kite7-kct",
        ]
    );
    for document in &documents {
        assert_eq!(pointer(document, "/metadata/namespace"), "kite7-ns");
    }
    let plane = &documents[8];
    assert_eq!(pointer(plane, "/spec/replicas"), 3);
    assert_eq!(pointer(plane, "/spec/version"), "v1.27.8+vmware.1");
    assert_eq!(
        pointer(plane, "/spec/kubeadmConfigSpec/users/0/name"),
        "root"
    );
    let tag = pointer(
        plane,
        "/spec/kubeadmConfigSpec/clusterConfiguration/etcd/local/imageTag",
    );
    assert_eq!(tag, "v3.5.10_vmware.1");
    assert_eq!(
        pointer(&documents[1], "/spec/template/spec/diskSize"),
        "40Gi"
    );
    assert_eq!(pointer(&documents[2], "/spec/replicas"), 4);
    assert_eq!(
        pointer(&documents[5], "/metadata/annotations/TKGVERSION"),
        "v2.5.0"
    );
    assert_eq!(pointer(&documents[6], "/spec/site"), SITE);
    assert_eq!(
        pointer(&documents[6], "/spec/rdeId"),
        &Value::Null,
        "the server's task"
    );
}

#[test]
fn the_two_shapes_differ_in_type_and_projector() {
    let lab = Lab::new();
    let old = cluster_payload(&lab.tenant, SITE, &request(CseShape::V41));
    let new = cluster_payload(&lab.tenant, SITE, &request(CseShape::V42));
    assert_eq!(
        old["entityType"],
        "urn:vcloud:type:vmware:capvcdCluster:1.2.0"
    );
    assert_eq!(
        new["entityType"],
        "urn:vcloud:type:vmware:capvcdCluster:1.3.0"
    );
    assert_eq!(old["entity"]["spec"]["projector"], Value::Null);
    assert!(
        new["entity"]["spec"]["projector"]["operations"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(new["entity"]["spec"]["vcdKe"]["autoRepairOnErrors"], true);
    assert_eq!(new["entity"]["status"], Value::Null);
}

#[test]
fn tokens_are_long_and_all_different() {
    let mut lab = Lab::new();
    let zeta = lab.world.seed_tenant("zeta");
    let access = lab.access.clone();
    let tokens = [
        access.provider_token,
        access.administrator_token,
        lab.tenant.api_token.clone(),
        zeta.api_token,
    ];
    let mut unique: Vec<&String> = tokens.iter().collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), tokens.len());
    assert!(tokens.iter().all(|token| token.len() > 32));
}

#[test]
fn a_tenant_reads_the_one_server_configuration() {
    let mut lab = Lab::new();
    let author = lab.author.clone();
    let path = "/cloudapi/1.0.0/entities/types/vmware/VCDKEConfig/1.1.0?filter=name==vcdKeConfig";
    let found = lab.call(Ask::get(path).by(&author)).json();
    assert_eq!(found["resultTotal"], 1, "{found}");
    let profile = &found["values"][0]["entity"]["profiles"][0];
    assert_eq!(found["values"][0]["state"], "RESOLVED");
    assert!(profile["K8Config"]["mhc"]["maxUnhealthyNodes"].is_number());
    assert!(profile["K8Config"]["mhc"]["nodeStartupTimeout"].is_string());
}

#[test]
fn a_created_cluster_keeps_its_token_secret_and_lists_for_the_server() {
    let mut lab = Lab::new();
    let urn = lab.cluster("kite7", 1);
    let author = lab.author.clone();
    let entity = lab
        .call(Ask::get(&format!("/cloudapi/1.0.0/entities/{urn}")).by(&author))
        .json();
    assert_eq!(entity["state"], "PRE_CREATED");
    assert_eq!(entity["owner"]["name"], "acme-author");
    assert_eq!(
        entity["entity"]["spec"]["vcdKe"]["secure"],
        Value::Null,
        "{entity}"
    );
    let token = lab.access.provider_token.clone();
    let service = lab.token_of("System", &token);
    let list = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster?pageSize=128";
    let found = lab.call(Ask::get(list).by(&service)).json();
    assert_eq!(found["values"][0]["id"], urn.as_str(), "{found}");
}

#[test]
fn one_seed_gives_one_site() {
    let (a, b) = (Lab::with_seed(3), Lab::with_seed(3));
    assert_eq!(a.tenant.api_token, b.tenant.api_token);
    assert_eq!(a.access.provider_token, b.access.provider_token);
    assert_ne!(a.tenant.api_token, Lab::with_seed(4).tenant.api_token);
}
