//! What happens to one fleet: drawn from a seed before anything runs.
//!
//! Invariants:
//! - Every trouble stands by itself: taken out of the plan, the others still make sense. So a failing plan can
//!   be made smaller.
//! - Each family of troubles is in a plan or not, by chance: plans that do a little of everything would never
//!   do much of one thing.

use std::time::Duration;

use cse_server::domain::phase::Phase;
use cse_server::sim::faults::Fault;
use cse_server::sim::seed::CseShape;
use fastrand::Rng;

/// Most clusters of a plan.
const MOST_CLUSTERS: f64 = 200.0;
/// Most of them that are created; the others run already.
const MOST_CREATED: f64 = 8.0;
/// One plan in so many creates up to so many clusters.
const LARGE: (u32, f64) = (60, 60.0);
/// Operations whose tasks may fail.
const OPERATIONS: [&str; 6] = [
    "vdcRecomposeVapp",
    "vdcComposeVapp",
    "vappDeploy",
    "vappUndeployPowerOff",
    "vdcDeleteVapp",
    "*",
];

/// One fleet and all that befalls it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) tenants: usize,
    /// Those that are created come first.
    pub(crate) wishes: Vec<Wish>,
    pub(crate) created: usize,
    /// Of a thousand requests of replicas so many go wrong, in any way.
    pub(crate) per_mille: u32,
    /// Whether VCD refuses a second vApp of one name.
    pub(crate) unique_names: bool,
    /// When the troubles end.
    pub(crate) troubled: Duration,
    pub(crate) troubles: Vec<Trouble>,
}

/// A cluster that somebody asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// It runs before anything else happens.
    pub(crate) runs: bool,
    pub(crate) at: Duration,
    pub(crate) repaired: bool,
    pub(crate) shape: CseShape,
    pub(crate) guest: Option<Guest>,
    /// An original server has it first, and lives for so many heartbeats.
    pub(crate) original: Option<u64>,
}

/// A guest that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) phase: &'static str,
    /// In so many attempts.
    pub(crate) times: u32,
    pub(crate) how: Failing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Fails,
    Hangs,
    Dies,
}

/// Something that happens at some time after the beginning. Numbers count replicas and wishes.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

/// Where requests of one replica get lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// Connections are refused.
    Refused,
    /// Requests do not arrive.
    There,
    /// Answers do not come back.
    Back,
}

impl Way {
    pub(crate) const fn fault(self) -> Fault {
        match self {
            Self::Refused => Fault::NotSent,
            Self::There => Fault::RequestLost,
            Self::Back => Fault::ReplyLost,
        }
    }
}

/// What a tenant does to the machine under the server's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removal {
    Stop,
    Vm,
    Vapp,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// SIGKILL; the host is back after a while, under its old name or as a new one.
    Kill {
        replica: usize,
        down: Duration,
        anew: bool,
    },
    /// SIGTERM, and a start after it.
    Terminate {
        replica: usize,
        down: Duration,
        anew: bool,
    },
    /// Stands still.
    Freeze {
        replica: usize,
        lasts: Duration,
    },
    /// Cut off from VCD.
    Partition {
        replica: usize,
        lasts: Duration,
        way: Way,
    },
    /// Every call takes longer.
    Slow {
        replica: usize,
        lasts: Duration,
        by: Duration,
    },
    /// A second process under the same name, or even with the same identity to the last letter.
    Twin {
        replica: usize,
        exact: bool,
    },
    /// Another server configuration: poll, watcher and stale interval in minutes, as valid as they are.
    Configure {
        poll: u64,
        watcher: u64,
        stale: u64,
    },
    /// A server configuration that makes no sense.
    Misconfigure,
    Delete {
        cluster: usize,
        forced: bool,
    },
    Resize {
        cluster: usize,
        replicas: u32,
    },
    Upgrade {
        cluster: usize,
    },
    /// A client writes a copy of the whole document back that is this old.
    Rollback {
        cluster: usize,
        age: Duration,
    },
    /// The same as a typed client does, which drops what it does not know.
    Rewrite {
        cluster: usize,
        age: Duration,
    },
    Remove {
        cluster: usize,
        what: Removal,
    },
    FailNode {
        cluster: usize,
        how: &'static str,
    },
    FailTasks {
        operation: &'static str,
        times: u32,
    },
    Maintenance {
        lasts: Duration,
    },
    FailOver {
        cut: Duration,
        stale: Duration,
    },
    QueryLag {
        lag: Duration,
        lasts: Duration,
    },
    ExpireSessions,
}

/// A dice with words.
struct Dice(Rng);

impl Dice {
    fn once_in(&mut self, n: u32) -> bool {
        self.0.u32(0..n) == 0
    }

    fn secs(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.0.u64(range.start * 1_000..range.end * 1_000))
    }

    /// Mostly short, sometimes long: evenly spread over the orders of magnitude.
    fn span(&mut self, shortest: f64, longest: f64) -> Duration {
        Duration::from_secs_f64(shortest * (longest / shortest).powf(self.0.f64()))
    }

    /// A number from 1 to `most`: evenly spread over the orders of magnitude.
    fn number(&mut self, most: f64) -> usize {
        // The way from a fraction to a whole number that does not lose anything silently.
        let whole = Duration::from_secs_f64((most + 1.0).powf(self.0.f64())).as_secs();
        usize::try_from(whole).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(0..of.len())]
    }
}

/// A way to draw a trouble for so many replicas and clusters.
type Family = fn(&mut Dice, usize, usize) -> What;

const FAMILIES: [Family; 17] = [
    |dice, replicas, _| What::Kill {
        replica: dice.0.usize(0..replicas),
        down: dice.span(1.0, 600.0),
        anew: dice.once_in(3),
    },
    |dice, replicas, _| What::Terminate {
        replica: dice.0.usize(0..replicas),
        down: dice.span(1.0, 300.0),
        anew: dice.once_in(4),
    },
    |dice, replicas, _| What::Freeze {
        replica: dice.0.usize(0..replicas),
        lasts: dice.span(5.0, 1_200.0),
    },
    |dice, replicas, _| What::Partition {
        replica: dice.0.usize(0..replicas),
        lasts: dice.span(5.0, 600.0),
        way: dice.one(&[Way::Refused, Way::There, Way::Back]),
    },
    |dice, replicas, _| What::Slow {
        replica: dice.0.usize(0..replicas),
        lasts: dice.span(30.0, 900.0),
        by: dice.span(0.1, 20.0),
    },
    |dice, replicas, _| What::Twin {
        replica: dice.0.usize(0..replicas),
        exact: dice.0.bool(),
    },
    |dice, _, _| {
        if dice.once_in(3) {
            return What::Misconfigure;
        }
        let watcher = dice.0.u64(2..15);
        What::Configure {
            poll: dice.0.u64(1..4),
            watcher,
            stale: watcher + dice.0.u64(2..30),
        }
    },
    |dice, _, clusters| What::Delete {
        cluster: dice.0.usize(0..clusters),
        forced: dice.0.bool(),
    },
    |dice, _, clusters| What::Resize {
        cluster: dice.0.usize(0..clusters),
        replicas: dice.0.u32(1..4),
    },
    |dice, _, clusters| What::Upgrade {
        cluster: dice.0.usize(0..clusters),
    },
    |dice, _, clusters| What::Rollback {
        cluster: dice.0.usize(0..clusters),
        age: dice.span(1.0, 900.0),
    },
    |dice, _, clusters| What::Rewrite {
        cluster: dice.0.usize(0..clusters),
        age: dice.span(0.2, 300.0),
    },
    |dice, _, clusters| What::Remove {
        cluster: dice.0.usize(0..clusters),
        what: dice.one(&[Removal::Stop, Removal::Vm, Removal::Vapp]),
    },
    |dice, _, clusters| What::FailNode {
        cluster: dice.0.usize(0..clusters),
        how: dice.one(&["power_off", "remove", "kubelet"]),
    },
    |dice, _, _| What::FailTasks {
        operation: dice.one(&OPERATIONS),
        times: dice.0.u32(1..4),
    },
    |dice, _, _| match dice.0.u8(0..3) {
        0 => What::Maintenance {
            lasts: dice.span(5.0, 300.0),
        },
        1 => What::FailOver {
            cut: dice.secs(1..20),
            stale: dice.secs(1..60),
        },
        _ => What::QueryLag {
            lag: dice.secs(1..20),
            lasts: dice.secs(20..200),
        },
    },
    |_, _, _| What::ExpireSessions,
];

impl Plan {
    /// The plan of a seed.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut dice = Dice(Rng::with_seed(seed ^ 0x5eed_f1ee_7000));
        let replicas = dice.0.usize(2..8);
        let clusters = dice.number(MOST_CLUSTERS);
        let most = if dice.once_in(LARGE.0) {
            LARGE.1
        } else {
            MOST_CREATED
        };
        let created = dice.number(most).min(clusters);
        let troubled = dice.span(240.0, 1_800.0);
        let wishes = wishes(&mut dice, (created, clusters), troubled);
        let per_mille = if dice.0.bool() { dice.0.u32(1..60) } else { 0 };
        let mut plan = Self {
            seed,
            replicas,
            tenants: 2 + clusters / 50,
            created,
            wishes,
            per_mille,
            unique_names: dice.0.bool(),
            troubled,
            troubles: Vec::new(),
        };
        plan.draw_troubles(&mut dice);
        plan
    }

    fn draw_troubles(&mut self, dice: &mut Dice) {
        let chosen: Vec<Family> = FAMILIES.into_iter().filter(|_| dice.0.bool()).collect();
        let clusters = self.wishes.len();
        let number = dice.0.usize(0..10 + 2 * self.replicas + self.created / 2);
        for _ in 0..number {
            let Some(family) = dice.0.choice(&chosen) else {
                break;
            };
            // Most troubles are of those that are created.
            let among = if dice.once_in(4) {
                clusters
            } else {
                self.created
            };
            let what = family(dice, self.replicas, among);
            let at = self.troubled.mul_f64(dice.0.f64());
            self.troubles.push(Trouble { at, what });
        }
        if dice.once_in(4) {
            self.roll(dice);
        }
        self.troubles.sort_by_key(|trouble| trouble.at);
    }

    /// A rolling restart: one replica after the other.
    fn roll(&mut self, dice: &mut Dice) {
        let begin = self.troubled.mul_f64(dice.0.f64());
        let apart = dice.span(3.0, 120.0);
        for replica in 0..self.replicas {
            let turn = u32::try_from(replica).unwrap();
            self.troubles.push(Trouble {
                at: begin + apart * turn,
                what: What::Terminate {
                    replica,
                    down: dice.secs(1..10),
                    anew: false,
                },
            });
        }
    }
}

fn wishes(dice: &mut Dice, (created, clusters): (usize, usize), troubled: Duration) -> Vec<Wish> {
    let at_once = dice.once_in(3);
    let failing = dice.0.bool();
    let originals = dice.once_in(6);
    let wish = |n| Wish {
        runs: n >= created,
        at: if at_once {
            dice.secs(0..2)
        } else {
            troubled.mul_f64(0.8 * dice.0.f64())
        },
        repaired: dice.0.bool(),
        shape: dice.one(&[CseShape::V42, CseShape::V41, CseShape::V40]),
        guest: (failing && dice.once_in(4)).then(|| Guest {
            phase: dice.one(&Phase::ALL).name(),
            times: dice.one(&[1, 1, 2, u32::MAX]),
            how: dice.one(&[
                Failing::Fails,
                Failing::Fails,
                Failing::Fails,
                Failing::Hangs,
                Failing::Dies,
            ]),
        }),
        original: (originals && dice.once_in(4)).then(|| dice.0.u64(1..6)),
    };
    (0..clusters).map(wish).collect()
}
