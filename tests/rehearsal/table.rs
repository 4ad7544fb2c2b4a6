//! What was tried, counted, and shown at the end.

use std::collections::BTreeMap;
use std::sync::Mutex;

static COUNTS: Mutex<BTreeMap<(String, String), BTreeMap<String, usize>>> =
    Mutex::new(BTreeMap::new());

/// Counts one outcome of a kind of experiment, in a line of the table.
pub(crate) fn count(line: &str, kind: &str, outcome: &str) {
    let mut counts = COUNTS.lock().unwrap();
    let line = counts
        .entry((line.to_owned(), kind.to_owned()))
        .or_default();
    *line.entry(outcome.to_owned()).or_default() += 1;
}

/// Prints the table, if anything was counted.
pub(crate) fn show() {
    let counts = COUNTS.lock().unwrap();
    if counts.is_empty() {
        return;
    }
    println!("\n{:<16} {:<22} outcomes", "where", "what");
    for ((line, kind), outcomes) in counts.iter() {
        let outcomes: Vec<String> = outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        println!("{line:<16} {kind:<22} {}", outcomes.join(", "));
    }
    let all: usize = counts.values().flat_map(BTreeMap::values).sum();
    println!("{all} experiments\n");
}
