//! `cse-server config` as an operator types it, and its writes under races and faults.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cse_server::controller::settings::change::{ChangeError, Plan, change};
use cse_server::domain::ids::EntityId;
use cse_server::domain::tree::TreePath;
use cse_server::sim::faults::{Fault, Target};
use cse_server::sim::seed::default_config;
use serde_json::{Map, Value, json};

use crate::support::fleet::Fleet;
use crate::support::process::{End, Process, until};
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(40);
const PAT: &str = "ghp_averysecrettoken";
const PASSWORD: &str = "pr0xypassw0rd";

/// A configuration with secrets, and with keys that nobody knows.
fn furnished() -> Value {
    let mut config = default_config();
    let profile = &mut config["profiles"][0];
    profile["githubConfig"]["githubPersonalAccessToken"] = json!(PAT);
    let proxy = format!("http://operator:{PASSWORD}@proxy.example.test:3128");
    profile["bootstrapClusterConfig"]["proxyConfig"]["httpProxy"] = json!(proxy);
    profile["zzz"] = json!({"own": [1, {"b": 2, "a": 1}]});
    profile["aaa"] = json!("first in the alphabet, last in the document");
    config
}

fn site() -> Vcd {
    Vcd::with(|world| world.seed_config(furnished()))
}

/// URN and content of the configuration.
fn stored(vcd: &Vcd) -> Value {
    Value::Object(vcd.world().entity_content(&urn(vcd)).unwrap())
}

fn urn(vcd: &Vcd) -> String {
    let mut state = Vec::new();
    vcd.world().save(None, &mut state).unwrap();
    let text = String::from_utf8(state).unwrap();
    let at = text.find("urn:vcloud:entity:vmware:VCDKEConfig:").unwrap();
    text[at..].chars().take_while(|c| *c != '"').collect()
}

async fn config(vcd: &Vcd, arguments: &[&str]) -> End {
    config_with(vcd, arguments, &[]).await
}

async fn config_with(vcd: &Vcd, arguments: &[&str], env: &[(&str, &OsStr)]) -> End {
    start(vcd, arguments, env).end(PATIENCE).await
}

fn start(vcd: &Vcd, arguments: &[&str], env: &[(&str, &OsStr)]) -> Process {
    let file = vcd.replica("operator");
    let mut all = vec![OsStr::new("config")];
    all.extend(arguments.iter().map(OsStr::new));
    all.extend([OsStr::new("--config"), file.as_os_str()]);
    let path = std::env::var_os("PATH").unwrap();
    let mut env = env.to_vec();
    env.push(("PATH", &path));
    Process::start(&all, &env)
}

fn assert_no_secret(end: &End) {
    let text = end.lines.join("\n");
    assert!(!text.contains(PAT) && !text.contains(PASSWORD), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_secrets_and_with_its_defaults() {
    let vcd = site();
    let shown = config(&vcd, &["show"]).await;
    let text = shown.lines.join("\n");
    assert_eq!(shown.code, Some(0), "{text}");
    assert_no_secret(&shown);
    let line = |key: &str| {
        shown
            .lines
            .iter()
            .find(|line| line.starts_with(key))
            .unwrap()
            .clone()
    };
    assert!(
        line("serverConfig.rdePollIntervalInMin").ends_with("default"),
        "{text}"
    );
    assert!(
        line("K8Config.cpi.version").trim_end().ends_with("1.6.1"),
        "{text}"
    );
    assert!(
        line("bootstrapClusterConfig.proxyConfig.httpProxy").contains("operator:******@proxy"),
        "{text}"
    );
    assert!(line("zzz.own[1].b").ends_with("unknown key"), "{text}");

    let shown = config(&vcd, &["show", "--json"]).await;
    assert_no_secret(&shown);
    let document: Value = serde_json::from_str(&shown.lines.join("\n")).unwrap();
    assert_eq!(document["valid"], true);
    let keys = document["settings"].as_array().unwrap();
    assert!(keys.len() > 45 && keys.iter().all(|one| one["is_default"].is_boolean()));

    let whole = config(&vcd, &["show", "--document"]).await;
    assert_no_secret(&whole);
    // What was shown can be compared as it is: placeholders stand for the secrets that are there.
    let file = vcd.file("shown.json", &whole.lines.join("\n"));
    let same = config(&vcd, &["diff", file.to_str().unwrap()]).await;
    assert_eq!(
        (same.code, same.lines),
        (Some(0), vec!["no difference".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_checked_before_replicas_see_it() {
    let vcd = site();
    let check = async |text: &str| {
        let file = vcd.file("candidate.json", text);
        config(&vcd, &["validate", file.to_str().unwrap()]).await
    };
    let good = check(&furnished().to_string()).await;
    assert_eq!(good.code, Some(0), "{:?}", good.lines);

    let broken = check("{\"profiles\": [\n  {\"name\": }\n]}").await;
    assert_eq!(broken.code, Some(78));
    assert!(
        broken.lines[0].contains("line 2, column 12"),
        "{:?}",
        broken.lines
    );

    let mut wrong = furnished();
    wrong["profiles"][0]["serverConfig"]["staleHeartbeatIntervalInMin"] = json!(5);
    wrong["profiles"][0]["K8Config"]["mhc"]["maxUnhealthyNodes"] = json!("200");
    wrong["profiles"][0]["githubConfig"]["githubPersonalAccessToken"] =
        json!(["ghp_averysecrettoken"]);
    let wrong = check(&wrong.to_string()).await;
    let text = wrong.lines.join("\n");
    assert_eq!(wrong.code, Some(78), "{text}");
    assert_no_secret(&wrong);
    for part in [
        "error: profiles[0].serverConfig.staleHeartbeatIntervalInMin: found 5, expected more minutes than heartbeatWatcherTimeoutInMin, which is 10",
        "error: profiles[0].K8Config.mhc.maxUnhealthyNodes: found \"200\"",
        "warning: profiles[0].K8Config.mhc.maxUnhealthyNodes: found a text",
        "error: profiles[0].githubConfig.githubPersonalAccessToken",
        "invalid: 3 errors",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    // Valid by itself, but not for a replica whose calls may take as long as it has time.
    let mut tight = furnished();
    tight["profiles"][0]["serverConfig"] =
        json!({"heartbeatWatcherTimeoutInMin": 1, "staleHeartbeatIntervalInMin": 2});
    let text = vcd
        .config("patient")
        .replacen("[vcd]\n", "[vcd]\nrequest_timeout_secs = 50\n", 1);
    let patient = vcd.file("patient.toml", &text);
    let file = vcd.file("tight.json", &tight.to_string());
    let arguments = [
        OsStr::new("config"),
        OsStr::new("validate"),
        file.as_os_str(),
        OsStr::new("--config"),
        patient.as_os_str(),
    ];
    let end = Process::start(&arguments, &[]).end(PATIENCE).await;
    let text = end.lines.join("\n");
    assert_eq!(end.code, Some(78), "{text}");
    assert!(
        text.contains(
            "error: serverConfig: found intervals that a replica with this file cannot keep"
        ),
        "{text}"
    );

    let live = config(&vcd, &["validate", "--json"]).await;
    let document: Value = serde_json::from_str(&live.lines.join("\n")).unwrap();
    assert_eq!((live.code, &document["valid"]), (Some(0), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_set_and_everything_else_stays_byte_for_byte() {
    let vcd = site();
    let before = stored(&vcd).to_string();
    let set = config(
        &vcd,
        &[
            "set",
            "serverConfig.rdePollIntervalInMin=2",
            "K8Config.csi[0].version=1.6.1",
            "active=true",
        ],
    )
    .await;
    let text = set.lines.join("\n");
    assert_eq!(set.code, Some(0), "{text}");
    assert!(
        text.contains("profiles[0].serverConfig.rdePollIntervalInMin: 1 -> 2"),
        "{text}"
    );
    let want = before
        .replace("\"rdePollIntervalInMin\":1", "\"rdePollIntervalInMin\":2")
        .replace(
            "\"csi\":[{\"name\":\"csi for cloud director\",\"version\":\"1.6.0\"",
            "\"csi\":[{\"name\":\"csi for cloud director\",\"version\":\"1.6.1\"",
        );
    assert_ne!(want, before);
    assert_eq!(stored(&vcd).to_string(), want);

    for (arguments, code, word) in [
        (
            &["set", "serverConfig.staleHeartbeatIntervalInMin=3"][..],
            78,
            "more minutes than",
        ),
        (
            &["set", "serverConfig.rdePollIntervalInMins=3"][..],
            78,
            "do you mean serverConfig.rdePollIntervalInMin?",
        ),
        (
            &["set", "githubConfig.githubPersonalAccessToken=******"][..],
            64,
            "stands for a secret",
        ),
        (&["set", "ghp_other"][..], 64, "write KEY=VALUE"),
        (
            &["set", "--dry-run", "serverConfig.rdePollIntervalInMin=9"][..],
            0,
            "would change",
        ),
        (
            &["set", "serverConfig.rdePollIntervalInMin=2"][..],
            0,
            "nothing to change",
        ),
    ] {
        let end = config(&vcd, arguments).await;
        let text = end.lines.join("\n");
        assert_eq!(end.code, Some(code), "{arguments:?} {text}");
        assert!(
            text.contains(word) && !text.contains("ghp_other"),
            "{arguments:?} {text}"
        );
        assert_eq!(stored(&vcd).to_string(), want, "{arguments:?}");
    }

    let token = vcd.file("pat", "ghp_another\n");
    let argument = format!(
        "githubConfig.githubPersonalAccessToken=@{}",
        token.display()
    );
    let set = config(
        &vcd,
        &[
            "set",
            &argument,
            "own.key=5",
            "--force",
            "--unset",
            "zzz.own",
        ],
    )
    .await;
    let text = set.lines.join("\n");
    assert_eq!(set.code, Some(0), "{text}");
    assert!(!text.contains("ghp_another"), "{text}");
    let now = stored(&vcd);
    let profile = &now["profiles"][0];
    assert_eq!(
        profile["githubConfig"]["githubPersonalAccessToken"],
        "ghp_another"
    );
    assert_eq!(
        (&profile["own"]["key"], &profile["zzz"]),
        (&json!(5), &json!({}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_told_from_a_file_and_from_the_defaults() {
    let vcd = site();
    let mut other = furnished();
    other["profiles"][0]["containerRegistryUrl"] = json!("registry.example.test");
    other["profiles"][0]["githubConfig"]["githubPersonalAccessToken"] = json!("ghp_different");
    let file = vcd.file("other.json", &other.to_string());
    let differs = config(&vcd, &["diff", file.to_str().unwrap()]).await;
    let text = differs.lines.join("\n");
    assert_eq!(differs.code, Some(1), "{text}");
    assert!(
        text.contains("projects.registry.vmware.com -> registry.example.test"),
        "{text}"
    );
    assert!(
        text.contains("githubPersonalAccessToken: ****** -> ****** (changed)"),
        "{text}"
    );
    assert_no_secret(&differs);
    let defaults = config(&vcd, &["diff"]).await;
    let text = defaults.lines.join("\n");
    assert_eq!(defaults.code, Some(0), "{text}");
    assert!(
        text.contains("K8Config.cpi.version: 1.4.0 -> 1.6.1") && !text.contains("rdePoll"),
        "{text}"
    );
    assert_no_secret(&defaults);
}

/// A script that edits the file it is given.
fn editor(vcd: &Vcd, name: &str, script: &str) -> std::path::PathBuf {
    let path = vcd.file(name, &format!("#!/bin/sh\nset -e\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

async fn edited(vcd: &Vcd, script: &Path) -> End {
    let dir = vcd.path("");
    let env = [("EDITOR", script.as_os_str()), ("TMPDIR", dir.as_os_str())];
    config_with(vcd, &["edit"], &env).await
}

/// Texts that were kept.
fn drafts(vcd: &Vcd) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(vcd.path("")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("cse-server-config-")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_keeps_secrets_and_a_text_that_cannot_be_written() {
    let vcd = site();
    let before = stored(&vcd);
    let look = editor(
        &vcd,
        "look",
        &format!("! grep -e {PAT} -e {PASSWORD} \"$1\""),
    );
    let end = edited(&vcd, &look).await;
    assert_eq!(
        (end.code, end.lines.join("\n")),
        (Some(0), "nothing was changed".to_owned())
    );

    let change = editor(
        &vcd,
        "change",
        "sed -i 's/\"version\": \"1.6.1\"/\"version\": \"1.6.2\"/' \"$1\"",
    );
    let end = edited(&vcd, &change).await;
    assert_eq!(end.code, Some(0), "{:?}", end.lines);
    assert_no_secret(&end);
    let want = before.to_string().replace("\"1.6.1\"", "\"1.6.2\"");
    assert_eq!(
        stored(&vcd).to_string(),
        want,
        "placeholders became the secrets again"
    );
    assert_eq!(drafts(&vcd), Vec::<std::path::PathBuf>::new());

    // A placeholder in another place is not filled with somebody else's secret.
    for (name, script, word) in [
        ("syntax", "echo x >> \"$1\"", "no JSON"),
        (
            "invalid",
            "sed -i 's/\"rdePollIntervalInMin\": 1/\"rdePollIntervalInMin\": 0/' \"$1\"",
            "rdePollIntervalInMin",
        ),
        (
            "host",
            "sed -i 's/@proxy.example.test/@other.example.test/' \"$1\"",
            "httpProxy: ****** stands for",
        ),
    ] {
        let script = editor(&vcd, name, script);
        let end = edited(&vcd, &script).await;
        let text = end.lines.join("\n");
        assert_eq!(end.code, Some(78), "{name}: {text}");
        assert!(
            text.contains(word) && text.contains("your text is kept in"),
            "{name}: {text}"
        );
        assert_eq!(stored(&vcd).to_string(), want, "{name}");
        let kept = drafts(&vcd);
        assert_eq!(kept.len(), 1, "{name}");
        let mode = std::fs::metadata(&kept[0]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&kept[0]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_does_not_write_over_what_somebody_else_wrote_meanwhile() {
    let vcd = site();
    let script = editor(
        &vcd,
        "slow",
        &format!(
            "sed -i 's/\"1.6.1\"/\"1.6.2\"/' \"$1\"\ntouch {0}/begun\nwhile [ ! -e {0}/go ]; do sleep 0.02; done",
            vcd.path("").display()
        ),
    );
    let dir = vcd.path("");
    let env = [("EDITOR", script.as_os_str()), ("TMPDIR", dir.as_os_str())];
    let process = start(&vcd, &["edit"], &env);
    until("the editor has begun", PATIENCE, || {
        vcd.path("begun").exists()
    })
    .await;
    let at = "2026-03-01T09:00:00Z".parse().unwrap();
    let urn = urn(&vcd);
    vcd.world().modify_entity(&urn, at, |content| {
        content["profiles"][0]["containerRegistryUrl"] = json!("registry.example.test");
    });
    vcd.file("go", "");
    let end = process.end(PATIENCE).await;
    let text = end.lines.join("\n");
    assert_eq!(end.code, Some(69), "{text}");
    assert!(
        text.contains("somebody else changed") && text.contains("profiles[0].containerRegistryUrl"),
        "{text}"
    );
    assert_eq!(
        stored(&vcd)["profiles"][0]["K8Config"]["cpi"]["version"],
        "1.6.1"
    );
    // The text goes on from where it was.
    let kept = drafts(&vcd);
    let env = [("EDITOR", OsStr::new("true")), ("TMPDIR", dir.as_os_str())];
    let end = config_with(&vcd, &["edit", kept[0].to_str().unwrap()], &env).await;
    assert_eq!(end.code, Some(0), "{:?}", end.lines);
    assert_eq!(
        stored(&vcd)["profiles"][0]["K8Config"]["cpi"]["version"],
        "1.6.2"
    );
}

/// Sets the poll interval to `minutes`, as `config set` does it.
async fn set_poll(fleet: &Fleet, minutes: u64, disturb: &dyn Fn()) -> Result<(), ChangeError> {
    let id = EntityId::parse(&fleet.configuration().await).unwrap();
    let path = TreePath::parse("profiles[0].serverConfig.rdePollIntervalInMin").unwrap();
    let place = path.clone();
    let make = |content: &Map<String, Value>| {
        disturb();
        let mut document = Value::Object(content.clone());
        path.set(&mut document, json!(minutes)).unwrap();
        Ok(document.as_object().unwrap().clone())
    };
    let plan = Plan {
        make: &make,
        places: &move |_| vec![place.clone()],
    };
    let client = fleet.provider().await;
    change(&client, &id, &plan).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_run_again_unless_the_same_key_was_changed() {
    let fleet = Fleet::new(5_100);
    let urn = fleet.configuration().await;
    let once = Cell::new(true);
    let elsewhere = || {
        if once.take() {
            fleet.change(&urn, |content| {
                content["profiles"][0]["name"] = json!("renamed")
            });
        }
    };
    set_poll(&fleet, 2, &elsewhere).await.unwrap();
    let content = fleet.content(&urn);
    assert_eq!(
        content["profiles"][0]["name"], "renamed",
        "the other change stays"
    );
    assert_eq!(
        content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"],
        2
    );

    let once = Cell::new(true);
    let same = || {
        if once.take() {
            fleet.change(&urn, |content| {
                content["profiles"][0]["serverConfig"]["rdePollIntervalInMin"] = json!(7)
            });
        }
    };
    let error = set_poll(&fleet, 3, &same).await.unwrap_err();
    assert!(
        matches!(&error, ChangeError::Meanwhile(changes) if changes.len() == 1),
        "{error}"
    );
    assert_eq!(
        fleet.content(&urn)["profiles"][0]["serverConfig"]["rdePollIntervalInMin"],
        7
    );
}

/// Goal: whatever becomes of any call, the value is either the old or the new one, and the answer tells which.
#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_a_call_the_answer_is_true() {
    let mut changed = 0;
    for fault in Fault::ALL {
        for call in 0..3 {
            let fleet = Fleet::new(5_200);
            let urn = fleet.configuration().await;
            let target = Target {
                path: Some("/entities/urn".to_owned()),
                after: call,
                times: 1,
                ..Target::default()
            };
            fleet.faults.arm(target, fault);
            let result = set_poll(&fleet, 2, &|| ()).await;
            fleet.pass_time(Duration::from_mins(2)).await;
            let now =
                fleet.content(&urn)["profiles"][0]["serverConfig"]["rdePollIntervalInMin"].clone();
            let context = format!("{fault:?} at call {call}: {result:?}");
            match result {
                Ok(()) => assert_eq!(now, 2, "{context}"),
                Err(ChangeError::Unknown { .. }) => {}
                // Late, and nobody knows yet: the answer says that it is not known.
                Err(_) if matches!(fault, Fault::Delayed(_)) => {}
                Err(_) => assert_eq!(now, 1, "{context}"),
            }
            changed += u32::from(now == 2);
        }
    }
    assert!(changed > 20, "only {changed} runs changed anything");
}
