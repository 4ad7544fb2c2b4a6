//! What must not have happened, and the figures of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::Usage;
use super::log;
use super::site::Site;
use super::trouble::{CONVERGED_WITHIN, Trouble};
use super::usage::Growth;

/// Most memory of a replica, as the unoptimised program has it.
const MOST_RSS_KIB: u64 = 160 * 1024;
/// Most open files of a replica in the midst of trouble.
const MOST_FILES: usize = 160;
/// Most open files of an idle replica.
const MOST_IDLE_FILES: usize = 48;
/// Most growth of a long life in an hour: a slope of minutes is noisy.
const MOST_GROWTH: (f64, f64) = (20.0 * 1024.0, 60.0);
/// Lines of each log that a failure shows.
const TAIL: usize = 25;

/// What a run has shown.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What must not have happened; empty: nothing of it did.
    pub(crate) wrong: Vec<String>,
    /// The row of the table.
    pub(crate) row: Vec<String>,
}

/// Columns of the table.
pub(crate) const COLUMNS: [&str; 15] = [
    "seed",
    "trouble",
    "kills",
    "losses",
    "freezes",
    "SIGTERM",
    "cuts",
    "created",
    "deleted",
    "resized",
    "rolled back",
    "taken over / back",
    "converged in",
    "RSS / files most",
    "growth per hour",
];

/// Judges a run whose replicas have stopped.
pub(crate) async fn judge(
    trouble: &Trouble<'_>,
    (seed, length): (u64, Duration),
    converged: &Result<Duration, Vec<String>>,
    idle: &[Usage],
) -> Findings {
    let mut wrong = Vec::new();
    if let Err(left) = converged {
        let within = format!("{CONVERGED_WITHIN:?} of the site's time");
        wrong.extend(left.iter().map(|one| format!("after {within}: {one}")));
    }
    wrong.extend(doubled(trouble.site).await);
    let logs = trouble.site.logs();
    wrong.extend(errors(&logs));
    for replica in &trouble.replicas {
        wrong.extend(replica.lives.wrong.iter().cloned());
    }
    wrong.extend(excess(trouble, idle));
    wrong.extend(idleness(trouble, length));
    let row = row(trouble, (seed, length), converged, &logs);
    Findings { wrong, row }
}

/// Bootstrap machines that were switched on more than once.
async fn doubled(site: &Site) -> Vec<String> {
    let mut on: BTreeMap<String, u64> = BTreeMap::new();
    for ((effect, subject), count) in site.effects().await {
        let mark: BTreeMap<&str, &str> = subject
            .split(';')
            .filter_map(|part| part.split_once('='))
            .collect();
        if effect == "vm.powered_on"
            && let (Some(urn), Some(incarnation)) = (mark.get("rde"), mark.get("i"))
        {
            *on.entry(format!("{urn}, incarnation {incarnation}"))
                .or_default() += count;
        }
    }
    let mut wrong: Vec<String> = on
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(what, times)| format!("the bootstrap VM of {what} was switched on {times} times"))
        .collect();
    if on.is_empty() {
        wrong.push("nothing was ever switched on".to_owned());
    }
    wrong
}

/// ERROR records and panics that no cut explains.
fn errors(logs: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, text) in logs {
        let errors = log::errors(text).into_iter();
        let errors = errors.filter(|error| !log::is_unreachable(error));
        wrong.extend(errors.map(|error| format!("{name}: {error}")));
    }
    wrong
}

/// Memory and files beyond the limits.
fn excess(trouble: &Trouble<'_>, idle: &[Usage]) -> Vec<String> {
    let most = trouble.usages.most();
    let mut wrong = Vec::new();
    if most.rss_kib > MOST_RSS_KIB || most.files > MOST_FILES {
        wrong.push(format!("a replica had {most:?}"));
    }
    let many = idle.iter().filter(|usage| usage.files > MOST_IDLE_FILES);
    wrong.extend(many.map(|usage| format!("an idle replica has {usage:?}")));
    if let Some(growth) = trouble.usages.growth()
        && (growth.rss_kib > MOST_GROWTH.0 || growth.files > MOST_GROWTH.1)
    {
        wrong.push(format!("a replica grows: {growth:?}"));
    }
    wrong
}

/// What a run in which nothing happened lacks.
fn idleness(trouble: &Trouble<'_>, length: Duration) -> Vec<String> {
    const NEEDED: [&str; 9] = [
        "kill",
        "lose",
        "freeze",
        "terminate",
        "cut",
        "create",
        "delete",
        "resize",
        "roll back",
    ];
    // In less than this not everything has its turn.
    if length < Duration::from_secs(30) {
        return Vec::new();
    }
    let lacking = NEEDED
        .iter()
        .filter(|what| !trouble.done.contains_key(*what));
    lacking
        .map(|what| format!("there was no {what}: this run shows less than it says"))
        .collect()
}

fn row(
    trouble: &Trouble<'_>,
    (seed, length): (u64, Duration),
    converged: &Result<Duration, Vec<String>>,
    logs: &BTreeMap<String, String>,
) -> Vec<String> {
    let done = |what: &str| {
        trouble
            .done
            .get(what)
            .copied()
            .unwrap_or_default()
            .to_string()
    };
    let logged = |event: &str| {
        let counts = logs.values().map(|text| log::count(text, event));
        counts.sum::<usize>()
    };
    let back: usize = logs
        .values()
        .map(|text| text.matches("cluster taken back after a restart").count())
        .sum();
    let most = trouble.usages.most();
    let growth = trouble.usages.growth().map_or("-".to_owned(), |growth| {
        let Growth {
            over,
            rss_kib,
            files,
        } = growth;
        let rss = rss_kib / 1024.0;
        format!("{rss:.1} MiB, {files:.1} files (over {over:.0?})")
    });
    vec![
        seed.to_string(),
        format!("{length:?}"),
        done("kill"),
        done("lose"),
        done("freeze"),
        done("terminate"),
        done("cut"),
        done("create"),
        done("delete"),
        done("resize"),
        done("roll back"),
        format!("{} / {back}", logged("claim.taken_over")),
        converged.as_ref().map_or("never".to_owned(), |took| {
            format!("{:.0} s", took.as_secs_f64())
        }),
        format!("{} MiB / {}", most.rss_kib / 1024, most.files),
        growth,
    ]
}

/// Everything that helps to understand a failure.
pub(crate) fn story(told: &[String], logs: &BTreeMap<String, String>) -> String {
    let mut text = format!("what was done:\n{}\n", told.join("\n"));
    for (name, log) in logs {
        text += &format!("\nend of the log of {name}:\n{}\n", log::tail(log, TAIL));
    }
    text
}
