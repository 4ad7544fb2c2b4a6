//! Faults between client and VCD: lost requests and replies, refusals, broken and late answers.
//!
//! Flow: transport and server ask [`Faults::strike`] for every request, before it is processed.
//!
//! Invariants:
//! - Armed faults strike by count, chance faults by seed: one run, one sequence.
//! - A fault never changes the world by itself; it decides whether a request reaches it and what
//!   becomes of the answer.
//!
//! Not here: faults as scenarios and the control API spell them (`sim::levers`).

mod refusal;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::refusal::Refusal;
use crate::clock::Moment;
use crate::vcd::transport::{Request, Response};

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    Delayed(#[serde(with = "duration")] Duration),
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
    /// Only callers whose label contains this text.
    pub caller_part: Option<String>,
    /// Not paths that contain this text.
    pub except: Option<String>,
    /// Not before this moment.
    pub from: Option<Moment>,
    /// Not at this moment or later.
    pub until: Option<Moment>,
    /// Of a thousand matching requests so many count, by chance; all of them when absent.
    pub per_mille: Option<u32>,
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

    /// The target for people; moments in seconds of the site's clock.
    pub(crate) fn document(&self) -> Value {
        let secs =
            |moment: Option<Moment>| moment.map(|moment| moment.since_origin().as_secs_f64());
        json!({
            "method": self.method.as_ref().map(Method::as_str),
            "path": self.path,
            "except": self.except,
            "caller": self.caller.as_ref().or(self.caller_part.as_ref()),
            "after": self.after,
            "times": (self.times != u64::MAX).then_some(self.times),
            "from_secs": secs(self.from),
            "until_secs": secs(self.until),
            "per_mille": self.per_mille,
        })
    }

    fn matches(&self, caller: &str, request: &Request, now: Moment) -> bool {
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
            && self
                .caller_part
                .as_ref()
                .is_none_or(|part| caller.contains(part.as_str()))
            && !self
                .except
                .as_ref()
                .is_some_and(|part| path.contains(part.as_str()))
            && self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
    }
}

/// A fault that waits for requests to strike.
#[derive(Clone, Debug)]
pub struct Armed {
    /// By which it can be taken back.
    pub id: u64,
    /// Who armed it: the name of a scenario, or nothing.
    pub label: String,
    /// Which requests it strikes.
    pub target: Target,
    /// What it does to them.
    pub fault: Fault,
    /// Matching requests so far.
    pub seen: u64,
    /// How many of them it has struck.
    pub struck: u64,
    rng: fastrand::Rng,
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
    armed_ever: u64,
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

    /// Arms one fault and returns its number. Of several that match a request, the one armed first strikes.
    pub fn arm(&self, target: Target, fault: Fault) -> u64 {
        self.arm_for("", target, fault)
    }

    /// The same in the name of a scenario.
    pub fn arm_for(&self, label: &str, target: Target, fault: Fault) -> u64 {
        let mut plan = self.plan();
        plan.armed_ever += 1;
        let id = plan.armed_ever;
        plan.armed.push(Armed {
            id,
            label: label.to_owned(),
            target,
            fault,
            seen: 0,
            struck: 0,
            rng: fastrand::Rng::with_seed(id),
        });
        id
    }

    /// All that is armed, in the order of arming, whether or not it can strike any more.
    pub fn armed(&self) -> Vec<Armed> {
        self.plan().armed.clone()
    }

    /// Takes back what `which` says yes to, and returns how many that were.
    pub fn disarm_where(&self, which: impl Fn(&Armed) -> bool) -> usize {
        let mut plan = self.plan();
        let before = plan.armed.len();
        plan.armed.retain(|armed| !which(armed));
        before - plan.armed.len()
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

    /// Counts one request, sent at `now`, and tells what goes wrong with it.
    pub(crate) fn strike(&self, caller: &str, request: &Request, now: Moment) -> Option<Fault> {
        let mut plan = self.plan();
        plan.calls += 1;
        *plan.calls_by.entry(caller.to_owned()).or_default() += 1;
        let mut fault = None;
        for armed in &mut plan.armed {
            let strikes = armed.target.matches(caller, request, now) && armed.counts();
            if strikes && fault.is_none() {
                armed.struck += 1;
                fault = Some(armed.fault);
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

impl Armed {
    /// Takes one matching request in; whether it is one to strike.
    fn counts(&mut self) -> bool {
        let chosen = match self.target.per_mille {
            Some(per_mille) => self.rng.u32(0..1000) < per_mille,
            None => true,
        };
        if !chosen {
            return false;
        }
        let turn = self.seen.checked_sub(self.target.after);
        self.seen += 1;
        turn.is_some_and(|turn| turn < self.target.times)
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn struck(faults: &Faults, path: &str, secs: u64) -> bool {
        let request = http::Request::get(path).body(Bytes::new()).unwrap();
        let now = Moment::from_origin(Duration::from_secs(secs));
        faults.strike("agent/1 (cse-1)", &request, now).is_some()
    }

    #[test]
    fn a_window_has_a_first_and_no_last_moment() {
        let at = |secs| Some(Moment::from_origin(Duration::from_secs(secs)));
        let faults = Faults::none();
        let target = Target {
            from: at(10),
            until: at(20),
            except: Some("/versions".to_owned()),
            caller_part: Some("cse-1".to_owned()),
            times: u64::MAX,
            ..Target::default()
        };
        faults.arm(target, Fault::ReplyLost);
        let seen: Vec<bool> = [9, 10, 19, 20]
            .map(|secs| struck(&faults, "/api", secs))
            .into();
        assert_eq!(seen, [false, true, true, false]);
        assert!(!struck(&faults, "/api/versions", 15));
        assert_eq!(faults.disarm_where(|armed| armed.struck == 2), 1);
        assert!(!struck(&faults, "/api", 15));
    }

    #[test]
    fn a_fault_by_chance_strikes_about_as_often_as_it_should_and_always_alike() {
        let run = || -> Vec<bool> {
            let faults = Faults::none();
            let target = Target {
                per_mille: Some(300),
                times: 100,
                ..Target::default()
            };
            faults.arm(target, Fault::ReplyLost);
            (0..1000).map(|_| struck(&faults, "/api", 1)).collect()
        };
        let first = run();
        let early = first.iter().take(200).filter(|struck| **struck).count();
        assert!((40..80).contains(&early), "{early} of 200");
        assert_eq!(first.iter().filter(|struck| **struck).count(), 100);
        assert_eq!(first, run());
    }
}
