//! `cse-server config edit`: secrets, texts that cannot be written, and somebody else at work.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::{PASSWORD, PAT, PATIENCE, assert_no_secret, config_with, site, start, stored, urn};
use crate::support::process::{End, until};
use crate::support::vcd::Vcd;

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
