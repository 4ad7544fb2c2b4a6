//! A deletion as a client sees it: both flags set, a look every ten seconds, done when the entity is gone.

use std::time::Duration;

use serde_json::Value;

use super::history::assert_readable;
use super::{HOUR, NAME, POOL, asked, counts, eventually, provisioned, shapes};
use crate::support::client::typed::rewritten;
use crate::support::client::{Client, Shape};
use crate::support::fleet::Fleet;

/// Nothing that the cluster had is left.
fn assert_nothing_left(fleet: &Fleet, urn: &str) {
    assert_eq!(
        fleet.world().entity_content(urn),
        None,
        "{}",
        fleet.context()
    );
    let machines = fleet.world().vms();
    let left = machines.iter().filter(|vm| vm.vapp.starts_with(NAME));
    assert_eq!(left.count(), 0, "{}", fleet.context());
    let leaks = fleet.world().leaks();
    assert!(leaks.is_empty(), "{leaks:?}\n{}", fleet.context());
}

/// Deletes and waits, and every version on the way can be read.
async fn delete(fleet: &Fleet, client: &Client, urn: &str) {
    let deleted = client.delete(fleet, urn, 2 * HOUR).await;
    assert_eq!(deleted, Ok(()), "{}", fleet.context());
    assert_nothing_left(fleet, urn);
    assert_readable(fleet, urn);
}

fn state(content: &Value) -> String {
    let state = content["status"]["vcdKe"]["state"].as_str();
    state.unwrap_or_default().to_owned()
}

/// The states in their order, each once.
fn states(fleet: &Fleet, urn: &str) -> Vec<String> {
    let mut states: Vec<String> = fleet.versions.of(urn).iter().map(state).collect();
    states.dedup();
    states
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_entity_is_gone_and_then_nothing_is_left() {
    for (seed, shape) in shapes(5_000) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        delete(&fleet, &client, &urn).await;
        let states = states(&fleet, &urn);
        let wanted = ["", "provisioning", "provisioned", "deleting"];
        assert_eq!(states, wanted, "{}", fleet.context());
        fleet.pass(HOUR).await;
        assert_nothing_left(&fleet, &urn);
    }
}

/// The entity goes last: as long as a client can read it, something may be there; never the reverse.
#[tokio::test(start_paused = true)]
async fn the_entity_outlives_everything_the_cluster_had() {
    let (fleet, client, urn) = provisioned(5_010, Shape::V42).await;
    client.mark(&fleet, &urn, true).unwrap();
    let gone = |fleet: &Fleet| fleet.world().entity_content(&urn).is_none();
    let mut emptied = false;
    while !gone(&fleet) {
        let machines = fleet.world().vms();
        emptied = !machines.iter().any(|vm| vm.vapp == NAME);
        assert!(
            fleet.clock.now().since_origin() < 4 * HOUR,
            "{}",
            fleet.context()
        );
        fleet.pass_time(Duration::from_secs(1)).await;
    }
    assert!(emptied, "nodes outlived the entity\n{}", fleet.context());
    assert_nothing_left(&fleet, &urn);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_in_the_same_vdc_is_not_touched() {
    for (seed, shape) in shapes(5_020) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        let sibling = client.ask(&mut fleet, shape, ("kite70", false));
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap();
        client.wait(&fleet, &sibling, HOUR).await.unwrap();
        let count = |fleet: &Fleet| {
            let machines = fleet.world().vms();
            machines.iter().filter(|vm| vm.vapp == "kite70").count()
        };
        let before = count(&fleet);
        assert_eq!(before, 2, "{}", fleet.context());
        client.delete(&fleet, &urn, 2 * HOUR).await.unwrap();
        fleet.pass(Duration::from_mins(20)).await;
        assert_eq!(count(&fleet), before, "{}", fleet.context());
        let read = client.read(&fleet, &sibling).unwrap();
        assert_eq!(read.state, "provisioned", "{}", fleet.context());
        assert_eq!(
            counts(&fleet, &sibling, POOL),
            Some((1, 1)),
            "{}",
            fleet.context()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_is_deleted_as_any_other_cluster() {
    for (seed, shape) in shapes(5_030) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.world().fail_guest(NAME, "workers", 1);
        fleet.start("a");
        client.wait(&fleet, &urn, HOUR).await.unwrap_err();
        delete(&fleet, &client, &urn).await;
    }
}

/// A client that gave up waiting deletes what it began: whatever had been made by then goes.
#[tokio::test(start_paused = true)]
async fn a_deletion_in_the_middle_of_a_creation_ends_both() {
    for (n, moment) in (1_u64..).step_by(17).take(12).enumerate() {
        let shape = Shape::ALL[n % 3];
        let (mut fleet, client, urn) = asked(5_040 + moment, shape, n % 2 == 0);
        fleet.what = format!("deleted after {moment} s, {}", fleet.what);
        fleet.start("a");
        fleet.pass(Duration::from_secs(moment)).await;
        delete(&fleet, &client, &urn).await;
        fleet.pass(Duration::from_mins(40)).await;
        assert_nothing_left(&fleet, &urn);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_begun_is_deleted_without_being_created() {
    for (seed, shape) in shapes(5_060) {
        let (mut fleet, client, urn) = asked(seed, shape, true);
        client.mark(&fleet, &urn, true).unwrap();
        fleet.start("a");
        delete(&fleet, &client, &urn).await;
        assert_eq!(
            fleet.effect("vapp.composed", &urn),
            0,
            "{}",
            fleet.context()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_set_while_every_server_is_down_is_found_later() {
    for (seed, shape) in shapes(5_070) {
        let (mut fleet, client, urn) = provisioned(seed, shape).await;
        fleet.stop("a").await;
        let early = client.delete(&fleet, &urn, Duration::from_mins(30)).await;
        assert_eq!(early, Err("timeout reached".to_owned()));
        fleet.start("b");
        delete(&fleet, &client, &urn).await;
    }
}

/// Two people, one of whom saves an older read of the cluster: the flags are lost, again and again. The
/// client that deletes sets them again as it waits; the cluster goes all the same.
#[tokio::test(start_paused = true)]
async fn a_deletion_ends_although_a_racing_update_drops_its_marks() {
    for (n, moment) in [1_u64, 9, 14, 25, 40, 60, 90].into_iter().enumerate() {
        let shape = Shape::ALL[n % 3];
        let (fleet, client, urn) = provisioned(5_080 + moment, shape).await;
        let old = client.get(&fleet, &urn).unwrap().content().clone();
        client.mark(&fleet, &urn, true).unwrap();
        fleet.pass(Duration::from_secs(moment)).await;
        // When it is gone by then, there is nothing to overwrite.
        let _gone = client.overwrite(&fleet, &urn, &rewritten(&old).unwrap());
        delete(&fleet, &client, &urn).await;
    }
}

/// The same by a client that knows the state: nobody sets the flags again, and none of them is needed.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_has_begun_needs_its_marks_no_more() {
    for (seed, shape) in shapes(5_090) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        client.mark(&fleet, &urn, true).unwrap();
        let begun = |fleet: &Fleet| {
            let content = fleet.world().entity_content(&urn);
            content.is_none_or(|content| state(&Value::Object(content)) == "deleting")
        };
        assert!(eventually(&fleet, HOUR, begun).await, "{}", fleet.context());
        let now = client
            .get(&fleet, &urn)
            .expect("it takes longer")
            .content()
            .clone();
        let typed = rewritten(&now).unwrap();
        assert_eq!(typed["spec"]["vcdKe"].get("markForDelete"), None);
        client.overwrite(&fleet, &urn, &typed).unwrap();
        let gone = |fleet: &Fleet| fleet.world().entity_content(&urn).is_none();
        assert!(
            eventually(&fleet, 2 * HOUR, gone).await,
            "{}",
            fleet.context()
        );
        assert_nothing_left(&fleet, &urn);
    }
}

/// While a cluster is being deleted, clients refuse to change it.
#[tokio::test(start_paused = true)]
async fn a_cluster_being_deleted_cannot_be_changed() {
    let (fleet, client, urn) = provisioned(5_100, Shape::V42).await;
    client.mark(&fleet, &urn, true).unwrap();
    let begun = |fleet: &Fleet| state(&Value::Object(fleet.content(&urn))) == "deleting";
    assert!(fleet.until(HOUR, begun).await, "{}", fleet.context());
    let mut cluster = client.read(&fleet, &urn).unwrap();
    let refused = client.update(&fleet, (&urn, &mut cluster), |_| {});
    assert!(refused.unwrap_err().contains("'deleting'"));
    delete(&fleet, &client, &urn).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_ends_among_conflicts_and_deaths_of_servers() {
    for (seed, shape) in shapes(5_110) {
        let (mut fleet, client, urn) = provisioned(seed, shape).await;
        super::with_conflicts(&fleet);
        fleet.start("b");
        client.mark(&fleet, &urn, true).unwrap();
        fleet.pass(Duration::from_secs(25)).await;
        fleet.kill("a").await;
        fleet.pass(Duration::from_secs(25)).await;
        fleet.start("a");
        fleet.kill("b").await;
        delete(&fleet, &client, &urn).await;
    }
}

/// Other clients than Terraform set the first flag only.
#[tokio::test(start_paused = true)]
async fn a_plain_deletion_with_nothing_in_its_way_ends_too() {
    for (seed, shape) in shapes(5_120) {
        let (fleet, client, urn) = provisioned(seed, shape).await;
        client.mark(&fleet, &urn, false).unwrap();
        let gone = |fleet: &Fleet| fleet.world().entity_content(&urn).is_none();
        assert!(
            eventually(&fleet, 2 * HOUR, gone).await,
            "{}",
            fleet.context()
        );
        assert_nothing_left(&fleet, &urn);
    }
}
