//! What polling costs, and that it never looks like death.

use std::sync::Arc;
use std::time::Duration;

use cse_server::domain::ids::EntityId;
use cse_server::sim::faults::{Fault, Target};
use cse_server::sim::seed::{ClusterRequest, CseShape};
use cse_server::sim::transport::InProcess;
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use secrecy::SecretString;
use serde_json::json;

use crate::support::fleet::Fleet;

const CLUSTERS: usize = 300;
const PAGES: usize = 3;
/// What the unit's watchdog grants.
const WATCHDOG: Duration = Duration::from_secs(30);

/// A site with finished clusters and nothing to do.
async fn idle_fleet(seed: u64) -> Fleet {
    let fleet = Fleet::new(seed);
    let tenant = fleet.tenants[0].clone();
    let (world, clock) = (Arc::clone(&fleet.world), fleet.clock.clone());
    let line = InProcess::new(world, clock, Arc::clone(&fleet.faults));
    let token = SecretString::from(tenant.api_token.clone());
    let login = Login {
        org: tenant.org.clone(),
        token,
    };
    let author = VcdClient::connect(Arc::new(line), login, ClientOptions::default());
    let author = author.await.unwrap();
    for n in 0..CLUSTERS {
        let request = ClusterRequest {
            name: format!("idle-{n:03}"),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("pool".to_owned(), 1)],
            auto_repair: false,
        };
        let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
        let urn = fleet.world().create_cluster(&tenant, &request, now, wall);
        let changed = fleet.world().modify_entity(&urn, wall, |content| {
            let heartbeat = "k1;e=1;s=9;n=00;t=180;p=done;i=1;x=released";
            let done =
                json!({"state": "provisioned", "workerId": "", "heartbeatString": heartbeat});
            content.insert("status".to_owned(), json!({ "vcdKe": done }));
        });
        assert!(changed, "{urn}");
        let resolved = author
            .resolve_entity(&EntityId::parse(&urn).unwrap())
            .await
            .unwrap();
        assert_eq!(resolved.value.state, "RESOLVED");
    }
    fleet
}

/// Goal: an idle cluster costs no request of its own, and a listing costs its pages and nothing else.
#[tokio::test(start_paused = true)]
async fn idle_clusters_cost_their_pages_and_no_request_of_their_own() {
    let mut fleet = idle_fleet(3_000).await;
    fleet.start("a");
    fleet.pass_time(Duration::from_mins(30)).await;
    let lines = fleet.journal.lines();
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        count("/entities/{id}"),
        0,
        "no cluster is read or written by itself"
    );
    assert_eq!(count("/api/vApp"), 0);
    let listings = count("GET /cloudapi/1.0.0/entities/types/vmware/capvcdCluster ");
    // A quick poll, one request, every 8 to 12 seconds; the full listing about every five minutes.
    let least = 30 * 60 / 12 + 5 * PAGES;
    let most = 30 * 60 / 8 + 8 * PAGES;
    assert!(
        (least..=most).contains(&listings),
        "{listings} listings, not {least} to {most}"
    );
    let clusters = fleet.world().clusters();
    assert_eq!(clusters.len(), CLUSTERS);
    assert!(clusters.iter().all(|one| one.holder.as_deref() == Some("")));
}

/// Goal: a replica that waits for a slow or silent VCD is not taken for a dead one.
#[tokio::test(start_paused = true)]
async fn life_signs_never_pause_as_long_as_the_watchdog_waits() {
    let mut fleet = Fleet::new(3_001);
    fleet.ask_for("oak");
    fleet.start("a");
    fleet.pass_time(Duration::from_mins(2)).await;
    let slow = Target {
        path: Some("capvcdCluster".to_owned()),
        times: 3,
        ..Target::default()
    };
    fleet
        .faults
        .arm(slow, Fault::Delayed(Duration::from_secs(55)));
    fleet.pass_time(Duration::from_mins(5)).await;
    let all = Target {
        times: u64::MAX,
        ..Target::default()
    };
    fleet.faults.arm(all, Fault::RequestLost);
    fleet.pass_time(Duration::from_mins(20)).await;
    fleet.faults.disarm();
    fleet
        .until(Duration::from_hours(1), Fleet::all_provisioned)
        .await;
    fleet.stop("a").await;
    let (signs, longest) = fleet.life.signs();
    assert!(signs > 300, "{signs} signs of life");
    assert!(longest < WATCHDOG / 2, "{longest:?} without a sign of life");
    assert!(fleet.faults.struck() > 10, "nothing went wrong");
    assert!(fleet.all_provisioned(), "{}", fleet.context());
}
