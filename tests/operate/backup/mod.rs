//! `cse-server backup` and `restore`: what is in the files, what is not, and what comes back.

mod commands;
mod files;
mod restore;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cse_server::backup::apply::{Restored, State, Wish};
use cse_server::backup::plan::Orders;
use cse_server::backup::store::Backup;
use cse_server::backup::take::take;
use cse_server::sim::seed::CseShape;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::fleet::{Fleet, SITE};

const HOUR: Duration = Duration::from_hours(1);
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
    let result = cse_server::backup::apply::restore(&fleet.provider().await, &backup, &all_of_it())
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
