//! What must not have happened, and the figures of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::Usage;
use super::log;
use super::network::Network;
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

/// (effect, subject) -> how often.
type Effects = BTreeMap<(String, String), u64>;

/// What a run has shown.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What must not have happened; empty: nothing of it did.
    pub(crate) wrong: Vec<String>,
    /// The row of the table.
    pub(crate) row: Vec<String>,
}

/// Columns of the table.
pub(crate) const COLUMNS: [&str; 20] = [
    "seed",
    "trouble",
    "kills",
    "sieges",
    "freezes",
    "SIGTERM",
    "cuts",
    "faults",
    "late",
    "created",
    "deleted",
    "resized",
    "rolled back",
    "taken over / back",
    "made again",
    "failed starts",
    "longest stop",
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
    let effects = trouble.site.effects().await;
    wrong.extend(doubled(&effects));
    wrong.extend(trouble.site.verdicts().await);
    let logs = trouble.site.logs();
    wrong.extend(errors(&logs));
    for replica in &trouble.replicas {
        wrong.extend(replica.lives.wrong.iter().cloned());
    }
    wrong.extend(excess(trouble, idle));
    wrong.extend(idleness(trouble, length));
    let row = row(trouble, (seed, length), converged, (&logs, &effects));
    Findings { wrong, row }
}

/// How often an effect was applied to bootstrap objects, by cluster and incarnation. Subjects are marks:
/// `rde=<urn>;e=<epoch>;i=<incarnation>`.
fn times(effects: &Effects, wanted: &str) -> BTreeMap<(String, String), u64> {
    let mut times = BTreeMap::new();
    for ((_, subject), count) in effects.iter().filter(|((effect, _), _)| effect == wanted) {
        let pairs = subject.split(';').filter_map(|part| part.split_once('='));
        let mark: BTreeMap<&str, &str> = pairs.collect();
        if let (Some(urn), Some(incarnation)) = (mark.get("rde"), mark.get("i")) {
            let about = ((*urn).to_owned(), (*incarnation).to_owned());
            *times.entry(about).or_default() += count;
        }
    }
    times
}

/// Bootstrap machines that were switched on more than once.
pub(crate) fn doubled(effects: &Effects) -> Vec<String> {
    let on = times(effects, "vm.powered_on");
    if on.is_empty() {
        return vec!["nothing was ever switched on".to_owned()];
    }
    let twice = on.iter().filter(|(_, times)| **times > 1);
    twice
        .map(|((urn, i), times)| {
            format!("the bootstrap VM of {urn}, incarnation {i}, was switched on {times} times")
        })
        .collect()
}

/// ERROR records and panics, but for failed starts: whether trouble explains these is seen at their ends.
pub(crate) fn errors(logs: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, text) in logs {
        let errors = log::errors(text).into_iter();
        let errors = errors.filter(|error| !log::is_start(error));
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
        "siege",
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
    (logs, effects): (&BTreeMap<String, String>, &Effects),
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
    let again = ["vapp.composed", "vm.created"].map(|effect| {
        let times = times(effects, effect).into_values();
        times.filter(|times| *times > 1).count()
    });
    let lives = || trouble.replicas.iter().map(|replica| &replica.lives);
    let failed: u32 = lives().map(|lives| lives.failed_starts).sum();
    let stop = lives().map(|lives| lives.longest_stop).max();
    let networks = trouble.replicas.iter().map(|replica| &replica.network);
    let late: u32 = networks.map(Network::late_requests).sum();
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
        done("siege"),
        done("freeze"),
        done("terminate"),
        done("cut"),
        done("weather"),
        late.to_string(),
        done("create"),
        done("delete"),
        done("resize"),
        done("roll back"),
        format!("{} / {back}", logged("claim.taken_over")),
        format!("{} vApps, {} VMs", again[0], again[1]),
        failed.to_string(),
        format!("{:.1?}", stop.unwrap_or_default()),
        converged.as_ref().map_or("never".to_owned(), |took| {
            format!("{:.0} s", took.as_secs_f64())
        }),
        format!("{} MiB / {}", most.rss_kib / 1024, most.files),
        growth,
    ]
}

/// Goal: what must not happen would be noticed.
pub(crate) fn notices() {
    let effect = |name: &str, subject: &str| (name.to_owned(), subject.to_owned());
    let mut effects = Effects::from([
        (effect("vm.powered_on", "rde=a;e=1;i=1"), 1),
        (effect("vm.powered_on", "rde=a;e=2;i=2"), 1),
        (effect("vm.powered_on", "a-worker-1"), 2),
        (effect("vm.created", "rde=a;e=1;i=1"), 2),
    ]);
    assert_eq!(doubled(&effects), Vec::<String>::new());
    // By another holder, for the same attempt.
    effects.insert(effect("vm.powered_on", "rde=a;e=3;i=2"), 1);
    assert_eq!(doubled(&effects).len(), 1);
    assert_eq!(doubled(&Effects::new()).len(), 1, "nothing happened at all");

    let failed = |code: u32| {
        let fields = format!(r#"{{"event":"replica.failed","exit_code":{code}}}"#);
        format!(r#"{{"level":"ERROR","fields":{fields}}}"#)
    };
    let rows = [
        (failed(69), 0),
        (failed(78), 1),
        (
            r#"{"level":"WARN","fields":{"message":"ERROR"}}"#.to_owned(),
            0,
        ),
        ("thread 'x' panicked at src/x.rs:1:1:".to_owned(), 1),
        (r#"{"level":"ERROR","fields":{"#.to_owned(), 0),
    ];
    for (line, want) in rows {
        let logs = BTreeMap::from([("replica-1".to_owned(), format!("{line}\n"))]);
        assert_eq!(errors(&logs).len(), want, "{line}");
    }
}

/// Everything that helps to understand a failure.
pub(crate) fn story(told: &[String], logs: &BTreeMap<String, String>) -> String {
    let mut text = format!("what was done:\n{}\n", told.join("\n"));
    for (name, log) in logs {
        let tail = log::tail(log, TAIL);
        text.extend(["\nend of the log of ", name, ":\n", &tail, "\n"]);
    }
    text
}
