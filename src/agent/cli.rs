//! The command line of the agent: where it is, whom it serves, and how it ends.
//!
//! Flow: `main` calls [`run`], which ends with the exit code.
//!
//! Invariants:
//! - What is wrong with the settings is said in one line, with what to do; outages are no reason to end.
//! - One thread: an agent that waits nearly all the time takes little of a tenant's node.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tracing::info;
use url::Url;

use super::credentials::TokenFile;
use super::kubernetes::Kubernetes;
use super::run::{Home, Setup};
use crate::chance::Chance;
use crate::cli::exit::{CONFIGURATION, SYSTEM, USAGE};
use crate::cli::stop_on_signal;
use crate::clock::Clock;
use crate::config::{LogConfig, LogFormat, process_environment};
use crate::domain::ids::EntityId;
use crate::telemetry::{self, chain};
use crate::vcd::ClientOptions;
use crate::vcd::http::{HttpOptions, HttpTransport, install_crypto_provider};

/// Longest wait for a connection to VCD.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Applies the YAML of a cluster's entity inside the cluster
///
/// Reads the entity with the tenant's API token about once a minute, applies `spec.capiYaml` to the
/// cluster's own API server, and reports in `status.projector`. Resizing and upgrading a cluster need
/// nothing else: no server has to run. Stands aside while the vendor's projector is installed.
#[derive(Debug, Parser)]
#[command(name = "cse-agent", version, after_help = NOTES)]
struct Cli {
    /// Base URL of VCD, without /api
    #[arg(long, env = "CSE_SITE", value_name = "URL")]
    site: Url,
    /// Organization that owns the cluster
    #[arg(long, env = "CSE_ORG", value_name = "NAME")]
    org: String,
    /// Entity of the cluster, urn:vcloud:entity:vmware:capvcdCluster:<uuid>
    #[arg(long, env = "CSE_ENTITY_ID", value_name = "URN", value_parser = EntityId::parse)]
    entity: EntityId,
    /// Namespace of the cluster's Cluster API objects
    #[arg(long, env = "CSE_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// File with the tenant's API token; read anew at every pass
    #[arg(long, env = "CSE_TOKEN_FILE", value_name = "FILE")]
    token_file: PathBuf,
    /// PEM certificates to trust besides the system's
    #[arg(long, env = "CSE_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Seconds between two passes, 10 to 3600
    #[arg(long, env = "CSE_INTERVAL_SECS", value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(10..=3600))]
    interval: u64,
    /// Kubeconfig of the cluster; without it the service account of the pod is used
    #[arg(long, env = "CSE_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which log records are written, such as info or debug
    #[arg(long, env = "CSE_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// Form of the log on standard error
    #[arg(
        long,
        env = "CSE_LOG_FORMAT",
        value_enum,
        value_name = "FORMAT",
        default_value = "json"
    )]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object per line
    Json,
    /// Lines for people
    Text,
}

const NOTES: &str = "\
HTTPS_PROXY and NO_PROXY of the environment count for VCD.

Exit codes:
   0  told to stop
  64  the command line is wrong
  71  this machine cannot run the program
  78  the settings are wrong";

/// A reason not to start.
struct Failure {
    code: u8,
    line: String,
}

/// Runs the agent until SIGTERM or SIGINT.
pub fn run() -> ExitCode {
    install_crypto_provider();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Whoever closed the pipe does not want to know; the exit code still tells.
            error.print().unwrap_or(());
            return ExitCode::from(code);
        }
    };
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.line);
            ExitCode::from(failure.code)
        }
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failure(SYSTEM, &error))?;
    runtime.block_on(async {
        let log = LogConfig {
            filter: cli.log.clone(),
            format: match cli.log_format {
                Format::Json => LogFormat::Json,
                Format::Text => LogFormat::Text,
            },
        };
        telemetry::init(&log, super::NAME, &process_environment)
            .map_err(|error| failure(CONFIGURATION, &error))?;
        let stop = stop_on_signal().map_err(|error| Failure {
            code: error.code,
            line: error.to_string(),
        })?;
        let setup = setup(cli).await?;
        info!(
            version = env!("CARGO_PKG_VERSION"),
            entity = %setup.home.entity,
            namespace = setup.home.namespace,
            org = setup.org,
            "agent starts"
        );
        super::run::run(setup, stop).await;
        Ok(())
    })
}

async fn setup(cli: Cli) -> Result<Setup<HttpTransport>, Failure> {
    let clock = Clock::system();
    let options = ClientOptions {
        user_agent: concat!("cse-agent/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ClientOptions::default()
    };
    let ca_file_pem = match &cli.ca_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|error| Failure {
            code: CONFIGURATION,
            line: format!(
                "cannot read the certificates in {}: {error}",
                path.display()
            ),
        })?),
    };
    let transport = HttpTransport::new(&HttpOptions {
        base_url: cli.site,
        ca_file_pem,
        user_agent: options.user_agent.clone(),
        connect_timeout: CONNECT_TIMEOUT,
        http1_only: false,
        use_env_proxy: true,
    })
    .map_err(|error| failure(CONFIGURATION, &error))?;
    let kubernetes = Kubernetes::connect(cli.kubeconfig.as_deref(), clock.clone())
        .await
        .map_err(|error| failure(CONFIGURATION, &error))?;
    Ok(Setup {
        transport: Arc::new(transport),
        options,
        org: cli.org,
        token: TokenFile::new(&cli.token_file),
        home: Home {
            entity: cli.entity,
            namespace: cli.namespace,
        },
        kubernetes,
        interval: Duration::from_secs(cli.interval),
        clock,
        chance: Arc::new(Chance::from_system()),
    })
}

fn failure(code: u8, error: &dyn std::error::Error) -> Failure {
    Failure {
        code,
        line: chain(error).to_string(),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a program that does not start"
)]
fn say(line: &str) {
    eprintln!("cse-agent: {line}");
}
