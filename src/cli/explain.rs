//! `cse-server explain`: what is going on with one cluster, in prose.
//!
//! Flow: login -> configuration and entity -> `views::explain` -> text or JSON.
//!
//! Not here: the explanation itself.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::event_loop::finish;
use super::exit::Failure;
use super::reach::ReachArgs;
use super::show::{ColorArgs, Paper, json, put};
use super::status::{Site, ToldBy};
use crate::views::explain::{Explanation, explain, render};

const ABOUT: &str = "\
Works with servers up or down: everything is told from the cluster's entity and the shared configuration. \
Ages are by VCD's clock, dates of events by the clocks of the servers that wrote them.

JSON (--json): {at, clock, name, id, org, situation, attention, since, holder, attempt, headline, now[], \
happened{left_out, steps[{at, text}]}, waits[{who, what, by}], wrong[{name, source, at, about, text, who, \
remedy}], risks[], todo[]}.";

/// What the command takes.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct ExplainArgs {
    /// Name or URN of the cluster
    cluster: String,
    /// Write JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    color: ColorArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Serialize)]
struct Told {
    at: jiff::Timestamp,
    clock: ToldBy,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Runs the command.
pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let paper = Paper::new(args.color);
    let text = finish(async {
        let site = Site::open(&args.reach).await?;
        let seen = site.find(&args.cluster).await?;
        let (outlook, clock, _) = site.outlook().await;
        let explanation = explain(&seen, &outlook);
        if args.json {
            return json(&Told {
                at: outlook.now,
                clock,
                explanation,
            });
        }
        let text = render(&explanation, outlook.now);
        let text = format!("{text}\nAges are told by {}.\n", clock.words());
        Ok(paper.wrapped(&text))
    })?;
    put(&text);
    Ok(ExitCode::SUCCESS)
}
