//! An answer that is no success, read as far as it can be: status, VCD's code and words, pacing.
//!
//! Flow: a [`Response`] with an error status comes in, a [`Refusal`] goes into a `VcdError`.
//!
//! Invariants:
//! - Any body is accepted: JSON, XML, a proxy's HTML, nothing. Only VCD's own two forms count as VCD
//!   speaking ([`Refusal::from_vcd`]); that decides whether a 403 means "this does not exist".
//! - Texts are cut to a fixed length and hold no control characters: they end up in logs and events.
//!
//! Not here: what the status means for the caller (`vcd::error`).
//! Source: VCD `OpenAPI` and vCloud API error documents (API 37.2); RFC 9110, `Retry-After`.

use std::fmt;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::fmt::rfc2822;

use super::transport::Response;
use super::wire::fault;

/// Longest message kept, in characters; VCD's own are one or two sentences.
const MAX_MESSAGE_CHARS: usize = 500;

/// Longest code or request id kept, in characters.
const MAX_CODE_CHARS: usize = 200;

/// What VCD, or something in front of it, said instead of doing what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status; for a failed task the major error code.
    pub status: u16,
    /// VCD's minor error code, such as `BUSY_ENTITY`.
    pub minor_code: Option<String>,
    /// VCD's sentence, without the request id in front.
    pub message: Option<String>,
    /// The id VCD's own logs carry for this request.
    pub request_id: Option<String>,
    /// The wait that was asked for (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// Whether the body was one of VCD's error documents.
    pub from_vcd: bool,
}

impl Refusal {
    /// Reads what can be read of `response`.
    pub(super) fn read(response: &Response) -> Self {
        let headers = response.headers();
        let fault = fault::parse(response.body());
        let from_vcd = fault.is_some();
        let fault = fault.unwrap_or_default();
        let header_id = headers
            .get("x-vmware-vcloud-request-id")
            .and_then(|value| value.to_str().ok())
            .map(|id| clean(id, MAX_CODE_CHARS));
        let mut refusal = Self::spoken(response.status().as_u16(), fault);
        refusal.request_id = header_id.or(refusal.request_id);
        refusal.retry_after = retry_after(headers);
        refusal.from_vcd = from_vcd;
        refusal
    }

    /// What this program says itself instead of sending a request.
    pub(super) fn own(status: StatusCode, message: &str, retry_after: Option<Duration>) -> Self {
        Self {
            status: status.as_u16(),
            minor_code: None,
            message: Some(message.to_owned()),
            request_id: None,
            retry_after,
            from_vcd: false,
        }
    }

    /// From an error document that came in another way: inside a task.
    pub(super) fn spoken(status: u16, fault: fault::Fault) -> Self {
        let (request_id, message) = split_request_id(fault.message.as_deref().unwrap_or_default());
        let code = fault.minor_error_code.filter(|code| !code.is_empty());
        Self {
            status,
            minor_code: code.map(|code| clean(&code, MAX_CODE_CHARS)),
            message: Some(clean(message, MAX_MESSAGE_CHARS)).filter(|text| !text.is_empty()),
            request_id: request_id.map(|id| clean(id, MAX_CODE_CHARS)),
            retry_after: None,
            from_vcd: true,
        }
    }

    /// Whether code or sentence contains `needle`, which is in lower case.
    pub(super) fn mentions(&self, needle: &str) -> bool {
        let holds = |text: &Option<String>| {
            text.as_deref()
                .is_some_and(|text| text.to_ascii_lowercase().contains(needle))
        };
        holds(&self.message) || holds(&self.minor_code)
    }

    /// Whether something of that name is there already.
    ///
    /// Source: VCD answers 400 `DUPLICATE_NAME`, or with a sentence ("There is already a VM named ...").
    pub(super) fn names_a_twin(&self) -> bool {
        self.mentions("duplicate_name") || self.mentions("there is already a")
    }

    /// The same without VCD's sentence, when that repeats something secret.
    pub(super) fn without_message_holding(mut self, secret: &str) -> Self {
        if self
            .message
            .as_deref()
            .is_some_and(|text| text.contains(secret))
        {
            self.message = None;
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = &self.minor_code {
            write!(f, " {code}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None if self.from_vcd => Ok(()),
            None => f.write_str(" (the answer is not in VCD's form)"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Splits `[ <request id> ] sentence`, the form of every message of VCD.
fn split_request_id(message: &str) -> (Option<&str>, &str) {
    let parts = message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    match parts {
        Some((id, sentence)) => (Some(id.trim()).filter(|id| !id.is_empty()), sentence.trim()),
        None => (None, message.trim()),
    }
}

/// What to say of an answer that is a web page where a document was expected: whatever a parser says about it
/// leads nowhere.
pub(super) const PAGE: &str = "it is a web page";

/// Whether the body is a page for people, as portals and proxies send it.
pub(super) fn is_page(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let starts = |tag: &[u8]| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    starts(b"<!doctype html") || starts(b"<html")
}

/// One line of at most `limit` characters.
pub(super) fn clean(text: &str, limit: usize) -> String {
    text.chars()
        .take(limit)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The wait that `Retry-After` asks for.
///
/// A date is measured against the answer's own `Date`, so a wrong clock on this host does no harm; a
/// date without that, or in the past, asks for nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    let wanted = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(wanted).ok()?.timestamp();
    let now = rfc2822::parse(text(DATE)?.trim()).ok()?.timestamp();
    Duration::try_from(until.duration_since(now)).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(headers: &[(&str, &str)], body: &'static str) -> Refusal {
        let mut builder = http::Response::builder().status(429);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Refusal::read(&builder.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_of_the_same_clock() {
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        let later = ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT");
        let earlier = ("retry-after", "Wed, 21 Oct 2026 07:27:30 GMT");
        let check = |name: &str, headers: &[(&str, &str)], want: Option<u64>| {
            let found = answer(headers, "").retry_after;
            assert_eq!(found, want.map(Duration::from_secs), "{name}");
        };
        check("seconds", &[("retry-after", "7")], Some(7));
        check("date", &[date, later], Some(30));
        check("date in the past", &[date, earlier], None);
        check("date without a reference", &[later], None);
        check("nonsense", &[date, ("retry-after", "soon")], None);
        check("nothing", &[date], None);
    }

    #[test]
    fn both_error_forms_of_vcd_are_read_and_others_are_not_taken_for_them() {
        let json =
            r#"{"minorErrorCode":"BUSY_ENTITY","message":"[ 12-ab ] busy\nnow","stackTrace":null}"#;
        let xml = r#"<Error xmlns="http://www.vmware.com/vcloud/v1.5" message="[ 12-ab ] busy&#10;now"
            majorErrorCode="400" minorErrorCode="BUSY_ENTITY" stackTrace=""/>"#;
        for body in [json, xml] {
            let refusal = answer(&[], body);
            assert!(refusal.from_vcd, "{body}");
            assert_eq!(refusal.minor_code.as_deref(), Some("BUSY_ENTITY"));
            assert_eq!(refusal.message.as_deref(), Some("busy now"));
            assert_eq!(refusal.request_id.as_deref(), Some("12-ab"));
        }
        for body in [
            "",
            "<html><body>Forbidden</body></html>",
            "{}",
            "[]",
            "{\"a\":",
            "<Error",
        ] {
            let refusal = answer(&[], body);
            assert!(!refusal.from_vcd, "{body}");
            assert_eq!(refusal.message, None, "{body}");
        }
    }

    #[test]
    fn the_request_id_header_wins_over_the_one_in_the_text() {
        let body = r#"{"minorErrorCode":"BAD_REQUEST","message":"[ text ] no"}"#;
        let refusal = answer(&[("X-VMWARE-VCLOUD-REQUEST-ID", "header")], body);
        assert_eq!(refusal.request_id.as_deref(), Some("header"));
    }

    #[test]
    fn texts_are_bounded() {
        assert_eq!(
            clean(&"x".repeat(9_000), MAX_MESSAGE_CHARS).len(),
            MAX_MESSAGE_CHARS
        );
    }
}
