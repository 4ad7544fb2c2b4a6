//! Whether a fleet has come to rest, and whether all that was done in it was right.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::view::ClusterView;

use super::super::story::{Standing, Story};
use super::{LOOK, Outcome, Run, Trace};

/// Longest time from the end of the troubles until every cluster is at rest.
const BOUND: Duration = Duration::from_hours(3);
/// How long it has to stay so.
const STAY: Duration = Duration::from_mins(6);
/// Time between two looks of a client whose cluster is to go.
const MARK_AGAIN: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Waits until every cluster is at rest and stays so; returns how long that took.
    pub(super) async fn come_to_rest(&mut self, healed: Moment) -> Result<Duration, String> {
        let end = healed.plus(BOUND);
        let mut rested: Option<Moment> = None;
        let mut seen = BTreeMap::new();
        let mut resting = false;
        let mut marked = healed;
        loop {
            let now = self.fleet.clock.now();
            if now.since(marked) >= MARK_AGAIN {
                marked = now;
                self.mark_again();
            }
            let revisions = self.revisions();
            if rested.is_none() || revisions != seen {
                resting = self.at_rest()?;
                seen = revisions;
            }
            match rested {
                _ if !resting => rested = None,
                None => rested = Some(now),
                Some(since) if now.since(since) >= STAY => return Ok(since.since(healed)),
                Some(_) => {}
            }
            if now >= end {
                return Err(format!(
                    "not at rest {BOUND:?} after the end of all troubles: {:?}",
                    self.restless
                ));
            }
            self.fleet.pass_time(LOOK).await;
        }
    }

    fn revisions(&self) -> BTreeMap<String, u64> {
        let world = self.fleet.world();
        let revisions = world.revisions();
        revisions
            .map(|(urn, revision)| (urn.to_owned(), revision))
            .collect()
    }

    /// Clients go on marking what is to go, as Terraform does.
    fn mark_again(&self) {
        for (n, story) in &self.stories {
            if let Some(forced) = story.marked {
                let client = &self.clients[n % self.plan.tenants];
                drop(client.mark(&self.fleet, &story.urn, forced));
            }
        }
    }

    fn at_rest(&mut self) -> Result<bool, String> {
        let clusters = self.fleet.world().clusters();
        let listed: BTreeMap<&str, &ClusterView> = clusters
            .iter()
            .map(|cluster| (cluster.urn.as_str(), cluster))
            .collect();
        self.restless.clear();
        for story in self.stories.values() {
            match story.standing(&listed, &self.fleet) {
                Standing::Good(_) => {}
                Standing::Working => self.restless.push(story.name.clone()),
                Standing::Bad(why) => return Err(format!("{}: {why}", story.name)),
            }
        }
        Ok(self.restless.is_empty())
    }

    /// Everything that holds for the whole fleet and its history.
    pub(super) fn judge(&self, settled_in: Duration, traced: bool) -> Result<Outcome, String> {
        let mut outcome = Outcome {
            seed: self.plan.seed,
            replicas: self.plan.replicas,
            clusters: self.stories.len(),
            requests: self.fleet.faults.calls(),
            struck: self.fleet.faults.struck(),
            troubles: self.plan.troubles.len(),
            settled_in,
            lived: self.elapsed(),
            ..Outcome::default()
        };
        self.count_ends(&mut outcome);
        self.judge_leftovers()?;
        for story in self.stories.values() {
            outcome.spare_vapps += self.judge_effects(story)?;
        }
        let verdicts = self.fleet.verdicts();
        if !verdicts.is_empty() {
            return Err(format!("done against the rules:\n{}", verdicts.join("\n")));
        }
        if traced {
            let mut world = Vec::new();
            self.fleet.world().save(None, &mut world).unwrap();
            let journal = self.fleet.journal.read(<[_]>::to_vec);
            outcome.trace = Some(Trace { journal, world });
        }
        Ok(outcome)
    }

    fn count_ends(&self, outcome: &mut Outcome) {
        let clusters = self.fleet.world().clusters();
        let listed: BTreeMap<&str, &ClusterView> = clusters
            .iter()
            .map(|cluster| (cluster.urn.as_str(), cluster))
            .collect();
        for story in self.stories.values() {
            let standing = story.standing(&listed, &self.fleet);
            if let Standing::Good(end) = standing {
                *outcome.ends.entry(end).or_default() += 1;
            }
            if standing == Standing::Good("error") {
                for (name, _) in self.fleet.errors(&story.urn) {
                    *outcome.errors.entry(name).or_default() += 1;
                }
            }
            outcome.rewritten += usize::from(story.rewritten);
        }
    }

    fn judge_leftovers(&self) -> Result<(), String> {
        let leaks = self.fleet.world().leaks();
        if !leaks.is_empty() {
            return Err(format!("leaks: {leaks:#?}"));
        }
        // A failed creation keeps its bootstrap VM for inspection.
        let failed: Vec<String> = self
            .fleet
            .world()
            .clusters()
            .into_iter()
            .filter(|cluster| cluster.state.as_deref() == Some("error"))
            .map(|cluster| cluster.name)
            .collect();
        let leftovers = self.fleet.world().bootstrap_leftovers();
        let strange: Vec<String> = leftovers
            .into_iter()
            .filter(|name| name.ends_with("_ephemeral_vapp"))
            .filter(|name| {
                let cluster = name.strip_suffix("_ephemeral_vapp").unwrap_or(name);
                !failed.iter().any(|failed| failed == cluster)
            })
            .collect();
        if strange.is_empty() {
            return Ok(());
        }
        Err(format!("left of bootstraps: {strange:?}"))
    }

    /// Nothing doubled; how many vApps were made in vain.
    fn judge_effects(&self, story: &Story) -> Result<u32, String> {
        let world = self.fleet.world();
        let subject = format!("rde={};", story.urn);
        let mut on = BTreeMap::<&str, u32>::new();
        let mut composed = BTreeMap::<&str, u32>::new();
        for ((effect, about), count) in world.effects() {
            let Some(of) = about.strip_prefix(&subject) else {
                continue;
            };
            let incarnation = of.rsplit(';').next().unwrap_or_default();
            match effect.as_ref() {
                "vm.powered_on" => *on.entry(incarnation).or_default() += count,
                "vapp.composed" => *composed.entry(incarnation).or_default() += count,
                _ => {}
            }
        }
        let name = &story.name;
        if let Some((incarnation, times)) = on.iter().find(|(_, times)| **times > 1) {
            return Err(format!(
                "{name}: switched on {times} times in {incarnation}"
            ));
        }
        if story.is_plain() && on.len() > 1 {
            return Err(format!("{name}: attempts without a reason: {on:?}"));
        }
        drop(on);
        let spare = composed.values().map(|times| times - 1).sum();
        drop(composed);
        drop(world);
        if story.is_plain() && self.fleet.world().entity_content(&story.urn).is_some() {
            let twice = self.fleet.events_twice(&story.urn);
            if !twice.is_empty() {
                return Err(format!("{name}: told twice: {twice:?}"));
            }
        }
        Ok(spare)
    }

    /// A failure with all that a person needs.
    pub(super) fn told(&self, problem: &str) -> String {
        let mut text = format!(
            "seed {}: {problem}\n{} replicas, {} clusters, {} of 1000 requests wrong, unique names {}\nwhat was done:\n{}\n",
            self.plan.seed,
            self.plan.replicas,
            self.plan.wishes.len(),
            self.plan.per_mille,
            self.plan.unique_names,
            self.done.join("\n"),
        );
        let clusters = self.fleet.world().clusters();
        for story in self.stories.values() {
            let view = clusters.iter().find(|cluster| cluster.urn == story.urn);
            let errors: Vec<(String, String)> = self.fleet.errors(&story.urn);
            let concerned = problem
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == story.name);
            if concerned {
                let events = view.map(|_| self.fleet.event_names(&story.urn));
                let about = format!(
                    "{story:#?}\nis now {view:#?}\nerrors {errors:#?}\nevents {events:?}\n"
                );
                text.push_str(&about);
            }
        }
        let tail = self.fleet.journal.read(|all| {
            let tail = &all[all.len().saturating_sub(40)..];
            tail.iter().map(ToString::to_string).collect::<Vec<_>>()
        });
        text + &format!("last requests\n{}\n", tail.join("\n"))
    }
}
