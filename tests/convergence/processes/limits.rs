//! A replica that its machine does not give what it needs: it says so, and works as far as it can; others go on.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use cse_server::clock::Clock;
use serde_json::Value;

use super::daemon::PROGRAM;
use super::replica::Replica;
use super::site::{Lines, Plan, Site};
use super::tenant::Author;
use crate::support::process::Process;

const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const CLUSTERS: usize = 6;

/// No file may grow. The log is a pipe, and pipes have no length.
const NO_SPACE: &str = "trap '' XFSZ; ulimit -f 0";
/// Enough to start and to be ready, too little to work on several clusters.
const FEW_FILES: &str = "ulimit -n 12";

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        scale: 100,
        timings: &["guest_phase=12s", "recompose=20s", "node=30s"],
    }
}

/// Starts a replica in a shell that has done `limit` before.
fn limited(limit: &str, config: &Path) -> Process {
    let script = format!("{limit}; exec \"$0\" run --config \"$1\"");
    let arguments = ["-c".as_ref(), OsStr::new(&script), PROGRAM.as_ref()];
    let arguments: Vec<&OsStr> = arguments.into_iter().chain([config.as_os_str()]).collect();
    Process::start_program("/bin/sh", &arguments, &[])
}

/// Texts of the warnings of a process.
fn warnings(process: &Process) -> Vec<String> {
    let warnings = process.records(|record| record["level"] == "WARN");
    warnings.iter().map(Value::to_string).collect()
}

async fn until(what: &str, process: &Process, mut done: impl AsyncFnMut() -> bool) {
    let clock = Clock::system();
    let end = clock.now().plus(PATIENCE);
    while !done().await {
        let said = process.lines();
        assert!(clock.now() < end, "{what}: {said:#?}");
        clock.sleep(LOOK_EVERY).await;
    }
}

async fn create_some(site: &Site) {
    for number in 0..CLUSTERS {
        let author = Author::of(site, number % site.tenants.len()).await;
        author.ask_for(&format!("c{number}")).await;
    }
}

async fn all_provisioned(site: &Site) -> bool {
    let seen = site.clusters().await;
    seen.len() == CLUSTERS && seen.iter().all(|one| one.state == "provisioned")
}

/// Ends the process, whose only way to say something was its log.
async fn end(process: Process) {
    process.terminate();
    let end = process.end(PATIENCE).await;
    assert_eq!(end.code, Some(0), "{:#?}", end.lines);
    assert_eq!(end.errors(), Vec::<&String>::new());
}

/// Goal: a full disk costs the quick return after a crash, which is said, and nothing else.
pub(crate) async fn a_full_disk() {
    let mut site = Site::open(plan(5)).await;
    let config = site.configure(("replica-1", "replica-1"), site.address(), Lines::default());
    let process = limited(NO_SPACE, &config);
    until("ready", &process, async || {
        process.count("replica.ready") == 1
    })
    .await;
    let told = warnings(&process);
    let [warning] = told.as_slice() else {
        panic!("not one warning: {told:#?}");
    };
    for words in ["no state directory", "replica-1.state", "File too large"] {
        assert!(warning.contains(words), "{words}: {warning}");
    }
    create_some(&site).await;
    until("provisioned", &process, async || {
        all_provisioned(&site).await
    })
    .await;
    end(process).await;
    assert_eq!(site.leaks().await, Vec::<String>::new());
    assert_eq!(site.close().await, Vec::<String>::new());
}

/// Goal: a replica that may open too few files says so, and whatever it cannot do, another one does.
pub(crate) async fn too_few_files() {
    let mut site = Site::open(plan(6)).await;
    let config = site.configure(("replica-1", "replica-1"), site.address(), Lines::default());
    let process = limited(FEW_FILES, &config);
    until("ready", &process, async || {
        process.count("replica.ready") == 1
    })
    .await;
    create_some(&site).await;
    until("told", &process, async || {
        let told = warnings(&process);
        told.iter().any(|one| one.contains("Too many open files"))
    })
    .await;
    let mut other = Replica::at(&site, "replica-2", Lines::default()).await;
    until("provisioned", &process, async || {
        other.tend(&site);
        all_provisioned(&site).await
    })
    .await;
    end(process).await;
    other.stop().await;
    assert_eq!(other.lives.wrong, Vec::<String>::new());
    assert_eq!(site.close().await, Vec::<String>::new());
}
