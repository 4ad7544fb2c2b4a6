//! What tenants and operators do wrong: each cluster is told precisely, and no other one suffers.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

/// Waits for the cluster's verdict and compares name and a part of the text of its only error.
async fn assert_fails(fleet: &Fleet, urn: &str, error: (&str, &str)) {
    let failed = |fleet: &Fleet| fleet.is_in(urn, "error");
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    let errors = fleet.errors(urn);
    assert_eq!(errors.len(), 1, "{}", fleet.context());
    let (name, detail) = &errors[0];
    assert_eq!(name, error.0, "{}", fleet.context());
    assert!(detail.contains(error.1), "{detail}\n{}", fleet.context());
    let status = fleet.content(urn)["status"].clone();
    assert_eq!(
        status["capvcd"]["errorSet"],
        status["vcdKe"]["errorSet"],
        "{}",
        fleet.context()
    );
    assert_eq!(
        fleet.cluster(urn).holder.as_deref(),
        Some(""),
        "{}",
        fleet.context()
    );
}

fn in_yaml(fleet: &Fleet, urn: &str, from: &str, to: &str) {
    fleet.change(urn, |content| {
        let yaml = content["spec"]["capiYaml"].as_str().unwrap();
        assert!(yaml.contains(from), "{from} is in no request");
        content["spec"]["capiYaml"] = json!(yaml.replace(from, to));
    });
}

#[tokio::test(start_paused = true)]
async fn poisoned_requests_are_refused_precisely_and_disturb_nobody() {
    let mut fleet = Fleet::quick(2_000);
    fleet.excuse(
        "I4",
        "where a tenant has put something else into the server's own section, the server puts it right",
    );
    let set = |fleet: &Fleet, urn: &str, path: [&str; 2], value: Value| {
        fleet.change(urn, |content| content[path[0]][path[1]] = value);
    };
    let number = fleet.ask_for("number");
    set(&fleet, &number, ["spec", "capiYaml"], json!(7));
    let huge = fleet.ask_for("huge");
    let text = "a: b\n".repeat(1024 * 1024 / 5 + 1);
    set(&fleet, &huge, ["spec", "capiYaml"], json!(text));
    let broken = fleet.ask_for("broken");
    set(&fleet, &broken, ["spec", "capiYaml"], json!("a: [b"));
    let bomb = fleet.ask_for("bomb");
    let mut aliases = "a0: &a0 [x]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(aliases, "a{level}: &a{level} [{before}]").unwrap();
    }
    set(&fleet, &bomb, ["spec", "capiYaml"], json!(aliases));
    let empty = fleet.ask_for("empty");
    set(&fleet, &empty, ["spec", "capiYaml"], json!(""));
    // Odd, but nothing that a server may not put right.
    let odd = fleet.ask_for("odd");
    fleet.change(&odd, |content| {
        content.insert("status".to_owned(), json!({"vcdKe": [], "capvcd": 7}));
    });
    let typed = fleet.ask_for("typed");
    fleet.change(&typed, |content| {
        let status =
            json!({"state": 7, "eventSet": "x", "errorSet": {}, "vcdResourceSet": [1, {}]});
        content.insert("status".to_owned(), json!({"vcdKe": status}));
    });
    let good = fleet.ask_for("good");
    fleet.start("a");
    for urn in [&good, &odd, &typed] {
        let done = |fleet: &Fleet| fleet.is_in(urn, "provisioned");
        let limit = Duration::from_mins(10);
        assert!(fleet.until(limit, done).await, "{}", fleet.context());
    }
    for (urn, name, text) in [
        (&number, "YamlMissing", "capiYaml"),
        (&huge, "YamlTooLarge", "1048576"),
        (&broken, "YamlUnreadable", "cannot be read: line 1"),
        (&bomb, "YamlUnreadable", "cannot be read"),
        (&empty, "YamlMissing", "capiYaml"),
    ] {
        assert_fails(&fleet, urn, (name, text)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_named_at_the_start_and_in_the_middle() {
    for (seed, moment) in (2_100..).zip([0, 30, 100]) {
        let mut fleet = Fleet::quick(seed);
        let urn = fleet.ask_for("oak");
        let other = fleet.ask_for("elm");
        fleet.start("a");
        fleet.pass_time(Duration::from_secs(moment)).await;
        let token = fleet.tenants[0].api_token.clone();
        fleet.world().revoke_api_token(&token);
        assert_fails(&fleet, &urn, ("ApiTokenRefused", "new token")).await;
        let texts = format!("{:?} {}", fleet.content(&urn)["status"], fleet.context());
        assert!(
            !texts.contains(&token),
            "the token is in a text, seed {seed}"
        );
        let done = |fleet: &Fleet| fleet.is_in(&other, "provisioned");
        assert!(fleet.until(HOUR, done).await, "{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_named() {
    let mut fleet = Fleet::quick(2_200);
    let tenant = fleet.tenants[0].clone();
    let wrong = [
        (tenant.vdc.clone(), "VdcNotFound", "VDC \"gone\""),
        (
            tenant.network.clone(),
            "NetworkNotFound",
            "network \"gone\"",
        ),
        (
            tenant.template.clone(),
            "TemplateNotFound",
            "template \"gone\"",
        ),
    ];
    let mut expected = Vec::new();
    for (n, (name, error, text)) in wrong.into_iter().enumerate() {
        let urn = fleet.ask_for(&format!("wrong{n}"));
        in_yaml(&fleet, &urn, &name, "gone");
        expected.push((urn, error, text));
        // Tenants take turns: the next one of the same tenant.
        fleet.ask_for(&format!("right{n}"));
    }
    fleet.start("a");
    for (urn, error, text) in expected {
        assert_fails(&fleet, &urn, (error, text)).await;
        assert_eq!(fleet.effect("vapp.composed", &urn), 0);
    }
    let rest = |fleet: &Fleet| {
        let clusters = fleet.world().clusters();
        let right = clusters.iter().filter(|one| one.name.starts_with("right"));
        right.clone().count() == 3
            && right
                .into_iter()
                .all(|one| one.state.as_deref() == Some("provisioned"))
    };
    assert!(fleet.until(HOUR, rest).await, "{}", fleet.context());
}

#[tokio::test(start_paused = true)]
async fn a_failed_guest_is_replaced_when_auto_repair_is_on() {
    for (seed, phase) in (2_300..).zip(["tools", "control-plane", "pivot"]) {
        let mut fleet = Fleet::quick(seed);
        fleet.what = format!("failing in {phase}");
        let urn = fleet.ask_for_repaired("oak");
        fleet.world().fail_guest("oak", phase, 1);
        fleet.start("a");
        let failed = |fleet: &Fleet| fleet.is_in(&urn, "error");
        assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
        assert_eq!(fleet.errors(&urn)[0].0, "BootstrapPhaseFailed");
        // Whoever goes on knows what is to be done from the document alone.
        fleet.kill("a").await;
        fleet.start("b");
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_sound();
        for effect in ["vapp.composed", "vm.powered_on", "vapp.deleted"] {
            assert_eq!(
                fleet.effect(effect, &urn),
                2,
                "{effect}\n{}",
                fleet.context()
            );
        }
        assert_eq!(fleet.errors(&urn), [], "{}", fleet.context());
        let mirrored = &fleet.content(&urn)["status"]["capvcd"]["errorSet"];
        assert_eq!(mirrored.as_array().map_or(0, Vec::len), 0, "{mirrored}");
        let events = fleet.event_names(&urn);
        assert!(events.iter().any(|name| name == "ClusterCreationRetried"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_guest_is_kept_for_inspection_when_auto_repair_is_off() {
    let mut fleet = Fleet::quick(2_400);
    let urn = fleet.ask_for("oak");
    fleet.world().fail_guest("oak", "providers", 1);
    fleet.start("a");
    assert_fails(
        &fleet,
        &urn,
        ("BootstrapPhaseFailed", "\"providers\" failed"),
    )
    .await;
    let detail = fleet.errors(&urn)[0].1.clone();
    assert!(detail.contains("Last lines of the log"), "{detail}");
    let calls = fleet.faults.calls();
    fleet.pass_time(HOUR).await;
    let left = fleet.world().bootstrap_leftovers();
    assert_eq!(left, ["EPHEMERAL_TEMP_VM", "oak_ephemeral_vapp"]);
    assert_eq!(fleet.effect("vm.powered_on", &urn), 1);
    // Polls go on, the cluster costs nothing.
    let calls = fleet.faults.calls() - calls;
    assert!(calls < 500, "{calls} calls\n{}", fleet.context());
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_when_the_guest_always_fails() {
    let mut fleet = Fleet::quick(2_500);
    let urn = fleet.ask_for_repaired("oak");
    fleet.world().fail_guest("oak", "kind", u32::MAX);
    fleet.start("a");
    let given_up = |fleet: &Fleet| fleet.errors(&urn).len() == 3;
    assert!(fleet.until(HOUR, given_up).await, "{}", fleet.context());
    fleet.pass_time(2 * HOUR).await;
    assert!(fleet.is_in(&urn, "error"), "{}", fleet.context());
    assert_eq!(fleet.errors(&urn).len(), 3, "{}", fleet.context());
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        3,
        "{}",
        fleet.context()
    );
    fleet.assert_lawful();
    assert_eq!(fleet.cluster(&urn).holder.as_deref(), Some(""));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_configuration_never_replaces_a_good_one() {
    let mut fleet = Fleet::quick(2_600);
    let config = fleet.configuration().await;
    fleet.start("a");
    fleet.pass_time(Duration::from_secs(5)).await;
    for broken in [
        json!([]),
        json!("x"),
        json!([{"name": "production", "active": false}]),
    ] {
        fleet.change(&config, |content| {
            content.insert("profiles".to_owned(), broken);
        });
        fleet.pass_time(Duration::from_mins(3)).await;
        let name = format!("oak{}", fleet.urns.len());
        fleet.ask_for(&name);
        fleet.until(HOUR, Fleet::all_provisioned).await;
        fleet.assert_converged();
    }
}
