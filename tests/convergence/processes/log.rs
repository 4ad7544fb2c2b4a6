//! What the logs of the replicas say, record by record.

use serde_json::Value;

/// How many records are about an event of this kind.
pub(crate) fn count(log: &str, event: &str) -> usize {
    // Most lines need not be parsed.
    let lines = log.lines().filter(|line| line.contains(event));
    let about = |line: &&str| {
        let record: Option<Value> = serde_json::from_str(line).ok();
        record.is_some_and(|record| record["fields"]["event"] == event)
    };
    lines.filter(about).count()
}

/// Records of level ERROR, as they stand there, and the first lines of panics.
pub(crate) fn errors(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| {
        let record = || serde_json::from_str::<Value>(line).ok();
        line.contains("panicked at")
            || (line.contains("\"ERROR\"") && record().is_some_and(|one| one["level"] == "ERROR"))
    });
    lines.map(str::to_owned).collect()
}

/// Whether an ERROR record says that the process could not start because VCD did not answer.
pub(crate) fn is_unreachable(error: &str) -> bool {
    let record: Value = serde_json::from_str(error).unwrap_or_default();
    let fields = &record["fields"];
    fields["event"] == "replica.stopped" && fields["exit_code"] == 69
}

/// The last lines of a log.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
