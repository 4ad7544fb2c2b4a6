//! A VCD that is overloaded, and asks to be left alone.

use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::faults::{Fault, Refusal, Target};

use super::{HOUR, holder, record};
use crate::support::fleet::Fleet;

/// Goal: `Retry-After` holds for every worker of a replica, of every login; only claims are renewed.
#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_by_all_workers_and_costs_no_claim() {
    let mut fleet = Fleet::new(4_500);
    for n in 0..6 {
        fleet.ask_for(&format!("c{n}"));
    }
    fleet.start("a");
    fleet.pass_time(Duration::from_mins(1)).await;
    let asked = Refusal::Throttled {
        retry_after_secs: Some(240),
    };
    let target = Target::next(1, http::Method::GET, "/api/");
    fleet.faults.arm(target, Fault::Refused(asked));
    let struck = |fleet: &Fleet| fleet.faults.struck() == 1;
    assert!(fleet.until(HOUR, struck).await, "{}", fleet.context());
    fleet.pass_time(Duration::from_secs(1)).await;
    fleet.sent.clear();
    fleet.pass_time(Duration::from_secs(235)).await;
    let sent = fleet.sent.lines();
    let of_claims = |line: &&String| line.contains("/1.0.0/entities/urn:");
    let other: Vec<&String> = sent.iter().filter(|line| !of_claims(line)).collect();
    assert_eq!(other, Vec::<&String>::new());
    let renewals = sent.iter().filter(|line| line.starts_with("PUT")).count();
    assert!(renewals >= 6 * 4, "{renewals} renewals in four minutes");
    for urn in &fleet.urns {
        assert!(holder(&fleet, urn).starts_with("a/"), "{}", fleet.context());
    }
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
    for urn in &fleet.urns {
        assert_eq!(record(&fleet, urn).epoch, 1, "{}", fleet.context());
    }
}

/// Goal: while VCD says that its limit of operations is reached, a replica takes no further clusters, and
/// the clusters it has come to their end.
#[tokio::test(start_paused = true)]
async fn an_overloaded_site_is_asked_less() {
    let mut fleet = Fleet::quick(4_510);
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(15)).await;
    for n in 0..16 {
        fleet.ask_for(&format!("c{n}"));
    }
    let limit = Target {
        path: Some("/api/".to_owned()),
        until: Some(Moment::from_origin(Duration::from_mins(4))),
        times: u64::MAX,
        ..Target::default()
    };
    fleet
        .faults
        .arm(limit, Fault::Refused(Refusal::OperationLimit));
    fleet.pass_time(Duration::from_mins(3)).await;
    let held = fleet
        .urns
        .iter()
        .filter(|urn| !holder(&fleet, urn).is_empty())
        .count();
    // Two calls at once, four clusters for each; what was claimed before the first refusal stays.
    assert!((4..=12).contains(&held), "{held} held\n{}", fleet.context());
    let done = fleet.until(HOUR, Fleet::all_provisioned).await;
    assert!(done, "{}", fleet.context());
    fleet.assert_sound();
}
