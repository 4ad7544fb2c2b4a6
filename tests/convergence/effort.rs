//! How much is tried: a share by default, everything by command.
//!
//! - `CONVERGENCE=all`: every experiment of every part.
//! - `CONVERGENCE_PART=2/5`: of the experiments of `calls` every fifth, from the second on; the parts 1/5 to 5/5
//!   are everything together, in as many processes as one likes.
//! - `CONVERGENCE_SEEDS=1000..1500`: these seeds instead of the default ones.
//! - `CONVERGENCE_SECONDS=3600`: the trouble of real processes lasts so long.

use std::cell::Cell;
use std::fmt::Debug;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use libtest_mimic::Trial;

/// Whether everything is to be tried.
pub(crate) fn everything() -> bool {
    std::env::var("CONVERGENCE").is_ok_and(|which| which == "all")
}

/// The seeds to try, `default` unless others are asked for.
pub(crate) fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("CONVERGENCE_SEEDS") else {
        return default;
    };
    let bounds = text.split_once("..").and_then(|(from, to)| {
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from < to).then_some(from..to)
    });
    bounds
        .unwrap_or_else(|| panic!("CONVERGENCE_SEEDS={text}: expected FIRST..END, such as 0..500"))
}

/// Of all experiments those that this process is to make.
pub(crate) fn part<J>(all: Vec<J>) -> Vec<J> {
    let Ok(text) = std::env::var("CONVERGENCE_PART") else {
        return all;
    };
    let part = text.split_once('/').and_then(|(part, of)| {
        let (part, of): (usize, usize) = (part.parse().ok()?, of.parse().ok()?);
        (1 <= part && part <= of).then_some((part, of))
    });
    let (part, of) =
        part.unwrap_or_else(|| panic!("CONVERGENCE_PART={text}: expected PART/OF, such as 2/5"));
    all.into_iter().skip(part - 1).step_by(of).collect()
}

/// Makes every experiment, as many at once as there are processors; the outcomes in the order of `jobs`.
pub(crate) fn parallel<J: Sync, R: Send>(jobs: &[J], run: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { break };
                    let outcome = run(job);
                    outcomes.lock().unwrap().push((at, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Runs a scenario on a clock of its own that nobody waits for.
pub(crate) fn on_virtual_time<R>(scenario: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(scenario)
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// Counts the panics of each thread: a replica survives those of its tasks, and nobody would notice.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(info);
        }));
    });
}

/// One run of a seed on this thread; a panic anywhere in it is a failure.
///
/// # Errors
/// That of the run, and every panic.
pub(crate) fn watched<R: Debug>(
    seed: u64,
    run: impl FnOnce() -> Result<R, String>,
) -> Result<R, String> {
    count_panics();
    PANICS.with(|panics| panics.set(0));
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        let text = text.unwrap_or_default();
        Err(format!("seed {seed}: panic: {text}"))
    });
    match PANICS.with(Cell::get) {
        0 => outcome,
        panics => {
            let told = outcome.map_or_else(|told| told, |outcome| format!("{outcome:?}"));
            Err(format!("seed {seed}: {panics} panics; {told}"))
        }
    }
}

/// A case whose failure is a panic, as in ordinary tests.
pub(crate) fn trial(name: impl Into<String>, case: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        case();
        Ok(())
    })
}
