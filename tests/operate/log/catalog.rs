//! The catalog of messages and the table of events say the same, and systemd takes the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cse_server::telemetry::event;

const CATALOG: &str = include_str!("../../../systemd/cse-server.catalog");

/// Entries by id: headers and text.
fn entries() -> BTreeMap<String, (BTreeMap<String, String>, String)> {
    let mut entries = BTreeMap::new();
    for entry in CATALOG.split("\n-- ").skip(1) {
        let (id, rest) = entry.split_once('\n').unwrap();
        let (head, text) = rest.split_once("\n\n").unwrap();
        let header = |line: &str| {
            let (key, value) = line.split_once(": ").unwrap();
            (key.to_owned(), value.to_owned())
        };
        let head = head.lines().map(header).collect();
        let known = entries.insert(id.to_owned(), (head, text.to_owned()));
        assert!(known.is_none(), "{id} twice");
    }
    entries
}

#[test]
fn every_event_is_explained_once_and_nothing_else_is() {
    let entries = entries();
    let explained: BTreeSet<&str> = entries.keys().map(String::as_str).collect();
    let events: BTreeSet<&str> = event::ALL.iter().map(|kind| kind.message_id).collect();
    assert_eq!(explained, events);
    assert!(events.len() > 30, "a table without events proves nothing");
    for (id, (head, text)) in &entries {
        let keys: Vec<&str> = head.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["Defined-By", "Documentation", "Subject", "Support"],
            "{id}"
        );
        assert!(text.trim().len() > 40, "{id}: {text}");
        assert!(text.lines().all(|line| line.len() <= 120), "{id}");
    }
}

/// Names in `@...@`.
fn references(text: &str) -> BTreeSet<String> {
    let parts = text.split('@').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

#[test]
fn what_the_catalog_refers_to_are_fields_of_the_log() {
    let sources = sources();
    for (id, (head, text)) in entries() {
        for name in references(&format!("{} {text}", head["Subject"])) {
            let field = name.to_lowercase();
            let is_set = |text: &String| {
                text.contains(&format!("{field} = "))
                    || text.contains(&format!("{field},"))
                    || text.contains(&format!("%{field}"))
            };
            assert!(
                name == "REPLICA" || sources.values().any(is_set),
                "{id}: @{name}@"
            );
        }
    }
}

/// Systemd's own compiler, where there is one.
#[test]
fn the_catalog_compiler_takes_every_entry() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("usr/lib/systemd/catalog");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("cse-server.catalog"), CATALOG).unwrap();
    let journalctl = |arguments: &[&str]| {
        let at = format!("--root={}", root.path().display());
        Command::new("journalctl").arg(at).args(arguments).output()
    };
    let Ok(compiled) = journalctl(&["--update-catalog"]) else {
        writeln!(std::io::stderr(), "skipped: there is no journalctl here").unwrap();
        return;
    };
    let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
    assert!(compiled.status.success() && said.is_empty(), "{said}");
    let listed = journalctl(&["--list-catalog"]).unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for kind in event::ALL {
        let line = format!("{} cse-server: ", kind.message_id);
        assert!(listed.contains(&line), "{kind:?}\n{listed}");
    }
}

/// The server's own sources, by path.
fn sources() -> BTreeMap<PathBuf, String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut open = vec![top];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let foreign = ["src/sim", "src/agent", "src/demo", "src/bin"];
            if foreign
                .iter()
                .any(|part| path.to_string_lossy().contains(part))
            {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    found
}

/// Goal: nobody logs a line that operators see without a kind, or with one that has no id.
#[test]
fn every_line_at_info_and_above_names_a_kind_of_the_table() {
    let mut lines = 0;
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        let text = text.split("\nmod tests").next().unwrap();
        for call in ["info!(", "warn!(", "error!("] {
            let pieces: Vec<&str> = text.split(call).collect();
            for pair in pieces.windows(2) {
                let is_part = |c: char| c.is_alphanumeric() || c == '_';
                if pair[0].ends_with(is_part) {
                    continue;
                }
                let kind = pair[1].trim_start().strip_prefix("event = event::");
                let said: String = pair[1].chars().take(200).collect();
                let kind = kind.unwrap_or_else(|| panic!("{}: {call}{said}", path.display()));
                used.insert(kind.split(',').next().unwrap().to_owned());
                lines += 1;
            }
        }
        assert!(!text.contains("event = \""), "{}", path.display());
    }
    assert!(lines > 40, "only {lines} lines were found");
    let table = include_str!("../../../src/telemetry/event.rs");
    let constants = table.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once(" = \"")?;
        rest.ends_with(';').then(|| name.to_owned())
    });
    let constants: BTreeSet<String> = constants.collect();
    assert_eq!(constants.len(), event::ALL.len());
    // Logged at DEBUG only.
    used.insert("ACTION_FINISHED".to_owned());
    assert_eq!(
        used, constants,
        "kinds that nobody logs, or that are not in the table"
    );
}
