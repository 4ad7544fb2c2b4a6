//! Secrets in a text of one or many lines: YAML, log tails, URLs, certificates with their keys.
//!
//! Invariants:
//! - Lines that hold no secret stay as they are, byte for byte.
//! - Masking what is masked changes nothing.

use super::{PLACEHOLDER, is_secret_key};

/// Begin and end of a private key; the kind stands in between.
const KEY_BEGINS: &str = "-----BEGIN ";
const KEY_NAME: &str = "PRIVATE KEY-----";
const KEY_ENDS: &str = "-----END ";

/// What the lines that come next belong to.
#[derive(Clone, Copy)]
enum Inside {
    Nothing,
    /// A private key, up to its last line.
    PrivateKey,
    /// A block of YAML under a secret key: every line that is indented further than this.
    Block(usize),
}

/// The text without its secrets.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = Inside::Nothing;
    for line in text.split_inclusive('\n') {
        match inside {
            Inside::PrivateKey => {
                if let Some((_, rest)) = line.split_once(KEY_ENDS) {
                    inside = Inside::Nothing;
                    out.push_str(rest.split_once("-----").map_or("\n", |(_, rest)| rest));
                }
                continue;
            }
            Inside::Block(indent) if line.trim().is_empty() || indent_of(line) > indent => continue,
            Inside::Block(_) | Inside::Nothing => {}
        }
        inside = mask_line(line, &mut out);
    }
    out
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn mask_line(line: &str, out: &mut String) -> Inside {
    if let Some((before, key)) = private_key(line) {
        out.push_str(&without_pairs(&without_users(before)));
        out.push_str(PLACEHOLDER);
        return match key.split_once(KEY_ENDS) {
            Some((_, rest)) => {
                out.push_str(rest.split_once("-----").map_or("\n", |(_, rest)| rest));
                Inside::Nothing
            }
            None => Inside::PrivateKey,
        };
    }
    if is_block(line) {
        let indent = indent_of(line);
        out.push_str(line);
        out.extend([&" ".repeat(indent + 2), PLACEHOLDER, "\n"]);
        return Inside::Block(indent);
    }
    out.push_str(&without_pairs(&without_users(line)));
    Inside::Nothing
}

/// The line in front of a private key, and the rest.
fn private_key(line: &str) -> Option<(&str, &str)> {
    let at = line.find(KEY_BEGINS)?;
    let (before, key) = line.split_at(at);
    let name = key.find(KEY_NAME)?;
    // Not the end of another one further on.
    key.find(KEY_ENDS)
        .is_none_or(|end| name < end)
        .then_some((before, key))
}

/// `token: |` and the like.
fn is_block(line: &str) -> bool {
    let Some((key, value)) = line.trim_end().rsplit_once(": ") else {
        return false;
    };
    let mark = value.trim();
    let key = key
        .trim_start()
        .trim_start_matches("- ")
        .trim_matches(['"', '\'']);
    mark.starts_with(['|', '>']) && mark.len() <= 3 && is_secret_key(key)
}

/// Users and passwords out of URLs.
fn without_users(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| {
            matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | ',') || c.is_whitespace()
        };
        let (authority, after) = after.split_at(after.find(ends).unwrap_or(after.len()));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                if let Some((name, _)) = user.split_once(':') {
                    out.extend([name, ":"]);
                }
                out.extend([PLACEHOLDER, "@", host]);
            }
            None => out.push_str(authority),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The values of `key: value` and `key=value` out of a line, where the key is that of a secret.
fn without_pairs(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find([':', '=']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        rest = after;
        let key = before
            .get(..at)
            .unwrap_or_default()
            .trim_end()
            .trim_end_matches(['"', '\'']);
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let start = key.rfind(|c: char| !named(c)).map_or(0, |at| at + 1);
        let key = key.get(start..).unwrap_or(key);
        if !is_secret_key(key) {
            continue;
        }
        let value = rest.trim_start_matches([' ', '\t']);
        let (blanks, _) = rest.split_at(rest.len() - value.len());
        let found = quoted(value).or_else(|| unquoted(value, before.ends_with('=')));
        if let Some((quote, length)) = found {
            out.extend([blanks, quote, PLACEHOLDER, quote]);
            rest = value.get(length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The quote of a value and the length up to its closing one; `None` when it is not quoted, not closed or empty.
fn quoted(value: &str) -> Option<(&str, usize)> {
    let quote = value
        .get(..1)
        .filter(|quote| matches!(*quote, "\"" | "'"))?;
    let mut escaped = false;
    let closes = |c: char| {
        let closes = quote.starts_with(c) && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    };
    let length = value.get(1..)?.find(closes)?;
    (length > 0).then_some((quote, length + 2))
}

/// The quote to put around the placeholder, and the length of the value; `None` when there is none, or it is a
/// list, an object or an empty text. A YAML text must not begin with a star.
fn unquoted(value: &str, is_assignment: bool) -> Option<(&'static str, usize)> {
    let none = ['\n', '\r', '{', '[', '}', ']', ','];
    if value.is_empty()
        || value.starts_with(none)
        || value.starts_with("\"\"")
        || value.starts_with("''")
    {
        return None;
    }
    let ends = |c: char| {
        let of_word = c.is_whitespace() || matches!(c, '&' | ';' | '"' | '\'');
        matches!(c, '\n' | '\r') || (is_assignment && of_word)
    };
    let length = value.find(ends).unwrap_or(value.len());
    let quote = if is_assignment { "" } else { "\"" };
    (length > 0).then_some((quote, length))
}
