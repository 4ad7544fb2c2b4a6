//! Everything at once: replicas that are killed, frozen, ended and cut off, and tenants who go on wishing.
//!
//! Flow: script -> play -> calm -> everything is as wished, and stays so -> what must not have happened.
//!
//! Not here: what is done when (`script`), what is wrong at the end (`verdict`).

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use cse_server::sim::faults::Fault;

use super::daemon::Usage;
use super::network::Net;
use super::replica::Replica;
use super::script::{Act, REPLICAS, Siege, Step};
use super::site::{Lines, Plan, Site};
use super::usage::Usages;
use super::verdict;
use super::wishes::{Copy, Told, Wishes};

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
/// Real time of a broken network after one whose bytes are not to arrive late.
const RESET: Duration = Duration::from_millis(40);
/// Time after the last trouble in which everything has to be as wished, on the site's clock.
pub(crate) const CONVERGED_WITHIN: Duration = Duration::from_mins(40);
/// For so long it has to stay so, on the site's clock.
const STAYS_FOR: Duration = Duration::from_mins(1);

/// What ends or happens later.
#[derive(Debug)]
enum Later {
    Thaw(usize),
    Heal { replica: usize, late: bool },
    Open(usize),
    Overwrite(Copy),
}

impl Later {
    /// Whom it concerns, if it is a replica.
    const fn replica(&self) -> Option<usize> {
        match self {
            Self::Thaw(replica) | Self::Heal { replica, .. } | Self::Open(replica) => {
                Some(*replica)
            }
            Self::Overwrite(_) => None,
        }
    }
}

/// Everything that is going on.
pub(crate) struct Trouble<'a> {
    pub(crate) site: &'a Site,
    pub(crate) replicas: Vec<Replica>,
    wishes: Wishes<'a>,
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
            wishes: Wishes::of(site),
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

    fn tell_if(&mut self, told: Option<Told>) {
        if let Some((what, more)) = told {
            self.tell(what, &more);
        }
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
            for told in self.wishes.mark_again().await {
                self.tell_if(Some(told));
            }
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
            Later::Overwrite(copy) => {
                let told = self.wishes.overwrite(&copy).await;
                self.tell_if(told);
            }
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
            } => self.weather(fault, per_mille, lasts).await,
            Act::ExpireSessions => {
                self.site.expire_sessions().await;
                self.tell("expire sessions", "");
            }
            Act::Create => {
                let told = self.wishes.create().await;
                self.tell_if(told);
            }
            Act::Delete { which } => {
                let told = self.wishes.delete(which).await;
                self.tell_if(told);
            }
            Act::Resize { which, workers } => {
                let told = self.wishes.resize(which, workers).await;
                self.tell_if(told);
            }
            Act::RollBack { which, age } => {
                if let Some(copy) = self.wishes.copy(which).await {
                    let at = self.clock.now().plus(age);
                    self.later.push((at, Later::Overwrite(copy)));
                }
            }
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

    /// Lets VCD answer wrongly for a while.
    async fn weather(&mut self, fault: Fault, per_mille: u32, lasts: Duration) {
        self.site.arm(fault, per_mille, lasts).await;
        let end = self.clock.now().plus(lasts);
        self.bad_until = self.bad_until.max(end);
        let text = format!("{per_mille} of 1000 meet {fault:?} for {lasts:?}");
        self.tell("weather", &text);
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
            let left = self.wishes.unfulfilled().await;
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
