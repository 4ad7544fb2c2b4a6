//! What the controllers write into the entity: `status.capvcd`, and small parts for CPI, CSI and agent.
//!
//! Invariants:
//! - Only these sections are touched; without a `status` object nothing can be written at all.
//! - It is written when it has changed, and every ten minutes anyway: the kubeconfig is secure, so a
//!   comparison always differs.
//! - Sets of events and errors keep their newest twenty entries.
//!
//! Source: CAPVCD, `status.capvcd` of `capvcdCluster` 1.1.0 and its event names.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::capvcd::{Cluster, Notice};
use super::manifest::Pool;
use super::nodes::{self, NodePhase};
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::entities::{Entities, RdeState};
use crate::sim::infra::Infra;
use crate::sim::reply::stamp;

const VERSION: &str = "1.3.2";
const COMPONENT: &str = "cluster-api-provider-cloud-director";
/// Entries kept in a set.
const WINDOW: usize = 20;
/// Longest time between two writes.
const RESYNC: Duration = Duration::from_mins(10);

/// Writes the status, resolves the entity once the control plane answers, and ties it to its vApp.
pub(crate) fn write(
    cluster: &mut Cluster,
    ctx: &mut Context<'_>,
    infra: &Infra,
    entities: &mut Entities,
) {
    let rde_id = cluster.home.rde_id.clone();
    let status = document(cluster, ctx, infra);
    let extras = extras(cluster);
    let whole = (status.clone(), extras.clone());
    let same = cluster
        .written
        .as_ref()
        .is_some_and(|(written, at)| *written == whole && ctx.now.since(*at) < RESYNC);
    let has_status = entities
        .get(&rde_id)
        .is_some_and(|one| one.content.has_object(&["status"]));
    if has_status && (!same || !cluster.notices.is_empty()) {
        let notices = std::mem::take(&mut cluster.notices);
        let occurred = stamp(ctx.wall);
        entities.modify(&rde_id, ctx.wall, |content| {
            let Some(sections) = content.get_mut("status").and_then(Value::as_object_mut) else {
                return;
            };
            merge_capvcd(sections, status);
            for notice in &notices {
                append(sections, notice, &occurred);
            }
            sections.extend(extras);
        });
        cluster.written = Some((whole, ctx.now));
    }
    tie(cluster, ctx, entities);
    let unresolved = entities
        .get(&rde_id)
        .is_some_and(|one| one.state != RdeState::Resolved);
    if cluster.initialized && unresolved {
        entities.resolve(&rde_id, ctx);
    }
}

/// CAPVCD sets the external id of the entity to its vApp.
fn tie(cluster: &Cluster, ctx: &Context<'_>, entities: &mut Entities) {
    let Some(vapp) = cluster
        .vapp
        .as_ref()
        .map(|vapp| format!("urn:vcloud:vapp:{vapp}"))
    else {
        return;
    };
    if let Some(entity) = entities.get_mut(&cluster.home.rde_id)
        && entity.external_id.as_ref() != Some(&vapp)
    {
        entity.external_id = Some(vapp);
        entity.touch(ctx.wall);
    }
}

/// Replaces what the controllers own; `previous` versions and sets stay.
fn merge_capvcd(sections: &mut Map<String, Value>, new: Value) {
    let slot = sections.entry("capvcd").or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    let (Some(old), Value::Object(mut new)) = (slot.as_object_mut(), new) else {
        return;
    };
    let current = |section: &Map<String, Value>| section.get("upgrade")?.get("current").cloned();
    let (before, now) = (current(old), current(&new));
    let previous = match (before, now) {
        (Some(before), Some(now)) if before != now => Some(before),
        _ => old
            .get("upgrade")
            .and_then(|upgrade| upgrade.get("previous"))
            .cloned(),
    };
    if let Some(upgrade) = new.get_mut("upgrade").and_then(Value::as_object_mut) {
        upgrade.insert("previous".to_owned(), previous.unwrap_or(Value::Null));
    }
    old.extend(new);
    for set in ["eventSet", "errorSet"] {
        old.entry(set).or_insert_with(|| json!([]));
    }
}

fn append(sections: &mut Map<String, Value>, notice: &Notice, occurred: &str) {
    let (set, key) = if notice.error {
        ("errorSet", "error")
    } else {
        ("eventSet", "event")
    };
    let section = sections
        .get_mut("capvcd")
        .and_then(|section| section.get_mut(set));
    let Some(entries) = section.and_then(Value::as_array_mut) else {
        return;
    };
    entries.push(json!({
        "name": notice.name,
        "occurredAt": occurred,
        "vcdResourceId": notice.resource.0,
        "vcdResourceName": notice.resource.1,
        "additionalDetails": {key: notice.detail},
    }));
    let surplus = entries.len().saturating_sub(WINDOW);
    entries.drain(..surplus);
}

/// `status.capvcd` without its sets.
fn document(cluster: &Cluster, ctx: &Context<'_>, infra: &Infra) -> Value {
    let wanted = &cluster.wanted;
    let mut status = json!({
        "name": COMPONENT,
        "version": VERSION,
        "uid": cluster.home.rde_id,
        "parentUid": "",
        "useAsManagementCluster": false,
        "phase": phase(cluster),
        "kubernetes": wanted.version(),
        "capvcdVersion": VERSION,
        "createdByVersion": VERSION,
        "upgrade": upgrade(cluster),
        "nodePool": wanted.pools.iter().map(|pool| node_pool(pool, cluster)).collect::<Vec<_>>(),
        "k8sNetwork": {
            "pods": {"cidrBlocks": wanted.pods},
            "services": {"cidrBlocks": wanted.services},
        },
        "clusterApiStatus": api_status(cluster),
        "vcdProperties": vcd_properties(cluster, ctx, infra),
        "vcdResourceSet": resources(cluster),
    });
    if cluster.initialized
        && let Some(map) = status.as_object_mut()
    {
        map.insert(
            "private".to_owned(),
            json!({"kubeConfig": kubeconfig(cluster)}),
        );
    }
    status
}

fn api_status(cluster: &Cluster) -> Value {
    let mut endpoint = json!({"port": 6443});
    if let (Some(host), Some(map)) = (&cluster.endpoint, endpoint.as_object_mut()) {
        map.insert("host".to_owned(), json!(host));
    }
    json!({
        "phase": if cluster.initialized { "Ready" } else { "Not Ready" },
        "apiEndpoints": [endpoint],
    })
}

fn vcd_properties(cluster: &Cluster, ctx: &Context<'_>, infra: &Infra) -> Value {
    let home = &cluster.home;
    let vdc = infra.vdcs.get(&home.vdc).map(|vdc| vdc.name.as_str());
    let network = infra.networks.get(&home.network);
    json!({
        "site": ctx.site,
        "organizations": [{"id": home.org_id, "name": ctx.directory.org_name(&home.org_id)}],
        // CAPVCD's periodic sync really writes the name of the VDC into its id.
        "orgVdcs": [{
            "id": vdc, "name": vdc,
            "ovdcNetworkName": network.map(|network| network.name.as_str()),
        }],
    })
}

/// The version that is wanted counts as current from the start; `ready` tells when it is reached.
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

fn phase(cluster: &Cluster) -> &'static str {
    if cluster.initialized {
        "Provisioned"
    } else if cluster.endpoint.is_some() {
        "Provisioning"
    } else {
        "Pending"
    }
}

fn node_pool(pool: &Pool, cluster: &Cluster) -> Value {
    let ready = cluster
        .nodes
        .iter()
        .filter(|node| node.pool == pool.name && node.phase == NodePhase::Running);
    json!({
        "name": pool.name,
        "sizingPolicy": pool.sizing_policy,
        "placementPolicy": pool.placement_policy,
        "storageProfile": pool.storage_profile,
        "diskSizeMb": pool.disk_mib,
        "nvidiaGpuEnabled": false,
        "desiredReplicas": pool.replicas,
        "availableReplicas": ready.count(),
        "nodeStatus": nodes::phases(&pool.name, &cluster.nodes),
    })
}

fn resources(cluster: &Cluster) -> Vec<Value> {
    let name = &cluster.wanted.cluster;
    let rde_id = &cluster.home.rde_id;
    let balanced = format!("{name}-{rde_id}-tcp");
    let uuid = bare(rde_id);
    let mut resources = Vec::new();
    if let Some(host) = &cluster.endpoint {
        resources.push(json!({
            "type": "virtual-service",
            "id": format!("urn:vcloud:loadBalancerVirtualService:{uuid}"),
            "name": balanced,
            "additionalDetails": {"virtualIP": host},
        }));
        resources.push(json!({
            "type": "lb-pool",
            "id": format!("urn:vcloud:loadBalancerPool:{uuid}"),
            "name": balanced,
            "additionalDetails": null,
        }));
    }
    if let Some(vapp) = &cluster.vapp {
        resources.push(json!({
            "type": "VApp",
            "id": format!("urn:vcloud:vapp:{vapp}"),
            "name": name,
            "additionalDetails": null,
        }));
    }
    resources
}

/// An administrator's kubeconfig; its certificates are no certificates.
fn kubeconfig(cluster: &Cluster) -> String {
    let name = &cluster.wanted.cluster;
    let user = format!("{name}-admin");
    let context = format!("{user}@{name}");
    let server = format!(
        "https://{}:6443",
        cluster.endpoint.as_deref().unwrap_or_default()
    );
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

/// Sections of the components that run once the cluster is up.
fn extras(cluster: &Cluster) -> Map<String, Value> {
    let mut extras = Map::new();
    if cluster.initialized {
        // The version file of the CPI ends with a line break, and so does what it reports.
        let mut put = |section: &str, name: &str, version: &str| {
            let value = json!({
                "name": name, "version": version,
                "vcdResourceSet": [], "eventSet": [], "errorSet": [],
            });
            extras.insert(section.to_owned(), value);
        };
        put("cpi", "cloud-controller-manager", "1.6.1\n");
        put("csi", "cloud-director-named-disk-csi-driver", "1.6.0");
    }
    if cluster.is_self_managed() {
        let refused = cluster.refused.iter().map(|reason| {
            json!({
                "name": "ApplyError",
                "occurredAt": "0001-01-01T00:00:00Z",
                "additionalDetails": {"Detailed Error": reason},
            })
        });
        let errors: Vec<Value> = refused.collect();
        let value = json!({
            "name": "rde-projector", "version": "0.7.1", "lastAppliedSequence": 1,
            "operations": [], "retrySet": [], "eventSet": [], "errorSet": errors,
        });
        extras.insert("projector".to_owned(), value);
    }
    extras
}
