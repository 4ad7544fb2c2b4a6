//! Request bodies of the legacy API: which media types are read, and as what.
//!
//! Invariants:
//! - No media type at all is taken for XML: some clients send none.
//!
//! Source: VCD API, media types of requests; status 415.

use super::{Element, json};
use crate::sim::call::Call;
use crate::sim::reply::Problem;

impl Call<'_> {
    /// The body as a document with the root `name`.
    ///
    /// # Errors
    /// 415 for a media type that is neither XML nor JSON; 400 for a malformed body or another root.
    pub(crate) fn document(&self, name: &str) -> Result<Element, Problem> {
        let media = self.header("content-type").unwrap_or_default();
        if media.contains("json") {
            return Ok(json::document(name, &self.json()?));
        }
        if !media.is_empty() && !media.contains("xml") {
            let media: String = media.chars().take(80).collect();
            return Err(Problem::new(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                format!("The content type \"{media}\" is not supported here."),
            ));
        }
        let root = Element::parse(self.body)?;
        if root.local_name() != name {
            return Err(Problem::bad_request(format!(
                "The request body is a {} where a {name} is expected.",
                root.local_name()
            )));
        }
        Ok(root)
    }
}
