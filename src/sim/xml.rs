//! XML documents.

use super::reply::Problem;

/// The legacy error document.
pub(crate) fn error_document(_problem: &Problem, message: &str) -> String {
    message.to_owned()
}
