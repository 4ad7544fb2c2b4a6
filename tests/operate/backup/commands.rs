//! The commands as an operator types them.

use std::ffi::OsStr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
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
