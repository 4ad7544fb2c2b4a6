//! What systemd and the journal see of a replica that cannot start.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::process::{Process, until};
use crate::support::systemd::Systemd;
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(20);

/// Goal: systemd, which starts a replica again two seconds after its end, does not send a refused token
/// to VCD every two seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_ends_late_under_systemd_and_at_once_when_asked_to() {
    let vcd = Vcd::open();
    vcd.file("token", "0123456789abcdef0123456789abcdef");
    let systemd = Systemd::listen();
    let mut replica = Process::replica(&vcd.replica("cse-1"), &systemd.environment());
    until("told", PATIENCE, || {
        systemd.status().starts_with("cannot start: ")
    })
    .await;
    let patience = systemd.told().into_iter().rev().find_map(|told| {
        let micros = told.strip_prefix("EXTEND_TIMEOUT_USEC=")?;
        micros.parse().ok().map(Duration::from_micros)
    });
    assert!(patience > Some(Duration::from_secs(30)), "{patience:?}");
    assert!(systemd.status().contains("does not accept the API token"));
    assert!(!replica.has_ended());
    replica.terminate();
    let end = replica.end(Duration::from_secs(5)).await;
    assert_eq!((end.code, end.errors().len()), (Some(77), 1));
    assert_eq!(systemd.count("READY=1"), 0);
}

/// Goal: `systemctl stop` does not wait for a VCD that does not answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_vcd_ends_at_once_when_asked_to() {
    let vcd = Vcd::open();
    // Connections are taken by the kernel, and nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let config = vcd.config("cse-1").replace(&vcd.url, &url);
    let config = config.replace("'text'", "'json'");
    let systemd = Systemd::listen();
    let file = vcd.file("silent.toml", &config);
    let replica = Process::replica(&file, &systemd.environment());
    until("started", PATIENCE, || {
        systemd.status() == "connecting to VCD"
    })
    .await;
    replica.terminate();
    let end = replica.end(Duration::from_secs(5)).await;
    assert_eq!((end.code, end.errors().len()), (Some(0), 0));
}

/// Goal: before there is a log, the journal still learns that this is an error.
#[test]
fn the_journal_is_told_the_priority_of_a_line_on_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stderr");
    let journal = File::create(&path).unwrap();
    let meta = journal.metadata().unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_cse-server"))
        .args(["run", "--config", "/nonexistent/cse-server.toml"])
        .env_clear()
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .stderr(Stdio::from(journal))
        .status()
        .unwrap();
    assert_eq!(ended.code(), Some(78));
    let said = std::fs::read_to_string(&path).unwrap();
    let want = "<3>cannot start: cannot read the configuration file /nonexistent/cse-server.toml";
    assert!(
        said.starts_with(want) && said.lines().count() == 1,
        "{said}"
    );
}
