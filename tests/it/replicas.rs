//! Several holders of one claim: stalled, cloned, of another make, or deceived by a document that went
//! back in time.

use std::time::Duration;

use serde_json::json;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);
/// Longest time until a silent holder's cluster is taken over: the term, its jitter, a poll.
const TAKEOVER: Duration = Duration::from_mins(4);

/// Goal: a replica that stands still for longer than the term, at any moment, and then goes on, does
/// nothing any more that its successor has not decided.
///
/// Method: stop the only replica at many moments of a creation, let another one take over, thaw the
/// first, which then sends what it had decided on before.
#[tokio::test(start_paused = true)]
async fn a_thawed_replica_loses_its_claim_and_does_nothing_twice() {
    for seed in 0..24 {
        let mut fleet = Fleet::quick(1_000 + seed);
        let urn = fleet.ask_for("oak");
        fleet.start("a");
        fleet
            .pass_time(Duration::from_millis(300 + seed * 7_050))
            .await;
        fleet.freeze("a", true);
        fleet.start("b");
        let taken = |fleet: &Fleet| fleet.holds("b", &urn) || fleet.is_in(&urn, "provisioned");
        assert!(fleet.until(TAKEOVER, taken).await, "{}", fleet.context());
        // At once after the takeover, or in the middle of what the successor does.
        fleet.pass_time(Duration::from_secs(seed % 4 * 20)).await;
        fleet.freeze("a", false);
        fleet.pass_time(Duration::from_secs(40)).await;
        assert!(!fleet.holds("a", &urn), "{}", fleet.context());
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}

/// Goal: two processes that believe to be the same replica, such as a cloned appliance, are two.
#[tokio::test(start_paused = true)]
async fn two_replicas_of_one_name_share_the_work_as_strangers() {
    let mut fleet = Fleet::quick(1_100);
    for n in 0..8 {
        fleet.ask_for(&format!("c{n}"));
    }
    fleet.start_as("first", "cse");
    fleet.start_as("second", "cse");
    fleet.pass_time(Duration::from_secs(40)).await;
    let held = |name: &str| {
        fleet
            .urns
            .iter()
            .filter(|urn| fleet.holds(name, urn))
            .count()
    };
    assert!(
        held("first") >= 1 && held("second") >= 1,
        "{}",
        fleet.context()
    );
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

/// Goal: a cluster in the hands of an original server is taken only after the shared stale interval.
#[tokio::test(start_paused = true)]
async fn an_original_servers_claim_is_respected_for_the_stale_interval() {
    let mut fleet = Fleet::quick(1_200);
    let urn = fleet.ask_for("oak");
    let beat = |beat: u32| {
        json!({
            "state": "provisioning",
            "workerId": "w1",
            "vcdKeInstanceId": "other",
            "heartbeatString": format!("opaque {beat}"),
            "heartbeatTimestamp": "2026-03-01T09:00:00Z",
        })
    };
    let write = |fleet: &Fleet, record| {
        fleet.change(&urn, |content| {
            content.insert("status".to_owned(), json!({"vcdKe": record}));
        });
    };
    write(&fleet, beat(1));
    fleet.start("a");
    fleet.start("b");
    fleet.pass_time(Duration::from_mins(29)).await;
    let w1 = Some("w1");
    assert_eq!(
        fleet.cluster(&urn).holder.as_deref(),
        w1,
        "{}",
        fleet.context()
    );
    write(&fleet, beat(2));
    fleet.pass_time(Duration::from_mins(29)).await;
    assert_eq!(
        fleet.cluster(&urn).holder.as_deref(),
        w1,
        "{}",
        fleet.context()
    );
    // The stale interval is 30 minutes; a fifth of it is jitter, a minute the time between two looks.
    let ours = |fleet: &Fleet| fleet.cluster(&urn).holder.as_deref() != w1;
    let taken = fleet.until(Duration::from_mins(8), ours).await;
    assert!(taken, "{}", fleet.context());
    fleet.until(HOUR, Fleet::all_provisioned).await;
    fleet.assert_converged();
}

/// Goal: a client that writes an old copy of the whole document back, under a valid tag, destroys
/// nothing.
///
/// Method: as Terraform does it, at many pairs of moments of a creation, with two replicas.
#[tokio::test(start_paused = true)]
async fn a_document_that_goes_back_in_time_destroys_nothing() {
    let pairs = [
        (0, 4),
        (0, 12),
        (0, 70),
        (0, 95),
        (3, 30),
        (5, 50),
        (12, 80),
        (40, 110),
        (60, 90),
        (80, 140),
        (2, 150),
        (100, 170),
    ];
    for (seed, (taken, restored)) in (1_300..).zip(pairs) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("copy of second {taken} restored at second {restored}");
        let urn = fleet.ask_for("oak");
        fleet.start("a");
        fleet.start("b");
        fleet.pass_time(Duration::from_secs(taken)).await;
        let copy = fleet.content(&urn);
        fleet.pass_time(Duration::from_secs(restored - taken)).await;
        assert!(!fleet.is_in(&urn, "provisioned"), "{}", fleet.context());
        fleet.change(&urn, |content| *content = copy);
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        for effect in [
            "vapp.composed",
            "vm.created",
            "vm.powered_on",
            "vapp.deleted",
        ] {
            assert_eq!(
                fleet.effect(effect, &urn),
                1,
                "{effect}\n{}",
                fleet.context()
            );
        }
    }
}

/// Goal: a cluster marked for deletion while it is created is created no further; what was made for the
/// bootstrap goes.
#[tokio::test(start_paused = true)]
async fn a_creation_stops_when_the_cluster_is_marked_for_deletion() {
    for (seed, moment) in (1_400..).zip([3, 20, 70, 100, 130]) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("marked at second {moment}");
        let urn = fleet.ask_for("oak");
        let other = fleet.ask_for("elm");
        fleet.start("a");
        fleet.pass_time(Duration::from_secs(moment)).await;
        fleet.mark(&urn, false);
        let gone = |fleet: &Fleet| fleet.world().entity_content(&urn).is_none();
        let seen = fleet.until(Duration::from_mins(10), gone).await;
        assert!(seen, "{}", fleet.context());
        let done = |fleet: &Fleet| fleet.is_in(&other, "provisioned");
        assert!(fleet.until(HOUR, done).await, "{}", fleet.context());
        let left = fleet.world().bootstrap_leftovers();
        assert_eq!(left, Vec::<String>::new(), "{}", fleet.context());
        assert_eq!(fleet.world().leaks(), [], "{}", fleet.context());
    }
}

/// Goal: a record that no server would write holds up its own cluster only, and no replica.
#[tokio::test(start_paused = true)]
async fn forged_records_stop_nobody() {
    let forged = [
        (
            "x/1",
            "k1;e=18446744073709551615;s=18446744073709551615;n=1;t=18446744073709551615;p=creating;i=4294967295;x=held",
        ),
        (
            "x/1",
            "k1;e=18446744073709551615;s=1;n=1;t=1;p=creating;i=4294967295;x=released",
        ),
        ("", "k1;e=1;s=1;n=1;t=1;p=teardown;i=4294967295;x=released"),
        ("x/1", "k1;e=0;s=0;n=0;t=0;p=deleting;i=0;x=held"),
        ("", "k1;e=\u{0};s=;;;;"),
    ];
    let mut fleet = Fleet::quick(1_500);
    for (n, (worker, beat)) in forged.into_iter().enumerate() {
        let urn = fleet.ask_for(&format!("odd{n}"));
        let state = if beat.contains("teardown") {
            "error"
        } else {
            "provisioning"
        };
        fleet.change(&urn, |content| {
            let record = json!({"state": state, "workerId": worker, "heartbeatString": beat});
            content.insert("status".to_owned(), json!({"vcdKe": record}));
        });
    }
    let good = fleet.ask_for("good");
    fleet.start("a");
    fleet.start("b");
    let done = |fleet: &Fleet| fleet.is_in(&good, "provisioned");
    assert!(fleet.until(HOUR, done).await, "{}", fleet.context());
    let later = fleet.ask_for("later");
    let done = |fleet: &Fleet| fleet.is_in(&later, "provisioned");
    assert!(fleet.until(HOUR, done).await, "{}", fleet.context());
    fleet.assert_lawful();
}
