//! The program itself: its command line, its log, its end.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;

use crate::support::process::{Process, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cse-agent");
const URN: &str = "urn:vcloud:entity:vmware:capvcdCluster:7a1cbf0e-5c1e-4f0e-9d59-3f1f7b1c2d3e";

fn arguments(directory: &Path) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let pairs = [
        ("--site", "http://127.0.0.1:1".to_owned()),
        ("--org", "acme".to_owned()),
        ("--entity", URN.to_owned()),
        ("--namespace", "kite7-ns".to_owned()),
        ("--token-file", file("token")),
        ("--kubeconfig", file("kubeconfig")),
        ("--interval", "10".to_owned()),
    ];
    pairs
        .into_iter()
        .flat_map(|(key, value)| [key.to_owned(), value])
        .collect()
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        clusters: [{name: l, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
        users: [{name: a, user: {token: t}}]\ncontexts: [{name: c, context: {cluster: l, user: a}}]\n";
    std::fs::write(directory.path().join("kubeconfig"), kubeconfig).unwrap();
    std::fs::write(directory.path().join("token"), "hush-hush-token\n").unwrap();
    directory
}

#[test]
fn a_wrong_command_line_says_what_is_missing() {
    let rows = [
        (vec![], "--site"),
        (vec!["--site", "x"], "relative URL"),
        (vec!["--entity", "kite7"], "no entity URN"),
        (vec!["--interval", "1"], "10..=3600"),
    ];
    for (arguments, want) in rows {
        let ended = Command::new(PROGRAM)
            .env_clear()
            .args(&arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(64), "{said}");
        assert!(said.contains(want), "{arguments:?}: {said}");
    }
    let help = Command::new(PROGRAM)
        .env_clear()
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for word in [
        "spec.capiYaml",
        "CSE_TOKEN_FILE",
        "HTTPS_PROXY",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn settings_that_cannot_work_end_the_program_with_a_line() {
    let directory = directory();
    for (key, value, want) in [
        ("--kubeconfig", "/nonexistent", "API server"),
        ("--ca-file", "/nonexistent", "certificates"),
        ("--site", "https://user:pw@vcd.example", "credentials"),
        ("--log", "info=x=y", "no log filter"),
    ] {
        let mut arguments = arguments(directory.path());
        arguments.extend([key.to_owned(), value.to_owned()]);
        // A key stands once.
        if let Some(first) = arguments.iter().position(|one| one == key)
            && first < arguments.len() - 2
        {
            arguments.drain(first..first + 2);
        }
        let ended = Command::new(PROGRAM)
            .env_clear()
            .args(&arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(78), "{key}: {said}");
        assert!(
            said.contains(want) && said.lines().count() == 1,
            "{key}: {said}"
        );
        assert!(!said.contains("user:pw"), "{said}");
    }
}

#[tokio::test]
async fn it_outlives_an_outage_logs_json_without_secrets_and_ends_on_sigterm() {
    let directory = directory();
    let env: [(&str, &OsStr); 0] = [];
    let process = Process::start_program(PROGRAM, &arguments(directory.path()), &env);
    let limit = Duration::from_secs(20);
    let complains = || {
        process
            .lines()
            .iter()
            .any(|line| line.contains("the agent cannot do its work"))
    };
    until("it complains", limit, complains).await;
    process.terminate();
    let end = process.end(limit).await;
    assert_eq!(end.code, Some(0), "{:?}", end.lines);
    for line in &end.lines {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["level"].is_string(), "{line}");
        assert!(!line.contains("hush"), "{line}");
    }
    let told = end.lines.concat();
    assert!(
        told.contains("agent starts") && told.contains("agent stops"),
        "{told}"
    );
    assert!(told.contains("connection refused"), "{told}");
}
