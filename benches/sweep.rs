//! What an idle fleet costs: CPU, memory, requests and time of a full sweep over many clusters.
//!
//! Goal: the figures of the README, from one command: `cargo bench --bench sweep`.
//!
//! Method: the simulator serves N idle clusters of about 32 kB each from a process of its own. Fresh
//! client processes take turns: our poller, and a bare client that downloads the same pages with the same
//! transport and drops them. Each does one sweep to warm up and ten that count. CPU is user and system
//! time of the whole client process; memory is its high-water mark. The median of the rounds is shown.
//!
//! Not here: what the poller finds (tests of `controller::poll`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, ValueEnum};
use comfy_table::Table;
use cse_server::clock::Clock;
use cse_server::controller::poll::{Poller, cluster_query};
use cse_server::sim::faults::Faults;
use cse_server::sim::seed;
use cse_server::sim::server::{self, Site};
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;
use cse_server::vcd::http::{HttpOptions, HttpTransport, install_crypto_provider};
use cse_server::vcd::model::EntityQuery;
use cse_server::vcd::transport::{CallLimits, Request, Response, Transport, TransportError};
use cse_server::vcd::{ClientOptions, Login, VcdClient};
use rustix::time::{ClockId, clock_gettime};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Sweeps that count, after one that warms up.
const SWEEPS: u32 = 10;
/// Size of one cluster in a listing, in bytes.
const CLUSTER_BYTES: usize = 32_000;
/// Entities on a page, as the poller asks for them.
const PAGE_SIZE: u32 = 128;

#[derive(Parser)]
#[command(about = "Cost of a full sweep over idle clusters")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// Clusters on the simulated site
    #[arg(long, default_value_t = 10_000)]
    clusters: u32,
    /// Fresh client processes of each kind
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Set by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the processes that the benchmark starts of itself do.
#[derive(Subcommand)]
enum Part {
    /// Serves the site until standard input ends
    #[command(hide = true)]
    Serve {
        clusters: u32,
        site: PathBuf,
        scheme: Scheme,
    },
    /// Sweeps, and prints a measurement
    #[command(hide = true)]
    Sweep { who: Who, pages: u32, site: PathBuf },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Our poller
    Ours,
    /// Downloads and drops
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheme {
    Https,
    Http,
}

/// How to reach the site; the server writes it for the clients.
#[derive(Serialize, Deserialize)]
struct Address {
    url: String,
    ca_pem: Option<String>,
    token: String,
}

/// What one client process measured over all counted sweeps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Measurement {
    requests: u32,
    cpu: Duration,
    wall: Duration,
    high_water_kib: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.part {
        None => compare(cli.clusters, cli.rounds.max(1)),
        Some(Part::Serve {
            clusters,
            site,
            scheme,
        }) => in_runtime(serve(clusters, &site, scheme)),
        Some(Part::Sweep { who, pages, site }) => in_runtime(sweep(who, pages, &site)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // As the replica does: two threads.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}

fn say(text: &str) {
    // Nothing is left to be told if nobody listens.
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::io::stderr().lock().flush().unwrap_or(());
    }
}

// The comparison

fn compare(clusters: u32, rounds: usize) -> anyhow::Result<()> {
    let dir = std::env::temp_dir().join(format!("cse-bench-{}", std::process::id()));
    std::fs::create_dir(&dir).context("cannot make a temporary directory")?;
    let mut table = Table::new();
    table.set_header(["", "measured", "target", "verdict"]);
    let done = [Scheme::Https, Scheme::Http]
        .into_iter()
        .try_for_each(|scheme| {
            let rows = measure(clusters, rounds, &dir, scheme)?;
            table.add_rows(rows);
            anyhow::Ok(())
        });
    std::fs::remove_dir_all(&dir).context("cannot remove the temporary directory")?;
    done?;
    say(&format!(
        "{clusters} idle clusters of {CLUSTER_BYTES} bytes, {SWEEPS} sweeps, median of {rounds} rounds\n{table}"
    ));
    Ok(())
}

/// Runs one site and its clients; returns the rows of the table.
fn measure(
    clusters: u32,
    rounds: usize,
    dir: &Path,
    scheme: Scheme,
) -> anyhow::Result<Vec<[String; 4]>> {
    let site = dir.join(format!("{scheme:?}.json"));
    let mut server = start_server(clusters, &site, scheme)?;
    let pages = clusters.div_ceil(PAGE_SIZE);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does strikes both.
    for _ in 0..rounds {
        ours.push(client(Who::Ours, pages, &site)?);
        bare.push(client(Who::Bare, pages, &site)?);
    }
    drop(server.stdin.take());
    server.wait()?;
    Ok(rows(scheme, clusters, &median(&ours)?, &median(&bare)?))
}

fn start_server(clusters: u32, site: &Path, scheme: Scheme) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("serve")
        .arg(clusters.to_string())
        .arg(site)
        .arg(name_of(&scheme));
    let mut server = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = server.stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    if line.trim() != "ready" {
        bail!("the server did not start: {line}");
    }
    Ok(server)
}

fn client(who: Who, pages: u32, site: &Path) -> anyhow::Result<Measurement> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        // As the unit does.
        .env("MALLOC_ARENA_MAX", "1")
        .arg("sweep")
        .arg(name_of(&who))
        .arg(pages.to_string())
        .arg(site);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).with_context(|| format!("{who:?} failed: {said}"))
}

/// How a value is spelled on the command line.
fn name_of(value: &impl ValueEnum) -> String {
    let spelled = value.to_possible_value();
    spelled.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The measurement with the median CPU time.
fn median(measurements: &[Measurement]) -> anyhow::Result<Measurement> {
    let mut sorted = measurements.to_vec();
    sorted.sort_by_key(|one| one.cpu);
    sorted
        .get(sorted.len() / 2)
        .copied()
        .context("no measurement")
}

fn rows(scheme: Scheme, clusters: u32, ours: &Measurement, bare: &Measurement) -> Vec<[String; 4]> {
    let (name, budget) = match scheme {
        Scheme::Https => ("TLS", 30.0),
        Scheme::Http => ("plain", 12.0),
    };
    let per_sweep = ours.requests / SWEEPS;
    let pages = clusters.div_ceil(PAGE_SIZE);
    let micros =
        |one: &Measurement| one.cpu.as_secs_f64() * 1e6 / f64::from(SWEEPS) / f64::from(clusters);
    let wall = |one: &Measurement| one.wall.as_secs_f64() / f64::from(SWEEPS);
    let ratio = wall(ours) / wall(bare);
    let mib = |one: &Measurement| {
        f64::from(u32::try_from(one.high_water_kib).unwrap_or(u32::MAX)) / 1024.0
    };
    let row = |what: &str, measured: String, target: String, good: bool| {
        let verdict = if good { "ok" } else { "MISSED" };
        [
            format!("{what}, {name}"),
            measured,
            target,
            verdict.to_owned(),
        ]
    };
    vec![
        row(
            "P1 requests per sweep",
            per_sweep.to_string(),
            pages.to_string(),
            per_sweep == pages,
        ),
        row(
            "P2 CPU per cluster and sweep",
            format!(
                "{:.1} us (bare client {:.1} us)",
                micros(ours),
                micros(bare)
            ),
            format!("{budget} us"),
            micros(ours) <= budget,
        ),
        row(
            "P5 memory at most",
            format!("{:.1} MiB (bare client {:.1} MiB)", mib(ours), mib(bare)),
            "24 MiB".to_owned(),
            mib(ours) <= 24.0,
        ),
        row(
            "P6 time per sweep",
            format!("{:.0} ms, {ratio:.2} of the bare client", wall(ours) * 1e3),
            "1.20".to_owned(),
            ratio <= 1.2,
        ),
    ]
}

// The site

async fn serve(clusters: u32, site: &Path, scheme: Scheme) -> anyhow::Result<()> {
    let (listener, address) = server::bind()?;
    let tls = scheme == Scheme::Https;
    let url = format!("{}://{address}", name_of(&scheme));
    let identity = server::tls_identity()?;
    // Requests are answered at once: only the client's work is of interest.
    let timings = Timings {
        answer: Duration::ZERO,
        ..Timings::default()
    };
    let mut world = World::new(&url, 1, timings);
    let token = world.seed_site().provider_token;
    world.seed_config(seed::default_config());
    let tenant = world.seed_tenant("acme");
    let clock = Clock::system();
    for number in 0..clusters {
        let name = format!("cluster-{number:06}");
        if world
            .seed_provisioned(&tenant, &name, CLUSTER_BYTES)
            .is_empty()
        {
            bail!("{name} was not created");
        }
    }
    let simulated = Site {
        world: Arc::new(Mutex::new(world)),
        clock,
        faults: Arc::new(Faults::none()),
    };
    let _server = server::serve(listener, tls.then_some(identity.config), simulated)?;
    let ca_pem = tls.then_some(identity.ca_pem);
    std::fs::write(site, serde_json::to_vec(&Address { url, ca_pem, token })?)?;
    say("ready");
    // The parent closes our standard input when it is done, or when it dies.
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    closed.await?;
    Ok(())
}

// A client

async fn sweep(who: Who, pages: u32, site: &Path) -> anyhow::Result<()> {
    let address: Address = serde_json::from_slice(&std::fs::read(site)?)?;
    install_crypto_provider();
    let transport = HttpTransport::new(&HttpOptions {
        base_url: address.url.parse()?,
        ca_file_pem: address.ca_pem.map(String::into_bytes),
        user_agent: "cse-server-bench".to_owned(),
        connect_timeout: Duration::from_secs(10),
        http1_only: false,
        use_env_proxy: false,
    })?;
    let requests = Arc::new(AtomicU32::new(0));
    let transport = Counting {
        inner: transport,
        requests: Arc::clone(&requests),
    };
    let login = Login {
        org: "System".to_owned(),
        token: SecretString::from(address.token),
    };
    let client = VcdClient::connect(Arc::new(transport), login, ClientOptions::default()).await?;
    let mut sweeper = Sweeper {
        who,
        pages,
        query: cluster_query(None),
        poller: Poller::default(),
        warm: false,
    };
    sweeper.once(&client).await?;
    requests.store(0, Ordering::Relaxed);
    let clock = Clock::system();
    let (cpu, started) = (cpu_time(), clock.now());
    for _ in 0..SWEEPS {
        sweeper.once(&client).await?;
    }
    let measured = Measurement {
        cpu: cpu_time().saturating_sub(cpu),
        wall: clock.now().since(started),
        requests: requests.load(Ordering::Relaxed),
        high_water_kib: high_water_kib()?,
    };
    say(&serde_json::to_string(&measured)?);
    Ok(())
}

struct Sweeper {
    who: Who,
    pages: u32,
    query: EntityQuery,
    poller: Poller,
    /// Whether the pages have been seen before.
    warm: bool,
}

impl Sweeper {
    async fn once<T: Transport>(&mut self, client: &VcdClient<T>) -> anyhow::Result<()> {
        match self.who {
            Who::Ours => {
                let swept = self.poller.sweep(client).await?;
                let unchanged = swept.unchanged_pages == self.pages;
                if swept.need_work > 0 || unchanged != self.warm {
                    bail!("this is no sweep over idle clusters: {swept:?}");
                }
                self.warm = true;
            }
            Who::Bare => {
                for page in 1..=self.pages {
                    drop(client.entity_page(&self.query, page).await?);
                }
            }
        }
        Ok(())
    }
}

/// A transport that counts what goes through it.
struct Counting {
    inner: HttpTransport,
    requests: Arc<AtomicU32>,
}

impl Transport for Counting {
    async fn send(&self, request: Request, limits: CallLimits) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request, limits).await
    }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    let reading = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(reading.tv_sec).unwrap_or_default(),
        u32::try_from(reading.tv_nsec).unwrap_or_default(),
    )
}

/// Most memory this process ever had, in KiB.
fn high_water_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.context("no VmHWM in /proc/self/status")?.parse()?)
}
