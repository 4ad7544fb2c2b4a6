//! How many machines there are of which version: growing, shrinking and rolling out, pool by pool.
//!
//! Invariants:
//! - The first control-plane node comes up alone; others and workers follow.
//! - The control plane changes by one machine at a time, and only while all its nodes are ready.
//! - A roll-out never has more machines than wanted plus surge, nor fewer ready ones than wanted less what
//!   may be unavailable. Only another version or another machine template rolls out.
//!
//! Source: Cluster API, `KubeadmControlPlane` and `MachineDeployment`.

use super::cluster::Cluster;
use super::manifest::Pool;
use super::nodes::{Node, NodePhase};
use crate::clock::Moment;
use crate::sim::context::Context;

/// Letters Kubernetes uses in generated names.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Adds and takes away machines until every pool is as wanted.
pub(super) fn reconcile(cluster: &mut Cluster, ctx: &mut Context<'_>) {
    let pools = cluster.wanted.pools.clone();
    let now = ctx.now;
    abandon(cluster, &pools);
    let plane_settled = pools
        .iter()
        .filter(|pool| pool.control_plane)
        .all(|pool| is_settled(pool, &cluster.nodes, now));
    for pool in &pools {
        let plan = if pool.control_plane {
            plan_control_plane(pool, &cluster.nodes, now)
        } else if cluster.initialized {
            let may_roll = plane_settled || ctx.settings.workers_upgrade_at_once;
            plan_workers(pool, &cluster.nodes, (may_roll, now))
        } else {
            Plan::default()
        };
        cluster.nudged |= plan != Plan::default();
        carry_out(&plan, pool, cluster, ctx);
    }
    cluster.settled = pools
        .iter()
        .all(|pool| is_settled(pool, &cluster.nodes, now))
        && cluster
            .nodes
            .iter()
            .all(|node| cluster.wanted.pool(&node.pool).is_some());
}

/// Machines of pools that are not wanted any more go.
fn abandon(cluster: &mut Cluster, pools: &[Pool]) {
    for node in &mut cluster.nodes {
        if !pools.iter().any(|pool| pool.name == node.pool) {
            node.phase = NodePhase::Deleting;
        }
    }
}

/// What is to be done in one pool now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plan {
    add: usize,
    /// Names of machines.
    delete: Vec<String>,
}

fn carry_out(plan: &Plan, pool: &Pool, cluster: &mut Cluster, ctx: &mut Context<'_>) {
    for node in &mut cluster.nodes {
        if plan.delete.contains(&node.name) {
            node.phase = NodePhase::Deleting;
        }
    }
    for _ in 0..plan.add {
        let name = fresh_name(pool, ctx.rng);
        cluster.nodes.push(Node::new(name, pool, ctx.now));
    }
}

/// `<pool>-<5>` in the control plane, `<pool>-<hash>-<5>` in a `MachineDeployment`.
fn fresh_name(pool: &Pool, rng: &mut fastrand::Rng) -> String {
    let letter = |_| rng.choice(SUFFIX).map_or('x', |byte| char::from(*byte));
    let suffix: String = (0..5).map(letter).collect();
    if pool.control_plane {
        return format!("{}-{suffix}", pool.name);
    }
    format!("{}-{}-{suffix}", pool.name, hash(pool))
}

/// What Cluster API names a `MachineSet` by: the same for machines made alike.
fn hash(pool: &Pool) -> String {
    let text = [&pool.version, &pool.machine_template].map(String::as_bytes);
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.into_iter().flatten() {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut letters = String::new();
    for _ in 0..10 {
        let place = usize::try_from(state % 27).unwrap_or_default();
        letters.push(SUFFIX.get(place).map_or('x', |byte| char::from(*byte)));
        state /= 27;
    }
    letters
}

fn is_outdated(node: &Node, pool: &Pool) -> bool {
    node.version != pool.version || node.machine_template != pool.machine_template
}

fn wanted(pool: &Pool) -> usize {
    usize::try_from(pool.replicas).unwrap_or(usize::MAX)
}

/// Whether a pool is as wanted, with nothing left to go.
pub(super) fn is_settled(pool: &Pool, nodes: &[Node], now: Moment) -> bool {
    let mine: Vec<&Node> = nodes.iter().filter(|node| node.pool == pool.name).collect();
    let right = |node: &&Node| node.is_ready(now) && !is_outdated(node, pool);
    mine.len() == wanted(pool) && mine.iter().all(right)
}

/// Machines of a pool that stay, oldest first.
fn staying<'a>(pool: &Pool, nodes: &'a [Node]) -> Vec<&'a Node> {
    let mine = nodes
        .iter()
        .filter(|node| node.pool == pool.name && node.phase != NodePhase::Deleting);
    mine.collect()
}

fn plan_control_plane(pool: &Pool, nodes: &[Node], now: Moment) -> Plan {
    let mine = staying(pool, nodes);
    let wanted = wanted(pool);
    let leaving = nodes.iter().any(|node| {
        node.pool == pool.name && node.phase == NodePhase::Deleting && node.vm.is_some()
    });
    let steady = !leaving && mine.iter().all(|node| node.is_ready(now));
    let outdated = mine.iter().find(|node| is_outdated(node, pool));
    let surge = usize::try_from(pool.max_surge).unwrap_or_default();
    let room = wanted + if outdated.is_some() { surge } else { 0 };
    let mut plan = Plan::default();
    if !steady {
        return plan;
    }
    if mine.len() < room && (mine.len() < wanted || outdated.is_some()) {
        plan.add = 1;
    } else if mine.len() > wanted || (outdated.is_some() && surge == 0 && mine.len() > 1) {
        let victim = outdated.or_else(|| mine.first());
        plan.delete = victim.map(|node| node.name.clone()).into_iter().collect();
    }
    plan
}

fn plan_workers(pool: &Pool, nodes: &[Node], (may_roll, now): (bool, Moment)) -> Plan {
    let mine = staying(pool, nodes);
    let wanted = wanted(pool);
    let old = |node: &&&Node| may_roll && is_outdated(node, pool);
    let outdated: Vec<&Node> = mine.iter().filter(old).copied().collect();
    let current: Vec<&Node> = mine.iter().filter(|node| !old(node)).copied().collect();
    let surge = usize::try_from(pool.max_surge).unwrap_or_default();
    let cap = wanted + if outdated.is_empty() { 0 } else { surge };
    let mut plan = Plan {
        add: wanted
            .saturating_sub(current.len())
            .min(cap.saturating_sub(mine.len())),
        delete: Vec::new(),
    };
    let floor = wanted.saturating_sub(usize::try_from(pool.max_unavailable).unwrap_or_default());
    let mut ready = mine.iter().filter(|node| node.is_ready(now)).count();
    // Old machines go as new ones come; those that are not ready at once.
    for node in &outdated {
        let counts = usize::from(node.is_ready(now));
        if counts == 0 || ready > floor {
            ready -= counts;
            plan.delete.push(node.name.clone());
        }
    }
    // Too many of the current version: the sick and the young first.
    let surplus = current.len().saturating_sub(wanted);
    let mut by_worth = current.clone();
    by_worth.reverse();
    by_worth.sort_by_key(|node| node.is_ready(now));
    let surplus = by_worth.into_iter().take(surplus);
    plan.delete.extend(surplus.map(|node| node.name.clone()));
    plan
}
