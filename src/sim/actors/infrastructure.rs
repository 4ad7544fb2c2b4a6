//! What a cluster needs besides machines: a load balancer for its control plane, and a vApp.
//!
//! Flow: load balancer, step by step (`network::inside`), until its virtual service has reported; then the
//! vApp; from then on the members of the pool follow the control-plane machines.
//!
//! Invariants:
//! - What is there is found by name, so a second controller for the same entity goes on instead of
//!   building twice; what somebody deletes is made again at the next look at the whole cluster.
//! - What is refused because something is busy is tried again; everything else is an error in the entity.
//!
//! Source: CAPVCD, `vcdcluster_controller.go`.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::nodes::{NodePhase, Reach};
use super::sections::{Component, Edit, Resource};
use crate::sim::infra::Infra;
use crate::sim::infra::machine::{Lease, MetadataValue, Vapp, VappNetwork, Vm};
use crate::sim::infra::sharing::Sharing;
use crate::sim::network::inside::{
    LoadBalancer, LoadBalancerRequest, Progress, create_load_balancer, delete_load_balancer,
    update_members,
};
use crate::sim::network::model::Range;

/// Metadata key by which CAPVCD knows its vApp.
const INFRA_ID: &str = "CapvcdInfraId";
/// Port of the API server.
pub(super) const API_PORT: u16 = 6443;
/// Internal addresses of virtual services in one-arm mode.
pub(super) const ONE_ARM: Range = Range {
    first: Ipv4Addr::new(192, 168, 8, 2),
    last: Ipv4Addr::new(192, 168, 8, 100),
};
/// Longest time between two attempts at what is refused.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The load balancer of the control plane as the controllers know it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Balancer {
    /// Its virtual service has reported once.
    up: bool,
    /// It waits for the virtual service's first report, and has said so.
    pending: bool,
    /// Refusals in a row.
    refusals: u32,
}

impl Balancer {
    /// Whether it has come up.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// Time until a refused step is tried again; longer after every refusal.
    pub(super) fn pause(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.refusals.min(8)).unwrap_or(1);
        Duration::from_secs(5)
            .saturating_mul(factor)
            .min(LONGEST_PAUSE)
    }
}

/// Names and members of a load balancer that shall be.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) pool: &'a str,
    pub(super) port: u16,
    pub(super) member_port: u16,
    pub(super) members: Vec<Ipv4Addr>,
    pub(super) virtual_ip: Option<Ipv4Addr>,
    pub(super) claim: &'a str,
}

/// Runs `ask` with the request for `wanted` at the cluster's gateway.
pub(super) fn at_gateway<T>(
    cluster: &Cluster,
    wanted: Wanted<'_>,
    reach: &mut Reach<'_, '_>,
    ask: impl FnOnce(&mut Reach<'_, '_>, &LoadBalancerRequest<'_>) -> T,
) -> Option<T> {
    let gateway = reach.network.gateway_of_network(&cluster.home.network)?;
    let gateway = gateway.uuid.clone();
    let members = wanted.members.into_iter();
    let request = LoadBalancerRequest {
        gateway: &gateway,
        name: wanted.name,
        pool: wanted.pool,
        port: wanted.port,
        member_port: wanted.member_port,
        members: members.map(|ip| (ip, wanted.member_port)).collect(),
        virtual_ip: wanted.virtual_ip,
        vip_subnet: cluster.wanted.vip_range(),
        one_arm: cluster.wanted.one_arm.then_some(ONE_ARM),
        claim: wanted.claim,
        starter: &cluster.starter,
    };
    Some(ask(reach, &request))
}

/// What `vcdResourceSet` lists of a load balancer.
pub(super) fn resources(found: &LoadBalancer) -> Vec<Resource> {
    let mut list = Vec::new();
    if let Some(rule) = &found.dnat_rule {
        list.push(Resource::new("dnat-rule", &rule.id, &rule.name));
    }
    let service = &found.virtual_service;
    let mut service = Resource::new("virtual-service", &service.id, &service.name);
    service.virtual_ip = Some(found.external_ip.clone());
    list.push(service);
    list.push(Resource::new("lb-pool", &found.pool.id, &found.pool.name));
    if let Some(profile) = &found.port_profile {
        list.push(Resource::new(
            "app-port-profile",
            &profile.id,
            &profile.name,
        ));
    }
    list
}

fn name(cluster: &Cluster) -> String {
    format!("{}-{}-tcp", cluster.wanted.cluster, cluster.home.rde_id)
}

/// Addresses of the control-plane machines that stay.
fn members(cluster: &Cluster, infra: &Infra) -> Vec<Ipv4Addr> {
    let planes = cluster
        .nodes
        .iter()
        .filter(|node| node.control_plane && node.phase != NodePhase::Deleting);
    let vms = planes.filter_map(|node| infra.vms.get(node.vm.as_ref()?));
    vms.filter_map(Vm::ip).collect()
}

fn with_balancer<T>(
    cluster: &Cluster,
    reach: &mut Reach<'_, '_>,
    ask: impl FnOnce(&mut Reach<'_, '_>, &LoadBalancerRequest<'_>) -> T,
) -> Option<T> {
    let name = name(cluster);
    let host = cluster
        .endpoint
        .as_ref()
        .or(cluster.wanted.endpoint_host.as_ref());
    let claim = format!(
        "cluster-{}-id-{}",
        cluster.wanted.cluster, cluster.home.rde_id
    );
    let wanted = Wanted {
        name: &name,
        pool: &name,
        port: API_PORT,
        member_port: API_PORT,
        members: members(cluster, reach.infra),
        virtual_ip: host.and_then(|host| host.parse().ok()),
        claim: &claim,
    };
    at_gateway(cluster, wanted, reach, ask)
}

/// The next step towards the load balancer; true when it is up.
pub(super) fn balance(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) -> bool {
    let outcome = with_balancer(cluster, reach, |reach, request| {
        create_load_balancer(reach.ctx, reach.network, request)
    });
    let rde_id = cluster.home.rde_id.clone();
    let found = match outcome {
        Some(Ok(Progress::Done(found))) => found,
        Some(Ok(Progress::Started(_))) => return false,
        Some(Err(problem)) if problem.minor == "BUSY_ENTITY" => return false,
        Some(Err(problem)) => {
            let name = &cluster.wanted.cluster;
            let why = format!(
                "failed to create load balancer for the cluster [{name}({rde_id})]: [{}]",
                problem.message
            );
            cluster.error("LoadBalancerError", ("", ""), (&why, reach.ctx));
            cluster.balancer.refusals += 1;
            return false;
        }
        None => {
            let why = "failed to create gateway manager: the network has no edge gateway";
            let name = cluster.wanted.cluster.clone();
            cluster.error("VCDClusterError", ("", &name), (why, reach.ctx));
            cluster.balancer.refusals += 1;
            return false;
        }
    };
    cluster.balancer.refusals = 0;
    for resource in resources(&found) {
        cluster.desk.put(Component::Capvcd, Edit::Add(resource));
    }
    let service = found.virtual_service.id.clone();
    if !found.reported {
        if !std::mem::replace(&mut cluster.balancer.pending, true) {
            let why = format!(
                "Error creating load balancer: [virtual service [{}] is pending]",
                found.virtual_service.name
            );
            cluster.error("LoadBalancerPending", (&service, ""), (&why, reach.ctx));
        }
        return false;
    }
    cluster.endpoint = Some(found.external_ip);
    if !cluster.balancer.up {
        cluster.event("LoadBalancerAvailable", (&service, ""), reach.ctx);
        cluster.forgive("LoadBalancerPending", None);
        cluster.forgive("LoadBalancerError", None);
        cluster.forgive("VCDClusterError", None);
        cluster.balancer.up = true;
        cluster.nudged = true;
    }
    true
}

/// Brings the members of the pool to the machines there are.
pub(super) fn follow_members(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let outcome = with_balancer(cluster, reach, |reach, request| {
        update_members(reach.ctx, reach.network, request)
    });
    match outcome {
        Some(Err(problem)) if problem.minor != "BUSY_ENTITY" => {
            if cluster.balancer.refusals == 0 {
                let why = problem.message;
                cluster.error("LoadBalancerError", ("", ""), (&why, reach.ctx));
            }
            cluster.balancer.refusals += 1;
        }
        Some(Ok(_)) if cluster.balancer.refusals > 0 => {
            cluster.balancer.refusals = 0;
            cluster.forgive("LoadBalancerError", None);
        }
        Some(_) | None => {}
    }
}

/// Whether the VM's address is a member of the control plane's pool.
pub(super) fn is_member(cluster: &Cluster, vm: &Vm, reach: &Reach<'_, '_>) -> bool {
    let gateway = reach.network.gateway_of_network(&cluster.home.network);
    let name = name(cluster);
    let pool = gateway.and_then(|gateway| reach.network.pool_by_name(&gateway.uuid, &name));
    let address = vm.ip().map(|ip| ip.to_string());
    pool.is_some_and(|pool| {
        let mut members = pool.spec.members.iter();
        members.any(|member| Some(&member.ip_address) == address.as_ref())
    })
}

/// The vApp; true when machines can be built in it.
pub(super) fn vapp(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) -> bool {
    let known = cluster.vapp.clone();
    let known = known.filter(|vapp| reach.infra.vapps.contains_key(vapp));
    let Some(vapp) = known.or_else(|| find_vapp(cluster, reach.infra)) else {
        compose(cluster, reach);
        return false;
    };
    let found = reach.infra.vapps.get(&vapp);
    if found.is_some_and(|vapp| vapp.unresolved) {
        return false;
    }
    let urn = format!("urn:vcloud:vapp:{vapp}");
    if cluster.vapp.replace(vapp).is_none() {
        cluster.event("InfraVappAvailable", (&urn, ""), reach.ctx);
        cluster.forgive("VCDClusterVAppCreationError", None);
        cluster.nudged = true;
    }
    true
}

/// The vApp of the cluster's name that carries its mark.
fn find_vapp(cluster: &Cluster, infra: &Infra) -> Option<String> {
    let key = ("GENERAL".to_owned(), INFRA_ID.to_owned());
    let mut vapps = infra.vapps.values();
    let found = vapps.find(|vapp| {
        vapp.vdc == cluster.home.vdc
            && vapp.name == cluster.wanted.cluster
            && vapp
                .metadata
                .get(&key)
                .is_some_and(|value| value.value == cluster.home.rde_id)
    });
    found.map(|vapp| vapp.uuid.clone())
}

fn compose(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) {
    let Reach { ctx, infra, .. } = reach;
    let network = infra.networks.get(&cluster.home.network);
    let network = network.map(VappNetwork::bridged);
    let mark = MetadataValue::text(&cluster.home.rde_id);
    let starter = cluster.starter.clone();
    let name = cluster.wanted.cluster.clone();
    let vapp = Vapp {
        uuid: ctx.uuid(),
        description: format!("Description for [{name}]"),
        name: name.clone(),
        vdc: cluster.home.vdc.clone(),
        org_id: cluster.home.org_id.clone(),
        owner: starter.user(ctx.site),
        created: ctx.wall,
        unresolved: true,
        networks: network.into_iter().collect(),
        metadata: [(("GENERAL".to_owned(), INFRA_ID.to_owned()), mark)].into(),
        auto_nature: false,
        lease: Lease::default(),
        sharing: Sharing::default(),
        product: Vec::new(),
    };
    match infra.require_free_name(&vapp) {
        Ok(()) => {
            infra.compose((vapp, Vec::new()), &starter, ctx);
        }
        Err(problem) => {
            let why = problem.message;
            cluster.error("VCDClusterVAppCreationError", ("", &name), (&why, ctx));
        }
    }
}

/// The next step of taking the load balancer away; true when nothing of it is left.
pub(super) fn unbalance(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) -> bool {
    let outcome = with_balancer(cluster, reach, |reach, request| {
        delete_load_balancer(reach.ctx, reach.network, request)
    });
    match outcome {
        None | Some(Ok(Progress::Done(()))) => true,
        Some(Ok(Progress::Started(_))) => false,
        Some(Err(problem)) => {
            if problem.minor != "BUSY_ENTITY" {
                let name = name(cluster);
                let why = problem.message;
                cluster.error("LoadBalancerError", ("", &name), (&why, reach.ctx));
                cluster.balancer.refusals += 1;
            }
            false
        }
    }
}

/// The next step of taking the vApp away; true when the cluster has none any more.
pub(super) fn dissolve(cluster: &mut Cluster, reach: &mut Reach<'_, '_>) -> bool {
    let Some(uuid) = find_vapp(cluster, reach.infra) else {
        return true;
    };
    let Some(vapp) = reach.infra.vapps.get(&uuid).cloned() else {
        return true;
    };
    if reach.infra.require_vapp_free(&uuid).is_err() {
        return false;
    }
    let left = reach.infra.vms_of(&uuid).len();
    if left > 0 {
        let name = cluster.wanted.cluster.clone();
        let why = format!(
            "Error occurred during cluster deletion; {left} VMs detected in the vApp {name}"
        );
        cluster.error("VCDClusterVAppDeleteError", ("", &name), (&why, reach.ctx));
        cluster.balancer.refusals += 1;
        return false;
    }
    reach.infra.delete_vapp(&vapp, &cluster.starter, reach.ctx);
    false
}
