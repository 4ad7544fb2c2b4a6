//! Values and changes for people and programs, without secrets and control characters.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::domain::secrets::masked_under;
use crate::domain::tree::{Change, TreePath};

/// Longest value in a line, in characters.
const MOST_CHARS: usize = 100;

/// A value as it stands in a line.
pub(super) fn shown(path: &TreePath, value: &Value) -> String {
    let value = masked_under(path.last_key().unwrap_or_default(), value);
    let text = match &value {
        Value::String(text) if text.contains("-----BEGIN CERTIFICATE-----") => {
            return format!("a certificate of {} bytes", text.len());
        }
        Value::String(text) if text.trim().contains('\n') => {
            return format!("a text of {} lines", text.lines().count());
        }
        Value::String(text)
            if !text.is_empty() && text.trim() == text && !text.contains(char::is_control) =>
        {
            text.clone()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    };
    cut(&text)
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(MOST_CHARS).collect();
    if short.len() < text.len() {
        format!("{short}...")
    } else {
        short
    }
}

/// One line per change: `key: old -> new`.
pub(super) fn change_lines(changes: &[Change]) -> String {
    let mut lines = String::new();
    for one in changes {
        let side = |value: Option<&Value>| {
            value.map_or_else(|| "nothing".to_owned(), |value| shown(&one.path, value))
        };
        let (from, to) = (side(one.from.as_ref()), side(one.to.as_ref()));
        // A secret that changed is told, not shown.
        let note = if from == to { " (changed)" } else { "" };
        // Writing to a String cannot fail.
        writeln!(lines, "  {}: {from} -> {to}{note}", one.path).unwrap_or_default();
    }
    lines
}

/// The same for programs.
pub(super) fn changes_json(changes: &[Change]) -> Value {
    let one = |change: &Change| {
        let key = change.path.last_key().unwrap_or_default();
        let side = |value: Option<&Value>| value.map(|value| masked_under(key, value));
        json!({
            "path": change.path.to_string(),
            "from": side(change.from.as_ref()),
            "to": side(change.to.as_ref()),
        })
    };
    changes.iter().map(one).collect()
}

/// A JSON document for standard output.
pub(super) fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}
