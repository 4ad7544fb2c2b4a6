//! Lines for people: time, level, what happened, and the rest as `key=value`.
//!
//! Invariants:
//! - Colours only where somebody looks at a terminal and has not asked for none.
//! - A value that holds blanks or quotes is quoted, so that a line can be taken apart again.
//!
//! Source: `NO_COLOR` (no-color.org); the prefix `<N>` in sd-daemon(3).

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use tracing::Level;

use super::journal::priority;
use super::record::{Record, Sink};

/// Who reads the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A person at a terminal: the time of day, colours perhaps.
    Terminal {
        /// Whether the person wants colours.
        colours: bool,
    },
    /// A file or a pipe: the date, too.
    File,
    /// The journal, through standard error: it has time and level of its own.
    Journal,
}

/// Writes to standard error.
pub(super) struct Lines {
    pub(super) reader: Reader,
}

impl Sink for Lines {
    fn write(&self, record: &Record) {
        let line = line(record, self.reader);
        // There is nowhere to tell that nobody listens.
        io::stderr().lock().write_all(line.as_bytes()).unwrap_or(());
    }
}

/// One line with its line end.
pub fn line(record: &Record, reader: Reader) -> String {
    let mut text = match reader {
        Reader::Terminal { colours } => {
            let paint = Paint { colours };
            let clock = stamp(record.time)
                .get(11..19)
                .unwrap_or_default()
                .to_owned();
            let level = format!("{:<5}", record.level.as_str());
            let (dim, grave) = (
                paint.with(Style::new().dimmed()),
                paint.with(style(record.level)),
            );
            format!(
                "{dim}{clock}{dim:#} {grave}{level}{grave:#} {}",
                record.message
            )
        }
        Reader::File => {
            format!(
                "{} {:<5} {}",
                stamp(record.time),
                record.level.as_str(),
                record.message
            )
        }
        Reader::Journal => format!("<{}>{}", priority(record.level), record.message),
    };
    let dim = match reader {
        Reader::Terminal { colours } => Paint { colours }.with(Style::new().dimmed()),
        Reader::File | Reader::Journal => Style::new(),
    };
    let fields = record.fields.iter();
    let (kind, rest): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| *name == "event");
    for (name, value) in rest.into_iter().chain(kind) {
        let value = quoted(&value.to_string());
        // Writing to a string does not fail.
        write!(text, " {dim}{name}={dim:#}{value}").unwrap_or(());
    }
    text.push('\n');
    text
}

/// Milliseconds are enough to see an order.
pub(super) fn stamp(time: Timestamp) -> String {
    format!("{time:.3}")
}

struct Paint {
    colours: bool,
}

impl Paint {
    fn with(&self, style: Style) -> Style {
        if self.colours { style } else { Style::new() }
    }
}

fn style(level: Level) -> Style {
    let colour = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    if level <= Level::WARN {
        style.bold()
    } else {
        style
    }
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\' | '=');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::super::record::Value;
    use super::*;

    fn record() -> Record {
        Record {
            time: "2026-03-01T09:00:01.25Z".parse().unwrap(),
            level: Level::WARN,
            target: "cse_server::controller".to_owned(),
            code: None,
            message: "cluster taken over from a silent replica".to_owned(),
            message_id: Some("00"),
            fields: vec![
                ("event", Value::Text("claim.taken_over".to_owned())),
                ("cluster_name", Value::Text("blue".to_owned())),
                ("epoch", Value::Unsigned(2)),
                ("reason", Value::Text("said \"no\" twice".to_owned())),
                ("org", Value::Text(String::new())),
            ],
        }
    }

    #[test]
    fn a_line_is_made_for_its_reader() {
        let rest = "cluster_name=blue epoch=2 reason=\"said \\\"no\\\" twice\" org=\"\" \
            event=claim.taken_over\n";
        let said = "cluster taken over from a silent replica";
        let plain = Reader::Terminal { colours: false };
        assert_eq!(
            line(&record(), plain),
            format!("09:00:01 WARN  {said} {rest}")
        );
        let file = format!("2026-03-01T09:00:01.250Z WARN  {said} {rest}");
        assert_eq!(line(&record(), Reader::File), file);
        assert_eq!(
            line(&record(), Reader::Journal),
            format!("<4>{said} {rest}")
        );
    }

    #[test]
    fn colours_are_all_that_a_terminal_adds() {
        let coloured = line(&record(), Reader::Terminal { colours: true });
        assert!(
            coloured.contains("\u{1b}[1m\u{1b}[33mWARN "),
            "{coloured:?}"
        );
        let bare: String = anstyle_free(&coloured);
        assert_eq!(bare, line(&record(), Reader::Terminal { colours: false }));
    }

    fn anstyle_free(text: &str) -> String {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |so_far, part| {
            so_far + part.split_once('m').unwrap().1
        })
    }
}
