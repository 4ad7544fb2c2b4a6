//! A place in a JSON document that knows its path, and collects what is wrong there.
//!
//! Every reader returns something usable, the default if need be, so that one run finds all
//! problems. Absent, `null` and blank texts are the same: samples of the vendor write `""` for
//! "none", and templates leave blanks around.

use std::cell::RefCell;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::ConfigProblem;

/// Longest part of a found value that a problem repeats, in characters.
const FOUND_CHARS: usize = 60;
/// Longest version text, in bytes.
const VERSION_BYTES: usize = 64;

/// The problems found so far.
pub(super) type Problems = RefCell<Vec<ConfigProblem>>;

/// A value that may be absent, where it is, and where problems go.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) value: Option<&'a Value>,
    pub(super) path: String,
    pub(super) problems: &'a Problems,
}

impl<'a> Place<'a> {
    /// The member `key`; absent when there is none. A non-object where an object belongs is a problem.
    pub(super) fn get(&self, key: &str) -> Self {
        if !matches!(self.value, None | Some(Value::Null | Value::Object(_))) {
            self.problem("an object");
        }
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        self.at(self.value.and_then(|value| value.get(key)), path)
    }

    /// The elements of a list; a single value counts as a list of one.
    pub(super) fn items(&self) -> Vec<Self> {
        match self.value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) if text.trim().is_empty() => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.at(Some(item), format!("{}[{index}]", self.path)))
                .collect(),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                vec![self.clone()]
            }
        }
    }

    fn at(&self, value: Option<&'a Value>, path: String) -> Self {
        Self {
            value,
            path,
            problems: self.problems,
        }
    }

    /// Whether anything is there at all.
    pub(super) fn is_present(&self) -> bool {
        !matches!(self.value, None | Some(Value::Null))
    }

    /// Records that something else belongs here.
    pub(super) fn problem(&self, expected: impl Into<String>) {
        self.problem_without_value(found(self.value), expected);
    }

    /// Records a problem whose value must not be repeated or is told in other words.
    pub(super) fn problem_without_value(&self, found: String, expected: impl Into<String>) {
        self.problems.borrow_mut().push(ConfigProblem {
            path: self.path.clone(),
            found,
            expected: expected.into(),
        });
    }

    /// A text without blanks around it; `None` when absent or blank. Numbers count as texts.
    pub(super) fn text(&self) -> Option<String> {
        let text = match self.value {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                self.problem("a text");
                return None;
            }
        };
        (!text.is_empty()).then_some(text)
    }

    /// A text of one printable line.
    pub(super) fn line(&self) -> Option<String> {
        let text = self.text()?;
        if text.chars().any(char::is_control) || text.len() > 1024 {
            self.problem("one line of printable text");
            return None;
        }
        Some(text)
    }

    /// A text that no problem repeats.
    pub(super) fn secret(&self) -> Option<SecretString> {
        match self.value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) if is_plain(text.trim()) => {
                Some(SecretString::from(text.trim()))
            }
            Some(
                Value::String(_)
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_),
            ) => {
                self.problem_without_value(
                    "something else (not shown)".to_owned(),
                    "a text without blanks, quotes and backslashes",
                );
                None
            }
        }
    }

    /// A version: letters, digits and `. + _ -`. It ends up in URLs and image tags.
    pub(super) fn version(&self) -> Option<String> {
        let text = self.text()?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'_' | b'-');
        // A leading hyphen would make it a flag where it stands alone.
        let is_version = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_version || text.len() > VERSION_BYTES || !text.bytes().all(allowed) {
            self.problem("a version such as v1.4.0");
            return None;
        }
        Some(text)
    }

    /// A version written with a leading `v`, whether it is configured so or not.
    pub(super) fn v_version(&self) -> Option<String> {
        let version = self.version()?;
        let is_number = version.starts_with(|c: char| c.is_ascii_digit());
        Some(if is_number {
            format!("v{version}")
        } else {
            version
        })
    }

    /// A whole number, written as number or text.
    pub(super) fn whole(&self) -> Option<u64> {
        let number = match self.value {
            Some(Value::Number(number)) => {
                number.as_u64().or_else(|| whole_float(number.as_f64()?))
            }
            _ => self.text().and_then(|text| text.parse().ok()),
        };
        if number.is_none() && self.text().is_some() {
            self.problem("a whole number");
        }
        number
    }

    /// Whole minutes within `1..=most`.
    pub(super) fn minutes(&self, most: u64) -> Option<u64> {
        let minutes = self.whole()?;
        if !(1..=most).contains(&minutes) {
            self.problem(format!("minutes between 1 and {most}"));
            return None;
        }
        Some(minutes)
    }

    /// A time: seconds without unit (as Terraform writes them) or with units (`900s`, `15m`, `1h30m`).
    pub(super) fn duration(&self) -> Option<Duration> {
        let text = self.text()?;
        let duration = parse_duration(&text);
        if duration.is_none() {
            self.problem("a time such as 900, 900s or 15m");
        }
        duration
    }

    /// A truth value, also written as text.
    pub(super) fn is_true(&self) -> bool {
        match self.value {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
            None | Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                false
            }
        }
    }
}

/// `7.0` is what some JSON writers make of 7. Exact up to 2^32, far beyond every limit here.
fn whole_float(number: f64) -> Option<u64> {
    let text = format!("{number}");
    (0.0..4_294_967_296.0)
        .contains(&number)
        .then(|| text.parse().ok())
        .flatten()
}

/// Reads `900`, `900s` or `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_secs = match after.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let number: u32 = number.parse().ok()?;
        total = total.checked_add(Duration::from_secs(u64::from(number) * unit_secs))?;
        rest = after.get(1..)?;
    }
    Some(total)
}

/// Proxies go into unit files, where quotes and backslashes mean something; no real one has them.
pub(super) fn is_plain(text: &str) -> bool {
    let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\'' | '\\');
    !text.contains(strange)
}

/// A value in an error text: short, and in JSON spelling so that control characters are escaped.
fn found(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(other) => {
            let text = other.to_string();
            let cut: String = text.chars().take(FOUND_CHARS).collect();
            if cut.len() < text.len() {
                format!("{cut}...")
            } else {
                cut
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_unit() {
        for (text, want) in [
            ("900", Some(900)),
            ("900s", Some(900)),
            ("15m", Some(900)),
            ("1h30m", Some(5400)),
            ("15m0s", Some(900)),
            ("15 m", None),
            ("m", None),
            ("-5", None),
            ("1d", None),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_secs()), want, "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_be_written_as_floats() {
        assert_eq!(whole_float(7.0), Some(7));
        assert_eq!(whole_float(7.5), None);
        assert_eq!(whole_float(-1.0), None);
        assert_eq!(whole_float(f64::NAN), None);
    }
}
