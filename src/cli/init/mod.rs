//! `cse-server init`: what the portal's wizard for the CSE server does, as often as one likes.
//!
//! Flow: login of a system administrator -> what is there -> the plan, shown -> a yes -> step by step -> a look
//! whether it is so.
//!
//! Invariants:
//! - Nothing is changed before the whole plan was shown and agreed to.
//! - A run that broke off is taken up by the next one; nothing is remembered but what is in VCD.
//!
//! Not here: what a site needs (`setup`).

mod login;
mod show;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::exit::{Failure, SYSTEM};
use super::reach::ReachArgs;
use crate::cli::event_loop::finish;
use crate::domain::server_config::ServerConfig;
use crate::setup::apply::{StepError, apply};
use crate::setup::objects::{Site, shipped_config};
use crate::setup::read::read;
use crate::setup::{Audience, Plan, Wanted, plan};
use crate::vcd::VcdClient;
use crate::vcd::http::HttpTransport;
use login::Administrator;

/// Exit code when something is to be done, or is not seen to be done.
const OPEN: u8 = 1;

const AFTER_HELP: &str = "\
Log in as a system administrator: with --user and a password (asked for on a terminal, or from \
--password-file). VCD lets a session that comes from an API token (--token-file) look at roles and rights \
bundles, but not change them; it is enough for --dry-run.

What exists stays: rights, types, policies and configuration keys are added, versions in the server \
configuration rise to those of CSE 4.2.3, and nothing is removed. A run that broke off is taken up by the \
next one.

Exit codes:
   0  everything is set up
   1  --dry-run: something is to be done; else: you said no, or VCD does not show all of it yet
  64  the command line is wrong
  69  VCD cannot be reached; what was done stays
  77  the login is refused or has not enough rights
  78  something in VCD or in a file has to be put right by a person first";

/// What the command takes.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct InitArgs {
    #[command(flatten)]
    reach: ReachArgs,
    /// System administrator who logs in with a password
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    user: Option<String>,
    /// File with the password [default: asked for]
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Server configuration of a new site (JSON) [default: that of CSE 4.2.3]
    #[arg(long, value_name = "FILE")]
    server_config: Option<PathBuf>,
    /// Give the global role and the rights bundle to this organization only (may be given several times)
    /// [default: all organizations, those to come included]
    #[arg(long = "org", value_name = "ORG")]
    orgs: Vec<String>,
    /// Leave a right out that this VCD does not have (may be given several times)
    #[arg(long, value_name = "RIGHT")]
    without_right: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Write JSON; needs --dry-run or --yes
    #[arg(long)]
    json: bool,
}

/// How the command ended.
enum Ended {
    /// Nothing was to be done.
    Nothing,
    /// There is something to be done, and it was not.
    Open,
    /// It was done, and VCD shows it.
    Done,
    /// It was done, and VCD does not show all of it.
    Unseen,
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::Nothing | Self::Done => 0,
            Self::Open | Self::Unseen => OPEN,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if args.json && !args.dry_run && !args.yes {
        return Err(Failure::asked("--json cannot ask: add --dry-run or --yes"));
    }
    let wanted = args.wanted()?;
    let ended = finish(async {
        let administrator = Administrator::log_in(args).await?;
        let ended = set_up(args, &wanted, &administrator).await;
        administrator.log_out().await;
        ended.map_err(|failure| failure.at(&administrator.url))
    })?;
    Ok(ExitCode::from(ended.code()))
}

impl InitArgs {
    fn wanted(&self) -> Result<Wanted, Failure> {
        let config = match &self.server_config {
            None => shipped_config(),
            Some(path) => server_config(path)?,
        };
        let audience = if self.orgs.is_empty() {
            Audience::All
        } else {
            Audience::Orgs(self.orgs.iter().cloned().collect())
        };
        Ok(Wanted {
            site: Site::shipped(),
            config,
            audience,
            without: self.without_right.iter().cloned().collect(),
        })
    }
}

/// The configuration of a file, if a server could work with it.
fn server_config(path: &Path) -> Result<Map<String, Value>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| {
        Failure::misconfigured(&format!(
            "cannot read {shown}: {error}; name a file that this user may read"
        ))
    })?;
    let content: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        // Without the parser's own words: they may quote what is in the file.
        let (line, column) = (error.line(), error.column());
        Failure::misconfigured(&format!(
            "{shown} is no JSON object (line {line}, column {column}); correct it there"
        ))
    })?;
    let problems = ServerConfig::problems(&content);
    if problems.is_empty() {
        return Ok(content);
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let problems = problems.join("; ");
    Err(Failure::misconfigured(&format!(
        "{shown} is no server configuration: {problems}; correct it there"
    )))
}

async fn set_up(
    args: &InitArgs,
    wanted: &Wanted,
    administrator: &Administrator,
) -> Result<Ended, Failure> {
    let client = &administrator.client;
    check_orgs(client, &wanted.audience).await?;
    let plan = look(client, wanted).await?;
    let out = |text: String| say(&text);
    if !args.json {
        out(show::plan(&plan, &administrator.url))?;
    }
    if plan.is_refused() {
        if args.json {
            out(show::json(&plan, "refused"))?;
        }
        let sentence = "nothing was done: what is marked `refuse` has to be put right first";
        return Err(Failure::misconfigured(sentence));
    }
    if plan.is_done() {
        if args.json {
            out(show::json(&plan, "nothing_to_do"))?;
        }
        return Ok(Ended::Nothing);
    }
    if args.dry_run {
        if args.json {
            out(show::json(&plan, "planned"))?;
        }
        return Ok(Ended::Open);
    }
    if !administrator.has_password && plan.changes_right_sets() {
        let sentence = "nothing was done: VCD lets no session that comes from an API token change roles and \
            rights bundles; log in with --user instead of --token-file";
        return Err(Failure::not_permitted(sentence));
    }
    if !args.yes && !agreed()? {
        out("nothing was done\n".to_owned())?;
        return Ok(Ended::Open);
    }
    let shown = args.json.then(|| show::json(&plan, "done"));
    carry_out(args, wanted, (client, plan)).await?;
    let left = look(client, wanted).await?;
    if args.json {
        let shown = if left.is_done() {
            shown
        } else {
            Some(show::json(&left, "not_seen_yet"))
        };
        out(shown.unwrap_or_default())?;
    } else if left.is_done() {
        out(show::AFTERWARDS.to_owned())?;
    } else {
        out(show::plan(&left, &administrator.url))?;
        out("VCD took all of it, but does not show all of it; run the command again\n".to_owned())?;
    }
    Ok(if left.is_done() {
        Ended::Done
    } else {
        Ended::Unseen
    })
}

async fn look(client: &VcdClient<HttpTransport>, wanted: &Wanted) -> Result<Plan, Failure> {
    let seen = read(client, &wanted.site).await;
    Ok(plan(
        wanted,
        seen.map_err(|error| Failure::administrator(&error))?,
    ))
}

async fn check_orgs(client: &VcdClient<HttpTransport>, audience: &Audience) -> Result<(), Failure> {
    let Audience::Orgs(wanted) = audience else {
        return Ok(());
    };
    let orgs = client.orgs().await;
    let orgs = orgs.map_err(|error| Failure::administrator(&error))?;
    let known: BTreeSet<String> = orgs.into_iter().map(|org| org.name).collect();
    let unknown: Vec<&str> = wanted.difference(&known).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join(", ");
    Err(Failure::asked(&format!(
        "there is no organization {unknown}; correct --org"
    )))
}

async fn carry_out(
    args: &InitArgs,
    wanted: &Wanted,
    (client, plan): (&VcdClient<HttpTransport>, Plan),
) -> Result<(), Failure> {
    let count = plan.steps.len();
    for (number, step) in plan.steps.into_iter().enumerate() {
        let doing = step.describe();
        let done: Result<(), StepError> = apply(client, &wanted.site, step).await;
        done.map_err(|error| Failure::step(&error))?;
        if !args.json {
            say(&format!(
                "[{}/{count}] {}\n",
                number.saturating_add(1),
                show::printable(&doing)
            ))?;
        }
    }
    Ok(())
}

/// Asks on the terminal.
fn agreed() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let sentence = "nothing was done: this is no terminal to ask on; add --yes or --dry-run";
        return Err(Failure::asked(sentence));
    }
    say("Make these changes? [y/N] ")?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::new(SYSTEM, &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(SYSTEM, &error))
}
