//! Replicas that are not as they should be: wrong clocks, an identity that another process has, too.

use cse_server::clock::Clock;

use super::{BEGINNING, Fleet, HolderId};

impl Fleet {
    /// A clock `hours` ahead of the site's that runs at `percent` of its speed.
    pub(crate) fn wrong_clock(hours: i64, percent: u32) -> Clock {
        let clock = Clock::virtual_skewed(BEGINNING.parse().unwrap(), percent);
        clock.step_date(hours * 3600);
        clock
    }

    /// Starts a replica that lives by its own clock.
    pub(crate) fn start_by(&mut self, name: &str, clock: Clock) {
        let chance = self.next_chance();
        let me = HolderId::new(name, chance.next_u128());
        self.launch(name, me, (chance, clock));
    }

    /// Starts a second process with the identity of a running one, to the last letter.
    pub(crate) fn start_twin(&mut self, name: &str, of: &str) {
        let chance = self.next_chance();
        let me = self.running[of].me.clone();
        let clock = self.clock.clone();
        self.launch(name, me, (chance, clock));
    }
}
