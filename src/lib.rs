//! `cse-server`: a highly available replacement for the Container Service Extension server of
//! `VMware` Cloud Director (VCD).
//!
//! Several identical replicas poll VCD for cluster entities, claim work by conditional updates of each
//! entity, and create Kubernetes clusters through a temporary bootstrap VM in the tenant's own VDC.
//! VCD is the only thing they share.
//!
//! # Flow
//!
//! poll → observe → decide → claim → act → record, one file per arrow:
//!
//! | Arrow | File | Takes | Gives |
//! |---|---|---|---|
//! | poll | `controller::poll`, `controller::watch` | pages of entities | clusters that need work |
//! | claim | `controller::claim` | a candidate | the right to act ([`domain::claim`]) |
//! | observe | `controller::observe`, `controller::tenant`, `controller::preflight` | a held cluster | [`reconcile::observation`] |
//! | decide | [`reconcile::decide`] | an observation | [`reconcile::decision`] |
//! | act | `controller::act`, [`bootstrap`] | an action | one effect in VCD |
//! | record | `controller::record`, `controller::document` | a change | one conditional write |
//!
//! # Code map, in reading order
//!
//! - [`domain`]: the nouns. No I/O.
//! - [`reconcile`]: the decisions. Pure and total.
//! - [`bootstrap`], [`yaml`]: what the bootstrap VM is told. Pure.
//! - [`controller`]: the shell around the decisions.
//! - [`setup`]: what a VCD must have before any of this, and making it so.
//! - [`vcd`]: the wire; the only home of HTTP, URLs, JSON and XML of VCD.
//! - [`views`]: what operators are told about clusters and replicas. Pure.
//! - [`clock`], [`chance`]: the only sources of time and randomness.
//! - [`backup`]: the entities as files, and back.
//! - [`cli`], [`config`], [`telemetry`], [`metrics`], [`notify`], [`state_dir`]: the process.
//! - `agent` (feature `agent`): the program inside each cluster that applies the YAML of its entity.
//! - `sim` and `demo` (feature `sim`): a VCD told to misbehave, and the demonstration on it.
//!
//! # Invariants
//!
//! - Dependencies point down: `cli` > `views` > `controller` > {`reconcile`, `bootstrap`, `vcd`} > `domain`;
//!   of the controller, the views use what reads a document and the configuration. The simulator knows
//!   the wire and the domain, nobody but tests, benchmarks and the demo knows the simulator.
//! - Safety never depends on time: intent is written before an effect, an id is committed before the
//!   object may act, everything is deleted by id. Timers only save work.
//! - A replica holds nothing that another one would need.
//!
//! `tests/tidy.rs` enforces the structural ones with every test run.

#[cfg(feature = "agent")]
pub mod agent;
pub mod backup;
pub mod bootstrap;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
#[cfg(feature = "sim")]
pub mod demo;
pub mod domain;
pub mod metrics;
pub mod notify;
pub mod reconcile;
pub mod setup;
#[cfg(feature = "sim")]
pub mod sim;
pub mod state_dir;
pub mod telemetry;
pub mod vcd;
pub mod views;
pub mod yaml;
