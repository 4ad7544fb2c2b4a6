//! `status`, `events` and `explain` as an operator types them, against a site served over HTTPS.

use std::ffi::OsStr;
use std::time::Duration;

use cse_server::sim::control::NewUser;
use cse_server::sim::seed::default_config;
use serde_json::{Value, json};

use crate::support::process::{End, Process, until};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_mins(1);

fn start(vcd: &Vcd, command: &str, arguments: &[&str]) -> Process {
    let config = vcd.replica("operator");
    let mut all = vec![
        OsStr::new(command),
        OsStr::new("--config"),
        config.as_os_str(),
    ];
    all.extend(arguments.iter().map(OsStr::new));
    Process::start(&all, &[])
}

async fn end(vcd: &Vcd, command: &str, arguments: &[&str]) -> End {
    start(vcd, command, arguments).end(PATIENCE).await
}

/// The output of a command that must succeed.
async fn text(vcd: &Vcd, command: &str, arguments: &[&str]) -> String {
    let end = end(vcd, command, arguments).await;
    let text = end.lines.join("\n");
    assert_eq!(end.code, Some(0), "{command} {arguments:?}: {text}");
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    text
}

async fn json(vcd: &Vcd, command: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&text(vcd, command, &arguments).await).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Goal: with every server down an operator sees configuration and clusters, filtered and cut as asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_shown_with_every_server_down() {
    let vcd = Vcd::open();
    let tenant = vcd.tenant.clone();
    for name in ["oak", "elm", "yew", "evil\u{1b}[31m\u{7}"] {
        assert_ne!(vcd.world().seed_provisioned(&tenant, name, 9_000), "");
    }
    vcd.ask_for("amber");
    let shown = text(&vcd, "status", &[]).await;
    for part in [
        "by VCD's clock",
        "vcdKeConfig is valid: type 1.1.0, profile production",
        "No server holds a cluster now",
        "5 clusters: 1 new, 4 provisioned",
        "not taken yet",
        "evil?[31m?",
    ] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
    let cut = text(&vcd, "status", &["--limit", "2"]).await;
    assert!(
        cut.contains("3 more clusters are not shown") && cut.contains("amber"),
        "{cut}"
    );
    let new = json(&vcd, "status", &["--state", "new", "--org", "ACME"]).await;
    assert_eq!(new["clusters"].as_array().unwrap().len(), 1, "{new:#}");
    let none = json(&vcd, "status", &["--org", "nobody"]).await;
    assert_eq!(
        (&none["clusters"], &none["counts"]["total"]),
        (&json!([]), &json!(5))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shapes_of_the_json_stay_the_same() {
    let vcd = Vcd::open();
    let urn = vcd.ask_for("amber");
    let fleet = json(&vcd, "status", &[]).await;
    let want = [
        "vcd",
        "at",
        "clock",
        "configuration",
        "replicas",
        "more_replicas",
        "counts",
        "clusters",
        "left_out",
    ];
    assert_eq!(keys(&fleet), want);
    let want = [
        "total",
        "by_state",
        "by_attention",
        "not_managed",
        "unreadable",
    ];
    assert_eq!(keys(&fleet["counts"]), want);
    let row = [
        "attention",
        "id",
        "name",
        "org",
        "state",
        "situation",
        "phase",
        "holder",
        "attempt",
        "since",
        "error",
    ];
    assert_eq!(keys(&fleet["clusters"][0]), row);
    assert_eq!(fleet["clusters"][0]["id"], urn.as_str());
    let one = json(&vcd, "status", &["amber"]).await;
    assert_eq!(keys(&one["cluster"]), row);
    assert_eq!(
        (&one["entity_state"], &one["auto_repair"]),
        (&json!("PRE_CREATED"), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shape_of_an_explanation_stays_the_same() {
    let vcd = Vcd::open();
    let urn = vcd.ask_for("amber");
    let told = json(&vcd, "explain", &[&urn]).await;
    let want = [
        "at",
        "clock",
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
    assert_eq!(keys(&told), want);
    assert_eq!(json(&vcd, "events", &["amber"]).await, json!([]));
}

/// Goal: a token that may only look is enough, from a machine without any file of a replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_only_look_and_no_file_are_enough() {
    let token = "fedcba9876543210fedcba9876543210";
    let vcd = Vcd::with(|world| {
        world.seed_config(default_config());
        let added = world.add_user(NewUser {
            org: "System",
            name: "looker",
            role: "Looker",
            rights: &[
                "vmware:capvcdCluster: View",
                "vmware:capvcdCluster: Administrator View",
                "vmware:VCDKEConfig: View",
                "vmware:VCDKEConfig: Administrator View",
            ],
            api_token: Some(token),
            ..NewUser::default()
        });
        assert!(added.is_some());
    });
    vcd.ask_for("amber");
    let (token, ca) = (vcd.file("look.token", token), vcd.path("ca.pem"));
    for command in [
        &["status"][..],
        &["explain", "amber"],
        &["events", "amber"],
        &["status", "amber"],
    ] {
        let mut all: Vec<&OsStr> = command.iter().map(OsStr::new).collect();
        all.extend(["--url", &vcd.url, "--token-file"].map(OsStr::new));
        all.extend([token.as_os_str(), OsStr::new("--ca-file"), ca.as_os_str()]);
        let end = Process::start(&all, &[]).end(PATIENCE).await;
        assert_eq!(end.code, Some(0), "{command:?}: {:#?}", end.lines);
    }
    let wrong = vcd.file("wrong.token", "00000000000000000000000000000000");
    let all = ["status", "--url", &vcd.url, "--token-file"].map(OsStr::new);
    let all = [
        &all[..],
        &[wrong.as_os_str(), OsStr::new("--ca-file"), ca.as_os_str()],
    ]
    .concat();
    assert_eq!(Process::start(&all, &[]).end(PATIENCE).await.code, Some(77));
}

/// Goal: a configuration that replicas refuse is said, with what is wrong, and hides nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_configuration_is_told_beside_the_clusters() {
    let mut content = default_config();
    content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"] = json!("soon");
    let vcd = Vcd::with(|world| world.seed_config(content));
    vcd.ask_for("amber");
    let shown = text(&vcd, "status", &[]).await;
    assert!(
        shown.contains("REFUSED by every replica: those that run keep the last good one"),
        "{shown}"
    );
    assert!(
        shown.contains("profiles[0].serverConfig.rdePollIntervalInMin"),
        "{shown}"
    );
    assert!(shown.contains("amber"), "{shown}");
    let told = text(&vcd, "explain", &["amber"]).await;
    assert!(told.contains("none can start"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_clusters_of_one_name_are_listed_and_nothing_is_guessed() {
    let vcd = Vcd::open();
    let tenant = vcd.tenant.clone();
    let urns = ["elm", "elm"].map(|name| vcd.world().seed_provisioned(&tenant, name, 9_000));
    for command in ["status", "explain", "events"] {
        let several = end(&vcd, command, &["elm"]).await;
        let text = several.lines.join("\n");
        assert_eq!(several.code, Some(64), "{command}: {text}");
        assert!(
            urns.iter().all(|urn| text.contains(urn.as_str())),
            "{command}: {text}"
        );
        let none = end(&vcd, command, &["yew"]).await;
        assert_eq!(none.code, Some(64), "{command}");
    }
    assert!(text(&vcd, "status", &[&urns[1]]).await.contains(&urns[1]));
}

/// Goal: who watches without a terminal reads every change once, from the request to the cluster that runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_a_cluster_being_made() {
    let vcd = Vcd::open();
    let urn = vcd.ask_for("amber");
    let status = start(&vcd, "status", &["--watch", "--every", "1"]);
    let events = start(&vcd, "events", &[&urn, "--watch", "--json"]);
    let said =
        |process: &Process, part: &str| process.lines().iter().any(|line| line.contains(part));
    until("it is new", PATIENCE, || said(&status, "not taken yet")).await;
    let replica = Process::replica(&vcd.replica("cse-1"), &[]);
    until("it is created", PATIENCE, || said(&status, "creating")).await;
    until("it runs", PATIENCE, || {
        vcd.clusters();
        said(&status, "1 cluster: 1 provisioned") && said(&events, "ClusterProvisioned")
    })
    .await;
    let new = status
        .lines()
        .iter()
        .filter(|line| line.contains("not taken yet"))
        .count();
    assert_eq!(new, 1, "the same is told once: {:#?}", status.lines());
    assert!(said(&status, "cse-1"), "{:#?}", status.lines());
    status.kill().await;
    replica.kill().await;

    assert!(vcd.world().forget_entity(&urn));
    let ended = events.end(PATIENCE).await;
    assert_eq!(
        ended.code,
        Some(0),
        "it ends with the cluster: {:#?}",
        ended.lines
    );
    let entries: Vec<Value> = ended
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let started = entries
        .iter()
        .filter(|entry| entry["name"] == "ClusterCreationStarted")
        .count();
    assert_eq!(started, 1, "each entry once");
    assert!(
        entries.iter().any(|entry| entry["source"] == "capvcd"),
        "{entries:#?}"
    );
}
