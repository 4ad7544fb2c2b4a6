//! A configuration in a file: reading it, whatever form an operator has it in.
//!
//! Invariants:
//! - A file that cannot be used is refused with the line and column where the reader stopped.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::exit::{CONFIGURATION, Failure};

/// Content of the entity.
pub(super) type Content = Map<String, Value>;

/// Longest file, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The text of a file, or of standard input for `-`.
pub(super) fn read_text(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::told(
            CONFIGURATION,
            &format!(
                "cannot read {}: {error}; name a file of JSON text",
                file.display()
            ),
        )
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_BYTES)
            .read_to_string(&mut text)
    } else {
        let open = std::fs::File::open(file).map_err(|error| unreadable(&error))?;
        open.take(MAX_BYTES).read_to_string(&mut text)
    };
    read.map_err(|error| unreadable(&error))?;
    Ok(text)
}

/// The content in a text: `{"profiles": ...}`, or a whole entity with it under `entity`.
///
/// # Errors
/// A sentence with the line and column.
pub(super) fn parse(text: &str) -> Result<Content, String> {
    let value: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let shown = text
                .lines()
                .nth(line.saturating_sub(1))
                .unwrap_or_default()
                .trim();
            let near = if shown.is_empty() || shown.contains(char::is_control) || has_secret(shown)
            {
                String::new()
            } else {
                format!(" near {:?}", shown.chars().take(60).collect::<String>())
            };
            format!("line {line}, column {column}: no JSON: {reason}{near}")
        })?;
    let Value::Object(mut members) = value else {
        return Err("line 1: expected an object with \"profiles\"".to_owned());
    };
    match members.remove("entity") {
        Some(Value::Object(content)) if !members.contains_key("profiles") => Ok(content),
        Some(other) => {
            members.insert("entity".to_owned(), other);
            Ok(members)
        }
        None => Ok(members),
    }
}

/// Whether a line must not be repeated.
fn has_secret(line: &str) -> bool {
    let value = Value::from(line);
    crate::domain::secrets::masked(&value) != value
}

/// The same from a file.
pub(super) fn read(file: &Path) -> Result<Content, Failure> {
    let text = read_text(file)?;
    parse(&text)
        .map_err(|problem| Failure::told(CONFIGURATION, &format!("{}: {problem}", file.display())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_as_content_or_as_whole_entity() {
        let content = parse(r#"{"profiles": [1]}"#).unwrap();
        assert_eq!(
            parse(r#"{"name": "vcdKeConfig", "entity": {"profiles": [1]}}"#).unwrap(),
            content
        );
        let problem = parse("{\"profiles\": [\n  {\"name\": \"a\",}\n]}").unwrap_err();
        assert!(
            problem.starts_with("line 2, column 16: no JSON: trailing comma"),
            "{problem}"
        );
        let problem = parse("{\n\"githubPersonalAccessToken\": \"ghp_1\" x}").unwrap_err();
        assert!(
            problem.starts_with("line 2") && !problem.contains("ghp_1"),
            "{problem}"
        );
        assert!(parse("[]").is_err());
    }
}
