//! XML in and out, with errors that quote no content.
//!
//! Invariants:
//! - Entities beyond XML's own five are an error, nesting is bounded (quick-xml, 128 levels).
//! - A document is written only if every character is legal in XML 1.0: no escape exists for the
//!   others, and a document with one would be refused whole.
//!
//! Source: XML 1.0 (Fifth Edition), productions 2 and 66.

use bytes::Bytes;
use quick_xml::DeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::vcd::error::VcdError;
use crate::vcd::operation::Operation;
use crate::vcd::refusal::clean;

/// The default namespace of the legacy API.
pub(in crate::vcd) const VCLOUD: &str = "http://www.vmware.com/vcloud/v1.5";
/// Open Virtualization Format, prefix `ovf`.
pub(in crate::vcd) const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
/// The vendor's additions to OVF, prefix `vmw`.
pub(in crate::vcd) const VMW: &str = "http://www.vmware.com/schema/ovf";

/// Longest part of a parser's message that goes into an error, in characters.
const MAX_REASON_CHARS: usize = 160;

/// Reads a document; the name of its root is not looked at.
pub(in crate::vcd) fn read<T: DeserializeOwned>(op: Operation, body: &[u8]) -> Result<T, VcdError> {
    let text = text(op, body)?;
    quick_xml::de::from_str(text).map_err(|error| VcdError::unreadable(op, reason(&error)))
}

/// The document as text.
pub(in crate::vcd) fn text(op: Operation, body: &[u8]) -> Result<&str, VcdError> {
    std::str::from_utf8(body).map_err(|error| {
        VcdError::unreadable(op, format!("not UTF-8 from byte {}", error.valid_up_to()))
    })
}

/// Writes a document, declaration included.
///
/// # Errors
/// [`VcdError::InvalidRequest`]: a name, description or script has a character XML cannot carry.
pub(in crate::vcd) fn write<T: Serialize>(op: Operation, document: &T) -> Result<Bytes, VcdError> {
    let invalid = |reason: String| VcdError::InvalidRequest { op, reason };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    quick_xml::se::to_writer(&mut text, document).map_err(|error| invalid(error.to_string()))?;
    finish(op, text)
}

/// Checks a written document and makes it a body.
pub(in crate::vcd) fn finish(op: Operation, text: String) -> Result<Bytes, VcdError> {
    match text.chars().find(|c| !is_xml_char(*c)) {
        None => Ok(Bytes::from(text)),
        Some(c) => Err(VcdError::InvalidRequest {
            op,
            reason: format!("XML cannot carry the character U+{:04X}", u32::from(c)),
        }),
    }
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// What is wrong with a document, without the values in it.
fn reason(error: &DeError) -> String {
    let text = error.to_string();
    // Custom texts repeat values; the other kinds name markup and limits only.
    if matches!(error, DeError::Custom(_)) && !text.starts_with("missing field") {
        return "XML: a value is not of the expected form".to_owned();
    }
    format!("XML: {}", clean(&text, MAX_REASON_CHARS))
}
