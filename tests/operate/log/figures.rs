//! Dashboard and alert rules speak of figures that there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cse_server::clock::Clock;
use cse_server::metrics::Meters;
use cse_server::sim::faults::{Fault, Target};
use serde_json::Value;

use crate::support::fleet::Fleet;

const DASHBOARD: &str = include_str!("../../../config/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../config/alerts.yaml");

/// Goal: a replica without VCD is of no use, and of use again as soon as VCD answers; a load balancer or an
/// alert sees both.
#[tokio::test(start_paused = true)]
async fn a_replica_is_ready_while_its_listings_are_young() {
    let mut fleet = Fleet::quick(7_600);
    fleet.ask_for("oak");
    fleet.start("a");
    let useful = |fleet: &Fleet| fleet.meters["a"].health().useful(fleet.clock.now());
    assert!(useful(&fleet).is_err(), "nothing is listed yet");
    let hour = Duration::from_hours(1);
    assert!(
        fleet.until(hour, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    assert_eq!(useful(&fleet), Ok(()));
    let everything = Target {
        times: u64::MAX,
        ..Target::default()
    };
    fleet.faults.arm(everything, Fault::NotSent);
    fleet.pass_time(Duration::from_mins(1)).await;
    assert_eq!(useful(&fleet), Ok(()), "a minute is nothing");
    fleet.pass_time(Duration::from_mins(5)).await;
    let why = useful(&fleet).unwrap_err();
    assert!(why.starts_with("the clusters were last listed "), "{why}");
    let figures = fleet.meters["a"].encode();
    assert!(figures.contains("cse_server_ready 0\n"), "{figures}");
    assert!(
        figures.contains("outcome=\"not_sent\",status=\"0\""),
        "{figures}"
    );
    fleet.faults.disarm();
    fleet.pass_time(Duration::from_mins(2)).await;
    assert_eq!(useful(&fleet), Ok(()));
    let meters = Arc::clone(&fleet.meters["a"]);
    fleet.stop("a").await;
    assert_eq!(
        meters.health().useful(fleet.clock.now()),
        Err("draining".to_owned())
    );
}

/// Goal: the first takeover, defect or failed creation raises its alert: of a counter that only appears then,
/// Prometheus sees no increase.
#[test]
fn figures_of_rare_events_begin_at_zero() {
    let figures = Meters::new(Clock::system()).encode();
    for series in [
        "cse_server_claims_total{origin=\"silent\"} 0",
        "cse_server_work_ended_total{end=\"panicked\"} 0",
        "cse_server_attempts_failed_total{outcome=\"final\"} 0",
        "cse_server_config_changes_total{outcome=\"refused\"} 0",
        "cse_server_syslog_lost_total 0",
    ] {
        assert!(
            figures.lines().any(|line| line == series),
            "{series}\n{figures}"
        );
    }
}

/// Words that begin like a figure of ours.
fn figures(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_' && !c.is_ascii_digit());
    words
        .filter(|word| word.starts_with("cse_server_"))
        .map(str::to_owned)
        .collect()
}

fn known() -> Vec<String> {
    Meters::new(Clock::system()).names().to_vec()
}

/// The name without what the text format adds.
fn base(figure: &str, known: &[String]) -> Option<String> {
    let endings = ["", "_total", "_bucket", "_sum", "_count"];
    endings.iter().find_map(|ending| {
        let name = figure.strip_suffix(ending)?;
        known.iter().find(|one| *one == name).cloned()
    })
}

#[test]
fn dashboard_and_alerts_name_figures_that_exist() {
    let known = known();
    for (file, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS)] {
        let named = figures(text);
        assert!(named.len() >= 8, "{file}: {named:?}");
        for figure in named {
            assert!(
                base(&figure, &known).is_some(),
                "{file}: {figure} does not exist"
            );
        }
    }
}

/// Goal: whoever looks at the dashboard misses nothing that is counted.
#[test]
fn every_figure_is_on_the_dashboard() {
    let known = known();
    let shown: BTreeSet<String> = figures(DASHBOARD)
        .iter()
        .filter_map(|figure| base(figure, &known))
        .collect();
    let missing: Vec<&String> = known.iter().filter(|name| !shown.contains(*name)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn the_dashboard_has_panels_with_queries_and_distinct_places() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut places = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        assert!(
            places.insert((place["y"].as_u64(), place["x"].as_u64())),
            "{}",
            panel["title"]
        );
        let targets = panel["targets"].as_array().unwrap();
        assert!(
            targets
                .iter()
                .all(|target| target["expr"].as_str().is_some_and(|text| !text.is_empty()))
        );
    }
    assert!(panels.len() > 10);
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do() {
    let documents: Value = cse_server::yaml::read_documents(ALERTS).unwrap().remove(0);
    let rules = documents["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 8);
    for rule in rules {
        for text in [
            "/alert",
            "/expr",
            "/labels/severity",
            "/annotations/summary",
            "/annotations/description",
        ] {
            let found = rule.pointer(text).and_then(Value::as_str);
            assert!(
                found.is_some_and(|found| !found.is_empty()),
                "{}: {text}",
                rule["alert"]
            );
        }
    }
}
