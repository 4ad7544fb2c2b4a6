//! The documented queries, asked of the captured journals of real replicas.

use std::collections::BTreeSet;
use std::time::Duration;

use cse_server::sim::request_log::Wanted;
use cse_server::telemetry::event;

use super::matching::{Entry, Query, documented, entry_of};
use crate::support::process::{Process, until};
use crate::support::vcd::Vcd;

/// Real time that a minute-long step of a sped-up site may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn captured(process: &Process, invocation: &str) -> Vec<Entry> {
    let lines = process.records(|_| true);
    lines
        .iter()
        .filter_map(|line| entry_of(line, invocation))
        .collect()
}

fn has(journal: &[&Entry], field: &str, value: &str) -> bool {
    journal
        .iter()
        .any(|entry| entry.get(field).is_some_and(|found| found == value))
}

fn all_have(journal: &[&Entry], field: &str, value: &str) -> bool {
    !journal.is_empty()
        && journal
            .iter()
            .all(|entry| entry.get(field).is_some_and(|found| found == value))
}

/// Two machines, one of which is lost, come back; one cluster fails, one goes on elsewhere, a token is revoked.
async fn story() -> (Vec<Entry>, BTreeSet<String>) {
    let vcd = Vcd::open();
    let debug = [(
        "CSE_LOG",
        std::ffi::OsStr::new("info,cse_server::controller=debug"),
    )];
    let first = Process::replica(&vcd.replica("cse-1"), &debug);
    vcd.ask_for("blue");
    let working = |first: &Process| first.count("phase.changed") > 0;
    until("blue is being created", PATIENCE, || {
        vcd.clusters();
        working(&first)
    })
    .await;
    let second = Process::replica(&vcd.replica("cse-2"), &debug);
    until("the second is ready", PATIENCE, || {
        second.count("replica.ready") == 1
    })
    .await;
    let mut journal = captured(&first, "first-1");
    first.kill().await;
    vcd.world().fail_guest("amber", "kind", 1);
    vcd.ask_for("amber");
    until("blue is taken over, amber has failed", PATIENCE, || {
        vcd.clusters();
        second.count("claim.taken_over") == 1 && second.count("cluster.failed") == 1
    })
    .await;
    let again = Process::replica(&vcd.replica("cse-1"), &debug);
    until("the first is back", PATIENCE, || {
        again.count("replica.ready") == 1
    })
    .await;
    vcd.ask_for("coral");
    until("coral is claimed", PATIENCE, || {
        vcd.clusters();
        again.count("action.started") + second.count("action.started") > 4
    })
    .await;
    vcd.world().revoke_api_token(&vcd.tenant.api_token);
    until("coral has failed", PATIENCE, || {
        vcd.clusters();
        let told = |line: &serde_json::Value| line["fields"].get("request_id").is_some();
        !second.records(told).is_empty() || !again.records(told).is_empty()
    })
    .await;
    journal.extend(captured(&second, "second-1"));
    journal.extend(captured(&again, "first-2"));
    let mut world = vcd.world();
    let asked = world.requests().lines(&Wanted::default(), 1_000_000);
    let ids = asked
        .into_iter()
        .map(|line| line.request_id.clone())
        .collect();
    (journal, ids)
}

/// Whoever reads the line knows why, and `journalctl -x` what to do.
fn assert_told(entry: &Entry) {
    let has_reason = entry.contains_key("REASON") || entry.contains_key("ERROR");
    assert!(has_reason, "{entry:#?}");
    let is_explained = |kind: &event::Kind| entry["MESSAGE_ID"] == kind.message_id;
    assert!(event::ALL.iter().any(is_explained), "{entry:#?}");
}

/// Distinct values of a field.
fn values<'a>(entries: &[&'a Entry], field: &str) -> BTreeSet<&'a str> {
    entries.iter().map(|entry| entry[field].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_query_finds_what_it_is_for() {
    let (journal, requests) = story().await;
    let queries = documented();
    assert_eq!(queries.len(), 6, "{queries:#?}");
    let example = |field: &str| {
        let found = journal.iter().filter(|entry| entry.contains_key(field));
        found
            .map(|entry| entry[field].clone())
            .next_back()
            .expect("it was logged")
    };
    let (pass, request) = (example("PASS"), example("REQUEST_ID"));
    let ask = |at: usize| {
        let line = queries[at]
            .replace("1b2c3d4e-1-7", &pass)
            .replace("6f1c7b9e", &request)
            .replace(
                "$(systemctl show --value -p InvocationID cse-server)",
                "first-2",
            );
        let query = Query::parse(&line);
        (query.run(&journal), query.explains)
    };

    let (story, _) = ask(0);
    assert!(all_have(&story, "CLUSTER_NAME", "blue"));
    assert!(has(&story, "REPLICA", "cse-1") && has(&story, "REPLICA", "cse-2"));
    let kinds = [
        "cluster.claimed",
        "action.started",
        "phase.changed",
        "claim.taken_over",
    ];
    for kind in kinds {
        assert!(has(&story, "EVENT", kind), "{kind}: {story:#?}");
    }

    let (failed, is_explained) = ask(1);
    assert!(
        is_explained && has(&failed, "CLUSTER_NAME", "amber"),
        "{failed:#?}"
    );
    failed.iter().copied().for_each(assert_told);

    let (since, _) = ask(2);
    assert!(all_have(&since, "REPLICA", "cse-1"));
    assert_eq!(since[0]["EVENT"], "replica.started");
    assert!(has(&since, "EVENT", "replica.ready"));

    let (of_pass, _) = ask(3);
    let (clusters, replicas) = (values(&of_pass, "CLUSTER_ID"), values(&of_pass, "REPLICA"));
    assert_eq!((clusters.len(), replicas.len()), (1, 1), "{of_pass:#?}");
    let (of_request, _) = ask(4);
    assert!(requests.contains(&request), "VCD does not know {request}");
    assert!(of_request.iter().all(|entry| entry.contains_key("ERROR")) && !of_request.is_empty());

    let (takeovers, _) = ask(5);
    let taken: Vec<&&Entry> = takeovers
        .iter()
        .filter(|entry| entry["EVENT"] == "claim.taken_over")
        .collect();
    assert!(!taken.is_empty() && taken.iter().all(|entry| entry["PRIORITY"] == "4"));
    assert!(has(&takeovers, "EVENT", "replica.started"));
}
