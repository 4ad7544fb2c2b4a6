//! Everything at once: replicas that are killed, frozen, ended and cut off, and tenants who go on wishing.
//!
//! Flow: script -> play -> calm -> everything is as wished, and stays so -> what must not have happened.
//!
//! Not here: what is done when (`script`), what is wrong at the end (`verdict`).

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use serde_json::Value;

use super::daemon::Usage;
use super::network::Net;
use super::replica::Replica;
use super::script::{Act, REPLICAS, Siege, Step};
use super::site::{Lines, Plan, Seen, Site};
use super::tenant::{Author, FIRST_WORKERS, workers};
use super::usage::Usages;
use super::verdict;

/// How much faster than real time everybody lives.
const SCALE: u32 = 40;
/// A cluster is complete within about four minutes instead of ten.
const TIMINGS: &[&str] = &["guest_phase=12s", "recompose=20s", "node=30s"];
/// Shortest timers that are allowed. A call has two real seconds, 80 s for everybody else: what a replica begins
/// just before it fences itself may come to its end after the takeover.
const LINES: Lines = Lines {
    vcd: "request_timeout_secs = 2\n",
    replica: "heartbeat_secs = 20\nself_fence_secs = 60\ntakeover_secs = 120\n",
};
/// Real time between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// Real time between two looks of a client that waits for a deletion.
const CLIENT_LOOKS_EVERY: Duration = Duration::from_millis(1500);
/// Real time between two looks at memory and files.
const MEASURE_EVERY: Duration = Duration::from_millis(500);
/// Most clusters at once; beyond that tenants delete instead.
const MOST_CLUSTERS: usize = 14;
/// Real time of a broken network after one whose bytes are not to arrive late.
const RESET: Duration = Duration::from_millis(40);
/// Time after the last trouble in which everything has to be as wished, on the site's clock.
pub(crate) const CONVERGED_WITHIN: Duration = Duration::from_mins(40);
/// For so long it has to stay so, on the site's clock.
const STAYS_FOR: Duration = Duration::from_mins(1);

/// What a tenant wants of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Wished {
    pub(crate) urn: String,
    pub(crate) name: String,
    tenant: usize,
    workers: u32,
    pub(crate) deleted: bool,
    gone: bool,
}

/// What ends or happens later.
#[derive(Debug)]
enum Later {
    Thaw(usize),
    Heal { replica: usize, late: bool },
    Open(usize),
    Overwrite { which: usize, copy: Value },
}

impl Later {
    /// Whom it concerns, if it is a replica.
    const fn replica(&self) -> Option<usize> {
        match self {
            Self::Thaw(replica) | Self::Heal { replica, .. } | Self::Open(replica) => {
                Some(*replica)
            }
            Self::Overwrite { .. } => None,
        }
    }
}

/// Everything that is going on.
pub(crate) struct Trouble<'a> {
    pub(crate) site: &'a Site,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) wished: Vec<Wished>,
    pub(crate) usages: Usages,
    /// What was done, and how often.
    pub(crate) done: BTreeMap<&'static str, u32>,
    /// The same in order, with its time.
    pub(crate) told: Vec<String>,
    later: Vec<(Moment, Later)>,
    /// A replica to which nothing more happens until then.
    besieged: Option<(usize, Moment)>,
    /// Until then requests may meet faults.
    bad_until: Moment,
    clock: Clock,
    began: Moment,
    length: Duration,
    next_measure: Moment,
    next_client_look: Moment,
}

/// The site of such a run.
pub(crate) fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        scale: SCALE,
        timings: TIMINGS,
    }
}

impl<'a> Trouble<'a> {
    pub(crate) async fn at(site: &'a Site) -> Self {
        let mut replicas = Vec::new();
        for number in 1..=REPLICAS {
            let name = format!("replica-{number}");
            replicas.push(Replica::at(site, &name, LINES).await);
        }
        let clock = Clock::system();
        let now = clock.now();
        Self {
            site,
            replicas,
            wished: Vec::new(),
            usages: Usages::default(),
            done: BTreeMap::new(),
            told: Vec::new(),
            later: Vec::new(),
            besieged: None,
            bad_until: now,
            began: now,
            length: Duration::ZERO,
            next_measure: now,
            next_client_look: now,
            clock,
        }
    }

    fn tell(&mut self, what: &'static str, more: &str) {
        *self.done.entry(what).or_default() += 1;
        let at = self.clock.now().since(self.began).as_secs_f64();
        self.told.push(format!("{at:7.2} s  {what} {more}"));
    }

    /// Does everything in the script, each thing at its time.
    pub(crate) async fn play(&mut self, steps: &[Step], length: Duration) {
        self.began = self.clock.now();
        self.length = length;
        for step in steps {
            let at = self.began.plus(step.at);
            while self.clock.now() < at {
                self.look().await;
            }
            self.act(&step.act).await;
        }
    }

    /// Lets happen what is due.
    async fn look(&mut self) {
        let now = self.clock.now();
        for replica in &mut self.replicas {
            if now < self.bad_until {
                replica.note_trouble();
            }
            replica.tend(self.site);
        }
        let all = std::mem::take(&mut self.later);
        let (due, later) = all.into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Moment, Later)> = due;
        for (_, one) in due {
            self.happen(one).await;
        }
        if now >= self.next_measure {
            self.next_measure = now.plus(MEASURE_EVERY);
            let at = now.since(self.began);
            for replica in &mut self.replicas {
                if let Some((process, usage)) = replica.usage() {
                    self.usages.note(process, at, usage);
                }
            }
        }
        if now >= self.next_client_look {
            self.next_client_look = now.plus(CLIENT_LOOKS_EVERY);
            self.mark_again().await;
        }
        self.clock.sleep(LOOK_EVERY).await;
    }

    async fn happen(&mut self, one: Later) {
        match one {
            Later::Thaw(replica) => self.replicas[replica].thaw(),
            Later::Heal { replica, late } => {
                if late {
                    self.replicas[replica].network.set(Net::Open);
                } else {
                    self.replicas[replica].network.set(Net::Broken);
                    let at = self.clock.now().plus(RESET);
                    self.later.push((at, Later::Open(replica)));
                }
            }
            Later::Open(replica) => self.replicas[replica].network.set(Net::Open),
            Later::Overwrite { which, copy } => self.overwrite(which, &copy).await,
        }
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::Kill { replica, down } => self.kill(replica, down),
            Act::Freeze { replica, lasts } => self.freeze(replica, lasts),
            Act::Terminate { replica } => self.terminate(replica),
            Act::Cut {
                replica,
                how,
                lasts,
                late,
            } => {
                let whom = replica.map_or(0..REPLICAS, |one| one..one + 1);
                for replica in whom {
                    self.cut(replica, how, (lasts, late));
                }
            }
            Act::Besiege { how, lasts, spared } => self.besiege(how, lasts, spared).await,
            Act::Weather {
                fault,
                per_mille,
                lasts,
            } => {
                self.site.arm(fault, per_mille, lasts).await;
                let end = self.clock.now().plus(lasts);
                self.bad_until = self.bad_until.max(end);
                let text = format!("{per_mille} of 1000 meet {fault:?} for {lasts:?}");
                self.tell("weather", &text);
            }
            Act::ExpireSessions => {
                self.site.expire_sessions().await;
                self.tell("expire sessions", "");
            }
            Act::Create if self.alive().len() < MOST_CLUSTERS => self.create().await,
            Act::Create => self.delete(self.wished.len()).await,
            Act::Delete { which } => self.delete(which).await,
            Act::Resize { which, workers } => self.resize(which, workers).await,
            Act::RollBack { which, age } => self.take_copy(which, age).await,
        }
    }

    /// Whether nothing more is to happen to a replica for now.
    fn is_besieged(&self, replica: usize) -> bool {
        let now = self.clock.now();
        self.besieged
            .is_some_and(|(one, until)| one == replica && now < until)
    }

    fn kill(&mut self, replica: usize, down: Duration) {
        if !self.is_besieged(replica) && self.replicas[replica].kill(down) {
            self.tell("kill", &format!("{} for {down:?}", replica + 1));
        }
    }

    fn freeze(&mut self, replica: usize, lasts: Duration) {
        if !self.is_besieged(replica) && self.replicas[replica].freeze() {
            let end = self.clock.now().plus(lasts);
            self.later.push((end, Later::Thaw(replica)));
            self.tell("freeze", &format!("{} for {lasts:?}", replica + 1));
        }
    }

    fn terminate(&mut self, replica: usize) {
        if !self.is_besieged(replica) && self.replicas[replica].terminate() {
            self.tell("terminate", &format!("{}", replica + 1));
        }
    }

    fn cut(&mut self, replica: usize, how: Net, (lasts, late): (Duration, bool)) {
        if !self.is_besieged(replica) {
            self.replicas[replica].network.set(how);
            let end = self.clock.now().plus(lasts);
            self.later.push((end, Later::Heal { replica, late }));
            let rest = if late { "arrives late" } else { "is lost" };
            let text = format!("{} {how:?} for {lasts:?}, the rest {rest}", replica + 1);
            self.tell("cut", &text);
        }
    }

    /// Takes the replica that holds most out of the world for a while.
    async fn besiege(&mut self, how: Siege, lasts: Duration, spared: Option<usize>) {
        let seen = self.site.clusters().await;
        let held_by = |at: usize| {
            let name = &self.replicas[at].name;
            seen.iter().filter(|one| one.replica() == name).count()
        };
        let others = (0..REPLICAS).filter(|one| Some(*one) != spared);
        let victim = others.max_by_key(|at| held_by(*at)).unwrap_or(0);
        let held = held_by(victim);
        // Whatever was to end meanwhile would end the siege.
        self.later
            .retain(|(_, later)| later.replica() != Some(victim));
        self.replicas[victim].network.set(Net::Open);
        self.replicas[victim].thaw();
        let end = self.clock.now().plus(lasts);
        match how {
            Siege::Lost => {
                self.replicas[victim].kill(lasts);
            }
            Siege::Frozen => self.freeze(victim, lasts),
            Siege::Cut(net) => self.cut(victim, net, (lasts, true)),
        }
        self.besieged = Some((victim, end));
        let text = format!("{} {how:?} for {lasts:?}, with {held} clusters", victim + 1);
        self.tell("siege", &text);
    }

    /// Clusters that are to stay, as indices.
    fn alive(&self) -> Vec<usize> {
        let all = self.wished.iter().enumerate();
        all.filter(|(_, one)| !one.deleted)
            .map(|(at, _)| at)
            .collect()
    }

    async fn author(&self, which: usize) -> Author<'a> {
        Author::of(self.site, self.wished[which].tenant).await
    }

    async fn create(&mut self) {
        let number = self.wished.len();
        let tenant = number % self.site.tenants.len();
        let name = format!("c{number}");
        let urn = Author::of(self.site, tenant).await.ask_for(&name).await;
        self.tell("create", &format!("{name} {urn}"));
        self.wished.push(Wished {
            urn,
            name,
            tenant,
            workers: FIRST_WORKERS,
            deleted: false,
            gone: false,
        });
    }

    async fn delete(&mut self, which: usize) {
        let alive = self.alive();
        let Some(&which) = alive.get(which % alive.len().max(1)) else {
            return;
        };
        let author = self.author(which).await;
        // If it cannot be written now, it is later: whoever deletes looks again and again.
        author.mark(&self.wished[which].urn).await;
        self.wished[which].deleted = true;
        self.tell("delete", &self.wished[which].name.clone());
    }

    /// As a client does that waits for its cluster to go: it asks again when its wish was lost.
    async fn mark_again(&mut self) {
        for which in 0..self.wished.len() {
            let one = &self.wished[which];
            if !one.deleted || one.gone {
                continue;
            }
            let urn = one.urn.clone();
            let author = self.author(which).await;
            match author.read(&urn).await {
                None => self.wished[which].gone = true,
                Some(read) if !read.is_marked() => {
                    author.mark(&urn).await;
                    self.tell("mark again", &self.wished[which].name.clone());
                }
                Some(_) => {}
            }
        }
    }

    async fn resize(&mut self, which: usize, workers: u32) {
        let seen = self.site.clusters().await;
        let provisioned = |urn: &str| {
            let one = seen.iter().find(|seen| seen.urn == urn);
            one.is_some_and(|one| one.state == "provisioned")
        };
        let mut ready = self.alive();
        ready.retain(|at| provisioned(&self.wished[*at].urn));
        let Some(&which) = ready.get(which % ready.len().max(1)) else {
            return;
        };
        let author = self.author(which).await;
        if author.resize(&self.wished[which].urn, workers).await {
            self.wished[which].workers = workers;
            let name = &self.wished[which].name;
            self.tell("resize", &format!("{name} to {workers}"));
        }
    }

    /// Reads now what will be written back `age` later.
    async fn take_copy(&mut self, which: usize, age: Duration) {
        let mut there: Vec<usize> = (0..self.wished.len()).collect();
        there.retain(|at| !self.wished[*at].gone);
        let Some(&which) = there.get(which % there.len().max(1)) else {
            return;
        };
        let author = self.author(which).await;
        if let Some(read) = author.read(&self.wished[which].urn).await {
            let copy = read.copy();
            let at = self.clock.now().plus(age);
            self.later.push((at, Later::Overwrite { which, copy }));
        }
    }

    async fn overwrite(&mut self, which: usize, copy: &Value) {
        let author = self.author(which).await;
        if author.overwrite(&self.wished[which].urn, copy).await {
            self.wished[which].workers = workers(copy);
            let record = &copy["status"]["vcdKe"]["heartbeatString"];
            let name = self.wished[which].name.clone();
            self.tell("roll back", &format!("{name} to {record}"));
        }
    }

    /// Ends all trouble.
    async fn calm(&mut self) {
        self.site.disarm().await;
        self.later.clear();
        self.besieged = None;
        for replica in &mut self.replicas {
            replica.network.set(Net::Open);
            replica.thaw();
        }
        self.tell("calm", "");
    }

    /// Ends all trouble and waits until everything is as wished, and has been for a while. Returns how long it
    /// took on the site's clock.
    ///
    /// # Errors
    /// What is not as wished when the time is over.
    pub(crate) async fn converge(&mut self) -> Result<Duration, Vec<String>> {
        self.calm().await;
        let calm = self.clock.now();
        let mut since = None;
        loop {
            self.look().await;
            let now = self.clock.now();
            let left = self.unfinished().await;
            if left.is_empty() {
                let first = *since.get_or_insert(now);
                if now.since(first) >= self.site.real(STAYS_FOR) {
                    return Ok(first.since(calm) * self.site.plan.scale);
                }
            } else if since.take().is_some() {
                self.tell("not as wished any more", &format!("{left:?}"));
            }
            if now.since(calm) > self.site.real(CONVERGED_WITHIN) {
                return Err(left);
            }
        }
    }

    /// What is not as wished.
    async fn unfinished(&mut self) -> Vec<String> {
        let seen = self.site.clusters().await;
        let mut left = Vec::new();
        for which in 0..self.wished.len() {
            let one = self.wished[which].clone();
            let found = seen.iter().find(|seen| seen.urn == one.urn);
            match (one.deleted, found) {
                (true, None) => self.wished[which].gone = true,
                (true, Some(_)) => left.push(format!("{} is still there", one.name)),
                (false, None) => left.push(format!("{} is gone", one.name)),
                (false, Some(seen)) => left.extend(self.lacks(which, seen).await),
            }
        }
        if left.is_empty() {
            left = self.site.leaks().await;
        }
        left
    }

    /// What a cluster that is to stay lacks.
    async fn lacks(&self, which: usize, seen: &Seen) -> Option<String> {
        let Wished {
            urn, name, workers, ..
        } = &self.wished[which];
        if seen.state != "provisioned" {
            return Some(format!("{name} is {:?}", seen.state));
        }
        if !seen.holder.is_empty() {
            return Some(format!("{name} is held by {}", seen.holder));
        }
        let read = self.author(which).await.read(urn).await;
        let Some(read) = read else {
            return Some(format!("{name} is gone"));
        };
        let wanted = u64::from(*workers);
        if read.workers() != *workers {
            let asked = read.workers();
            return Some(format!("{name} asks for {asked} workers, not for {wanted}"));
        }
        let has = read.has();
        (has != Some((wanted, wanted)))
            .then(|| format!("{name} wants and has {has:?} workers, not {wanted}"))
    }

    /// Everything that helps to understand a failure, and how to repeat it.
    pub(crate) fn story(&self) -> String {
        let (seed, seconds) = (self.site.plan.seed, self.length.as_secs());
        let story = verdict::story(&self.told, &self.site.logs());
        format!(
            "{story}\nagain: CONVERGENCE_SEEDS={seed}..{} CONVERGENCE_SECONDS={seconds} \
             cargo test --test convergence -- processes::trouble\n",
            seed + 1
        )
    }

    /// What each replica has of the machine now.
    pub(crate) fn usages_now(&mut self) -> Vec<Usage> {
        let usages = self.replicas.iter_mut().filter_map(Replica::usage);
        usages.map(|(_, usage)| usage).collect()
    }

    /// Ends every replica.
    pub(crate) async fn stop(&mut self) {
        for replica in &mut self.replicas {
            replica.terminate();
        }
        for replica in &mut self.replicas {
            replica.stop().await;
        }
        self.tell("stopped", "");
    }
}

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.story());
        }
    }
}
