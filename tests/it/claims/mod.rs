//! Claims as other replicas, other servers, other clocks and other tenants meet them.

mod clocks;
mod drain;
mod identity;
mod intervals;
mod original;
mod pace;
mod sharing;

use std::time::Duration;

use cse_server::domain::claim::Heartbeat;
use serde_json::json;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

/// Effects that happen once for each cluster that is created without trouble.
const ONCE: [&str; 4] = [
    "vapp.composed",
    "vm.created",
    "vm.powered_on",
    "vapp.deleted",
];

/// The record of a cluster; only of one of our replicas.
fn record(fleet: &Fleet, urn: &str) -> Heartbeat {
    let view = fleet.cluster(urn);
    let text = view.heartbeat.unwrap_or_default();
    Heartbeat::parse(&text).unwrap_or_else(|| panic!("{text:?}\n{}", fleet.context()))
}

/// Who holds the cluster; "gone" when there is none any more.
fn holder(fleet: &Fleet, urn: &str) -> String {
    let clusters = fleet.world().clusters();
    let found = clusters.into_iter().find(|cluster| cluster.urn == urn);
    found.map_or_else(
        || "gone".to_owned(),
        |found| found.holder.unwrap_or_default(),
    )
}

/// Writes poll, watcher and stale intervals, in minutes, into the server configuration.
async fn set_intervals(fleet: &Fleet, (poll, watcher, stale): (u64, u64, u64)) {
    let id = fleet.configuration().await;
    fleet.change(&id, |content| {
        content["profiles"][0]["serverConfig"] = json!({
            "rdePollIntervalInMin": poll,
            "heartbeatWatcherTimeoutInMin": watcher,
            "staleHeartbeatIntervalInMin": stale,
        });
    });
}
