//! Pools that grow, shrink, come, go, or lose nodes.
//!
//! Every pool has a story of its own in the events, told by its name: asked for, progress, ready;
//! degraded, recovered. The newest line of the story says what was told last.

use super::{Ages, Facts, Findings, Note};
use crate::domain::cluster::{ClusterSpec, Kind, PoolSize, name_of};
use crate::domain::edit::RunningPool;

const ADD_REQUESTED: &str = "NodePoolAdditionRequested";
const RESIZE_REQUESTED: &str = "NodePoolResizeRequested";
const PROGRESS: &str = "NodePoolChanging";
const READY: &str = "NodePoolReady";
const DEGRADED: &str = "NodePoolDegraded";
const RECOVERED: &str = "NodePoolRecovered";
const REMOVAL_REQUESTED: &str = "NodePoolRemovalRequested";
const REMOVED: &str = "NodePoolRemoved";
/// Every line a pool's story can have.
const STORY: [&str; 8] = [
    ADD_REQUESTED,
    RESIZE_REQUESTED,
    PROGRESS,
    READY,
    DEGRADED,
    RECOVERED,
    REMOVAL_REQUESTED,
    REMOVED,
];
/// Most failed nodes that an event names.
const MOST_NAMED: usize = 5;
/// Most pools whose stories are told: the events are a window, and a story pushed out of it would be
/// told again for ever.
const MOST_STORIES: usize = 8;

/// Name of the control plane's document, under which CAPVCD reports it too.
pub(super) fn control_plane_name(spec: &ClusterSpec) -> &str {
    let mut documents = spec.documents.of(Kind::KubeadmControlPlane);
    documents.next().map(name_of).unwrap_or_default()
}

/// A pool that is asked for, beside what runs of it.
struct Pool<'a> {
    name: &'a str,
    is_control_plane: bool,
    /// `None` when the autoscaler chooses.
    target: Option<u32>,
    running: Option<&'a RunningPool>,
}

fn asked_for<'a>(facts: &'a Facts, spec: &'a ClusterSpec) -> Vec<Pool<'a>> {
    let plane = control_plane_name(spec);
    let control_plane = Pool {
        name: plane,
        is_control_plane: true,
        target: Some(spec.control_plane_count),
        running: facts.running.pool(plane),
    };
    let workers = spec.pools.iter().map(|pool| Pool {
        name: &pool.name,
        is_control_plane: false,
        target: match pool.size {
            PoolSize::Fixed(count) => Some(count),
            PoolSize::Autoscaled { .. } => None,
        },
        running: facts.running.pool(&pool.name),
    });
    std::iter::once(control_plane).chain(workers).collect()
}

/// Whether every pool has the nodes it is to have, and no others.
pub(super) fn all_complete(facts: &Facts, spec: &ClusterSpec) -> bool {
    let pools = asked_for(facts, spec);
    pools.iter().all(|pool| match pool.running {
        Some(running) if pool.target.is_none_or(|target| target == running.desired) => {
            is_complete(running)
        }
        Some(_) | None => false,
    })
}

/// How many nodes of every pool are ready, in words.
pub(super) fn counts(facts: &Facts, spec: &ClusterSpec) -> String {
    let pools = asked_for(facts, spec);
    let count = |pool: &Pool<'_>| {
        let running = pool.running?;
        let leaving = running.nodes.as_ref().map_or(0, |nodes| {
            nodes
                .len()
                .saturating_sub(usize::try_from(running.desired).unwrap_or(usize::MAX))
        });
        let more = if leaving > 0 {
            format!(" ({leaving} being replaced)")
        } else {
            String::new()
        };
        Some(format!(
            "{} {} of {} nodes ready{more}",
            pool.label(),
            running.available,
            running.desired
        ))
    };
    let counts: Vec<String> = pools.iter().filter_map(count).collect();
    counts.join(", ")
}

/// Finds out about every pool; while an upgrade replaces nodes, missing ones are its doing.
pub(super) fn find(
    facts: &Facts,
    (spec, upgrading): (&ClusterSpec, bool),
    ages: &Ages<'_>,
    findings: &mut Findings,
) {
    let pools = asked_for(facts, spec);
    for (number, pool) in pools.iter().enumerate() {
        let before = findings.events.len();
        match pool.running {
            None if pool.is_control_plane => {}
            None => pool.change(facts, ages, findings),
            Some(running) if pool.target.is_some_and(|target| target != running.desired) => {
                pool.change(facts, ages, findings);
            }
            Some(running) => pool.look(running, (facts, upgrading), ages, findings),
        }
        if number >= MOST_STORIES {
            findings.events.truncate(before);
        }
    }
    let is_asked_for = |name: &str| pools.iter().any(|pool| pool.name == name);
    let left = facts.running.pools.iter();
    let left = left.filter(|running| !is_asked_for(&running.name));
    for running in left.take(MOST_STORIES) {
        leave(running, facts, findings);
    }
    for name in facts.told.subjects(REMOVAL_REQUESTED) {
        let newest = facts.told.newest(&STORY, name).map(|(name, _)| name);
        let is_gone = facts.running.pool(name).is_none() && !is_asked_for(name);
        if is_gone && newest == Some(REMOVAL_REQUESTED) {
            let detail = format!("Worker pool \"{name}\" and its nodes are gone.");
            findings.events.push(Note::new(REMOVED, name, &detail));
        }
    }
}

/// A pool that runs and that nobody asks for any more.
fn leave(running: &RunningPool, facts: &Facts, findings: &mut Findings) {
    let has_nodes = running.desired > 0
        || running.available > 0
        || running
            .nodes
            .as_ref()
            .is_some_and(|nodes| !nodes.is_empty());
    if !has_nodes {
        return;
    }
    let name = &running.name;
    let newest = facts.told.newest(&STORY, name).map(|(name, _)| name);
    if newest != Some(REMOVAL_REQUESTED) {
        let detail = format!(
            "Worker pool \"{name}\" is not in spec.capiYaml any more. If its nodes stay, put its documents \
             back and set it to 0 nodes."
        );
        findings
            .events
            .push(Note::new(REMOVAL_REQUESTED, name, &detail));
    }
    findings.unapplied = true;
    findings.under_way.push(format!(
        "worker pool \"{name}\": to be removed, {} nodes are left",
        running.available
    ));
}

/// What Cluster API says about the nodes of a pool.
#[derive(Debug, Default)]
struct Health {
    failed: Vec<String>,
    /// Up, but not ready.
    unready: usize,
}

fn health(running: &RunningPool) -> Option<Health> {
    let nodes = running.nodes.as_ref()?;
    let up = nodes.values().filter(|phase| *phase == "Running").count();
    let failed = nodes.iter().filter(|(_, phase)| *phase == "Failed");
    Some(Health {
        failed: failed.map(|(name, _)| name.clone()).collect(),
        unready: up.saturating_sub(usize::try_from(running.available).unwrap_or(usize::MAX)),
    })
}

/// Exactly the nodes that are desired, all of them ready.
fn is_complete(running: &RunningPool) -> bool {
    let desired = usize::try_from(running.desired).unwrap_or(usize::MAX);
    let has_no_other = running.nodes.as_ref().is_none_or(|nodes| {
        nodes.len() == desired && nodes.values().all(|phase| phase == "Running")
    });
    running.available == running.desired && has_no_other
}

impl Pool<'_> {
    fn label(&self) -> String {
        if self.is_control_plane {
            "control plane".to_owned()
        } else {
            format!("worker pool \"{}\"", self.name)
        }
    }

    /// The event that announces the change, as it is written and recognised.
    fn request(&self, target: u32) -> Note {
        if self.running.is_none() {
            return self.addition(target);
        }
        let detail = format!("{target} nodes are asked for in the {}.", self.label());
        Note::new(RESIZE_REQUESTED, self.name, &detail)
    }

    fn addition(&self, target: u32) -> Note {
        let detail = format!("A new {} with {target} nodes is asked for.", self.label());
        Note::new(ADD_REQUESTED, self.name, &detail)
    }

    /// A change is under way: announce it, and tell of its progress now and then.
    fn change(&self, facts: &Facts, ages: &Ages<'_>, findings: &mut Findings) {
        let target = self.target.or(self.running.map(|running| running.desired));
        let target = target.unwrap_or(0);
        let available = self.running.map_or(0, |running| running.available);
        let text = format!(
            "{}: {available} nodes are ready of {target} asked for",
            self.label()
        );
        findings.unapplied |= self.running.is_none_or(|running| running.desired != target);
        if self.is_announced(facts, target) {
            let progress = Note::new(PROGRESS, self.name, &format!("{}.", capital(&text)));
            let newest = facts.told.newest(&STORY, self.name);
            let is_news = newest.is_none_or(|(_, told)| told != progress.detail);
            if ages.may_report && is_news && available > 0 {
                findings.events.push(progress);
            }
        } else {
            findings.events.push(self.request(target));
        }
        findings.under_way.push(text);
    }

    /// Whether the newest line of the pool's story is about this very change.
    fn is_announced(&self, facts: &Facts, target: u32) -> bool {
        match facts.told.newest(&STORY, self.name) {
            Some((ADD_REQUESTED | RESIZE_REQUESTED, told)) => {
                told == self.request(target).detail || told == self.addition(target).detail
            }
            Some((PROGRESS, told)) => told.ends_with(&format!(" of {target} asked for.")),
            Some(_) | None => false,
        }
    }

    /// Whether the pool was last told to be complete with another number of nodes.
    fn was_told_otherwise(&self, facts: &Facts, all: &str) -> bool {
        let newest = facts.told.newest(&STORY, self.name);
        matches!(newest, Some((READY | RECOVERED, told)) if told != all)
    }

    fn is_changing(&self, facts: &Facts) -> bool {
        let newest = facts.told.newest(&STORY, self.name).map(|(name, _)| name);
        matches!(newest, Some(ADD_REQUESTED | RESIZE_REQUESTED | PROGRESS))
    }

    /// The cluster knows what is asked for; are the nodes there?
    fn look(
        &self,
        running: &RunningPool,
        (facts, upgrading): (&Facts, bool),
        ages: &Ages<'_>,
        findings: &mut Findings,
    ) {
        let is_changing = self.is_changing(facts);
        let newest = facts.told.newest(&STORY, self.name).map(|(name, _)| name);
        let is_degraded = newest == Some(DEGRADED);
        let label = capital(&self.label());
        let all = format!("{label}: all {} nodes are ready.", running.desired);
        if is_complete(running) {
            if is_changing {
                findings.events.push(Note::new(READY, self.name, &all));
            } else if is_degraded {
                findings.events.push(Note::new(RECOVERED, self.name, &all));
            } else if self.target.is_some() && self.was_told_otherwise(facts, &all) {
                // A change that came and went between two looks.
                findings.events.push(Note::new(READY, self.name, &all));
            }
            return;
        }
        if is_changing && self.target.is_some() {
            self.change(facts, ages, findings);
            return;
        }
        if upgrading || is_degraded || facts.settling {
            return;
        }
        // A client has dropped what tells nodes that fail from nodes that come: the next report says it.
        let Some(health) = health(running) else {
            return;
        };
        let is_sick = !health.failed.is_empty() || health.unready > 0;
        if is_sick && running.available < running.desired {
            let detail = degraded(&label, running, &health);
            findings
                .events
                .push(Note::new(DEGRADED, self.name, &detail));
        } else if self.target.is_some() {
            self.change(facts, ages, findings);
        }
    }
}

fn degraded(label: &str, running: &RunningPool, health: &Health) -> String {
    let mut detail = format!(
        "{label}: {} of {} nodes are ready",
        running.available, running.desired
    );
    let named: Vec<&str> = health
        .failed
        .iter()
        .take(MOST_NAMED)
        .map(String::as_str)
        .collect();
    if !named.is_empty() {
        detail.push_str("; failed: ");
        detail.push_str(&named.join(", "));
    }
    if health.unready > 0 {
        detail.push_str("; up, but not ready: ");
        detail.push_str(&health.unready.to_string());
    }
    detail.push_str(". Nodes are replaced on their own only with node health check on.");
    detail
}

/// The text as the beginning of a sentence.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => String::new(),
    }
}
