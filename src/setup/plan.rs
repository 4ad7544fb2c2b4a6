//! From what a site has to what is done about it: pure, and the whole answer at once.
//!
//! Flow: [`SiteSeen`] and the wanted [`objects`] in, a [`Plan`] out: lines for people, steps for `apply`.
//!
//! Invariants:
//! - Steps are in the order in which VCD accepts them: behavior before type, type before its rights, rights
//!   before who reads by them.
//! - A plan with refusals has to be put right by a person first; nothing of it is carried out.
//! - What exists and differs is told and left alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::config;
use super::objects::{
    CONFIG_TYPE, CONFIG_VIEW, CSE, ENTITY_TYPES, EntityType, FULL_ENTITY, INTERFACES, RightSet,
    Site, comes_with_a_type,
};
use super::read::{ConfigSeen, SetSeen, SiteSeen};
use crate::domain::ids::EntityId;
use crate::domain::server_config::ServerConfig;
use crate::domain::versioned::ETag;
use crate::vcd::registry::FULL_CONTROL;
use crate::vcd::right_sets::RightSetKind;

/// Most problems of a configuration that a line tells.
const MOST_PROBLEMS: usize = 5;

/// Which organizations get the global role and the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All, those to come included.
    All,
    /// These, by name.
    Orgs(BTreeSet<String>),
}

/// What the plan says about a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It is there and complete.
    Present,
    /// It will be made.
    Create,
    /// It is there, and something will be added to it.
    Change,
    /// It is there, differs, and stays as it is.
    Leave,
    /// It is in the way; a person has to act.
    Refuse,
}

impl Mark {
    /// The stable word for people and programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Create => "create",
            Self::Change => "change",
            Self::Leave => "leave",
            Self::Refuse => "refuse",
        }
    }
}

/// One thing and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What becomes of it.
    pub mark: Mark,
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// More about it, a sentence each.
    pub details: Vec<String>,
}

/// One call that changes the site.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Registers one of [`INTERFACES`], by URN.
    RegisterInterface(&'static str),
    /// Adds the behavior [`FULL_ENTITY`].
    AddBehavior,
    /// Registers one of [`ENTITY_TYPES`], by URN.
    RegisterType(&'static str),
    /// Demands full control of whoever calls the behavior on entities of this type.
    ProtectBehavior(&'static str),
    /// Lets everybody with [`CONFIG_VIEW`] read the entities of this type.
    ShareType(&'static str),
    /// Makes a set of rights.
    CreateSet(RightSetKind, String, String),
    /// Adds rights to the set of this name.
    AddRights(RightSetKind, String, Vec<String>),
    /// Gives the set of this name to organizations.
    Publish(RightSetKind, String, Audience),
    /// Makes the sizing policy of this name.
    CreatePolicy(String),
    /// Makes the configuration entity.
    CreateConfig(Map<String, Value>),
    /// Has VCD check the configuration entity.
    ResolveConfig(EntityId),
    /// Replaces the content of the configuration entity.
    ReplaceConfig(EntityId, ETag, Map<String, Value>),
}

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Everything that was looked at.
    pub lines: Vec<Line>,
    /// In the order to be carried out.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether the site is as it should be.
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() && !self.is_refused()
    }

    /// Whether a person has to act first.
    pub fn is_refused(&self) -> bool {
        self.lines.iter().any(|line| line.mark == Mark::Refuse)
    }

    /// Whether it changes what a session from an API token must not change.
    pub fn changes_right_sets(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::CreateSet(..) | Step::AddRights(..) | Step::Publish(..) => true,
            Step::RegisterInterface(_)
            | Step::AddBehavior
            | Step::RegisterType(_)
            | Step::ProtectBehavior(_)
            | Step::ShareType(_)
            | Step::CreatePolicy(_)
            | Step::CreateConfig(_)
            | Step::ResolveConfig(_)
            | Step::ReplaceConfig(..) => false,
        })
    }

    fn tell(&mut self, mark: Mark, (kind, name): (&'static str, &str), details: Vec<String>) {
        self.lines.push(Line {
            mark,
            kind,
            name: name.to_owned(),
            details,
        });
    }
}

/// What is wanted beyond the shipped objects.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Roles, bundle and policies.
    pub site: Site,
    /// The server configuration of a new site, and the versions of an old one.
    pub config: Map<String, Value>,
    /// Who gets the global role and the bundle.
    pub audience: Audience,
    /// Rights that are left out on purpose.
    pub without: BTreeSet<String>,
}

/// Compares a site with what is wanted.
pub fn plan(wanted: &Wanted, seen: SiteSeen) -> Plan {
    let mut plan = Plan::default();
    interfaces(&seen, &mut plan);
    for entity_type in &ENTITY_TYPES {
        type_of(entity_type, &seen, &mut plan);
    }
    for set in &wanted.site.right_sets {
        right_set(set, wanted, &seen, &mut plan);
    }
    policies(&wanted.site, &seen.policies, &mut plan);
    configuration(&wanted.config, seen.configs, &mut plan);
    plan
}

fn interfaces(seen: &SiteSeen, plan: &mut Plan) {
    for interface in INTERFACES {
        let is_there = seen.interfaces.contains(interface.urn);
        let mark = if is_there {
            Mark::Present
        } else {
            Mark::Create
        };
        plan.tell(mark, ("interface", interface.urn), Vec::new());
        if !is_there {
            plan.steps.push(Step::RegisterInterface(interface.urn));
        }
    }
    let name = ("behavior", FULL_ENTITY);
    if seen.behaviors.contains(FULL_ENTITY) {
        return plan.tell(Mark::Present, name, Vec::new());
    }
    let users = seen.types.values();
    let in_use = users.into_iter().any(|one| one.interfaces.contains(CSE));
    if in_use {
        let why = "an entity type already uses the interface, and VCD adds no behavior to one in use: \
            delete the types that list it while they have no entities, then run this again";
        return plan.tell(Mark::Refuse, name, vec![why.to_owned()]);
    }
    plan.tell(Mark::Create, name, Vec::new());
    plan.steps.push(Step::AddBehavior);
}

fn type_of(wanted: &EntityType, seen: &SiteSeen, plan: &mut Plan) {
    let found = seen.types.get(wanted.urn);
    let name = ("entity type", wanted.urn);
    let (mut details, before) = (Vec::new(), plan.steps.len());
    if found.is_none() {
        plan.steps.push(Step::RegisterType(wanted.urn));
    }
    let level = found.and_then(|found| found.levels.get(FULL_ENTITY));
    if wanted.shows_all && level.is_none() {
        details.push("demand full control for getFullEntity".to_owned());
        plan.steps.push(Step::ProtectBehavior(wanted.urn));
    }
    if wanted.is_public && !found.is_some_and(|found| found.is_shared) {
        details.push(format!(
            "let everybody with the right {CONFIG_VIEW:?} read it"
        ));
        plan.steps.push(Step::ShareType(wanted.urn));
    }
    let other = level.filter(|level| wanted.shows_all && *level != FULL_CONTROL);
    if let Some(other) = other {
        details.push(format!(
            "getFullEntity, which shows secrets, is open to {other}"
        ));
    }
    let mark = match (found, plan.steps.len() > before) {
        (None, _) => Mark::Create,
        (Some(_), true) => Mark::Change,
        (Some(_), false) if other.is_some() => Mark::Leave,
        (Some(_), false) => Mark::Present,
    };
    plan.tell(mark, name, details);
}

/// Which rights of a set this VCD has or will have; the others with the reason why not.
fn available<'w>(
    set: &'w RightSet,
    wanted: &Wanted,
    known: &BTreeSet<String>,
) -> (Vec<&'w String>, Vec<String>, Vec<&'w String>) {
    let (mut had, mut skipped, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for right in &set.rights {
        if wanted.without.contains(right) {
            skipped.push(format!("{right:?} is left out as asked"));
        } else if known.contains(right) || comes_with_a_type(right) {
            had.push(right);
        } else if let Some(since) = wanted.site.since(right) {
            skipped.push(format!(
                "{right:?} is left out: this VCD does not have it (it comes with {since})"
            ));
        } else {
            unknown.push(right);
        }
    }
    (had, skipped, unknown)
}

fn right_set(set: &RightSet, wanted: &Wanted, seen: &SiteSeen, plan: &mut Plan) {
    let name = (set.kind.name(), set.name.as_str());
    let (had, mut details, unknown) = available(set, wanted, &seen.rights);
    let found = seen.sets.get(&set.name);
    if !unknown.is_empty() {
        let list = list(unknown.iter().map(|right| right.as_str()));
        let why = format!(
            "VCD does not have these rights: {list}; check that this is a VCD of 10.4.2 to 10.6, or leave them \
             out with --without-right"
        );
        return plan.tell(Mark::Refuse, name, vec![why]);
    }
    let held = |right: &&&String| !found.is_some_and(|found| found.rights.contains(right.as_str()));
    let missing: Vec<String> = had
        .iter()
        .filter(held)
        .map(|right| (**right).clone())
        .collect();
    let mut mark = Mark::Present;
    if found.is_none() {
        mark = Mark::Create;
        let (name, description) = (set.name.clone(), set.description.clone());
        plan.steps
            .push(Step::CreateSet(set.kind, name, description));
        details.push(format!("{} rights", missing.len()));
    } else if !missing.is_empty() {
        mark = Mark::Change;
        details.push(format!("add {}", list(missing.iter().map(String::as_str))));
    }
    if !missing.is_empty() {
        plan.steps
            .push(Step::AddRights(set.kind, set.name.clone(), missing));
    }
    if let Some(audience) = unserved(set.kind, found, &wanted.audience) {
        mark = if found.is_some() {
            Mark::Change
        } else {
            Mark::Create
        };
        details.push(match &audience {
            Audience::All => "publish to all organizations".to_owned(),
            Audience::Orgs(orgs) => format!("publish to {}", list(orgs.iter().map(String::as_str))),
        });
        plan.steps
            .push(Step::Publish(set.kind, set.name.clone(), audience));
    }
    plan.tell(mark, name, details);
}

/// Who should have the set and does not.
fn unserved(kind: RightSetKind, found: Option<&SetSeen>, wanted: &Audience) -> Option<Audience> {
    if !kind.is_published() || found.is_some_and(|found| found.is_published_to_all) {
        return None;
    }
    match wanted {
        Audience::All => Some(Audience::All),
        Audience::Orgs(orgs) => {
            let served =
                |org: &&String| found.is_some_and(|found| found.orgs.contains(org.as_str()));
            let left: BTreeSet<String> = orgs.iter().filter(|org| !served(org)).cloned().collect();
            (!left.is_empty()).then_some(Audience::Orgs(left))
        }
    }
}

fn policies(site: &Site, seen: &BTreeMap<String, (Option<u32>, Option<u32>)>, plan: &mut Plan) {
    for policy in &site.sizing_policies {
        let name = ("sizing policy", policy.name.as_str());
        let wanted = format!("{} vCPU, {} MiB", policy.cpus, policy.memory_mib);
        match seen.get(&policy.name) {
            None => {
                plan.tell(Mark::Create, name, vec![wanted]);
                plan.steps.push(Step::CreatePolicy(policy.name.clone()));
            }
            Some((Some(cpus), Some(memory)))
                if (*cpus, *memory) == (policy.cpus, policy.memory_mib) =>
            {
                plan.tell(Mark::Present, name, Vec::new());
            }
            Some(_) => {
                let what = format!("its size is another than {wanted}");
                plan.tell(Mark::Leave, name, vec![what]);
            }
        }
    }
}

fn configuration(wanted: &Map<String, Value>, mut seen: Vec<ConfigSeen>, plan: &mut Plan) {
    let name = ("server configuration", "vcdKeConfig");
    let current: Vec<usize> = seen
        .iter()
        .enumerate()
        .filter(|(_, one)| one.entity_type == CONFIG_TYPE)
        .map(|(index, _)| index)
        .collect();
    match current.as_slice() {
        [] => new_configuration(wanted, &seen, plan),
        [index] => {
            let found = seen.swap_remove(*index);
            present_configuration(wanted, found, plan);
        }
        several => {
            let ids = list(
                several
                    .iter()
                    .filter_map(|index| seen.get(*index))
                    .map(|one| one.id.as_str()),
            );
            let why = format!(
                "{} entities of this name and type exist, and clients accept one; delete the others: {ids}",
                several.len()
            );
            plan.tell(Mark::Refuse, name, vec![why]);
        }
    }
}

/// There is none of the type that clients of 4.1 and later read. One of 4.0 is copied, and stays: an original
/// server of that release may still read it.
fn new_configuration(wanted: &Map<String, Value>, seen: &[ConfigSeen], plan: &mut Plan) {
    let name = ("server configuration", "vcdKeConfig");
    let (content, mut details) = match seen.first() {
        None => (wanted.clone(), Vec::new()),
        Some(old) => {
            let upgraded = config::upgrade(&old.content, wanted);
            let mut details = vec![format!("a copy of {}, which stays", old.id)];
            details.extend(upgraded.changes);
            details.extend(upgraded.notes);
            (upgraded.content, details)
        }
    };
    if let Some(problems) = problems(&content) {
        details.push(problems);
        return plan.tell(Mark::Refuse, name, details);
    }
    plan.tell(Mark::Create, name, details);
    plan.steps.push(Step::CreateConfig(content));
}

fn present_configuration(wanted: &Map<String, Value>, found: ConfigSeen, plan: &mut Plan) {
    let name = ("server configuration", "vcdKeConfig");
    let upgraded = config::upgrade(&found.content, wanted);
    let mut mark = Mark::Present;
    let mut details = upgraded.changes;
    let changes = !details.is_empty();
    details.extend(upgraded.notes);
    if let Some(problems) = problems(&upgraded.content) {
        mark = Mark::Leave;
        details.push(format!(
            "{problems}; correct it in VCD, or with `cse-server config`"
        ));
    }
    if changes {
        mark = Mark::Change;
        let id = found.id.clone();
        plan.steps
            .push(Step::ReplaceConfig(id, found.etag, upgraded.content));
    }
    if found.state != "RESOLVED" {
        mark = Mark::Change;
        details.push(format!("its state is {}; have VCD check it", found.state));
        plan.steps.push(Step::ResolveConfig(found.id));
    }
    plan.tell(mark, name, details);
}

fn problems(content: &Map<String, Value>) -> Option<String> {
    let problems = ServerConfig::problems(content);
    if problems.is_empty() {
        return None;
    }
    let shown = problems.iter().take(MOST_PROBLEMS).map(ToString::to_string);
    let shown: Vec<String> = shown.collect();
    Some(format!(
        "it has {} problems: {}",
        problems.len(),
        shown.join("; ")
    ))
}

fn list<'t>(names: impl Iterator<Item = &'t str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
