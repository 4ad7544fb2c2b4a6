//! The shared configuration of a running replica: taken over without a restart, refused when it is wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{Process, until};
use crate::support::systemd::Systemd;
use crate::support::vcd::Vcd;

const PATIENCE: Duration = Duration::from_secs(40);

fn change(vcd: &Vcd, change: impl FnOnce(&mut Value)) {
    let mut state = Vec::new();
    vcd.world().save(None, &mut state).unwrap();
    let text = String::from_utf8(state).unwrap();
    let found = text.split_once("\"urn:vcloud:entity:vmware:VCDKEConfig:");
    let uuid = found.unwrap().1.split('"').next().unwrap();
    let urn = format!("urn:vcloud:entity:vmware:VCDKEConfig:{uuid}");
    let at = "2026-03-01T09:00:00Z".parse().unwrap();
    let changed = vcd
        .world()
        .modify_entity(&urn, at, |content| change(&mut content["profiles"][0]));
    assert!(changed);
}

fn reasons(process: &Process) -> Vec<String> {
    let refused = process.records(|record| record["fields"]["event"] == "config.refused");
    refused
        .iter()
        .map(|record| record["fields"]["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_once_per_problem_and_shown_until_it_is_mended() {
    let vcd = Vcd::open();
    let systemd = Systemd::listen();
    let process = Process::replica(&vcd.replica("a"), &systemd.environment());
    until("ready", PATIENCE, || systemd.count("READY=1") == 1).await;
    let accepted = process.count("config.accepted");

    change(&vcd, |profile| {
        profile["serverConfig"]["staleHeartbeatIntervalInMin"] = json!(2);
    });
    until("refused", PATIENCE, || !reasons(&process).is_empty()).await;
    until("told", PATIENCE, || {
        systemd.status().contains("staleHeartbeatIntervalInMin")
    })
    .await;
    assert!(
        systemd.status().contains("the last good one is in force"),
        "{}",
        systemd.status()
    );
    // Many more looks, a minute of the site's time each.
    let told = systemd.told().len();
    until("more signs of life", PATIENCE, || {
        systemd.told().len() > told + 40
    })
    .await;
    assert_eq!(reasons(&process).len(), 1, "{:?}", reasons(&process));

    change(&vcd, |profile| {
        profile["K8Config"]["mhc"]["nodeStartupTimeout"] = json!("soon");
    });
    until("refused for two reasons", PATIENCE, || {
        reasons(&process).len() == 2
    })
    .await;
    assert!(
        reasons(&process)[1].contains("nodeStartupTimeout"),
        "{:?}",
        reasons(&process)
    );

    // The last good one is in force all the while: work goes on.
    vcd.ask_for("oak");
    until("a cluster is made", PATIENCE, || vcd.is_done()).await;
    assert_eq!(process.count("config.accepted"), accepted);

    change(&vcd, |profile| {
        profile["serverConfig"]["staleHeartbeatIntervalInMin"] = json!(40);
        profile["K8Config"]["mhc"]["nodeStartupTimeout"] = json!("600s");
    });
    until("accepted", PATIENCE, || {
        process.count("config.accepted") == accepted + 1
    })
    .await;
    until("no longer told", PATIENCE, || {
        !systemd.status().contains("refused")
    })
    .await;
    process.terminate();
    let end = process.end(PATIENCE).await;
    assert_eq!(end.code, Some(0));
}
