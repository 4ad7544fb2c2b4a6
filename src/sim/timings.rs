//! How long things take in the simulated VCD, in clock time before any time scale.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// Durations of the simulated operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timings {
    /// Time one request takes to be answered.
    #[serde(with = "duration")]
    pub answer: Duration,
    /// Composing a vApp, besides the copies in it; an empty one only where the settings say so.
    #[serde(with = "duration")]
    pub compose: Duration,
    /// Copying a template into a vApp as a new VM.
    #[serde(with = "duration")]
    pub recompose: Duration,
    /// Changing sections of a VM or a vApp.
    #[serde(with = "duration")]
    pub reconfigure: Duration,
    /// Power operations.
    #[serde(with = "duration")]
    pub power: Duration,
    /// Undeploying.
    #[serde(with = "duration")]
    pub undeploy: Duration,
    /// Deleting a VM or a vApp.
    #[serde(with = "duration")]
    pub delete: Duration,
    /// Running a behavior.
    #[serde(with = "duration")]
    pub behavior: Duration,
    /// One phase of a guest's bootstrap script that waits for nobody else.
    #[serde(with = "duration")]
    pub guest_phase: Duration,
    /// One node machine from its creation to Ready.
    #[serde(with = "duration")]
    pub node: Duration,
    /// Changing a service of an edge gateway.
    #[serde(with = "duration")]
    pub network: Duration,
    /// From a virtual service's creation to its first health report.
    #[serde(with = "duration")]
    pub health: Duration,
    /// From reading an entity to writing it back, where a controller inside a cluster does that.
    #[serde(with = "duration")]
    pub entity_write: Duration,
    /// By how many per cent each of them may be longer or shorter, drawn anew each time; at most 100.
    pub spread: u8,
}

impl Default for Timings {
    /// What a small, healthy site shows: a cluster of a few nodes is ready within about ten minutes.
    fn default() -> Self {
        Self {
            answer: Duration::from_millis(40),
            compose: Duration::from_secs(3),
            recompose: Duration::from_secs(45),
            reconfigure: Duration::from_secs(6),
            power: Duration::from_secs(12),
            undeploy: Duration::from_secs(15),
            delete: Duration::from_secs(8),
            behavior: Duration::from_secs(1),
            guest_phase: Duration::from_secs(30),
            node: Duration::from_secs(90),
            network: Duration::from_secs(4),
            health: Duration::from_secs(6),
            entity_write: Duration::from_millis(300),
            spread: 20,
        }
    }
}

impl Timings {
    /// `duration` stretched or shortened by up to the spread.
    pub(crate) fn vary(&self, duration: Duration, rng: &mut fastrand::Rng) -> Duration {
        let spread = f64::from(self.spread.min(100)) / 100.0;
        duration.mul_f64(1.0 - spread + 2.0 * spread * rng.f64())
    }
}
