//! The integration tests: one binary, one module per subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[cfg(feature = "agent")]
mod agent;
mod binaries;
mod claims;
mod contract;
mod control;
mod day_two;
mod delete;
mod estate;
mod faults;
mod fuzz;
mod infrastructure;
mod lawful;
mod life_signs;
mod polling;
mod preflight;
mod properties;
mod repair;
mod replicas;
mod scenarios;
mod simulator;
#[expect(
    dead_code,
    reason = "a part of it serves the proof of convergence only"
)]
mod support;
mod tenant_life;
mod tenants;
mod wire;
