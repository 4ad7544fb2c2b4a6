//! The cloud provider in a running cluster: Services of type `LoadBalancer` become load balancers.
//!
//! Flow: a Service with ports -> for each port a pool and a virtual service with the workers as members,
//! all at one address -> `status.cpi`; when workers come and go, the members follow; a Service that is
//! deleted takes everything away again.
//!
//! Invariants:
//! - Names are those of the cloud provider, without the namespace: two Services of one name collide.
//! - It lives with the API server of its cluster: without that nothing is created, and nothing deleted.
//!
//! Source: cloud-provider-for-cloud-director, `loadbalancer.go`.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::cluster::Cluster;
use super::infrastructure::{Wanted, at_gateway, resources};
use super::nodes::Reach;
use super::sections::{Component, Edit, Entry};
use crate::sim::infra::machine::Vm;
use crate::sim::network::inside::{
    LoadBalancer, Progress, create_load_balancer, delete_load_balancer, update_members,
};
use crate::sim::reply::Problem;

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(super) name: String,
    pub(super) number: u16,
    /// Where the nodes answer.
    pub(super) on_nodes: u16,
}

/// A Service of type `LoadBalancer`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(super) ports: Vec<Port>,
    /// Its external address, once its first port has one.
    pub(super) address: Option<String>,
    pub(super) up: bool,
    pub(super) deleting: bool,
    /// An error has been told and not been taken back.
    complained: bool,
}

impl Service {
    /// A Service somebody has just made.
    pub(super) fn new(ports: Vec<Port>) -> Self {
        Self {
            ports,
            address: None,
            up: false,
            deleting: false,
            complained: false,
        }
    }
}

/// Whether anything is still to be built or taken away.
pub(super) fn is_busy(cluster: &Cluster) -> bool {
    let mut services = cluster.services.values();
    services.any(|service| service.deleting || !service.up)
}

/// Starts with its cluster's control plane.
pub(super) fn start(cluster: &mut Cluster, reach: &Reach<'_, '_>) {
    let put = Edit::Put(Map::new());
    cluster.desk.put(Component::Cpi, put);
    let rde_id = cluster.home.rde_id.clone();
    let text = "successfully authenticated into vcdclient from secrets";
    tell(cluster, ("ClientAuthenticated", text), (&rde_id, ""), reach);
}

/// One look at every Service.
pub(super) fn step(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let keys: Vec<(String, String)> = cluster.services.keys().cloned().collect();
    for key in keys {
        let Some(mut service) = cluster.services.get(&key).cloned() else {
            continue;
        };
        let left = if service.deleting {
            delete(&key, &mut service, cluster, reach)
        } else {
            if service.up {
                follow_workers(&key, &mut service, cluster, reach);
            } else {
                build(&key, &mut service, cluster, reach);
            }
            true
        };
        if left {
            cluster.services.insert(key, service);
        } else {
            cluster.services.remove(&key);
        }
    }
}

fn tell(
    cluster: &mut Cluster,
    (name, text): (&str, &str),
    resource: (&str, &str),
    reach: &Reach<'_, '_>,
) {
    let entry = Entry::new(name, resource, reach.ctx.wall).saying("Detailed Event", text);
    cluster.desk.put(Component::Cpi, Edit::Event(entry));
}

/// An error, unless one has been told already.
fn complain(
    cluster: &mut Cluster,
    service: &mut Service,
    (name, problem): (&str, &Problem),
    (resource, reach): (&str, &Reach<'_, '_>),
) {
    if problem.minor != "BUSY_ENTITY" && !std::mem::replace(&mut service.complained, true) {
        let entry = Entry::new(name, ("", resource), reach.ctx.wall);
        let edit = Edit::Error(entry.saying("Detailed Error", &problem.message));
        cluster.desk.put(Component::Cpi, edit);
    }
}

fn forgive(cluster: &mut Cluster, service: &mut Service, name: &str) {
    if std::mem::take(&mut service.complained) {
        let edit = Edit::Forgive {
            name: name.to_owned(),
            resource: None,
        };
        cluster.desk.put(Component::Cpi, edit);
    }
}

/// The URN of the entity without what all of them begin with.
fn trimmed(cluster: &Cluster) -> &str {
    let id = cluster.home.rde_id.as_str();
    id.strip_prefix("urn:vcloud:entity:vmware:").unwrap_or(id)
}

/// Addresses of the ready workers; of all ready nodes where there are no workers.
fn workers(cluster: &Cluster, reach: &Reach<'_, '_>) -> Vec<Ipv4Addr> {
    let ready = |plane: bool| -> Vec<Ipv4Addr> {
        let nodes = cluster.nodes.iter();
        let nodes =
            nodes.filter(|node| node.control_plane == plane && node.is_ready(reach.ctx.now));
        let vms = nodes.filter_map(|node| reach.infra.vms.get(node.vm.as_ref()?));
        vms.filter_map(Vm::ip).collect()
    };
    let workers = ready(false);
    if workers.is_empty() {
        ready(true)
    } else {
        workers
    }
}

/// What a step asks of the network.
#[derive(Clone, Copy)]
enum Ask {
    Build,
    Members,
    Delete,
}

fn ask(
    (namespace, name): (&str, &str),
    port: &Port,
    (ask, service): (Ask, &Service),
    (cluster, reach): (&Cluster, &mut Reach<'_, '_>),
) -> Result<Progress<Option<LoadBalancer>>, Problem> {
    let id = trimmed(cluster);
    let (vs, pool) = names(name, id, port);
    let claim = format!("cluster-{id}-namespace-{namespace}-service-{name}");
    let wanted = Wanted {
        name: &vs,
        pool: &pool,
        port: port.number,
        member_port: port.on_nodes,
        members: workers(cluster, reach),
        virtual_ip: service.address.as_ref().and_then(|ip| ip.parse().ok()),
        claim: &claim,
    };
    let without = |progress: Progress<()>| match progress {
        Progress::Started(task) => Progress::Started(task),
        Progress::Done(()) => Progress::Done(None),
    };
    let outcome = at_gateway(cluster, wanted, reach, |reach, request| {
        let Reach { ctx, network, .. } = reach;
        match ask {
            Ask::Build => create_load_balancer(ctx, network, request).map(|done| match done {
                Progress::Started(task) => Progress::Started(task),
                Progress::Done(found) => Progress::Done(Some(found)),
            }),
            Ask::Members => update_members(ctx, network, request).map(without),
            Ask::Delete => delete_load_balancer(ctx, network, request).map(without),
        }
    });
    outcome.unwrap_or_else(|| Err(Problem::bad_request("the network has no edge gateway")))
}

/// Names of virtual service and pool.
fn names(service: &str, id: &str, port: &Port) -> (String, String) {
    let port = &port.name;
    (
        format!("ingress-vs-{service}-{id}-{port}"),
        format!("ingress-pool-{service}-{id}-{port}"),
    )
}

fn build(
    (namespace, name): &(String, String),
    service: &mut Service,
    cluster: &mut Cluster,
    reach: &mut Reach<'_, '_>,
) {
    let prefix = format!("ingress-vs-{name}-{}", trimmed(cluster));
    for port in service.ports.clone() {
        match ask(
            (namespace, name),
            &port,
            (Ask::Build, service),
            (cluster, reach),
        ) {
            Ok(Progress::Started(_)) => return,
            Ok(Progress::Done(found)) => {
                if let Some(found) = found {
                    for resource in resources(&found) {
                        cluster.desk.put(Component::Cpi, Edit::Add(resource));
                    }
                    service.address = Some(found.external_ip);
                }
            }
            Err(problem) => {
                let error = ("CreateLoadbalancerError", &problem);
                complain(cluster, service, error, (&prefix, reach));
                return;
            }
        }
    }
    service.up = true;
    let address = service.address.as_deref().unwrap_or_default();
    let text = format!(
        "Created loadbalancer successfully for [{}] with external IP: [{address}]",
        cluster.home.rde_id
    );
    tell(
        cluster,
        ("CreatedLoadbalancer", &text),
        ("", &prefix),
        reach,
    );
    forgive(cluster, service, "CreateLoadbalancerError");
}

fn follow_workers(
    (namespace, name): &(String, String),
    service: &mut Service,
    cluster: &mut Cluster,
    reach: &mut Reach<'_, '_>,
) {
    let id = trimmed(cluster).to_owned();
    for port in service.ports.clone() {
        let (vs, _) = names(name, &id, &port);
        match ask(
            (namespace, name),
            &port,
            (Ask::Members, service),
            (cluster, reach),
        ) {
            Ok(Progress::Started(_)) => {
                let text =
                    format!("Successfully updated loadbalancer with virtual service name [{vs}]: ");
                tell(cluster, ("UpdatedLoadbalancer", &text), ("", &vs), reach);
                forgive(cluster, service, "UpdateLoadbalancerError");
                return;
            }
            Ok(Progress::Done(_)) => {}
            Err(problem) => {
                let error = ("UpdateLoadbalancerError", &problem);
                complain(cluster, service, error, (&vs, reach));
                return;
            }
        }
    }
}

/// True while something of the Service is left.
fn delete(
    (namespace, name): &(String, String),
    service: &mut Service,
    cluster: &mut Cluster,
    reach: &mut Reach<'_, '_>,
) -> bool {
    let id = trimmed(cluster).to_owned();
    for port in service.ports.clone() {
        let (vs, pool) = names(name, &id, &port);
        match ask(
            (namespace, name),
            &port,
            (Ask::Delete, service),
            (cluster, reach),
        ) {
            Ok(Progress::Started(_)) => return true,
            Ok(Progress::Done(_)) => {
                let rule = format!("dnat-{vs}");
                let profile = format!("appPort_{rule}");
                let resources = [
                    ("dnat-rule", rule),
                    ("virtual-service", vs),
                    ("lb-pool", pool),
                    ("app-port-profile", profile),
                ];
                for (kind, name) in resources {
                    let kind = kind.to_owned();
                    cluster
                        .desk
                        .put(Component::Cpi, Edit::Remove { kind, name });
                }
            }
            Err(problem) => {
                let error = ("DeleteLoadbalancerError", &problem);
                complain(cluster, service, error, (&vs, reach));
                return true;
            }
        }
    }
    let address = service.address.as_deref().unwrap_or_default();
    let text = format!(
        "Successfully deleted loadbalancer associated with [{}], deleted external IP [{address}]",
        cluster.home.rde_id
    );
    let prefix = format!("ingress-vs-{name}-{id}");
    tell(
        cluster,
        ("DeletedLoadbalancer", &text),
        ("", &prefix),
        reach,
    );
    false
}
