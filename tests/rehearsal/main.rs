//! A rehearsal of the bootstrap: the real user data runs on this machine, with the real scripts, in a
//! directory of its own, and a stand-in for every program that would touch anything else.
//!
//! Goal: every phase, every failure, every repetition and every configuration of the bootstrap behaves
//! as the server and its operators rely on.
//!
//! Method: this binary is the stand-in, too: in a rehearsal each program is a file that starts it with
//! [`standin::FLAG`]. Stand-ins write down how they were called, remember a small world, and go wrong on
//! demand. What can go wrong is never listed by hand: it is taken from the record of a clean run.
//! `cargo test --test rehearsal -- faults` runs the cases with that word in their name. Everything takes
//! minutes: unless `REHEARSAL=all` is in the environment, one experiment in [`SHARE`] is made.
//!
//! Nobody waits: a pause is a thousandth of itself, and a call that hangs tells the `timeout` it runs
//! under that the time is over.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "stand-ins say what the real programs say"
)]
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the names are our own"
)]

mod clean;
mod configurations;
mod crashes;
mod faults;
mod hostile;
mod lint;
mod order;
mod standin;
mod table;
mod vm;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).map(String::as_str) == Some(standin::FLAG) {
        return standin::main(&words[2..]);
    }
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = [
        lint::trials(),
        clean::trials(),
        configurations::trials(),
        faults::trials(),
        crashes::trials(),
        hostile::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    table::show();
    conclusion.exit_code()
}

/// Without being asked for all, one experiment of so many is made.
const SHARE: usize = 5;

/// The experiments to make now, of `all` there are; `turn` says which ones are taken.
fn chosen<T>(all: Vec<T>, turn: usize) -> Vec<T> {
    if std::env::var("REHEARSAL").is_ok_and(|which| which == "all") {
        return all;
    }
    let first = turn % SHARE.min(all.len().max(1));
    all.into_iter().skip(first).step_by(SHARE).collect()
}

/// A case whose failure is a panic, as in ordinary tests.
fn trial(name: impl Into<String>, case: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        case();
        Ok(())
    })
}
