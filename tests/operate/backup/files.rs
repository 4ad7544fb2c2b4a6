//! Backups that are damaged, foreign or unfinished.

use std::path::{Path, PathBuf};

use cse_server::backup::store::Backup;
use cse_server::backup::take::take;
use cse_server::sim::faults::{Fault, Target};

use super::{saved, settled};
use crate::support::fleet::SITE;

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
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
        first.get(..first.len() / 2),
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
