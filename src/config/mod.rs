//! The local configuration of one replica: how to reach VCD, and nothing that replicas share.
//!
//! Flow: TOML file, OVF properties below it, environment variables over it, then the token from its own
//! place -> a checked [`Config`]. Read once at start-up; what all replicas share lives in the server-config entity in VCD.
//!
//! Invariants:
//! - A [`Config`] that exists can be used: every range, relation and file has been checked.
//! - An unknown key is refused, and all refusals are reported together.
//! - The token has no `Debug`, and no error text repeats it.
//!
//! Not here: the server-config entity, the log set-up (`telemetry`).

mod checks;
mod error;
mod file;
mod ovf;
mod token;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::reconcile::policy::LocalTimes;
use crate::reconcile::sharing::Slots;
use crate::vcd::versions::ApiVersion;

pub use error::{ConfigError, Refusal};

/// Looks an environment variable up; a parameter, so that tests bring their own environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where packages put the file.
pub const DEFAULT_FILE: &str = "/etc/cse-server/cse-server.toml";

/// Everything a replica needs before it can ask VCD for the rest.
#[derive(Debug)]
pub struct Config {
    /// How to reach VCD.
    pub vcd: VcdConfig,
    /// API token of the service account.
    pub token: SecretString,
    /// Where the token was found, in words that name what to correct.
    pub token_place: String,
    /// This replica and its timers.
    pub replica: ReplicaConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where health and metrics can be asked for.
    pub metrics: MetricsConfig,
    /// For the demo on the simulator only.
    pub simulation: SimulationConfig,
}

/// How to reach VCD.
#[derive(Clone, Debug)]
pub struct VcdConfig {
    /// Scheme, host and port; the path is `/`.
    pub url: Url,
    /// Organization of the service account; `System` in any case means the provider.
    pub org: String,
    /// Organization to try when `org` does not know the token: deployments of the original server name the
    /// organization that hosts the appliance instead of the user's.
    pub other_org: Option<String>,
    /// API version to ask for, such as `37.2`.
    pub api_version: ApiVersion,
    /// Where [`VcdConfig::ca_pem`] was read from.
    pub ca_file: Option<PathBuf>,
    /// Certificates of the authorities to trust besides the system's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether to keep to HTTP/1.1, for load balancers that pin an HTTP/2 connection to one cell.
    pub http1_only: bool,
    /// Longest wait for one answer, in real time.
    pub request_timeout: Duration,
}

/// This replica and the timers of its claims.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// First part of `workerId`; for people, never an identity.
    pub name: String,
    /// Where the lock and the identity of the last process live; `None`: a restart waits like any other replica.
    pub state_dir: Option<PathBuf>,
    /// Most clusters worked on at once, in all and of one organization.
    pub slots: Slots,
    /// Times of the poll and of claims, before the shared configuration bends them.
    pub times: LocalTimes,
    /// Longest wait for running calls after SIGTERM.
    pub drain_timeout: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A `tracing` filter, already checked.
    pub filter: String,
    /// Where and in which form.
    pub format: LogFormat,
}

/// Where health and metrics can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// journald when standard error is connected to it, else text.
    Auto,
    /// journald, with structured fields.
    Journald,
    /// One JSON object per line on standard error.
    Json,
    /// Lines for people on standard error.
    Text,
}

impl LogFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "journald" => Some(Self::Journald),
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// For the demo on the simulator only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimulationConfig {
    /// How much faster than real time the replica's clock runs; 1 against every real VCD.
    pub time_scale: f64,
}

/// Reads and checks the configuration.
///
/// # Errors
/// - [`ConfigError::Unreadable`], [`ConfigError::Malformed`]: the file.
/// - [`ConfigError::Refused`]: values; all of them at once. Start-up must end, with the text shown.
pub fn load(path: &Path, env: Environment<'_>) -> Result<Config, ConfigError> {
    let (raw, sources, refusals) = gather(path, env)?;
    checks::check(raw, sources, refusals)
}

/// Everything that is written anywhere, and what of it cannot be read.
fn gather<'a>(
    path: &'a Path,
    env: Environment<'a>,
) -> Result<(file::RawConfig, checks::Sources<'a>, Vec<Refusal>), ConfigError> {
    let mut raw = read(path)?;
    let (properties, refused) = match ovf::read(path, env) {
        Ok(properties) => (properties, None),
        Err(refusal) => (ovf::Properties::default(), Some(refusal)),
    };
    let mut origins = properties.fill(&mut raw.vcd);
    let (variables, mut refusals) = file::apply_environment(&mut raw, env);
    origins.extend(variables);
    refusals.extend(refused);
    let sources = checks::Sources {
        file: path,
        origins,
        properties,
        env,
    };
    Ok((raw, sources, refusals))
}

/// Reads the log filter again, as written: the one key that is changed while a replica runs.
///
/// # Errors
/// - [`ConfigError::Unreadable`], [`ConfigError::Malformed`]: the file; the other keys are not judged.
pub fn read_log_filter(path: &Path, env: Environment<'_>) -> Result<String, ConfigError> {
    let mut raw = read(path)?;
    file::apply_environment(&mut raw, env);
    Ok(raw
        .log
        .filter
        .unwrap_or_else(|| checks::DEFAULT_FILTER.to_owned()))
}

fn read(path: &Path) -> Result<file::RawConfig, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        file: path.to_owned(),
        source,
    })?;
    file::parse(path, &text)
}

/// The file `name` in the directory of the configuration file.
fn beside(config_file: &Path, name: &str) -> PathBuf {
    config_file.with_file_name(name)
}

/// Reads and checks only how to reach VCD; no token is looked for.
///
/// # Errors
/// As [`load`].
pub fn load_site(path: &Path, env: Environment<'_>) -> Result<VcdConfig, ConfigError> {
    let (raw, sources, refusals) = gather(path, env)?;
    checks::check_site(raw.vcd, sources, refusals)
}

/// Reads a token that the command line names, by the rules of `credentials.token_file`.
///
/// # Errors
/// [`Refusal`]: the file cannot be read, is open to everybody or holds no token.
pub fn read_token(path: &Path) -> Result<SecretString, Refusal> {
    token::from_command_line(path)
}

/// The environment of this process, for [`load`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The host name, in the form the kernel knows it.
fn machine_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}
