//! How a command fails: one line for the operator and an exit code.
//!
//! Invariants:
//! - The line says where, what was tried, why it failed, and what to do, in this order.
//! - Codes follow `sysexits.h`, so that `systemctl status` shows a word for them.
//!
//! Not here: where the line goes (`cli::last_words`).

use std::error::Error;
use std::fmt;
use std::path::Path;

use url::Url;

use crate::config::{ConfigError, Refusal};
use crate::controller::orphans::OrphansError;
use crate::controller::settings::SettingsError;
use crate::domain::error_class::ErrorClass;
use crate::setup::apply::StepError;
use crate::telemetry::{TelemetryError, chain};
use crate::vcd::error::VcdError;
use crate::vcd::http::HttpSetupError;
use crate::vcd::transport::{Obstacle, TransportError};

/// The command line is wrong (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// VCD cannot be reached (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: u8 = 69;
/// The machine cannot run the command (`EX_OSERR`).
pub const SYSTEM: u8 = 71;
/// VCD answers what this server cannot use (`EX_PROTOCOL`).
pub const PROTOCOL: u8 = 76;
/// The token is refused or rights are missing (`EX_NOPERM`).
pub const NO_PERMISSION: u8 = 77;
/// The configuration is wrong (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;

const NOT_VCD: &str =
    "check that vcd.url is the address of a VCD 10.4.2 to 10.6, not of a portal or proxy page";
const UNSTEADY: &str =
    "VCD is there but does not answer properly; check its state and any proxy in between";
const ROLE: &str = "give the service account the role \"CSE Admin Role\"";
const ADMINISTRATOR: &str =
    "check the token in --token-file, its organization (--token-org) and the rights of its user";
const ROOT: &str = "log in as a user of the organization System with the role System Administrator";
const ENTITY: &str = "correct the entity vcdKeConfig in VCD";

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The whole line.
    line: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Failure {
    /// A failure whose causes say enough.
    pub fn new(code: u8, error: &dyn Error) -> Self {
        Self {
            code,
            line: one_line(&chain(error).to_string()),
        }
    }

    /// The system does not give what the program needs before anything else.
    pub fn runtime(error: &std::io::Error) -> Self {
        let hint = "raise the limits of this process for open files and threads (LimitNOFILE= and TasksMax= of the \
            service, ulimit -n in a shell)";
        let what = format!("the program cannot start its event loop: {error}");
        Self::with_hint((SYSTEM, hint), &what)
    }

    fn with_hint((code, hint): (u8, &str), error: &dyn fmt::Display) -> Self {
        let text = error.to_string();
        Self {
            code,
            // VCD's sentences end with a full stop.
            line: one_line(&format!(
                "{}; {hint}",
                text.trim_end().trim_end_matches('.')
            )),
        }
    }

    /// The same, saying which VCD it is about.
    #[must_use]
    pub fn at(self, site: &Url) -> Self {
        Self {
            line: format!(
                "VCD at {}: {}",
                site.origin().ascii_serialization(),
                self.line
            ),
            ..self
        }
    }

    /// The same for what VCD answers; what the operator typed is about no VCD.
    #[must_use]
    pub(super) fn about(self, site: &Url) -> Self {
        if self.code == USAGE {
            self
        } else {
            self.at(site)
        }
    }

    /// HTTPS cannot be set up with the certificates of `ca_file`.
    pub fn http_setup(error: &HttpSetupError, ca_file: Option<&Path>) -> Self {
        let hint = match error {
            HttpSetupError::BaseUrl { .. } => "correct vcd.url".to_owned(),
            HttpSetupError::CaCertificates { .. } => match ca_file {
                Some(path) => format!("correct {}, the file of vcd.ca_file", path.display()),
                None => "correct the file of vcd.ca_file".to_owned(),
            },
            HttpSetupError::NoTrustedRoots => {
                "set vcd.ca_file, or install the package ca-certificates".to_owned()
            }
            HttpSetupError::Client { .. } => {
                "check vcd.ca_file and the system's certificates".to_owned()
            }
        };
        Self::with_hint((CONFIGURATION, &hint), &chain(error))
    }

    /// What the command line asks for is not there, or there are several; the sentence says what to do.
    pub(super) fn asked(sentence: &str) -> Self {
        Self {
            code: USAGE,
            line: one_line(sentence),
        }
    }

    /// Something is in the way to VCD; `what` says what.
    pub(super) fn unreachable(obstacle: Obstacle, what: &str) -> Self {
        Self::with_hint(unreachable(obstacle), &what)
    }

    /// A login with a password failed.
    pub(super) fn password(error: &VcdError) -> Self {
        if matches!(error, VcdError::Unauthenticated { .. }) {
            let hint = "correct --user, the password, or --token-org";
            return Self::with_hint((NO_PERMISSION, hint), &chain(error));
        }
        Self::call(error, error)
    }

    /// A call of an administrator failed.
    pub(super) fn administrator(error: &VcdError) -> Self {
        match kind(error) {
            (NO_PERMISSION, _) => Self::with_hint((NO_PERMISSION, ROOT), &chain(error)),
            _ => Self::call(error, error),
        }
    }

    /// A step of setting a site up failed.
    pub(super) fn step(error: &StepError) -> Self {
        let again = "what was done stays; put this right and run the command again";
        let later = "what was done stays; VCD may still be at it: wait a minute, then run the command again";
        match error {
            StepError::Vcd { cause, .. } => {
                let (code, _) = kind(cause);
                let is_open = cause.class() == ErrorClass::OutcomeUnknown;
                let hint = if is_open { later } else { again };
                Self::with_hint((code, hint), &chain(error))
            }
            StepError::Gone(_) => Self::with_hint((UNAVAILABLE, again), error),
            StepError::Unresolved { .. } => Self::with_hint((CONFIGURATION, again), error),
        }
    }

    /// What the command asks for needs other rights.
    pub(super) fn not_permitted(sentence: &str) -> Self {
        Self {
            code: NO_PERMISSION,
            line: one_line(sentence),
        }
    }

    /// A file or an entity has to be put right first.
    pub(super) fn misconfigured(sentence: &str) -> Self {
        Self {
            code: CONFIGURATION,
            line: one_line(sentence),
        }
    }

    /// A failure told by the command itself, with what to do.
    pub(super) fn told(code: u8, sentence: &str) -> Self {
        Self {
            code,
            line: one_line(sentence),
        }
    }

    /// A call to VCD failed.
    pub(super) fn vcd(error: &VcdError) -> Self {
        Self::call(error, error)
    }

    /// The login failed; the token was found in `token_place`.
    pub fn login(error: &VcdError, token_place: &str) -> Self {
        if matches!(error, VcdError::Unauthenticated { .. }) {
            let hint = format!("correct the token in {token_place}, or vcd.org");
            return Self::with_hint((NO_PERMISSION, &hint), &chain(error));
        }
        Self::call(error, error)
    }

    /// The shared configuration is not there or of no use.
    pub fn settings(error: &SettingsError) -> Self {
        match error {
            SettingsError::Vcd(cause) | SettingsError::Probe(cause) => Self::call(cause, error),
            SettingsError::Invalid { .. } => Self::with_hint((CONFIGURATION, ENTITY), error),
            SettingsError::Missing | SettingsError::Several { .. } => {
                Self::new(CONFIGURATION, error)
            }
            SettingsError::Times { .. } => Self::new(CONFIGURATION, error),
            SettingsError::ConditionalWritesIgnored => Self::new(PROTOCOL, error),
        }
    }

    /// The administrator's token cannot be used.
    pub fn administrator_token(refusal: &Refusal) -> Self {
        Self {
            code: USAGE,
            line: one_line(&refusal.to_string()),
        }
    }

    /// Orphans cannot be told from what is in use.
    pub fn orphans(error: &OrphansError) -> Self {
        match error {
            OrphansError::Infrastructure(cause) => match kind(cause) {
                (NO_PERMISSION, _) => {
                    Self::with_hint((NO_PERMISSION, ADMINISTRATOR), &chain(error))
                }
                _ => Self::call(cause, error),
            },
            OrphansError::Entities(cause) => Self::call(cause, error),
            OrphansError::NoOrganization(_) => Self::with_hint(
                (USAGE, "correct --org, or --token-org and --token-file"),
                error,
            ),
            OrphansError::Blind { .. } => {
                Self::with_hint((NO_PERMISSION, "check its rights, then try again"), error)
            }
            OrphansError::NoWitness => Self::new(NO_PERMISSION, error),
        }
    }

    /// A part of an organization could not be looked at.
    pub fn incomplete(gaps: usize) -> Self {
        let what = format!("{gaps} parts of the organization could not be looked at");
        Self::with_hint((NO_PERMISSION, ADMINISTRATOR), &what)
    }

    /// A call to VCD failed with `error`; `what` is the error to tell, with `error` among its causes.
    fn call(error: &VcdError, what: &dyn Error) -> Self {
        if let VcdError::NotSent { cause, .. } = error
            && let TransportError::NotSent {
                obstacle, reason, ..
            } = &**cause
        {
            // Which call it was does not matter: none can be made.
            let text = format!("cannot be reached: {reason}");
            return Self::with_hint(unreachable(*obstacle), &text);
        }
        Self::with_hint(kind(error), &chain(what))
    }
}

/// Code and advice for what is in the way.
fn unreachable(obstacle: Obstacle) -> (u8, &'static str) {
    match obstacle {
        Obstacle::NameLookup => (
            UNAVAILABLE,
            "check the host name in vcd.url and this machine's name servers",
        ),
        Obstacle::Refused => (
            UNAVAILABLE,
            "check host and port in vcd.url, and whether VCD is up",
        ),
        Obstacle::NoAnswer => (
            UNAVAILABLE,
            "check vcd.url, whether VCD is up, the route to it and any firewall or proxy in between",
        ),
        Obstacle::UnknownIssuer => (
            UNAVAILABLE,
            "put the certificate of the authority that signed it (PEM) into a file and name that file in \
             vcd.ca_file",
        ),
        Obstacle::WrongName => (UNAVAILABLE, "use one of its names in vcd.url"),
        Obstacle::Certificate => (
            UNAVAILABLE,
            "check VCD's certificate, vcd.ca_file and this machine's clock",
        ),
        Obstacle::NotTls => (PROTOCOL, "check the port in vcd.url; VCD speaks HTTPS"),
        Obstacle::Other => (
            UNAVAILABLE,
            "check vcd.url, VCD's state and any proxy or load balancer in between",
        ),
    }
}

/// Code and advice for a call that was sent.
fn kind(error: &VcdError) -> (u8, &'static str) {
    match error {
        VcdError::NotSent { .. } => unreachable(Obstacle::Other),
        VcdError::Unanswered { .. }
        | VcdError::OutcomeUnknown { .. }
        | VcdError::Busy { .. }
        | VcdError::Throttled { .. }
        | VcdError::Conflict { .. } => (UNAVAILABLE, UNSTEADY),
        VcdError::Unauthenticated { .. } => (
            NO_PERMISSION,
            "check the API token of the service account and vcd.org",
        ),
        // A page of a portal or firewall says nothing about rights in VCD.
        VcdError::Rejected { refusal, .. } if !refusal.from_vcd => (PROTOCOL, NOT_VCD),
        VcdError::NotVisible { .. } | VcdError::Rejected { .. } => (NO_PERMISSION, ROLE),
        VcdError::Unreadable { .. }
        | VcdError::TooManyPages { .. }
        | VcdError::InvalidRequest { .. }
        | VcdError::ApiVersion { .. } => (PROTOCOL, NOT_VCD),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match &error {
            ConfigError::Unreadable { .. } => Self::with_hint(
                (
                    CONFIGURATION,
                    "name a file that this user may read, with --config or CSE_CONFIG",
                ),
                &chain(&error),
            ),
            ConfigError::Malformed { .. } | ConfigError::Refused { .. } => {
                Self::new(CONFIGURATION, &error)
            }
        }
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::new(CONFIGURATION, &error)
    }
}

fn one_line(text: &str) -> String {
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_obstacle_has_a_code_and_advice_that_names_a_key() {
        let rows = [
            (Obstacle::NameLookup, 69, "name servers"),
            (Obstacle::Refused, 69, "whether VCD is up"),
            (Obstacle::NoAnswer, 69, "firewall"),
            (Obstacle::UnknownIssuer, 69, "vcd.ca_file"),
            (Obstacle::WrongName, 69, "one of its names"),
            (Obstacle::Certificate, 69, "clock"),
            (Obstacle::NotTls, 76, "port"),
            (Obstacle::Other, 69, "load balancer"),
        ];
        for (obstacle, code, want) in rows {
            let (found, advice) = unreachable(obstacle);
            assert_eq!(found, code, "{obstacle:?}");
            assert!(advice.contains(want) && advice.contains("vcd."), "{advice}");
        }
    }

    #[test]
    fn a_failure_is_one_line_without_a_stop_in_its_middle() {
        let failure = Failure::with_hint((69, "do this"), &"one.\n  two.\n");
        assert_eq!(failure.to_string(), "one. two; do this");
        let site = Url::parse("https://vcd.example:8443/api").map(|url| failure.at(&url));
        let line = site.map(|failure| failure.to_string());
        assert_eq!(
            line.as_deref(),
            Ok("VCD at https://vcd.example:8443: one. two; do this")
        );
    }
}
