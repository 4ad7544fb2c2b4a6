//! What stands in the log of a fleet: nothing while it idles, nothing of tenants that does harm, no secret.

use std::collections::BTreeSet;
use std::time::Duration;

use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::request_log::Wanted;
use cse_server::sim::seed::{ClusterRequest, CseShape};
use cse_server::telemetry::record::Record;
use serde_json::{Value, json};
use tracing::Level;

use super::capture::{Capture, forms};
use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

fn named<'a>(records: &'a [Record], event: &str) -> Vec<&'a Record> {
    let is = |record: &&Record| record.text("event") == Some(event);
    records.iter().filter(is).collect()
}

/// Goal: an idle fleet is silent at INFO.
#[tokio::test(start_paused = true)]
async fn a_fleet_with_nothing_to_do_says_nothing() {
    let capture = Capture::at("info");
    let mut fleet = Fleet::quick(7_100);
    let tenant = fleet.tenants[0].clone();
    for n in 0..200 {
        fleet
            .world()
            .seed_provisioned(&tenant, &format!("idle-{n}"), 2_000);
    }
    for name in ["oak", "elm"] {
        fleet.ask_for(name);
    }
    for name in ["a", "b", "c"] {
        fleet.start(name);
    }
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    fleet.pass_time(Duration::from_mins(10)).await;
    let busy = capture.records();
    assert_eq!(named(&busy, "replica.ready").len(), 3);
    assert_eq!(named(&busy, "cluster.provisioned").len(), 2);
    capture.clear();
    fleet.pass_time(8 * HOUR).await;
    let said: Vec<String> = capture
        .records()
        .iter()
        .map(|record| forms(record)[2].clone())
        .collect();
    assert_eq!(said, Vec::<String>::new(), "seed {}", fleet.seed);
}

/// Every line about a cluster says which one, which pass, which attempt; those of one pass belong together.
#[tokio::test(start_paused = true)]
async fn the_lines_of_a_pass_carry_what_it_is_about() {
    let capture = Capture::at("debug");
    let mut fleet = Fleet::quick(7_200);
    let urn = fleet.ask_for_repaired("oak");
    fleet.world().fail_guest("oak", "kind", 1);
    fleet.start("a");
    fleet.until(HOUR, |fleet| fleet.is_in(&urn, "error")).await;
    assert!(
        fleet.until(2 * HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    let records = capture.records();
    let org = fleet.tenants[0].org.clone();
    let of_passes: Vec<&Record> = records
        .iter()
        .filter(|record| record.get("pass").is_some())
        .collect();
    assert!(of_passes.len() > 50);
    for record in &of_passes {
        let said = &forms(record)[0];
        assert_eq!(record.text("cluster_id"), Some(urn.as_str()), "{said}");
        assert_eq!(record.text("cluster_name"), Some("oak"), "{said}");
        assert_eq!(record.text("org"), Some(org.as_str()), "{said}");
        for field in ["PHASE=", "ATTEMPT=", "EPOCH="] {
            assert!(said.contains(&format!("\n{field}")), "{said}");
        }
    }
    let decided: Vec<&str> = of_passes
        .iter()
        .filter(|record| record.message == "decided")
        .filter_map(|record| record.text("pass"))
        .collect();
    let distinct: BTreeSet<&str> = decided.iter().copied().collect();
    assert_eq!(distinct.len(), decided.len(), "two passes with one id");
    let failed = named(&records, "cluster.failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].level, Level::WARN);
    assert!(failed[0].message_id.is_some() && failed[0].text("reason").is_some());
    let attempts: BTreeSet<String> = of_passes
        .iter()
        .filter_map(|record| record.get("attempt").map(ToString::to_string))
        .collect();
    assert!(attempts.len() > 1, "{attempts:?}");
}

/// Goal: the request that VCD refused can be found in VCD's own logs.
#[tokio::test(start_paused = true)]
async fn a_call_that_failed_carries_vcds_id_of_the_request() {
    let capture = Capture::at("debug");
    let mut fleet = Fleet::quick(7_300);
    let urn = fleet.ask_for("oak");
    fleet.start("a");
    let begun = |fleet: &Fleet| fleet.effect("vm.powered_on", &urn) == 1;
    assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
    let token = fleet.tenants[0].api_token.clone();
    fleet.world().revoke_api_token(&token);
    fleet.until(HOUR, |fleet| fleet.is_in(&urn, "error")).await;
    let records = capture.records();
    let told: Vec<&Record> = records
        .iter()
        .filter(|record| record.get("request_id").is_some())
        .collect();
    assert!(!told.is_empty(), "{}", fleet.context());
    let known: BTreeSet<String> = {
        let mut world = fleet.world();
        let log = world.requests().lines(&Wanted::default(), 100_000);
        log.into_iter()
            .map(|line| line.request_id.clone())
            .collect()
    };
    for record in told {
        let id = record.text("request_id").unwrap();
        assert!(known.contains(id), "{id}");
        assert!(record.text("error").is_some());
    }
}

/// Control characters, escapes and directions in every text that a tenant chooses.
#[tokio::test(start_paused = true)]
async fn nothing_that_tenants_write_reaches_a_terminal_as_it_is() {
    let capture = Capture::at("trace");
    let mut fleet = Fleet::quick(7_400);
    let hostile =
        "oak\u{1b}[2J\u{1b}]0;owned\u{7}\nMESSAGE=forged\r\n\u{202e}kao\u{2066}\u{9b}31m\0";
    let tenant = fleet.tenants[0].clone();
    let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
    let mut urns = Vec::new();
    for name in [hostile, "elm"] {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("workers".to_owned(), 1)],
            auto_repair: false,
        };
        urns.push(fleet.world().create_cluster(&tenant, &request, now, wall));
    }
    for urn in &urns {
        fleet.change(urn, |content| {
            content["spec"]["vcdKe"]["hostile"] = json!(hostile);
            content["metadata"]["orgName"] = json!(hostile);
        });
    }
    fleet.start("a");
    fleet.pass(Duration::from_mins(30)).await;
    fleet.change(&urns[1], |content| {
        content["spec"]["capiYaml"] = json!(format!("kind: {hostile}"));
    });
    fleet.pass(Duration::from_mins(30)).await;
    let records = capture.records();
    let about: Vec<&Record> = records
        .iter()
        .filter(|record| record.get("cluster_id").is_some())
        .collect();
    assert!(about.len() > 20, "{}", fleet.context());
    let is_hostile = |record: &&&Record| {
        record
            .text("cluster_name")
            .is_some_and(|name| name.contains("owned"))
    };
    assert!(
        about.iter().filter(is_hostile).count() > 0,
        "the hostile name was never logged"
    );
    records.iter().for_each(assert_harmless);
}

/// One line in every form, and one message, whatever was in it.
fn assert_harmless(record: &Record) {
    for form in forms(record) {
        let bad = |c: char| {
            c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        assert!(form.lines().all(|line| !line.contains(bad)), "{form:?}");
    }
    let [datagram, json, file, _] = forms(record);
    let is_field = |line: &str| {
        let name = line.split_once('=').map(|(name, _)| name);
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(plain))
    };
    assert!(datagram.lines().all(is_field), "{datagram}");
    let messages = datagram.lines().filter(|line| line.starts_with("MESSAGE="));
    assert_eq!(messages.count(), 1, "{datagram}");
    assert_eq!((json.lines().count(), file.lines().count()), (1, 1));
}

/// Every text in a saved site that opens something, wherever it lies.
fn secrets(document: &Value, key: &str, found: &mut BTreeSet<String>) {
    let opens = |key: &str| {
        let key = key.to_lowercase();
        ["token", "kubeconfig", "password", "secret"]
            .iter()
            .any(|part| key.contains(part))
    };
    match document {
        Value::String(text) if opens(key) && text.len() >= 16 && !text.starts_with("urn:") => {
            found.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| secrets(item, key, found)),
        Value::Object(members) => {
            for (name, member) in members {
                if opens(key) && name.len() >= 24 && !name.starts_with("urn:") {
                    found.insert(name.clone());
                }
                let inner = if opens(name) || !opens(key) {
                    name
                } else {
                    key
                };
                secrets(member, inner, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every secret of the fleet's site.
fn secrets_of(fleet: &Fleet) -> BTreeSet<String> {
    let mut saved = Vec::new();
    fleet.world().save(None, &mut saved).unwrap();
    let mut found = BTreeSet::from([fleet.access.provider_token.clone()]);
    found.extend(fleet.tenants.iter().map(|tenant| tenant.api_token.clone()));
    let given = found.len();
    for line in String::from_utf8(saved).unwrap().lines() {
        if let Ok(document) = serde_json::from_str::<Value>(line) {
            secrets(&document, "", &mut found);
        }
    }
    assert!(found.len() > given + 5, "only {found:?}");
    found
}

/// Goal: a log at TRACE can be given away.
#[tokio::test(start_paused = true)]
async fn a_log_at_trace_has_no_secret_of_the_site() {
    let capture = Capture::at("trace");
    let mut fleet = Fleet::quick(7_500);
    let config = fleet.configuration().await;
    fleet.change(&config, |content| {
        let profile = &mut content["profiles"][0];
        profile["githubConfig"] = json!({"githubPersonalAccessToken": "ghp_not-for-anybody"});
        profile["bootstrapClusterConfig"]["proxyConfig"] =
            json!({"httpProxy": "http://user:p4ssw0rd-of-proxy@proxy.example:3128"});
    });
    for name in ["oak", "elm", "ash"] {
        fleet.ask_for_repaired(name);
    }
    fleet.world().fail_guest("oak", "pivot", 1);
    fleet.faults.arm_chance(30, &Fault::ALL, 7_500);
    fleet.start("a");
    fleet.start("b");
    fleet.until(2 * HOUR, Fleet::all_provisioned).await;
    let refused = Fault::Refused(Refusal::SessionExpired);
    fleet.faults.arm(
        Target {
            times: 20,
            ..Target::default()
        },
        refused,
    );
    let urn = fleet.urns[1].clone();
    fleet.mark(&urn, true);
    fleet.pass_time(HOUR).await;
    let mut found = secrets_of(&fleet);
    found.insert("ghp_not-for-anybody".to_owned());
    found.insert("p4ssw0rd-of-proxy".to_owned());
    let records = capture.records();
    let log: String = records.iter().flat_map(forms).collect();
    assert!(
        records.len() > 1_000 && found.len() > 8,
        "{} {}",
        records.len(),
        found.len()
    );
    for secret in &found {
        assert!(
            !log.contains(secret.as_str()),
            "seed {}: {secret:?} is in the log",
            fleet.seed
        );
    }
    for sign in [
        "BEGIN ",
        "Bearer ",
        "refresh_token",
        "client-key-data",
        "kubeConfig\"",
    ] {
        assert!(!log.contains(sign), "{sign}");
    }
}
