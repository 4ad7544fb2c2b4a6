//! Text of strangers, made fit for a line of a log.
//!
//! Invariants:
//! - What comes out has no character that moves a cursor, colours, ends a line or turns the direction of
//!   writing, however it was put in. Names of clusters, objects and messages are what tenants write.
//! - What comes out is bounded.
//!
//! Source: Unicode general category Cc, UAX #9 (directional formatting), "Trojan Source" (CVE-2021-42574).

use std::fmt::{self, Write};

/// Longest text of one field, in bytes.
pub const MAX_FIELD_BYTES: usize = 8 * 1024;
/// What stands where a text was cut.
const CUT: &str = "...";

/// `text` on one line, without control and directional characters, cut at [`MAX_FIELD_BYTES`].
pub fn clean(text: &str) -> String {
    render(format_args!("{text}"))
}

/// The same for something that is yet to be written out; no more is written out than is kept.
pub(super) fn render(text: fmt::Arguments<'_>) -> String {
    let mut line = Line(String::new());
    if line.write_fmt(text).is_err() {
        line.0.push_str(CUT);
    }
    line.0
}

/// Takes clean text until it is full.
struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let c = shown(c);
            if self.0.len() + c.len_utf8() > MAX_FIELD_BYTES {
                return Err(fmt::Error);
            }
            self.0.push(c);
        }
        Ok(())
    }
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || is_directional(c) || is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

const fn is_directional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_moves_a_cursor_or_ends_a_line() {
        let rows = [
            ("blue", "blue"),
            ("gr\u{fc}n \u{7eff}", "gr\u{fc}n \u{7eff}"),
            ("a\nMESSAGE=b\r\n", "a MESSAGE=b  "),
            (
                "\u{1b}[2J\u{1b}]0;x\u{7}",
                "\u{fffd}[2J\u{fffd}]0;x\u{fffd}",
            ),
            ("\u{9b}31m\u{7f}\0", "\u{fffd}31m\u{fffd}\u{fffd}"),
            ("abc\u{202e}cba\u{2069}", "abc\u{fffd}cba\u{fffd}"),
            ("a\u{200b}b\u{2028}c\u{e0041}", "a\u{fffd}b c\u{fffd}"),
        ];
        for (given, want) in rows {
            assert_eq!(clean(given), want, "{given:?}");
        }
    }

    #[test]
    fn no_text_is_longer_than_its_bound() {
        for text in ["x".repeat(1 << 20), "\u{7eff}".repeat(1 << 18)] {
            let cut = clean(&text);
            assert!(cut.ends_with(CUT) && cut.len() <= MAX_FIELD_BYTES + CUT.len());
        }
        let fits = "x".repeat(MAX_FIELD_BYTES);
        assert_eq!(clean(&fits), fits);
    }
}
