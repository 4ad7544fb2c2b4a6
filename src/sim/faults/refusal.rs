//! Answers in place of VCD's own: from a cell in maintenance mode, a gateway, a limiter.
//!
//! Source: VCD API, reliability: maintenance answers 503, gateways answer HTML, busy entities and
//! operation limits answer 400.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::sim::call::ApiVersion;
use crate::sim::reply::{Problem, Reply};
use crate::sim::world::respond;
use crate::vcd::transport::Response;

/// Request id of answers that no request led to.
const REQUEST_ID: &str = "fault";

/// An answer that is none of the simulated VCD's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Refusal {
    /// 503 with a page of HTML: the cell is in maintenance mode.
    Maintenance,
    /// 429, with or without `Retry-After`.
    Throttled {
        /// Seconds of the header.
        #[serde(default)]
        retry_after_secs: Option<u32>,
    },
    /// 503 with `Retry-After`.
    Unavailable {
        /// Seconds of the header.
        retry_after_secs: u32,
    },
    /// 412: somebody wrote first.
    Conflict,
    /// 401.
    SessionExpired,
    /// 500 with a page of HTML.
    ServerError,
    /// 400 `BUSY_ENTITY`.
    Busy,
    /// 400: too many operations are queued.
    OperationLimit,
    /// 403: there is no such object, or no right to it.
    Forbidden,
    /// 502 with a page of HTML.
    BadGateway,
    /// 504 with a page of HTML.
    GatewayTimeout,
}

impl Refusal {
    /// The answer to a request for `path`: a page of HTML from whatever stands in front of VCD, or
    /// an error of VCD in the form of the API family.
    pub(crate) fn response(self, path: &str) -> Response {
        let mut response = match self {
            Self::Maintenance | Self::Unavailable { .. } => page(503, "Service unavailable"),
            Self::Throttled { .. } => page(429, "Too many requests"),
            Self::ServerError => page(500, "Internal server error"),
            Self::BadGateway => page(502, "Bad gateway"),
            Self::GatewayTimeout => page(504, "Gateway timeout"),
            Self::Conflict => error(
                path,
                (412, "PRECONDITION_FAILED"),
                "The ETag in If-Match does not match the current state of the entity.",
            ),
            Self::SessionExpired => error(path, (401, "UNAUTHORIZED"), "The session is expired."),
            Self::Busy => error(
                path,
                (400, "BUSY_ENTITY"),
                "The entity is busy completing an operation UPDATE.",
            ),
            Self::OperationLimit => error(
                path,
                (400, "BAD_REQUEST"),
                "The maximum number of simultaneous operations for the user is exceeded.",
            ),
            Self::Forbidden => error(
                path,
                (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN"),
                "Either you need some or all of the following rights [Base] to perform operations \
                 [ENTITY_VIEW] or the target entity is invalid.",
            ),
        };
        if let Some(secs) = self.retry_after() {
            response
                .headers_mut()
                .insert("retry-after", HeaderValue::from(secs));
        }
        response
    }

    const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Throttled { retry_after_secs } => retry_after_secs,
            Self::Unavailable { retry_after_secs } => Some(retry_after_secs),
            Self::Maintenance
            | Self::Conflict
            | Self::SessionExpired
            | Self::ServerError
            | Self::Busy
            | Self::OperationLimit
            | Self::Forbidden
            | Self::BadGateway
            | Self::GatewayTimeout => None,
        }
    }
}

fn page(status: u16, title: &str) -> Response {
    let body = format!("<html><body><h1>{title}</h1></body></html>");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let media = HeaderValue::from_static("text/html");
    response.headers_mut().insert("content-type", media);
    response
}

fn error(path: &str, (status, minor): (u16, &'static str), message: &str) -> Response {
    let version = ApiVersion {
        major: 37,
        minor: 2,
    };
    let problem = Problem::new(status, minor, message);
    let reply = Reply::problem(&problem, path.starts_with("/api/"), version, REQUEST_ID);
    respond(reply, REQUEST_ID)
}
