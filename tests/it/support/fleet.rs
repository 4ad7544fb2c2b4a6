//! Several replicas and a simulated site in one process, on virtual time.
//!
//! A [`Fleet`] is what a scenario acts on: start, kill, stop replicas; ask for clusters; let time pass
//! until the clusters are as they should be. All chance comes from its seed; every failure text carries
//! the seed and the site's journal.

mod departures;
mod levers;
mod odd;
mod people;
mod snared;
mod told;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cse_server::chance::Chance;
use cse_server::clock::{Clock, Moment};
use cse_server::domain::claim::HolderId;
use cse_server::metrics::Meters;
use cse_server::sim::faults::Faults;
use cse_server::sim::seed::{ClusterRequest, CseShape, SiteAccess, Tenant, default_config};
use cse_server::sim::timings::Timings;
use cse_server::sim::transport::{InProcess, Journal};
use cse_server::sim::view::ClusterView;
use cse_server::sim::world::World;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::frozen::{Freezable, Sent};
use super::lawful::Bench;
use super::life::Life;
use super::serving::{Habits, ReplicaParts, serve};
use super::snare::Snares;
use super::versions::Versions;

/// Base URL of the simulated site.
pub(crate) const SITE: &str = "https://vcd.sim.example";

struct Running {
    me: HolderId,
    stop: CancellationToken,
    frozen: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Date of the origin of every fleet's clock.
const BEGINNING: &str = "2026-03-01T09:00:00Z";

/// A fleet as it was when no replica ran, to be taken up as often as needed.
pub(crate) struct Saved {
    seed: u64,
    world: Vec<u8>,
    access: SiteAccess,
    tenants: Vec<Tenant>,
    urns: Vec<String>,
}

/// A site, its tenants and the replicas that serve it.
pub(crate) struct Fleet {
    pub(crate) seed: u64,
    /// What the test does to it, for failure texts.
    pub(crate) what: String,
    pub(crate) clock: Clock,
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) journal: Journal,
    pub(crate) sent: Sent,
    pub(crate) snares: Snares,
    pub(crate) versions: Versions,
    pub(crate) access: SiteAccess,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) urns: Vec<String>,
    pub(crate) life: Life,
    /// Of the replicas that are started from now on.
    pub(crate) habits: Habits,
    /// Of the last process of each replica.
    pub(crate) meters: BTreeMap<String, Arc<Meters>>,
    running: BTreeMap<String, Running>,
    /// Told to stop, and perhaps still at it.
    leaving: BTreeMap<String, Running>,
    dead: BTreeMap<String, Vec<HolderId>>,
    started: u64,
    bench: Bench,
    /// Whether all clusters were provisioned, at these revisions: reading every document is most of what a
    /// fleet at rest would cost.
    provisioned: Mutex<(BTreeMap<String, u64>, bool)>,
}

impl Fleet {
    /// A site with two tenants and no replica.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_timings(seed, Timings::default())
    }

    /// The same, where guests and nodes need seconds: for tests of many runs.
    pub(crate) fn quick(seed: u64) -> Self {
        let timings = Timings {
            guest_phase: Duration::from_secs(5),
            node: Duration::from_secs(15),
            ..Timings::default()
        };
        Self::with_timings(seed, timings)
    }

    fn with_timings(seed: u64, timings: Timings) -> Self {
        let clock = Clock::virtual_at(BEGINNING.parse().unwrap());
        let mut world = World::new(SITE, seed, timings);
        let access = world.seed_site();
        world.seed_config(default_config());
        let tenants = vec![world.seed_tenant("acme"), world.seed_tenant("nimbus")];
        world.keep_whole_history();
        let world = Arc::new(Mutex::new(world));
        Self {
            seed,
            what: String::new(),
            clock,
            bench: Bench::new(seed, &world),
            world,
            faults: Arc::new(Faults::none()),
            journal: Journal::default(),
            sent: Sent::default(),
            snares: Snares::default(),
            versions: Versions::default(),
            access,
            tenants,
            urns: Vec::new(),
            life: Life::default(),
            habits: Habits::default(),
            meters: BTreeMap::new(),
            running: BTreeMap::new(),
            leaving: BTreeMap::new(),
            dead: BTreeMap::new(),
            started: 0,
            provisioned: Mutex::default(),
        }
    }

    /// The fleet as it is, without its replicas.
    pub(crate) fn save(&self) -> Saved {
        assert!(self.running.is_empty(), "seed {}", self.seed);
        let mut world = Vec::new();
        self.world().save(None, &mut world).unwrap();
        Saved {
            seed: self.seed,
            world,
            access: self.access.clone(),
            tenants: self.tenants.clone(),
            urns: self.urns.clone(),
        }
    }

    /// A fleet that goes on from where another one was saved.
    pub(crate) fn resume(saved: &Saved) -> Self {
        Self::resume_at(saved, None)
    }

    /// The same as another site, under its own URL.
    pub(crate) fn resume_at(saved: &Saved, site: Option<&str>) -> Self {
        let mut loaded = World::load(saved.world.as_slice(), site).unwrap();
        let elapsed = loaded.moment.since_origin();
        loaded.world.keep_whole_history();
        let world = Arc::new(Mutex::new(loaded.world));
        Self {
            clock: Clock::virtual_since(BEGINNING.parse().unwrap(), elapsed),
            bench: Bench::new(saved.seed, &world),
            world,
            access: saved.access.clone(),
            tenants: saved.tenants.clone(),
            urns: saved.urns.clone(),
            ..Self::new(saved.seed)
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a cluster as Terraform would; tenants and payload shapes take turns.
    pub(crate) fn ask_for(&mut self, name: &str) -> String {
        self.ask(name, false)
    }

    /// The same with auto-repair.
    pub(crate) fn ask_for_repaired(&mut self, name: &str) -> String {
        self.ask(name, true)
    }

    fn ask(&mut self, name: &str, auto_repair: bool) -> String {
        let shape = if self.urns.len().is_multiple_of(2) {
            CseShape::V42
        } else {
            CseShape::V41
        };
        self.ask_in(shape, name, auto_repair)
    }

    /// The same in the shape of one release.
    pub(crate) fn ask_in(&mut self, shape: CseShape, name: &str, auto_repair: bool) -> String {
        let turn = self.urns.len();
        let tenant = self.tenants[turn % self.tenants.len()].clone();
        let request = ClusterRequest {
            name: name.to_owned(),
            shape,
            control_planes: 1,
            pools: vec![("workers-a".to_owned(), 2), ("workers-b".to_owned(), 1)],
            auto_repair,
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let urn = self.world().create_cluster(&tenant, &request, now, wall);
        self.urns.push(urn.clone());
        urn
    }

    /// Starts a replica; one that was killed under this name before takes its claims back, as on the
    /// same host.
    pub(crate) fn start(&mut self, name: &str) {
        self.start_as(name, name);
    }

    /// Starts a replica that the test calls `name` and that takes itself for `replica`.
    pub(crate) fn start_as(&mut self, name: &str, replica: &str) {
        let chance = self.next_chance();
        let me = HolderId::new(replica, chance.next_u128());
        self.launch(name, me, (chance, self.clock.clone()));
    }

    fn next_chance(&mut self) -> Arc<Chance> {
        self.started += 1;
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(self.started);
        Arc::new(Chance::seeded(seed))
    }

    fn launch(&mut self, name: &str, me: HolderId, (chance, clock): (Arc<Chance>, Clock)) {
        let predecessors = self.dead.get(name).cloned().unwrap_or_default();
        let stop = CancellationToken::new();
        let transport = InProcess::new(
            Arc::clone(&self.world),
            self.clock.clone(),
            Arc::clone(&self.faults),
        )
        .labelled(name)
        .recorded(&self.journal);
        let (frozen, gate) = watch::channel(false);
        let at = (self.clock.now(), self.clock.wall());
        self.world().note_started(name, at);
        let meters = Arc::new(Meters::new(self.clock.clone()));
        let replica = ReplicaParts {
            transport: Freezable::new(transport, gate, (self.sent.clone(), self.versions.clone()))
                .snared(name, &self.snares, &frozen),
            token: self.access.provider_token.clone(),
            clock,
            chance,
            me: me.clone(),
            predecessors,
            life: self.life.clone(),
            habits: self.habits,
            meters: Arc::clone(&meters),
        };
        self.meters.insert(name.to_owned(), meters);
        let task = tokio::spawn(serve(replica, stop.clone()));
        let running = Running {
            me,
            stop,
            frozen,
            task,
        };
        self.running.insert(name.to_owned(), running);
    }

    /// Lets a replica stand still where it is, or go on from there.
    pub(crate) fn freeze(&self, name: &str, frozen: bool) {
        self.running[name].frozen.send_replace(frozen);
    }

    /// Ends a replica between two instructions, as SIGKILL does.
    pub(crate) async fn kill(&mut self, name: &str) {
        let running = self.running.remove(name).unwrap();
        running.task.abort();
        assert!(
            running.task.await.unwrap_err().is_cancelled(),
            "seed {}",
            self.seed
        );
        self.dead
            .entry(name.to_owned())
            .or_default()
            .insert(0, running.me);
    }

    /// Drains a replica, as SIGTERM does, and waits for its end.
    pub(crate) async fn stop(&mut self, name: &str) {
        let running = self.running.remove(name).unwrap();
        let at = (self.clock.now(), self.clock.wall());
        self.world().note_stopping(name, at);
        running.stop.cancel();
        running.task.await.unwrap();
    }

    pub(crate) async fn pass_time(&self, time: Duration) {
        self.clock.sleep(time).await;
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let mut world = self.world();
        world.advance(now, wall);
        self.versions.look(&world);
    }

    /// Lets time pass in steps of a second.
    pub(crate) async fn pass(&self, time: Duration) {
        self.until(time, |_| false).await;
    }

    /// Lets time pass in steps of a second until `done`, for `limit` at most.
    pub(crate) async fn until(&self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.clock.now().plus(limit);
        while self.clock.now() < end {
            if done(self) {
                return true;
            }
            self.pass_time(Duration::from_secs(1)).await;
        }
        done(self)
    }

    /// Changes an entity's content behind the replicas' backs.
    pub(crate) fn change(&self, urn: &str, change: impl FnOnce(&mut Map<String, Value>)) {
        let changed = self.world().modify_entity(urn, self.clock.wall(), change);
        assert!(changed, "{urn} does not exist\n{}", self.context());
    }

    /// An entity's content as it stands.
    pub(crate) fn content(&self, urn: &str) -> Map<String, Value> {
        self.world().entity_content(urn).unwrap()
    }

    /// Whether the cluster's state is `state`.
    pub(crate) fn is_in(&self, urn: &str, state: &str) -> bool {
        self.cluster(urn).state.as_deref() == Some(state)
    }

    /// Whether the replica holds the cluster.
    pub(crate) fn holds(&self, name: &str, urn: &str) -> bool {
        let holder = self.cluster(urn).holder;
        holder.as_deref() == Some(self.me(name))
    }

    /// What the replica signs with.
    pub(crate) fn me(&self, name: &str) -> &str {
        self.running[name].me.as_str()
    }

    pub(crate) fn cluster(&self, urn: &str) -> ClusterView {
        let clusters = self.world().clusters();
        clusters
            .into_iter()
            .find(|cluster| cluster.urn == urn)
            .unwrap()
    }

    pub(crate) fn all_provisioned(&self) -> bool {
        let world = self.world();
        let mut last = self.provisioned.lock().unwrap();
        let same = last.0.len() == world.revisions().count()
            && world
                .revisions()
                .all(|(urn, revision)| last.0.get(urn) == Some(&revision));
        if !same {
            let clusters = world.clusters();
            let provisioned = |c: &ClusterView| c.state.as_deref() == Some("provisioned");
            last.1 = !clusters.is_empty() && clusters.iter().all(provisioned);
            let owned = |(urn, revision): (&str, u64)| (urn.to_owned(), revision);
            last.0 = world.revisions().map(owned).collect();
        }
        last.1
    }

    /// How often `effect` was applied for the cluster, over all attempts.
    pub(crate) fn effect(&self, effect: &str, urn: &str) -> u32 {
        let world = self.world();
        let subject = format!("rde={urn};");
        let counts = world.effects().iter();
        counts
            .filter(|((name, about), _)| *name == effect && about.starts_with(&subject))
            .map(|(_, count)| *count)
            .sum()
    }

    /// What replicas did against the rules, without what is excused.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        self.bench.verdicts()
    }

    /// States that this scenario rightly breaks an invariant, such as `I5`, and why.
    pub(crate) fn excuse(&self, invariant: &str, why: &str) {
        self.bench.excuse(invariant, why);
    }

    /// Nothing was done against the rules, at any moment.
    pub(crate) fn assert_lawful(&self) {
        assert_eq!(self.verdicts(), Vec::<String>::new(), "{}", self.context());
    }

    /// Waits that were too long (L3, L4) since `from`, from when on nothing went wrong and there was a replica
    /// with a free slot.
    pub(crate) fn late(&self, from: Duration) -> Vec<String> {
        self.bench.late(Moment::from_origin(from), self.clock.now())
    }

    /// Clusters that are not at their end, or came to it less than `stays` ago (L1).
    pub(crate) fn unsettled(&self, stays: Duration) -> Vec<String> {
        self.bench.unsettled(self.clock.now(), stays)
    }

    /// Everything as promised: provisioned, nothing left, nothing done twice.
    pub(crate) fn assert_converged(&self) {
        self.assert_sound();
        let context = self.context();
        for urn in &self.urns {
            for effect in [
                "vapp.composed",
                "vm.created",
                "vm.powered_on",
                "vapp.deleted",
            ] {
                assert_eq!(self.effect(effect, urn), 1, "{effect} of {urn}\n{context}");
            }
            assert_eq!(
                self.events_twice(urn),
                Vec::<String>::new(),
                "{urn}\n{context}"
            );
        }
    }

    /// As promised whatever happened: provisioned, nothing left, nothing done against the rules.
    pub(crate) fn assert_sound(&self) {
        let context = self.context();
        assert!(
            !self.urns.is_empty(),
            "a fleet without clusters proves nothing\n{context}"
        );
        assert!(self.all_provisioned(), "not all provisioned\n{context}");
        self.assert_lawful();
        for urn in &self.urns {
            let cluster = self.cluster(urn);
            assert_eq!(cluster.rde_state, "RESOLVED", "{urn}\n{context}");
            assert_eq!(cluster.auto_repair, Some(false), "{urn}\n{context}");
        }
        assert_eq!(
            self.world().bootstrap_leftovers(),
            Vec::<String>::new(),
            "{context}"
        );
    }
}
