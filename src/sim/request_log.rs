//! Who asked what, and what came of it: the latest requests, and counts of all of them.
//!
//! Flow: transport and server hand a [`Delivery`] over with each request; the world writes the line when it
//! has answered, or when a fault has struck before it could.
//!
//! Invariants:
//! - No line holds a token, a password or a body: paths are kept, queries of `/oauth` are not.
//! - Memory is bounded: lines by the capacity, counters by [`MAX_ENDPOINTS`].
//!
//! Not here: effects on the site (`sim::history`).

use std::collections::{BTreeMap, VecDeque};

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use super::faults::Fault;
use super::gate;
use super::world::World;
use crate::clock::Moment;
use crate::vcd::transport::Request;

/// Lines kept unless told otherwise.
const DEFAULT_CAPACITY: usize = 2_000;
/// Endpoints that are counted each; what comes after that is counted together.
const MAX_ENDPOINTS: usize = 1_000;
/// Name under which they are counted.
const OTHERS: &str = "others";
/// Longest part of a path, a label or a user's name that is kept, in characters.
const MAX_TEXT_CHARS: usize = 512;

/// How a request came to the world.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Label of who sent it: the `User-Agent` over HTTP, a replica's name in process.
    pub caller: &'a str,
    /// When it was sent.
    pub sent: Moment,
    /// What went wrong on its way.
    pub fault: Option<Fault>,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Counted from 1 over the life of the process.
    pub number: u64,
    /// Date of the answer.
    pub at: Timestamp,
    /// Moment of the answer, in milliseconds of the site's clock.
    pub clock_ms: u64,
    /// `GET`, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Method and path without ids, as the counters name it.
    pub endpoint: String,
    /// What VCD answered, or what was answered in its place; absent when nothing was.
    pub status: Option<u16>,
    /// `name@organization` of whose session it was.
    pub user: Option<String>,
    /// Label of who sent it.
    pub caller: String,
    /// API version that it was answered in.
    pub version: String,
    /// From sending to the answer, on the site's clock.
    pub duration_ms: u64,
    /// What went wrong with it.
    pub fault: Option<Fault>,
    /// As in the answer's header.
    pub request_id: String,
}

/// What is known of a request besides its delivery.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) endpoint: String,
    pub(super) status: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) version: String,
    pub(super) request_id: String,
}

/// Which lines somebody wants to see; what is absent matches all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this method.
    pub method: Option<String>,
    /// Only paths that contain this text.
    pub path: Option<String>,
    /// Only users whose `name@organization` contains this text.
    pub user: Option<String>,
    /// Only callers that contain this text.
    pub caller: Option<String>,
    /// Only this status.
    pub status: Option<u16>,
    /// Only lines with a higher number.
    pub after: u64,
}

impl Wanted {
    fn matches(&self, line: &Line) -> bool {
        let part = |wanted: &Option<String>, text: &str| {
            wanted
                .as_ref()
                .is_none_or(|part| text.contains(part.as_str()))
        };
        line.number > self.after
            && self
                .method
                .as_ref()
                .is_none_or(|one| one.eq_ignore_ascii_case(&line.method))
            && part(&self.path, &line.path)
            && part(&self.user, line.user.as_deref().unwrap_or_default())
            && part(&self.caller, &line.caller)
            && self.status.is_none_or(|status| line.status == Some(status))
    }
}

/// The latest requests and the counts.
#[derive(Debug)]
pub struct RequestLog {
    lines: VecDeque<Line>,
    capacity: usize,
    written: u64,
    /// Endpoint -> status -> requests; 0 stands for no answer.
    counters: BTreeMap<String, BTreeMap<u16, u64>>,
}

impl Default for RequestLog {
    fn default() -> Self {
        Self {
            lines: VecDeque::new(),
            capacity: DEFAULT_CAPACITY,
            written: 0,
            counters: BTreeMap::new(),
        }
    }
}

impl RequestLog {
    /// Keeps `capacity` lines from now on; with 0 there are only counts.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        let too_many = self.lines.len().saturating_sub(capacity);
        self.lines.drain(..too_many);
    }

    /// The latest `limit` lines that are wanted, oldest first.
    pub fn lines(&self, wanted: &Wanted, limit: usize) -> Vec<&Line> {
        let latest = self.lines.iter().rev();
        let mut found: Vec<&Line> = latest
            .filter(|line| wanted.matches(line))
            .take(limit)
            .collect();
        found.reverse();
        found
    }

    /// Requests by endpoint and status; status 0 stands for no answer.
    pub fn counters(&self) -> &BTreeMap<String, BTreeMap<u16, u64>> {
        &self.counters
    }

    /// Forgets all lines and counts; numbers go on.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.counters.clear();
    }

    /// Writes one line and counts it.
    pub(super) fn write(
        &mut self,
        request: &Request,
        delivery: &Delivery<'_>,
        outcome: Outcome,
        (now, wall): (Moment, Timestamp),
    ) {
        self.count(&outcome.endpoint, outcome.status.unwrap_or_default());
        self.written += 1;
        if self.capacity == 0 {
            return;
        }
        if self.lines.len() >= self.capacity {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            number: self.written,
            at: wall,
            clock_ms: millis(now),
            method: request.method().to_string(),
            path: path(request),
            endpoint: outcome.endpoint,
            status: outcome.status,
            user: outcome.user,
            caller: cut(delivery.caller),
            version: outcome.version,
            duration_ms: millis(now).saturating_sub(millis(delivery.sent)),
            fault: delivery.fault,
            request_id: outcome.request_id,
        });
    }

    fn count(&mut self, endpoint: &str, status: u16) {
        let full = self.counters.len() >= MAX_ENDPOINTS;
        let name = if full && !self.counters.contains_key(endpoint) {
            OTHERS
        } else {
            endpoint
        };
        // Nearly always there already: no text is made for a name that is.
        if let Some(by_status) = self.counters.get_mut(name) {
            *by_status.entry(status).or_default() += 1;
        } else {
            let by_status = self.counters.entry(name.to_owned()).or_default();
            by_status.insert(status, 1);
        }
    }
}

impl World {
    /// Writes down a request that a fault kept from being processed; `status` is what was answered instead.
    pub(crate) fn note_struck(
        &mut self,
        request: &Request,
        delivery: &Delivery<'_>,
        status: Option<u16>,
        at: (Moment, Timestamp),
    ) {
        let path = request.uri().path().split('/');
        let segments: Vec<String> = path
            .filter(|part| !part.is_empty())
            .map(gate::decode)
            .collect();
        let outcome = Outcome {
            endpoint: endpoint(request, &segments),
            status,
            ..Outcome::default()
        };
        self.requests.write(request, delivery, outcome, at);
    }

    /// The latest requests, and counts of all of them.
    pub fn requests(&mut self) -> &mut RequestLog {
        &mut self.requests
    }
}

/// What counts name a request by: its method and its path without ids.
pub(super) fn endpoint(request: &Request, segments: &[String]) -> String {
    format!("{} {}", request.method(), gate::template(segments))
}

/// The label by which a request over HTTP is known.
pub(crate) fn user_agent(headers: &HeaderMap) -> &str {
    let agent = headers.get(http::header::USER_AGENT);
    agent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Path and query; what follows `/oauth/...?` may be a token.
fn path(request: &Request) -> String {
    let uri = request.uri();
    match uri.path_and_query() {
        Some(whole) if !uri.path().starts_with("/oauth") => cut(whole.as_str()),
        _ => cut(uri.path()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

fn millis(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn write(log: &mut RequestLog, uri: &str, status: u16) {
        let request = http::Request::get(uri).body(Bytes::new()).unwrap();
        let delivery = Delivery {
            caller: "a",
            sent: Moment::default(),
            fault: None,
        };
        let outcome = Outcome {
            endpoint: format!("GET {}", request.uri().path()),
            status: Some(status),
            ..Outcome::default()
        };
        let at = (Moment::default(), Timestamp::UNIX_EPOCH);
        log.write(&request, &delivery, outcome, at);
    }

    #[test]
    fn the_latest_lines_stay_and_all_are_counted() {
        let mut log = RequestLog::default();
        log.set_capacity(2);
        for n in 0..5 {
            write(&mut log, &format!("/{}", n % 2), 200);
        }
        let numbers = |log: &RequestLog, wanted: &Wanted, limit| -> Vec<u64> {
            log.lines(wanted, limit)
                .iter()
                .map(|line| line.number)
                .collect()
        };
        assert_eq!(numbers(&log, &Wanted::default(), 9), [4, 5]);
        assert_eq!(numbers(&log, &Wanted::default(), 1), [5]);
        let wanted = Wanted {
            path: Some("/1".to_owned()),
            ..Wanted::default()
        };
        assert_eq!(numbers(&log, &wanted, 9), [4]);
        let wanted = Wanted {
            after: 4,
            ..Wanted::default()
        };
        assert_eq!(numbers(&log, &wanted, 9), [5]);
        assert_eq!(log.counters().get("GET /0").unwrap().get(&200), Some(&3));
        log.set_capacity(1);
        assert_eq!(numbers(&log, &Wanted::default(), 9), [5]);
    }

    #[test]
    fn made_up_paths_do_not_fill_the_memory() {
        let mut log = RequestLog::default();
        log.set_capacity(0);
        for n in 0..=MAX_ENDPOINTS {
            write(&mut log, &format!("/{n}"), 404);
        }
        write(&mut log, "/0", 404);
        assert_eq!(log.counters().len(), MAX_ENDPOINTS + 1);
        assert_eq!(log.counters().get(OTHERS).unwrap().get(&404), Some(&1));
        assert_eq!(log.counters().get("GET /0").unwrap().get(&404), Some(&2));
    }

    #[test]
    fn a_token_in_a_query_is_not_written_down() {
        let mut log = RequestLog::default();
        write(&mut log, "/oauth/provider/token?refresh_token=abc", 400);
        write(&mut log, "/api/query?type=vm", 200);
        let lines = log.lines(&Wanted::default(), 9);
        let paths: Vec<&str> = lines.iter().map(|line| line.path.as_str()).collect();
        assert_eq!(paths, ["/oauth/provider/token", "/api/query?type=vm"]);
    }
}
