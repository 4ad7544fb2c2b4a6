//! How long clusters are without a holder: after SIGTERM, after a crash with a restart, after the loss of a host.
//!
//! Goal: 12 s from SIGTERM to the successor's claim, 5 s from a restart to the claims taken back, 230 s from the
//! loss of a host to the claims taken over.
//!
//! Method: everything is read off the site's own clock and log of requests: from the moment before the signal, or
//! the start, to the accepted write of the new holder. The clocks of site and replicas run at one pace, so a machine
//! that is slow makes the figures larger, never smaller. A gauge measures for how long the machine kept a ready
//! thread waiting; that, and nothing else, is added to the limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cse_server::clock::Clock;
use tokio::task::JoinHandle;

use super::replica::Replica;
use super::site::{Lines, Plan, Seen, Site};
use super::tenant::Author;
use crate::figures;

/// Real time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Real time for anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(40);
/// Bootstrap machines take longer than the measurements: everything stays held.
const TIMINGS: &[&str] = &["guest_phase=3m"];

/// Samples of one kind of failover, in time of the site.
#[derive(Debug)]
pub(crate) struct Failover {
    what: &'static str,
    scale: u32,
    limit: Duration,
    events: usize,
    samples: Vec<Duration>,
    /// Longest time for which the machine kept a thread waiting, in time of the site.
    stall: Duration,
    /// What must not have happened.
    pub(crate) wrong: Vec<String>,
}

impl Failover {
    /// Puts it into the table, and says what of it is wrong.
    pub(crate) fn verdict(mut self) -> Vec<String> {
        self.samples.sort_unstable();
        let seconds = |time: Duration| format!("{:.1}", time.as_secs_f64());
        let middle = self.samples.get(self.samples.len() / 2).copied();
        let most = self.samples.last().copied();
        let shown = |sample: Option<Duration>| sample.map_or("-".to_owned(), seconds);
        figures::add(
            "Failover of real processes, in seconds of their own clocks",
            &[
                "from", "scale", "times", "clusters", "p50", "max", "limit", "stall",
            ],
            [vec![
                self.what.to_owned(),
                self.scale.to_string(),
                self.events.to_string(),
                self.samples.len().to_string(),
                shown(middle),
                shown(most),
                seconds(self.limit),
                seconds(self.stall),
            ]],
        );
        let what = self.what;
        if self.samples.len() < self.events || self.samples.is_empty() {
            let text = format!("{what}: {} events, too few samples", self.events);
            self.wrong.push(text);
        }
        if most > Some(self.limit + self.stall) {
            let (limit, stall) = (self.limit, self.stall);
            let text = format!(
                "{what}: {:?}, limit {limit:?}, stall {stall:?}",
                self.samples
            );
            self.wrong.push(text);
        }
        self.wrong
    }
}

/// Measures how long a thread that is ready has to wait.
struct Gauge {
    longest_us: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Gauge {
    fn start() -> Self {
        let longest_us = Arc::new(AtomicU64::new(0));
        let longest = Arc::clone(&longest_us);
        let task = tokio::spawn(async move {
            let clock = Clock::system();
            loop {
                let before = clock.now();
                clock.sleep(LOOK_EVERY).await;
                let late = clock.now().since(before).saturating_sub(LOOK_EVERY);
                let late = u64::try_from(late.as_micros()).unwrap();
                longest.fetch_max(late, Ordering::Relaxed);
            }
        });
        Self { longest_us, task }
    }

    fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Ordering::Relaxed))
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A site, its replicas, and clusters that are being created all the time.
struct Lab<'a> {
    site: &'a Site,
    replicas: Vec<Replica>,
    clock: Clock,
    gauge: Gauge,
    clusters: usize,
}

/// A cluster whose holder goes away.
#[derive(Debug)]
struct Orphan {
    urn: String,
    of: String,
    since: Duration,
}

impl<'a> Lab<'a> {
    async fn open(site: &'a Site, replicas: usize) -> Self {
        let mut all = Vec::new();
        for number in 1..=replicas {
            all.push(Replica::at(site, &format!("replica-{number}"), Lines::default()).await);
        }
        let mut lab = Self {
            site,
            replicas: all,
            clock: Clock::system(),
            gauge: Gauge::start(),
            clusters: 0,
        };
        lab.all_ready().await;
        lab
    }

    fn tend(&mut self) {
        for replica in &mut self.replicas {
            replica.tend(self.site);
        }
    }

    async fn all_ready(&mut self) {
        let end = self.clock.now().plus(PATIENCE);
        loop {
            self.tend();
            if self.replicas.iter_mut().all(Replica::is_ready) {
                return;
            }
            assert!(self.clock.now() < end, "the replicas are not ready");
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn create_some(&mut self, clusters: usize) {
        for _ in 0..clusters {
            self.create().await;
        }
    }

    async fn create(&mut self) {
        let author = Author::of(self.site, self.clusters % self.site.tenants.len()).await;
        author.ask_for(&format!("c{}", self.clusters)).await;
        self.clusters += 1;
    }

    /// All clusters, once each is held by somebody.
    async fn all_held(&self) -> Vec<Seen> {
        let end = self.clock.now().plus(PATIENCE);
        loop {
            let seen = self.site.clusters().await;
            if seen.len() == self.clusters && seen.iter().all(|one| !one.holder.is_empty()) {
                return seen;
            }
            assert!(self.clock.now() < end, "not all are held: {seen:?}");
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Who holds most, and what.
    async fn busiest(&self) -> (usize, Vec<Seen>) {
        let seen = self.all_held().await;
        let held_by = |at: usize| {
            let name = &self.replicas[at].name;
            seen.iter().filter(move |one| one.replica() == name)
        };
        let busiest = (0..self.replicas.len()).max_by_key(|at| held_by(*at).count());
        let busiest = busiest.unwrap();
        (busiest, held_by(busiest).cloned().collect())
    }

    /// How long each cluster was without a holder: until the first accepted write after its orphaning by whom
    /// `successor` accepts.
    async fn samples(
        &self,
        orphans: &[Orphan],
        successor: fn(&str, &Orphan) -> bool,
    ) -> Vec<Duration> {
        let end = self.clock.now().plus(PATIENCE);
        let mut samples = Vec::new();
        for orphan in orphans {
            loop {
                let writes = self.site.writes(&orphan.urn).await;
                let mut later = writes.iter().filter(|one| one.at >= orphan.since);
                if let Some(claim) = later.find(|one| successor(&one.by, orphan)) {
                    samples.push(claim.at.saturating_sub(orphan.since));
                    break;
                }
                assert!(
                    self.clock.now() < end,
                    "nobody has claimed {orphan:?}: {writes:?}"
                );
                self.clock.sleep(LOOK_EVERY).await;
            }
        }
        samples
    }

    /// Longest stall on the site's clock, and what the replicas' logs and ends say that they must not.
    async fn close(mut self) -> (Duration, Vec<String>) {
        let stall = self.gauge.longest() * self.site.plan.scale;
        let mut wrong = Vec::new();
        for replica in &mut self.replicas {
            replica.terminate();
        }
        for replica in &mut self.replicas {
            replica.stop().await;
            wrong.extend(replica.lives.wrong.iter().cloned());
        }
        for (name, text) in self.site.logs() {
            let errors = super::log::errors(&text).into_iter();
            wrong.extend(errors.map(|error| format!("{name}: {error}")));
        }
        wrong.extend(self.site.verdicts().await);
        (stall, wrong)
    }

    fn orphans(victim: &Replica, since: Duration, held: Vec<Seen>) -> Vec<Orphan> {
        let orphan = |one: Seen| Orphan {
            urn: one.urn,
            of: victim.name.clone(),
            since,
        };
        held.into_iter().map(orphan).collect()
    }
}

fn plan(seed: u64, scale: u32) -> Plan {
    Plan {
        seed,
        scale,
        timings: TIMINGS,
    }
}

fn by_another(name: &str, orphan: &Orphan) -> bool {
    name != orphan.of
}

fn by_the_same(name: &str, orphan: &Orphan) -> bool {
    name == orphan.of
}

/// Replicas of a fleet of three end on SIGTERM, one after the other; each is back before the next one goes.
pub(crate) async fn of_stopped(rounds: usize) -> Failover {
    let plan = plan(3, 4);
    let mut site = Site::open(plan.clone()).await;
    let mut lab = Lab::open(&site, 3).await;
    // Nobody comes to hold more than are claimed at one look.
    lab.create_some(6).await;
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    let mut samples = Vec::new();
    for _ in 0..rounds {
        // The polls of the others have just served the last round; a signal comes at any time between two.
        let pause = Duration::from_millis(rng.u64(0..10_000));
        lab.clock.sleep(site.real(pause)).await;
        let (victim, held) = lab.busiest().await;
        let since = site.moment().await;
        let orphans = Lab::orphans(&lab.replicas[victim], since, held);
        lab.replicas[victim].stop().await;
        samples.extend(lab.samples(&orphans, by_another).await);
        lab.replicas[victim].start_again();
        lab.all_ready().await;
    }
    let (stall, mut wrong) = lab.close().await;
    wrong.extend(site.close().await);
    Failover {
        what: "SIGTERM to the next claim",
        scale: plan.scale,
        limit: Duration::from_secs(12),
        events: rounds,
        samples,
        stall,
        wrong,
    }
}

/// Replicas of a fleet of three die of SIGKILL, one after the other, and start again at once.
pub(crate) async fn of_killed(rounds: usize) -> Failover {
    let plan = plan(5, 2);
    let mut site = Site::open(plan.clone()).await;
    let mut lab = Lab::open(&site, 3).await;
    lab.create_some(9).await;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let (victim, held) = lab.busiest().await;
        lab.replicas[victim].lose().await;
        let since = site.moment().await;
        let orphans = Lab::orphans(&lab.replicas[victim], since, held);
        lab.replicas[victim].start_again();
        lab.all_ready().await;
        samples.extend(lab.samples(&orphans, by_the_same).await);
    }
    let (stall, mut wrong) = lab.close().await;
    wrong.extend(site.close().await);
    Failover {
        what: "restart to the claims taken back",
        scale: plan.scale,
        limit: Duration::from_secs(5),
        events: rounds,
        samples,
        stall,
        wrong,
    }
}

/// `losses` hosts of a fleet are lost one after the other; two more replicas than that share what they leave.
pub(crate) async fn of_hosts(losses: usize) -> Failover {
    let plan = plan(4, 30);
    let mut site = Site::open(plan.clone()).await;
    let mut lab = Lab::open(&site, losses + 2).await;
    let mut rng = fastrand::Rng::with_seed(plan.seed);
    // One after the other, so that nobody takes them all.
    let holders = |seen: &[Seen]| {
        let names = seen.iter().map(|one| one.replica().to_owned());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    while holders(&lab.all_held().await).len() < losses {
        assert!(lab.clusters < 60, "the work does not spread");
        for _ in 0..3 {
            lab.create().await;
            lab.clock
                .sleep(Duration::from_millis(rng.u64(20..200)))
                .await;
        }
    }
    let names = holders(&lab.all_held().await);
    let mut orphans = Vec::new();
    for name in names.iter().take(losses) {
        let at = lab.replicas.iter().position(|one| one.name == *name);
        let at = at.unwrap();
        let held = site.clusters().await.into_iter();
        let held = held.filter(|one| one.replica() == name).collect();
        let since = site.moment().await;
        lab.replicas[at].lose().await;
        orphans.extend(Lab::orphans(&lab.replicas[at], since, held));
        let pause = Duration::from_secs(rng.u64(5..30));
        lab.clock.sleep(site.real(pause)).await;
    }
    let samples = lab.samples(&orphans, by_another).await;
    let (stall, mut wrong) = lab.close().await;
    wrong.extend(site.close().await);
    Failover {
        what: "loss of a host to the claim of another",
        scale: plan.scale,
        limit: Duration::from_secs(230),
        events: losses,
        samples,
        stall,
        wrong,
    }
}
