//! The seam between the client and the network: one request out, one answer or a classified silence back.
//!
//! Flow: `vcd::*` builds a [`Request`]; `vcd::http` (reqwest) or `sim::transport` (in process) answers.
//!
//! Invariants:
//! - A transport never repeats a request and never follows a redirect.
//! - A [`Response`] is complete: a body cut short is a [`TransportError::Unanswered`].
//! - "Never sent" and "sent, no answer" stay apart: only the first is safe to repeat.
//!
//! Not here: what a status code means (`vcd::error`), tokens (`vcd::session`).

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

/// One HTTP request. The URI holds path and query only (`/cloudapi/1.0.0/...`); the transport knows the host.
pub type Request = http::Request<Bytes>;

/// One complete HTTP answer.
pub type Response = http::Response<Bytes>;

/// In the extensions of a [`Request`] for a page of a listing, whose answer is megabytes large: on a shared
/// connection a transport never lets others wait behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page;

/// What one call may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Longest wait for the complete answer, in real time.
    pub timeout: Duration,
    /// Largest answer body accepted, in bytes.
    pub max_body_bytes: usize,
}

/// What is in the way to VCD; decides what the operator is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The host name does not resolve.
    NameLookup,
    /// The host is there; nothing listens on the port.
    Refused,
    /// Nobody answered in time, or there is no route.
    NoAnswer,
    /// Nobody who is trusted signed the certificate.
    UnknownIssuer,
    /// The certificate is for another host name.
    WrongName,
    /// The certificate is no good for another reason, such as its age.
    Certificate,
    /// Whatever listens there speaks no TLS.
    NotTls,
    /// Anything else.
    Other,
}

/// Why there is no answer to look at.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The request did not leave: name look-up, connect or TLS failed. Safe to repeat.
    #[error("cannot reach {host}: {reason}")]
    NotSent {
        /// Host and port that were tried.
        host: String,
        /// What is in the way.
        obstacle: Obstacle,
        /// Cause in words an operator can act on ("connection refused", "certificate not trusted: ...").
        reason: String,
    },
    /// The request may have been processed, but no complete answer came.
    #[error("no answer from {host}: {reason}")]
    Unanswered {
        /// Host and port that were asked.
        host: String,
        /// Cause: time limit, connection closed, body cut short.
        reason: String,
    },
    /// The answer was larger than the caller allows; it was dropped. The request was processed.
    #[error("answer larger than {limit} bytes")]
    TooLarge {
        /// The limit that was exceeded, in bytes.
        limit: usize,
    },
}

/// Sends requests to one VCD. Implemented by `http::HttpTransport` and by the simulator.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request` once and waits for the complete answer.
    ///
    /// Cancel: may leave the effect of the request done.
    fn send(
        &self,
        request: Request,
        limits: CallLimits,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;
}
