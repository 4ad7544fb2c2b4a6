//! Every reason why a creation cannot work, before anything is made.
//!
//! Flow: `controller::preflight` looks everything up with the tenant's token and fills [`Facts`];
//! [`check`] compares them with what the cluster asks for and names every [`PreflightProblem`] at once.
//!
//! Invariants:
//! - What could not be looked up is no problem: a missing right to look never refuses a cluster that
//!   could be created without it.
//! - Problems are few ([`MAX_PROBLEMS`]) and their texts short, whatever the tenant wrote.
//! - The same facts give the same problems in the same order.
//!
//! What follows: the attempt ends with an error for each problem, and nothing was made. With auto-repair the
//! next attempt looks again, after its pause, if waiting can heal all of them; otherwise, and without
//! auto-repair, the creation has failed.
//!
//! Not here: what is wrong with the request itself (`domain::cluster`), when to look (`controller`).

mod account;
mod capacity;
mod machines;
mod names;
mod network;
mod note;
mod problem;
mod words;

use crate::domain::cluster::{ClusterSpec, Kind, MachineTemplate, PoolSize, name_of, text_at};
use crate::domain::ids::EntityId;
use crate::domain::site::{
    Account, GatewayOffer, NetworkOffer, PolicyOffer, StorageOffer, TemplateOffer, VdcLimits,
};

pub use names::{Namesake, Standing};
pub use note::PreflightNote;
pub use problem::PreflightProblem;
pub use words::{Quoted, Resource};

/// Most problems told at once; what is beyond is counted.
pub const MAX_PROBLEMS: usize = 12;

/// What came of looking for one thing by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It could not be looked up.
    Unknown,
    /// It is not there, or not visible.
    Absent,
    /// What it is.
    Found(T),
}

/// The entity and who owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityFacts {
    /// The cluster.
    pub id: EntityId,
    /// Name of its organization.
    pub org: Option<String>,
    /// URN of its owner.
    pub owner: Option<String>,
}

/// What the server's configuration says about creations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupFacts {
    /// Sizing policy of the bootstrap VM; empty for none.
    pub sizing_policy: String,
    /// Release of Cluster API.
    pub cluster_api: String,
}

/// The VDC that the cluster is to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VdcFacts {
    /// Whether anything can be created in it.
    pub enabled: bool,
    /// Its limits.
    pub limits: VdcLimits,
    /// VMs in it, where it matters.
    pub vms: Option<u64>,
    /// Whether its disks are copied fast, which fixes their size; where it matters.
    pub fast_provisioning: Option<bool>,
}

/// Everything that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The entity.
    pub entity: EntityFacts,
    /// The server's configuration.
    pub setup: SetupFacts,
    /// Whose token it is.
    pub account: Option<Account>,
    /// The VDC.
    pub vdc: VdcFacts,
    /// The network.
    pub network: Lookup<NetworkOffer>,
    /// The edge gateway behind it.
    pub gateway: Option<GatewayOffer>,
    /// The templates asked for; those that were not looked up are absent here.
    pub templates: Vec<TemplateOffer>,
    /// The compute policies of the VDC.
    pub policies: Option<Vec<PolicyOffer>>,
    /// The sizing policy of the bootstrap VM.
    pub bootstrap_policy: Lookup<()>,
    /// The storage profiles of the VDC.
    pub storage: Vec<StorageOffer>,
    /// Other clusters of this name in the organization.
    pub namesakes: Vec<Namesake>,
    /// vApps of other owners that have a name which the cluster needs.
    pub foreign_vapps: Vec<String>,
}

/// What the facts say about the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Why it cannot work.
    pub problems: Vec<PreflightProblem>,
    /// What is unusual and may work all the same.
    pub notes: Vec<PreflightNote>,
}

/// Compares the whole request with the facts.
pub fn check(spec: &ClusterSpec, facts: &Facts) -> Findings {
    let groups = groups(spec);
    let mut found = Findings::default();
    let problems = &mut found.problems;
    account::check(spec, facts, problems);
    names::check(spec, facts, problems);
    network::check(spec, facts, &groups, problems);
    machines::check(spec, facts, &groups, &mut found);
    capacity::check(spec, facts, &groups, &mut found.problems);
    bound(&mut found.problems);
    found
}

/// Compares only what the bootstrap VM needs at every step; for a creation that has begun.
pub fn check_targets(spec: &ClusterSpec, facts: &Facts) -> Findings {
    let mut found = Findings::default();
    network::check_visible(spec, facts, &mut found.problems);
    let control_plane: Vec<Group<'_>> = groups(spec).into_iter().take(1).collect();
    machines::check_templates(facts, &control_plane, &mut found.problems);
    machines::check_bootstrap_policy(spec, facts, &mut found.problems);
    found
}

/// Each problem once, and not too many of them.
fn bound(problems: &mut Vec<PreflightProblem>) {
    let mut seen: Vec<PreflightProblem> = Vec::new();
    problems.retain(|problem| {
        let new = !seen.contains(problem);
        if new {
            seen.push(problem.clone());
        }
        new
    });
    let beyond = problems.len().saturating_sub(MAX_PROBLEMS);
    if beyond > 0 {
        // One place is taken by the problem that counts the others.
        problems.truncate(MAX_PROBLEMS.saturating_sub(1));
        let count = beyond.saturating_add(1);
        problems.push(PreflightProblem::More { count });
    }
}

/// Equal machines: the control plane, or one worker pool.
struct Group<'a> {
    /// As a problem calls it.
    label: String,
    /// How many machines are made at first.
    count: u64,
    /// What they are made from.
    template: &'a MachineTemplate,
    /// The Kubernetes version asked for.
    version: Option<&'a str>,
}

/// The control plane, then the worker pools in their order.
fn groups(spec: &ClusterSpec) -> Vec<Group<'_>> {
    let control_plane = Group {
        label: "the control plane".to_owned(),
        count: u64::from(spec.control_plane_count),
        template: &spec.control_plane,
        version: Some(&spec.kubernetes_version),
    };
    let pools = spec.pools.iter().map(|pool| Group {
        label: format!("worker pool {}", Quoted::of(&pool.name)),
        count: match pool.size {
            PoolSize::Fixed(count) => u64::from(count),
            PoolSize::Autoscaled { min, .. } => u64::from(min),
        },
        template: &pool.template,
        version: pool_version(spec, &pool.name),
    });
    std::iter::once(control_plane).chain(pools).collect()
}

fn pool_version<'a>(spec: &'a ClusterSpec, pool: &str) -> Option<&'a str> {
    let mut deployments = spec.documents.of(Kind::MachineDeployment);
    let deployment = deployments.find(|document| name_of(document) == pool)?;
    text_at(deployment, &["spec", "template", "spec", "version"])
}

/// Machines of the cluster and the bootstrap VM.
fn machine_count(groups: &[Group<'_>]) -> u64 {
    groups
        .iter()
        .fold(1, |sum: u64, group| sum.saturating_add(group.count))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
