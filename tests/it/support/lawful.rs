//! The judge of a fleet: what replicas did against the rules, and what a scenario excuses.
//!
//! Whatever a scenario asserts, nothing unlawful may have been done in it: what was is told at the end of the
//! fleet, unless the scenario has said before that it breaks that invariant, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cse_server::clock::Moment;
use cse_server::sim::judge::Verdict;
use cse_server::sim::judge::liveness::{Calm, Pace, too_long, unsettled};
use cse_server::sim::world::World;

/// The judge of one fleet.
pub(crate) struct Bench {
    seed: u64,
    world: Arc<Mutex<World>>,
    /// Reasons by invariant.
    excused: Mutex<BTreeMap<String, String>>,
}

impl Bench {
    pub(super) fn new(seed: u64, world: &Arc<Mutex<World>>) -> Self {
        Self {
            seed,
            world: Arc::clone(world),
            excused: Mutex::default(),
        }
    }

    pub(super) fn excuse(&self, invariant: &str, why: &str) {
        let mut excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.insert(invariant.to_owned(), why.to_owned());
    }

    pub(super) fn verdicts(&self) -> Vec<String> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let verdicts = world.judge().into_iter();
        verdicts
            .filter(|verdict| !excused.contains_key(&verdict.invariant.to_string()))
            .map(|verdict| verdict.to_string())
            .collect()
    }

    pub(super) fn late(&self, from: Moment, until: Moment) -> Vec<String> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let calm = Calm { from, until };
        let late = too_long(world.history().entries(), calm, Pace::default());
        late.iter().map(Verdict::to_string).collect()
    }

    pub(super) fn unsettled(&self, now: Moment, stays: Duration) -> Vec<String> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let found = unsettled(world.history().entries(), now, stays);
        found.iter().map(Verdict::to_string).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let verdicts = self.verdicts();
        assert!(
            verdicts.is_empty(),
            "seed {}: done against the rules:\n{}",
            self.seed,
            verdicts.join("\n")
        );
    }
}
