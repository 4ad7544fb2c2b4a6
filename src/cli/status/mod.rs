//! `cse-server status`: replicas, configuration and clusters as VCD shows them, or one cluster in detail.
//!
//! Flow: login -> configuration and one listing -> `views` -> tables or JSON; with `--watch` again and again.
//!
//! Which clock tells an age: "now" is the `Date` of VCD's own answer, else this machine's clock, and the output
//! says which. Dates of events and claims are written by the replicas' clocks. Whether a holder lives is told by
//! two looks alone (`--wait`, `--watch`), whatever any clock says.
//!
//! Invariants:
//! - Reads only; the rights to view entities are enough.
//! - One page of the listing and a bounded number of rows are in memory, however large the fleet.
//! - Looking costs VCD at most a fifth of the time, however often it is asked for.

mod detail;
mod look;
mod tables;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

pub(super) use self::detail::harmless;
pub(super) use self::look::{Site, ToldBy};
use super::exit::Failure;
use super::reach::ReachArgs;
use super::show::{ColorArgs, Paper, json, put};
use crate::cli::event_loop::finish;
use crate::clock::Clock;
use crate::views::fleet::{State, Wanted};
use crate::views::pulse::Pulses;

/// Most rows unless told otherwise.
const ROWS: usize = 100;
/// A look may take this part of the time: one in so many.
const SHARE: u32 = 4;

const ABOUT: &str = "\
A replica is seen by the claims it holds: one without work leaves no trace in VCD. A claim is alive while \
it changes; its time is that of its writer's clock. --wait looks twice and tells whose claims have changed.

JSON (--json): {vcd, at, clock: vcd|machine, configuration{standing, problems..}, replicas[], counts{..}, \
clusters[{attention, id, name, org, state, situation, phase, holder, attempt, since, error}], left_out}; with a \
cluster: {cluster, ..., errors[], events[]}.";

/// What the command takes.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct StatusArgs {
    /// Name or URN of one cluster to show in detail
    cluster: Option<String>,
    /// Only clusters of this organization
    #[arg(long, conflicts_with = "cluster")]
    org: Option<String>,
    /// Only clusters in this state; may be given several times
    #[arg(long, value_enum, conflicts_with = "cluster")]
    state: Vec<State>,
    /// Most clusters to show; 0 for all
    #[arg(long, value_name = "COUNT", default_value_t = ROWS, conflicts_with = "cluster")]
    limit: usize,
    /// Show URNs, dates and longer texts
    #[arg(long)]
    wide: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Look twice, so many seconds apart, and tell whose claims have changed
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "45")]
    wait: Option<u64>,
    /// Look again and again; without a terminal every change is a new block
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    /// Seconds between two looks of --watch, at least
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    color: ColorArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

/// One look, ready to be printed.
struct Shown {
    text: String,
    /// The same without what changes with every look, such as ages.
    essence: String,
}

/// Runs the command.
pub(super) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    finish(async {
        let site = Site::open(&args.reach).await?;
        let mut looks = Looks {
            args,
            site,
            paper: Paper::new(args.color),
            wanted: Wanted {
                org: args.org.clone(),
                states: args.state.clone(),
                limit: args.limit,
            },
            pulses: Pulses::default(),
            clock: Clock::system(),
        };
        if args.watch {
            looks.watch().await
        } else {
            looks.once().await
        }
    })
}

/// Looks at one site.
struct Looks<'a> {
    args: &'a StatusArgs,
    site: Site,
    paper: Paper,
    wanted: Wanted,
    pulses: Pulses,
    clock: Clock,
}

impl Looks<'_> {
    async fn once(&mut self) -> Result<ExitCode, Failure> {
        let mut shown = self.look().await?;
        if let Some(seconds) = self.args.wait {
            self.clock.sleep(Duration::from_secs(seconds)).await;
            shown = self.look().await?;
        }
        put(&shown.text);
        Ok(ExitCode::SUCCESS)
    }

    /// Until somebody interrupts it, or nobody reads any more.
    async fn watch(&mut self) -> Result<ExitCode, Failure> {
        let mut last = String::new();
        let mut missed = None;
        loop {
            let begun = self.clock.now();
            let readable = match self.look().await {
                Ok(shown) => {
                    let is_news =
                        self.paper.is_terminal() || shown.essence != last || missed.is_some();
                    missed = None;
                    last = shown.essence;
                    !is_news || self.paper.put_anew(&shown.text)
                }
                // The command line itself is wrong: looking again would not help.
                Err(failure) if last.is_empty() => return Err(failure),
                Err(failure) => {
                    let line = format!("cse-server: {failure}\n");
                    let told = missed.as_ref() == Some(&line) || put(&line);
                    missed = Some(line);
                    told
                }
            };
            if !readable {
                return Ok(ExitCode::SUCCESS);
            }
            let took = self.clock.now().since(begun);
            let pause = Duration::from_secs(self.args.every).max(took * SHARE);
            self.clock.sleep(pause).await;
        }
    }

    async fn look(&mut self) -> Result<Shown, Failure> {
        let at = self.clock.now().since_origin();
        if let Some(asked) = &self.args.cluster {
            let told = self.site.cluster(asked, (&mut self.pulses, at)).await?;
            let text = if self.args.json {
                json(&told)?
            } else {
                self.paper.wrapped(&detail::text(&told))
            };
            return Ok(Shown {
                text,
                essence: told.essence,
            });
        }
        let told = self
            .site
            .fleet(&self.wanted, (&mut self.pulses, at))
            .await?;
        Ok(Shown {
            text: if self.args.json {
                json(&told)?
            } else {
                tables::text(&told, (self.paper, self.args.wide))
            },
            essence: told.essence(),
        })
    }
}
