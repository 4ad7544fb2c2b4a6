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

/// Whether this exit code blames VCD: it cannot be reached, answers what is of no use, or refuses the token.
pub(crate) fn is_vcds_fault(exit_code: i32) -> bool {
    [69, 76, 77].contains(&exit_code)
}

/// Whether an ERROR record says that the process could not start, and blames VCD for it.
pub(crate) fn is_start(error: &str) -> bool {
    let record: Value = serde_json::from_str(error).unwrap_or_default();
    let fields = &record["fields"];
    let code = fields["exit_code"].as_i64();
    let code = code.and_then(|code| i32::try_from(code).ok());
    fields["event"] == "replica.failed" && code.is_some_and(is_vcds_fault)
}

/// The last lines of a log.
pub(crate) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
