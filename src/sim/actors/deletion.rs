//! `kubectl delete cluster` where the controllers run: CAPVCD takes its cluster apart.
//!
//! Flow: worker machines, then the control plane's -> load balancer -> vApp -> the entity is resolved and
//! deleted.
//!
//! Invariants:
//! - Step by step, by what is still there: what is missing is done.
//! - A cluster that manages itself cannot delete itself: its controllers end with its control plane, and
//!   load balancer, vApp and entity stay behind.
//! - A vApp that is not marked as the cluster's own, or that somebody else has put machines in, stays; so
//!   do Services and volumes, which are no part of a `Cluster`.
//!
//! Source: CAPVCD, `reconcileDelete` of `VCDMachine` and `VCDCluster`.

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::nodes::{NodePhase, Reach};
use super::{csi, infrastructure, nodes, report};
use crate::sim::entities::Entities;

/// Whether the `Cluster` object is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deletion {
    #[default]
    Unasked,
    Ordered,
    Done,
}

/// The next step; at the end nothing is left to look at.
pub(super) fn step(cluster: &mut Cluster, reach: &mut Reach<'_, '_>, entities: &mut Entities) {
    let workers = cluster.nodes.iter().any(|node| !node.control_plane);
    for node in &mut cluster.nodes {
        if !(node.control_plane && workers) {
            node.phase = NodePhase::Deleting;
        }
    }
    nodes::advance_all(cluster, reach);
    infrastructure::follow_members(cluster, reach);
    csi::step(cluster, reach);
    if cluster.nodes.is_empty()
        && infrastructure::unbalance(cluster, reach)
        && infrastructure::dissolve(cluster, reach)
    {
        let rde_id = cluster.home.rde_id.clone();
        entities.resolve(&rde_id, reach.ctx);
        entities.delete(&rde_id, reach.ctx);
        cluster.deletion = Deletion::Done;
    }
    report::begin(cluster, reach.ctx, entities);
}
