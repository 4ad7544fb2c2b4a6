//! The end of a replica on request: nothing new begins, what is under way ends, claims are given back.

use std::time::Duration;

use cse_server::sim::faults::{Fault, Target};

use super::{HOUR, holder, record};
use crate::support::fleet::Fleet;

/// Goal: whatever a replica does when it is asked to stop, its clusters are free within moments.
///
/// Method: stop it at many moments of a creation; each takes two calls at most: the one under way and the
/// release.
#[tokio::test(start_paused = true)]
async fn a_drain_takes_the_time_of_two_calls() {
    let mut released = 0;
    for seed in 4_400..4_440 {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for("oak");
        fleet.start("a");
        let moment = 150 + (seed - 4_400) * 3_170;
        fleet.pass_time(Duration::from_millis(moment)).await;
        let held = fleet.holds("a", &urn);
        let began = fleet.clock.now();
        fleet.stop("a").await;
        let took = fleet.clock.now().since(began);
        assert!(
            took < Duration::from_millis(400),
            "{took:?}\n{}",
            fleet.context()
        );
        assert_eq!(holder(&fleet, &urn), "", "{}", fleet.context());
        released += u32::from(held);
    }
    assert!(
        released > 20,
        "only {released} drains had something to release"
    );
}

/// Goal: the claim is given back only when nothing of its holder is on its way any more, and no effect
/// begins after the stop was asked for.
#[tokio::test(start_paused = true)]
async fn a_claim_is_released_only_after_the_effect_that_is_under_way() {
    for (seed, path) in (4_450..).zip(["composeVApp", "recomposeVApp", "reconfigureVm", "powerOn"])
    {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{path} takes eight seconds");
        let urn = fleet.ask_for("oak");
        let target = Target::next(1, http::Method::POST, path);
        let delay = Fault::Delayed(Duration::from_secs(8));
        fleet.faults.arm(target, delay);
        fleet.start("a");
        let under_way = |fleet: &Fleet| fleet.sent.lines().iter().any(|line| line.contains(path));
        assert!(fleet.until(HOUR, under_way).await, "{}", fleet.context());
        let sent = fleet.sent.lines().len();
        let began = fleet.clock.now();
        fleet.stop("a").await;
        let took = fleet.clock.now().since(began).as_secs();
        assert!((6..=9).contains(&took), "{took} s\n{}", fleet.context());
        assert_eq!(holder(&fleet, &urn), "", "{}", fleet.context());
        let after = fleet.sent.lines().split_off(sent);
        let effects = after.iter().filter(|line| line.starts_with("POST"));
        assert_eq!(effects.count(), 0, "{after:?}");
        fleet.start("b");
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: a replica whose effect never comes back ends in time, and does not pretend to have let go.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_in_time_and_keeps_the_claim_of_an_effect_without_an_end() {
    let mut fleet = Fleet::quick(4_460);
    let urn = fleet.ask_for("oak");
    let target = Target::next(1, http::Method::POST, "recomposeVApp");
    let delay = Fault::Delayed(Duration::from_secs(29));
    fleet.faults.arm(target, delay);
    let others = Target {
        path: Some("capvcdCluster:".to_owned()),
        times: u64::MAX,
        ..Target::default()
    };
    fleet.start("a");
    let under_way = |fleet: &Fleet| {
        let lines = fleet.sent.lines();
        lines.iter().any(|line| line.contains("recomposeVApp"))
    };
    assert!(fleet.until(HOUR, under_way).await, "{}", fleet.context());
    fleet
        .faults
        .arm(others, Fault::Delayed(Duration::from_secs(20)));
    let began = fleet.clock.now();
    fleet.stop("a").await;
    let took = fleet.clock.now().since(began);
    assert!(took <= Duration::from_secs(31), "{took:?}");
    assert!(
        holder(&fleet, &urn).starts_with("a/"),
        "{}",
        fleet.context()
    );
    fleet.faults.disarm();
    fleet.start("b");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

/// Goal: clusters that were handed over are taken by another replica at its next look.
#[tokio::test(start_paused = true)]
async fn a_successor_takes_what_was_handed_over_within_a_quick_poll() {
    for seed in 4_470..4_476 {
        let mut fleet = Fleet::new(seed);
        let urn = fleet.ask_for("oak");
        fleet.start("a");
        fleet
            .pass_time(Duration::from_secs(20 + seed % 7 * 11))
            .await;
        fleet.start("b");
        fleet.pass_time(Duration::from_secs(20)).await;
        assert_eq!(record(&fleet, &urn).epoch, 1, "{}", fleet.context());
        let began = fleet.clock.now();
        fleet.stop("a").await;
        let taken = |fleet: &Fleet| fleet.holds("b", &urn);
        assert!(fleet.until(HOUR, taken).await, "{}", fleet.context());
        let after = fleet.clock.now().since(began);
        assert!(after <= Duration::from_secs(13), "{after:?}");
    }
}
