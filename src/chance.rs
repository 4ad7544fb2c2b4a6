//! The only source of chance: one seeded generator per process, or per replica in a test.
//!
//! Invariants:
//! - Seeded from the system in production; from the test's seed in tests, so every run replays.
//!
//! Not here: secrets. Nothing security depends on comes from here except uniqueness.

use std::sync::{Mutex, PoisonError};

/// A shared, seeded generator.
#[derive(Debug)]
pub struct Chance(Mutex<fastrand::Rng>);

impl Chance {
    /// A generator whose whole output follows from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// A generator seeded by the system's random source.
    pub fn from_system() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self::seeded(high ^ low.rotate_left(32))
    }

    /// A uniformly drawn number.
    pub fn next_u64(&self) -> u64 {
        self.with(|rng| rng.u64(..))
    }

    /// A uniformly drawn number of 128 bits.
    pub fn next_u128(&self) -> u128 {
        self.with(|rng| rng.u128(..))
    }

    /// A uniformly drawn number in `0.0..1.0`.
    pub fn next_fraction(&self) -> f64 {
        self.with(fastrand::Rng::f64)
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        self.with(|rng| rng.shuffle(items));
    }

    fn with<R>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> R) -> R {
        // A panic while drawing leaves a valid generator behind.
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
