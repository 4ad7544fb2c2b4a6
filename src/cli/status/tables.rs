//! The fleet as tables for people.

use std::fmt::Write;

use comfy_table::{ColumnConstraint, Width};
use jiff::Timestamp;

use super::super::show::{Paper, Tone, lines};
use super::look::FleetTold;
use crate::views::cluster::Holder;
use crate::views::configuration::Standing;
use crate::views::fleet::{Counts, HolderSeen, Row, State};
use crate::views::situation::Attention;
use crate::views::words::{age, ago, count, printable, span, utc};

/// Longest name in a narrow table, in characters.
const NARROW: usize = 32;
/// Longest error in a narrow table, in characters.
const NARROW_ERROR: usize = 70;

/// The whole view.
pub(super) fn text(told: &FleetTold, (paper, wide): (Paper, bool)) -> String {
    let mut text = format!(
        "VCD {} at {} UTC, by {}\n",
        told.vcd,
        utc(told.at),
        told.clock.words()
    );
    let tone = match told.configuration.standing {
        Standing::Valid => "",
        Standing::Refused | Standing::Missing | Standing::Unreadable => "! ",
    };
    for (number, line) in told.configuration.lines().iter().enumerate() {
        let mark = if number == 0 { tone } else { "" };
        // Writing to a String cannot fail.
        writeln!(text, "{mark}{line}").unwrap_or_default();
    }
    text.push('\n');
    text.push_str(&replicas(told, paper, wide));
    text.push('\n');
    text.push_str(&counts(&told.fleet.counts));
    if !told.fleet.clusters.is_empty() {
        text.push('\n');
        text.push_str(&clusters(told, paper, wide));
    }
    text.push_str(&notes(told));
    text
}

fn replicas(told: &FleetTold, paper: Paper, wide: bool) -> String {
    let replicas = &told.fleet.replicas;
    if replicas.is_empty() {
        return "No server holds a cluster now. One without work leaves no trace in VCD: look on its machine \
                (systemctl status cse-server).\n"
            .to_owned();
    }
    let mut titles = vec![
        "REPLICA",
        "PROCESS",
        "KIND",
        "CLUSTERS",
        "RENEWED (OWN CLOCK)",
        "SEEN TO RENEW",
    ];
    if wide {
        titles.push("INSTANCE");
    }
    let mut table = paper.table(&titles);
    for replica in replicas {
        let (process, kind) = match &replica.holder {
            Holder::Replica { process, .. } => (process.as_str(), "cse-server"),
            Holder::Original { .. } => ("-", "original"),
        };
        let (sign, tone) = sign(replica);
        let renewed = replica
            .renewed
            .map_or_else(|| "-".to_owned(), |at| ago(told.at, at));
        let mut cells = vec![
            paper.cell(
                printable(replica.holder.name(), width(wide, NARROW)),
                Tone::Plain,
            ),
            paper.cell(process, Tone::Plain),
            paper.cell(kind, Tone::Plain),
            paper.cell(replica.clusters.to_string(), Tone::Plain),
            paper.cell(renewed, tone),
            paper.cell(sign, tone),
        ];
        if wide {
            cells.push(paper.cell(&replica.instance, Tone::Plain));
        }
        table.add_row(cells);
    }
    let mut text = lines(&table);
    if told.fleet.more_replicas > 0 {
        writeln!(
            text,
            "clusters of further holders: {}",
            told.fleet.more_replicas
        )
        .unwrap_or_default();
    }
    text
}

/// What two looks say about a server.
fn sign(replica: &HolderSeen) -> (String, Tone) {
    match (replica.is_alive(), replica.changed_secs_ago) {
        (Some(true), Some(secs)) => {
            let ago = span(std::time::Duration::from_secs(secs));
            (format!("yes, {ago} ago"), Tone::Good)
        }
        (Some(true), None) => ("yes".to_owned(), Tone::Good),
        (Some(false), _) => ("not between the looks".to_owned(), Tone::Odd),
        (None, _) => ("one look: --wait tells".to_owned(), Tone::Plain),
    }
}

fn counts(counts: &Counts) -> String {
    let by_state = State::ALL.iter().filter_map(|state| {
        let number = counts.by_state.get(state)?;
        Some(format!("{number} {}", state.word()))
    });
    let by_attention = Attention::ALL.iter().filter_map(|attention| {
        let number = *counts.by_attention.get(attention)?;
        Some(match attention {
            Attention::Person if number > 1 => format!("{number} need a person"),
            Attention::Person
            | Attention::Look
            | Attention::Repairing
            | Attention::Waiting
            | Attention::Working
            | Attention::Quiet => format!("{number} {}", attention.word()),
        })
    });
    let (states, attentions): (Vec<_>, Vec<_>) = (by_state.collect(), by_attention.collect());
    if counts.total == 0 {
        return "No cluster is visible to this login.\n".to_owned();
    }
    let total = count(counts.total, "cluster", "clusters");
    let mut text = format!("{total}: {}\n", states.join(", "));
    writeln!(text, "of these {}", attentions.join(", ")).unwrap_or_default();
    text
}

fn clusters(told: &FleetTold, paper: Paper, wide: bool) -> String {
    let mut titles = vec![
        "ATTENTION",
        "CLUSTER",
        "ORG",
        "STATE",
        "SITUATION",
        "PHASE",
        "HELD BY",
        "ATTEMPT",
        "FOR",
        "ERROR",
    ];
    if wide {
        titles.extend(["SINCE (UTC)", "URN"]);
    }
    let mut table = paper.table(&titles);
    for row in &told.fleet.clusters {
        table.add_row(cells(row, (told.at, wide), paper));
    }
    if paper.is_terminal()
        && let Some(column) = table.column_mut(9)
    {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(24)));
    }
    lines(&table)
}

fn cells(row: &Row, (now, wide): (Timestamp, bool), paper: Paper) -> Vec<comfy_table::Cell> {
    let tone = match row.attention {
        Attention::Person => Tone::Bad,
        Attention::Look => Tone::Odd,
        Attention::Repairing | Attention::Waiting | Attention::Working => Tone::Busy,
        Attention::Quiet => Tone::Good,
    };
    let name = |text: &str| printable(text, width(wide, NARROW));
    let dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let held = row
        .holder
        .as_ref()
        .map_or_else(String::new, |holder| name(holder.name()));
    let passed = row.since.and_then(|at| age(now, at).ok());
    let error = row.error.as_ref().map_or_else(String::new, |error| {
        let text = format!("{}: {}", error.name, error.text);
        if wide {
            text
        } else {
            printable(&text, NARROW_ERROR)
        }
    });
    let attempt = attempt(row);
    let mut cells = vec![
        paper.cell(row.attention.word(), tone),
        paper.cell(name(&row.name), Tone::Plain),
        paper.cell(name(&row.org), Tone::Plain),
        paper.cell(row.state.word(), Tone::Plain),
        paper.cell(row.situation.word(), tone),
        paper.cell(dash(row.phase.clone()), Tone::Plain),
        paper.cell(dash(held), Tone::Plain),
        paper.cell(dash(attempt), Tone::Plain),
        paper.cell(passed.map_or_else(|| "-".to_owned(), span), Tone::Plain),
        paper.cell(dash(error), Tone::Plain),
    ];
    if wide {
        cells.push(paper.cell(row.since.map_or_else(|| "-".to_owned(), utc), Tone::Plain));
        cells.push(paper.cell(&row.id, Tone::Plain));
    }
    cells
}

/// The number of the attempt, where one is made or was the last.
pub(super) fn attempt(row: &Row) -> String {
    match row.state {
        State::Provisioning | State::Error if row.attempt > 0 => row.attempt.to_string(),
        State::New
        | State::Provisioning
        | State::Provisioned
        | State::Error
        | State::Deleting
        | State::Unknown => String::new(),
    }
}

fn notes(told: &FleetTold) -> String {
    let fleet = &told.fleet;
    let mut text = String::new();
    let mut note = |line: String| writeln!(text, "{line}").unwrap_or_default();
    if fleet.left_out > 0 {
        note(format!(
            "{} are not shown, less urgent than these: --limit 0 shows all, --org and --state choose",
            count(fleet.left_out, "more cluster", "more clusters")
        ));
    }
    if fleet.counts.unreadable > 0 {
        note(format!(
            "{} of the list cannot be read at all and {} not counted",
            count(fleet.counts.unreadable, "entity", "entities"),
            if fleet.counts.unreadable == 1 {
                "is"
            } else {
                "are"
            }
        ));
    }
    if fleet.counts.not_managed > 0 {
        note(format!(
            "{} of this type belong to no server (isVCDKECluster is not true)",
            count(fleet.counts.not_managed, "more entity", "more entities")
        ));
    }
    if fleet
        .clusters
        .iter()
        .any(|row| row.attention <= Attention::Look)
    {
        note("cse-server explain CLUSTER says what to do".to_owned());
    }
    text
}

const fn width(wide: bool, narrow: usize) -> usize {
    if wide { 120 } else { narrow }
}
