//! Snares in the way of single requests: a process that stops at exactly this one, a cell that lags
//! behind, something on the way that sends it twice.
//!
//! Flow: every request of every replica steps over [`Snares::step`] in the order of sending; answers come
//! by [`Snares::answered`]. Calls are counted per replica name, over restarts.
//!
//! Not here: what the network and VCD itself do to requests (`sim::faults`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cse_server::vcd::transport::{Request, Response};
use http::Method;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snare {
    /// The whole replica stands still before the request leaves.
    HoldRequest,
    /// The request is processed; the whole replica stands still before it sees the answer.
    HoldAnswer,
    /// The answer is what an earlier state of VCD would have answered, as a lagging cell does.
    Stale,
    /// The request is processed twice; the first answer arrives.
    TwiceFirst,
    /// The request is processed twice; the second answer arrives.
    TwiceSecond,
}

/// Which requests of a replica.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    /// Only this method; any when empty.
    pub(crate) method: &'static str,
    /// Only paths (with their query) that contain this text.
    pub(crate) path: &'static str,
    /// Let so many matching ones pass first.
    pub(crate) after: u64,
    /// Then so many.
    pub(crate) times: u64,
}

impl Which {
    /// The call with this number, counted from 0.
    pub(crate) const fn nth(call: u64) -> Self {
        Self {
            method: "",
            path: "",
            after: call,
            times: 1,
        }
    }

    /// The next one with this method and path.
    pub(crate) const fn next(method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            after: 0,
            times: 1,
        }
    }
}

struct Laid {
    which: Which,
    snare: Snare,
    seen: u64,
}

/// What one replica has sent, and what lies in its way.
#[derive(Default)]
struct Trail {
    calls: Vec<String>,
    /// To each call how many all others had sent before.
    beside: Vec<usize>,
    laid: Vec<Laid>,
    sprung: u64,
    /// Last two different answers to each question, oldest first; kept only once a lag is laid.
    answers: BTreeMap<String, Vec<Response>>,
    lags: bool,
}

/// The trails of all replicas of a fleet, by name.
#[derive(Clone, Default)]
pub(crate) struct Snares(Arc<Mutex<BTreeMap<String, Trail>>>);

impl Snares {
    fn trails(&self) -> MutexGuard<'_, BTreeMap<String, Trail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays a snare in the way of a replica.
    pub(crate) fn lay(&self, name: &str, which: Which, snare: Snare) {
        let mut trails = self.trails();
        // What one replica has read, another one may be told.
        trails
            .values_mut()
            .for_each(|trail| trail.lags |= snare == Snare::Stale);
        let trail = trails.entry(name.to_owned()).or_default();
        trail.lags |= snare == Snare::Stale;
        trail.laid.push(Laid {
            which,
            snare,
            seen: 0,
        });
    }

    /// Method and path without ids of every request a replica has sent, in this order.
    pub(crate) fn calls(&self, name: &str) -> Vec<String> {
        let trails = self.trails();
        trails.get(name).map_or_else(Vec::new, |t| t.calls.clone())
    }

    /// To every request of a replica how many all others together had sent before.
    pub(crate) fn beside(&self, name: &str) -> Vec<usize> {
        let trails = self.trails();
        trails.get(name).map_or_else(Vec::new, |t| t.beside.clone())
    }

    /// How often snares of a replica were sprung and made a difference.
    pub(crate) fn sprung(&self, name: &str) -> u64 {
        self.trails().get(name).map_or(0, |trail| trail.sprung)
    }

    /// Takes a request down; what happens to it.
    pub(super) fn step(&self, name: &str, request: &Request) -> Option<Snare> {
        let mut trails = self.trails();
        let others = trails.iter().filter(|(other, _)| *other != name);
        let beside = others.map(|(_, trail)| trail.calls.len()).sum();
        let trail = trails.entry(name.to_owned()).or_default();
        trail.calls.push(call_of(request));
        trail.beside.push(beside);
        let target = request.uri().to_string();
        let mut found = None;
        for laid in &mut trail.laid {
            let which = laid.which;
            if !(which.method.is_empty() || which.method == request.method().as_str())
                || !target.contains(which.path)
            {
                continue;
            }
            let turn = laid.seen.checked_sub(which.after);
            laid.seen += 1;
            if turn.is_some_and(|turn| turn < which.times) {
                found = Some(laid.snare);
            }
        }
        // A lag makes a difference only where there is an older answer.
        trail.sprung += u64::from(found.is_some_and(|snare| snare != Snare::Stale));
        found
    }

    /// Takes an answer down and gives out the one that arrives.
    pub(super) fn answered(
        &self,
        name: &str,
        (method, target): (&Method, &str),
        snare: Option<Snare>,
        answer: Response,
    ) -> Response {
        let mut trails = self.trails();
        let trail = trails.entry(name.to_owned()).or_default();
        let kept = *method == Method::GET || *method == Method::PUT;
        if !trail.lags || !kept || !answer.status().is_success() {
            return answer;
        }
        let known = trail.answers.entry(target.to_owned()).or_default();
        if known.last().is_none_or(|last| last.body() != answer.body()) {
            known.push(answer.clone());
        }
        if known.len() > 2 {
            known.remove(0);
        }
        match known.first() {
            Some(older)
                if snare == Some(Snare::Stale)
                    && *method == Method::GET
                    && older.body() != answer.body() =>
            {
                let older = older.clone();
                trail.sprung += 1;
                older
            }
            Some(_) | None => answer,
        }
    }
}

/// Method and path, ids and query left out.
fn call_of(request: &Request) -> String {
    let parts = request.uri().path().split('/').skip(1).map(|part| {
        let id = part.contains(':') || part.contains("%3A") || part.matches('-').count() >= 4;
        if id { "{id}" } else { part }
    });
    let parts: Vec<&str> = parts.collect();
    format!("{} /{}", request.method(), parts.join("/"))
}
