//! Every scenario that is shipped does what its description says.

use std::collections::BTreeSet;
use std::time::Duration;

use cse_server::sim::levers::{Lever, Scenario};
use cse_server::sim::request_log::Wanted;
use cse_server::vcd::transport::{Response, TransportError};
use serde_json::Value;

use super::client::Client;
use crate::support::fleet::Fleet;
use crate::support::site::{Ask, entity};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Each has a test of its own below.
const SHIPPED: [&str; 18] = [
    "address-shortage",
    "busy-entities",
    "cell-failover",
    "conflicts",
    "guest-death",
    "guest-silence",
    "lost-replies",
    "maintenance",
    "node-loss",
    "phase-failure",
    "query-lag",
    "restored-backup",
    "revoked-token",
    "rotated-token",
    "session-expiry",
    "slow-site",
    "task-failures",
    "throttling",
];

fn directory() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios")
}

fn scenario(name: &str) -> Scenario {
    let text = std::fs::read_to_string(directory().join(format!("{name}.toml"))).unwrap();
    let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(scenario.name, name);
    scenario
}

fn start(fleet: &Fleet, name: &str) {
    let at = (fleet.clock.now(), fleet.clock.wall());
    let mut world = fleet.world();
    let mut lever = Lever {
        world: &mut world,
        faults: &fleet.faults,
        at,
    };
    lever.start(&scenario(name)).unwrap();
}

/// What a scenario has done so far: action and outcome.
fn done(fleet: &Fleet) -> Vec<(Value, Value)> {
    let document = fleet.world().scenarios();
    let done = document["done"].as_array().unwrap().iter();
    done.map(|one| (one["action"].clone(), one["outcome"].clone()))
        .collect()
}

fn count(statuses: &[u16], wanted: u16) -> usize {
    statuses.iter().filter(|status| **status == wanted).count()
}

fn list() -> Ask {
    Ask::get("/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1?pageSize=5")
}

async fn provisioned(fleet: &Fleet, limit: Duration) {
    let there = fleet.until(limit, Fleet::all_provisioned).await;
    assert!(there, "{}", fleet.context());
    assert_eq!(fleet.world().leaks(), [], "{}", fleet.context());
}

#[test]
fn every_shipped_scenario_is_proven_here() {
    let files = std::fs::read_dir(directory()).unwrap();
    let names: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let proven: BTreeSet<String> = SHIPPED.iter().map(|name| format!("{name}.toml")).collect();
    assert_eq!(names, proven);
    let own = include_str!("shipped.rs");
    for name in SHIPPED {
        scenario(name);
        let started = format!("start(&fleet, \"{name}\")");
        assert!(own.contains(&started), "nothing starts {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phase_fails_in_the_first_machine_of_each_cluster_and_not_in_the_second() {
    let mut fleet = Fleet::quick(3_001);
    let urns = [fleet.ask_for_repaired("oak"), fleet.ask_for_repaired("elm")];
    start(&fleet, "phase-failure");
    fleet.start("a");
    provisioned(&fleet, 2 * HOUR).await;
    for urn in &urns {
        assert_eq!(fleet.effect("vm.powered_on", urn), 2, "{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_guest_is_given_up_at_its_time_limit_and_replaced() {
    let mut fleet = Fleet::quick(3_002);
    let urn = fleet.ask_for_repaired("oak");
    start(&fleet, "guest-silence");
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    let began = fleet.clock.now();
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    let took = fleet.clock.now().since(began);
    assert!(took > 3 * MINUTE, "{took:?}, and not at once");
    provisioned(&fleet, 3 * HOUR).await;
    assert_eq!(fleet.effect("vm.powered_on", &urn), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_guest_is_told_from_a_slow_one_and_replaced() {
    let mut fleet = Fleet::quick(3_005);
    let urn = fleet.ask_for_repaired("oak");
    start(&fleet, "guest-death");
    fleet.start("a");
    let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
    let began = fleet.clock.now();
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    let took = fleet.clock.now().since(began);
    let deadline = cse_server::domain::phase::Phase::Kind.deadline();
    assert!(took > 10 * MINUTE && took < deadline, "{took:?}");
    let names: Vec<String> = fleet
        .errors(&urn)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"BootstrapVmSilent".to_owned()), "{names:?}");
    provisioned(&fleet, 3 * HOUR).await;
    assert_eq!(fleet.effect("vm.powered_on", &urn), 2);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_ends_its_sessions_and_is_refused_from_then_on() {
    let fleet = Fleet::quick(3_003);
    let mut author = Client::author(&fleet).await;
    start(&fleet, "revoked-token");
    fleet.pass_time(MINUTE / 2).await;
    assert_eq!(author.status(list()).await, Some(200));
    fleet.pass_time(MINUTE).await;
    assert_eq!(author.status(list()).await, Some(401));
    assert_eq!(author.login().await, 400);
    let tenant = &fleet.tenants[1];
    let other = Client::of(&fleet, Some(&tenant.org), &tenant.api_token).await;
    assert_eq!(other.status(list()).await, Some(200), "others work on");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_is_told_and_works() {
    let fleet = Fleet::quick(3_004);
    let mut author = Client::author(&fleet).await;
    start(&fleet, "rotated-token");
    fleet.pass_time(2 * MINUTE).await;
    assert_eq!(author.login().await, 400);
    let (_, outcome) = done(&fleet).pop().unwrap();
    author.api_token = outcome["api_token"].as_str().unwrap().to_owned();
    assert_eq!(author.login().await, 200);
    assert_eq!(author.status(list()).await, Some(200));
}

#[tokio::test(start_paused = true)]
async fn without_addresses_no_machine_is_made_until_there_are_some() {
    let mut fleet = Fleet::quick(3_005);
    let urn = fleet.ask_for_repaired("oak");
    start(&fleet, "address-shortage");
    fleet.start("a");
    fleet.pass_time(15 * MINUTE).await;
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        0,
        "{}",
        fleet.context()
    );
    let errors: Vec<String> = fleet
        .errors(&urn)
        .into_iter()
        .map(|error| error.1)
        .collect();
    let told = errors.iter().any(|text| text.contains("static IP pool"));
    assert!(told, "{errors:?}");
    // Told before anything is made, not by the first machine that gets no address.
    assert_eq!(fleet.effect("vapp.composed", &urn), 0);
    fleet.pass_time(6 * MINUTE).await;
    fleet.ask_for("of another tenant");
    let elm = fleet.ask_for("elm");
    let made = |fleet: &Fleet| fleet.is_in(&elm, "provisioned");
    assert!(fleet.until(HOUR, made).await, "{}", fleet.context());
}

#[tokio::test(start_paused = true)]
async fn a_slow_site_is_slow_for_an_hour_and_then_as_before() {
    let fleet = Fleet::quick(3_006);
    let timings = || fleet.world().values()["timings"].clone();
    let before = timings();
    start(&fleet, "slow-site");
    let slow = timings();
    assert_eq!(slow["recompose"], "7m 30s");
    assert_eq!(
        (&slow["power"], &slow["undeploy"]),
        (&"1m".into(), &"1m 15s".into())
    );
    assert_eq!(slow["compose"], before["compose"]);
    fleet.pass_time(HOUR + MINUTE).await;
    assert_eq!(timings(), before);
}

#[tokio::test(start_paused = true)]
async fn a_fail_over_cuts_connections_loses_sessions_and_reads_what_was() {
    let mut fleet = Fleet::quick(3_007);
    let urn = fleet.ask_for("oak");
    let mut service = Client::service(&fleet).await;
    start(&fleet, "cell-failover");
    fleet.pass_time(2 * MINUTE + Duration::from_secs(1)).await;
    let refused = service.send(list()).await;
    assert!(
        matches!(refused, Err(TransportError::NotSent { .. })),
        "{refused:?}"
    );
    fleet.pass_time(Duration::from_secs(10)).await;
    assert_eq!(service.status(list()).await, Some(401));
    assert_eq!(service.login().await, 200);
    fleet.change(&urn, |content| {
        content.insert("kind".to_owned(), "changed".into());
    });
    let read = Ask::get(&entity(&urn));
    let text = |answer: Response| String::from_utf8(answer.body().to_vec()).unwrap();
    let stale = text(service.send(read.clone()).await.unwrap());
    assert!(!stale.contains("changed"), "{stale}");
    fleet.pass_time(MINUTE).await;
    let fresh = text(service.send(read).await.unwrap());
    assert!(fresh.contains("changed"), "{fresh}");
}

#[tokio::test(start_paused = true)]
async fn in_maintenance_mode_only_the_list_of_versions_is_answered() {
    let fleet = Fleet::quick(3_008);
    let service = Client::service(&fleet).await;
    let versions = || Ask::get("/api/versions").accept("application/*+xml");
    start(&fleet, "maintenance");
    fleet.pass_time(MINUTE).await;
    assert_eq!(service.status(list()).await, Some(200));
    fleet.pass_time(2 * MINUTE).await;
    assert_eq!(service.status(list()).await, Some(503));
    assert_eq!(service.status(versions()).await, Some(200));
    fleet.pass_time(5 * MINUTE).await;
    assert_eq!(service.status(list()).await, Some(200));
}

#[tokio::test(start_paused = true)]
async fn throttling_refuses_some_and_says_when_to_come_back() {
    let fleet = Fleet::quick(3_009);
    let service = Client::service(&fleet).await;
    start(&fleet, "throttling");
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        let answer = service.send(list()).await.unwrap();
        let retry = answer.headers().get("retry-after");
        let retry = retry.map(|value| value.to_str().unwrap().to_owned());
        seen.insert((answer.status().as_u16(), retry));
    }
    let some = |text: &str| Some(text.to_owned());
    let all = [(200, None), (429, some("5")), (503, some("10"))];
    assert_eq!(seen, BTreeSet::from(all));
    fleet.pass_time(10 * MINUTE).await;
    let after = service.statuses(100, &list()).await;
    assert_eq!(count(&after, 200), 100);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_leaves_its_effect_and_a_read_is_never_lost() {
    let mut fleet = Fleet::quick(3_010);
    let urn = fleet.ask_for_repaired("oak");
    let service = Client::service(&fleet).await;
    start(&fleet, "lost-replies");
    let reads = service.statuses(100, &list()).await;
    assert_eq!(count(&reads, 200), 100);
    fleet.start("a");
    provisioned(&fleet, 3 * HOUR).await;
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
    let mut world = fleet.world();
    let lines = world.requests().lines(&Wanted::default(), usize::MAX);
    let lost: Vec<_> = lines.iter().filter(|line| line.fault.is_some()).collect();
    assert!(
        !lost.is_empty() && lost.iter().all(|line| line.status.is_some()),
        "{lost:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_query_service_sees_a_new_machine_later() {
    let mut fleet = Fleet::quick(3_011);
    fleet.ask_for("oak");
    let author = Client::author(&fleet).await;
    start(&fleet, "query-lag");
    fleet.start("a");
    let there = |fleet: &Fleet| !fleet.world().bootstrap_leftovers().is_empty();
    assert!(fleet.until(HOUR, there).await);
    let query =
        Ask::get("/api/query?type=vApp&format=records").accept("application/*+xml;version=37.2");
    let sees = async || {
        let answer = author.send(query.clone()).await.unwrap();
        String::from_utf8_lossy(answer.body()).contains("oak_ephemeral_vapp")
    };
    assert!(!sees().await, "it is not in the records yet");
    fleet.pass_time(Duration::from_secs(31)).await;
    assert!(sees().await, "thirty seconds later it is");
    provisioned(&fleet, 2 * HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn failing_tasks_leave_nothing_and_are_tried_again() {
    let mut fleet = Fleet::quick(3_012);
    let urn = fleet.ask_for_repaired("oak");
    start(&fleet, "task-failures");
    fleet.start("a");
    provisioned(&fleet, 3 * HOUR).await;
    for effect in ["vm.created", "vm.powered_on"] {
        assert_eq!(fleet.effect(effect, &urn), 1, "{}", fleet.context());
    }
    let author = Client::author(&fleet).await;
    let query = Ask::get("/api/query?type=task&format=records&pageSize=128&filter=status==error");
    let answer = author
        .send(query.accept("application/*+xml;version=37.2"))
        .await;
    let records = String::from_utf8(answer.unwrap().body().to_vec()).unwrap();
    for (operation, times) in [
        ("vdcComposeVapp", 1),
        ("vdcRecomposeVapp", 2),
        ("vappDeployVm", 1),
    ] {
        let name = format!("name=\"{operation}\"");
        assert_eq!(
            records.matches(&name).count(),
            times,
            "{operation}: {records}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn busy_entities_delay_a_cluster_and_do_no_harm() {
    let mut fleet = Fleet::quick(3_013);
    let urn = fleet.ask_for_repaired("oak");
    start(&fleet, "busy-entities");
    fleet.start("a");
    provisioned(&fleet, 2 * HOUR).await;
    assert!(fleet.faults.struck() > 0);
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_met_with_a_new_read() {
    let mut fleet = Fleet::quick(3_014);
    let urn = fleet.ask_for("oak");
    start(&fleet, "conflicts");
    fleet.start("a");
    provisioned(&fleet, 2 * HOUR).await;
    assert!(fleet.faults.struck() > 3);
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_end_early_and_all_at_once() {
    let fleet = Fleet::quick(3_015);
    let mut service = Client::service(&fleet).await;
    start(&fleet, "session-expiry");
    let half = MINUTE / 2;
    for (pause, want) in [
        (half, 200),
        (half, 200),
        (half, 200),
        (half + MINUTE / 6, 401),
    ] {
        fleet.pass_time(pause).await;
        assert_eq!(
            service.status(list()).await,
            Some(want),
            "two minutes in all"
        );
    }
    fleet.pass_time(7 * MINUTE).await;
    assert_eq!(service.login().await, 200);
    fleet.pass_time(half).await;
    let ended = done(&fleet).pop().unwrap();
    let early = fleet.clock.now().since_origin() < 10 * MINUTE;
    assert!(
        early || ended.1["sessions_ended"].as_u64().is_some(),
        "{ended:?}"
    );
    fleet.pass_time(HOUR).await;
    assert_eq!(fleet.world().values()["sessions"]["idle"], "30m");
    let ends = done(&fleet);
    let ends = ends
        .iter()
        .filter(|(_, told)| told.get("sessions_ended").is_some());
    assert_eq!(ends.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_restored_backup_has_old_contents_under_new_versions() {
    let mut fleet = Fleet::quick(3_016);
    let urn = fleet.ask_for("oak");
    let service = Client::service(&fleet).await;
    let etag = async || {
        let answer = service.send(Ask::get(&entity(&urn))).await.unwrap();
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        tag.trim_matches(|c: char| !c.is_ascii_digit())
            .parse::<u64>()
            .unwrap()
    };
    start(&fleet, "restored-backup");
    let old = fleet.content(&urn);
    for n in 0..5 {
        fleet.change(&urn, |content| {
            content.insert("kind".to_owned(), format!("changed {n}").into());
        });
    }
    let newer = fleet.ask_for("elm");
    let newest = etag().await;
    fleet.pass_time(11 * MINUTE).await;
    assert_eq!(fleet.content(&urn), old);
    assert!(etag().await > newest, "no old ETag fits again");
    assert!(fleet.world().entity_content(&newer).is_none());
}

#[tokio::test(start_paused = true)]
async fn lost_nodes_are_told_and_missing() {
    let mut fleet = Fleet::quick(3_017);
    let urn = fleet.ask_for("oak");
    start(&fleet, "node-loss");
    fleet.start("a");
    provisioned(&fleet, 25 * MINUTE).await;
    let running = |fleet: &Fleet| -> Vec<String> {
        let vms = fleet.world().vms();
        let on = vms
            .into_iter()
            .filter(|vm| vm.vapp == "oak" && vm.status == "POWERED_ON");
        on.map(|vm| vm.name).collect()
    };
    let all = running(&fleet);
    let left = (30 * MINUTE).saturating_sub(fleet.clock.now().since_origin());
    fleet.pass_time(left + Duration::from_secs(1)).await;
    let (_, outcome) = done(&fleet).pop().unwrap();
    let lost = outcome["nodes"][0].as_str().unwrap().to_owned();
    assert!(
        all.contains(&lost) && !lost.contains("control-plane"),
        "{lost} of {all:?}"
    );
    assert!(!running(&fleet).contains(&lost), "{}", fleet.context());
    fleet.pass_time(10 * MINUTE).await;
    let kinds: Vec<String> = done(&fleet)
        .iter()
        .map(|(action, _)| action["fail_node"]["how"].to_string())
        .collect();
    assert_eq!(kinds, ["\"power_off\"", "\"remove\""], "{urn}");
}
