//! `cse-server`: a highly available replacement for the `VMware` Cloud Director Container Service
//! Extension server.

pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
#[cfg(feature = "sim")]
pub mod demo;
pub mod domain;
pub mod notify;
pub mod reconcile;
#[cfg(feature = "sim")]
pub mod sim;
pub mod state_dir;
pub mod telemetry;
pub mod vcd;
pub mod yaml;
