//! Words for times and for texts of others, as they may stand on a terminal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The beginning of a text of somebody else, on one line, without anything that a terminal would obey.
///
/// Longer ones end with `…`; what would change the direction or hide behind its neighbours is replaced, too.
pub fn printable(text: &str, most_chars: usize) -> String {
    let mut clean = String::new();
    for (count, c) in text.chars().enumerate() {
        if count + 1 >= most_chars && text.chars().nth(count + 1).is_some() {
            clean.push('…');
            break;
        }
        clean.push(match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || is_invisible(c) => '?',
            c => c,
        });
    }
    clean
}

/// Marks that are no letters but change how others are shown.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A length of time in two units at most: `12 s`, `4 min`, `3 h 20 min`, `2 d 4 h`.
pub fn span(time: Duration) -> String {
    let secs = time.as_secs();
    let (large, small) = match secs {
        0..MINUTE => return format!("{secs} s"),
        MINUTE..600 if !secs.is_multiple_of(MINUTE) => ((MINUTE, "min"), (1, "s")),
        MINUTE..HOUR => return format!("{} min", secs / MINUTE),
        HOUR..DAY => ((HOUR, "h"), (MINUTE, "min")),
        _ => ((DAY, "d"), (HOUR, "h")),
    };
    let rest = secs % large.0 / small.0;
    if rest == 0 {
        format!("{} {}", secs / large.0, large.1)
    } else {
        format!("{} {} {rest} {}", secs / large.0, large.1, small.1)
    }
}

/// How long ago something was, as `5 min ago`; what lies ahead says that clocks differ.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    match age(now, then) {
        Ok(age) => format!("{} ago", span(age)),
        Err(ahead) => format!("in {}, by a clock that is ahead", span(ahead)),
    }
}

/// Time from `then` to `now`.
///
/// # Errors
/// How far `then` lies ahead; a second or two is taken for now, because dates of HTTP are whole seconds.
pub fn age(now: Timestamp, then: Timestamp) -> Result<Duration, Duration> {
    let passed = now.duration_since(then);
    if passed < SignedDuration::from_secs(-2) {
        Err(passed.unsigned_abs())
    } else {
        Ok(Duration::try_from(passed).unwrap_or_default())
    }
}

/// To the second, in UTC.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// To the minute, in UTC, saying so.
pub fn utc_minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `1 node`, `2 nodes`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The sentence with a capital letter and one full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().collect());
    let stop = if text.ends_with(['.', '!', '?', '…']) || text.is_empty() {
        ""
    } else {
        "."
    };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_one_harmless_line_of_bounded_length() {
        let rows = [
            ("blue", 10, "blue"),
            ("a\u{1b}[31mred\u{7}", 40, "a?[31mred?"),
            ("two\nlines\tand", 40, "two lines and"),
            ("evil\u{202e}txt.exe\u{200b}", 40, "evil?txt.exe?"),
            ("0123456789", 10, "0123456789"),
            ("0123456789a", 10, "012345678…"),
            ("\u{9b}2J", 10, "?2J"),
        ];
        for (text, most, want) in rows {
            assert_eq!(printable(text, most), want, "{text:?}");
        }
    }

    #[test]
    fn times_are_told_in_two_units_at_most() {
        let rows = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (90, "1 min 30 s"),
            (601, "10 min"),
            (3_600, "1 h"),
            (12_000, "3 h 20 min"),
            (187_200, "2 d 4 h"),
        ];
        for (secs, want) in rows {
            assert_eq!(span(Duration::from_secs(secs)), want);
        }
    }

    #[test]
    fn a_date_ahead_is_told_as_a_clock_that_differs() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |secs| now + SignedDuration::from_secs(secs);
        assert_eq!(ago(now, at(-75)), "1 min 15 s ago");
        assert_eq!(ago(now, at(1)), "0 s ago");
        assert_eq!(ago(now, at(120)), "in 2 min, by a clock that is ahead");
    }

    #[test]
    fn a_sentence_begins_and_ends_like_one() {
        assert_eq!(sentence("the end"), "The end.");
        assert_eq!(sentence("Done. "), "Done.");
        assert_eq!(sentence(""), "");
    }
}
