//! What is done to the replicas and to the site, and when: all of it follows from one seed.
//!
//! Invariants:
//! - Pure: seed and length in, steps out. What a step meets when its time comes is the world's affair.
//! - Storms and sieges take turns. In a storm anything befalls anybody. In a siege one replica is away for longer
//!   than the takeover time, and the others live long enough to notice.
//! - Every kind of trouble has its turn before any has a second one.
//! - In a long run each replica is spared for a while: what grows slowly needs a long life to be seen.

use std::time::Duration;

use cse_server::sim::faults::Fault;

use super::network::Net;

/// How many replicas there are.
pub(crate) const REPLICAS: usize = 3;
/// Real time for which one replica is spared, in turns.
pub(crate) const SPARED: Duration = Duration::from_mins(5);
/// Runs below this spare nobody.
const LONG_RUN: Duration = Duration::from_mins(20);
/// Clusters that are asked for at the very beginning.
const FIRST_CLUSTERS: u64 = 5;
/// Real time between two steps of a rolling restart.
const ROLLING: Duration = Duration::from_millis(900);

/// Real time that a siege lasts: the takeover time, the time between two looks, and some to go on in.
const SIEGE_MS: (u64, u64) = (5500, 7500);
/// Longest trouble of a storm, in milliseconds.
const LONGEST: u64 = 5000;
/// Longest trouble beside a siege, in milliseconds.
const SHORTEST: u64 = 400;
/// Real time that a storm lasts.
const STORM_MS: (u64, u64) = (4000, 7000);

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// SIGKILL; the next process starts `down` later, on top of the pause that systemd makes.
    Kill { replica: usize, down: Duration },
    /// SIGSTOP, and SIGCONT after that time.
    Freeze { replica: usize, lasts: Duration },
    /// SIGTERM, and a new process after the pause that systemd makes.
    Terminate { replica: usize },
    /// The network of one replica, or of all, goes wrong; `late` bytes arrive after it, or the connections are reset.
    Cut {
        replica: Option<usize>,
        how: Net,
        lasts: Duration,
        late: bool,
    },
    /// The replica that holds most clusters is away for so long; nothing else befalls it meanwhile.
    Besiege {
        how: Siege,
        lasts: Duration,
        /// Who must not be chosen.
        spared: Option<usize>,
    },
    /// Of a thousand requests of all replicas so many meet this fault, for so long.
    Weather {
        fault: Fault,
        per_mille: u32,
        lasts: Duration,
    },
    /// The sessions of the service account end.
    ExpireSessions,
    /// A tenant asks for a cluster.
    Create,
    /// A tenant deletes one.
    Delete { which: usize },
    /// A tenant changes the number of workers.
    Resize { which: usize, workers: u32 },
    /// A client writes back what it had read `age` before.
    RollBack { which: usize, age: Duration },
}

/// A thing and its time, counted in real time from the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

/// How a replica is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Siege {
    /// Its host is lost; another one comes in its place.
    Lost,
    /// It is stopped, and goes on where it was.
    Frozen,
    /// Its network is cut; what it had sent arrives afterwards.
    Cut(Net),
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Kill,
    KillAll,
    Blink,
    Freeze,
    Terminate,
    Roll,
    Cut(Net),
    CutAll,
    Weather,
    ExpireSessions,
}

/// Kinds of wishes.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Create,
    Delete,
    Resize,
    RollBack,
}

const STORM: [Kind; 16] = [
    Kind::Kill,
    Kind::Kill,
    Kind::KillAll,
    Kind::Blink,
    Kind::Freeze,
    Kind::Terminate,
    Kind::Roll,
    Kind::Cut(Net::Broken),
    Kind::Cut(Net::Silent),
    Kind::Cut(Net::Mute),
    Kind::Cut(Net::Deaf),
    Kind::Cut(Net::Slow(Duration::from_millis(120))),
    Kind::CutAll,
    Kind::Weather,
    Kind::Weather,
    Kind::ExpireSessions,
];

/// What befalls others during a siege.
const MEANWHILE: [Kind; 3] = [
    Kind::Blink,
    Kind::Cut(Net::Slow(Duration::from_millis(40))),
    Kind::Cut(Net::Broken),
];

const SIEGES: [Siege; 6] = [
    Siege::Lost,
    Siege::Frozen,
    Siege::Cut(Net::Silent),
    Siege::Cut(Net::Deaf),
    Siege::Cut(Net::Mute),
    Siege::Frozen,
];

const WISHES: [Wish; 8] = [
    Wish::Create,
    Wish::Create,
    Wish::Create,
    Wish::Delete,
    Wish::Resize,
    Wish::Resize,
    Wish::RollBack,
    Wish::RollBack,
];

/// The steps of a run of that length, by time.
pub(crate) fn script(seed: u64, length: Duration) -> Vec<Step> {
    let mut drawn = Drawn {
        rng: fastrand::Rng::with_seed(seed),
        spares: length >= LONG_RUN,
        steps: Vec::new(),
    };
    for first in 0..FIRST_CLUSTERS {
        drawn.step(Duration::from_millis(150 * first), Act::Create);
    }
    drawn.troubles(length);
    let mut bag = Vec::new();
    let mut at = Duration::from_secs(1);
    while at < length {
        let wish = drawn.next_of(&mut bag, &WISHES);
        drawn.wish(at, wish);
        at += drawn.between(500, 1500);
    }
    let mut steps = drawn.steps;
    steps.retain(|step| step.at < length);
    steps.sort_by_key(|step| step.at);
    steps
}

struct Drawn {
    rng: fastrand::Rng,
    spares: bool,
    steps: Vec<Step>,
}

impl Drawn {
    /// The next one out of the bag, which is filled again when it is empty.
    fn next_of<T: Copy>(&mut self, bag: &mut Vec<T>, all: &[T]) -> T {
        if bag.is_empty() {
            bag.extend_from_slice(all);
            self.rng.shuffle(bag);
        }
        bag.pop().expect("it has just been filled")
    }

    fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(least_ms..most_ms))
    }

    fn step(&mut self, at: Duration, act: Act) {
        self.steps.push(Step { at, act });
    }

    /// Storms and sieges in turns.
    fn troubles(&mut self, length: Duration) {
        let (mut storm, mut sieges, mut meanwhile) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = Duration::from_secs(2);
        while at < length {
            let end = at + self.between(STORM_MS.0, STORM_MS.1);
            while at < end {
                let kind = self.next_of(&mut storm, &STORM);
                self.trouble(at, kind, LONGEST);
                at += self.between(400, 1100);
            }
            let how = self.next_of(&mut sieges, &SIEGES);
            let lasts = self.between(SIEGE_MS.0, SIEGE_MS.1);
            let spared = self.spared(at);
            self.step(at, Act::Besiege { how, lasts, spared });
            let end = at + lasts;
            at += self.between(500, 1500);
            while at < end {
                let kind = self.next_of(&mut meanwhile, &MEANWHILE);
                self.trouble(at, kind, SHORTEST);
                at += self.between(700, 1900);
            }
            at = end + self.between(100, 1500);
        }
    }

    /// A replica that may be ended at that time.
    fn victim(&mut self, at: Duration) -> usize {
        let spared = self.spared(at);
        let choice: Vec<usize> = (0..REPLICAS).filter(|one| Some(*one) != spared).collect();
        choice[self.rng.usize(..choice.len())]
    }

    /// Who is spared at that time, in turns, and now and then nobody.
    fn spared(&self, at: Duration) -> Option<usize> {
        if !self.spares {
            return None;
        }
        let turns = (0_u64..).take_while(|turn| SPARED * u32::try_from(*turn).unwrap() < at);
        let turn = turns.count() % (REPLICAS + 1);
        (turn < REPLICAS).then_some(turn)
    }

    /// Trouble of a kind that lasts, if it does, `most_ms` at most.
    fn trouble(&mut self, at: Duration, kind: Kind, most_ms: u64) {
        let replica = self.victim(at);
        let late = self.rng.bool();
        match kind {
            Kind::Kill => {
                let down = Duration::ZERO;
                self.step(at, Act::Kill { replica, down });
            }
            Kind::KillAll => {
                let spared = self.spared(at);
                for replica in (0..REPLICAS).filter(|one| Some(*one) != spared) {
                    let down = self.between(0, 1500);
                    self.step(at, Act::Kill { replica, down });
                }
            }
            Kind::Blink => {
                let lasts = self.between(50, most_ms.min(1500));
                self.step(at, Act::Freeze { replica, lasts });
            }
            Kind::Freeze => {
                let lasts = self.between(1500, most_ms);
                self.step(at, Act::Freeze { replica, lasts });
            }
            Kind::Terminate => self.step(at, Act::Terminate { replica }),
            Kind::Roll => {
                let spared = self.spared(at);
                let mut at = at;
                for replica in (0..REPLICAS).filter(|one| Some(*one) != spared) {
                    self.step(at, Act::Terminate { replica });
                    at += ROLLING;
                }
            }
            Kind::Cut(how) => {
                let lasts = self.between(100, most_ms);
                let cut = Act::Cut {
                    replica: Some(replica),
                    how,
                    lasts,
                    late,
                };
                self.step(at, cut);
            }
            Kind::CutAll => self.cut_all(at, late),
            Kind::Weather => {
                let fault = Fault::ALL[self.rng.usize(..Fault::ALL.len())];
                let per_mille = self.rng.u32(50..400);
                let lasts = self.between(500, most_ms);
                let weather = Act::Weather {
                    fault,
                    per_mille,
                    lasts,
                };
                self.step(at, weather);
            }
            Kind::ExpireSessions => self.step(at, Act::ExpireSessions),
        }
    }

    fn cut_all(&mut self, at: Duration, late: bool) {
        let kinds = [Net::Broken, Net::Silent, Net::Deaf];
        let how = kinds[self.rng.usize(..kinds.len())];
        let lasts = self.between(500, 3000);
        let cut = Act::Cut {
            replica: None,
            how,
            lasts,
            late,
        };
        self.step(at, cut);
    }

    fn wish(&mut self, at: Duration, wish: Wish) {
        let which = self.rng.usize(..1000);
        let act = match wish {
            Wish::Create => Act::Create,
            Wish::Delete => Act::Delete { which },
            Wish::Resize => Act::Resize {
                which,
                workers: self.rng.u32(1..=4),
            },
            Wish::RollBack => Act::RollBack {
                which,
                age: self.between(100, 6000),
            },
        };
        self.step(at, act);
    }
}
