//! Two processes of one identity, and a VCD that does not care about names.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{HOUR, ONCE, record};
use crate::support::fleet::Fleet;

/// Goal: two processes with one identity, to the last letter, both alive: each cluster is worked on by
/// one of them from beginning to end.
#[tokio::test(start_paused = true)]
async fn twins_do_not_take_clusters_from_each_other() {
    for seed in 4_200..4_202 {
        let mut fleet = Fleet::new(seed);
        for n in 0..6 {
            fleet.ask_for(&format!("c{n}"));
        }
        fleet.start("one");
        fleet.start_twin("other", "one");
        let done = fleet.until(HOUR, Fleet::all_provisioned).await;
        assert!(done, "{}", fleet.context());
        fleet.assert_converged();
        for urn in &fleet.urns {
            assert_eq!(record(&fleet, urn).epoch, 1, "{urn}\n{}", fleet.context());
        }
    }
}

/// Goal: when one of two twins dies the other one goes on with its clusters.
#[tokio::test(start_paused = true)]
async fn a_twin_goes_on_with_what_the_dead_one_held() {
    let mut fleet = Fleet::new(4_210);
    for n in 0..6 {
        fleet.ask_for(&format!("c{n}"));
    }
    fleet.start("one");
    fleet.start_twin("other", "one");
    fleet.pass_time(Duration::from_secs(100)).await;
    fleet.kill("one").await;
    let done = fleet.until(HOUR, Fleet::all_provisioned).await;
    assert!(done, "{}", fleet.context());
    fleet.assert_converged();
    let epochs: BTreeSet<u64> = fleet
        .urns
        .iter()
        .map(|urn| record(&fleet, urn).epoch)
        .collect();
    assert!(epochs.contains(&2), "nothing was taken over: {epochs:?}");
}

/// Goal: a replica that stands still past the term and goes on then makes no second machine, whether VCD
/// refuses a second vApp of one name or not.
#[tokio::test(start_paused = true)]
async fn names_may_be_unique_or_not() {
    for unique in [true, false] {
        for (seed, moment) in (4_220..).zip([200, 420, 900, 2_500, 6_000]) {
            let mut fleet = Fleet::quick(seed);
            fleet.what = format!("unique names {unique}, frozen after {moment} ms");
            fleet.world().set_unique_vapp_names(unique);
            let urn = fleet.ask_for("oak");
            fleet.start("a");
            fleet.pass_time(Duration::from_millis(moment)).await;
            fleet.freeze("a", true);
            fleet.start("b");
            let taken = |fleet: &Fleet| fleet.holds("b", &urn) || fleet.is_in(&urn, "provisioned");
            let limit = Duration::from_mins(5);
            assert!(fleet.until(limit, taken).await, "{}", fleet.context());
            fleet.freeze("a", false);
            fleet.until(HOUR, Fleet::all_provisioned).await;
            fleet.assert_sound();
            assert_eq!(
                fleet.effect("vm.powered_on", &urn),
                1,
                "{}",
                fleet.context()
            );
            if unique {
                for effect in ONCE {
                    assert_eq!(
                        fleet.effect(effect, &urn),
                        1,
                        "{effect}\n{}",
                        fleet.context()
                    );
                }
            }
        }
    }
}
