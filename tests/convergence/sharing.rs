//! How the work spreads: conflicts, waste, fairness.
//!
//! Goal: replicas that see the same new clusters hardly ever run into each other, none is left without work,
//! a slow one takes less, and no tenant waits because of another one.
//!
//! Method: whole fleets on virtual time; requests are counted in the journal. Of a replica's requests about
//! one cluster, those before its first write that was taken belong to claiming: a 412 is a conflict, a read
//! that no write follows is wasted. Where only claiming is measured, a cluster vanishes when it is claimed, so
//! that slots are never what is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cse_server::sim::faults::{Fault, Target};
use cse_server::sim::transport::Exchange;
use http::Method;
use libtest_mimic::Trial;

use crate::effort::{everything, on_virtual_time, parallel, trial};
use crate::figures;
use crate::support::fleet::Fleet;

/// Clusters of a burst.
const BURST: usize = 300;
/// Fleets per figure.
const FLEETS: u64 = 3;
/// The same by command.
const ALL_FLEETS: u64 = 100;
/// Time of one request there and back.
const ANSWER: Duration = Duration::from_millis(100);
/// Time between two quick polls.
const POLL: Duration = Duration::from_secs(10);
const PATH: &str = "/cloudapi/1.0.0/entities/urn:vcloud:entity:vmware:capvcdCluster:";
const TABLE: &str = "Sharing the work";
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("sharing::three_replicas_share_a_burst_of_300", || {
            burst(3, 0.05, 0.10);
        }),
        trial("sharing::five_replicas_share_a_burst_of_300", || {
            burst(5, 0.08, 0.15);
        }),
        trial("sharing::single_arrivals_are_shared", steady),
        trial("sharing::a_slow_replica_takes_less", slow),
        trial("sharing::a_lost_hosts_clusters_are_shared", herd),
        trial(
            "sharing::a_restarted_replica_takes_its_share_at_most",
            restarted,
        ),
        trial("sharing::no_tenant_waits_for_another_one", starving),
    ]
}

/// What claiming has cost.
#[derive(Clone, Debug, Default)]
struct Cost {
    claims: BTreeMap<String, usize>,
    conflicts: usize,
    wasted: usize,
}

impl Cost {
    /// Counts the requests about clusters by replicas.
    fn of(journal: &[Exchange]) -> Self {
        let mut cost = Self::default();
        let mut claimed = BTreeSet::<(&str, &str)>::new();
        let mut read = BTreeMap::<(&str, &str), bool>::new();
        for one in journal {
            let Some(rest) = one.target.strip_prefix(PATH) else {
                continue;
            };
            let entity = rest.split(['?', '/']).next().unwrap_or_default();
            let pair = (&*one.caller, entity);
            if claimed.contains(&pair) {
                continue;
            }
            let status = one.outcome.as_ref().copied().unwrap_or(0);
            if one.method == Method::GET {
                cost.wasted += usize::from(read.insert(pair, true).unwrap_or(false));
            } else if one.method == Method::PUT {
                read.insert(pair, false);
                match status {
                    200 => {
                        claimed.insert(pair);
                        *cost.claims.entry(pair.0.to_owned()).or_default() += 1;
                    }
                    412 => cost.conflicts += 1,
                    _ => {}
                }
            }
        }
        cost.wasted += read.values().filter(|waits| **waits).count();
        cost
    }

    fn add(&mut self, other: &Self) {
        for (name, claims) in &other.claims {
            *self.claims.entry(name.clone()).or_default() += claims;
        }
        self.conflicts += other.conflicts;
        self.wasted += other.wasted;
    }

    fn all(&self) -> usize {
        self.claims.values().sum()
    }

    fn per_claim(&self, number: usize) -> f64 {
        let fraction = |number: usize| f64::from(u32::try_from(number).unwrap());
        fraction(number) / fraction(self.all().max(1))
    }

    /// Claims of each replica, the fewest first.
    fn spread(&self) -> Vec<usize> {
        let mut spread: Vec<usize> = self.claims.values().copied().collect();
        spread.sort_unstable();
        spread
    }

    fn show(&self, what: &str, gates: &str) {
        let row = vec![
            what.to_owned(),
            self.all().to_string(),
            format!("{:.3}", self.per_claim(self.conflicts)),
            format!("{:.3}", self.per_claim(self.wasted)),
            format!("{:?}", self.spread()),
            gates.to_owned(),
        ];
        let columns = [
            "what",
            "claims",
            "412 per claim",
            "wasted GET per claim",
            "claims per replica",
            "gates",
        ];
        figures::add(TABLE, &columns, [row]);
    }
}

fn fleets(first: u64) -> Vec<u64> {
    let number = if everything() { ALL_FLEETS } else { FLEETS };
    (first..first + number).collect()
}

/// The costs of one run per seed, added up.
fn sum<F: Future<Output = Cost>>(first: u64, run: impl Fn(u64) -> F + Sync) -> Cost {
    let costs = parallel(&fleets(first), |seed| on_virtual_time(run(*seed)));
    let mut all = Cost::default();
    for cost in &costs {
        all.add(cost);
    }
    all
}

/// A fleet of `replicas` at rest, on a line as it is between sites.
async fn resting(seed: u64, replicas: usize) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    for n in 0..6 {
        let tenant = fleet.world().seed_tenant(&format!("tenant{n}"));
        fleet.tenants.push(tenant);
    }
    fleet.world().timings_mut().answer = ANSWER;
    for name in &NAMES[..replicas] {
        fleet.start(name);
    }
    fleet.clock.sleep(Duration::from_secs(75)).await;
    fleet
}

/// Lets clusters vanish as soon as they are claimed, until none is left.
async fn claim_all(fleet: &mut Fleet, limit: Duration) {
    fleet.excuse("I5", "clusters vanish behind their servers' backs");
    let end = fleet.clock.now().plus(limit);
    loop {
        fleet.clock.sleep(Duration::from_millis(250)).await;
        let mut world = fleet.world();
        let clusters = world.clusters();
        let claimed =
            |holder: &Option<String>| holder.as_deref().is_some_and(|one| !one.is_empty());
        for cluster in clusters.iter().filter(|cluster| claimed(&cluster.holder)) {
            world.forget_entity(&cluster.urn);
        }
        drop(world);
        if clusters.is_empty() {
            break;
        }
        assert!(fleet.clock.now() < end, "{}", fleet.context());
    }
    fleet.urns.clear();
}

fn burst(replicas: usize, conflicts: f64, wasted: f64) {
    let first = 22_000 + u64::try_from(replicas).unwrap() * 100;
    let cost = sum(first, |seed| async move {
        let mut fleet = resting(seed, replicas).await;
        for n in 0..BURST {
            fleet.ask_for(&format!("c{n}"));
        }
        claim_all(&mut fleet, Duration::from_mins(30)).await;
        fleet.journal.read(Cost::of)
    });
    cost.show(
        &format!("burst of {BURST}, {replicas} replicas"),
        &format!("{conflicts:.2} / {wasted:.2}"),
    );
    assert_eq!(cost.all() % BURST, 0, "{cost:?}");
    assert!(cost.per_claim(cost.conflicts) <= conflicts, "{cost:?}");
    assert!(cost.per_claim(cost.wasted) <= wasted, "{cost:?}");
    let spread = cost.spread();
    assert_eq!(spread.len(), replicas, "{cost:?}");
    assert!(
        spread[0] * 2 * replicas >= cost.all(),
        "less than half of its share: {cost:?}"
    );
}

/// One cluster every other second, three replicas.
fn steady() {
    let cost = sum(22_600, |seed| async move {
        let mut fleet = resting(seed, 3).await;
        for n in 0..60 {
            fleet.ask_for(&format!("c{n}"));
            fleet.clock.sleep(Duration::from_secs(2)).await;
        }
        claim_all(&mut fleet, Duration::from_mins(5)).await;
        fleet.journal.read(Cost::of)
    });
    cost.show("one every 2 s, 3 replicas", "0.10 / -");
    assert!(cost.per_claim(cost.conflicts) <= 0.10, "{cost:?}");
}

/// The calls of one of three replicas take ten times as long.
fn slow() {
    let cost = sum(22_700, |seed| async move {
        let mut fleet = resting(seed, 3).await;
        let target = Target {
            caller: Some("a".to_owned()),
            times: u64::MAX,
            ..Target::default()
        };
        fleet.faults.arm(target, Fault::Delayed(9 * ANSWER));
        fleet.clock.sleep(Duration::from_mins(1)).await;
        for n in 0..100 {
            fleet.ask_for(&format!("c{n}"));
        }
        claim_all(&mut fleet, Duration::from_mins(30)).await;
        fleet.journal.read(Cost::of)
    });
    cost.show("burst of 100, `a` 10 times slower than `b` and `c`", "");
    let of = |name: &str| cost.claims.get(name).copied().unwrap_or(0);
    assert!(
        of("a") * 10 <= (of("b") + of("c")) * 4,
        "the slow one takes as much: {cost:?}"
    );
}

/// A host with 30 clusters is lost, three others share them.
fn herd() {
    let cost = sum(22_800, |seed| async move {
        let mut fleet = Fleet::new(seed);
        for n in 0..6 {
            let tenant = fleet.world().seed_tenant(&format!("tenant{n}"));
            fleet.tenants.push(tenant);
        }
        fleet.start("lost");
        for n in 0..30 {
            fleet.ask_for(&format!("c{n}"));
        }
        let urns = fleet.urns.clone();
        let held = |fleet: &Fleet| urns.iter().all(|urn| fleet.holds("lost", urn));
        let all = fleet.until(Duration::from_mins(5), held).await;
        assert!(all, "{}", fleet.context());
        for name in &NAMES[..3] {
            fleet.start(name);
        }
        fleet.clock.sleep(Duration::from_secs(20)).await;
        let before = fleet.journal.read(<[Exchange]>::len);
        fleet.kill("lost").await;
        let begin = fleet.clock.now();
        let taken = |fleet: &Fleet| {
            let clusters = fleet.world().clusters();
            let mut holders = clusters
                .iter()
                .map(|one| one.holder.as_deref().unwrap_or(""));
            holders.all(|holder| !holder.is_empty() && !holder.starts_with("lost/"))
        };
        let all = fleet.until(Duration::from_mins(6), taken).await;
        assert!(all, "{}", fleet.context());
        let took = fleet.clock.now().since(begin);
        // Thirty in batches of four per listing, after the term and its jitter.
        assert!(took <= Duration::from_mins(4), "{took:?}");
        fleet.journal.read(|all| Cost::of(&all[before..]))
    });
    cost.show("30 of a lost host, 3 others", "0.08 / 0.15");
    assert!(cost.per_claim(cost.conflicts) <= 0.08, "{cost:?}");
    assert!(cost.per_claim(cost.wasted) <= 0.15, "{cost:?}");
    assert_eq!(cost.spread().len(), 3, "{cost:?}");
    let fair = cost.all() / 3;
    assert!(
        cost.spread().iter().all(|claims| *claims * 2 >= fair),
        "{cost:?}"
    );
}

/// A replica that has just restarted, among three, when 60 clusters arrive: its first minute.
fn restarted() {
    let cost = sum(22_900, |seed| async move {
        let mut fleet = resting(seed, 3).await;
        fleet.kill("a").await;
        fleet.clock.sleep(Duration::from_secs(2)).await;
        fleet.start("a");
        for n in 0..60 {
            fleet.ask_for(&format!("c{n}"));
        }
        fleet.clock.sleep(Duration::from_mins(1)).await;
        fleet.journal.read(Cost::of)
    });
    cost.show("burst of 60, `a` has just restarted, 3 replicas", "");
    let of_a = cost.claims.get("a").copied().unwrap_or(0);
    assert!(cost.all() >= 60, "hardly anything was claimed: {cost:?}");
    // A third, and what chance adds to it.
    assert!(of_a * 100 <= cost.all() * 43, "{cost:?}");
}

/// One tenant has 200 clusters in creation; another one asks for its first.
fn starving() {
    let waits = parallel(&fleets(23_000), |seed| {
        on_virtual_time(async {
            let mut fleet = Fleet::new(*seed);
            fleet.start("a");
            fleet.start("b");
            fleet.clock.sleep(Duration::from_secs(20)).await;
            let small = fleet.tenants.pop().unwrap();
            for n in 0..200 {
                fleet.ask_for(&format!("c{n}"));
            }
            fleet.clock.sleep(Duration::from_mins(2)).await;
            fleet.tenants = vec![small];
            let urn = fleet.ask_for("single");
            let begin = fleet.clock.now();
            let claimed = |fleet: &Fleet| {
                fleet
                    .cluster(&urn)
                    .holder
                    .is_some_and(|one| !one.is_empty())
            };
            let seen = fleet.until(20 * POLL, claimed).await;
            let wait = fleet.clock.now().since(begin);
            seen.then_some(wait)
        })
    });
    let shown: Vec<String> = waits
        .iter()
        .map(|wait| wait.map_or("never".to_owned(), |wait| wait.as_secs().to_string()))
        .collect();
    figures::add(
        "A tenant's first cluster beside another tenant's 200",
        &["seconds until it is claimed", "gate"],
        [vec![shown.join(", "), (10 * POLL).as_secs().to_string()]],
    );
    assert!(
        waits
            .iter()
            .all(|wait| wait.is_some_and(|wait| wait <= 10 * POLL)),
        "{waits:?}"
    );
}
