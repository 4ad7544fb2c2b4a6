//! One cluster as its controllers know it.
//!
//! Invariants:
//! - Everything here lives inside the cluster: it is neither restored nor lost with the entity.
//! - Names of nodes are never used twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cpi::{Port, Service};
use super::csi::Volume;
use super::deletion::Deletion;
use super::home::Home;
use super::infrastructure::Balancer;
use super::manifest::Manifest;
use super::nodes::Node;
use super::projector::Projector;
use super::report::Desk;
use super::sections::{Component, Edit, Entry};
use crate::clock::Moment;
use crate::sim::context::Context;
use crate::sim::tasks::Starter;

/// State of the controllers of one cluster, and of what they look after.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is true for a reason of its own"
)]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cluster {
    /// Newest appointment of the controllers.
    pub(super) ticket: u64,
    /// Bare UUID of the bootstrap VM.
    pub(super) host: String,
    pub(super) self_managed: bool,
    pub(super) home: Home,
    pub(super) wanted: Manifest,
    pub(super) starter: Starter,
    /// Address of the API server, once one is chosen.
    pub(super) endpoint: Option<String>,
    pub(super) balancer: Balancer,
    /// Bare UUID.
    pub(super) vapp: Option<String>,
    pub(super) nodes: Vec<Node>,
    /// The first control-plane node has come up.
    pub(super) initialized: bool,
    /// Every node that is wanted is there, and no other.
    pub(super) settled: bool,
    /// `kubectl delete cluster` where the controllers run.
    #[serde(default)]
    pub(super) deletion: Deletion,
    /// What is to be written into the entity.
    pub(super) desk: Desk,
    /// Something happened that makes CAPVCD look at its whole status now.
    pub(super) nudged: bool,
    /// When it does so anyway.
    pub(super) sync_due: Moment,
    pub(super) projector: Projector,
    /// CPI and CSI have started, and have a section of their own.
    pub(super) components_up: bool,
    /// By namespace and name.
    #[serde(with = "crate::sim::state::pairs")]
    pub(super) services: BTreeMap<(String, String), Service>,
    /// By name.
    pub(super) volumes: BTreeMap<String, Volume>,
    /// When its control plane went up the first time, as Kubernetes writes dates.
    pub(super) sets_applied: Option<String>,
}

impl Cluster {
    /// A cluster of which nothing exists yet.
    pub(super) fn new(host: &str, (home, wanted): (Home, Manifest), starter: Starter) -> Self {
        Self {
            ticket: 0,
            host: host.to_owned(),
            self_managed: false,
            home,
            wanted,
            starter,
            endpoint: None,
            balancer: Balancer::default(),
            vapp: None,
            nodes: Vec::new(),
            initialized: false,
            settled: false,
            deletion: Deletion::default(),
            desk: Desk::default(),
            nudged: true,
            sync_due: Moment::default(),
            projector: Projector::default(),
            components_up: false,
            services: BTreeMap::new(),
            volumes: BTreeMap::new(),
            sets_applied: None,
        }
    }

    /// Whether the control plane has come up.
    pub(crate) fn is_initialized(&self) -> bool {
        self.initialized
    }

    /// Whether all nodes are there.
    pub(crate) fn is_complete(&self) -> bool {
        self.initialized && self.settled
    }

    /// The controllers leave the bootstrap VM for the cluster's own machines, where each object is new to
    /// them.
    pub(crate) fn move_into_itself(&mut self) {
        self.self_managed = true;
        self.nudged = true;
    }

    /// Whether that is its name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.wanted.cluster == name
    }

    /// A Service of type `LoadBalancer` with `(port, node port)`s; false when it is there already.
    pub(crate) fn add_service(&mut self, key: (&str, &str), ports: &[(u16, u16)]) -> bool {
        let key = (key.0.to_owned(), key.1.to_owned());
        if self.services.contains_key(&key) {
            return false;
        }
        let ports = ports.iter().map(|&(port, node_port)| Port {
            name: if ports.len() == 1 {
                String::new()
            } else {
                format!("port-{port}")
            },
            number: port,
            on_nodes: node_port,
        });
        self.services.insert(key, Service::new(ports.collect()));
        true
    }

    /// False when there is no such Service.
    pub(crate) fn delete_service(&mut self, key: (&str, &str)) -> bool {
        let found = self.services.get_mut(&(key.0.to_owned(), key.1.to_owned()));
        found.map(|service| service.deleting = true).is_some()
    }

    /// A persistent volume; false when it is there already.
    pub(crate) fn add_volume(&mut self, name: &str, size_mib: u64, retain: bool) -> bool {
        if self.volumes.contains_key(name) {
            return false;
        }
        let volume = Volume::new(size_mib, retain);
        self.volumes.insert(name.to_owned(), volume);
        true
    }

    /// False when there is no such volume.
    pub(crate) fn delete_volume(&mut self, name: &str) -> bool {
        let found = self.volumes.get_mut(name);
        found.map(|volume| volume.deleting = true).is_some()
    }

    /// Its `Cluster` object is deleted.
    pub(crate) fn delete(&mut self) {
        self.deletion = Deletion::Ordered;
    }

    /// The kubelet of the node on the VM `vm` (bare UUID) ends; false when there is no such node.
    pub(crate) fn end_kubelet(&mut self, vm: &str) -> bool {
        let mut nodes = self.nodes.iter_mut();
        let found = nodes.find(|node| node.vm.as_deref() == Some(vm));
        found.map(|node| node.failed = true).is_some()
    }

    /// An event of CAPVCD, about the resource `(id, name)`; either may be empty.
    pub(super) fn event(&mut self, name: &str, resource: (&str, &str), ctx: &Context<'_>) {
        if !(ctx.settings.controllers_skip_events && self.is_ready_infrastructure()) {
            let entry = Entry::new(name, resource, ctx.wall);
            self.desk.put(Component::Capvcd, Edit::Event(entry));
        }
    }

    /// An error of CAPVCD: it stays until [`Cluster::forgive`].
    pub(super) fn error(
        &mut self,
        name: &str,
        resource: (&str, &str),
        (why, ctx): (&str, &Context<'_>),
    ) {
        let entry = Entry::new(name, resource, ctx.wall).saying("error", why);
        self.desk.put(Component::Capvcd, Edit::Error(entry));
    }

    /// Removes CAPVCD's errors of that name; of one resource only where it is named.
    pub(super) fn forgive(&mut self, name: &str, resource: Option<&str>) {
        let edit = Edit::Forgive {
            name: name.to_owned(),
            resource: resource.map(str::to_owned),
        };
        self.desk.put(Component::Capvcd, edit);
    }

    /// Whether `Cluster.status.phase` is `Provisioned`: its load balancer is there, its nodes need not be.
    pub(super) fn is_ready_infrastructure(&self) -> bool {
        self.balancer.is_up()
    }
}
