//! The sentences that matter, for every situation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::domain::cluster::sample;
use crate::views::sample::{outlook, seen};

const VM: &str = "urn:vcloud:vm:00000000-0000-4000-8000-000000000001";

/// A document, and what its explanation must say.
struct Told {
    situation: Situation,
    state: &'static str,
    /// Phase and hold of our record; empty without one.
    record: (&'static str, &'static str),
    worker: &'static str,
    errors: &'static [(&'static str, &'static str)],
    /// Name, minute and second after nine, and whether it is about the bootstrap VM.
    events: &'static [(&'static str, &'static str, bool)],
    /// Keys of `spec.vcdKe` that are true.
    wishes: &'static [&'static str],
    says: &'static [&'static str],
}

/// Nobody holds it, and nothing was told.
const QUIET: Told = Told {
    situation: Situation::New,
    state: "",
    record: ("", ""),
    worker: "",
    errors: &[],
    events: &[],
    wishes: &["isVCDKECluster"],
    says: &[],
};
const A: &str = "a/aabbccdd00112233445566778899aabb";
const MARKED: &[&str] = &["isVCDKECluster", "markForDelete"];
const FORCED: &[&str] = &["isVCDKECluster", "markForDelete", "forceDelete"];
const FAILED: (&str, &str) = ("done", "released");

const CASES: &[Told] = &[
    Told {
        situation: Situation::NotManaged,
        wishes: &[],
        says: &[
            "no server ever touches it",
            "set spec.vcdKe.isVCDKECluster to true",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::UnknownState,
        state: "resting\u{1b}[31m",
        says: &["Its state is \"resting?[31m\"", "keeps its hands off"],
        ..QUIET
    },
    Told {
        says: &[
            "no server has taken it yet",
            "Any replica: takes it at its next poll, within seconds",
            "Auto-repair",
            "see whether a replica runs",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Creating,
        state: "provisioning",
        record: ("creating", "held"),
        worker: A,
        events: &[
            ("ClusterCreationStarted", "40:00", false),
            ("CheckingNetwork", "44:00", true),
            ("NetworkReady", "44:30", true),
            ("InstallingTools", "44:30", true),
        ],
        says: &[
            "attempt 1): its bootstrap VM is in phase tools",
            "Replica a (process aabbccdd) holds it; its claim was last written 12 s ago, by its own clock",
            "end phase tools (2 of 10), for 23 min in all (2026-03-01 10:07 UTC)",
            "network 30 s, tools not over after 15 min (16 min in all)",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Finishing,
        state: "provisioning",
        record: ("teardown", "held"),
        worker: A,
        events: &[("ClusterReady", "59:00", false)],
        says: &[
            "The cluster is complete",
            "Replica a: removes the bootstrap VM",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Resuming,
        state: "provisioning",
        record: ("teardown", "held"),
        worker: A,
        events: &[("RollbackDetected", "59:00", false)],
        says: &[
            "went back in time while the cluster stands",
            "find the client or script",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::WentBack,
        state: "provisioning",
        record: FAILED,
        says: &[
            "a client or a backup wrote an old document",
            "looks into VCD and restores the state",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::OriginalAtWork,
        state: "provisioning",
        worker: "w7",
        says: &[
            "An original server works on it",
            "has not changed for 30 min (staleHeartbeatIntervalInMin)",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Provisioned,
        state: "provisioned",
        record: FAILED,
        says: &[
            "provisioned and nothing is under way",
            "blue 4 of 4 nodes ready",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::EditRefused,
        state: "provisioned",
        record: FAILED,
        errors: &[("NoWorkerLeft", "The request breaks a rule: none.")],
        says: &[
            "breaks a rule and is not followed",
            "To do, the tenant",
            "cluster stays as it is",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Stuck,
        state: "provisioned",
        record: FAILED,
        errors: &[(
            "ClusterChangeStuck",
            "Upgrade: no progress for 45 minutes. CAPVCD reports x",
        )],
        says: &["an operation on it gets nowhere", "kubectl get machines"],
        ..QUIET
    },
    Told {
        situation: Situation::CleaningUp,
        state: "error",
        record: ("teardown", "held"),
        worker: A,
        errors: &[("BootstrapVmStopped", "Attempt 1: off.")],
        wishes: &["isVCDKECluster", "autoRepairOnErrors"],
        says: &[
            "Attempt 1 of at most 3",
            "begins attempt 2 of at most 3, not sooner than (2026-03-01 09:51 UTC)",
            "Nothing has to be started",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Clearing,
        state: "error",
        record: ("teardown", "held"),
        worker: A,
        errors: &[("VdcNotFound", "Attempt 1: x.")],
        says: &["the bootstrap VM is being removed", "stays and is paid for"],
        ..QUIET
    },
    Told {
        situation: Situation::Failed,
        state: "error",
        record: FAILED,
        errors: &[("ApiTokenRefused", "Attempt 1: dead.")],
        says: &[
            "no further attempt is made",
            "Create a new token and the cluster again",
            "delete the cluster (mark it for deletion)",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::FailedKept,
        state: "error",
        record: FAILED,
        errors: &[(
            "BootstrapPhaseFailed",
            "Attempt 1: bootstrap phase \"network\" failed: no route. Last lines of the log: x",
        )],
        events: &[("CheckingNetwork", "44:00", true)],
        says: &[
            "kept, so that somebody can look at it",
            "(2026-03-02 09:50 UTC)",
            "name servers, route and NAT",
            "EPHEMERAL_TEMP_VM",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::FailedElsewhere,
        state: "error",
        worker: "w7",
        errors: &[("EphemeralVMError", "x")],
        says: &["An original server reports", "its log (cse.log)"],
        ..QUIET
    },
    Told {
        situation: Situation::RolledBack,
        state: "error",
        record: FAILED,
        errors: &[("RollbackDetected", "Attempt 1: back.")],
        says: &[
            "Nothing of it is created again or removed",
            "mark it for deletion",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::DeletionRolledBack,
        state: "error",
        record: FAILED,
        errors: &[("DeletionRolledBack", "parts are gone")],
        says: &[
            "parts of it were gone already",
            "Mark the cluster for deletion again",
            "not whole any more",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::DeletionAsked,
        state: "provisioned",
        record: FAILED,
        wishes: FORCED,
        says: &[
            "no server has begun it yet",
            "It is forced",
            "Persistent volumes are deleted with their data",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::Deleting,
        state: "deleting",
        record: ("deleting", "held"),
        worker: A,
        wishes: MARKED,
        says: &[
            "being deleted",
            "stops at what cannot be removed",
            "Persistent volumes stay",
        ],
        ..QUIET
    },
    Told {
        situation: Situation::DeletionBlocked,
        state: "deleting",
        record: ("deleting", "waiting"),
        errors: &[("ApiTokenRefused", "dead")],
        wishes: MARKED,
        says: &[
            "cannot go on; it is tried again by itself",
            "after a pause of 4 min this time",
            "(2026-03-01 10:03 UTC)",
            "spec.vcdKe.secure.apiToken",
        ],
        ..QUIET
    },
];

fn error(name: &str, detail: &str) -> Value {
    json!({"name": name, "occurredAt": "2026-03-01T09:50:00.000Z",
        "additionalDetails": {"Detailed Error": detail}})
}

/// Our record of that phase, last written twelve seconds ago.
fn record(phase: &str, hold: &str) -> String {
    format!("k1;e=1;s=9;n=1;t=240;p={phase};i=1;x={hold}")
}

impl Told {
    fn content(&self) -> Value {
        let event = |(name, at, about_vm): &(&str, &str, bool)| {
            json!({"name": name, "occurredAt": format!("2026-03-01T09:{at}Z"),
                "vcdResourceId": if *about_vm { VM } else { "" },
                "additionalDetails": {"Detailed Event": format!("{name} told.")}})
        };
        let has_vm = self.events.iter().any(|(.., about_vm)| *about_vm);
        let made = [("VApp", "urn:vcloud:vapp:1"), ("VM", VM)];
        let made = made.map(|(kind, id)| json!({"type": kind, "id": id, "name": "x"}));
        let vcd_ke = json!({
            "state": self.state, "vcdKeVersion": "4.2.3", "workerId": self.worker,
            "heartbeatString": if self.record.0.is_empty() { "beat".to_owned() } else { record(self.record.0, self.record.1) },
            "heartbeatTimestamp": "2026-03-01T09:59:48.000Z",
            "errorSet": self.errors.iter().map(|(name, detail)| error(name, detail)).collect::<Vec<_>>(),
            "eventSet": self.events.iter().map(event).collect::<Vec<_>>(),
            "vcdResourceSet": if has_vm { made.to_vec() } else { Vec::new() },
        });
        let wishes = [
            "isVCDKECluster",
            "markForDelete",
            "forceDelete",
            "autoRepairOnErrors",
        ];
        let wishes = wishes.map(|key| (key.to_owned(), json!(self.wishes.contains(&key))));
        let runs = self.state == "provisioned";
        let sections = json!({"vcdKe": vcd_ke, "capvcd": if runs { sample::report() } else { json!({}) },
            "projector": {"version": "0.7.1"}});
        json!({"status": sections, "spec": {"vcdKe": serde_json::Map::from_iter(wishes)}})
    }

    fn explained(&self) -> Explanation {
        explain(&seen("1", &self.content()), &outlook())
    }
}

/// The explanation of a cluster with this `status`.
fn told(status: &Value) -> Explanation {
    explain(&seen("1", &json!({ "status": status })), &outlook())
}

fn of_a_running_cluster(capvcd: &Value, projector: &Value) -> Value {
    json!({"vcdKe": {"state": "provisioned", "vcdKeVersion": "4.2.3", "heartbeatString": record("done", "released")},
        "capvcd": capvcd, "projector": projector})
}

#[test]
fn every_situation_is_told_with_who_acts_next_and_what_to_do() {
    let mut seen = BTreeSet::new();
    for case in CASES {
        let told = case.explained();
        let text = render(&told, outlook().now);
        assert_eq!(told.situation, case.situation, "{text}");
        for sentence in case.says {
            assert!(
                text.contains(sentence),
                "{:?} lacks {sentence:?}:\n{text}",
                case.situation
            );
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let quiet = case.situation == Situation::Provisioned;
        assert_eq!(told.todo.is_empty(), quiet, "{text}");
        seen.insert(case.situation);
    }
    // Changing and complaining have tests of their own.
    assert_eq!(seen.len(), 21, "{seen:?}");
}

#[test]
fn a_change_of_a_running_cluster_and_the_complaints_of_its_parts_are_told() {
    let mut report = sample::report();
    report["nodePool"][0]["desiredReplicas"] = json!(2);
    let changing = told(&of_a_running_cluster(&report, &json!({"version": "1"})));
    let text = render(&changing, outlook().now);
    assert_eq!(changing.situation, Situation::Changing, "{text}");
    assert!(text.contains("Worker pool \"blue\""), "{text}");
    assert!(text.contains("with every server down, too"), "{text}");

    let conflict = json!({"version": "1", "errorSet": [error("ApplyConflict", "held by argocd")]});
    let complaining = told(&of_a_running_cluster(&sample::report(), &conflict));
    let text = render(&complaining, outlook().now);
    assert_eq!(complaining.situation, Situation::Complaining, "{text}");
    assert_eq!(complaining.attention, Attention::Person);
    assert!(text.contains("Decide who owns the field"), "{text}");
}

/// Goal: with every server down nobody has told of a forbidden edit; the explanation does all the same.
#[test]
fn an_edit_that_breaks_a_rule_is_explained_before_a_server_says_so() {
    let edited = sample::entity_edited(|documents| {
        sample::set(
            documents,
            "KubeadmControlPlane",
            "",
            ("/spec/replicas", json!(2)),
        );
    });
    let mut status = of_a_running_cluster(&sample::report(), &json!({}));
    status.as_object_mut().unwrap().remove("projector");
    let content = json!({"spec": edited["spec"], "status": status});
    let told = explain(&seen("1", &content), &outlook());
    let text = render(&told, outlook().now);
    assert_eq!(told.situation, Situation::EditRefused, "{text}");
    assert!(text.contains("no server has told it yet"), "{text}");
    assert!(text.contains("No agent and no projector"), "{text}");
}

#[test]
fn a_silent_holder_is_a_hint_and_no_proof_and_clocks_are_compared() {
    let at = |time: &str| {
        told(
            &json!({"vcdKe": {"state": "provisioning", "workerId": A, "heartbeatString": record("creating", "held"),
            "heartbeatTimestamp": time}}),
        )
    };
    let silent = at("2026-03-01T09:30:00Z");
    let text = render(&silent, outlook().now);
    assert_eq!(silent.attention, Attention::Look);
    assert!(text.contains("silent for 30 min"), "{text}");
    assert!(text.contains("One look cannot prove it"), "{text}");
    let text = render(&at("2026-03-01T10:20:00Z"), outlook().now);
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
    let value = serde_json::to_value(told(&json!({}))).unwrap();
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
