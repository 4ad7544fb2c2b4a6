//! What the demo shows: a table that is redrawn on a terminal, or a line per change where the output goes
//! into a file or a pipe.
//!
//! Not here: what is true (`demo::board`), what it means (`demo::verdict`).

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Row;

/// Rows that fit on a usual terminal; the rest is summed up below the table.
const ROWS_SHOWN: usize = 24;

/// The place where everything is shown.
pub(super) struct Screen {
    /// The redrawn part; absent when the output is no terminal.
    live: Option<ProgressBar>,
    /// The rows as last printed, by cluster.
    printed: BTreeMap<String, Row>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let live = io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| {
                // The template is constant; without it the bar would show its own text only.
                ProgressStyle::default_spinner()
            }));
            bar
        });
        Self {
            live,
            printed: BTreeMap::new(),
        }
    }

    /// Prints a line that stays.
    pub(super) fn note(&self, elapsed: Duration, text: &str) {
        self.print(&format!("{} {text}", stamp(elapsed)));
    }

    /// Prints text that stays, as it is.
    pub(super) fn print(&self, text: &str) {
        match &self.live {
            Some(bar) => bar.println(text),
            None => {
                // Whoever closed the pipe does not want to know; the exit code still tells.
                if writeln!(io::stdout().lock(), "{text}").is_err() {
                    tracing::debug!("standard output is closed");
                }
            }
        }
    }

    /// Shows the present state: redraws the table, or prints what changed.
    pub(super) fn show(&mut self, elapsed: Duration, rows: &[Row], footer: &str) {
        if let Some(bar) = &self.live {
            bar.set_message(format!("{}\n{} {footer}", table(rows), stamp(elapsed)));
            return;
        }
        for row in rows {
            let earlier = self.printed.get(&row.cluster);
            if earlier.is_none_or(|earlier| row.differs(earlier)) {
                self.note(elapsed, &line(row));
                self.printed.insert(row.cluster.clone(), row.clone());
            }
        }
    }

    /// Leaves the last table standing; afterwards only [`Screen::print`] makes sense.
    pub(super) fn finish(&mut self, rows: &[Row]) {
        if let Some(bar) = self.live.take() {
            bar.finish_and_clear();
            self.print(&table(rows));
        }
    }
}

fn stamp(elapsed: Duration) -> String {
    format!("[{:6.1} s]", elapsed.as_secs_f64())
}

fn line(row: &Row) -> String {
    let known = [
        ("phase", &row.phase),
        ("held by", &row.holder),
        ("event", &row.last_event),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let known: Vec<String> = known
        .map(|(name, value)| format!(", {name} {value}"))
        .collect();
    format!(
        "{} ({}): {}{}",
        row.cluster,
        row.org,
        row.state,
        known.concat()
    )
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let titles = [
        "cluster",
        "organization",
        "state",
        "phase",
        "held by",
        "age",
        "last event",
    ];
    table.set_header(titles.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    for row in rows.iter().take(ROWS_SHOWN) {
        table.add_row([
            Cell::new(&row.cluster),
            Cell::new(&row.org),
            state(&row.state),
            Cell::new(&row.phase),
            Cell::new(&row.holder),
            Cell::new(age(row.age)),
            Cell::new(&row.last_event),
        ]);
    }
    match rows.len().saturating_sub(ROWS_SHOWN) {
        0 => table.to_string(),
        more => format!("{table}\n({more} more)"),
    }
}

fn state(name: &str) -> Cell {
    let cell = Cell::new(name);
    match name {
        "provisioned" => cell.fg(Color::Green),
        "error" => cell.fg(Color::Red),
        "waiting" => cell.fg(Color::DarkGrey),
        _ => cell,
    }
}

fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> Row {
        Row {
            cluster: format!("blue-{n}"),
            org: "acme".to_owned(),
            state: "provisioning".to_owned(),
            phase: "creating".to_owned(),
            holder: String::new(),
            last_event: String::new(),
            age: Duration::from_secs(75),
        }
    }

    #[test]
    fn a_line_leaves_out_what_is_not_known() {
        assert_eq!(line(&row(1)), "blue-1 (acme): provisioning, phase creating");
    }

    #[test]
    fn a_table_stays_on_one_screen() {
        let rows: Vec<Row> = (0..30).map(row).collect();
        let text = table(&rows);
        assert!(
            text.contains("blue-23") && !text.contains("blue-24"),
            "{text}"
        );
        assert!(
            text.contains("1:15") && text.ends_with("(6 more)"),
            "{text}"
        );
    }

    #[test]
    fn only_a_change_is_worth_a_line() {
        let (before, mut after) = (row(1), row(1));
        after.age = Duration::from_secs(80);
        assert!(!after.differs(&before));
        after.phase = "done".to_owned();
        assert!(after.differs(&before));
    }
}
