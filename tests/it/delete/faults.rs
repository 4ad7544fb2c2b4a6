//! Deletion when much goes wrong at once: everything goes, once, and nothing is left.
//!
//! Not here: single faults and deaths, at every call of a deletion (`tests/convergence/calls`).

use cse_server::sim::faults::Fault;

use super::{HOUR, How, assert_clean, mark, provisioned};
use crate::support::fleet::Fleet;

fn assert_nothing_left(fleet: &Fleet) {
    assert_clean(fleet, &[]);
    assert_eq!(
        fleet.world().vapps(),
        Vec::<String>::new(),
        "{}",
        fleet.context()
    );
    assert_eq!(
        fleet.world().network_objects(),
        Vec::<String>::new(),
        "{}",
        fleet.context()
    );
}

/// Goal: many faults at once on three replicas that delete six clusters.
#[tokio::test(start_paused = true)]
async fn random_faults_on_three_replicas_that_delete_are_survived() {
    for seed in [3_220] {
        let names = ["ash", "bay", "cob", "dun", "eik", "fig"];
        let mut fleet = provisioned(seed, &names).await;
        for name in names {
            fleet.service(name, "web", &[80, 443]).await;
        }
        fleet.start("b");
        fleet.start("c");
        fleet.faults.arm_chance(40, &Fault::ALL, seed);
        let urns = fleet.urns.clone();
        for (turn, urn) in urns.iter().enumerate() {
            mark(
                &fleet,
                urn,
                if turn % 2 == 0 {
                    How::Plain
                } else {
                    How::Forced
                },
            );
        }
        for urn in &urns {
            let gone = fleet
                .until(2 * HOUR, |fleet| super::is_gone(fleet, urn))
                .await;
            assert!(gone, "{}", fleet.context());
        }
        assert!(fleet.faults.struck() > 30, "{}", fleet.context());
        fleet.faults.disarm();
        assert_nothing_left(&fleet);
    }
}
