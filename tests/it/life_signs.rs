//! A replica that waits is not taken for a dead one.

use std::time::Duration;

use cse_server::sim::faults::{Fault, Target};

use crate::support::fleet::Fleet;

/// What the unit's watchdog grants.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Goal: a replica that waits for a slow or silent VCD is not taken for a dead one.
#[tokio::test(start_paused = true)]
async fn life_signs_never_pause_as_long_as_the_watchdog_waits() {
    let mut fleet = Fleet::new(3_001);
    fleet.ask_for("oak");
    fleet.start("a");
    fleet.pass_time(Duration::from_mins(2)).await;
    let slow = Target {
        path: Some("capvcdCluster".to_owned()),
        times: 3,
        ..Target::default()
    };
    fleet
        .faults
        .arm(slow, Fault::Delayed(Duration::from_secs(55)));
    fleet.pass_time(Duration::from_mins(5)).await;
    let all = Target {
        times: u64::MAX,
        ..Target::default()
    };
    fleet.faults.arm(all, Fault::RequestLost);
    fleet.pass_time(Duration::from_mins(20)).await;
    fleet.faults.disarm();
    fleet
        .until(Duration::from_hours(1), Fleet::all_provisioned)
        .await;
    fleet.stop("a").await;
    let (signs, longest) = fleet.life.signs();
    assert!(signs > 300, "{signs} signs of life");
    assert!(longest < WATCHDOG / 2, "{longest:?} without a sign of life");
    assert!(fleet.faults.struck() > 10, "nothing went wrong");
    assert!(fleet.all_provisioned(), "{}", fleet.context());
}
