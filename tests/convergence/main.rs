//! Claims cannot be doubly held, and every cluster converges: the proof.
//!
//! Goal: whatever replicas, networks, clocks, clients and VCD do, the outcome is as if one server had done the
//! work once.
//!
//! Method: by command everything, in plain `cargo test` a share of it that fits a minute or two per part:
//! - `model`: every reachable state of the claim protocol, on the daemon's own decisions; mutants of each rule.
//! - `calls`: every workflow, once per call and fault, on the simulator.
//! - `sieve`: the classic bugs of controllers, by name.
//! - `fleets`: seeded fleets with everything going wrong at once.
//! - `writers`: everybody else who writes into the documents, and what becomes of their updates and ours.
//! - `failover`, `sharing`: how long it takes, and how the work spreads.
//! - `processes`: real processes that are killed, stopped and cut off.
//!
//! `cargo test --test convergence -- fleets` runs the cases with that word in their name. What is made by
//! default and what by command is said by [`effort`]; the figures come at the end of the run.
//! `CONVERGENCE=all CONVERGENCE_PART=2/5 cargo test --release --test convergence -- calls` makes the second fifth of
//! every call with every fault.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
#![expect(clippy::print_stdout, reason = "figures are the result")]

mod calls;
mod effort;
mod failover;
mod figures;
mod fleets;
mod model;
mod processes;
mod sharing;
mod sieve;
mod stage;
#[expect(dead_code, reason = "a part of it serves the other tests only")]
#[path = "../it/support/mod.rs"]
mod support;
mod writers;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each case uses every processor by itself.
    arguments.test_threads.get_or_insert(1);
    let mut trials: Vec<Trial> = model::trials();
    trials.extend(calls::trials());
    trials.extend(sieve::trials());
    trials.extend(fleets::trials());
    trials.extend(failover::trials());
    trials.extend(sharing::trials());
    trials.extend(writers::trials());
    trials.extend(processes::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    figures::show();
    conclusion.exit_code()
}
