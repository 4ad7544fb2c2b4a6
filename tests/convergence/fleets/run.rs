//! One fleet lives through its plan, and then has to come to rest.
//!
//! Flow: steps in the order of their times; a step may put further ones in (the end of a freeze, the start
//! after a kill). At the end of the troubles everything heals at once, and the judging begins.

mod judging;
mod troubles;

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::faults::Fault;
use cse_server::sim::seed::{ClusterRequest, default_config};
use serde_json::Value;

use super::hands;
use super::plan::{Plan, What};
use super::story::Story;
use crate::support::client::Client;
use crate::support::fleet::Fleet;

/// Longest time between two looks at the site.
const LOOK: Duration = Duration::from_secs(10);
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
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) clusters: usize,
    pub(crate) ends: BTreeMap<&'static str, usize>,
    pub(crate) requests: u64,
    pub(crate) struck: u64,
    pub(crate) troubles: usize,
    /// From the end of the troubles to the rest of the last cluster.
    pub(crate) settled_in: Duration,
    /// How long the fleet lived.
    pub(crate) lived: Duration,
    /// Bootstrap vApps made beyond one for each attempt; they were removed again.
    pub(crate) spare_vapps: u32,
    /// Clusters whose document a client wrote back.
    pub(crate) rewritten: usize,
    /// Names of the errors that clusters ended with.
    pub(crate) errors: BTreeMap<String, usize>,
    /// Of every request and the site at the end.
    pub(super) trace: Option<Trace>,
}

/// All that happened, for a comparison with another run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) journal: Vec<cse_server::sim::transport::Exchange>,
    pub(crate) world: Vec<u8>,
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

    fn note(&mut self, what: &str) {
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
                    self.note(&format!("{name} goes on"));
                    self.fleet.freeze(&name, false);
                }
            }
            Step::Start(name) => {
                if !self.fleet.runs(&name) {
                    self.note(&format!("{name} starts"));
                    self.fleet.restart(&name).await;
                }
            }
            Step::Begin(n) => {
                let trouble = &self.plan.troubles[n];
                self.note(&format!("{:?}", trouble.what));
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
        self.note(&format!("{name} is asked for: {wish:?}"));
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

    /// The end of all troubles.
    async fn heal(&mut self) {
        self.note("everything heals");
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
}
