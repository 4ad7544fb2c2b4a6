//! `cse-server sim`: the simulated VCD alone, for other programs to work with.
//!
//! Flow: arguments -> options -> the site is open and says how to use it -> SIGTERM or Ctrl-C -> the state is
//! saved.
//!
//! Not here: what is served (`sim::standalone`).

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::{CONFIGURATION, Failure, SYSTEM, USAGE};
use super::replica::stop_on_signal;
use crate::sim::standalone::{Options, Standalone, StandaloneError, Tls};

/// Names of the first organizations; the others are numbered.
const ORGS: [&str; 2] = ["acme", "nimbus"];
/// Most organizations of a fresh site.
const MAX_ORGS: usize = 250;

/// Arguments of the `sim` command.
#[derive(Clone, Debug, Args)]
pub(super) struct SimArgs {
    /// Where clients connect; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where operators connect (GET / there lists what they can do), or `none`
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8444", value_parser = control)]
    control: Control,
    /// Base URL of the site as clients know it, such as <https://vcd.example>; made from --listen
    #[arg(long, value_parser = base_url)]
    url: Option<String>,
    /// Certificate to serve with (PEM, chain included); an authority is made up without one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve without TLS
    #[arg(long, conflicts_with_all = ["tls_cert", "ca_out"])]
    plain_http: bool,
    /// Write the certificate that clients have to trust to this file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Chooses all ids, tokens and delays of a fresh site
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much faster than real time the site lives (1 to 1000)
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = time_scale)]
    time_scale: f64,
    /// Organizations of a fresh site: how many, or their names separated by commas
    #[arg(long, default_value = "2", value_name = "N|NAMES", value_parser = orgs)]
    orgs: Orgs,
    /// A fresh site as VCD is installed, with nothing set up for Kubernetes: for `cse-server init`
    #[arg(long, conflicts_with = "clusters")]
    bare: bool,
    /// Finished, idle clusters of a fresh site, in turns for each organization
    #[arg(long, default_value_t = 0, value_name = "N")]
    clusters: u32,
    /// Password of `administrator` and of the tenants' users of a fresh site; without one they log in with
    /// their API tokens only
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,
    /// Organizations of a fresh site whose edge gateways take addresses from IP spaces, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ip_spaces: Vec<String>,
    /// API versions to offer instead of 37.0 to 39.1, such as 36.0,37.0,37.2
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',', value_parser = api_version)]
    api_versions: Vec<(u16, u16)>,
    /// Keep the site in this file: go on from it if it is there, save it every few seconds and at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Start a scenario (may be given several times)
    #[arg(long, value_name = "FILE")]
    scenario: Vec<PathBuf>,
    /// Change a setting or timing, or those of a TOML file (may be given several times)
    #[arg(long, value_name = "FILE|KEY=VALUE")]
    settings: Vec<String>,
    /// Write a configuration for `cse-server run`, with token and certificate, into this directory
    #[arg(long, value_name = "DIR")]
    write_config: Option<PathBuf>,
    /// How many requests the log keeps
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    log_requests: usize,
}

/// Where operators connect, if anywhere.
#[derive(Clone, Copy, Debug)]
struct Control(Option<SocketAddr>);

/// Names of organizations.
#[derive(Clone, Debug)]
struct Orgs(Vec<String>);

fn control(text: &str) -> Result<Control, String> {
    if text == "none" {
        return Ok(Control(None));
    }
    let address = text.parse();
    let address = address.map_err(|cause| format!("neither `none` nor an address: {cause}"))?;
    Ok(Control(Some(address)))
}

fn base_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|cause| cause.to_string())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.path() == "/"
        && url.query().is_none();
    plain
        .then(|| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "not of the form https://host or https://host:port".to_owned())
}

fn time_scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|cause| format!("{cause}"))?;
    let allowed = (1.0..=1000.0).contains(&scale);
    allowed
        .then_some(scale)
        .ok_or_else(|| "not between 1 and 1000".to_owned())
}

/// Clients take a site that offers 40.0 for something else than VCD.
fn api_version(text: &str) -> Result<(u16, u16), String> {
    let parts = text.trim().split_once('.');
    let version = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let version: Option<(u16, u16)> = version;
    version
        .filter(|(major, _)| (27..40).contains(major))
        .ok_or_else(|| "not an API version of VCD, from 27.0 to below 40.0".to_owned())
}

fn orgs(text: &str) -> Result<Orgs, String> {
    if let Ok(count) = text.parse::<usize>() {
        if count > MAX_ORGS {
            return Err(format!("more than {MAX_ORGS}"));
        }
        let name = |index: usize| {
            let named = ORGS.get(index).map(|name| (*name).to_owned());
            named.unwrap_or_else(|| format!("tenant-{}", index + 1))
        };
        return Ok(Orgs((0..count).map(name).collect()));
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut seen: Vec<String> = Vec::new();
    for name in &names {
        if name.is_empty() || !name.chars().all(clean) || name.eq_ignore_ascii_case("system") {
            return Err(format!(
                "{name:?} is no name for an organization of a tenant"
            ));
        }
        if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(format!("{name:?} is there twice"));
        }
        seen.push(name.clone());
    }
    if names.len() > MAX_ORGS {
        return Err(format!("more than {MAX_ORGS}"));
    }
    Ok(Orgs(names))
}

impl From<SimArgs> for Options {
    fn from(args: SimArgs) -> Self {
        let tls = match (args.tls_cert, args.tls_key) {
            (Some(cert), Some(key)) => Tls::Given { cert, key },
            _ if args.plain_http => Tls::Plain,
            _ => Tls::SelfSigned,
        };
        Self {
            listen: args.listen,
            tls,
            url: args.url,
            seed: args.seed,
            time_scale: args.time_scale,
            orgs: args.orgs.0,
            bare: args.bare,
            clusters: args.clusters,
            password: args.password,
            ip_spaces: args.ip_spaces,
            api_versions: args.api_versions,
            scenarios: args.scenario,
            state: args.state,
            control: args.control.0,
            settings: args.settings,
            write_config: args.write_config,
            ca_out: args.ca_out,
            log_requests: args.log_requests,
        }
    }
}

/// Runs the simulator until SIGTERM or SIGINT.
pub(super) fn run(args: SimArgs) -> Result<ExitCode, Failure> {
    if args.clusters > 0 && args.orgs.0.is_empty() {
        let what = io::Error::other("--clusters needs an organization: give --orgs at least 1");
        return Err(Failure::new(USAGE, &what));
    }
    if let Some(name) = args
        .ip_spaces
        .iter()
        .find(|name| !args.orgs.0.contains(name))
    {
        let what = format!("--ip-spaces names {name:?}, which is none of --orgs");
        return Err(Failure::new(USAGE, &io::Error::other(what)));
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::new(SYSTEM, &error))?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        let site = Standalone::open(&Options::from(args))?;
        say(&site.welcome());
        site.run(stop.cancelled()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Whoever closed the pipe does not want to know; the site is served all the same.
fn say(text: &str) {
    let mut out = io::stdout();
    let told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    told.unwrap_or(());
}

impl From<StandaloneError> for Failure {
    fn from(error: StandaloneError) -> Self {
        let code = match &error {
            StandaloneError::Listen { .. }
            | StandaloneError::File { .. }
            | StandaloneError::Serve(_) => SYSTEM,
            StandaloneError::State { .. }
            | StandaloneError::Scenario { .. }
            | StandaloneError::ScenarioStart { .. }
            | StandaloneError::Setting { .. }
            | StandaloneError::Tls(_) => CONFIGURATION,
        };
        Self::new(code, &error)
    }
}
