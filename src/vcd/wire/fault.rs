//! VCD's two error documents: a JSON object under `/cloudapi`, an `<Error>` element under `/api`.
//!
//! Invariants:
//! - Only a document with VCD's own fields is one; a proxy's page never is.

use serde::Deserialize;

/// The fields both forms share.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(in crate::vcd) struct Fault {
    pub(in crate::vcd) minor_error_code: Option<String>,
    pub(in crate::vcd) message: Option<String>,
}

/// The XML form; every attribute is mandatory, because any root element would fit otherwise.
#[derive(Deserialize)]
struct ErrorElement {
    #[serde(rename = "@message")]
    message: String,
    #[serde(rename = "@minorErrorCode")]
    minor_error_code: String,
    #[serde(rename = "@majorErrorCode")]
    _major_error_code: String,
}

/// The error document in `body`, if it is one.
pub(in crate::vcd) fn parse(body: &[u8]) -> Option<Fault> {
    let text = std::str::from_utf8(body).ok()?.trim_start();
    if text.starts_with('{') {
        let fault: Fault = serde_json::from_str(text).ok()?;
        return Some(fault).filter(|f| f.minor_error_code.is_some() || f.message.is_some());
    }
    let element: ErrorElement = quick_xml::de::from_str(text).ok()?;
    Some(Fault {
        minor_error_code: Some(element.minor_error_code),
        message: Some(element.message),
    })
}
