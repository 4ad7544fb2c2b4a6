//! Clusters that are available: with Services and volumes, resized, with siblings beside them.

use serde_json::json;

use super::{How, assert_clean, belongings, is_gone, mark, names, provisioned, until_gone, volume};
use crate::support::fleet::Fleet;

/// Lets the cluster's storage class say whether volumes go with their claims.
fn reclaim(fleet: &Fleet, urn: &str, delete: bool) {
    fleet.change(urn, |content| {
        let key = "useDeleteReclaimPolicy";
        content["status"]["vcdKe"]["defaultStorageClass"][key] = json!(delete);
        content["spec"]["vcdKe"]["defaultStorageClassOptions"][key] = json!(delete);
    });
}

#[tokio::test(start_paused = true)]
async fn a_cluster_goes_with_all_that_belongs_to_it_and_a_sibling_of_its_name_stays() {
    for (seed, how) in (3_000..).zip([How::Plain, How::Forced]) {
        // `oak` is the beginning of the sibling's name; both are of one tenant.
        let fleet = provisioned(seed, &["oak", "other", "oak0"]).await;
        let [urn, _, sibling] = [0, 1, 2].map(|n: usize| fleet.urns[n].clone());
        fleet.service("oak", "web", &[80, 443]).await;
        fleet.service("oak0", "web", &[80, 443]).await;
        volume(&fleet, "oak", "pvc-mine").await;
        volume(&fleet, "oak0", "pvc-other").await;
        reclaim(&fleet, &urn, false);
        let before = belongings(&fleet, "oak0", &sibling);
        assert!(before.len() > 8, "{before:?}");
        assert!(belongings(&fleet, "oak", &urn).len() > 8);
        let calls = fleet.sent.lines().len();
        let begun = fleet.clock.now();

        mark(&fleet, &urn, how);
        until_gone(&fleet, &urn).await;

        let took = fleet.clock.now().since(begun).as_secs();
        let calls = fleet.sent.lines().len() - calls;
        assert!((100..400).contains(&calls), "{calls} calls");
        assert!(took < 900, "{took} s\n{}", fleet.context());
        assert!(
            belongings(&fleet, "oak", &urn).is_empty(),
            "{}",
            fleet.context()
        );
        assert_eq!(
            belongings(&fleet, "oak0", &sibling),
            before,
            "{}",
            fleet.context()
        );
        // The storage class says nothing of Delete: the data stays.
        assert_eq!(fleet.world().disks(), ["pvc-mine", "pvc-other"]);
        assert_clean(&fleet, &["pvc-mine"]);
        assert!(!is_gone(&fleet, &sibling));
    }
}

#[tokio::test(start_paused = true)]
async fn volumes_go_only_by_force_and_reclaim_policy() {
    let rows = [
        (How::Plain, false, true),
        (How::Plain, true, true),
        (How::Forced, false, true),
        (How::Forced, true, false),
    ];
    for (seed, (how, delete, kept)) in (3_010..).zip(rows) {
        let fleet = provisioned(seed, &["elm"]).await;
        let urn = fleet.urns[0].clone();
        volume(&fleet, "elm", "pvc-1").await;
        reclaim(&fleet, &urn, delete);
        mark(&fleet, &urn, how);
        let told = |fleet: &Fleet| {
            let events = names(fleet, &urn, "eventSet");
            let wanted = if kept {
                "VolumesKept"
            } else {
                "VolumesRemoved"
            };
            events.iter().any(|name| name == wanted)
        };
        assert!(fleet.until(super::HOUR, told).await, "{}", fleet.context());
        until_gone(&fleet, &urn).await;
        assert_eq!(
            fleet.world().disks().len(),
            usize::from(kept),
            "{how:?} {delete}"
        );
        assert_clean(&fleet, if kept { &["pvc-1"] } else { &[] });
    }
}

#[tokio::test(start_paused = true)]
async fn the_tenant_can_follow_a_deletion_and_every_step_is_told_once() {
    let fleet = provisioned(3_020, &["fir"]).await;
    let urn = fleet.urns[0].clone();
    fleet.service("fir", "web", &[80, 443]).await;
    mark(&fleet, &urn, How::Forced);
    let told = |fleet: &Fleet| {
        let events = names(fleet, &urn, "eventSet");
        events.iter().any(|name| name == "ClusterResourcesRemoved")
    };
    assert!(fleet.until(super::HOUR, told).await, "{}", fleet.context());
    assert_eq!(fleet.cluster(&urn).state.as_deref(), Some("deleting"));
    let events = names(&fleet, &urn, "eventSet");
    let start = events
        .iter()
        .position(|name| name == "ClusterDeletionStarted");
    let want = [
        "ClusterDeletionStarted",
        "BootstrapVappRemoved",
        "ClusterNodesStopped",
        "LoadBalancersRemoved",
        "ClusterNodesRemoved",
        "VolumesRemoved",
        "ClusterVappRemoved",
        "ClusterResourcesRemoved",
    ];
    assert_eq!(&events[start.unwrap()..], want, "{}", fleet.context());
    assert_eq!(names(&fleet, &urn, "errorSet"), Vec::<String>::new());
    until_gone(&fleet, &urn).await;
    assert_clean(&fleet, &[]);
}

#[tokio::test(start_paused = true)]
async fn two_replicas_delete_many_clusters_and_nothing_twice() {
    let all = ["ash", "bay", "cob", "dun", "eik", "fig"];
    let mut fleet = provisioned(3_030, &all).await;
    fleet.start("b");
    fleet.start("c");
    for name in all {
        fleet.service(name, "web", &[80, 443]).await;
    }
    let urns = fleet.urns.clone();
    for urn in &urns {
        mark(&fleet, urn, How::Forced);
    }
    for urn in &urns {
        until_gone(&fleet, urn).await;
    }
    assert_clean(&fleet, &[]);
    assert_eq!(fleet.world().vapps(), Vec::<String>::new());
    assert_eq!(fleet.world().network_objects(), Vec::<String>::new());
}
