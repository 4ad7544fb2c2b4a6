//! The process that is measured: the simulator, and beside it a trivial handler.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::{Router, routing};
use axum_server::accept::NoDelayAcceptor;
use bytes::Bytes;
use cse_server::clock::Clock;
use cse_server::sim::faults::Faults;
use cse_server::sim::server::{self, Site};
use cse_server::sim::timings::Timings;
use cse_server::sim::world::World;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CLUSTER_BYTES, CORES, LIST, PAGE_SIZE, pin, say};

/// Entities that are read by their ids.
const SAMPLE: usize = 1_000;

/// How to reach the site; the server writes it for the load generator.
#[derive(Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) simulator: SocketAddr,
    pub(crate) trivial: SocketAddr,
    pub(crate) token: String,
    /// URNs of some entities.
    pub(crate) sample: Vec<String>,
    /// How long it took to make the site.
    pub(crate) seeding: Duration,
    /// Most memory until then.
    pub(crate) seeded_kib: u64,
    pub(crate) pinned: bool,
}

/// What the server process has used so far.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) high_water_kib: u64,
}

/// Serves the site on one core and one thread.
pub(crate) fn run(clusters: u32, site: &Path) -> anyhow::Result<()> {
    let pinned = pin(CORES.0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(clusters, site, pinned))
}

async fn serve(clusters: u32, site: &Path, pinned: bool) -> anyhow::Result<()> {
    let (listener, simulator) = server::bind()?;
    let clock = Clock::system();
    let started = clock.now();
    let (mut world, api_token) = make(&format!("http://{simulator}"), clusters)?;
    let seeding = clock.now().since(started);
    let seeded_kib = high_water_kib()?;
    let token = log_in(&mut world, &clock, &api_token)?;
    let sample = sample(&mut world, &clock, &token)?;
    let id = sample.first().context("an empty site")?;
    let path = format!("/cloudapi/1.0.0/entities/{id}");
    let entity = get(&mut world, &clock, &path, &token)?;
    let path = format!("{LIST}?pageSize={PAGE_SIZE}");
    let page = get(&mut world, &clock, &path, &token)?;
    let address = Address {
        simulator,
        trivial: trivial(entity, page)?,
        token,
        sample,
        seeding,
        seeded_kib,
        pinned,
    };
    let simulated = Site {
        world: Arc::new(Mutex::new(world)),
        clock,
        faults: Arc::new(Faults::none()),
    };
    let _server = server::serve(listener, None, simulated)?;
    std::fs::write(site, serde_json::to_vec(&address)?)?;
    say("ready");
    // The parent closes our standard input when it is done, or when it dies.
    tokio::task::spawn_blocking(|| {
        for _ in std::io::stdin().lines() {
            let usage = Usage {
                cpu: cpu_time(),
                high_water_kib: high_water_kib()?,
            };
            say(&serde_json::to_string(&usage)?);
        }
        anyhow::Ok(())
    })
    .await?
}

/// A site of `clusters` idle clusters, and the provider's API token.
fn make(url: &str, clusters: u32) -> anyhow::Result<(World, String)> {
    // Requests are answered at once: only the simulator's work is of interest.
    let timings = Timings {
        answer: Duration::ZERO,
        ..Timings::default()
    };
    let mut world = World::new(url, 1, timings);
    let token = world.seed_site().provider_token;
    let tenant = world.seed_tenant("acme");
    let made = world.seed_fleet(&tenant, clusters, CLUSTER_BYTES);
    ensure!(made == clusters, "only {made} clusters were made");
    Ok((world, token))
}

/// One request, without a network.
fn ask(world: &mut World, clock: &Clock, request: &http::Request<Bytes>) -> anyhow::Result<Bytes> {
    let path = request.uri().path().to_owned();
    let response = world.handle(request, clock.now(), clock.wall());
    ensure!(response.status() == 200, "{path}: {}", response.status());
    Ok(response.into_body())
}

fn log_in(world: &mut World, clock: &Clock, api_token: &str) -> anyhow::Result<String> {
    let form = format!("grant_type=refresh_token&refresh_token={api_token}");
    let request = http::Request::post("/oauth/provider/token").body(Bytes::from(form))?;
    let answer: Value = serde_json::from_slice(&ask(world, clock, &request)?)?;
    let token = answer.get("access_token").and_then(Value::as_str);
    Ok(token.context("no access token")?.to_owned())
}

fn get(world: &mut World, clock: &Clock, path: &str, token: &str) -> anyhow::Result<Bytes> {
    let request = http::Request::get(path)
        .header("accept", "application/json;version=37.2")
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())?;
    ask(world, clock, &request)
}

/// URNs of entities from pages all over the site.
fn sample(world: &mut World, clock: &Clock, token: &str) -> anyhow::Result<Vec<String>> {
    let mut sample = Vec::new();
    let mut page = 1;
    loop {
        let path = format!("{LIST}?pageSize={PAGE_SIZE}&page={page}");
        let body: Value = serde_json::from_slice(&get(world, clock, &path, token)?)?;
        let rows = body.get("values").and_then(Value::as_array);
        let rows = rows.context("no rows")?;
        let ids = rows.iter().filter_map(|row| row.get("id")?.as_str());
        sample.extend(ids.map(str::to_owned));
        let pages = body.get("pageCount").and_then(Value::as_u64).unwrap_or(1);
        page += (pages / 8).max(1);
        if rows.is_empty() || sample.len() >= SAMPLE || page > pages {
            return Ok(sample);
        }
    }
}

/// Serves one entity and one page, as they are, and nothing else.
fn trivial(entity: Bytes, page: Bytes) -> anyhow::Result<SocketAddr> {
    let (listener, address) = server::bind()?;
    let router = Router::new()
        .route("/entity", routing::get(async move || entity.clone()))
        .route("/page", routing::get(async move || page.clone()));
    let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new());
    tokio::spawn(server.serve(router.into_make_service()));
    Ok(address)
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
