//! The man page of the configuration file, made of the sample, which documents every key.
//!
//! Flow: the sample's lines -> blocks -> roff.
//!
//! Invariants:
//! - A key of the sample is an entry of the page, with its default or example and the text above it.

use std::io::{self, Write};

use clap_mangen::roff::{Roff, bold, roman};

use super::{MANUAL, page, see};

/// Tests of the configuration hold this file against what the code does.
const SAMPLE: &str = include_str!("../../../config/cse-server.toml");

/// A part of the sample.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    /// `[name]`.
    Table(String),
    /// Paragraphs that belong to no key.
    Text(Vec<String>),
    /// A key as it is written (`slots = 32`), with the paragraphs above it.
    Key(String, Vec<String>),
}

/// Writes the page.
pub(super) fn write(out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    let source = concat!("cse-server ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["cse-server.toml", "5", "", source, MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(
        "cse-server.toml - configuration of one replica of cse-server",
    )]);
    roff.control("SH", ["DESCRIPTION"]);
    for block in blocks(SAMPLE) {
        match block {
            Block::Table(name) => {
                roff.control("SH", [format!("[{name}]").as_str()]);
            }
            Block::Text(paragraphs) => {
                for paragraph in paragraphs {
                    roff.control("PP", []);
                    roff.text([roman(paragraph)]);
                }
            }
            Block::Key(line, paragraphs) => {
                roff.control("TP", []);
                roff.text([bold(line)]);
                for (index, paragraph) in paragraphs.into_iter().enumerate() {
                    if index > 0 {
                        roff.control("IP", []);
                    }
                    roff.text([roman(paragraph)]);
                }
            }
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([page("cse-server"), see(1, "")]);
    roff.to_writer(out)
}

fn blocks(sample: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut text: Vec<String> = Vec::new();
    for line in sample.lines() {
        let said = line.strip_prefix("# ");
        let key = line.strip_prefix('#').unwrap_or(line);
        match said {
            Some(words) => {
                if text.is_empty() {
                    text.push(String::new());
                }
                if let Some(last) = text.last_mut() {
                    let gap = if last.is_empty() { "" } else { " " };
                    *last = format!("{last}{gap}{}", words.trim());
                }
            }
            None if line == "#" => text.push(String::new()),
            None if key.trim().is_empty() => flush(&mut text, &mut found),
            None => match line.strip_prefix('[') {
                Some(table) => {
                    flush(&mut text, &mut found);
                    found.push(Block::Table(table.trim_end_matches(']').to_owned()));
                }
                None => found.push(Block::Key(key.to_owned(), std::mem::take(&mut text))),
            },
        }
    }
    flush(&mut text, &mut found);
    found
}

fn flush(text: &mut Vec<String>, found: &mut Vec<Block>) {
    if !text.is_empty() {
        found.push(Block::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn text_belongs_to_the_key_below_it() {
        let sample = "# About.\n#\n# More,\n# much more.\n\n[vcd]\n# Where.\nurl = \"x\"\n\n# How many.\n#slots = 3\n";
        let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let want = [
            Block::Text(text(&["About.", "More, much more."])),
            Block::Table("vcd".to_owned()),
            Block::Key("url = \"x\"".to_owned(), text(&["Where."])),
            Block::Key("slots = 3".to_owned(), text(&["How many."])),
        ];
        assert_eq!(blocks(sample), want);
    }

    #[test]
    fn every_key_of_the_sample_is_an_entry_with_a_text() {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        let keys = blocks(SAMPLE).into_iter().filter_map(|block| match block {
            Block::Key(line, text) => Some((line, text)),
            Block::Table(_) | Block::Text(_) => None,
        });
        let keys: Vec<_> = keys.collect();
        assert!(keys.len() >= 21, "{}", keys.len());
        for (line, text) in keys {
            assert!(!text.is_empty(), "{line} is not explained");
            let name = line.split(" = ").next().unwrap_or_default();
            assert!(page.contains(&format!("\\fB{name} = ")), "{line}");
        }
    }
}
