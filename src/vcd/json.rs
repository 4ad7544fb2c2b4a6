//! JSON in and out, with errors that quote no content.
//!
//! Invariants:
//! - Nesting is bounded (`serde_json`, 128 levels).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::VcdError;
use super::operation::Operation;
use super::refusal::{PAGE, clean, is_page};

/// Longest part of a parser's message that goes into an error, in characters.
const MAX_REASON_CHARS: usize = 160;

/// Reads a document.
pub(super) fn read<'a, T: Deserialize<'a>>(op: Operation, body: &'a [u8]) -> Result<T, VcdError> {
    serde_json::from_slice(body).map_err(|error| {
        let reason = if is_page(body) {
            PAGE.to_owned()
        } else {
            reason(&error)
        };
        VcdError::unreadable(op, reason)
    })
}

/// Writes a document.
pub(super) fn write<T: Serialize>(op: Operation, document: &T) -> Result<Bytes, VcdError> {
    serde_json::to_vec(document)
        .map(Bytes::from)
        .map_err(|error| VcdError::InvalidRequest {
            op,
            reason: reason(&error),
        })
}

/// What is wrong with a document, without the values in it.
fn reason(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io => "cannot be read".to_owned(),
        Category::Eof => "ends too early".to_owned(),
        Category::Syntax => "is malformed or nested too deeply".to_owned(),
        Category::Data => {
            let text = error.to_string();
            if text.starts_with("missing field") {
                return format!("JSON: {}", clean(&text, MAX_REASON_CHARS));
            }
            "has a value that is not of the expected form".to_owned()
        }
    };
    format!(
        "JSON {what} (line {}, column {})",
        error.line(),
        error.column()
    )
}
