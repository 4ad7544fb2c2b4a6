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
use crate::vcd::refusal::{PAGE, clean, is_page};

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
    if is_page(body) {
        return Err(VcdError::unreadable(op, PAGE));
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::domain::error_class::ErrorClass;

    const OP: Operation = Operation::COMPOSE_VAPP;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Sample {
        #[serde(rename = "@name")]
        name: String,
        #[serde(rename = "Before")]
        before: String,
        #[serde(rename = "Text")]
        text: String,
    }

    /// Text in which what matters to XML is frequent.
    fn hostile() -> impl Strategy<Value = String> {
        let special: Vec<char> = "\r\n\t <&>\"']-\u{0}\u{fffe}".chars().collect();
        let c = prop_oneof![any::<char>(), proptest::sample::select(special)];
        proptest::collection::vec(c, 0..12).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        /// Whatever a tenant calls things: it comes back as it was, or it is refused before it is sent.
        #[test]
        fn any_text_survives_or_is_refused(name in hostile(), text in hostile()) {
            let sample = Sample { name, before: "kept".to_owned(), text: format!("<{text}>") };
            match write(OP, &sample) {
                Ok(body) => prop_assert_eq!(read::<Sample>(OP, &body).unwrap(), sample),
                Err(error) => {
                    prop_assert_eq!(error.class(), ErrorClass::Terminal);
                    let both = sample.name + &sample.text;
                    prop_assert!(both.chars().any(|c| !is_xml_char(c)));
                }
            }
        }

        #[test]
        fn no_document_is_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read::<Sample>(OP, &bytes));
        }

        #[test]
        fn no_markup_is_a_panic(text in "[<>/!?A-b&;=\"' \\[\\]-]{0,60}") {
            drop(read::<Sample>(OP, text.as_bytes()));
        }
    }

    #[test]
    fn errors_quote_no_values() {
        let document = "<S name=\"a\"><Text><x>secret</x></Text></S>";
        let error = read::<Sample>(OP, document.as_bytes()).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            cause.starts_with("XML:") && !cause.contains("secret"),
            "{cause}"
        );
    }
}
