//! As much of `journalctl` as the documented queries use, over records in memory.
//!
//! Values of one field are alternatives, different fields must all match, `-p` is a priority and all that are
//! graver. Options that only change what is shown are known, too; an unknown one is refused.
//!
//! Source: journalctl(1).

use std::collections::BTreeMap;

/// Fields of one entry of a journal.
pub(crate) type Entry = BTreeMap<String, String>;

/// The queries of the file, as their words.
pub(crate) fn documented() -> Vec<String> {
    let text = include_str!("../../../systemd/queries.txt");
    let lines = text.lines().filter(|line| line.starts_with("journalctl "));
    lines.map(str::to_owned).collect()
}

/// What a query matches.
#[derive(Debug, Default)]
pub(crate) struct Query {
    fields: BTreeMap<String, Vec<String>>,
    priority: Option<u8>,
    pub(crate) explains: bool,
}

impl Query {
    pub(crate) fn parse(line: &str) -> Self {
        let mut query = Self::default();
        let mut words = words(line).into_iter();
        assert_eq!(words.next().as_deref(), Some("journalctl"), "{line}");
        while let Some(word) = words.next() {
            match word.as_str() {
                "-m" | "--no-pager" => {}
                "-x" => query.explains = true,
                "-u" => {
                    let unit = format!("{}.service", words.next().unwrap());
                    query.add("_SYSTEMD_UNIT", &unit);
                }
                "-p" => {
                    let name = words.next().unwrap();
                    let names = [
                        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
                    ];
                    let at = names.iter().position(|known| *known == name);
                    query.priority = Some(u8::try_from(at.unwrap()).unwrap());
                }
                other => {
                    let (field, value) = other
                        .split_once('=')
                        .unwrap_or_else(|| panic!("{line}: {other}"));
                    assert!(!field.starts_with('-'), "{line}: {other}");
                    query.add(field, value);
                }
            }
        }
        query
    }

    fn add(&mut self, field: &str, value: &str) {
        self.fields
            .entry(field.to_owned())
            .or_default()
            .push(value.to_owned());
    }

    pub(crate) fn run<'a>(&self, journal: &'a [Entry]) -> Vec<&'a Entry> {
        let matches = |entry: &&Entry| {
            let fields = self.fields.iter().all(|(field, values)| {
                entry.get(field).is_some_and(|value| values.contains(value))
            });
            let grave = self.priority.is_none_or(|most| {
                entry
                    .get("PRIORITY")
                    .is_some_and(|priority| priority.parse::<u8>().unwrap() <= most)
            });
            fields && grave
        };
        journal.iter().filter(matches).collect()
    }
}

/// Words of a command line; `"$(...)"` stays one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The entry that the journal would have of a line of JSON.
pub(crate) fn entry_of(line: &serde_json::Value, invocation: &str) -> Option<Entry> {
    let level = line["level"].as_str()?;
    let priority = match level {
        "ERROR" => "3",
        "WARN" => "4",
        "INFO" => "6",
        _ => "7",
    };
    let mut entry = Entry::from([
        ("PRIORITY".to_owned(), priority.to_owned()),
        ("REPLICA".to_owned(), line["replica"].as_str()?.to_owned()),
        ("_SYSTEMD_INVOCATION_ID".to_owned(), invocation.to_owned()),
        ("_SYSTEMD_UNIT".to_owned(), "cse-server.service".to_owned()),
    ]);
    for (name, value) in line["fields"].as_object()? {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        entry.insert(name.to_uppercase(), text);
    }
    Some(entry)
}
