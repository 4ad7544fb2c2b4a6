//! Answers of the simulator: JSON, XML, accepted tasks and VCD's two error forms.
//!
//! Invariants:
//! - Every error message begins with `[ <request id> ] `, in the task and in the body.
//! - `/api` answers errors in XML, everything else in JSON.
//!
//! Source: VCD API, error bodies and synchronous/asynchronous answers.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::ApiVersion;

/// A refusal in VCD's words, before it is rendered as JSON or XML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// HTTP status, also the XML major error code.
    pub(crate) status: u16,
    /// Minor error code, such as `BUSY_ENTITY`.
    pub(crate) minor: Cow<'static, str>,
    /// Text without the request id.
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(status: u16, minor: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            minor: Cow::Borrowed(minor),
            message: message.into(),
        }
    }

    /// 400 `BAD_REQUEST`.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BAD_REQUEST", message)
    }

    /// 404: no resource has such a URL.
    pub(crate) fn no_such_url() -> Self {
        let message = "The requested resource does not exist.";
        Self::new(404, "RESOURCE_NOT_FOUND", message)
    }

    /// 405: the address exists, the method does not.
    pub(crate) fn wrong_method() -> Self {
        Self::new(405, "METHOD_NOT_ALLOWED", "Method not allowed.")
    }

    /// 403 `ACCESS_TO_RESOURCE_IS_FORBIDDEN`: not permitted or does not exist; VCD does not tell which.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN", message)
    }
}

/// An answer; `world` adds the request-id header.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// No body: 204, or 202 with a `Location` added by [`Reply::with_header`].
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A JSON body, typed `application/json;version=V`.
    pub(crate) fn json(status: u16, version: ApiVersion, body: &serde_json::Value) -> Self {
        Self::json_text(status, version, Bytes::from(body.to_string()))
    }

    /// A JSON body that is text already.
    pub(crate) fn json_text(status: u16, version: ApiVersion, body: Bytes) -> Self {
        Self::typed(status, format!("application/json;version={version}"), body)
    }

    /// An XML body; `media` is the part after `application/` and before `;version=`,
    /// for example `vnd.vmware.vcloud.vApp+xml`.
    pub(crate) fn xml(status: u16, version: ApiVersion, media: &str, body: String) -> Self {
        let media = format!("application/{media};version={version}");
        Self::typed(status, media, Bytes::from(body))
    }

    fn typed(status: u16, media: String, body: Bytes) -> Self {
        let reply = Self {
            body,
            ..Self::empty(status)
        };
        reply.with_header("content-type", media)
    }

    /// The same answer with one more header; `name` in lower case.
    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Renders `problem` in the form of the API family.
    pub(crate) fn problem(
        problem: &Problem,
        xml: bool,
        version: ApiVersion,
        request_id: &str,
    ) -> Self {
        let message = format!("[ {request_id} ] {}", problem.message);
        if xml {
            let body = super::xml::error_document(problem, &message);
            return Self::xml(problem.status, version, "vnd.vmware.vcloud.error+xml", body);
        }
        let body = json!({
            "minorErrorCode": problem.minor,
            "message": message,
            "stackTrace": serde_json::Value::Null,
        });
        Self::json(problem.status, version, &body)
    }
}

/// A date as VCD writes it: RFC 3339 with milliseconds and `Z`.
pub(crate) fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}
