//! The findings of `check`, their verdict, and how people and programs read them.
//!
//! Invariants:
//! - Every check has a line in every run; one that could not be made says because of what.
//! - The exit code is 0 exactly when nothing failed, else that of the first failure: `run` would end with it.
//! - No control character from anywhere reaches a terminal.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::exit::{Failure, UNAVAILABLE};

/// Everything that is checked, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Configuration,
    StateDirectory,
    Proxy,
    Dns,
    Tcp,
    Mtu,
    Tls,
    ApiVersion,
    Clock,
    Token,
    Organization,
    Rights,
    EntityTypes,
    Behavior,
    ServerConfiguration,
    ConditionalWrites,
    Replicas,
}

impl Check {
    pub(super) const ALL: [Self; 17] = [
        Self::Configuration,
        Self::StateDirectory,
        Self::Proxy,
        Self::Dns,
        Self::Tcp,
        Self::Mtu,
        Self::Tls,
        Self::ApiVersion,
        Self::Clock,
        Self::Token,
        Self::Organization,
        Self::Rights,
        Self::EntityTypes,
        Self::Behavior,
        Self::ServerConfiguration,
        Self::ConditionalWrites,
        Self::Replicas,
    ];

    /// The stable name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::StateDirectory => "state_directory",
            Self::Proxy => "proxy",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Mtu => "mtu",
            Self::Tls => "tls",
            Self::ApiVersion => "api_version",
            Self::Clock => "clock",
            Self::Token => "token",
            Self::Organization => "organization",
            Self::Rights => "rights",
            Self::EntityTypes => "entity_types",
            Self::Behavior => "behavior",
            Self::ServerConfiguration => "server_configuration",
            Self::ConditionalWrites => "conditional_writes",
            Self::Replicas => "replicas",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok(String),
    /// A replica works all the same, but somebody should look at it.
    Warn(String),
    /// A replica would not work; with the exit code that it would end with.
    Fail(u8, String),
    /// It could not be tried.
    Skipped(String),
}

impl Verdict {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self::Ok(text.into())
    }

    pub(super) fn warn(text: impl Into<String>) -> Self {
        Self::Warn(text.into())
    }

    pub(super) fn failed(failure: &Failure) -> Self {
        Self::Fail(failure.code, failure.to_string())
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Warn(_) => "WARN",
            Self::Fail(..) => "FAIL",
            Self::Skipped(_) => "skipped",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Ok(text) | Self::Warn(text) | Self::Fail(_, text) | Self::Skipped(text) => text,
        }
    }

    const fn colour(&self) -> &'static str {
        match self {
            Self::Ok(_) => "\u{1b}[32m",
            Self::Warn(_) => "\u{1b}[33m",
            Self::Fail(..) => "\u{1b}[1;31m",
            Self::Skipped(_) => "\u{1b}[2m",
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Check, Verdict)>);

impl Report {
    pub(super) fn tell(&mut self, check: Check, verdict: Verdict) {
        self.0.push((check, verdict));
    }

    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = (Check, Verdict)>) {
        self.0.extend(findings);
    }

    /// The first check without a line is the one that took too long.
    pub(super) fn run_out_of_time(&mut self, limit: Duration) {
        let is_told = |check: &Check| self.0.iter().any(|(told, _)| told == check);
        let slow = Check::ALL.into_iter().find(|check| !is_told(check));
        let text = format!(
            "all checks together took more than {} s: VCD answers too slowly; check its state and the way to it",
            limit.as_secs()
        );
        let verdict = Verdict::Fail(UNAVAILABLE, text);
        self.tell(slow.unwrap_or(Check::Replicas), verdict);
    }

    /// Gives every check without a line one that says why there is none.
    pub(super) fn skip_the_rest(&mut self, because: &str) {
        for check in Check::ALL {
            if !self.0.iter().any(|(told, _)| *told == check) {
                self.tell(check, Verdict::Skipped(because.to_owned()));
            }
        }
        self.0.sort_by_key(|(check, _)| *check);
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        let failures = self.0.iter().find_map(|(_, verdict)| match verdict {
            Verdict::Fail(code, _) => Some(*code),
            Verdict::Ok(_) | Verdict::Warn(_) | Verdict::Skipped(_) => None,
        });
        failures.unwrap_or(0)
    }

    /// One line for each check, and one that sums them up.
    pub(super) fn text(&self, coloured: bool) -> String {
        let width = |of: fn(&(Check, Verdict)) -> usize| self.0.iter().map(of).max().unwrap_or(0);
        let names = width(|(check, _)| check.name().len());
        let words = width(|(_, verdict)| verdict.word().len());
        let mut text = String::new();
        for (check, verdict) in &self.0 {
            let (on, off) = if coloured {
                (verdict.colour(), "\u{1b}[0m")
            } else {
                ("", "")
            };
            let (word, name) = (verdict.word(), check.name());
            let found = printable(verdict.text());
            // Writing to a String cannot fail.
            writeln!(text, "{on}{word:words$}{off}  {name:names$}  {found}").unwrap_or_default();
        }
        text.push('\n');
        text.push_str(self.summary());
        text.push('\n');
        text
    }

    fn summary(&self) -> &'static str {
        let warns = self
            .0
            .iter()
            .any(|(_, verdict)| matches!(verdict, Verdict::Warn(_)));
        match (self.code(), warns) {
            (0, false) => "a replica would work here",
            (0, true) => "a replica would work here; look at the warnings",
            _ => "a replica would not work here; begin with the first FAIL",
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> String {
        let check = |(check, verdict): &(Check, Verdict)| {
            json!({
                "check": check.name(),
                "verdict": verdict.word().to_ascii_lowercase(),
                "found": verdict.text(),
            })
        };
        let checks: Vec<Value> = self.0.iter().map(check).collect();
        let code = self.code();
        let document = json!({"works": code == 0, "exit_code": code, "checks": checks});
        format!("{document:#}\n")
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_line_and_the_first_failure_gives_the_code() {
        let mut report = Report::default();
        report.tell(Check::Token, Verdict::Fail(77, "no\u{1b}[2J".to_owned()));
        report.tell(Check::Tls, Verdict::Fail(69, "no".to_owned()));
        report.tell(Check::Configuration, Verdict::ok("file"));
        report.skip_the_rest("there is no token");
        let text = report.text(false);
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        let wanted = Check::ALL.map(Check::name);
        assert!(names.starts_with(&wanted), "{names:?}");
        assert!(
            !text.contains('\u{1b}') && text.contains("no?[2J"),
            "{text}"
        );
        assert_eq!(report.code(), 69);
        assert!(report.text(true).contains("\u{1b}[1;31mFAIL"));
        assert!(report.json().contains("\"works\": false"));
    }

    #[test]
    fn what_takes_too_long_fails() {
        let mut report = Report::default();
        report.tell(Check::Configuration, Verdict::ok("file"));
        report.run_out_of_time(Duration::from_secs(25));
        report.skip_the_rest("there was no time left");
        assert_eq!(report.code(), 69);
        assert!(
            report.text(false).contains("FAIL     state_directory"),
            "{}",
            report.text(false)
        );
    }

    #[test]
    fn warnings_do_not_fail() {
        let mut report = Report::default();
        report.tell(Check::Clock, Verdict::warn("2 hours"));
        assert_eq!(report.code(), 0);
        assert!(report.text(false).ends_with("look at the warnings\n"));
    }
}
