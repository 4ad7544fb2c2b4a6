//! The fleet as tables for people.

use std::fmt::Write;

use comfy_table::Cell;

use super::super::show::{Paper, Tone, lines};
use super::look::FleetTold;
use crate::views::cluster::Holder;
use crate::views::configuration::Standing;
use crate::views::fleet::{Counts, HolderSeen, Row, State};
use crate::views::situation::Attention;
use crate::views::words::{age, ago, count, printable, span, utc};

/// Longest name in a narrow table, in characters.
const NARROW: usize = 32;
/// Longest error where there is no terminal, in characters.
const NARROW_ERROR: usize = 70;
/// Least room for an error, in characters.
const LEAST_ERROR: usize = 24;
/// A terminal with fewer columns is narrow.
const ROOMY: usize = 110;

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
    let mut text = lines(&mut table);
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

/// A column of the table of clusters.
struct Column {
    title: &'static str,
    text: fn(&Row, &FleetTold) -> String,
    /// Whether the colour of the row's attention is its own.
    coloured: bool,
    shown: Shown,
}

/// On which paper a column has its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// Not on a narrow terminal.
    Roomy,
    /// With `--wide` only.
    Wide,
}

const fn column(title: &'static str, shown: Shown, text: fn(&Row, &FleetTold) -> String) -> Column {
    Column {
        title,
        text,
        coloured: false,
        shown,
    }
}

const fn coloured(title: &'static str, text: fn(&Row, &FleetTold) -> String) -> Column {
    Column {
        coloured: true,
        ..column(title, Shown::Always, text)
    }
}

/// All columns but the error, which takes the room that is left.
const COLUMNS: [Column; 11] = [
    coloured("ATTENTION", |row, _| row.attention.word().to_owned()),
    column("CLUSTER", Shown::Always, |row, _| row.name.clone()),
    column("ORG", Shown::Always, |row, _| row.org.clone()),
    column("STATE", Shown::Roomy, |row, _| row.state.word().to_owned()),
    coloured("SITUATION", |row, _| row.situation.word().to_owned()),
    column("PHASE", Shown::Always, |row, _| row.phase.clone()),
    column("HELD BY", Shown::Always, |row, _| {
        row.holder
            .as_ref()
            .map_or_else(String::new, |holder| holder.name().to_owned())
    }),
    column("ATTEMPT", Shown::Roomy, |row, _| attempt(row)),
    column("FOR", Shown::Always, |row, told| {
        let passed = row.since.and_then(|at| age(told.at, at).ok());
        passed.map_or_else(String::new, span)
    }),
    column("SINCE (UTC)", Shown::Wide, |row, _| {
        row.since.map_or_else(String::new, utc)
    }),
    column("URN", Shown::Wide, |row, _| row.id.clone()),
];

fn clusters(told: &FleetTold, paper: Paper, wide: bool) -> String {
    let roomy = wide || paper.width().is_none_or(|width| width >= ROOMY);
    let is_shown = |column: &&Column| match column.shown {
        Shown::Always => true,
        Shown::Roomy => roomy,
        Shown::Wide => wide,
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_shown).collect();
    let rows = &told.fleet.clusters;
    let text = |column: &Column, row: &Row| {
        let text = printable(&(column.text)(row, told), width(wide, NARROW));
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let widest = |column: &&Column| {
        let longest = rows
            .iter()
            .map(|row| text(column, row).chars().count())
            .max();
        longest.unwrap_or(0).max(column.title.len()) + 2
    };
    let used: usize = columns.iter().map(widest).sum();
    let room = match paper.width() {
        _ if wide => usize::MAX,
        Some(width) => width.saturating_sub(used).max(LEAST_ERROR),
        None => NARROW_ERROR,
    };
    let titles: Vec<&str> = columns
        .iter()
        .map(|column| column.title)
        .chain(["ERROR"])
        .collect();
    let mut table = paper.table(&titles);
    for row in rows {
        let tone = tone(row.attention);
        let cell = |column: &&Column| {
            let tone = if column.coloured { tone } else { Tone::Plain };
            paper.cell(text(column, row), tone)
        };
        let cells: Vec<Cell> = columns.iter().map(cell).collect();
        let error = row.error.as_ref().map_or_else(
            || "-".to_owned(),
            |error| printable(&format!("{}: {}", error.name, error.text), room),
        );
        table.add_row(cells.into_iter().chain([paper.cell(error, Tone::Plain)]));
    }
    lines(&mut table)
}

const fn tone(attention: Attention) -> Tone {
    match attention {
        Attention::Person => Tone::Bad,
        Attention::Look => Tone::Odd,
        Attention::Repairing | Attention::Waiting | Attention::Working => Tone::Busy,
        Attention::Quiet => Tone::Good,
    }
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
