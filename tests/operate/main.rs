//! What operators do with the program, against the simulator: installing, checking, watching, restoring.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

#[expect(dead_code, reason = "a part of it serves the other tests only")]
#[path = "../it/support/mod.rs"]
mod support;

mod backup;
mod check;
mod config;
mod init;
mod install;
mod log;
mod recovery;
mod reload;
mod simulator;
mod views;
