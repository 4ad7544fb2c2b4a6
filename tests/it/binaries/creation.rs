//! Clusters created by several processes, one of which dies.

use std::collections::BTreeMap;
use std::time::Duration;

use cse_server::sim::view::ClusterView;

use crate::support::process::{Process, until};
use crate::support::vcd::Vcd;

/// Real time that a minute-long step of a sped-up site may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(25);

fn is_creating(cluster: &ClusterView) -> bool {
    let heartbeat = cluster.heartbeat.as_deref().unwrap_or_default();
    heartbeat.split(';').any(|field| field == "p=creating")
}

/// `workerId` is `<name>/<process>`.
fn replica_of(cluster: &ClusterView) -> String {
    let holder = cluster.holder.as_deref().unwrap_or_default();
    holder.split('/').next().unwrap_or_default().to_owned()
}

/// Goal: a crash in the middle of a creation costs nothing but the restart.
///
/// Method: two replicas, two clusters; SIGKILL whoever is creating one, start it again with the same
/// files, and look at the effects when both clusters are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_takes_its_cluster_back_and_nothing_is_done_twice() {
    let vcd = Vcd::open();
    let configs: BTreeMap<String, _> = ["cse-1", "cse-2"]
        .map(|name| (name.to_owned(), vcd.replica(name)))
        .into();
    let mut running: BTreeMap<String, Process> = configs
        .iter()
        .map(|(name, config)| (name.clone(), Process::replica(config, &[])))
        .collect();
    let urns = ["amber", "blue"].map(|name| vcd.ask_for(name));

    let mut caught = None;
    until("a cluster is being created", PATIENCE, || {
        caught = vcd.clusters().into_iter().find(is_creating);
        caught.is_some()
    })
    .await;
    let caught = caught.unwrap();
    let victim = replica_of(&caught);
    let killed = running.remove(&victim).unwrap().kill().await;
    assert_eq!(killed.code, None, "killed by a signal");
    assert_eq!(killed.errors(), Vec::<&String>::new());

    let again = Process::replica(&configs[&victim], &[]);
    until("the replica has its cluster back", PATIENCE, || {
        let back = again.records(|record| {
            let fields = &record["fields"];
            fields["message"] == "cluster taken back after a restart"
                && fields["cluster_id"] == caught.urn.as_str()
        });
        !back.is_empty()
    })
    .await;
    running.insert(victim, again);
    until("both clusters are there", PATIENCE, || vcd.is_done()).await;

    for replica in running.values() {
        replica.terminate();
    }
    for (name, replica) in running {
        // Nothing is at work: a drain that takes its time waits for something that never comes.
        let end = replica.end(Duration::from_secs(5)).await;
        assert_eq!(end.code, Some(0), "{name}: {:#?}", end.lines);
        assert_eq!(end.errors(), Vec::<&String>::new(), "{name}");
    }
    vcd.assert_created_once(&urns);
}
