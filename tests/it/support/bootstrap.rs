//! A bootstrap VM as a server builds it, and what its guest and its cluster tell.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::lab::Lab;
use super::site::Ask;

pub(crate) const PHASES: [(&str, &str); 5] = [
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
pub(crate) fn userdata(phases: &[(&str, &str)], manifests: &str) -> String {
    let mut files = vec![
        json!({"path": "/opt/cse/bootstrap.sh", "permissions": "0700", "content": "#!/bin/bash"}),
        json!({"path": "/opt/cse/env", "content": "CSE_LIMIT_control_plane='900'"}),
        json!({"path": "/etc/systemd/system/cse.service", "content": "ExecStart=/opt/cse/bootstrap.sh"}),
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
pub(crate) fn manifests(lab: &Lab, urn: &str, token: &str) -> String {
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
pub(crate) fn claim(lab: &mut Lab, urn: &str) {
    let wall = lab.wall();
    lab.world.modify_entity(urn, wall, |content| {
        content.insert(
            "status".to_owned(),
            json!({"vcdKe": {"state": "provisioning"}}),
        );
    });
}

/// Builds the bootstrap VM with this user data and powers it on; returns its path.
pub(crate) fn bootstrap(lab: &mut Lab, name: &str, data: &str) -> String {
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

pub(crate) fn key(lab: &Lab, key: &str) -> Option<String> {
    lab.view("EPHEMERAL_TEMP_VM")?
        .extra_config
        .get(key)
        .cloned()
}

pub(crate) fn exit(lab: &Lab) -> Option<String> {
    key(lab, "guestinfo.cse.exit")
}

pub(crate) fn capvcd(lab: &Lab, urn: &str) -> Value {
    lab.world.entity_content(urn).unwrap()["status"]["capvcd"].clone()
}

pub(crate) fn available(lab: &Lab, urn: &str) -> Vec<(String, u64, u64)> {
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
pub(crate) fn provisioned(workers: u32) -> (Lab, String) {
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
