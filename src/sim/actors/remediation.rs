//! Lost nodes: what a `MachineHealthCheck` gives up, so that `pools` makes new ones.
//!
//! Invariants:
//! - Without a health check nothing is replaced, however long it is gone.
//! - A control-plane machine is given up only if etcd keeps its quorum without it, one at a time; a single
//!   one never is.
//!
//! Source: Cluster API, `MachineHealthCheck` and `KubeadmControlPlane` remediation; CAPVCD's events.

use super::cluster::Cluster;
use super::health::Vital;
use super::nodes::{GRACE, Node, NodePhase};
use crate::clock::Moment;
use crate::sim::context::Context;

/// Marks machines to be replaced.
pub(super) fn remediate(cluster: &mut Cluster, ctx: &Context<'_>) {
    let Some(check) = cluster.wanted.health_check.clone() else {
        return;
    };
    let now = ctx.now;
    let watched: Vec<&Node> = cluster
        .nodes
        .iter()
        .filter(|node| node.phase != NodePhase::Deleting)
        .collect();
    let unhealthy: Vec<Node> = watched
        .iter()
        .filter(|node| check.is_unhealthy(vital(node, now)))
        .map(|node| (*node).clone())
        .collect();
    if unhealthy.is_empty() || !check.permits(unhealthy.len(), watched.len()) {
        return;
    }
    for node in unhealthy {
        if node.control_plane && !may_lose(&node, cluster, now) {
            continue;
        }
        let resource = ("", node.name.as_str());
        cluster.event("VcdMachineHealthCheckFailedEvent", resource, ctx);
        cluster.event("VcdMachineNodeUnhealthy", resource, ctx);
        cluster.nudged = true;
        let mut nodes = cluster.nodes.iter_mut();
        if let Some(found) = nodes.find(|one| one.name == node.name) {
            found.phase = NodePhase::Deleting;
        }
    }
}

fn vital(node: &Node, now: Moment) -> Vital {
    match (node.phase, node.silent) {
        _ if node.gone => Vital::Gone,
        (NodePhase::Running, None) | (NodePhase::Deleting, _) => Vital::Ready,
        (NodePhase::Running, Some(since)) => match now.since(since).checked_sub(GRACE) {
            Some(unknown) => Vital::Unknown(unknown),
            None => Vital::Ready,
        },
        (
            NodePhase::Pending
            | NodePhase::Provisioning
            | NodePhase::Booting { .. }
            | NodePhase::Provisioned,
            _,
        ) => Vital::Starting(now.since(node.created)),
    }
}

/// Whether the control plane can do without this machine.
fn may_lose(node: &Node, cluster: &Cluster, now: Moment) -> bool {
    let planes = || cluster.nodes.iter().filter(|one| one.control_plane);
    let total = planes().count();
    let busy = planes().any(|one| one.phase == NodePhase::Deleting);
    if !cluster.initialized || total < 2 || busy {
        return false;
    }
    let others = planes().filter(|one| one.name != node.name);
    let healthy = others.filter(|one| one.is_ready(now)).count();
    let quorum = (total - 1) / 2 + 1;
    healthy >= quorum
}
