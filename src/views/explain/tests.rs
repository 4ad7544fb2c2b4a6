//! The sentences that matter, for every situation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::cluster::sample;
use crate::views::sample::{outlook, seen};

const DONE: &str = "k1;e=1;s=9;n=1;t=180;p=done;i=1;x=released";
const CREATING: &str = "k1;e=1;s=9;n=1;t=180;p=creating;i=1;x=held";
const TEARDOWN: &str = "k1;e=1;s=9;n=1;t=180;p=teardown;i=1;x=held";
const DELETING: &str = "k1;e=1;s=9;n=1;t=180;p=deleting;i=1;x=held";
const BLOCKED: &str = "k1;e=1;s=9;n=1;t=240;p=deleting;i=1;x=waiting";
const VM: &str = "urn:vcloud:vm:00000000-0000-4000-8000-000000000001";

fn error(name: &str, detail: &str) -> Value {
    json!({"name": name, "occurredAt": "2026-03-01T09:50:00.000Z",
        "additionalDetails": {"Detailed Error": detail}})
}

fn event(name: &str, at: &str, vm: &str) -> Value {
    json!({"name": name, "occurredAt": format!("2026-03-01T09:{at}Z"), "vcdResourceId": vm,
        "additionalDetails": {"Detailed Event": format!("{name} told.")}})
}

/// A record held by replica `a` that was renewed twelve seconds ago.
fn held(beat: &str, more: Value) -> Value {
    let mut record = json!({"workerId": "a/aabbccdd00112233445566778899aabb", "heartbeatString": beat,
        "heartbeatTimestamp": "2026-03-01T09:59:48.000Z"});
    let Value::Object(more) = more else {
        return record;
    };
    record.as_object_mut().unwrap().extend(more);
    record
}

fn free(beat: &str, more: Value) -> Value {
    held(
        beat,
        match more {
            Value::Object(mut more) => {
                more.insert("workerId".to_owned(), json!(""));
                Value::Object(more)
            }
            other => other,
        },
    )
}

/// A cluster with this `status.vcdKe`, this `spec.vcdKe`, and these other sections of status.
fn told(vcd_ke: &Value, spec: &Value, sections: &Value) -> Explanation {
    let mut status = sections.as_object().cloned().unwrap_or_default();
    status.insert("vcdKe".to_owned(), vcd_ke.clone());
    let content = json!({"status": status, "spec": {"vcdKe": spec}});
    explain(&seen("1", &content), &outlook())
}

/// Name of a situation, a document in it, and what its explanation must say.
fn cases() -> Vec<(Situation, Explanation, &'static [&'static str])> {
    let none = json!({});
    let of = |vcd_ke: Value| told(&vcd_ke, &json!({}), &json!({}));
    let report = json!({"capvcd": sample::report(), "projector": {"version": "0.7.1"}});
    let running = |more: Value| {
        let mut fields = json!({"state": "provisioned", "vcdKeVersion": "4.2.3"});
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        told(&free(DONE, fields), &json!({}), &report)
    };
    let marked = json!({"markForDelete": true, "forceDelete": true});
    let vapp = json!([{"type": "VApp", "id": "urn:vcloud:vapp:1", "name": "x"}, {"type": "VM", "id": VM, "name": "y"}]);
    let kept = json!({"state": "error", "vcdResourceSet": vapp, "errorSet": [error("BootstrapPhaseFailed",
        "Attempt 1: bootstrap phase \"network\" failed: no route. Last lines of the log: x")]});
    let rows: Vec<(Situation, Explanation, &'static [&'static str])> = vec![
        (
            Situation::NotManaged,
            told(&none, &json!({"isVCDKECluster": false}), &none),
            &[
                "no server ever touches it",
                "set spec.vcdKe.isVCDKECluster to true",
            ],
        ),
        (
            Situation::UnknownState,
            of(json!({"state": "resting\u{1b}[31m"})),
            &["Its state is \"resting?[31m\"", "keeps its hands off"],
        ),
        (
            Situation::New,
            of(json!({})),
            &[
                "no server has taken it yet",
                "Any replica: takes it at its next poll, within seconds",
                "Auto-repair",
                "see whether a replica runs",
            ],
        ),
        (
            Situation::Creating,
            of(held(
                CREATING,
                json!({"state": "provisioning", "vcdResourceSet": vapp, "eventSet": [
                event("ClusterCreationStarted", "40:00", ""), event("CheckingNetwork", "44:00", VM),
                event("NetworkReady", "44:30", VM), event("InstallingTools", "44:30", VM)]}),
            )),
            &[
                "attempt 1): its bootstrap VM is in phase tools",
                "Replica a (process aabbccdd) holds it; its claim was last written 12 s ago, by its own clock",
                "end phase tools (2 of 10), for 23 min in all (2026-03-01 10:07 UTC)",
                "network 30 s, tools not over after 15 min (16 min in all)",
            ],
        ),
        (
            Situation::Finishing,
            of(held(
                TEARDOWN,
                json!({"state": "provisioning", "eventSet": [event("ClusterReady", "59:00", "")]}),
            )),
            &[
                "The cluster is complete",
                "Replica a: removes the bootstrap VM",
            ],
        ),
        (
            Situation::Resuming,
            of(held(
                TEARDOWN,
                json!({"state": "provisioning", "eventSet": [event("RollbackDetected", "59:00", "")]}),
            )),
            &[
                "went back in time while the cluster stands",
                "find the client or script",
            ],
        ),
        (
            Situation::WentBack,
            of(free(DONE, json!({"state": "provisioning"}))),
            &[
                "a client or a backup wrote an old document",
                "looks into VCD and restores the state",
            ],
        ),
        (
            Situation::OriginalAtWork,
            of(
                json!({"state": "provisioning", "workerId": "w7", "heartbeatString": "beat",
                "heartbeatTimestamp": "2026-03-01T09:59:00Z"}),
            ),
            &[
                "An original server works on it",
                "has not changed for 30 min (staleHeartbeatIntervalInMin)",
            ],
        ),
        (
            Situation::Provisioned,
            running(json!({})),
            &[
                "provisioned and nothing is under way",
                "blue 4 of 4 nodes ready",
            ],
        ),
        (
            Situation::EditRefused,
            running(
                json!({"errorSet": [error("NoWorkerLeft", "The request breaks a rule: none.")]}),
            ),
            &[
                "breaks a rule and is not followed",
                "To do, the tenant",
                "cluster stays as it is",
            ],
        ),
        (
            Situation::Stuck,
            running(
                json!({"errorSet": [error("ClusterChangeStuck", "Upgrade: no progress for 45 minutes. CAPVCD reports x")]}),
            ),
            &["an operation on it gets nowhere", "kubectl get machines"],
        ),
        (
            Situation::CleaningUp,
            told(
                &held(
                    TEARDOWN,
                    json!({"state": "error", "errorSet": [error("BootstrapVmStopped", "Attempt 1: off.")]}),
                ),
                &json!({"autoRepairOnErrors": true}),
                &none,
            ),
            &[
                "Attempt 1 of at most 3",
                "begins attempt 2 of at most 3, not sooner than (2026-03-01 09:51 UTC)",
                "Nothing has to be started",
            ],
        ),
        (
            Situation::Clearing,
            of(held(
                TEARDOWN,
                json!({"state": "error", "errorSet": [error("VdcNotFound", "Attempt 1: x.")]}),
            )),
            &["the bootstrap VM is being removed", "stays and is paid for"],
        ),
        (
            Situation::Failed,
            of(free(
                DONE,
                json!({"state": "error", "errorSet": [error("ApiTokenRefused", "Attempt 1: dead.")]}),
            )),
            &[
                "no further attempt is made",
                "Create a new token and the cluster again",
                "delete the cluster (mark it for deletion)",
            ],
        ),
        (
            Situation::FailedKept,
            of(free(DONE, kept)),
            &[
                "kept, so that somebody can look at it",
                "(2026-03-02 09:50 UTC)",
                "name servers, route and NAT",
                "EPHEMERAL_TEMP_VM",
            ],
        ),
        (
            Situation::FailedElsewhere,
            of(
                json!({"state": "error", "workerId": "w7", "errorSet": [error("EphemeralVMError", "x")]}),
            ),
            &["An original server reports", "/root/cse.log"],
        ),
        (
            Situation::RolledBack,
            of(free(
                DONE,
                json!({"state": "error", "errorSet": [error("RollbackDetected", "Attempt 1: back.")]}),
            )),
            &[
                "Nothing of it is created again or removed",
                "mark it for deletion",
            ],
        ),
        (
            Situation::DeletionRolledBack,
            of(free(
                DONE,
                json!({"state": "error", "errorSet": [error("DeletionRolledBack", "parts are gone")]}),
            )),
            &[
                "parts of it were gone already",
                "Mark the cluster for deletion again",
                "not whole any more",
            ],
        ),
        (
            Situation::DeletionAsked,
            told(&free(DONE, json!({"state": "provisioned"})), &marked, &none),
            &[
                "no server has begun it yet",
                "It is forced",
                "Persistent volumes are deleted with their data",
            ],
        ),
        (
            Situation::Deleting,
            told(
                &held(DELETING, json!({"state": "deleting"})),
                &json!({"markForDelete": true}),
                &none,
            ),
            &[
                "being deleted",
                "stops at what cannot be removed",
                "Persistent volumes stay",
            ],
        ),
        (
            Situation::DeletionBlocked,
            told(
                &free(
                    BLOCKED,
                    json!({"state": "deleting", "errorSet": [error("ApiTokenRefused", "dead")]}),
                ),
                &json!({"markForDelete": true}),
                &none,
            ),
            &[
                "cannot go on; it is tried again by itself",
                "after a pause of 4 min this time",
                "(2026-03-01 10:03 UTC)",
                "spec.vcdKe.secure.apiToken",
            ],
        ),
    ];
    rows
}

#[test]
fn every_situation_is_told_with_who_acts_next_and_what_to_do() {
    let mut seen = BTreeSet::new();
    for (situation, told, wanted) in cases() {
        let text = render(&told, outlook().now);
        assert_eq!(told.situation, situation, "{text}");
        for sentence in wanted {
            assert!(
                text.contains(sentence),
                "{situation:?} lacks {sentence:?}:\n{text}"
            );
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let quiet = matches!(situation, Situation::Provisioned);
        assert_eq!(told.todo.is_empty(), quiet, "{text}");
        seen.insert(situation);
    }
    assert_eq!(seen.len(), 21, "{seen:?}");
}

#[test]
fn a_change_of_a_running_cluster_and_the_complaints_of_its_parts_are_told() {
    let mut report = sample::report();
    report["nodePool"][0]["desiredReplicas"] = json!(2);
    let sections = json!({"capvcd": report, "projector": {"version": "1"}});
    let state = free(
        DONE,
        json!({"state": "provisioned", "vcdKeVersion": "4.2.3"}),
    );
    let changing = told(&state, &json!({}), &sections);
    let text = render(&changing, outlook().now);
    assert_eq!(changing.situation, Situation::Changing, "{text}");
    assert!(text.contains("Worker pool \"blue\""), "{text}");
    assert!(text.contains("with every server down, too"), "{text}");

    let complaint = json!({"capvcd": sample::report(), "projector": {"version": "1",
        "errorSet": [error("ApplyConflict", "held by argocd")]}});
    let complaining = told(&state, &json!({}), &complaint);
    let text = render(&complaining, outlook().now);
    assert_eq!(complaining.situation, Situation::Complaining, "{text}");
    assert_eq!(complaining.attention, Attention::Person);
    assert!(text.contains("Decide who owns the field"), "{text}");
}

/// Goal: with every server down nobody has told of a forbidden edit; the explanation does all the same.
#[test]
fn an_edit_that_breaks_a_rule_is_explained_before_a_server_says_so() {
    let content = sample::entity_edited(|documents| {
        sample::set(
            documents,
            "KubeadmControlPlane",
            "",
            ("/spec/replicas", json!(2)),
        );
    });
    let state = free(
        DONE,
        json!({"state": "provisioned", "vcdKeVersion": "4.2.3"}),
    );
    let content =
        json!({"spec": content["spec"], "status": {"vcdKe": state, "capvcd": sample::report()}});
    let told = explain(&seen("1", &content), &outlook());
    let text = render(&told, outlook().now);
    assert_eq!(told.situation, Situation::EditRefused, "{text}");
    assert!(text.contains("no server has told it yet"), "{text}");
    assert!(text.contains("No agent and no projector"), "{text}");
}

#[test]
fn a_silent_holder_is_a_hint_and_no_proof_and_clocks_are_compared() {
    let silent = held(
        CREATING,
        json!({"state": "provisioning", "heartbeatTimestamp": "2026-03-01T09:30:00Z"}),
    );
    let told_of = told(&silent, &json!({}), &json!({}));
    let text = render(&told_of, outlook().now);
    assert_eq!(told_of.attention, Attention::Look);
    assert!(text.contains("silent for 30 min"), "{text}");
    assert!(text.contains("One look cannot prove it"), "{text}");
    let ahead = held(
        CREATING,
        json!({"state": "provisioning", "heartbeatTimestamp": "2026-03-01T10:20:00Z"}),
    );
    let text = render(&told(&ahead, &json!({}), &json!({})), outlook().now);
    assert!(
        text.contains("The clock of a is 20 min ahead of VCD's"),
        "{text}"
    );
}

#[test]
fn a_document_of_nonsense_is_explained_all_the_same() {
    let nonsense = json!({"status": {"vcdKe": {"state": 7, "eventSet": {}, "errorSet": [3, {"name": "\u{202e}evil"}],
        "heartbeatTimestamp": [], "workerId": {}}, "capvcd": 5}, "spec": {"capiYaml": ["no"]}, "metadata": null});
    let told = explain(&seen("1", &nonsense), &outlook());
    assert_eq!(told.situation, Situation::New);
    let text = render(&told, outlook().now);
    assert!(
        text.contains("?evil") && text.contains("No error of this name is known here"),
        "{text}"
    );
}

#[test]
fn the_json_of_an_explanation_has_its_shape() {
    let value = serde_json::to_value(told(&json!({}), &json!({}), &json!({}))).unwrap();
    let keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let want = [
        "name",
        "id",
        "org",
        "situation",
        "attention",
        "since",
        "holder",
        "attempt",
        "headline",
        "now",
        "happened",
        "waits",
        "wrong",
        "risks",
        "todo",
    ];
    assert_eq!(keys, want);
    assert_eq!(
        (&value["situation"], &value["attention"]),
        (&json!("new"), &json!("waiting"))
    );
}
