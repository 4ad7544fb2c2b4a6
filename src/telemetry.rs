//! The log: where it goes, in which form, and the names of its events.
//!
//! Flow: [`init`] once at start-up, from the checked configuration; afterwards everybody uses `tracing`.
//!
//! Invariants:
//! - Fields keep their names in the journal (`cluster` becomes `CLUSTER`, no prefix), `REPLICA` is on every
//!   record, INFO is priority 6 and DEBUG 7.
//! - An event's message is constant and never empty (the journal shows records without one as blank
//!   lines); its kind is the field `event`, one of [`event`]. The one exception is a start that fails: its
//!   message holds the reason, because nobody looks for the fields of a service that is not there.
//! - The filter is chosen once; layers are never exchanged while spans are open.
//!
//! Not here: what is logged, and when (each module); the status line of the unit (`notify`).
//! Source: systemd, `$JOURNAL_STREAM` in systemd.exec(5), fields in systemd.journal-fields(7).

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Environment, LogConfig, LogFormat};

/// `SYSLOG_IDENTIFIER` of every record: `journalctl -t cse-server`.
const IDENTIFIER: &str = "cse-server";

/// Logs an ERROR for every certificate it refuses; whoever opened the connection tells that, and how often
/// it matters.
const TALKATIVE: &str = "rustls_platform_verifier";

/// Names of events: `<noun>.<past verb>`, the values of the field `event`.
pub mod event {
    /// A free cluster was claimed.
    pub const CLUSTER_CLAIMED: &str = "cluster.claimed";
    /// A held claim turned out to be somebody else's.
    pub const CLAIM_LOST: &str = "claim.lost";
    /// A claim was given up: work done, or draining.
    pub const CLAIM_RELEASED: &str = "claim.released";
    /// A silent holder's claim was taken over.
    pub const CLAIM_TAKEN_OVER: &str = "claim.taken_over";
    /// A claim could not be renewed in time: nothing new is begun for the cluster.
    pub const CLAIM_FENCED: &str = "claim.fenced";
    /// A document older than one already seen came back, as after a restore.
    pub const ROLLBACK_DETECTED: &str = "rollback.detected";
    /// One effect on VCD begins.
    pub const ACTION_STARTED: &str = "action.started";
    /// One effect on VCD ended, well or not.
    pub const ACTION_FINISHED: &str = "action.finished";
    /// One effect on VCD keeps failing.
    pub const ACTION_FAILED: &str = "action.failed";
    /// The cluster's status was written.
    pub const STATUS_RECORDED: &str = "status.recorded";
    /// A cluster went from one phase to the next.
    pub const PHASE_CHANGED: &str = "phase.changed";
    /// One pass over one cluster ended early.
    pub const PASS_FAILED: &str = "pass.failed";
    /// A cluster is parked: its pass panicked or keeps failing.
    pub const CLUSTER_QUARANTINED: &str = "cluster.quarantined";
    /// A person must act before the cluster can go on.
    pub const CLUSTER_BLOCKED: &str = "cluster.blocked";
    /// An attempt to create a cluster failed.
    pub const CLUSTER_FAILED: &str = "cluster.failed";
    /// A cluster is complete.
    pub const CLUSTER_PROVISIONED: &str = "cluster.provisioned";
    /// Everything of a cluster is gone.
    pub const CLUSTER_DELETED: &str = "cluster.deleted";
    /// The process begins.
    pub const REPLICA_STARTED: &str = "replica.started";
    /// Configuration, login and the first complete sweep are done.
    pub const REPLICA_READY: &str = "replica.ready";
    /// SIGTERM came: nothing new is claimed.
    pub const REPLICA_DRAINING: &str = "replica.draining";
    /// The process ends.
    pub const REPLICA_STOPPED: &str = "replica.stopped";
    /// The server-config entity is in force.
    pub const CONFIG_ACCEPTED: &str = "config.accepted";
    /// The server-config entity cannot be used; the last good one stays in force.
    pub const CONFIG_REFUSED: &str = "config.refused";
    /// A poll did not come to its end.
    pub const POLL_FAILED: &str = "poll.failed";
    /// Polls work again.
    pub const POLL_RECOVERED: &str = "poll.recovered";
}

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

/// Sets the log of this process up, and tells where it goes. `replica` goes into every journal record.
///
/// # Errors
/// [`TelemetryError`]; start-up must end.
pub fn init(
    log: &LogConfig,
    replica: &str,
    env: Environment<'_>,
) -> Result<Destination, TelemetryError> {
    let filter = parse_filter(&log.filter)?;
    let (destination, layer) = output(log.format, replica, env)?;
    tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .try_init()
        .map_err(TelemetryError::AlreadySet)?;
    Ok(destination)
}

type Output<S> = (Destination, Box<dyn Layer<S> + Send + Sync>);

fn output<S>(
    format: LogFormat,
    replica: &str,
    env: Environment<'_>,
) -> Result<Output<S>, TelemetryError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let stderr = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Json => Ok((Destination::Stderr, stderr.json().boxed())),
        LogFormat::Text => Ok((Destination::Stderr, stderr.with_ansi(colours(env)).boxed())),
        LogFormat::Journald => journald(replica)
            .map(|layer| (Destination::Journal, layer.boxed()))
            .map_err(TelemetryError::Journald),
        LogFormat::Auto => {
            let layer = stderr_is_journal(env).then(|| journald(replica));
            // A journal whose native socket is out of reach still takes the lines of standard error.
            match layer {
                Some(Ok(layer)) => Ok((Destination::Journal, layer.boxed())),
                Some(Err(_)) | None => {
                    Ok((Destination::Stderr, stderr.with_ansi(colours(env)).boxed()))
                }
            }
        }
    }
}

fn journald(replica: &str) -> io::Result<tracing_journald::Layer> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    Ok(tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_priority_mappings(priorities)
        .with_custom_fields([("REPLICA", replica)]))
}

fn colours(env: Environment<'_>) -> bool {
    io::stderr().is_terminal() && env("NO_COLOR").is_none_or(|value| value.is_empty())
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
        type Plain = tracing_subscriber::Registry;
        for format in [LogFormat::Auto, LogFormat::Json, LogFormat::Text] {
            assert!(
                output::<Plain>(format, "cse-1", &|_| None).is_ok(),
                "{format:?}"
            );
        }
    }
}
