//! `cse-server config`: the configuration that all replicas share, the entity `vcdKeConfig`.
//!
//! Flow: find the entity -> show, check or compare it; or change it: read, edit, check, write under the tag of
//! the read.
//!
//! Invariants:
//! - No secret is written to a terminal or file; a placeholder stands for it, and never becomes a value.
//! - An invalid configuration is never written. Keys that nobody knows stay as they are, in their order.
//!
//! Not here: what is valid (`domain::server_config`), the conditional write (`controller::settings::change`).

mod diff;
mod document;
mod edit;
mod set;
mod show;
mod text;
mod validate;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::exit::{CONFIGURATION, Failure};
use super::reach::ReachArgs;
use crate::cli::event_loop::finish;
use crate::cli::show::put;
use crate::config::Config;
use crate::controller::settings::change::ChangeError;
use crate::controller::settings::find_document;
use crate::domain::server_config::ServerConfig;
use crate::domain::server_config::findings::{Finding, Severity, findings};
use crate::domain::versioned::Versioned;
use crate::reconcile::policy::{ClaimTimes, LocalTimes};
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::http::HttpTransport;
use crate::vcd::model::EntityDocument;

use document::Content;

/// Two configurations differ.
const DIFFERS: u8 = 1;

/// What the command takes.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show every key with its value; secrets are masked
    Show(ShowArgs),
    /// Check a file, or the configuration in VCD; all problems at once
    Validate(ValidateArgs),
    /// Change keys in one write, such as serverConfig.rdePollIntervalInMin=2
    Set(SetArgs),
    /// Change the configuration in an editor ($VISUAL, $EDITOR, vi)
    Edit(EditArgs),
    /// Compare a file with the configuration in VCD, or that with the defaults
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Write the entity's content as it is instead of a table; secrets are masked
    #[arg(long, conflicts_with = "json")]
    document: bool,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Debug, Args)]
struct ValidateArgs {
    /// The configuration as JSON, or - for standard input; without it the one in VCD is checked
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write JSON instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Keys below the profile in force with their new values; KEY=@FILE takes the value from a file, so that a
    /// secret stays out of the shell's history
    #[arg(value_name = "KEY=VALUE", required_unless_present = "unset")]
    assignments: Vec<String>,
    /// Take this key away, so that its default holds; may be repeated
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Write keys that neither servers nor clients know
    #[arg(long)]
    force: bool,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Debug, Args)]
struct EditArgs {
    /// Begin with this text instead of the configuration in VCD
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Debug, Args)]
struct DiffArgs {
    /// The configuration as JSON, or - for standard input; without it the defaults are compared
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write JSON instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// What a command prints, and the code it ends with.
struct Said {
    text: String,
    code: u8,
}

impl Said {
    fn fine(text: String) -> Self {
        Self { text, code: 0 }
    }
}

/// Runs the command.
pub(super) fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        ConfigCommand::Show(args) => wait_for(show::show(args)),
        ConfigCommand::Validate(args) => wait_for(validate::validate(args)),
        ConfigCommand::Set(args) => wait_for(set::set(args)),
        ConfigCommand::Edit(args) => wait_for(edit::edit(args)),
        ConfigCommand::Diff(args) => wait_for(diff::diff(args)),
    }
}

fn wait_for(work: impl Future<Output = Result<Said, Failure>>) -> Result<ExitCode, Failure> {
    let said = finish(work)?;
    // Whoever closed the pipe has read enough.
    put(&said.text);
    Ok(ExitCode::from(said.code))
}

/// The configuration in VCD, and the way to it.
struct Live {
    config: Config,
    client: VcdClient<HttpTransport>,
    document: EntityDocument,
}

impl Live {
    async fn open(reach: &ReachArgs) -> Result<Self, Failure> {
        let (config, client) = reach.open().await?;
        let document = find_document(&client).await;
        let document = document.map_err(|error| Failure::settings(&error).at(&config.vcd.url))?;
        Ok(Self {
            config,
            client,
            document,
        })
    }

    /// The entity with the tag that a write needs.
    async fn versioned(&self) -> Result<Versioned<EntityDocument>, Failure> {
        let read = self.client.get_entity(&self.document.id).await;
        read.map_err(|error| Failure::vcd(&error).at(&self.config.vcd.url))
    }

    fn failed(&self, error: &ChangeError) -> Failure {
        let failure = match error {
            ChangeError::Refused(_) => {
                return Failure::told(CONFIGURATION, &format!("nothing was written: {error}"));
            }
            ChangeError::Meanwhile(_) => {
                let what = format!(
                    "nothing was written: {error}; look at it with cse-server config show, then try again"
                );
                Failure::told(super::exit::UNAVAILABLE, &what)
            }
            ChangeError::Vcd(cause) => Failure::vcd(cause),
            ChangeError::Unknown { .. } => {
                let what = format!("{}; look at it with cse-server config show", chain(error));
                Failure::told(super::exit::UNAVAILABLE, &what)
            }
        };
        failure.at(&self.config.vcd.url)
    }
}

/// Everything to say about a configuration, for a replica with these times as well.
fn judged(content: &Content, local: Option<&LocalTimes>) -> Vec<Finding> {
    let mut found = findings(content);
    let Some(local) = local else {
        return found;
    };
    if let Ok(server) = ServerConfig::parse(content)
        && let Err(tight) = ClaimTimes::settle(local, &server.timers())
    {
        let path = "serverConfig";
        let there = "intervals that a replica with this file cannot keep";
        found.insert(0, Finding::error(path, there, tight.to_string()));
    }
    found
}

/// The errors among them, as sentences.
fn errors(found: &[Finding]) -> Vec<String> {
    let errors = found.iter().filter(|one| one.severity == Severity::Error);
    errors.map(Finding::line).collect()
}
