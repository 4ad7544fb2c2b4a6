//! `cse-server events`: everything that anybody has written about one cluster, in the order of time.
//!
//! Flow: login -> entity -> `views::timeline` -> lines or JSON; with `--watch` new entries as they come.
//!
//! Invariants:
//! - An entry is shown once, however often the entity is read; what its writer takes back stays shown.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::event_loop::finish;
use super::exit::{Failure, SYSTEM};
use super::reach::ReachArgs;
use super::show::{ColorArgs, Paper, Tone, json, lines, put};
use super::status::{Site, harmless};
use crate::clock::Clock;
use crate::vcd::error::VcdError;
use crate::views::cluster::ClusterSeen;
use crate::views::timeline::{Entry, Kind, read};
use crate::views::words::{printable, utc};

/// Time between two looks of `--watch`.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Longest text in a narrow table, in characters.
const NARROW: usize = 160;

const ABOUT: &str = "\
Sources: server (this server or an original one), CAPVCD, CPI, CSI, agent (inside the cluster). Each keeps its \
newest entries only. Dates are those of the writers' clocks, in UTC. An error stays in the list until its writer \
takes it back.

JSON (--json): [{at, source, kind: event|error, name, detail, resource_id, about}], the newest last; with \
--watch one such object per line.";

/// What the command takes.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct EventsArgs {
    /// Name or URN of the cluster
    cluster: String,
    /// Only entries since then: 2h, 30m, or a date such as 2026-03-01T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Only errors
    #[arg(long)]
    errors: bool,
    /// Show whole texts and what each entry is about
    #[arg(long)]
    wide: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Go on showing new entries until the cluster is gone
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    color: ColorArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

/// Where a listing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// So long before now.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let span = text.parse::<SignedDuration>().ok();
    let span = span.and_then(|span| Duration::try_from(span).ok());
    span.map(Since::Ago).ok_or_else(|| {
        "give a time such as 45s, 30m, 2h or 2h 30m, or a date such as 2026-03-01T09:00:00Z"
            .to_owned()
    })
}

/// Runs the command.
pub(super) fn run(args: &EventsArgs) -> Result<ExitCode, Failure> {
    finish(async {
        let site = Site::open(&args.reach).await?;
        let seen = site.find(&args.cluster).await?;
        let from = match args.since {
            None => None,
            Some(Since::At(at)) => Some(at),
            Some(Since::Ago(span)) => site.now().await.0.checked_sub(span).ok(),
        };
        let paper = Paper::new(args.color);
        let list = List { args, from };
        if args.watch {
            return list.watch(&site, seen).await;
        }
        let entries = list.entries(&seen);
        let text = if args.json {
            json(&entries)?
        } else {
            list.table(&entries, paper)
        };
        put(&text);
        Ok(ExitCode::SUCCESS)
    })
}

struct List<'a> {
    args: &'a EventsArgs,
    from: Option<Timestamp>,
}

impl List<'_> {
    fn entries(&self, seen: &ClusterSeen) -> Vec<Entry> {
        let wanted = |entry: &Entry| {
            let is_new = self
                .from
                .is_none_or(|from| entry.at.is_some_and(|at| at >= from));
            is_new && (!self.args.errors || entry.kind == Kind::Error)
        };
        let entries = read(&seen.content).into_iter().filter(wanted);
        entries.map(|entry| harmless(&entry)).collect()
    }

    fn table(&self, entries: &[Entry], paper: Paper) -> String {
        if entries.is_empty() {
            return "nothing is written in the entity for these options\n".to_owned();
        }
        let mut table = paper.table(&["TIME (UTC)", "SOURCE", "NAME", "TEXT"]);
        for entry in entries {
            let tone = match entry.kind {
                Kind::Error => Tone::Bad,
                Kind::Event => Tone::Plain,
            };
            let name = match entry.kind {
                Kind::Error => format!("! {}", entry.name),
                Kind::Event => entry.name.clone(),
            };
            table.add_row([
                paper.cell(date(entry), Tone::Plain),
                paper.cell(entry.source.word(), Tone::Plain),
                paper.cell(name, tone),
                paper.cell(self.text(entry), Tone::Plain),
            ]);
        }
        format!("{}! marks errors\n", lines(&mut table))
    }

    fn text(&self, entry: &Entry) -> String {
        let about = match (entry.about.as_str(), self.args.wide) {
            ("", _) => String::new(),
            (about, true) => format!("[{about} {}] ", entry.resource_id),
            (about, false) => format!("[{about}] "),
        };
        let most = if self.args.wide { usize::MAX } else { NARROW };
        format!("{about}{}", printable(&entry.detail, most))
    }

    async fn watch(&self, site: &Site, seen: ClusterSeen) -> Result<ExitCode, Failure> {
        let clock = Clock::system();
        let id = seen.id.clone();
        let mut shown = BTreeSet::new();
        let mut seen = Some(seen);
        let mut is_lost = false;
        loop {
            if let Some(seen) = seen.take() {
                for entry in self.entries(&seen) {
                    if shown.insert(key(&entry)) && !put(&self.line(&entry)?) {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
            }
            clock.sleep(LOOK_EVERY).await;
            match site.client.get_entity(&id).await {
                Ok(read) => {
                    is_lost = false;
                    seen = Some(ClusterSeen::read(read.value));
                }
                Err(VcdError::NotVisible { .. }) => {
                    if !self.args.json {
                        put("the cluster is gone, or not visible to this login any more\n");
                    }
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => {
                    let failure = site.failed(Failure::vcd(&error));
                    if !is_lost && !self.args.json {
                        put(&format!("cse-server: {failure}; still trying\n"));
                    }
                    is_lost = true;
                }
            }
        }
    }

    fn line(&self, entry: &Entry) -> Result<String, Failure> {
        if self.args.json {
            let text = serde_json::to_string(entry);
            let text = text.map_err(|error| Failure::new(SYSTEM, &error))?;
            return Ok(format!("{text}\n"));
        }
        let mark = match entry.kind {
            Kind::Error => "! ",
            Kind::Event => "",
        };
        Ok(format!(
            "{}  {:<6}  {mark}{}  {}\n",
            date(entry),
            entry.source.word(),
            entry.name,
            self.text(entry)
        ))
    }
}

fn date(entry: &Entry) -> String {
    entry
        .at
        .map_or_else(|| "no date            ".to_owned(), utc)
}

/// What makes an entry the same at the next look.
fn key(entry: &Entry) -> String {
    format!(
        "{:?}",
        (
            entry.at,
            entry.source,
            entry.kind,
            &entry.name,
            &entry.detail,
            &entry.about
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_span_or_a_date() {
        let rows = [
            ("2h", Some(Since::Ago(Duration::from_hours(2)))),
            ("2h 30m", Some(Since::Ago(Duration::from_mins(150)))),
            (
                "1970-01-01T00:00:00Z",
                Some(Since::At(Timestamp::UNIX_EPOCH)),
            ),
            ("-2h", None),
            ("soon", None),
        ];
        for (text, want) in rows {
            assert_eq!(since(text).ok(), want, "{text}");
        }
    }
}
