//! VCD goes away under a running replica, and comes back.

use std::time::Duration;

use crate::support::process::{Process, until};
use crate::support::systemd::Systemd;
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(25);
/// Turns of the loop without VCD: with growing pauses, several minutes of the site's time.
const LIFE_SIGNS: usize = 6;

/// Goal: an outage of VCD costs the time it takes, and a few lines of log.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_outlives_an_outage_of_vcd_without_flooding_the_log() {
    let mut vcd = Vcd::open();
    let systemd = Systemd::listen();
    let mut replica = Process::replica(&vcd.replica("cse-1"), &systemd.environment());
    until("ready", PATIENCE, || systemd.count("READY=1") == 1).await;
    let urn = vcd.ask_for("amber");
    until("claimed", PATIENCE, || {
        replica.count("cluster.claimed") == 1
    })
    .await;

    vcd.close().await;
    until("missed", PATIENCE, || replica.count("poll.failed") > 0).await;
    let before = systemd.count("WATCHDOG=1");
    until("life signs go on", PATIENCE, || {
        systemd.count("WATCHDOG=1") >= before + LIFE_SIGNS
    })
    .await;
    assert!(!replica.has_ended(), "{:#?}", replica.lines());
    let status = systemd.status();
    assert!(status.contains("VCD does not answer"), "{status}");

    vcd.reopen();
    until("recovered", PATIENCE, || {
        replica.count("poll.recovered") == 1
    })
    .await;
    until("the cluster is there", PATIENCE, || vcd.is_done()).await;
    replica.terminate();
    assert_eq!(replica.count("poll.failed"), 1, "{:#?}", replica.lines());
    let warnings = replica.records(|record| record["level"] == "WARN");
    assert!((1..=4).contains(&warnings.len()), "{warnings:#?}");
    let end = replica.end(Duration::from_secs(5)).await;
    assert_eq!(end.code, Some(0), "{:#?}", end.lines);
    assert_eq!(end.errors(), Vec::<&String>::new());
    assert_eq!(systemd.count("STOPPING=1"), 1);
    vcd.assert_created_once(&[urn]);
}

/// Goal: whoever stops a replica because VCD is away does not wait for VCD.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stops_in_time_although_vcd_is_away() {
    let mut vcd = Vcd::open();
    let replica = Process::replica(&vcd.replica("cse-1"), &[]);
    vcd.ask_for("amber");
    until("claimed", PATIENCE, || {
        replica.count("cluster.claimed") == 1
    })
    .await;
    vcd.close().await;
    until("missed", PATIENCE, || replica.count("poll.failed") > 0).await;
    replica.terminate();
    let end = replica.end(Duration::from_secs(5)).await;
    assert_eq!(end.code, Some(0), "{:#?}", end.lines);
    assert_eq!(end.errors(), Vec::<&String>::new());
}
