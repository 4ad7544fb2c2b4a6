//! How long things take in the simulated VCD, in clock time before any time scale.

use std::time::Duration;

/// Durations of the simulated operations. Every use is stretched by up to ±20 % from the seed.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// Time one request takes to be answered.
    pub answer: Duration,
    /// Composing an empty vApp.
    pub compose: Duration,
    /// Copying a template into a vApp as a new VM.
    pub recompose: Duration,
    /// Changing sections of a VM or a vApp.
    pub reconfigure: Duration,
    /// Power operations.
    pub power: Duration,
    /// Undeploying.
    pub undeploy: Duration,
    /// Deleting a VM or a vApp.
    pub delete: Duration,
    /// Running a behavior.
    pub behavior: Duration,
    /// One phase of a guest's bootstrap script that waits for nobody else.
    pub guest_phase: Duration,
    /// One node machine from its creation to Ready.
    pub node: Duration,
    /// Changing a service of an edge gateway.
    pub network: Duration,
    /// From a virtual service's creation to its first health report.
    pub health: Duration,
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
        }
    }
}

impl Timings {
    /// `duration` stretched or shortened by up to 20 %.
    pub(crate) fn vary(duration: Duration, rng: &mut fastrand::Rng) -> Duration {
        duration.mul_f64(0.8 + 0.4 * rng.f64())
    }
}
