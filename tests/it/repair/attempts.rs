//! How often a creation is tried, when, and on what ground.

use cse_server::domain::phase::Phase;

use super::*;

/// Goal: a failure in any phase is repaired, and the next attempt finds nothing of the one before.
#[tokio::test(start_paused = true)]
async fn after_a_failure_in_any_phase_everything_goes_and_the_next_attempt_succeeds() {
    let phases = Phase::ALL.map(Phase::name);
    let mut half_built = 0;
    for (seed, phase) in (3_000..).zip(phases) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("failing in {phase}");
        let urn = fleet.ask_for_repaired("oak");
        fleet.world().fail_guest("oak", phase, 1);
        fleet.start("a");
        let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        let first = nodes(&fleet);
        half_built += usize::from(!first.is_empty());
        let retried = |fleet: &Fleet| has_event(fleet, &urn, "ClusterCreationRetried");
        assert!(fleet.until(HOUR, retried).await, "{}", fleet.context());
        assert!(nodes(&fleet).is_empty(), "{}", fleet.context());
        let vapps = fleet.world().vapps();
        assert!(
            !vapps.iter().any(|vapp| vapp == "oak"),
            "{}",
            fleet.context()
        );
        assert!(estate(&fleet).await.is_empty(), "{}", fleet.context());
        let reported = &fleet.content(&urn)["status"]["capvcd"];
        assert!(reported.get("clusterApiStatus").is_none(), "{reported}");
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        let second = nodes(&fleet);
        assert_eq!(second.len(), 4, "{}", fleet.context());
        assert!(second.keys().all(|urn| !first.contains_key(urn)));
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            2,
            "{}",
            fleet.context()
        );
        assert_no_leaks(&fleet);
        assert_eq!(fleet.errors(&urn), [], "{}", fleet.context());
    }
    assert!(half_built >= 4, "only {half_built} failures left nodes");
}

/// Goal: attempts are bounded, each one waits longer than the one before, and clients are told the end.
#[tokio::test(start_paused = true)]
async fn attempts_wait_ever_longer_and_end_for_good() {
    let mut fleet = Fleet::quick(3_100);
    let urn = fleet.ask_for_repaired("oak");
    fleet.world().fail_guest("oak", "control-plane", u32::MAX);
    fleet.start("a");
    let given_up = |fleet: &Fleet| fleet.cluster(&urn).auto_repair == Some(false);
    let waits = |fleet: &Fleet| fleet.cluster(&urn).auto_repair == Some(true);
    assert!(waits(&fleet));
    assert!(fleet.until(2 * HOUR, given_up).await, "{}", fleet.context());
    assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"; 3]);
    let failed = times_of(&fleet, &urn, "ClusterCreationFailed");
    let retried = times_of(&fleet, &urn, "ClusterCreationRetried");
    assert_eq!((failed.len(), retried.len()), (3, 2), "{}", fleet.context());
    let pauses: Vec<i64> = retried
        .iter()
        .zip(&failed)
        .map(|(next, failed)| next.duration_since(*failed).as_secs())
        .collect();
    assert!(pauses[0] >= 60 && pauses[1] >= 120, "{pauses:?}");
    fleet.pass_time(2 * HOUR).await;
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        3,
        "{}",
        fleet.context()
    );
    fleet.assert_lawful();
}

/// Goal: a replica that takes over in the pause counts attempts and pause on, and does not begin anew.
#[tokio::test(start_paused = true)]
async fn a_takeover_in_the_pause_neither_shortens_nor_repeats_it() {
    for (seed, successor) in (3_200..).zip(["a", "b"]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for_repaired("oak");
        fleet.world().fail_guest("oak", "kind", 2);
        fleet.start("a");
        let twice = |fleet: &Fleet| fleet.errors(&urn).len() == 2;
        assert!(fleet.until(HOUR, twice).await, "{}", fleet.context());
        fleet.pass_time(Duration::from_secs(30)).await;
        fleet.kill("a").await;
        let before = fleet.cluster(&urn).holder;
        fleet.start(successor);
        let taken = |fleet: &Fleet| fleet.cluster(&urn).holder != before;
        assert!(fleet.until(HOUR, taken).await, "{}", fleet.context());
        let taken_at = fleet.clock.wall();
        let retried = |fleet: &Fleet| times_of(fleet, &urn, "ClusterCreationRetried").len() == 2;
        assert!(fleet.until(HOUR, retried).await, "{}", fleet.context());
        let failed = times_of(&fleet, &urn, "ClusterCreationFailed")[1];
        let began = times_of(&fleet, &urn, "ClusterCreationRetried")[1];
        assert!(
            began.duration_since(failed).as_secs() >= 119,
            "{}",
            fleet.context()
        );
        let after = began.duration_since(taken_at).as_secs();
        let limit = if successor == "a" { 119 } else { 60 };
        assert!(
            after < limit,
            "{after} s after the takeover\n{}",
            fleet.context()
        );
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            3,
            "{}",
            fleet.context()
        );
    }
}

/// Goal: what only a person can heal is not repeated, whatever the flag says.
#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_heal_is_not_repeated() {
    let mut fleet = Fleet::quick(3_300);
    let urn = fleet.ask_for_repaired("oak");
    fleet.start("a");
    let begun = |fleet: &Fleet| fleet.effect("vm.powered_on", &urn) == 1;
    assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
    let token = fleet.tenants[0].api_token.clone();
    fleet.world().revoke_api_token(&token);
    let given_up = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(HOUR, given_up).await, "{}", fleet.context());
    fleet.pass_time(HOUR).await;
    assert_given_up(&fleet, &urn, &["ApiTokenRefused"]);
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
}

/// Goal: a phase that hangs is a failed attempt, too, and one that only hangs once is repaired.
#[tokio::test(start_paused = true)]
async fn a_phase_that_hangs_is_cut_off_and_repaired() {
    let mut fleet = Fleet::quick(3_400);
    let urn = fleet.ask_for_repaired("oak");
    let hang =
        json!({"fail_phase": {"cluster": "oak", "phase": "kind", "attempt": 1, "hangs": true}});
    fleet.pull(&hang);
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(2 * HOUR, failed).await, "{}", fleet.context());
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_sound();
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        2,
        "{}",
        fleet.context()
    );
}

/// Goal: a replica that dies anywhere in the clean-up leaves nothing that its successor does not remove.
#[tokio::test(start_paused = true)]
async fn a_clean_up_survives_a_kill_at_any_moment() {
    let mut cleaning = 0;
    for seed in 0..6 {
        let mut fleet = Fleet::quick(3_500 + seed);
        fleet.what = format!("killed {} s after the failure", seed * 16);
        let urn = fleet.ask_for_repaired("oak");
        fleet.world().fail_guest("oak", "pivot", 1);
        fleet.start("a");
        let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        fleet.pass_time(Duration::from_secs(seed * 16)).await;
        cleaning += u32::from(failed(&fleet));
        fleet.kill("a").await;
        fleet.pass_time(Duration::from_secs(2)).await;
        fleet.start(if seed % 2 == 0 { "a" } else { "b" });
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        assert_eq!(nodes(&fleet).len(), 4, "{}", fleet.context());
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            2,
            "{}",
            fleet.context()
        );
        assert_no_leaks(&fleet);
    }
    assert!(cleaning >= 3, "only {cleaning} kills fell into a clean-up");
}
