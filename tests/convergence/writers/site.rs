//! Three replicas at full work, and everybody else who writes into the same documents.
//!
//! Flow: as many clusters as fit are always there, some of which need a second attempt; a cluster that has been
//! provisioned for a while is deleted and another one asked for; the limits of health checks change, which replicas
//! write into running clusters. When all writers have made their updates, everything comes to rest.
//!
//! Invariants:
//! - No faults: whatever is lost here was lost by somebody who writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::transport::{Exchange, InProcess};
use cse_server::sim::view::ClusterView;
use cse_server::sim::world::World;
use fastrand::Rng;
use http::Method;
use tokio::task::JoinHandle;

use super::ledger::{Account, Ledger};
use super::wild::{Kind, Writer};
use super::yard::{Plot, Yard};
use crate::stage::configure;
use crate::support::client::Client;
use crate::support::fleet::Fleet;

const REPLICAS: [&str; 3] = ["a", "b", "c"];
/// Clusters that are there at a time.
const CLUSTERS: usize = 20;
/// Time between two requests for clusters.
const APART: Duration = Duration::from_secs(20);
/// Provisioned clusters that there are when everybody begins to write.
const STANDING: usize = 5;
/// One in so many needs a second attempt.
const REPAIRED: usize = 4;
/// Time between two looks at the site.
const LOOK: Duration = Duration::from_secs(5);
/// How long a cluster is provisioned before it is deleted, in seconds.
const LIFE: std::ops::Range<u64> = 30..300;
/// Time between two changes of the configuration.
const CONFIGURED: Duration = Duration::from_mins(3);
/// Time after which a wish to delete that was rolled back is repeated.
const AGAIN: Duration = Duration::from_mins(1);
/// Longest time until the writers have made their updates, and until everything is at rest after that.
const LIMIT: Duration = Duration::from_hours(6);
const PATH: &str = "/cloudapi/1.0.0/entities/urn:vcloud:entity:vmware:capvcdCluster:";

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) account: Account,
    /// Writes of replicas that were sent for each one that was accepted.
    pub(super) tries: Vec<u32>,
    pub(super) asked: usize,
    pub(super) deleted: usize,
    pub(super) wishes_repeated: usize,
    pub(super) lived: Duration,
}

struct Site {
    fleet: Fleet,
    rng: Rng,
    yard: Yard,
    ledger: Ledger,
    clients: Vec<Client>,
    writers: Vec<JoinHandle<()>>,
    begin: Moment,
    asked_at: Option<Moment>,
    outcome: Outcome,
}

/// One run of a seed with so many updates of each writer.
///
/// # Errors
/// What is not as promised.
pub(super) async fn live(seed: u64, updates: u64) -> Result<Outcome, String> {
    let mut site = Site::open(seed);
    let done = site.work(updates).await;
    let judged = match done {
        Ok(()) => site.settle().await,
        Err(told) => Err(told),
    };
    judged.and_then(|()| site.judge()).map_err(|told| {
        let context = site.fleet.context();
        format!("seed {seed}: {told}\n{context}")
    })
}

impl Site {
    fn open(seed: u64) -> Self {
        let mut fleet = Fleet::quick(seed);
        hurry(&mut fleet.world());
        "everybody writes".clone_into(&mut fleet.what);
        let clients = (0..fleet.tenants.len()).map(|n| Client::of(&fleet, n));
        let clients = clients.collect();
        let (yard, ledger) = (Yard::default(), Ledger::default());
        let rng = Rng::with_seed(seed ^ 0x0077_5173_c0de);
        for name in REPLICAS {
            fleet.start(name);
        }
        Self {
            begin: fleet.clock.now(),
            fleet,
            rng,
            yard,
            ledger,
            clients,
            writers: Vec::new(),
            asked_at: None,
            outcome: Outcome::default(),
        }
    }

    /// Everybody begins to write.
    fn let_write(&mut self, updates: u64) {
        let (world, faults) = (&self.fleet.world, &self.fleet.faults);
        let clock = self.fleet.clock.clone();
        let way = InProcess::new(Arc::clone(world), clock, Arc::clone(faults));
        for kind in Kind::ALL {
            let with = (&way, self.fleet.tenants.as_slice());
            let writer = Writer::new(kind, with, (&self.ledger, &self.yard), self.rng.fork());
            self.writers.push(tokio::spawn(writer.work(updates)));
        }
    }

    /// Until all writers have made their updates.
    async fn work(&mut self, updates: u64) -> Result<(), String> {
        let mut configured = (self.begin, 0);
        let mut again = self.begin;
        while self.writers.is_empty() || !self.writers.iter().all(JoinHandle::is_finished) {
            let now = self.fleet.clock.now();
            if now.since(self.begin) > LIMIT {
                return Err("the writers do not come to an end".to_owned());
            }
            if now.since(configured.0) >= CONFIGURED {
                configured = (now, configured.1 + 1);
                configure(&self.fleet, 40 + configured.1 % 50, true).await;
            }
            if now.since(again) >= AGAIN {
                again = now;
                self.mark_again();
            }
            self.look();
            self.fill(now);
            let stand = |plots: &[Plot]| plots.iter().filter(|one| one.until.is_some()).count();
            if self.writers.is_empty() && stand(&self.yard.plots()) >= STANDING {
                self.let_write(updates);
            }
            self.fleet.pass_time(LOOK).await;
        }
        Ok(())
    }

    /// One more cluster, where one fits, but not all at a time.
    fn fill(&mut self, now: Moment) {
        let fits = self.yard.plots().len() < CLUSTERS;
        if fits && self.asked_at.is_none_or(|at| now.since(at) >= APART) {
            self.asked_at = Some(now);
            self.ask();
        }
    }

    fn ask(&mut self) {
        let n = self.outcome.asked;
        let name = format!("c{n}");
        let repaired = n % REPAIRED == REPAIRED - 1;
        if repaired {
            self.fleet.world().fail_guest(&name, "kind", 1);
        }
        let urn = if repaired {
            self.fleet.ask_for_repaired(&name)
        } else {
            self.fleet.ask_for(&name)
        };
        self.outcome.asked += 1;
        self.yard.plots().push(Plot {
            urn,
            name,
            tenant: n % self.clients.len(),
            until: None,
            going: false,
            marked: false,
        });
    }

    /// Which clusters are gone, and which have to go; what is not at rest.
    fn look(&mut self) -> Vec<String> {
        let now = self.fleet.clock.now();
        let clusters = self.fleet.world().clusters();
        let listed: BTreeMap<&str, &ClusterView> = clusters
            .iter()
            .map(|cluster| (cluster.urn.as_str(), cluster))
            .collect();
        let mut plots = self.yard.plots();
        let before = plots.len();
        plots.retain(|plot| !plot.going || listed.contains_key(plot.urn.as_str()));
        self.outcome.deleted += before - plots.len();
        let mut restless = Vec::new();
        for plot in plots.iter_mut() {
            let view = listed.get(plot.urn.as_str());
            let state = view.and_then(|view| view.state.as_deref());
            let free = view.is_some_and(|view| view.holder.as_deref().is_none_or(str::is_empty));
            if state == Some("provisioned") && plot.until.is_none() {
                let life = Duration::from_secs(self.rng.u64(LIFE));
                plot.until = Some(now.plus(life));
            }
            plot.going |= !self.writers.is_empty() && plot.until.is_some_and(|until| now >= until);
            if plot.going || state != Some("provisioned") || !free {
                restless.push(format!("{} is {view:?}", plot.name));
            }
        }
        restless
    }

    /// Until every cluster is provisioned or gone.
    async fn settle(&mut self) -> Result<(), String> {
        // Who lives now stays.
        for plot in self.yard.plots().iter_mut().filter(|plot| !plot.going) {
            plot.until = Some(Moment::from_origin(Duration::MAX));
        }
        let begin = self.fleet.clock.now();
        let mut again = begin;
        loop {
            let restless = self.look();
            if restless.is_empty() {
                return Ok(());
            }
            let now = self.fleet.clock.now();
            if now.since(begin) > LIMIT {
                return Err(format!("not at rest: {restless:#?}"));
            }
            if now.since(again) >= AGAIN {
                again = now;
                self.mark_again();
            }
            self.fleet.pass_time(LOOK).await;
        }
    }

    /// What a rewrite has taken back is wished for again, as a client does that waits for the end.
    fn mark_again(&mut self) {
        let marked = |fleet: &Fleet, urn: &str| {
            let content = fleet.world().entity_content(urn);
            content.is_none_or(|content| content["spec"]["vcdKe"]["markForDelete"] == true)
        };
        let plots = self.yard.plots();
        let over = self.writers.iter().all(JoinHandle::is_finished);
        // The first time it is the portal that wishes, as long as there is one.
        for plot in plots
            .iter()
            .filter(|plot| plot.going && (plot.marked || over))
        {
            if !marked(&self.fleet, &plot.urn) {
                self.outcome.wishes_repeated += 1;
                drop(self.clients[plot.tenant].mark(&self.fleet, &plot.urn, true));
            }
        }
    }

    fn judge(&self) -> Result<Outcome, String> {
        let verdicts = self.fleet.verdicts();
        if !verdicts.is_empty() {
            return Err(format!("done against the rules:\n{}", verdicts.join("\n")));
        }
        let leaks = self.fleet.world().leaks();
        if !leaks.is_empty() {
            return Err(format!("leaks: {leaks:#?}"));
        }
        let revisions: Vec<(String, u64)> = {
            let world = self.fleet.world();
            let revisions = world.revisions();
            revisions.map(|(urn, n)| (urn.to_owned(), n)).collect()
        };
        for (urn, revision) in &revisions {
            let content = self.fleet.content(urn).into();
            let marks = super::marks::read(&content);
            self.ledger.saw(urn, *revision, marks);
        }
        let account = {
            let world = self.fleet.world();
            self.ledger.account(world.history().entries())?
        };
        let tries = self.fleet.journal.read(tries);
        if tries.len() > account.ours {
            let (told, made) = (tries.len(), account.ours);
            return Err(format!(
                "{told} writes of replicas were accepted, {made} made"
            ));
        }
        Ok(Outcome {
            account,
            tries,
            lived: self.fleet.clock.now().since(self.begin),
            ..self.outcome.clone()
        })
    }
}

/// Lets everything take a few seconds, so that clusters come and go and their documents never rest.
fn hurry(world: &mut World) {
    let timings = world.timings_mut();
    for time in [
        &mut timings.recompose,
        &mut timings.node,
        &mut timings.power,
        &mut timings.undeploy,
    ] {
        *time = Duration::from_secs(4);
    }
    for time in [
        &mut timings.guest_phase,
        &mut timings.reconfigure,
        &mut timings.compose,
        &mut timings.delete,
        &mut timings.network,
        &mut timings.health,
    ] {
        *time = Duration::from_secs(2);
    }
}

/// How many writes replicas sent for each one that was accepted.
fn tries(journal: &[Exchange]) -> Vec<u32> {
    let mut sent = BTreeMap::<(&str, &str), u32>::new();
    let mut tries = Vec::new();
    for one in journal.iter().filter(|one| one.method == Method::PUT) {
        let Some(cluster) = one.target.strip_prefix(PATH) else {
            continue;
        };
        if !REPLICAS.contains(&&*one.caller) {
            continue;
        }
        let cluster = cluster.split(['?', '/']).next().unwrap_or_default();
        let count = sent.entry((&one.caller, cluster)).or_default();
        *count += 1;
        if one.outcome == Ok(200) {
            tries.push(std::mem::take(count));
        }
    }
    tries
}
