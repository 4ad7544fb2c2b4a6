//! What CAPVCD computes of `status.capvcd`: everything but its sets.
//!
//! Invariants:
//! - The version that is wanted counts as current from the start; `ready` tells when it is reached.
//! - Credentials never get into `capiStatusYaml`.
//!
//! Source: CAPVCD, `status.capvcd` of `capvcdCluster` 1.1.0, `vcdcluster_controller.go`.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::infrastructure::API_PORT;
use super::manifest::{Pool, SetResource};
use super::nodes::{self, Reach};
use super::sections::Component;

/// What CAPVCD's templates of clusters apply by `ClusterResourceSet`, where the manifests name none: the
/// server has put them in. Set, config map.
const ADD_ONS: [(&str, &str); 5] = [
    ("antrea-crs", "antrea-crs-cm"),
    ("cloud-director-crs", "cloud-director-crs-cm"),
    ("csi-crs", "csi-controller-crs-cm"),
    ("csi-crs", "csi-node-crs-cm"),
    ("csi-crs", "csi-driver-crs-cm"),
];

/// `status.capvcd` without its sets.
pub(super) fn document(cluster: &Cluster, reach: &Reach<'_, '_>) -> Value {
    let wanted = &cluster.wanted;
    let version = Component::Capvcd.version();
    let pools = wanted
        .pools
        .iter()
        .map(|pool| node_pool(pool, cluster, reach));
    let mut status = json!({
        "name": "cluster-api-provider-cloud-director",
        "version": version,
        "uid": cluster.home.rde_id,
        "parentUid": "",
        "useAsManagementCluster": false,
        "phase": phase(cluster),
        "kubernetes": wanted.version(),
        "capvcdVersion": version,
        "createdByVersion": version,
        "upgrade": upgrade(cluster),
        "nodePool": pools.collect::<Vec<_>>(),
        "k8sNetwork": {
            "pods": {"cidrBlocks": wanted.pods},
            "services": {"cidrBlocks": wanted.services},
        },
        "clusterApiStatus": api_status(cluster),
        "clusterResourceSetBindings": bindings(cluster),
        "vcdProperties": vcd_properties(cluster, reach),
        "capiStatusYaml": capi_status(cluster, reach),
        "eventSet": [],
        "errorSet": [],
        "vcdResourceSet": [],
    });
    if let (true, Some(map)) = (cluster.initialized, status.as_object_mut()) {
        map.insert(
            "private".to_owned(),
            json!({"kubeConfig": kubeconfig(cluster)}),
        );
    }
    status
}

fn phase(cluster: &Cluster) -> &'static str {
    if cluster.is_ready_infrastructure() {
        "Provisioned"
    } else {
        "Provisioning"
    }
}

fn api_status(cluster: &Cluster) -> Value {
    let mut endpoint = json!({"port": API_PORT});
    if let (Some(host), Some(map)) = (&cluster.endpoint, endpoint.as_object_mut()) {
        map.insert("host".to_owned(), json!(host));
    }
    json!({
        "phase": if cluster.initialized { "Ready" } else { "Not Ready" },
        "apiEndpoints": [endpoint],
    })
}

fn upgrade(cluster: &Cluster) -> Value {
    let wanted = &cluster.wanted;
    let reached = cluster
        .nodes
        .iter()
        .all(|node| node.version == wanted.version());
    json!({
        "current": {"kubernetesVersion": wanted.version(), "tkgVersion": wanted.tkg_version},
        "previous": null,
        "ready": cluster.initialized && reached,
    })
}

fn node_pool(pool: &Pool, cluster: &Cluster, reach: &Reach<'_, '_>) -> Value {
    let mine = cluster.nodes.iter().filter(|node| node.pool == pool.name);
    let ready = mine.filter(|node| node.is_ready(reach.ctx.now)).count();
    json!({
        "name": pool.name,
        "sizingPolicy": pool.sizing_policy,
        "placementPolicy": pool.placement_policy,
        "storageProfile": pool.storage_profile,
        "diskSizeMb": pool.disk_mib,
        "nvidiaGpuEnabled": pool.gpu,
        "desiredReplicas": pool.replicas,
        "availableReplicas": ready,
        "nodeStatus": nodes::phases(&pool.name, &cluster.nodes),
    })
}

/// One entry per resource that is applied, from the moment the control plane takes it.
fn bindings(cluster: &Cluster) -> Vec<Value> {
    let Some(applied) = &cluster.sets_applied else {
        return Vec::new();
    };
    let binding = |set: &str, kind: &str, name: &str| {
        json!({
            "clusterResourceSetName": set,
            "kind": kind,
            "name": name,
            "applied": true,
            "lastAppliedTime": applied,
        })
    };
    let own = &cluster.wanted.resource_sets;
    if own.is_empty() {
        let sets = ADD_ONS.iter();
        return sets
            .map(|(set, name)| binding(set, "ConfigMap", name))
            .collect();
    }
    let own = own.iter();
    own.map(|SetResource { set, kind, name }| binding(set, kind, name))
        .collect()
}

fn vcd_properties(cluster: &Cluster, reach: &Reach<'_, '_>) -> Value {
    let (home, infra) = (&cluster.home, &reach.infra);
    let vdc = infra.vdcs.get(&home.vdc).map(|vdc| vdc.name.as_str());
    let network = infra.networks.get(&home.network);
    let org = reach.ctx.directory.org_name(&home.org_id);
    json!({
        "site": reach.ctx.site,
        "organizations": [{"id": home.org_id, "name": org}],
        // CAPVCD's periodic sync really writes the name of the VDC into its id.
        "orgVdcs": [{
            "id": vdc, "name": vdc,
            "ovdcNetworkName": network.map(|network| network.name.as_str()),
        }],
    })
}

/// Statuses of the Cluster API objects.
fn capi_status(cluster: &Cluster, reach: &Reach<'_, '_>) -> String {
    let wanted = &cluster.wanted;
    let (name, namespace) = (&wanted.cluster, &wanted.namespace);
    let object = |kind: &str, name: &str, status: Value| {
        json!({
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "status": status,
        })
    };
    let ready = cluster.is_ready_infrastructure();
    let mut objects = vec![
        object(
            "Cluster",
            name,
            json!({
                "phase": phase(cluster),
                "controlPlaneReady": cluster.initialized,
                "infrastructureReady": ready,
            }),
        ),
        object(
            "VCDCluster",
            name,
            json!({"infraId": cluster.home.rde_id, "ready": ready}),
        ),
    ];
    for pool in &wanted.pools {
        let mine = cluster.nodes.iter().filter(|node| node.pool == pool.name);
        let (mut all, mut up) = (0, 0);
        for node in mine {
            all += 1;
            up += u32::from(node.is_ready(reach.ctx.now));
        }
        let kind = if pool.control_plane {
            "KubeadmControlPlane"
        } else {
            "MachineDeployment"
        };
        let status = json!({"replicas": all, "readyReplicas": up, "unavailableReplicas": all - up});
        objects.push(object(kind, &pool.name, status));
    }
    let texts = objects
        .iter()
        .filter_map(|one| serde_saphyr::to_string(one).ok());
    texts.collect::<Vec<_>>().join("---\n")
}

/// An administrator's kubeconfig; its certificates are no certificates.
fn kubeconfig(cluster: &Cluster) -> String {
    let name = &cluster.wanted.cluster;
    let user = format!("{name}-admin");
    let context = format!("{user}@{name}");
    let host = cluster.endpoint.as_deref().unwrap_or_default();
    let server = format!("https://{host}:{API_PORT}");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "certificate-authority-data": "c2ltdWxhdGVk",
            "server": server,
        }}],
        "contexts": [{"name": context, "context": {"cluster": name, "user": user}}],
        "current-context": context,
        "preferences": {},
        "users": [{"name": user, "user": {
            "client-certificate-data": "c2ltdWxhdGVk",
            "client-key-data": "c2ltdWxhdGVk",
        }}],
    });
    serde_saphyr::to_string(&config).unwrap_or_default()
}
