//! How a command fails: one line for the operator and an exit code.
//!
//! Invariants:
//! - The line says what was tried, why it failed, and what to do.
//! - Codes follow `sysexits.h`, so that `systemctl status` shows a word for them.

use std::error::Error;
use std::fmt;

use crate::config::ConfigError;
use crate::controller::settings::SettingsError;
use crate::telemetry::{TelemetryError, chain};
use crate::vcd::error::VcdError;
use crate::vcd::http::HttpSetupError;

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

    fn with_hint(code: u8, error: &dyn Error, hint: &str) -> Self {
        Self {
            code,
            line: one_line(&format!("{}; {hint}", chain(error))),
        }
    }

    /// A failed call to VCD at start-up.
    pub fn vcd(error: &VcdError) -> Self {
        match error {
            VcdError::NotSent { .. } => Self::with_hint(
                UNAVAILABLE,
                error,
                "check vcd.url, name resolution, the firewall and, for a private authority, vcd.ca_file",
            ),
            VcdError::Unanswered { .. }
            | VcdError::OutcomeUnknown { .. }
            | VcdError::Busy { .. }
            | VcdError::Throttled { .. }
            | VcdError::Conflict { .. } => Self::with_hint(
                UNAVAILABLE,
                error,
                "VCD is there but does not answer properly; check its state and any proxy in between",
            ),
            VcdError::Unauthenticated { .. } => Self::with_hint(
                NO_PERMISSION,
                error,
                "check that the API token is of a user of the configured vcd.org and has not been revoked",
            ),
            VcdError::NotVisible { .. } | VcdError::Rejected { .. } => Self::with_hint(
                NO_PERMISSION,
                error,
                "check that the service account has the role \"CSE Admin Role\"",
            ),
            VcdError::Unreadable { .. }
            | VcdError::TooManyPages { .. }
            | VcdError::InvalidRequest { .. }
            | VcdError::ApiVersion { .. } => Self::with_hint(
                PROTOCOL,
                error,
                "check that vcd.url is the address of a VCD 10.4.2 to 10.6, not of a portal or proxy page",
            ),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(CONFIGURATION, &error)
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::new(CONFIGURATION, &error)
    }
}

impl From<HttpSetupError> for Failure {
    fn from(error: HttpSetupError) -> Self {
        Self::new(CONFIGURATION, &error)
    }
}

impl From<VcdError> for Failure {
    fn from(error: VcdError) -> Self {
        Self::vcd(&error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match &error {
            SettingsError::Vcd(cause) => Self::vcd(cause),
            SettingsError::Missing
            | SettingsError::Several { .. }
            | SettingsError::Invalid { .. } => Self::new(CONFIGURATION, &error),
            SettingsError::ConditionalWritesIgnored => Self::new(PROTOCOL, &error),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
