//! The command line: which command does what, and what its exit code tells.
//!
//! Flow: `main` parses [`Cli`]; [`execute`] runs one command and turns its end into an exit code.
//!
//! Invariants:
//! - A command that fails says why in one line, with what to do, and its exit code tells the kind.
//!
//! Not here: what a replica does (`controller`), the demonstration (`demo`).
//! Source: exit codes as in `sysexits.h`, which systemd shows by name.

pub mod exit;
mod replica;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::DEFAULT_FILE;
use exit::Failure;

/// Highly available replacement for the Container Service Extension server of Cloud Director
///
/// Every replica polls VCD for cluster entities, claims work on them and creates Kubernetes clusters.
/// Replicas share nothing but VCD: start as many as you like.
#[derive(Debug, Parser)]
#[command(name = "cse-server", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the demo did not converge; 64 wrong usage; \
    69 VCD cannot be reached; 76 VCD answers what this server cannot use; 77 VCD refuses the API \
    token or the rights are missing; 78 the configuration is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one replica until SIGTERM
    Run {
        /// The replica's own file: how to reach VCD; everything else is in VCD
        #[arg(long, value_name = "FILE", env = "CSE_CONFIG", default_value = DEFAULT_FILE)]
        config: PathBuf,
    },
    /// Show clusters being created by several replicas on a simulated VCD
    #[cfg(feature = "sim")]
    Demo(crate::demo::DemoArgs),
}

/// Runs the command and tells how it ended.
pub fn execute(cli: Cli) -> ExitCode {
    let ended = match cli.command {
        Command::Run { config } => replica::run(&config),
        #[cfg(feature = "sim")]
        Command::Demo(args) => crate::demo::run_command(args),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            say(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// One line on standard error; under systemd the journal has it too.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn say(failure: &Failure) {
    eprintln!("cse-server: {failure}");
}
