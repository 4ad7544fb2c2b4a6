//! Levers inside running clusters: what their tenants do there, and what befalls their nodes.
//!
//! Flow: a lever finds the cluster by name or URN, changes what its API server holds, and wakes the controllers.
//!
//! Invariants:
//! - A cluster whose control plane has never come up has no API server to ask: every lever is refused.
//!
//! Not here: how services and volumes come to be (`actors`).

use jiff::Timestamp;

use super::actors::capvcd;
use super::actors::cluster::Cluster;
use super::levers::LeverError;
use super::world::World;
use crate::clock::Moment;

/// Ports of nodes that Kubernetes gives to services.
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;
/// Longest name of an object in Kubernetes that ends up in DNS.
const MAX_NAME_CHARS: usize = 63;

/// Both clocks.
type At = (Moment, Timestamp);

impl World {
    /// Makes a Service of type `LoadBalancer` in a running cluster, with one port per number in `ports`; a
    /// single port has no name, others are named `port-<number>`.
    ///
    /// # Errors
    /// [`LeverError`]: there is no such cluster or it is not up; the name is none, or the Service is there
    /// already; there are no ports, or one of them is 0 or named twice.
    pub fn create_load_balancer_service(
        &mut self,
        cluster: &str,
        (namespace, name): (&str, &str),
        ports: &[u16],
        at: At,
    ) -> Result<(), LeverError> {
        let id = self.up(cluster)?;
        require_name("namespace", namespace)?;
        require_name("service", name)?;
        let mut sorted = ports.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != ports.len() || ports.is_empty() || ports.contains(&0) {
            let what = "one or more numbers from 1 to 65535, each once";
            return Err(LeverError::invalid("ports", what));
        }
        let ports: Vec<(u16, u16)> = ports
            .iter()
            .map(|port| (*port, self.rng.u16(NODE_PORTS)))
            .collect();
        self.inside(&id, at, |cluster| {
            if cluster.add_service((namespace, name), &ports) {
                Ok(())
            } else {
                Err(LeverError::invalid("service", "it is there already"))
            }
        })
    }

    /// Deletes a Service of a running cluster; its load balancer goes some time later.
    ///
    /// # Errors
    /// [`LeverError`]: there is no such cluster or Service, or the cluster is not up.
    pub fn delete_load_balancer_service(
        &mut self,
        cluster: &str,
        (namespace, name): (&str, &str),
        at: At,
    ) -> Result<(), LeverError> {
        let id = self.up(cluster)?;
        self.inside(&id, at, |cluster| {
            if cluster.delete_service((namespace, name)) {
                Ok(())
            } else {
                Err(LeverError::unknown("service", name))
            }
        })
    }

    /// Claims a persistent volume of `size_mib` mebibytes in a running cluster. With `retain` its disk stays when
    /// it is deleted.
    ///
    /// # Errors
    /// [`LeverError`]: there is no such cluster or it is not up; the name is none or is taken; the size is 0.
    pub fn create_volume(
        &mut self,
        cluster: &str,
        name: &str,
        (size_mib, retain): (u64, bool),
        at: At,
    ) -> Result<(), LeverError> {
        let id = self.up(cluster)?;
        require_name("volume", name)?;
        if size_mib == 0 {
            return Err(LeverError::invalid("size_mib", "it is 0"));
        }
        self.inside(&id, at, |cluster| {
            if cluster.add_volume(name, size_mib, retain) {
                Ok(())
            } else {
                Err(LeverError::invalid("volume", "it is there already"))
            }
        })
    }

    /// Deletes a persistent volume of a running cluster: its disk is detached, then deleted unless retained.
    ///
    /// # Errors
    /// [`LeverError`]: there is no such cluster or volume, or the cluster is not up.
    pub fn delete_volume(&mut self, cluster: &str, name: &str, at: At) -> Result<(), LeverError> {
        let id = self.up(cluster)?;
        self.inside(&id, at, |cluster| {
            if cluster.delete_volume(name) {
                Ok(())
            } else {
                Err(LeverError::unknown("volume", name))
            }
        })
    }

    /// Deletes the `Cluster` object where its controllers run, as `kubectl delete cluster` does: they take
    /// machines, load balancer, vApp and entity away, as far as they live long enough.
    ///
    /// # Errors
    /// [`LeverError`]: there is no such cluster or it is not up.
    pub fn delete_cluster_inside(&mut self, cluster: &str, at: At) -> Result<(), LeverError> {
        let id = self.up(cluster)?;
        self.inside(&id, at, |cluster| {
            cluster.delete();
            Ok(())
        })
    }

    /// Ends the kubelet of the node that is the VM `vm` (bare UUID) of the cluster `id`; the VM goes on.
    pub(crate) fn end_kubelet(&mut self, id: &str, vm: &str, at: At) -> Result<(), LeverError> {
        self.inside(id, at, |cluster| {
            if cluster.end_kubelet(vm) {
                Ok(())
            } else {
                Err(LeverError::invalid(
                    "node",
                    "the VM is no node of the cluster",
                ))
            }
        })
    }

    /// URN of the running cluster of that name or URN.
    fn up(&self, cluster: &str) -> Result<String, LeverError> {
        let found = self.infra.actors.find(cluster);
        let (id, up) = found.ok_or_else(|| LeverError::unknown("running cluster", cluster))?;
        if !up {
            let what = "its control plane has not come up";
            return Err(LeverError::invalid("cluster", what));
        }
        Ok(id.to_owned())
    }

    /// Lets `change` have its way with the cluster, whose controllers look at once.
    fn inside(
        &mut self,
        id: &str,
        at: At,
        change: impl FnOnce(&mut Cluster) -> Result<(), LeverError>,
    ) -> Result<(), LeverError> {
        let (mut ctx, areas) = self.split(at.0, at.1);
        let found = areas.infra.actors.cluster_mut(id);
        change(found.ok_or_else(|| LeverError::unknown("running cluster", id))?)?;
        capvcd::wake(id, &mut ctx, areas.infra);
        Ok(())
    }
}

fn require_name(field: &str, name: &str) -> Result<(), LeverError> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c == '-' || edge(Some(c));
    let fits = name.len() <= MAX_NAME_CHARS && name.chars().all(inner);
    if fits && edge(name.chars().next()) && edge(name.chars().next_back()) {
        return Ok(());
    }
    let what = format!("{name:?} is no name in Kubernetes (letters a to z, digits, hyphens)");
    Err(LeverError::invalid(field, &what))
}
