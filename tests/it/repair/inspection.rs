//! The bootstrap VM of a creation that failed: kept for a day, then collected, whoever runs then.

use super::*;

/// Goal: it stays for as long as the error says, then it goes, though every replica was exchanged
/// meanwhile; what was built of the cluster stays.
#[tokio::test(start_paused = true)]
async fn the_bootstrap_vm_is_kept_for_a_day_and_then_collected_by_whoever_runs() {
    let mut fleet = Fleet::quick(3_900);
    let urn = fleet.ask_for("oak");
    fleet.world().fail_guest("oak", "pivot", 1);
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"]);
    let detail = fleet.errors(&urn)[0].1.clone();
    assert!(
        detail.contains("kept for inspection until 2026-03-02 09:0"),
        "{detail}"
    );
    let built = nodes(&fleet);
    assert_eq!(built.len(), 4, "{}", fleet.context());
    fleet.pass_time(12 * HOUR).await;
    fleet.kill("a").await;
    fleet.start("b");
    fleet.start("c");
    let calls = fleet.faults.calls();
    fleet.pass_time(11 * HOUR + HOUR / 2).await;
    let kept = bootstrap_vm(&fleet).unwrap();
    assert_eq!(kept.status, "POWERED_ON", "{}", fleet.context());
    // Two replicas that poll every ten seconds; the cluster itself costs nothing.
    let hourly = (fleet.faults.calls() - calls) / 11;
    assert!(hourly < 1_100, "{hourly} calls an hour");
    let collected = |fleet: &Fleet| fleet.world().bootstrap_leftovers().is_empty();
    assert!(
        fleet.until(2 * HOUR, collected).await,
        "{}",
        fleet.context()
    );
    fleet.pass_time(Duration::from_mins(2)).await;
    assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"]);
    assert_eq!(
        nodes(&fleet),
        built,
        "what was built stays\n{}",
        fleet.context()
    );
    for event in ["InspectionEnded", "BootstrapVmDeleted"] {
        assert_eq!(
            times_of(&fleet, &urn, event).len(),
            1,
            "{}",
            fleet.context()
        );
    }
    let calls = fleet.faults.calls();
    fleet.pass_time(HOUR).await;
    let hourly = fleet.faults.calls() - calls;
    assert!(hourly < 1_100, "{hourly} calls an hour, after all is done");
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
}

/// Of the last claim, such as 3 in `k1;e=3;s=3;...`.
fn epoch(fleet: &Fleet, urn: &str) -> u64 {
    let heartbeat = fleet.cluster(urn).heartbeat.unwrap();
    let mut parts = heartbeat.split(';');
    let epoch = parts.find_map(|part| part.strip_prefix("e="));
    epoch.unwrap().parse().unwrap()
}

/// Goal: a VM that nobody can remove any more, because the token is dead, costs next to nothing.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_collected_is_tried_again_and_rarely() {
    let mut fleet = Fleet::quick(3_950);
    let urn = fleet.ask_for("oak");
    fleet.world().fail_guest("oak", "kind", 1);
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    let token = fleet.tenants[0].api_token.clone();
    fleet.world().revoke_api_token(&token);
    fleet.pass_time(25 * HOUR).await;
    // Each try is a claim, and has an epoch of its own.
    let before = epoch(&fleet, &urn);
    let calls = fleet.faults.calls();
    fleet.pass_time(12 * HOUR).await;
    let hourly = (fleet.faults.calls() - calls) / 12;
    assert!(hourly < 550, "{hourly} calls an hour\n{}", fleet.context());
    assert_given_up(&fleet, &urn, &["BootstrapPhaseFailed"]);
    assert!(bootstrap_vm(&fleet).is_some(), "{}", fleet.context());
    let tried = epoch(&fleet, &urn) - before;
    assert!((1..=3).contains(&tried), "{tried}\n{}", fleet.context());
    let told = times_of(&fleet, &urn, "InspectionEnded").len();
    assert_eq!(told, 1, "{}", fleet.context());
}
