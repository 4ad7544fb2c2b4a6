//! How long a cluster is without a server: after a stop, a crash, the loss of a host; and when it is new.
//!
//! Goal: a stopped replica's clusters are claimed by another one within 12 s, a replica that crashed has its
//! own back 5 s after its restart, those of a lost host are taken over within 230 s, and a new cluster is
//! claimed within 12 s, half of them within 6 s: 99 of 100 times.
//!
//! With the profile `compat` a lost host is noticed after the stale interval of the server configuration.
//!
//! Method: the moment in the life of a creation is drawn from a seed; who holds the cluster is looked at ten
//! times a second; twice a second, or every 5 s, where it takes minutes.

use std::time::Duration;

use cse_server::reconcile::policy::ClaimProfile;
use libtest_mimic::Trial;

use crate::effort::{everything, on_virtual_time, parallel, trial};
use crate::figures;
use crate::support::fleet::Fleet;

/// Moments that are tried.
const MOMENTS: u64 = 200;
/// The same by command.
const ALL_MOMENTS: u64 = 5_000;
/// A creation on a quick site takes about this long.
const CREATION: f64 = 130.0;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Time a service manager waits before it starts a crashed process again.
const RESTART: Duration = Duration::from_secs(2);
const TABLE: &str = "Time until a cluster has a server (seconds)";

pub(crate) fn trials() -> Vec<Trial> {
    let cases = [
        (
            "failover::a_stopped_replica_has_successors_within_12_s",
            Case {
                what: "SIGTERM, until another replica has claimed it",
                loss: Loss::Stopped,
                p50: None,
                p99: 12.0,
            },
        ),
        (
            "failover::a_crashed_replica_has_its_clusters_back_5_s_after_its_restart",
            Case {
                what: "crash, from the restart until it is claimed again",
                loss: Loss::Crashed,
                p50: None,
                p99: 5.0,
            },
        ),
        (
            "failover::a_lost_hosts_clusters_are_taken_over_within_230_s",
            Case {
                what: "host lost, until another replica has taken it over",
                loss: Loss::Host,
                p50: None,
                p99: 230.0,
            },
        ),
    ];
    let cases = cases.into_iter().chain([(
        "failover::the_compat_profile_takes_over_after_the_stale_interval",
        Case {
            what: "host lost, profile compat, stale interval of 30 min",
            loss: Loss::HostOfCompat,
            p50: None,
            // The stale interval, a fifth of it as jitter, two polls.
            p99: 30.0 * 60.0 * 1.2 + 120.0,
        },
    )]);
    let mut trials: Vec<Trial> = cases
        .map(|(name, case)| trial(name, move || case.check()))
        .collect();
    trials.push(trial(
        "failover::a_new_cluster_is_claimed_within_12_s",
        || {
            creations();
        },
    ));
    trials
}

/// How a cluster loses its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Stopped,
    Crashed,
    Host,
    /// The same where all replicas have the timers of an original server.
    HostOfCompat,
}

impl Loss {
    /// Time between two looks at who holds the cluster.
    const fn look(self) -> Duration {
        match self {
            Self::Stopped | Self::Crashed => LOOK,
            Self::Host => Duration::from_millis(500),
            Self::HostOfCompat => Duration::from_secs(5),
        }
    }
}

/// A figure and its gates, in seconds.
#[derive(Clone, Copy, Debug)]
struct Case {
    what: &'static str,
    loss: Loss,
    p50: Option<f64>,
    p99: f64,
}

fn moments() -> u64 {
    if everything() { ALL_MOMENTS } else { MOMENTS }
}

impl Case {
    fn check(self) {
        let seeds: Vec<u64> = (20_000..20_000 + moments()).collect();
        let times = parallel(&seeds, |seed| {
            on_virtual_time(time_without(*seed, self.loss))
        });
        self.judge(times);
    }

    fn judge(self, mut times: Vec<Duration>) {
        times.sort_unstable();
        let part = |per_cent: usize| times[(times.len() - 1) * per_cent / 100].as_secs_f64();
        let [p50, p99, max] = [50, 99, 100].map(part);
        let shown = |figure: f64| format!("{figure:.1}");
        let gates = match self.p50 {
            Some(gate) => format!("{} / {}", shown(gate), shown(self.p99)),
            None => shown(self.p99),
        };
        figures::add(
            TABLE,
            &["what", "moments", "p50", "p99", "max", "gate of p99"],
            [vec![
                self.what.to_owned(),
                times.len().to_string(),
                shown(p50),
                shown(p99),
                shown(max),
                gates,
            ]],
        );
        assert!(p99 <= self.p99, "{}: p99 is {p99:.1} s", self.what);
        if let Some(gate) = self.p50 {
            assert!(p50 <= gate, "{}: p50 is {p50:.1} s", self.what);
        }
    }
}

/// One cluster of replica `a`, lost at some moment of its creation while `b` and `c` stand by.
async fn time_without(seed: u64, loss: Loss) -> Duration {
    let mut fleet = Fleet::quick(seed);
    fleet.what = format!("{loss:?}");
    if loss == Loss::HostOfCompat {
        fleet.habits.profile = ClaimProfile::Compat;
    }
    let mut chance = fastrand::Rng::with_seed(seed);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    let held = |fleet: &Fleet| fleet.holds("a", &urn);
    assert!(
        fleet.until(Duration::from_mins(3), held).await,
        "{}",
        fleet.context()
    );
    fleet.start("b");
    fleet.start("c");
    let moment = Duration::from_secs_f64(1.0 + chance.f64() * CREATION);
    fleet.clock.sleep(moment).await;
    // What is over cannot be lost.
    if !held(&fleet) {
        fleet = Box::pin(begun_again(seed, &urn, loss)).await;
    }
    let before = fleet.cluster(&urn).holder.unwrap();
    match loss {
        Loss::Stopped => fleet.terminate("a"),
        Loss::Crashed => {
            fleet.kill("a").await;
            fleet.clock.sleep(RESTART).await;
            fleet.start("a");
        }
        Loss::Host | Loss::HostOfCompat => fleet.kill("a").await,
    }
    let begin = fleet.clock.now();
    loop {
        let holder = fleet.cluster(&urn).holder.unwrap();
        let lost_for = fleet.clock.now().since(begin);
        if holder != before && !holder.is_empty() {
            assert!(
                loss != Loss::Crashed || holder.starts_with("a/"),
                "{}",
                fleet.context()
            );
            return lost_for;
        }
        assert!(
            lost_for < Duration::from_hours(1),
            "nobody takes it\n{}",
            fleet.context()
        );
        fleet.clock.sleep(loss.look()).await;
    }
}

/// The same fleet at an early moment.
async fn begun_again(seed: u64, urn: &str, loss: Loss) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    if loss == Loss::HostOfCompat {
        fleet.habits.profile = ClaimProfile::Compat;
    }
    let same = fleet.ask_for("oak");
    assert_eq!(same, urn, "seed {seed}");
    fleet.start("a");
    let held = |fleet: &Fleet| fleet.holds("a", urn);
    assert!(
        fleet.until(Duration::from_mins(3), held).await,
        "{}",
        fleet.context()
    );
    fleet.start("b");
    fleet.start("c");
    let moment = fastrand::Rng::with_seed(!seed).f64() * CREATION / 2.0;
    fleet.clock.sleep(Duration::from_secs_f64(moment)).await;
    fleet
}

/// New clusters at random moments, with three replicas at rest.
fn creations() {
    let each = 20;
    let seeds: Vec<u64> = (21_000..21_000 + moments().div_ceil(each)).collect();
    let times = parallel(&seeds, |seed| on_virtual_time(times_to_claim(*seed, each)));
    let case = Case {
        what: "new, until it is claimed (three replicas)",
        loss: Loss::Host,
        p50: Some(6.0),
        p99: 12.0,
    };
    case.judge(times.into_iter().flatten().collect());
}

async fn times_to_claim(seed: u64, number: u64) -> Vec<Duration> {
    let mut fleet = Fleet::quick(seed);
    let mut chance = fastrand::Rng::with_seed(seed);
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    fleet.clock.sleep(Duration::from_secs(30)).await;
    fleet.excuse("I5", "clusters vanish behind their servers' backs");
    let mut times = Vec::new();
    for n in 0..number {
        let pause = Duration::from_secs_f64(chance.f64() * 20.0);
        fleet.clock.sleep(pause).await;
        let urn = fleet.ask_for(&format!("c{n}"));
        let begin = fleet.clock.now();
        while fleet
            .cluster(&urn)
            .holder
            .is_none_or(|holder| holder.is_empty())
        {
            let waits = fleet.clock.now().since(begin);
            assert!(waits < Duration::from_mins(5), "{}", fleet.context());
            fleet.clock.sleep(LOOK).await;
        }
        times.push(fleet.clock.now().since(begin));
        // Its creation is of no interest.
        fleet.world().forget_entity(&urn);
    }
    fleet.urns.clear();
    times
}
