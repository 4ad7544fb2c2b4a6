//! `cse-server backup` and `restore`: what is in the files, what is not, and what comes back.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cse_server::backup::apply::{Restored, State, Wish, restore};
use cse_server::backup::plan::Orders;
use cse_server::backup::store::Backup;
use cse_server::backup::take::take;
use cse_server::sim::faults::{Fault, Refusal, Target};
use cse_server::sim::seed::CseShape;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::fleet::{Fleet, SITE};
use crate::support::process::Process;
use crate::support::vcd::Vcd;

const HOUR: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(40);
const PAT: &str = "ghp_averysecrettoken";
const PASSWORD: &str = "pr0xypassw0rd";

/// Three clusters of all releases at rest, and a configuration with secrets.
async fn settled(seed: u64) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_in(CseShape::V42, "oak", false);
    fleet.ask_in(CseShape::V41, "elm", false);
    fleet.ask_in(CseShape::V40, "ash", false);
    let urn = fleet.configuration().await;
    fleet.change(&urn, |content| {
        let profile = &mut content["profiles"][0];
        profile["githubConfig"]["githubPersonalAccessToken"] = json!(PAT);
        let proxy = format!("http://operator:{PASSWORD}@proxy.example.test:3128");
        profile["bootstrapClusterConfig"]["proxyConfig"]["httpProxy"] = json!(proxy);
    });
    fleet.start("a");
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    fleet.pass_time(Duration::from_mins(2)).await;
    fleet.stop("a").await;
    fleet
}

/// Every secret of the site.
fn secrets(fleet: &Fleet) -> Vec<String> {
    let mut all = vec![
        PAT.to_owned(),
        PASSWORD.to_owned(),
        fleet.access.provider_token.clone(),
    ];
    all.extend(fleet.tenants.iter().map(|tenant| tenant.api_token.clone()));
    for urn in &fleet.urns {
        let content = Value::Object(fleet.content(urn));
        let kubeconfig = content["status"]["capvcd"]["private"]["kubeConfig"].as_str();
        all.push(kubeconfig.expect("a kubeconfig").to_owned());
    }
    all
}

fn everything(fleet: &Fleet, config: &str) -> BTreeMap<String, Map<String, Value>> {
    let all = fleet.urns.iter().map(String::as_str).chain([config]);
    all.map(|urn| (urn.to_owned(), fleet.content(urn)))
        .collect()
}

async fn saved(fleet: &Fleet, dir: &TempDir) -> (PathBuf, Backup) {
    let target = dir.path().join("b");
    let client = fleet.provider().await;
    take(&client, (SITE, fleet.clock.wall()), &target)
        .await
        .unwrap();
    let backup = Backup::read(&target).unwrap();
    (target, backup)
}

fn all_of_it() -> Wish {
    Wish {
        apply: true,
        orders: Orders {
            overwrite: true,
            with_status: false,
        },
        only: Vec::new(),
    }
}

fn states(result: &[Restored]) -> BTreeMap<String, State> {
    result
        .iter()
        .map(|one| (one.name.clone(), one.state))
        .collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_backup_holds_everything_but_secrets_for_this_user_alone() {
    let fleet = settled(5_300).await;
    let dir = tempfile::tempdir().unwrap();
    let (target, backup) = saved(&fleet, &dir).await;
    assert_eq!(
        (
            backup.manifest.counts.clusters,
            backup.manifest.counts.configurations
        ),
        (3, 1)
    );
    assert_eq!(
        backup.manifest.entity_types.len(),
        5,
        "{:?}",
        backup.manifest.entity_types
    );
    assert!(backup.manifest.not_read.is_empty());
    let secrets = secrets(&fleet);
    assert!(secrets.len() >= 8 && secrets.iter().all(|secret| secret.len() > 8));
    let found = files(&target);
    assert_eq!(found.len(), 4 + 3, "{found:?}");
    for path in &found {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
        if path.is_file() {
            let text = std::fs::read_to_string(path).unwrap();
            for secret in &secrets {
                let escaped = serde_json::to_string(secret).unwrap();
                assert!(
                    !text.contains(secret.as_str()) && !text.contains(escaped.trim_matches('"')),
                    "{path:?}"
                );
            }
        }
    }
    let ash = backup
        .manifest
        .entities
        .iter()
        .find(|one| one.name == "ash")
        .unwrap();
    assert!(
        ash.left_out.contains(&"spec.capiYaml".to_owned()),
        "{ash:?}"
    );
    // What is there is what VCD has, and nothing is to be restored.
    let result = restore(&fleet.provider().await, &backup, &all_of_it())
        .await
        .unwrap();
    assert!(
        result.iter().all(|one| one.state == State::Same),
        "{result:?}"
    );
    let again = take(&fleet.provider().await, (SITE, fleet.clock.wall()), &target)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
}

/// What goes wrong with the documents: a client's rewrite, lost sections, a rolled-back configuration.
fn damage(fleet: &Fleet, config: &str) {
    fleet.change(&fleet.urns[0], |content| {
        content["spec"]["capiYaml"] = json!("");
        content.remove("metadata");
    });
    fleet.change(&fleet.urns[1], |content| {
        content.remove("status");
    });
    fleet.change(config, |content| {
        let profile = &mut content["profiles"][0];
        profile["K8Config"] = json!({});
        profile["serverConfig"]["rdePollIntervalInMin"] = json!(1_000_000);
    });
}

#[tokio::test(start_paused = true)]
async fn damaged_documents_come_back_as_they_were() {
    let fleet = settled(5_310).await;
    let config = fleet.configuration().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let before = everything(&fleet, &config);
    damage(&fleet, &config);
    let damaged = everything(&fleet, &config);
    assert_ne!(damaged, before);
    let client = fleet.provider().await;

    // A look, and a run that may not overwrite, change nothing.
    for wish in [
        Wish {
            apply: false,
            ..all_of_it()
        },
        Wish {
            apply: true,
            ..Wish::default()
        },
    ] {
        let result = restore(&client, &backup, &wish).await.unwrap();
        let differs = result.iter().filter(|one| one.state != State::Same).count();
        assert_eq!(differs, 3, "{result:?}");
        assert!(
            result
                .iter()
                .all(|one| matches!(one.state, State::Same | State::WouldRestore | State::Kept))
        );
        assert_eq!(everything(&fleet, &config), damaged);
    }

    let only = Wish {
        only: vec!["oak".to_owned()],
        ..all_of_it()
    };
    let result = restore(&client, &backup, &only).await.unwrap();
    assert_eq!(
        states(&result),
        BTreeMap::from([("oak".to_owned(), State::Restored)])
    );

    let result = restore(&client, &backup, &all_of_it()).await.unwrap();
    assert!(result.iter().all(|one| !one.state.is_left()), "{result:?}");
    let after = everything(&fleet, &config);
    for (urn, content) in &before {
        if *urn == fleet.urns[1] {
            // The kubeconfig went with the whole status; CAPVCD writes it again.
            let mut want = Value::Object(content.clone());
            want["status"]["capvcd"]
                .as_object_mut()
                .unwrap()
                .shift_remove("private");
            assert_eq!(Value::Object(after[urn].clone()), want, "{urn}");
        } else {
            assert_eq!(after[urn], *content, "{urn}");
        }
    }
}

/// Goal: whichever call fails, running it again ends where an undisturbed run ends.
#[tokio::test(start_paused = true)]
async fn a_restore_that_is_interrupted_at_any_call_goes_on_when_it_is_run_again() {
    let fleet = settled(5_320).await;
    let config = fleet.configuration().await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let saved_fleet = fleet.save();
    let mut interrupted = 0;
    let faults = [
        Fault::NotSent,
        Fault::RequestLost,
        Fault::ReplyLost,
        Fault::Refused(Refusal::Conflict),
        Fault::Malformed,
    ];
    for fault in faults {
        for call in 0..24 {
            let fleet = Fleet::resume(&saved_fleet);
            damage(&fleet, &config);
            assert!(
                fleet.world().forget_entity(&config),
                "the configuration is gone as well"
            );
            let client = fleet.provider().await;
            fleet.faults.arm(Target::nth(call), fault);
            let first = restore(&client, &backup, &all_of_it()).await;
            let clean = first
                .as_ref()
                .is_ok_and(|result| result.iter().all(|one| !one.state.is_left()));
            interrupted += u32::from(!clean);
            fleet.faults.disarm();
            let result = restore(&client, &backup, &all_of_it()).await.unwrap();
            let context = format!("{fault:?} at call {call}\n{first:?}\n{result:?}");
            assert!(result.iter().all(|one| !one.state.is_left()), "{context}");
            // There is one configuration again, and replicas can work with it.
            let settings = cse_server::controller::settings::read_settings(&client).await;
            let settings = settings.unwrap_or_else(|error| panic!("{error}\n{context}"));
            assert_eq!(settings.document.state, "RESOLVED", "{context}");
            let grants = client.entity_grants(&settings.document.id).await.unwrap();
            assert_eq!(grants.len(), 1, "{context}\n{grants:?}");
            for urn in &fleet.urns {
                let content = Value::Object(fleet.content(urn));
                assert!(
                    content["spec"]["capiYaml"]
                        .as_str()
                        .is_some_and(|text| text.len() > 500),
                    "{context}"
                );
                assert_eq!(
                    content["status"]["vcdKe"]["state"], "provisioned",
                    "{context}"
                );
            }
        }
    }
    assert!(
        interrupted >= 30,
        "only {interrupted} runs were interrupted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_entity_is_gone_is_told_and_not_made_anew() {
    let mut fleet = settled(5_330).await;
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    let gone = fleet.urns[0].clone();
    assert!(fleet.world().forget_entity(&gone));
    let later = fleet.ask_for("yew");
    let vms = fleet.world().vms().len();
    let result = restore(&fleet.provider().await, &backup, &all_of_it())
        .await
        .unwrap();
    assert_eq!(states(&result)["oak"], State::Gone);
    let oak = result.iter().find(|one| one.name == "oak").unwrap();
    assert!(
        oak.notes
            .iter()
            .any(|note| note.contains("orphans --delete")),
        "{oak:?}"
    );
    assert_eq!(states(&result)["yew"], State::Newer);
    assert!(
        fleet.world().entity_content(&gone).is_none()
            && fleet.world().entity_content(&later).is_some()
    );
    assert_eq!(fleet.world().clusters().len(), 3, "nothing was made");
    assert_eq!(fleet.world().vms().len(), vms);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_work_is_not_written() {
    let mut fleet = settled(5_340).await;
    let fir = fleet.ask_for("fir");
    let dir = tempfile::tempdir().unwrap();
    let (_, backup) = saved(&fleet, &dir).await;
    fleet.start("a");
    let at_work = |fleet: &Fleet| {
        fleet
            .cluster(&fir)
            .holder
            .is_some_and(|holder| !holder.is_empty())
    };
    assert!(fleet.until(HOUR, at_work).await, "{}", fleet.context());
    fleet.change(&fir, |content| {
        content["metadata"]
            .as_object_mut()
            .unwrap()
            .shift_remove("site");
    });
    let result = restore(&fleet.provider().await, &backup, &all_of_it())
        .await
        .unwrap();
    let told = result.iter().find(|one| one.name == "fir").unwrap();
    assert_eq!(told.state, State::Refused, "{told:?}");
    assert!(told.notes[0].contains("is at work on it"), "{told:?}");
    assert!(fleet.content(&fir)["metadata"].get("site").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_damaged_or_foreign_backup_is_refused_with_every_reason() {
    let fleet = settled(5_350).await;
    let dir = tempfile::tempdir().unwrap();
    let (target, _) = saved(&fleet, &dir).await;
    let entities = std::fs::read_dir(target.join("entities")).unwrap();
    let mut entities: Vec<PathBuf> = entities.map(|entry| entry.unwrap().path()).collect();
    entities.sort();
    let refused = |what: &str, word: &str| {
        let error = Backup::read(&target).unwrap_err();
        let text = cse_server::telemetry::chain(&error).to_string();
        assert!(text.contains(word), "{what}: {text}");
    };
    let with = |path: &Path, text: Option<&str>, what: &str, word: &str| {
        let old = std::fs::read(path).ok();
        match text {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        refused(what, word);
        match old {
            Some(old) => std::fs::write(path, old).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        Backup::read(&target).unwrap();
    };
    let manifest = target.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let first = std::fs::read_to_string(&entities[0]).unwrap();
    with(
        &entities[0],
        Some(
            &first
                .replacen("oak", "elm", 1)
                .replacen("RESOLVED", "PRE_CREATED", 1),
        ),
        "changed",
        "checksum",
    );
    with(
        &entities[0],
        Some(&first[..first.len() / 2]),
        "cut short",
        "checksum",
    );
    with(&entities[1], None, "missing", "cannot read");
    with(
        &target.join("entities/x.json"),
        Some("{}"),
        "one more",
        "is not in manifest.json",
    );
    with(
        &manifest,
        Some("{\"format\": \"other\"}"),
        "foreign",
        "no manifest of a cse-server-backup",
    );
    with(
        &manifest,
        Some(&text.replace("\"version\": 1,", "\"version\": 2,")),
        "newer",
        "version 1",
    );
    with(
        &manifest,
        Some(&text.replace(SITE, "https://evil.example")),
        "another site",
        "not as it was written",
    );
    with(
        &manifest,
        Some(&text.replacen("urn_vcloud", "../urn_vcloud", 1)),
        "a way out",
        "a file name that no backup has",
    );
    with(&manifest, None, "no manifest", "cannot read");
    with(
        &target.join("UNFINISHED"),
        Some(""),
        "unfinished",
        "never finished",
    );
    let error = Backup::read(&dir.path().join("nowhere")).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
}

/// Goal: a backup that is interrupted is no backup, and the next one does not stumble over it.
#[tokio::test(start_paused = true)]
async fn an_interrupted_backup_is_none() {
    let fleet = settled(5_360).await;
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("b");
    let mut failed = 0;
    for call in 0..12 {
        let client = fleet.provider().await;
        fleet.faults.arm(Target::nth(call), Fault::RequestLost);
        let taken = take(&client, (SITE, fleet.clock.wall()), &target).await;
        fleet.faults.disarm();
        if taken.is_ok() {
            std::fs::remove_dir_all(&target).unwrap();
        } else {
            failed += 1;
            assert!(!target.exists());
        }
    }
    assert!(failed >= 5, "{failed}");
    saved(&fleet, &dir).await;
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_do_what_they_say() {
    let vcd = Vcd::open();
    let tenant = vcd.tenant.clone();
    let urns = ["oak", "elm"].map(|name| vcd.world().seed_provisioned(&tenant, name, 9_000));
    let file = vcd.replica("operator");
    let dir = vcd.path("saved");
    let run = async |command: &str, more: &[&str]| {
        let mut all = vec![
            OsStr::new(command),
            dir.as_os_str(),
            OsStr::new("--config"),
            file.as_os_str(),
        ];
        all.extend(more.iter().map(OsStr::new));
        let end = Process::start(&all, &[]).end(PATIENCE).await;
        (end.code, end.lines.join("\n"))
    };
    let (code, text) = run("backup", &[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("2 clusters and 1 configurations") && text.contains("secrets are left out"),
        "{text}"
    );
    assert_eq!(run("restore", &[]).await.0, Some(0));

    let at = "2026-03-01T09:00:00Z".parse().unwrap();
    let damaged = vcd.world().modify_entity(&urns[0], at, |content| {
        content.remove("metadata");
    });
    assert!(damaged);
    let (code, text) = run("restore", &[]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("kept") && text.contains("--overwrite"),
        "{text}"
    );
    let (code, text) = run("restore", &["--overwrite"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("would restore") && text.contains("--apply"),
        "{text}"
    );
    assert!(
        vcd.world()
            .entity_content(&urns[0])
            .unwrap()
            .get("metadata")
            .is_none()
    );
    let (code, text) = run("restore", &["--overwrite", "--apply", "--json"]).await;
    assert_eq!(code, Some(0), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["left"], &document["applied"]),
        (&json!(0), &json!(true))
    );
    assert!(
        vcd.world()
            .entity_content(&urns[0])
            .unwrap()
            .get("metadata")
            .is_some()
    );
    let (code, text) = run("restore", &["--only", "yew"]).await;
    assert_eq!(code, Some(64), "{text}");

    let elsewhere = Vcd::open();
    let other = elsewhere.replica("operator");
    let all = [
        OsStr::new("restore"),
        dir.as_os_str(),
        OsStr::new("--config"),
        other.as_os_str(),
    ];
    let end = Process::start(&all, &[]).end(PATIENCE).await;
    let text = end.lines.join("\n");
    assert_eq!(end.code, Some(64), "{text}");
    assert!(text.contains("--other-site"), "{text}");
    let all = [
        &all[..],
        &[
            OsStr::new("--other-site"),
            OsStr::new("--only"),
            OsStr::new("oak"),
        ],
    ]
    .concat();
    let end = Process::start(&all, &[]).end(PATIENCE).await;
    assert_eq!(end.code, Some(77), "{:?}", end.lines);
}
