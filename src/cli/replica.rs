//! `cse-server run`: one replica, from its file to its last released claim.
//!
//! Flow: file -> log -> client -> shared configuration -> claims of a dead predecessor -> the loop.
//!
//! Invariants:
//! - Whatever is wrong at start-up ends the process with one line and a telling code; systemd tries again.
//! - SIGTERM ends start-up, too, and at once.
//! - READY is told after the first complete listing, a life sign after every turn of the loop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::beside::{follow_hangups, serve_figures, take_hangups};
use super::crashes::Crashes;
use super::exit::{Failure, SYSTEM};
use super::last_words;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{self, Config, VcdConfig, process_environment};
use crate::controller::run::{Hooks, Replica, Setup};
use crate::controller::settings::{
    Settings, SettingsError, probe_conditional_writes, read_settings,
};
use crate::domain::claim::HolderId;
use crate::domain::server_config::ServerConfig;
use crate::metrics::Meters;
use crate::notify;
use crate::state_dir::{self, Guard};
use crate::telemetry::{self, Destination, chain, event, syslog};
use crate::vcd::error::VcdError;
use crate::vcd::http::{HttpOptions, HttpTransport};
use crate::vcd::meter::CallMeter;
use crate::vcd::pacing::Pacing;
use crate::vcd::transport::CallLimits;
use crate::vcd::{ClientOptions, Login, VcdClient};

/// Longest wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs one replica until SIGTERM or SIGINT.
pub(super) fn run(file: &Path) -> Result<ExitCode, Failure> {
    // A replica waits far more than it computes; two threads leave the rest of a small VM alone.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::runtime(&error))?;
    let ended = runtime.block_on(async {
        let stop = stop_on_signal()?;
        let hangups = take_hangups()?;
        let mut log = None;
        let Err(failure) = serve((file, hangups), &mut log, &stop).await else {
            return Ok(ExitCode::SUCCESS);
        };
        last_words::tell(&failure, log);
        last_words::pause(&failure, &stop).await;
        Ok(ExitCode::from(failure.code))
    });
    // A name look-up that hangs in its thread must not keep a drained replica from ending.
    runtime.shutdown_background();
    ended
}

/// Everything from the file to the last released claim. `log` tells from when on there is one.
async fn serve(
    (file, hangups): (&Path, Signal),
    log: &mut Option<Destination>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let config = config::load(file, &process_environment)?;
    let set_up = telemetry::init(&config.log, &config.replica.name, &process_environment)?;
    *log = Some(set_up.destination);
    follow_hangups(hangups, file, set_up.filter);
    tokio::spawn(set_up.forwarder.run());
    let syslog = set_up.syslog;
    // In real time: a simulation that is sped up does not make VCD's answers longer.
    let meters = Arc::new(Meters::new(Clock::system()));
    serve_figures(config.metrics.listen, Arc::clone(&meters), syslog.clone()).await;
    let chance = Arc::new(Chance::from_system());
    let me = HolderId::new(&config.replica.name, chance.next_u128());
    info!(
        event = event::REPLICA_STARTED,
        version = env!("CARGO_PKG_VERSION"),
        holder = %me,
        vcd = %config.vcd.url,
        "replica starts"
    );
    let crashes = Crashes::count(config.replica.state_dir.as_deref(), Clock::system());
    crashes.wait(stop).await;
    notify::starting("connecting to VCD", Duration::from_mins(1));
    let (client, settings) = tokio::select! {
        signed_on = sign_on(&config, &meters) => signed_on?,
        () = stop.cancelled() => return Ok(()),
    };
    info!(
        event = event::CONFIG_ACCEPTED,
        config_id = %settings.document.id,
        "server configuration read"
    );
    let (predecessors, _lock) = predecessors(&config, &me);
    let setup = setup(
        &config,
        client,
        (me, predecessors),
        (chance, Arc::clone(&meters)),
    );
    let replica = Replica::new(setup, settings).map_err(|error| Failure::settings(&error))?;
    let mut surroundings = Surroundings {
        meters,
        syslog,
        crashes,
    };
    replica.run(stop.clone(), &mut surroundings).await;
    surroundings.syslog.flush(&Clock::system()).await;
    Ok(())
}

/// A login at a VCD that can be worked with, and the shared configuration.
async fn sign_on(
    config: &Config,
    meters: &Arc<Meters>,
) -> Result<(VcdClient<HttpTransport>, Settings), Failure> {
    let url = &config.vcd.url;
    let unusable = |error: SettingsError| Failure::settings(&error).at(url);
    let pacing = Pacing::new(Clock::scaled(config.simulation.time_scale));
    let meter: Arc<dyn CallMeter> = Arc::<Meters>::clone(meters);
    let options = ClientOptions {
        pacing: Some(Arc::new(pacing)),
        meter: Some(meter),
        ..ClientOptions::default()
    };
    let client = connect_with(config, options).await?;
    let settings = read_settings(&client).await.map_err(unusable)?;
    let probed = probe_conditional_writes(&client, &settings).await;
    probed.map_err(unusable)?;
    Ok((client, settings))
}

/// A login of the service account.
pub(super) async fn connect(
    config: &Config,
    pacing: Option<Pacing>,
) -> Result<VcdClient<HttpTransport>, Failure> {
    let options = ClientOptions {
        pacing: pacing.map(Arc::new),
        ..ClientOptions::default()
    };
    connect_with(config, options).await
}

/// The same with the pacing and the meter of `given`.
async fn connect_with(
    config: &Config,
    given: ClientOptions,
) -> Result<VcdClient<HttpTransport>, Failure> {
    let (transport, options) = way_to(&config.vcd, &config.replica.name, CONNECT_TIMEOUT)?;
    let options = ClientOptions {
        pacing: given.pacing,
        meter: given.meter,
        ..options
    };
    let client = log_in(config, Arc::new(transport), options).await;
    client.map_err(|error| Failure::login(&error, &config.token_place).at(&config.vcd.url))
}

/// A login in the organization of the configuration, or in the other one that it allows.
async fn log_in(
    config: &Config,
    transport: Arc<HttpTransport>,
    options: ClientOptions,
) -> Result<VcdClient<HttpTransport>, VcdError> {
    let of = |org: &str| Login {
        org: org.to_owned(),
        token: config.token.clone(),
    };
    let (org, other) = (&config.vcd.org, &config.vcd.other_org);
    let first = VcdClient::connect(Arc::clone(&transport), of(org), options.clone()).await;
    // An organization that does not exist is told in more ways than a token that it does not know.
    let is_refused = matches!(
        first,
        Err(VcdError::Unauthenticated { .. }
            | VcdError::Rejected { .. }
            | VcdError::NotVisible { .. })
    );
    let Some(other) = other.as_deref().filter(|_| is_refused) else {
        return first;
    };
    let second = VcdClient::connect(transport, of(other), options).await?;
    info!(
        event = event::LOGIN_SUBSTITUTED,
        organization = other,
        "the organization of the OVF property does not know the token, this one does"
    );
    Ok(second)
}

/// Connections to the VCD of a configuration, and how its client behaves. No connection is made yet.
pub(super) fn way_to(
    vcd: &VcdConfig,
    who: &str,
    connect_timeout: Duration,
) -> Result<(HttpTransport, ClientOptions), Failure> {
    let mut options = ClientOptions::default();
    // Whoever reads VCD's logs wants to know which replica it was.
    options.user_agent = format!("{} ({who})", options.user_agent);
    options.api_version = vcd.api_version;
    options.call = CallLimits {
        timeout: vcd.request_timeout,
        ..options.call
    };
    options.page = CallLimits {
        timeout: vcd.request_timeout * 2,
        ..options.page
    };
    let transport = HttpTransport::new(&HttpOptions {
        base_url: vcd.url.clone(),
        ca_file_pem: vcd.ca_pem.clone(),
        user_agent: options.user_agent.clone(),
        connect_timeout,
        http1_only: vcd.http1_only,
        use_env_proxy: true,
    })
    .map_err(|error| Failure::http_setup(&error, vcd.ca_file.as_deref()))?;
    Ok((transport, options))
}

/// The dead processes that ran here before; without a state directory there are none to take back from.
fn predecessors(config: &Config, me: &HolderId) -> (Vec<HolderId>, Option<Guard>) {
    let Some(dir) = &config.replica.state_dir else {
        return (Vec::new(), None);
    };
    match state_dir::take(dir, me.as_str()) {
        Ok(taken) => {
            let dead = taken
                .predecessors
                .iter()
                .filter_map(|text| HolderId::from_wire(text));
            (dead.collect(), Some(taken.guard))
        }
        Err(error) => {
            warn!(
                event = event::IDENTITY_UNAVAILABLE,
                error = %chain(&error),
                "no state directory: after a crash this replica's clusters wait for the takeover time"
            );
            (Vec::new(), None)
        }
    }
}

fn setup(
    config: &Config,
    client: VcdClient<HttpTransport>,
    identity: (HolderId, Vec<HolderId>),
    (chance, meters): (Arc<Chance>, Arc<Meters>),
) -> Setup<HttpTransport> {
    let (me, predecessors) = identity;
    let replica = &config.replica;
    Setup {
        client,
        clock: Clock::scaled(config.simulation.time_scale),
        chance,
        meters,
        me,
        predecessors,
        times: replica.times,
        slots: replica.slots,
        drain_timeout: replica.drain_timeout,
        site_authorities: config
            .vcd
            .ca_pem
            .iter()
            .map(|pem| String::from_utf8_lossy(pem).into_owned())
            .collect(),
    }
}

/// Cancelled by the first SIGTERM or SIGINT.
pub(crate) fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::new(SYSTEM, &error))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| Failure::new(SYSTEM, &error))?;
    let cancelled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(stop)
}

/// Whoever is told how the replica goes: systemd, whoever asks for health, the log's forwarding.
struct Surroundings {
    meters: Arc<Meters>,
    syslog: syslog::Target,
    crashes: Crashes,
}

impl Surroundings {
    fn alive(&self) {
        notify::alive();
        self.meters.health().alive(self.meters.now());
    }
}

impl Hooks for Surroundings {
    fn ready(&mut self, status: &str) {
        notify::ready(status);
    }

    fn progress(&mut self, status: &str) {
        self.alive();
        notify::status(status);
        self.crashes.lives();
    }

    fn waiting(&mut self) {
        self.alive();
    }

    fn stopping(&mut self, status: &str) {
        notify::stopping(status);
    }

    fn configured(&mut self, server: &ServerConfig) {
        self.syslog.set(server.sys_logger.clone());
    }
}
