//! Clusters being made, failing and being deleted, as they are explained.

use std::collections::BTreeSet;
use std::time::Duration;

use cse_server::domain::phase::Phase;
use cse_server::views::explain::explain;
use cse_server::views::pulse::Pulses;
use cse_server::views::situation::{Attention, Situation, guest_phase};
use serde_json::json;

use super::{HOUR, assert_told, await_situation, look, outlook, seen};
use crate::support::fleet::Fleet;
use crate::support::original::{self, Ways};

/// Goal: with no server anywhere an operator learns that nobody has taken the cluster, and what to look at.
#[tokio::test(start_paused = true)]
async fn a_new_cluster_without_any_server_is_told_to_wait_for_one() {
    let mut fleet = Fleet::quick(71);
    let urn = fleet.ask_for("oak");
    let sentences = [
        "no server has taken it yet",
        "Any replica",
        "see whether a replica runs",
        "Auto-repair",
    ];
    assert_told(&fleet, &urn, Situation::New, &sentences).await;
    let view = look(&fleet, &mut Pulses::default()).await;
    assert_eq!((view.replicas.len(), view.counts.total), (0, 1));
    assert_eq!(view.clusters[0].attention, Attention::Waiting);
}

/// Goal: at every moment of a creation somebody is named who acts next, and each phase is told.
#[tokio::test(start_paused = true)]
async fn every_phase_of_a_creation_is_told() {
    let mut fleet = Fleet::new(72);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    let (mut phases, mut situations) = (BTreeSet::new(), BTreeSet::new());
    let end = fleet.clock.now().plus(HOUR);
    while fleet.clock.now() < end && !fleet.all_provisioned() {
        // One read for both: time passes with every call.
        let seen = seen(&fleet, &urn).await;
        let now = explain(&seen, &outlook(&fleet).await);
        situations.insert(now.situation);
        if now.situation != Situation::New {
            assert_eq!(now.attention, Attention::Working, "{now:#?}");
            assert!(
                now.waits.iter().any(|one| one.who.contains("replica")),
                "{now:#?}"
            );
        }
        if let Some((phase, false)) = guest_phase(&seen) {
            assert!(now.headline.contains(phase.name()), "{now:#?}");
            assert!(now.waits[0].by.is_some(), "a phase has a limit: {now:#?}");
            phases.insert(phase);
        }
        fleet.pass_time(Duration::from_secs(1)).await;
    }
    assert!(fleet.all_provisioned(), "{}", fleet.context());
    assert!(phases.len() >= Phase::ALL.len() - 2, "{phases:?}");
    assert!(
        situations.contains(&Situation::Creating) && situations.contains(&Situation::Finishing),
        "{situations:?}"
    );
    let sentences = [
        "nothing is under way",
        "Bootstrap phases: network",
        "The cluster is available.",
    ];
    let done = assert_told(&fleet, &urn, Situation::Provisioned, &sentences).await;
    assert_eq!(
        (done.wrong, done.waits, done.todo),
        (Vec::new(), Vec::new(), Vec::new())
    );
}

/// Goal: of two clusters that fail alike, the one with auto-repair waits for nobody, the other for a person.
#[tokio::test(start_paused = true)]
async fn a_failure_is_told_as_one_that_is_repaired_or_one_that_needs_a_person() {
    let mut fleet = Fleet::quick(73);
    let repaired = fleet.ask_for_repaired("pine");
    let failed = fleet.ask_for("oak");
    fleet.pull(&json!({"fail_phase": {"cluster": "*", "phase": "tools", "attempt": 1}}));
    fleet.start("a");
    await_situation(&fleet, &repaired, Situation::CleaningUp, HOUR).await;
    let sentences = [
        "Attempt 1 of at most 3 to create it has failed",
        "begins attempt 2 of at most 3, not sooner than",
        "Nothing has to be started",
    ];
    let told_of = assert_told(&fleet, &repaired, Situation::CleaningUp, &sentences).await;
    assert_eq!(told_of.attention, Attention::Repairing);

    await_situation(&fleet, &failed, Situation::FailedKept, HOUR).await;
    let sentences = [
        "no further attempt is made",
        "BootstrapPhaseFailed (server",
        "Check that the download sites or the mirror can be reached",
        "A person: looks at the bootstrap VM",
        "removes the bootstrap VM at the end of the time for inspection (2026-03-02",
        "delete the cluster (mark it for deletion)",
    ];
    let told_of = assert_told(&fleet, &failed, Situation::FailedKept, &sentences).await;
    assert_eq!(
        told_of.wrong.len(),
        1,
        "the mirrored error is told once: {told_of:#?}"
    );

    assert!(
        fleet
            .until(HOUR, |fleet| fleet.is_in(&fleet.urns[0], "provisioned"))
            .await,
        "{}",
        fleet.context()
    );
    let view = look(&fleet, &mut Pulses::default()).await;
    let order: Vec<&str> = view.clusters.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(order, ["oak", "pine"], "what needs a person comes first");
}

/// Goal: a holder lives when its claims change between two looks; one that stands still does not.
#[tokio::test(start_paused = true)]
async fn two_looks_tell_the_living_from_the_dead() {
    let mut fleet = Fleet::new(74);
    fleet.ask_for("oak");
    fleet.ask_for("pine");
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(40)).await;
    let mut pulses = Pulses::default();
    let first = look(&fleet, &mut pulses).await;
    assert_eq!(first.replicas.len(), 1, "{first:#?}");
    assert_eq!(first.replicas[0].is_alive(), None);
    assert_eq!(
        (first.replicas[0].holder.name(), first.replicas[0].clusters),
        ("a", 2)
    );
    fleet.pass_time(Duration::from_secs(45)).await;
    let second = look(&fleet, &mut pulses).await;
    assert_eq!(second.replicas[0].is_alive(), Some(true), "{second:#?}");

    fleet.kill("a").await;
    let mut pulses = Pulses::default();
    look(&fleet, &mut pulses).await;
    fleet.pass_time(Duration::from_mins(5)).await;
    let dead = look(&fleet, &mut pulses).await;
    assert_eq!(dead.replicas[0].is_alive(), Some(false), "{dead:#?}");
    let urn = fleet.urns[0].clone();
    let sentences = [
        "Replica a",
        "has been silent for 5 min",
        "One look cannot prove it",
        "systemctl status cse-server",
    ];
    let silent = assert_told(&fleet, &urn, Situation::Creating, &sentences).await;
    assert_eq!(silent.attention, Attention::Look);
}

/// Goal: work of an original server is told as such, and when ours take it over.
#[tokio::test(start_paused = true)]
async fn an_original_server_is_recognised() {
    let mut fleet = Fleet::new(75);
    let urn = fleet.ask_for("oak");
    let theirs = original::start(&fleet, "old", Ways::default());
    fleet.pass_time(Duration::from_mins(3)).await;
    theirs.abort();
    let sentences = [
        "An original server works on it",
        "has not changed for 30 min (staleHeartbeatIntervalInMin)",
    ];
    assert_told(&fleet, &urn, Situation::OriginalAtWork, &sentences).await;
    let view = look(&fleet, &mut Pulses::default()).await;
    assert!(view.replicas[0].holder.is_original(), "{view:#?}");
    assert_eq!(
        view.replicas[0].holder.name(),
        "old",
        "its threads are one server"
    );
}

/// Goal: whatever a tenant writes into the document, the rest of the fleet is shown, and nothing reaches a
/// terminal that it would obey.
#[tokio::test(start_paused = true)]
async fn corrupt_and_hostile_documents_hide_nobody_and_say_nothing_by_themselves() {
    let mut fleet = Fleet::quick(76);
    let corrupt = fleet.ask_for("oak");
    let hostile = fleet.ask_for("pine");
    let plain = fleet.ask_for("elm");
    fleet.change(&corrupt, |content| {
        content["metadata"] = json!([]);
        content["spec"]["capiYaml"] = json!(7);
        content.insert(
            "status".to_owned(),
            json!({"vcdKe": [], "capvcd": "x", "csi": {"errorSet": {}}}),
        );
    });
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}gnp";
    fleet.change(&hostile, |content| {
        let entry = json!({"name": evil, "occurredAt": evil, "vcdResourceName": evil,
            "additionalDetails": {"Detailed Error": evil.repeat(500), "Detailed Event": evil}});
        content.insert(
            "status".to_owned(),
            json!({"vcdKe": {"state": "error", "workerId": evil,
            "vcdKeInstanceId": evil, "heartbeatString": evil, "heartbeatTimestamp": evil,
            "errorSet": [entry], "eventSet": [entry]}}),
        );
    });
    assert_told(
        &fleet,
        &corrupt,
        Situation::New,
        &["no server has taken it yet"],
    )
    .await;
    let sentences = [
        "An original server reports that the cluster has failed",
        "No error of this name is known here",
    ];
    assert_told(&fleet, &hostile, Situation::FailedElsewhere, &sentences).await;
    assert_told(&fleet, &plain, Situation::New, &[]).await;
    let view = look(&fleet, &mut Pulses::default()).await;
    assert_eq!(view.counts.total, 3);
    let text = serde_json::to_string(&view).unwrap();
    assert!(
        !text.contains("\\u001b") && !text.contains('\u{202e}'),
        "{text}"
    );
}
