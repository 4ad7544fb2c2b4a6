//! What the simulator can bear: reads and list pages per second on one core, and the memory of a large site.
//!
//! Goal: it is never the bottleneck of another benchmark. Figures from one command:
//! `cargo bench --bench simulator`; a smaller site with `-- --clusters 10000`.
//!
//! Method: one process, bound to one core, serves N idle clusters of about 32 kB over plain HTTP, and
//! beside it, from the same single-threaded runtime, a trivial axum handler that returns one entity and
//! one page of the same bytes. A load generator on another core takes turns between both. It keeps a few
//! connections open and reads answers without parsing them, so that it costs little; what it measures is
//! held against the CPU time that the server used meanwhile, which other work on the machine hardly changes.
//! The median of the rounds is shown.
//!
//! Not here: what our own client makes of the pages (`benches/sweep.rs`).

mod load;
mod site;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use comfy_table::Table;
use cse_server::clock::Clock;
use rustix::thread::{CpuSet, sched_setaffinity};

use self::load::{Connection, Load, Server, Target, median};
use self::site::{Address, Usage};

/// Size of one cluster, in bytes.
pub(crate) const CLUSTER_BYTES: usize = 32_000;
/// Entities on a page: the most there can be.
pub(crate) const PAGE_SIZE: u32 = 128;
/// Core of the server, and of the load generator.
pub(crate) const CORES: (usize, usize) = (0, 1);

pub(crate) const LIST: &str = "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster";

/// What must be reached.
const READS_PER_SEC: f64 = 5_000.0;
const MB_PER_SEC: f64 = 400.0;
const GIB: f64 = 8.0;

#[derive(Parser)]
#[command(about = "What the simulator can bear")]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// Clusters on the simulated site
    #[arg(long, default_value_t = 100_000)]
    clusters: u32,
    /// Measurements of each kind
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Set by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the process that the benchmark starts of itself does.
#[derive(Subcommand)]
enum Part {
    /// Serves the site; tells its CPU time and memory for every line of standard input, until that ends
    #[command(hide = true)]
    Serve { clusters: u32, site: PathBuf },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match &cli.part {
        None => compare(&cli),
        Some(Part::Serve { clusters, site }) => site::run(*clusters, site),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn say(text: &str) {
    // Nothing is left to be told if nobody listens.
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::io::stderr().lock().flush().unwrap_or(());
    }
}

/// Binds this thread, and those it will start, to one core; false where that is not possible.
pub(crate) fn pin(core: usize) -> bool {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).is_ok()
}

fn compare(cli: &Cli) -> anyhow::Result<()> {
    let dir = std::env::temp_dir().join(format!("cse-bench-sim-{}", std::process::id()));
    std::fs::create_dir(&dir).context("cannot make a temporary directory")?;
    let measured = Server::start(cli.clusters, &dir).and_then(|mut server| {
        let rows = measure(cli, &mut server)?;
        let pinned = server.address.pinned;
        server.stop()?;
        Ok((rows, pinned))
    });
    std::fs::remove_dir_all(&dir).context("cannot remove the temporary directory")?;
    let (rows, pinned) = measured?;
    let mut table = Table::new();
    table.set_header(["", "measured", "target", "verdict"]);
    table.add_rows(rows);
    let cores = if pinned {
        "server on a core of its own with one thread, load generator on another"
    } else {
        "server with one thread, not bound to a core"
    };
    say(&format!(
        "{} idle clusters of {CLUSTER_BYTES} bytes, plain HTTP over loopback, {cores},\n\
         {} connections, median of {} rounds of {} s\n{table}",
        cli.clusters,
        load::CONNECTIONS,
        cli.rounds.max(1),
        cli.seconds
    ));
    Ok(())
}

fn measure(cli: &Cli, server: &mut Server) -> anyhow::Result<Vec<[String; 4]>> {
    let pages = cli.clusters.div_ceil(PAGE_SIZE);
    let page = |number: u64| {
        let number = number % u64::from(pages.max(1)) + 1;
        format!("{LIST}?page={number}&pageSize={PAGE_SIZE}")
    };
    let sample = server.address.sample.clone();
    let read = move |number: u64| {
        let at = usize::try_from(number).unwrap_or_default() % sample.len().max(1);
        let id = sample.get(at).map_or("", String::as_str);
        format!("/cloudapi/1.0.0/entities/{id}")
    };
    let (mut reads, mut trivial_reads) = (Vec::new(), Vec::new());
    let (mut lists, mut trivial_lists) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does strikes both.
    for _ in 0..cli.rounds.max(1) {
        reads.push(server.load(cli.seconds, Target::Simulator, &read)?);
        trivial_reads.push(server.load(cli.seconds, Target::Trivial, &|_| "/entity".to_owned())?);
        lists.push(server.load(cli.seconds, Target::Simulator, &page)?);
        trivial_lists.push(server.load(cli.seconds, Target::Trivial, &|_| "/page".to_owned())?);
    }
    let filtered = [
        ("ordered by name", "sortAsc=name"),
        (
            "filtered by a field of the content",
            "filter=entity.status.vcdKe.state==provisioned",
        ),
    ];
    let mut rows = vec![
        rate_row("single reads", &median(&reads)?, &median(&trivial_reads)?),
        volume_row("list pages", &median(&lists)?, &median(&trivial_lists)?),
    ];
    for (name, query) in filtered {
        rows.push(walk_row(server, name, query)?);
    }
    let usage = server.usage()?;
    rows.extend(size_rows(cli.clusters, &server.address, usage));
    Ok(rows)
}

fn row(what: &str, measured: String, target: &str, good: Option<bool>) -> [String; 4] {
    let verdict = good.map_or("", |good| if good { "ok" } else { "MISSED" });
    [
        what.to_owned(),
        measured,
        target.to_owned(),
        verdict.to_owned(),
    ]
}

fn rate_row(what: &str, ours: &Load, trivial: &Load) -> [String; 4] {
    let rate = ours.rate();
    let measured = format!(
        "{rate:.0}/s; {:.0} per CPU second, {:.2} of a trivial handler",
        ours.requests_per_cpu_second(),
        ours.requests_per_cpu_second() / trivial.requests_per_cpu_second()
    );
    let target = format!("{READS_PER_SEC:.0}/s");
    row(what, measured, &target, Some(rate >= READS_PER_SEC))
}

fn volume_row(what: &str, ours: &Load, trivial: &Load) -> [String; 4] {
    let volume = ours.megabytes();
    let measured = format!(
        "{volume:.0} MB/s; {:.0} MB per CPU second, {:.2} of a trivial handler",
        ours.megabytes_per_cpu_second(),
        ours.megabytes_per_cpu_second() / trivial.megabytes_per_cpu_second()
    );
    let target = format!("{MB_PER_SEC:.0} MB/s");
    row(what, measured, &target, Some(volume >= MB_PER_SEC))
}

/// The first page of a list that must look at every entity, and the second.
fn walk_row(server: &Server, name: &str, query: &str) -> anyhow::Result<[String; 4]> {
    let clock = Clock::system();
    let mut connection = Connection::open(server.address.simulator)?;
    let mut times = Vec::new();
    for page in 1..=2 {
        let path = format!("{LIST}?page={page}&pageSize={PAGE_SIZE}&{query}");
        let started = clock.now();
        connection.send(&path, &server.address.token)?;
        connection.receive()?;
        times.push(clock.now().since(started).as_secs_f64() * 1e3);
    }
    let times: Vec<String> = times.iter().map(|time| format!("{time:.1} ms")).collect();
    let what = format!("a list {name}");
    let measured = format!("first page {}", times.join(", second "));
    Ok(row(&what, measured, "", None))
}

fn size_rows(clusters: u32, address: &Address, now: Usage) -> Vec<[String; 4]> {
    let gib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0 / 1024.0;
    let (seeded, now) = (gib(address.seeded_kib), gib(now.high_water_kib));
    // A small site has a program around it, too.
    let limit = GIB * f64::from(clusters.max(5_000)) / 100_000.0;
    let measured = format!("{now:.2} GiB at most, {seeded:.2} GiB before the first request");
    let seconds = format!("{:.1} s", address.seeding.as_secs_f64());
    let target = format!("{limit:.2} GiB");
    vec![
        row("memory of the site", measured, &target, Some(now <= limit)),
        row("making the site", seconds, "", None),
    ]
}
