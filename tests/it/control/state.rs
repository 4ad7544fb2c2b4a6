//! A world that is saved and read back goes on as if nothing had happened.

use std::time::Duration;

use cse_server::sim::world::World;

use crate::support::fleet::Fleet;

const HOUR: Duration = Duration::from_hours(1);

fn text(world: &World) -> Vec<u8> {
    let mut text = Vec::new();
    world.save(None, &mut text).unwrap();
    text
}

fn reload(world: &mut World) {
    let saved = text(world);
    *world = World::load(saved.as_slice(), None).unwrap().world;
    let again = text(world);
    assert!(saved == again, "what is read back is written as it was");
}

/// Runs a fleet to its end, reading its world back at the given seconds.
async fn history(seed: u64, reloads: &[u64]) -> (Vec<String>, Vec<u8>) {
    let mut fleet = Fleet::new(seed);
    fleet.ask_for("amber");
    fleet.ask_for_repaired("birch");
    fleet.world().fail_guest("birch", "network", 1);
    fleet.start("a");
    fleet.start("b");
    let begin = fleet.clock.now();
    for second in reloads {
        let due = Duration::from_secs(*second);
        fleet
            .pass_time(due.saturating_sub(fleet.clock.now().since(begin)))
            .await;
        reload(&mut fleet.world());
    }
    assert!(
        fleet.until(HOUR, Fleet::all_provisioned).await,
        "{}",
        fleet.context()
    );
    let left = HOUR.saturating_sub(fleet.clock.now().since(begin));
    fleet.pass_time(left).await;
    let world = fleet.world();
    (fleet.journal.lines(), text(&world))
}

#[tokio::test(start_paused = true)]
async fn a_world_read_back_in_the_middle_of_creations_has_the_same_history_byte_for_byte() {
    let (plain, end) = history(11, &[]).await;
    let mut rng = fastrand::Rng::with_seed(11);
    for _ in 0..3 {
        let mut moments: Vec<u64> = std::iter::repeat_with(|| rng.u64(1..900)).take(6).collect();
        moments.sort_unstable();
        let (journal, same_end) = history(11, &moments).await;
        let differs = plain.iter().zip(&journal).find(|(a, b)| a != b);
        assert!(plain == journal, "reloads at {moments:?}: {differs:?}");
        assert!(end == same_end, "reloads at {moments:?}: the ends differ");
    }
}
