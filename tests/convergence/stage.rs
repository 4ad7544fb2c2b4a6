//! Where runs begin: fleets prepared up to a point, and what people do to their clusters.
//!
//! The cluster in question is `oak`, the first one of its fleet. Replica `z` prepares it; those that are
//! watched afterwards have other names.

use std::time::Duration;

use cse_server::sim::seed::ClusterEdit;
use serde_json::json;

use crate::effort::on_virtual_time;
use crate::support::fleet::{Fleet, Saved};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A cluster that was asked for, and nobody at work.
pub(crate) fn asked(seed: u64, repaired: bool, then: fn(&Fleet)) -> Saved {
    on_virtual_time(async {
        let mut fleet = Fleet::quick(seed);
        if repaired {
            fleet.ask_for_repaired("oak");
        } else {
            fleet.ask_for("oak");
        }
        then(&fleet);
        fleet.save()
    })
}

/// A fleet whose only replica has brought its only cluster so far.
pub(crate) async fn brought(seed: u64, there: impl Fn(&Fleet) -> bool) -> Fleet {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fleet.start("z");
    assert!(fleet.until(HOUR, there).await, "{}", fleet.context());
    fleet
}

/// A cluster whose creation has begun, marked for deletion after its replica was stopped.
pub(crate) async fn begun(seed: u64, there: impl Fn(&Fleet) -> bool) -> Saved {
    let mut fleet = brought(seed, there).await;
    fleet.stop("z").await;
    mark(&fleet, false);
    fleet.save()
}

/// A running cluster, marked for deletion.
pub(crate) async fn provisioned(seed: u64, with: impl AsyncFnOnce(&Fleet), forced: bool) -> Saved {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    fleet.stop("z").await;
    with(&fleet).await;
    mark(&fleet, forced);
    fleet.save()
}

/// Two Services, of one and of two ports.
pub(crate) async fn with_services(fleet: &Fleet) {
    fleet.service("oak", "web", &[80, 443]).await;
    fleet.service("oak", "db", &[5432]).await;
}

/// A bootstrap VM that nobody looks after, because its replica was killed.
pub(crate) async fn orphaned(seed: u64) -> Saved {
    let mut fleet = brought(seed, |fleet| has(fleet, "vm.powered_on")).await;
    fleet.kill("z").await;
    fleet.save()
}

/// The bootstrap VM of a failed creation, right after the time for its inspection is over.
pub(crate) async fn kept(seed: u64) -> Saved {
    let mut fleet = Fleet::quick(seed);
    fleet.ask_for("oak");
    fail(&fleet, "kind");
    fleet.start("z");
    let failed = |fleet: &Fleet| fleet.is_in(urn(fleet), "error") && fleet.is_let_go(urn(fleet));
    assert!(fleet.until(HOUR, failed).await, "{}", fleet.context());
    fleet.stop("z").await;
    fleet.pass_time(24 * HOUR + HOUR / 12).await;
    fleet.save()
}

/// A running cluster at rest that a tenant has just edited; its machines take a while.
pub(crate) async fn edited(seed: u64, edit: ClusterEdit) -> Saved {
    let mut fleet = brought(seed, Fleet::all_provisioned).await;
    // Its report follows, and half an hour later nobody takes it for new any more.
    fleet.pass_time(Duration::from_mins(35)).await;
    fleet.stop("z").await;
    fleet.world().timings_mut().node = Duration::from_mins(6);
    let (now, wall) = (fleet.clock.now(), fleet.clock.wall());
    let tenant = fleet.tenants[0].clone();
    let edited = fleet
        .world()
        .edit_cluster((&tenant, urn(&fleet)), &edit, now, wall);
    assert!(edited, "{}", fleet.context());
    fleet.save()
}

/// Lets the bootstrap fail once in a phase.
pub(crate) fn fail(fleet: &Fleet, phase: &str) {
    fleet.world().fail_guest("oak", phase, 1);
}

/// Marks the cluster for deletion, as the portal or Terraform does.
pub(crate) fn mark(fleet: &Fleet, forced: bool) {
    fleet.mark(urn(fleet), forced);
}

pub(crate) fn has(fleet: &Fleet, effect: &str) -> bool {
    fleet.effect(effect, urn(fleet)) > 0
}

pub(crate) fn tells(fleet: &Fleet, event: &str) -> bool {
    let world = fleet.world();
    let events = world.entity_value(urn(fleet), &["status", "vcdKe", "eventSet"]);
    let events = events.as_ref().and_then(serde_json::Value::as_array);
    let mut events = events.into_iter().flatten();
    events.any(|entry| entry["name"] == event)
}

pub(crate) fn is_collected(fleet: &Fleet) -> bool {
    fleet.world().bootstrap_leftovers().is_empty()
}

/// URN of the cluster that the workflow is about.
pub(crate) fn urn(fleet: &Fleet) -> &str {
    &fleet.urns[0]
}

/// Whether the cluster is no more.
pub(crate) fn is_gone(fleet: &Fleet) -> bool {
    !fleet.world().has_entity(urn(fleet))
}

/// Changes the limits of health checks in the shared configuration, for existing clusters too or not.
pub(crate) async fn configure(fleet: &Fleet, unhealthy: u32, existing: bool) {
    let configuration = fleet.configuration().await;
    fleet.change(&configuration, |content| {
        content["profiles"][0]["K8Config"]["mhc"] = json!({
            "maxUnhealthyNodes": unhealthy, "nodeStartupTimeout": "1200s",
            "nodeNotReadyTimeout": "300s", "nodeUnknownTimeout": "300s",
            "applyToExisting": existing,
        });
    });
}
