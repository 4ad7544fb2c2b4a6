//! `cse-server check`: would a replica work on this machine?
//!
//! Flow: file -> machine -> way to VCD -> first answer -> login -> what the account sees, side by side -> one line
//! each.
//!
//! Invariants:
//! - It goes on after a failure as far as anything can still be tried, and ends within half a minute.
//! - What fails is said in the words of `run`, with the exit code of `run`.
//! - It changes nothing. The one write it makes carries a tag that VCD has to refuse, and the content that is
//!   there already.
//!
//! Not here: what a finding means (`judge`), how it is shown (`report`).

mod judge;
mod network;
mod report;
mod site;

use std::fs::OpenOptions;
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::exit::{Failure, SYSTEM};
use super::reach::ReachArgs;
use super::replica::way_to;
use crate::cli::event_loop::finish;
use crate::clock::Clock;
use crate::config::{Config, process_environment};
use crate::vcd::error::VcdError;
use crate::vcd::greeting::Greeting;
use crate::vcd::http::HttpTransport;
use crate::vcd::transport::{CallLimits, Obstacle, TransportError};
use crate::vcd::{ClientOptions, Login, VcdClient};
use network::Way;
use report::{Check, Report, Verdict};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest time for everything beyond this machine.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(25);
/// Longest wait for one answer of VCD.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

const AFTER_HELP: &str = "\
Each line is `ok`, `WARN` (a replica works all the same), `FAIL` (it would not) or `skipped` (it could not be \
tried, and why). Nothing is changed.

Exit codes: 0 if a replica would work, else that of the first FAIL, which `cse-server run` would end with.";

/// What the command takes.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    reach: ReachArgs,
    /// Write JSON instead of lines
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let report = finish(async { Ok(look(args).await) })?;
    let mut out = io::stdout();
    let coloured =
        out.is_terminal() && process_environment("NO_COLOR").is_none_or(|value| value.is_empty());
    let text = if args.json {
        report.json()
    } else {
        report.text(coloured)
    };
    let written = out.write_all(text.as_bytes());
    written.map_err(|error| Failure::new(SYSTEM, &error))?;
    Ok(ExitCode::from(report.code()))
}

/// `future`'s outcome, unless it takes longer than `limit`.
async fn within<F: Future>(clock: &Clock, limit: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        outcome = future => Some(outcome),
        () = clock.sleep(limit) => None,
    }
}

async fn look(args: &CheckArgs) -> Report {
    let mut report = Report::default();
    let config = match args.reach.load() {
        Ok(config) => config,
        Err(failure) => {
            report.tell(Check::Configuration, Verdict::failed(&failure));
            report.skip_the_rest("the configuration cannot be used");
            return report;
        }
    };
    let text = format!(
        "VCD at {}, organization {}, token from {}, replica {}",
        config.vcd.url.origin().ascii_serialization(),
        config.vcd.org,
        config.token_place,
        config.replica.name
    );
    report.tell(Check::Configuration, Verdict::Ok(text));
    report.tell(Check::StateDirectory, state_directory(&config));
    let clock = Clock::system();
    let reaching = Box::pin(reach_vcd(&config, &mut report));
    let reached = within(&clock, TOTAL_TIMEOUT, reaching).await;
    let because = if let Some(because) = reached {
        because.unwrap_or_else(|| "it could not be tried".to_owned())
    } else {
        report.run_out_of_time(TOTAL_TIMEOUT);
        "there was no time left".to_owned()
    };
    report.skip_the_rest(&because);
    report
}

/// A directory that is there must be writable; one that is not is made at start-up.
fn state_directory(config: &Config) -> Verdict {
    let Some(dir) = &config.replica.state_dir else {
        return Verdict::ok(
            "none here (systemd gives the service one); without it, a restarted replica's clusters wait for \
             takeover_secs",
        );
    };
    let shown = dir.display();
    if !dir.exists() {
        return Verdict::ok(format!(
            "{shown} does not exist yet; it is made at start-up"
        ));
    }
    let probe = dir.join(format!("check-{}", std::process::id()));
    let opened = OpenOptions::new().write(true).create_new(true).open(&probe);
    match opened.and_then(|_| std::fs::remove_file(&probe)) {
        Ok(()) => Verdict::ok(format!("{shown} can be written by this user")),
        Err(error) => Verdict::warn(format!(
            "{shown} cannot be written by this user: {error}; if the service runs as this user, correct \
             replica.state_dir"
        )),
    }
}

/// Everything beyond this machine; returns why the rest could not be tried.
async fn reach_vcd(config: &Config, report: &mut Report) -> Option<String> {
    let clock = Clock::system();
    let mut way = network::explore(&config.vcd.url, &clock, &process_environment).await;
    report.add(std::mem::take(&mut way.findings));
    if way.blocked.is_some() {
        return way.blocked;
    }
    let (transport, options) = match prepare(config) {
        Ok(prepared) => prepared,
        Err(failure) => {
            report.tell(Check::Tls, Verdict::failed(&failure));
            return Some("HTTPS cannot be set up".to_owned());
        }
    };
    let greeting = Greeting::with(Arc::new(transport), options).await;
    let greeting = match greeting {
        Ok(greeting) => greeting,
        Err(error) => return Some(no_greeting(config, &way, &error, report)),
    };
    if config.vcd.url.scheme() == "https" {
        let judged = judge::certificate(&way.chain, clock.wall());
        report.tell(Check::Tls, judged);
    }
    let offered: Vec<String> = greeting.offered().iter().map(ToString::to_string).collect();
    let text = format!("{} of {}", greeting.version(), offered.join(", "));
    report.tell(Check::ApiVersion, Verdict::Ok(text));
    report.tell(Check::Clock, judge::clock(greeting.date(), clock.wall()));
    let client = match log_in(config, &greeting).await {
        Ok(client) => client,
        Err(failure) => {
            report.tell(Check::Token, Verdict::failed(&failure));
            return Some("there is no login".to_owned());
        }
    };
    report.tell(Check::Token, Verdict::ok("accepted"));
    let seen = Box::pin(site::look(config, (&client, greeting.offered()), &clock));
    report.add(seen.await);
    None
}

/// As `run` does it, with less patience.
fn prepare(config: &Config) -> Result<(HttpTransport, ClientOptions), Failure> {
    let (transport, options) = way_to(&config.vcd, &config.replica.name, CONNECT_TIMEOUT)?;
    let timeout = ANSWER_TIMEOUT.min(config.vcd.request_timeout);
    let hurried = |limits: CallLimits| CallLimits { timeout, ..limits };
    let options = ClientOptions {
        call: hurried(options.call),
        page: hurried(options.page),
        ..options
    };
    Ok((transport, options))
}

/// What is in the way to the first answer belongs to the line that it is about.
fn no_greeting(config: &Config, way: &Way, error: &VcdError, report: &mut Report) -> String {
    let failure = Failure::vcd(error);
    let is_https = config.vcd.url.scheme() == "https";
    let obstacle = match error {
        VcdError::NotSent { cause, .. } => match &**cause {
            TransportError::NotSent { obstacle, .. } => Some(*obstacle),
            TransportError::Unanswered { .. } | TransportError::TooLarge { .. } => None,
        },
        VcdError::Unanswered { .. }
        | VcdError::OutcomeUnknown { .. }
        | VcdError::Busy { .. }
        | VcdError::Throttled { .. }
        | VcdError::Conflict { .. }
        | VcdError::Unauthenticated { .. }
        | VcdError::NotVisible { .. }
        | VcdError::Rejected { .. }
        | VcdError::Unreadable { .. }
        | VcdError::TooManyPages { .. }
        | VcdError::InvalidRequest { .. }
        | VcdError::ApiVersion { .. } => None,
    };
    match obstacle {
        Some(Obstacle::UnknownIssuer | Obstacle::WrongName | Obstacle::Certificate) => {
            let seen = judge::untrusted(&way.chain);
            let verdict = Verdict::Fail(failure.code, format!("{failure}{seen}"));
            report.tell(Check::Tls, verdict);
            "the certificate is not trusted".to_owned()
        }
        Some(
            Obstacle::NameLookup
            | Obstacle::Refused
            | Obstacle::NoAnswer
            | Obstacle::NotTls
            | Obstacle::Other,
        ) if is_https => {
            report.tell(Check::Tls, Verdict::failed(&failure));
            "there is no TLS connection".to_owned()
        }
        _ => {
            if is_https {
                report.tell(
                    Check::Tls,
                    judge::certificate(&way.chain, Clock::system().wall()),
                );
            }
            report.tell(Check::ApiVersion, Verdict::failed(&failure));
            "there is no answer of a usable VCD".to_owned()
        }
    }
}

async fn log_in(
    config: &Config,
    greeting: &Greeting<HttpTransport>,
) -> Result<VcdClient<HttpTransport>, Failure> {
    let login = Login {
        org: config.vcd.org.clone(),
        token: config.token.clone(),
    };
    let client = greeting.log_in(login).await;
    client.map_err(|error| Failure::login(&error, &config.token_place))
}
