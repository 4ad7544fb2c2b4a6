//! Much that goes wrong at once, or for a long time: clusters are created, once.
//!
//! Not here: single faults, at every call of every workflow (`tests/convergence/calls`).

use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

/// Goal: many faults at once, on three replicas that share eight clusters.
#[tokio::test(start_paused = true)]
async fn random_faults_on_three_replicas_are_survived() {
    for seed in 700..703 {
        let mut fleet = Fleet::quick(seed);
        for n in 0..8 {
            fleet.ask_for(&format!("c{n}"));
        }
        fleet.faults.arm_chance(40, &Fault::ALL, seed);
        for name in ["a", "b", "c"] {
            fleet.start(name);
        }
        fleet.until(2 * HOUR, Fleet::all_provisioned).await;
        assert!(fleet.faults.struck() > 50, "{}", fleet.context());
        fleet.assert_sound();
    }
}

/// Goal: an outage stops the work, costs no cluster, and is no reason to storm VCD.
#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_is_waited_for_in_patience() {
    let moments = ["vm.created", "vm.powered_on", "vapp.composed"];
    let faults = [
        Fault::NotSent,
        Fault::RequestLost,
        Fault::Refused(Refusal::Maintenance),
    ];
    for (seed, (moment, fault)) in (800..).zip(moments.into_iter().zip(faults)) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("{fault:?} from {moment} on");
        let urns = ["elm", "fir", "yew"].map(|name| fleet.ask_for(name));
        fleet.start("a");
        fleet.start("b");
        let begun = |fleet: &Fleet| urns.iter().any(|urn| fleet.effect(moment, urn) == 1);
        assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
        let everything = Target {
            times: u64::MAX,
            ..Target::default()
        };
        fleet.faults.arm(everything, fault);
        fleet.pass_time(Duration::from_mins(1)).await;
        let after_a_minute = fleet.faults.calls();
        fleet.pass_time(Duration::from_mins(9)).await;
        let calls = fleet.faults.calls() - after_a_minute;
        // Two replicas with at most three clusters: 0.2 a second each would be 216.
        assert!(calls < 216, "{calls} calls in vain\n{}", fleet.context());
        fleet.faults.disarm();
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: an organisation that has used up its operations for a quarter of an hour loses no cluster.
#[tokio::test(start_paused = true)]
async fn an_exhausted_operation_limit_is_waited_for() {
    let mut fleet = Fleet::quick(850);
    fleet.ask_for("elm");
    for part in ["/action/composeVApp", "/action/recomposeVApp", "/power/"] {
        let target = Target {
            path: Some(part.to_owned()),
            times: 10,
            ..Target::default()
        };
        fleet
            .faults
            .arm(target, Fault::Refused(Refusal::OperationLimit));
    }
    fleet.start("a");
    fleet.until(3 * HOUR, Fleet::all_provisioned).await;
    assert!(fleet.faults.struck() >= 20, "{}", fleet.context());
    fleet.assert_converged();
}

/// Goal: replicas that fall silent one after the other and come back in another order do no harm.
#[tokio::test(start_paused = true)]
async fn replicas_that_stall_one_by_one_and_go_on_in_random_order_do_no_harm() {
    for seed in 900..904 {
        let mut fleet = Fleet::quick(seed);
        let mut chance = fastrand::Rng::with_seed(seed);
        for n in 0..6 {
            fleet.ask_for(&format!("c{n}"));
        }
        let mut names = ["a", "b", "c", "d"];
        for name in names {
            fleet.start(name);
        }
        fleet
            .pass_time(Duration::from_secs(chance.u64(10..60)))
            .await;
        for _ in 0..2 {
            chance.shuffle(&mut names);
            for name in names {
                fleet.freeze(name, true);
                fleet
                    .pass_time(Duration::from_secs(chance.u64(1..150)))
                    .await;
            }
            chance.shuffle(&mut names);
            for name in names {
                fleet.freeze(name, false);
                fleet
                    .pass_time(Duration::from_secs(chance.u64(1..150)))
                    .await;
            }
        }
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
    }
}
