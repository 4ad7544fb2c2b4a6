//! Clients that write the whole entity back from an old read, and lose what they do not know.

use std::time::Duration;

use super::{HOUR, asked, provisioned, shapes};
use crate::support::client::Shape;
use crate::support::client::typed::rewritten;
use crate::support::fleet::Fleet;

/// How old the content is that comes back.
#[derive(Clone, Copy, Debug)]
enum Age {
    /// As it was when the cluster was asked for: without any status.
    First,
    /// As it stood so many seconds ago.
    Seconds(u64),
    /// As it stands, without what a typed client does not know.
    Now,
}

const AGES: [Age; 4] = [Age::First, Age::Seconds(7), Age::Seconds(45), Age::Now];

/// Lets a client write old content back at `moment` of a creation, and the creation then go on.
async fn rewritten_at(moment: Duration, age: Age, seed: u64) -> Fleet {
    let (mut fleet, client, urn) =
        asked(seed, Shape::ALL[usize::try_from(seed % 3).unwrap()], false);
    fleet.what = format!("{age:?} at {moment:?}, {}", fleet.what);
    let first = client.get(&fleet, &urn).unwrap().content().clone();
    fleet.start("a");
    fleet.start("b");
    let before = match age {
        Age::Seconds(secs) => moment.saturating_sub(Duration::from_secs(secs)),
        Age::First | Age::Now => moment,
    };
    fleet.pass_time(before).await;
    let held = client.get(&fleet, &urn).unwrap().content().clone();
    fleet.pass_time(moment.saturating_sub(before)).await;
    let content = match age {
        Age::First => first,
        Age::Seconds(_) | Age::Now => rewritten(&held).unwrap(),
    };
    client.overwrite(&fleet, &urn, &content).unwrap();
    let done = client.wait(&fleet, &urn, HOUR).await;
    assert!(done.is_ok(), "{done:?}\n{}", fleet.context());
    fleet.pass(Duration::from_mins(4)).await;
    fleet
}

/// How long a creation takes here.
async fn length_of_a_creation() -> Duration {
    let (fleet, _, _) = provisioned(4_200, Shape::V42).await;
    fleet.clock.now().since_origin()
}

/// Runs of one share of the moments; `CSE_REWRITES` asks for others.
const RUNS: u64 = 8;

/// Goal: whatever a client writes back, at whatever moment of a creation: the cluster comes to be, from
/// one bootstrap VM, and nothing is left over.
///
/// Method: content of four ages in turn, written at moments spread evenly over a creation; the shares lie
/// between each other.
async fn rewrites(share: u64) {
    let runs = std::env::var("CSE_REWRITES").map_or(RUNS, |text| text.parse().unwrap());
    let length = u64::try_from(length_of_a_creation().await.as_millis()).unwrap();
    assert!(length > 60_000, "a creation of {length} ms has no moments");
    for run in 0..runs {
        let moment = length * 9 / 10 * (4 * run + share) / (4 * runs) + 500;
        let age = AGES[usize::try_from((run + share) % 4).unwrap()];
        let seed = 4_300 + share * 1_000 + run;
        let fleet = rewritten_at(Duration::from_millis(moment), age, seed).await;
        fleet.assert_sound();
        let urn = &fleet.urns[0];
        assert_eq!(fleet.effect("vm.powered_on", urn), 1, "{}", fleet.context());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_at_any_moment_of_a_creation_converges_first_share() {
    rewrites(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_at_any_moment_of_a_creation_converges_second_share() {
    rewrites(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_at_any_moment_of_a_creation_converges_third_share() {
    rewrites(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_at_any_moment_of_a_creation_converges_last_share() {
    rewrites(3).await;
}

/// A client that saves on every read, all through a creation: the claim is kept or taken again.
#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_rewriting_cannot_stop_a_creation() {
    for (seed, shape) in shapes(4_700) {
        let (mut fleet, client, urn) = asked(seed, shape, false);
        fleet.start("a");
        let mut held = client.get(&fleet, &urn).unwrap().content().clone();
        for _ in 0..40 {
            fleet.pass(Duration::from_secs(5)).await;
            client
                .overwrite(&fleet, &urn, &rewritten(&held).unwrap())
                .unwrap();
            held = client.get(&fleet, &urn).unwrap().content().clone();
        }
        let done = client.wait(&fleet, &urn, HOUR).await;
        assert!(done.is_ok(), "{done:?}\n{}", fleet.context());
        fleet.pass(Duration::from_mins(4)).await;
        fleet.assert_sound();
        assert_eq!(
            fleet.effect("vm.powered_on", &urn),
            1,
            "{}",
            fleet.context()
        );
    }
}

/// The schema's default of auto-repair is on, and clients leave out what is off.
#[tokio::test(start_paused = true)]
async fn an_absent_auto_repair_is_off() {
    let (mut fleet, client, urn) = asked(4_710, Shape::V42, false);
    fleet.change(&urn, |content| {
        let flags = content["spec"]["vcdKe"].as_object_mut().unwrap();
        flags.remove("autoRepairOnErrors").unwrap();
    });
    fleet.world().fail_guest(super::NAME, "kind", 1);
    fleet.start("a");
    let printed = client.wait(&fleet, &urn, HOUR).await.unwrap_err();
    assert!(printed.contains("\"kind\" failed"), "{printed}");
    fleet.pass(HOUR).await;
    assert_eq!(
        fleet.effect("vm.powered_on", &urn),
        1,
        "{}",
        fleet.context()
    );
}
