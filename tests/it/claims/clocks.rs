//! Clocks that are hours wrong, that are put right in the middle, and that run too fast or too slow.

use std::time::Duration;

use super::HOUR;
use crate::support::fleet::Fleet;

/// Five replicas whose clocks have nothing in common; returns the clock of the one that is stepped.
fn start_all(fleet: &mut Fleet) -> cse_server::clock::Clock {
    let stepped = Fleet::wrong_clock(0, 100);
    fleet.start_by("stepped", stepped.clone());
    for (name, hours, percent) in [
        ("ahead", 5, 100),
        ("behind", -5, 100),
        ("fast", 0, 150),
        ("slow", 0, 75),
    ] {
        let clock = Fleet::wrong_clock(hours, percent);
        fleet.start_by(name, clock);
    }
    stepped
}

/// Goal: wrong clocks never make two holders: at rates up to twice as fast as each other nobody is taken
/// over who is alive, and every cluster is made once.
#[tokio::test(start_paused = true)]
async fn no_living_holder_is_taken_over_whatever_the_clocks_say() {
    for seed in 4_300..4_302 {
        let mut fleet = Fleet::new(seed);
        let stepped = start_all(&mut fleet);
        for n in 0..8 {
            fleet.ask_for(&format!("c{n}"));
        }
        for hours in [5, -10, 7, -2] {
            fleet.pass_time(Duration::from_secs(70)).await;
            stepped.step_date(hours * 3600);
        }
        let done = fleet.until(HOUR, Fleet::all_provisioned).await;
        assert!(done, "{}", fleet.context());
        fleet.assert_converged();
        for urn in &fleet.urns {
            let epoch = super::record(&fleet, urn).epoch;
            assert_eq!(epoch, 1, "{urn} changed hands\n{}", fleet.context());
        }
    }
}

/// Goal: attempts, the pauses between them and the take-over of a lost host's clusters do not depend on
/// any date.
///
/// Method: two attempts of each cluster fail, and hosts of which each has another date are lost between
/// them.
#[tokio::test(start_paused = true)]
async fn pauses_and_takeovers_do_not_depend_on_dates() {
    for (seed, hours) in (4_310..).zip([5, -5]) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("one replica is {hours} hours ahead");
        let urn = fleet.ask_for_repaired("oak");
        fleet.world().fail_guest("oak", "control-plane", 2);
        let clock = Fleet::wrong_clock(hours, 100);
        fleet.start_by("wrong", clock);
        let failed = |fleet: &Fleet| !fleet.errors(&urn).is_empty();
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        fleet.kill("wrong").await;
        fleet.start("right");
        let began = fleet.clock.now();
        let done = fleet.until(HOUR, Fleet::all_provisioned).await;
        assert!(done, "{}", fleet.context());
        let took = fleet.clock.now().since(began);
        // A takeover, the pauses of one and two minutes, two attempts of the quick site.
        assert!(
            took < Duration::from_mins(20),
            "{took:?}\n{}",
            fleet.context()
        );
        fleet.assert_sound();
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            3,
            "{}",
            fleet.context()
        );
    }
}

/// Goal: a machine that is suspended past the term, and wakes up with another date, does nothing that its
/// successor has not decided.
#[tokio::test(start_paused = true)]
async fn a_suspended_machine_wakes_up_with_another_date() {
    for (seed, hours) in (4_320..).zip([-5, 5, 100]) {
        let mut fleet = Fleet::new(seed);
        let urn = fleet.ask_for("oak");
        let clock = Fleet::wrong_clock(0, 100);
        fleet.start_by("a", clock.clone());
        fleet
            .pass_time(Duration::from_secs(4 + seed % 5 * 13))
            .await;
        fleet.freeze("a", true);
        fleet.start("b");
        let taken = |fleet: &Fleet| fleet.holds("b", &urn);
        let limit = Duration::from_mins(5);
        assert!(fleet.until(limit, taken).await, "{}", fleet.context());
        clock.step_date(hours * 3600);
        fleet.freeze("a", false);
        fleet.pass_time(Duration::from_secs(40)).await;
        assert!(!fleet.holds("a", &urn), "{}", fleet.context());
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}
