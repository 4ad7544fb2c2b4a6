//! One fleet lives through its plan, and then has to come to rest.
//!
//! Flow: steps in the order of their times; a step may put further ones in (the end of a freeze, the start
//! after a kill). At the end of the troubles everything heals at once, and the judging begins.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::faults::{Fault, Target};
use cse_server::sim::seed::{ClusterEdit, ClusterRequest, default_config};
use cse_server::sim::view::ClusterView;
use serde_json::{Value, json};

use super::hands::{self, Person};
use super::plan::{Plan, Trouble, Way, What};
use super::story::{Standing, Story};
use crate::support::client::Client;
use crate::support::client::typed::rewritten;
use crate::support::fleet::Fleet;

/// Longest time between two looks at the site.
const LOOK: Duration = Duration::from_secs(10);
/// Longest time from the end of the troubles until every cluster is at rest.
const BOUND: Duration = Duration::from_hours(3);
/// How long it has to stay so.
const STAY: Duration = Duration::from_mins(6);
/// Time between two looks of a client whose cluster is to go.
const MARK_AGAIN: Duration = Duration::from_mins(1);
/// Size of the document of a cluster that runs already; what is tried here does not depend on it.
const STANDING_BYTES: usize = 4_000;
/// Time between two heartbeats of an original server.
const ORIGINAL_BEAT: Duration = Duration::from_mins(1);

/// All that the judge of a fleet may find.
const INVARIANTS: [&str; 11] = [
    "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11",
];

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) replicas: usize,
    pub(super) clusters: usize,
    pub(super) ends: BTreeMap<&'static str, usize>,
    pub(super) requests: u64,
    pub(super) struck: u64,
    pub(super) troubles: usize,
    /// From the end of the troubles to the rest of the last cluster.
    pub(super) settled_in: Duration,
    /// How long the fleet lived.
    pub(super) lived: Duration,
    /// Bootstrap vApps made beyond one for each attempt; they were removed again.
    pub(super) spare_vapps: u32,
    /// Of every request and the site at the end.
    pub(super) trace: Option<Trace>,
}

/// All that happened, for a comparison with another run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) journal: Vec<cse_server::sim::transport::Exchange>,
    pub(super) world: Vec<u8>,
}

enum Step {
    Ask(usize),
    Beat(usize, u64),
    Begin(usize),
    Copy(usize),
    Thaw(String),
    Start(String),
}

struct Run<'p> {
    plan: &'p Plan,
    fleet: Fleet,
    begin: Moment,
    clients: Vec<Client>,
    configuration: String,
    steps: BTreeMap<(Duration, u64), Step>,
    put_in: u64,
    /// Current name of each replica, and how many it had.
    names: Vec<(String, usize)>,
    /// By wish.
    stories: BTreeMap<usize, Story>,
    /// By trouble: what a client has read.
    copies: BTreeMap<usize, Value>,
    /// Clusters that were not at rest when last looked at.
    restless: Vec<String>,
    done: Vec<String>,
}

/// Lets a fleet live through `plan`.
///
/// # Errors
/// What is not as promised, with all that a person needs to find out why.
pub(super) async fn live(plan: &Plan, traced: bool) -> Result<Outcome, String> {
    let mut run = Run::new(plan);
    run.begin();
    run.live_through().await;
    run.heal().await;
    let healed = run.fleet.clock.now();
    let judged = run.come_to_rest(healed).await;
    let outcome = judged.and_then(|settled_in| run.judge(settled_in, traced));
    outcome.map_err(|problem| {
        let told = run.told(&problem);
        for invariant in INVARIANTS {
            run.fleet.excuse(invariant, "told already");
        }
        told
    })
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan) -> Self {
        let mut fleet = Fleet::quick(plan.seed);
        for n in fleet.tenants.len()..plan.tenants {
            let tenant = fleet.world().seed_tenant(&format!("tenant{n}"));
            fleet.tenants.push(tenant);
        }
        fleet.world().set_unique_vapp_names(plan.unique_names);
        let clients: Vec<Client> = (0..plan.tenants).map(|n| Client::of(&fleet, n)).collect();
        let configuration = clients[0].configuration(&fleet);
        Self {
            plan,
            begin: fleet.clock.now(),
            fleet,
            clients,
            configuration,
            steps: BTreeMap::new(),
            put_in: 0,
            names: (0..plan.replicas).map(|n| (format!("r{n}"), 1)).collect(),
            stories: BTreeMap::new(),
            copies: BTreeMap::new(),
            restless: Vec::new(),
            done: Vec::new(),
        }
    }

    fn put(&mut self, at: Duration, step: Step) {
        self.steps.insert((at, self.put_in), step);
        self.put_in += 1;
    }

    fn elapsed(&self) -> Duration {
        self.fleet.clock.now().since(self.begin)
    }

    /// Everything of the plan into the queue, and all replicas up.
    fn begin(&mut self) {
        for (n, wish) in self.plan.wishes.iter().enumerate() {
            if wish.runs {
                self.stand(n);
            } else {
                self.put(wish.at, Step::Ask(n));
            }
        }
        for (n, trouble) in self.plan.troubles.iter().enumerate() {
            if let What::Rollback { age, .. } | What::Rewrite { age, .. } = trouble.what {
                self.put(trouble.at.saturating_sub(age), Step::Copy(n));
            }
            self.put(trouble.at, Step::Begin(n));
        }
        if self.plan.per_mille > 0 {
            let seed = self.plan.seed;
            self.fleet
                .faults
                .arm_chance(self.plan.per_mille, &Fault::ALL, seed);
        }
        for (name, _) in &self.names {
            self.fleet.start(name);
        }
    }

    async fn live_through(&mut self) {
        while let Some(entry) = self.steps.first_entry() {
            let (at, _) = *entry.key();
            if at >= self.plan.troubled {
                break;
            }
            let step = entry.remove();
            self.pass_until(at).await;
            self.take(step).await;
        }
        self.pass_until(self.plan.troubled).await;
    }

    async fn pass_until(&self, at: Duration) {
        loop {
            let left = at.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            self.fleet.pass_time(left.min(LOOK)).await;
        }
    }

    fn note(&mut self, what: String) {
        let at = self.elapsed().as_secs_f64();
        self.done.push(format!("{at:9.3} s  {what}"));
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Ask(n) => self.ask(n),
            Step::Beat(n, beat) => self.beat(n, beat),
            Step::Copy(n) => self.copy(n),
            Step::Thaw(name) => {
                if self.fleet.runs(&name) {
                    self.note(format!("{name} goes on"));
                    self.fleet.freeze(&name, false);
                }
            }
            Step::Start(name) => {
                if !self.fleet.runs(&name) {
                    self.note(format!("{name} starts"));
                    self.fleet.restart(&name).await;
                }
            }
            Step::Begin(n) => {
                let trouble = &self.plan.troubles[n];
                self.note(format!("{:?}", trouble.what));
                self.trouble(n, trouble).await;
            }
        }
    }

    fn ask(&mut self, n: usize) {
        let wish = self.plan.wishes[n].clone();
        let name = format!("c{n}");
        let request = ClusterRequest {
            name: name.clone(),
            shape: wish.shape,
            control_planes: 1,
            pools: vec![("workers".to_owned(), 1)],
            auto_repair: wish.repaired,
        };
        self.note(format!("{name} is asked for: {wish:?}"));
        if let Some(guest) = wish.guest {
            hands::fail_guest(&self.fleet, &name, guest);
        }
        let tenant = self.fleet.tenants[n % self.plan.tenants].clone();
        let (now, wall) = (self.fleet.clock.now(), self.fleet.clock.wall());
        let urn = self
            .fleet
            .world()
            .create_cluster(&tenant, &request, now, wall);
        self.fleet.urns.push(urn.clone());
        if wish.original.is_some() {
            hands::beat_as_original(&self.fleet, &urn, 0);
            self.put(self.elapsed() + ORIGINAL_BEAT, Step::Beat(n, 1));
        }
        self.stories.insert(n, Story::new(urn, name, wish));
    }

    /// A cluster that runs already.
    fn stand(&mut self, n: usize) {
        let (name, wish) = (format!("c{n}"), self.plan.wishes[n].clone());
        let tenant = self.fleet.tenants[n % self.plan.tenants].clone();
        let urn = self
            .fleet
            .world()
            .seed_provisioned(&tenant, &name, STANDING_BYTES);
        self.fleet.urns.push(urn.clone());
        self.stories.insert(n, Story::new(urn, name, wish));
    }

    fn beat(&mut self, n: usize, beat: u64) {
        let story = &self.stories[&n];
        hands::beat_as_original(&self.fleet, &story.urn, beat);
        if story.wish.original.is_some_and(|beats| beat < beats) {
            self.put(self.elapsed() + ORIGINAL_BEAT, Step::Beat(n, beat + 1));
        }
    }

    /// A client reads a cluster, to write it back later.
    fn copy(&mut self, n: usize) {
        let (What::Rollback { cluster, .. } | What::Rewrite { cluster, .. }) =
            self.plan.troubles[n].what
        else {
            return;
        };
        let client = &self.clients[cluster % self.plan.tenants];
        let story = self.stories.get(&cluster);
        let found = story.and_then(|story| client.get(&self.fleet, &story.urn));
        if let Some(found) = found {
            self.copies.insert(n, found.content().clone());
        }
    }

    async fn trouble(&mut self, n: usize, trouble: &Trouble) {
        match &trouble.what {
            What::Kill {
                replica,
                down,
                anew,
            } => {
                let name = self.names[*replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.kill(&name).await;
                    self.come_back(*replica, *down, *anew);
                }
            }
            What::Terminate {
                replica,
                down,
                anew,
            } => {
                let name = self.names[*replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.terminate(&name);
                    self.come_back(*replica, *down, *anew);
                }
            }
            What::Freeze { replica, lasts } => {
                let name = self.names[*replica].0.clone();
                if self.fleet.runs(&name) {
                    self.fleet.freeze(&name, true);
                    self.put(self.elapsed() + *lasts, Step::Thaw(name));
                }
            }
            What::Partition {
                replica,
                lasts,
                way,
            } => {
                let fault = match way {
                    Way::Refused => Fault::NotSent,
                    Way::There => Fault::RequestLost,
                    Way::Back => Fault::ReplyLost,
                };
                self.strike(*replica, *lasts, fault);
            }
            What::Slow { replica, lasts, by } => {
                self.strike(*replica, *lasts, Fault::Delayed(*by));
            }
            What::Twin { replica, exact } => {
                let (twin, of) = (format!("r{replica}-twin"), &self.names[*replica].0);
                match (self.fleet.runs(&twin), *exact) {
                    (true, _) => {}
                    (false, true) if self.fleet.runs(of) => self.fleet.start_twin(&twin, of),
                    (false, _) => self.fleet.start_as(&twin, of),
                }
            }
            _ => self.trouble_of_the_site(n, trouble),
        }
    }

    /// All that is no trouble of one replica.
    fn trouble_of_the_site(&mut self, n: usize, trouble: &Trouble) {
        let secs = |time: &Duration| format!("{}ms", time.as_millis());
        let lever = |action: Value| assert!(hands::pull(&self.fleet, action), "a site has it");
        match &trouble.what {
            What::Configure {
                poll,
                watcher,
                stale,
            } => self.configure(json!({
                "rdePollIntervalInMin": poll,
                "heartbeatWatcherTimeoutInMin": watcher,
                "staleHeartbeatIntervalInMin": stale,
            })),
            What::Misconfigure => self.configure(json!({
                "rdePollIntervalInMin": 1,
                "heartbeatWatcherTimeoutInMin": 10,
                "staleHeartbeatIntervalInMin": 5,
            })),
            What::FailTasks { operation, times } => {
                lever(json!({"fail_task": {"operation": operation, "times": times}}))
            }
            What::Maintenance { lasts } => lever(json!({"maintenance": {"lasts": secs(lasts)}})),
            What::FailOver { cut, stale } => {
                lever(json!({"fail_over": {"cut": secs(cut), "stale_for": secs(stale)}}))
            }
            What::QueryLag { lag, lasts } => {
                lever(json!({"query_lag": {"lag": secs(lag), "lasts": secs(lasts)}}))
            }
            What::ExpireSessions => lever(json!({"expire_sessions": {}})),
            What::Delete { cluster, forced } => self.delete(*cluster, *forced),
            What::Resize { cluster, replicas } => self.edit(
                *cluster,
                &ClusterEdit::Resize {
                    pool: "workers".to_owned(),
                    replicas: *replicas,
                },
            ),
            What::Upgrade { cluster } => self.edit(*cluster, &hands::upgrade()),
            What::Rollback { cluster, .. } => self.write_back(*cluster, n, false),
            What::Rewrite { cluster, .. } => self.write_back(*cluster, n, true),
            What::Remove { cluster, what } => self.remove(*cluster, *what),
            What::FailNode { cluster, how } => {
                if let Some(story) = self.stories.get_mut(cluster) {
                    let order = json!({"cluster": story.urn, "how": how});
                    story.node_failed |= hands::pull(&self.fleet, json!({"fail_node": order}));
                }
            }
            What::Kill { .. }
            | What::Terminate { .. }
            | What::Freeze { .. }
            | What::Partition { .. }
            | What::Slow { .. }
            | What::Twin { .. } => {}
        }
    }

    /// A replica that is gone is back after a while, under its old name or as a new one.
    fn come_back(&mut self, replica: usize, down: Duration, anew: bool) {
        let (name, lives) = &mut self.names[replica];
        if anew {
            *lives += 1;
            *name = format!("r{replica}-{lives}");
        }
        let name = name.clone();
        self.put(self.elapsed() + down, Step::Start(name));
    }

    fn strike(&mut self, replica: usize, lasts: Duration, fault: Fault) {
        let target = Target {
            caller: Some(self.names[replica].0.clone()),
            times: u64::MAX,
            until: Some(self.fleet.clock.now().plus(lasts)),
            ..Target::default()
        };
        self.fleet.faults.arm(target, fault);
    }

    fn configure(&self, intervals: Value) {
        self.fleet.change(&self.configuration, |content| {
            content["profiles"][0]["serverConfig"] = intervals;
        });
    }

    fn edit(&self, cluster: usize, edit: &ClusterEdit) {
        if let Some(story) = self.stories.get(&cluster) {
            let tenant = &self.fleet.tenants[cluster % self.plan.tenants];
            hands::edit(&self.fleet, (tenant, &story.urn), edit);
        }
    }

    fn delete(&mut self, cluster: usize, forced: bool) {
        let client = &self.clients[cluster % self.plan.tenants];
        if let Some(story) = self.stories.get_mut(&cluster)
            && client.mark(&self.fleet, &story.urn, forced).is_ok()
        {
            story.marked = Some(story.marked.unwrap_or(false) || forced);
        }
    }

    fn write_back(&mut self, cluster: usize, n: usize, typed: bool) {
        let (Some(story), Some(copy)) = (self.stories.get_mut(&cluster), self.copies.remove(&n))
        else {
            return;
        };
        let content = if typed { rewritten(&copy) } else { Ok(copy) };
        let client = &self.clients[cluster % self.plan.tenants];
        if let Ok(content) = content
            && client.overwrite(&self.fleet, &story.urn, &content).is_ok()
        {
            story.rewritten = true;
        }
    }

    fn remove(&mut self, cluster: usize, what: super::plan::Removal) {
        let Some(story) = self.stories.get_mut(&cluster) else {
            return;
        };
        if let Some(vm) = hands::machine(&self.fleet, &story.urn) {
            story.taken_away += 1;
            let tenant = &self.fleet.tenants[cluster % self.plan.tenants];
            let person = Person::of(&self.fleet, tenant);
            tokio::spawn(person.take_away(story.name.clone(), vm, what));
        }
    }

    /// The end of all troubles.
    async fn heal(&mut self) {
        self.note("everything heals".to_owned());
        self.steps.clear();
        self.fleet.faults.disarm();
        let default = default_config()["profiles"][0]["serverConfig"].clone();
        self.configure(default);
        for name in self.fleet.running() {
            self.fleet.freeze(&name, false);
        }
        for replica in 0..self.names.len() {
            let name = self.names[replica].0.clone();
            if !self.fleet.runs(&name) {
                self.fleet.restart(&name).await;
            }
        }
    }

    /// Waits until every cluster is at rest and stays so; returns how long that took.
    async fn come_to_rest(&mut self, healed: Moment) -> Result<Duration, String> {
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
    fn judge(&self, settled_in: Duration, traced: bool) -> Result<Outcome, String> {
        let mut outcome = Outcome {
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
            if let Standing::Good(end) = story.standing(&listed, &self.fleet) {
                *outcome.ends.entry(end).or_default() += 1;
            }
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
    fn told(&self, problem: &str) -> String {
        let mut text = format!("seed {}: {problem}\n", self.plan.seed);
        text += &format!(
            "{} replicas, {} clusters, {} of 1000 requests wrong, unique names {}\nwhat was done:\n{}\n",
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
                text += &format!(
                    "{story:#?}\nis now {view:#?}\nerrors {errors:#?}\nevents {events:?}\n"
                );
            }
        }
        let tail = self.fleet.journal.read(|all| {
            let tail = &all[all.len().saturating_sub(40)..];
            tail.iter().map(ToString::to_string).collect::<Vec<_>>()
        });
        text + &format!("last requests\n{}\n", tail.join("\n"))
    }
}
