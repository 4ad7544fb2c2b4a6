//! Faults between client and VCD: lost requests and replies, refusals, broken and late answers.
//!
//! Flow: transport and server ask [`Faults::strike`] for every request, before it is processed.
//!
//! Invariants:
//! - Armed faults strike by count, chance faults by seed: one run, one sequence.
//! - A fault never changes the world by itself; it decides whether a request reaches it and what
//!   becomes of the answer.
//!
//! Source: VCD API, reliability: maintenance answers 503, gateways answer HTML, busy entities and
//! operation limits answer 400.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use super::call::ApiVersion;
use super::reply::{Problem, Reply};
use super::world::respond;
use crate::vcd::transport::{Request, Response};

/// Request id of answers that no request led to.
const REQUEST_ID: &str = "fault";

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never leaves: connection refused.
    NotSent,
    /// The request leaves and is never processed; the connection closes without an answer.
    RequestLost,
    /// The request is processed; the connection closes without an answer.
    ReplyLost,
    /// Something answers in place of VCD; the request is not processed.
    Refused(Refusal),
    /// The request is processed, and then something answers in place of VCD.
    ProcessedButRefused(Refusal),
    /// The request is processed; the body of the answer is no document.
    Malformed,
    /// The request is processed; the answer ends half way.
    Truncated,
    /// The request is processed this much later. A caller that gives up before does not stop it.
    Delayed(Duration),
}

impl Fault {
    /// One of every kind, for tests that try them all.
    pub const ALL: [Self; 16] = [
        Self::NotSent,
        Self::RequestLost,
        Self::ReplyLost,
        Self::Refused(Refusal::Maintenance),
        Self::Refused(Refusal::Throttled {
            retry_after_secs: Some(7),
        }),
        Self::Refused(Refusal::Conflict),
        Self::Refused(Refusal::SessionExpired),
        Self::Refused(Refusal::ServerError),
        Self::Refused(Refusal::Busy),
        Self::Refused(Refusal::OperationLimit),
        Self::Refused(Refusal::BadGateway),
        Self::ProcessedButRefused(Refusal::GatewayTimeout),
        Self::ProcessedButRefused(Refusal::ServerError),
        Self::Malformed,
        Self::Truncated,
        Self::Delayed(Duration::from_secs(45)),
    ];
}

/// An answer that is none of the simulated VCD's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 503 with a page of HTML: the cell is in maintenance mode.
    Maintenance,
    /// 429, with or without `Retry-After`.
    Throttled {
        /// Seconds of the header.
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

/// Which requests a fault strikes; what is not given matches all.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Only this method.
    pub method: Option<Method>,
    /// Only paths (with their query) that contain this text.
    pub path: Option<String>,
    /// Only requests of this caller.
    pub caller: Option<String>,
    /// Let so many matching requests pass first; with nothing else given, the number of the call.
    pub after: u64,
    /// Strike so many matching requests, then no more.
    pub times: u64,
}

impl Target {
    /// The call with this number, counted from 0 over all callers.
    pub fn nth(call: u64) -> Self {
        Self {
            after: call,
            times: 1,
            ..Self::default()
        }
    }

    /// The next `times` requests with `method` and a path that contains `path`.
    pub fn next(times: u64, method: Method, path: &str) -> Self {
        Self {
            method: Some(method),
            path: Some(path.to_owned()),
            times,
            ..Self::default()
        }
    }

    fn matches(&self, caller: &str, request: &Request) -> bool {
        let path = request
            .uri()
            .path_and_query()
            .map_or("", |path| path.as_str());
        self.method
            .as_ref()
            .is_none_or(|method| method == request.method())
            && self
                .path
                .as_ref()
                .is_none_or(|part| path.contains(part.as_str()))
            && self.caller.as_ref().is_none_or(|name| name == caller)
    }
}

#[derive(Debug)]
struct Armed {
    target: Target,
    fault: Fault,
    seen: u64,
}

#[derive(Debug)]
struct Chance {
    per_mille: u32,
    faults: Vec<Fault>,
    rng: fastrand::Rng,
}

#[derive(Debug, Default)]
struct Plan {
    armed: Vec<Armed>,
    chance: Option<Chance>,
    calls: u64,
    calls_by: BTreeMap<String, u64>,
    struck: u64,
}

/// The faults of one site, shared by all that send requests to it.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

impl Faults {
    /// Nothing goes wrong until something is armed.
    pub fn none() -> Self {
        Self::default()
    }

    /// Arms one fault. Of several that match a request, the one armed first strikes.
    pub fn arm(&self, target: Target, fault: Fault) {
        self.plan().armed.push(Armed {
            target,
            fault,
            seen: 0,
        });
    }

    /// Lets every request go wrong with a chance of `per_mille` in a thousand, in one of the ways of
    /// `faults`, all from `seed`.
    pub fn arm_chance(&self, per_mille: u32, faults: &[Fault], seed: u64) {
        let rng = fastrand::Rng::with_seed(seed);
        self.plan().chance = Some(Chance {
            per_mille,
            faults: faults.to_vec(),
            rng,
        });
    }

    /// Takes all faults back; the counts stay.
    pub fn disarm(&self) {
        let mut plan = self.plan();
        plan.armed.clear();
        plan.chance = None;
    }

    /// How many requests were sent, whatever became of them.
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    /// How many requests one caller sent.
    pub fn calls_of(&self, caller: &str) -> u64 {
        self.plan()
            .calls_by
            .get(caller)
            .copied()
            .unwrap_or_default()
    }

    /// How many requests went wrong.
    pub fn struck(&self) -> u64 {
        self.plan().struck
    }

    /// Counts one request and tells what goes wrong with it.
    pub(crate) fn strike(&self, caller: &str, request: &Request) -> Option<Fault> {
        let mut plan = self.plan();
        plan.calls += 1;
        *plan.calls_by.entry(caller.to_owned()).or_default() += 1;
        let mut fault = None;
        for armed in plan
            .armed
            .iter_mut()
            .filter(|armed| armed.target.matches(caller, request))
        {
            let turn = armed.seen.checked_sub(armed.target.after);
            armed.seen += 1;
            if turn.is_some_and(|turn| turn < armed.target.times) {
                fault = fault.or(Some(armed.fault));
            }
        }
        let fault = fault.or_else(|| plan.chance.as_mut().and_then(Chance::draw));
        plan.struck += u64::from(fault.is_some());
        fault
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chance {
    fn draw(&mut self) -> Option<Fault> {
        let strikes = self.rng.u32(0..1000) < self.per_mille;
        strikes
            .then(|| self.rng.choice(&self.faults).copied())
            .flatten()
    }
}

/// What is left of an answer whose body is no document.
pub(crate) fn malformed(mut response: Response) -> Response {
    *response.body_mut() = Bytes::from_static(b"{\"values\": [ <!DOCTYPE html>");
    response
}
