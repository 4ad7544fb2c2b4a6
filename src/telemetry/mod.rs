//! The log: where it goes, in which form, and how its filter is changed while it runs.
//!
//! Flow: [`init`] once at start-up, from the checked configuration; afterwards everybody uses `tracing`. An
//! event becomes a [`record::Record`], which one or two sinks write: [`journal`], [`json`] or [`text`], and
//! [`syslog`] if the shared configuration names a server.
//!
//! Invariants:
//! - An event's message is constant and never empty; its kind is the field `event`, one of [`event`]. The one
//!   exception is a start that fails: its message holds the reason, because nobody looks for the fields of a
//!   service that is not there.
//! - Only the filter is exchanged while spans are open, never a layer.
//! - Spans that tell what a line is about are of level ERROR: a filter that shows a line shows its cluster.
//!
//! Not here: what is logged, and when (each module); the status line of the unit (`notify`).
//! Source: systemd, `$JOURNAL_STREAM` in systemd.exec(5).

pub mod clean;
pub mod event;
pub mod journal;
pub mod json;
pub mod record;
pub mod syslog;
pub mod text;

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Level, info};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::journal::Journal;
use self::record::{Records, Sink};
use self::text::Reader;
use crate::clock::Clock;
use crate::config::{Environment, LogConfig, LogFormat};

/// Logs an ERROR for every certificate it refuses; whoever opened the connection tells that, and how often
/// it matters.
const TALKATIVE: &str = "rustls_platform_verifier";

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is malformed.
    #[error("{text:?} is no log filter: {reason}")]
    Filter {
        /// The filter as written.
        text: String,
        /// What the parser said.
        reason: String,
    },
    /// `journald` was asked for by name, and its socket is not there.
    #[error("cannot reach journald; use log.format = \"auto\"")]
    Journald(#[source] io::Error),
    /// A second set-up in one process.
    #[error("the log is already set up")]
    AlreadySet(#[source] tracing_subscriber::util::TryInitError),
    /// The log has ended before the process.
    #[error("the log is not there any more")]
    Gone(#[source] reload::Error),
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The journal, with structured fields.
    Journal,
    /// Standard error, which may itself lead to the journal.
    Stderr,
}

/// Parses a filter.
///
/// # Errors
/// [`TelemetryError::Filter`].
pub fn parse_filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    let refused = |cause: tracing_subscriber::filter::ParseError| TelemetryError::Filter {
        text: text.to_owned(),
        reason: cause.to_string(),
    };
    let filter = EnvFilter::builder().parse(text).map_err(refused)?;
    if text.contains(TALKATIVE) {
        return Ok(filter);
    }
    let silence = format!("{TALKATIVE}=off").parse().map_err(refused)?;
    Ok(filter.add_directive(silence))
}

/// The log of this process.
pub struct Log {
    /// Where it goes.
    pub destination: Destination,
    /// What is logged.
    pub filter: Filter,
    /// Where it is forwarded to.
    pub syslog: syslog::Target,
    /// Does the forwarding; to be run.
    pub forwarder: syslog::Forwarder,
}

/// The filter of the log; it can be changed.
#[derive(Clone)]
pub struct Filter {
    handle: reload::Handle<EnvFilter, Registry>,
    text: Arc<Mutex<String>>,
}

impl Filter {
    /// Replaces the filter.
    ///
    /// # Errors
    /// [`TelemetryError::Filter`]: `text` is malformed; the old one stays.
    pub fn set(&self, text: &str) -> Result<(), TelemetryError> {
        let filter = parse_filter(text)?;
        let mut known = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, text.to_owned());
        let tell = || {
            info!(
                event = event::FILTER_CHANGED,
                filter = text,
                before = %before,
                "log filter read again"
            );
        };
        // Whoever goes from one that shows this line to one that does not is told, too.
        let is_shown = tracing::enabled!(Level::INFO);
        if is_shown {
            tell();
        }
        self.handle.reload(filter).map_err(TelemetryError::Gone)?;
        if !is_shown {
            tell();
        }
        Ok(())
    }
}

/// Sets the log of this process up. `replica` goes into every record.
///
/// # Errors
/// [`TelemetryError`]; start-up must end.
pub fn init(log: &LogConfig, replica: &str, env: Environment<'_>) -> Result<Log, TelemetryError> {
    let (filter, handle) = reload::Layer::new(parse_filter(&log.filter)?);
    let (destination, sink) = output(log.format, replica, env)?;
    let (lines, target, forwarder) = syslog::forwarding(replica, Clock::system());
    tracing_subscriber::registry()
        .with(filter)
        .with(Records::new(Clock::system(), vec![sink, Box::new(lines)]))
        .try_init()
        .map_err(TelemetryError::AlreadySet)?;
    Ok(Log {
        destination,
        filter: Filter {
            handle,
            text: Arc::new(Mutex::new(log.filter.clone())),
        },
        syslog: target,
        forwarder,
    })
}

type Output = (Destination, Box<dyn Sink>);

fn output(
    format: LogFormat,
    replica: &str,
    env: Environment<'_>,
) -> Result<Output, TelemetryError> {
    let lines = |reader| -> Output { (Destination::Stderr, Box::new(text::Lines { reader })) };
    let replica_name = replica.to_owned();
    match format {
        LogFormat::Json => {
            let sink = json::JsonLines {
                replica: replica_name,
            };
            Ok((Destination::Stderr, Box::new(sink)))
        }
        LogFormat::Journald => journald(replica).map_err(TelemetryError::Journald),
        LogFormat::Auto if stderr_is_journal(env) => {
            // A journal whose native socket is out of reach still takes the lines of standard error.
            Ok(journald(replica).unwrap_or_else(|_| lines(Reader::Journal)))
        }
        LogFormat::Auto | LogFormat::Text => Ok(lines(reader(env))),
    }
}

fn journald(replica: &str) -> io::Result<Output> {
    let journal = Journal::connect(Path::new(journal::SOCKET), replica)?;
    Ok((Destination::Journal, Box::new(journal)))
}

fn reader(env: Environment<'_>) -> Reader {
    if io::stderr().is_terminal() {
        let colours = env("NO_COLOR").is_none_or(|value| value.is_empty());
        Reader::Terminal { colours }
    } else {
        Reader::File
    }
}

/// Whether what is written to standard error ends up in the journal.
pub fn stderr_is_journal(env: Environment<'_>) -> bool {
    is_journal(&env("JOURNAL_STREAM").unwrap_or_default(), stderr_file())
}

/// Device and inode of standard error.
fn stderr_file() -> Option<(u64, u64)> {
    rustix::fs::fstat(io::stderr())
        .ok()
        .map(|stat| (stat.st_dev, stat.st_ino))
}

/// Whether `$JOURNAL_STREAM` (`<device>:<inode>`) names the file that standard error is now. A child whose
/// standard error was redirected inherits the variable, but not the file.
fn is_journal(stream: &str, stderr: Option<(u64, u64)>) -> bool {
    let named = stream
        .split_once(':')
        .and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == stderr
}

/// Renders an error with all its causes, `first: second: third`, for the field `error`.
pub fn chain<'a>(error: &'a (dyn Error + 'a)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_used_only_if_standard_error_is_connected_to_it() {
        let here = Some((8, 4711));
        let rows = [
            ("8:4711", here, true),
            ("8:4712", here, false),
            ("9:4711", here, false),
            ("8:4711", None, false),
            ("", here, false),
            ("", None, false),
            ("8", here, false),
            ("a:b", here, false),
        ];
        for (stream, stderr, want) in rows {
            assert_eq!(is_journal(stream, stderr), want, "{stream:?} {stderr:?}");
        }
    }

    #[test]
    fn filters_are_judged_before_they_are_used() {
        for good in ["info", "warn,cse_server::vcd=trace", "off"] {
            parse_filter(good).unwrap();
        }
        for bad in ["info=warn=x", "cse_server=loud"] {
            let shown = parse_filter(bad).unwrap_err().to_string();
            assert!(shown.contains(bad), "{shown}");
        }
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot set up")]
        struct Outer(#[source] TelemetryError);

        let inner = TelemetryError::Journald(io::Error::other("gone"));
        let shown = chain(&Outer(inner)).to_string();
        let want = "cannot set up: cannot reach journald; use log.format = \"auto\": gone";
        assert_eq!(shown, want);
    }

    #[test]
    fn every_form_of_output_can_be_built_without_a_journal() {
        for format in [LogFormat::Auto, LogFormat::Json, LogFormat::Text] {
            assert!(output(format, "cse-1", &|_| None).is_ok(), "{format:?}");
        }
    }
}
