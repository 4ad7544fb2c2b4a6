//! What commands print: tables, text and JSON on standard output, in colours where somebody wants them.
//!
//! Invariants:
//! - Colours only on a terminal, without `NO_COLOR` and not on a `dumb` one, unless `--color` says otherwise.
//! - A closed pipe is no error: whoever closed it has read enough.

use std::env;
use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde::Serialize;

use super::exit::{Failure, SYSTEM};

/// When output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal, without `NO_COLOR`
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The option for colours.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct ColorArgs {
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: When,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something is wrong.
    Bad,
    /// Something is odd.
    Odd,
    /// Something is under way.
    Busy,
    /// Everything is as it should be.
    Good,
    /// Nothing to look at.
    Plain,
}

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paper {
    terminal: bool,
    colours: bool,
}

impl Paper {
    /// Standard output.
    pub(super) fn new(wanted: ColorArgs) -> Self {
        let terminal = io::stdout().is_terminal();
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal,
            colours: match wanted.color {
                When::Auto => terminal && !is_set("NO_COLOR") && !is_dumb,
                When::Always => true,
                When::Never => false,
            },
        }
    }

    /// Whether somebody looks at it.
    pub(super) const fn is_terminal(self) -> bool {
        self.terminal
    }

    /// A table with these titles.
    pub(super) fn table(self, titles: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING);
        // A line that is too long is broken by the terminal; a word that is broken nobody finds again.
        table.set_content_arrangement(ContentArrangement::Disabled);
        if !self.terminal {
            table.force_no_tty();
        }
        if self.colours {
            table.enforce_styling();
        }
        table.set_header(titles.iter().map(|title| {
            let cell = Cell::new(title);
            if self.colours {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        }));
        table
    }

    /// A cell in the colour of its tone.
    pub(super) fn cell(self, text: impl Into<String>, tone: Tone) -> Cell {
        let cell = Cell::new(text.into());
        let colour = match tone {
            Tone::Bad => Color::DarkRed,
            Tone::Odd => Color::DarkYellow,
            Tone::Busy => Color::DarkCyan,
            Tone::Good => Color::DarkGreen,
            Tone::Plain => return cell,
        };
        if self.colours { cell.fg(colour) } else { cell }
    }

    /// The text with long lines broken where a terminal would, and indented like their beginnings.
    pub(super) fn wrapped(self, text: &str) -> String {
        match self.width() {
            Some(width) => wrap(text, width.max(40)),
            None => text.to_owned(),
        }
    }

    /// Columns of the terminal, if it is one.
    pub(super) fn width(self) -> Option<usize> {
        let width = Table::new().width().filter(|_| self.terminal);
        width.map(usize::from)
    }

    /// Clears the terminal and prints at its top.
    pub(super) fn put_anew(self, text: &str) -> bool {
        if self.terminal {
            put(&format!("\u{1b}[H\u{1b}[2J\u{1b}[3J{text}"))
        } else {
            put(text)
        }
    }
}

/// The lines of a table, without blanks at their ends.
pub(super) fn lines(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines();
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

/// Prints; false when nobody reads any more.
pub(super) fn put(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let body = line.trim_start().trim_start_matches("- ");
        let indent = " ".repeat(line.chars().count() - body.chars().count());
        let mut length = 0;
        for (number, word) in line.split(' ').enumerate() {
            let chars = word.chars().count();
            if length > indent.len() && length + 1 + chars > width {
                wrapped.push('\n');
                wrapped.push_str(&indent);
                length = indent.len();
            } else if number > 0 {
                wrapped.push(' ');
                length += 1;
            }
            wrapped.push_str(word);
            length += chars;
        }
        wrapped.push('\n');
    }
    wrapped
}

/// JSON for programs: several lines, keys in a fixed order.
///
/// # Errors
/// [`Failure`]: never for what commands show; serde cannot know.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| format!("{text}\n"))
        .map_err(|error| Failure::new(SYSTEM, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_keep_their_indent() {
        let text = "NOW\n  - one two three four\n\nshort\n";
        let want = "NOW\n  - one two\n    three\n    four\n\nshort\n";
        assert_eq!(wrap(text, 13), want);
        assert_eq!(
            wrap("  averyveryverylongword x\n", 10),
            "  averyveryverylongword\n  x\n"
        );
    }
}
