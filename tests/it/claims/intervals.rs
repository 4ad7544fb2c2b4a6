//! The intervals of the server configuration: bounds of every claim, in force without a restart.

use std::time::Duration;

use cse_server::reconcile::policy::ClaimProfile;

use super::{HOUR, holder, record, set_intervals};
use crate::support::fleet::Fleet;

/// The host of the only replica is lost while it works on a cluster; returns the fleet, its cluster and
/// the lost replica's identity, when another one has come up.
async fn host_lost(seed: u64, profile: ClaimProfile) -> (Fleet, String, String) {
    let mut fleet = Fleet::new(seed);
    fleet.habits.profile = profile;
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(100)).await;
    let lost = holder(&fleet, &urn);
    assert!(lost.starts_with("a/"), "{}", fleet.context());
    fleet.kill("a").await;
    fleet.start("b");
    (fleet, urn, lost)
}

/// Goal: a lost host's cluster is taken over within minutes, or within the shared stale interval where a
/// replica keeps to the times of the original server.
#[tokio::test(start_paused = true)]
async fn a_lost_hosts_cluster_changes_hands_after_the_term_of_the_profile() {
    // The term, its jitter, a poll and the claim itself.
    let cases = [
        (ClaimProfile::Standard, 180, 145..=230),
        (ClaimProfile::Compat, 1800, 1_765..=2_250),
    ];
    for (seed, (profile, term, bounds)) in (4_000..).zip(cases) {
        let (fleet, urn, lost) = host_lost(seed, profile).await;
        assert_eq!(record(&fleet, &urn).term.as_secs(), term);
        let began = fleet.clock.now();
        let taken = |fleet: &Fleet| holder(fleet, &urn) != lost;
        assert!(fleet.until(HOUR, taken).await, "{}", fleet.context());
        let after = fleet.clock.now().since(began).as_secs();
        assert!(bounds.contains(&after), "{profile:?}: after {after} s");
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: a replica with short times does not take over one with long times before these are over.
#[tokio::test(start_paused = true)]
async fn a_patient_holder_is_granted_its_own_term() {
    let (mut fleet, urn, lost) = host_lost(4_010, ClaimProfile::Compat).await;
    fleet.kill("b").await;
    fleet.habits.profile = ClaimProfile::Standard;
    fleet.start("c");
    fleet.pass_time(Duration::from_mins(29)).await;
    assert_eq!(holder(&fleet, &urn), lost, "{}", fleet.context());
    let taken = |fleet: &Fleet| holder(fleet, &urn) != lost;
    assert!(
        fleet.until(Duration::from_mins(9), taken).await,
        "{}",
        fleet.context()
    );
}

/// Goal: changed intervals are in force for the next claim, and shorten no lease that is held.
#[tokio::test(start_paused = true)]
async fn changed_intervals_bind_the_next_claim_and_shorten_none() {
    let mut fleet = Fleet::new(4_020);
    let before = fleet.ask_for("oak");
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(20)).await;
    set_intervals(&fleet, (1, 1, 2)).await;
    fleet.pass_time(Duration::from_secs(70)).await;
    let after = fleet.ask_for("elm");
    fleet.pass_time(Duration::from_secs(30)).await;
    let terms = [&before, &after].map(|urn| record(&fleet, urn).term.as_secs());
    assert_eq!(terms, [180, 120], "{}", fleet.context());
    let lost = holder(&fleet, &before);
    fleet.kill("a").await;
    fleet.start("b");
    let began = fleet.clock.now();
    let mut taken_after = Vec::new();
    for urn in [&after, &before] {
        let taken = |fleet: &Fleet| holder(fleet, urn) != lost;
        assert!(fleet.until(HOUR, taken).await, "{}", fleet.context());
        taken_after.push(fleet.clock.now().since(began).as_secs());
    }
    assert!((85..=165).contains(&taken_after[0]), "{taken_after:?}");
    assert!((145..=235).contains(&taken_after[1]), "{taken_after:?}");
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

/// Goal: intervals that make no sense change nothing, and do not stop a running replica.
#[tokio::test(start_paused = true)]
async fn intervals_that_make_no_sense_leave_the_last_good_ones_in_force() {
    let mut fleet = Fleet::quick(4_030);
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(20)).await;
    for (n, intervals) in [(1, 30, 30), (1, 31, 30), (0, 10, 30)]
        .into_iter()
        .enumerate()
    {
        set_intervals(&fleet, intervals).await;
        fleet.pass_time(Duration::from_mins(2)).await;
        let urn = fleet.ask_for(&format!("c{n}"));
        fleet.pass_time(Duration::from_secs(15)).await;
        let term = record(&fleet, &urn).term;
        assert_eq!(term, Duration::from_mins(3), "{intervals:?}");
    }
    set_intervals(&fleet, (1, 1, 2)).await;
    fleet.pass_time(Duration::from_mins(2)).await;
    let urn = fleet.ask_for("last");
    fleet.pass_time(Duration::from_secs(15)).await;
    assert_eq!(record(&fleet, &urn).term, Duration::from_mins(2));
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}
