//! `cse-server config` as an operator types it, and its writes under races and faults.

mod edit;
mod races;

use std::ffi::OsStr;
use std::time::Duration;

use cse_server::sim::seed::default_config;
use serde_json::{Value, json};

use crate::support::process::{End, Process};
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
    let urn = urn(vcd);
    Value::Object(vcd.world().entity_content(&urn).unwrap())
}

fn urn(vcd: &Vcd) -> String {
    let mut state = Vec::new();
    vcd.world().save(None, &mut state).unwrap();
    let text = String::from_utf8(state).unwrap();
    let found = text.split_once("\"urn:vcloud:entity:vmware:VCDKEConfig:");
    let uuid = found.unwrap().1.split('"').next().unwrap();
    format!("urn:vcloud:entity:vmware:VCDKEConfig:{uuid}")
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
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
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
