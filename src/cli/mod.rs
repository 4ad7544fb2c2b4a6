//! The command line: which command does what, and what its exit code tells.
//!
//! Flow: `main` calls [`parse`], then [`execute`], which runs one command and turns its end into an exit code.
//!
//! Invariants:
//! - A command that fails says why in one line, with what to do, and its exit code tells the kind.
//!
//! Not here: what a replica does (`controller`), the demonstration (`demo`), the simulator (`sim`).
//! Source: exit codes as in `sysexits.h`, which systemd shows by name.

mod backup;
mod beside;
mod check;
mod components;
mod config;
mod crashes;
mod event_loop;
mod events;
pub mod exit;
mod explain;
mod find;
mod generate;
mod init;
mod last_words;
mod orphans;
mod reach;
mod replica;
mod show;
#[cfg(feature = "sim")]
mod sim;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::DEFAULT_FILE;
use exit::Failure;
#[cfg(feature = "agent")]
pub(crate) use replica::stop_on_signal;

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

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  something is left or to be done, configurations differ, or the demo broke a promise
  64  the command line is wrong
  69  VCD cannot be reached
  71  this machine cannot run the program
  76  VCD answers what this server cannot use
  77  VCD refuses the API token, or rights are missing
  78  the configuration is wrong: the file, or the entity vcdKeConfig in VCD";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one replica until SIGTERM
    Run {
        /// The replica's own file: how to reach VCD; everything else is in VCD
        #[arg(long, value_name = "FILE", env = "CSE_CONFIG", default_value = DEFAULT_FILE)]
        config: PathBuf,
    },
    /// Tell whether a replica would work on this machine, and if not, what to do
    Check(Box<check::CheckArgs>),
    /// Show replicas, configuration and clusters, or one cluster, with servers up or down
    Status(Box<status::StatusArgs>),
    /// Tell what is going on with a cluster, what it waits for, what failed and what to do
    Explain(Box<explain::ExplainArgs>),
    /// Show everything that anybody has written about a cluster, in the order of time
    Events(Box<events::EventsArgs>),
    /// Prepare VCD for Kubernetes clusters, or bring what CSE 4.0 or 4.1 left there up to 4.2
    Init(Box<init::InitArgs>),
    /// Show, check and change the configuration that all replicas share
    Config(config::ConfigArgs),
    /// Show which versions clusters run against what the configuration says
    Components(components::ComponentsArgs),
    /// List what is left of clusters that no longer exist, and remove it on request
    Orphans(orphans::OrphansArgs),
    /// Write all cluster entities and the shared configuration to files, without secrets
    Backup(backup::BackupArgs),
    /// Compare a backup with VCD and put back what is damaged or missing
    Restore(backup::RestoreArgs),
    /// Write man pages or completions, as packages carry them
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
    /// Show clusters being created by several replicas on a simulated VCD
    #[cfg(feature = "sim")]
    Demo(crate::demo::DemoArgs),
    /// Run the simulated VCD alone until SIGTERM or Ctrl-C
    #[cfg(feature = "sim")]
    Sim(Box<sim::SimArgs>),
}

/// Reads the command line; what is wrong with it, and help, is printed here.
///
/// # Errors
/// The exit code to end with: 0 after help, 64 after a mistake.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        let code = if error.use_stderr() { exit::USAGE } else { 0 };
        // Whoever closed the pipe does not want to know; the exit code still tells.
        error.print().unwrap_or(());
        ExitCode::from(code)
    })
}

/// Runs the command and tells how it ended.
pub fn execute(cli: Cli) -> ExitCode {
    let ended = match cli.command {
        Command::Run { config } => replica::run(&config),
        Command::Status(args) => status::run(&args),
        Command::Events(args) => events::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Orphans(args) => orphans::run(&args),
        Command::Components(args) => components::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Backup(args) => backup::run_backup(&args),
        Command::Restore(args) => backup::run_restore(&args),
        #[cfg(feature = "sim")]
        Command::Demo(args) => crate::demo::run_command(args),
        #[cfg(feature = "sim")]
        Command::Sim(args) => sim::run(*args),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            say(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// One line on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn say(failure: &Failure) {
    eprintln!("cse-server: {failure}");
}

/// The same where standard error is the journal: it takes the number for the priority, and has the name.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn say_to_journal(failure: &Failure) {
    eprintln!("<3>cannot start: {failure}");
}
