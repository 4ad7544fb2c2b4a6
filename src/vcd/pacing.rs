//! How much VCD is asked at once: a window that VCD's own answers widen and narrow, and pauses it asks for.
//!
//! Flow: `vcd::call` asks for [`Pacing::admit`] before each request and hands the outcome back.
//!
//! Invariants:
//! - One window for all workers and logins of a process. One call more after a hundred good answers; half
//!   as many when VCD says that it is overloaded (429, 503, its limit of operations) or has become three
//!   times as slow. One overload halves once: what was sent before the cut does not cut again.
//! - Calls that keep claims alive are not counted and never wait behind others; the pages of the poll come
//!   one after the other and are not counted either.
//! - Nothing waits longer than [`QUEUE_LIMIT`]: the guard that an effect has passed would be outdated. The
//!   caller gets [`VcdError::Throttled`] and decides again.
//! - A pause that VCD asks for holds for the whole process, five minutes at most. Claims are renewed
//!   after [`CLAIM_PAUSE`] all the same: a fleet whose claims all run out would ask for far more.
//!
//! Not here: how long a caller waits before it tries again (`reconcile::backoff`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{debug, warn};

use super::error::VcdError;
use super::operation::Operation;
use super::refusal::Refusal;
use super::transport::{Response, TransportError};
use super::verdict::Verdict;
use crate::clock::{Clock, Moment};
use crate::telemetry::event;

/// Calls under way at once, at the start.
const FIRST_WINDOW: usize = 8;
/// Never fewer: one call that hangs must not stop everything else.
const LEAST_WINDOW: usize = 2;
/// Never more.
const MOST_WINDOW: usize = 64;
/// Good answers for one call more.
const SUCCESSES: u32 = 100;
/// Longest wait for a free place; part of the margin that an effect is admitted with.
const QUEUE_LIMIT: Duration = Duration::from_secs(5);
/// Longest pause that is granted to VCD.
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// Longest time that a renewal of a claim is put off by a pause.
const CLAIM_PAUSE: Duration = Duration::from_secs(15);
/// Answer times of one kind of call that are remembered.
const SAMPLES: usize = 32;
/// Fewer say nothing about what is usual.
const LEAST_SAMPLES: usize = 16;
/// An answer is slow when it takes so many times the usual time, and at least [`SLOW`].
const SLOWER: u32 = 3;
/// A shorter answer is never slow.
const SLOW: Duration = Duration::from_millis(500);
/// Slow answers among the last eight that mean overload.
const SLOW_ANSWERS: u32 = 4;

/// Which calls may pass by which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// Keeps a claim alive.
    Claim,
    /// A page of the poll.
    Poll,
    /// Everything else.
    Work,
}

impl Lane {
    fn of(op: Operation) -> Self {
        let keeps_claims = [
            Operation::EXCHANGE_TOKEN,
            Operation::GET_ENTITY,
            Operation::REPLACE_ENTITY,
        ];
        if keeps_claims.contains(&op) {
            Self::Claim
        } else if op == Operation::LIST_ENTITIES {
            Self::Poll
        } else {
            Self::Work
        }
    }
}

/// The pace of one process.
#[derive(Debug)]
pub struct Pacing {
    clock: Clock,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window,
    pause_until: Moment,
}

impl Pacing {
    /// The pace at the start of a process.
    pub fn new(clock: Clock) -> Self {
        let state = State {
            window: Window::default(),
            pause_until: Moment::default(),
        };
        Self {
            clock,
            places: Semaphore::new(FIRST_WINDOW),
            state: Mutex::new(state),
        }
    }

    /// How many calls may be under way at once.
    pub(super) fn window(&self) -> usize {
        self.state().window.size
    }

    /// What is left of a pause.
    pub(super) fn pause(&self) -> Duration {
        self.state().pause_until.since(self.clock.now())
    }

    /// Waits until the call may be sent. Cancel: safe.
    pub(super) async fn admit(&self, op: Operation) -> Result<Admission<'_>, VcdError> {
        let lane = Lane::of(op);
        let pause = self.pause();
        match lane {
            _ if pause.is_zero() => {}
            Lane::Claim => self.clock.sleep(pause.min(CLAIM_PAUSE)).await,
            Lane::Poll | Lane::Work => return Err(put_off(op, Some(pause))),
        }
        let place = match lane {
            Lane::Claim | Lane::Poll => None,
            Lane::Work => Some(self.place(op).await?),
        };
        Ok(Admission {
            pacing: self,
            place,
            op,
            sent: self.clock.now(),
        })
    }

    async fn place(&self, op: Operation) -> Result<SemaphorePermit<'_>, VcdError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        tokio::select! {
            biased;
            // The semaphore is never closed.
            place = self.places.acquire() => place.map_err(|_closed| put_off(op, None)),
            () = self.clock.sleep(QUEUE_LIMIT) => Err(put_off(op, None)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, call: (Operation, Moment), outcome: &Result<Response, TransportError>) {
        let now = self.clock.now();
        let sign = Sign::of(outcome);
        let mut state = self.state();
        let before = state.window.size;
        let added = state.window.note(call, now, &sign);
        let after = state.window.size;
        if let Sign::Overload(Some(asked)) = sign {
            let until = now.plus(asked.min(MAX_PAUSE));
            if until > state.pause_until {
                state.pause_until = until;
                warn!(
                    event = event::VCD_THROTTLED,
                    pause_secs = asked.min(MAX_PAUSE).as_secs(),
                    "VCD asks for a pause; until then only claims are renewed"
                );
            }
        }
        self.places.add_permits(added);
        if after < before {
            let gone = self.places.forget_permits(before - after);
            state.window.debt += before - after - gone;
            debug!(calls = after, "VCD is overloaded, asking less at once");
        }
    }
}

fn put_off(op: Operation, pause: Option<Duration>) -> VcdError {
    let message = match pause {
        Some(_) => "not sent: VCD asked for a pause",
        None => "not sent: too many calls to VCD are under way",
    };
    let refusal = Refusal::own(StatusCode::TOO_MANY_REQUESTS, message, pause);
    VcdError::Throttled {
        op,
        refusal: Box::new(refusal),
    }
}

/// One call that may be sent.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    pacing: &'a Pacing,
    place: Option<SemaphorePermit<'a>>,
    op: Operation,
    sent: Moment,
}

impl Admission<'_> {
    /// What became of the call.
    pub(super) fn done(self, outcome: &Result<Response, TransportError>) {
        self.pacing.note((self.op, self.sent), outcome);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut state = self.pacing.state();
        if state.window.debt > 0 {
            state.window.debt -= 1;
            place.forget();
        }
    }
}

/// What an outcome says about VCD's load.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sign {
    /// Answered, and not with a complaint.
    Fine,
    /// Too much is asked, and a pause may be asked for.
    Overload(Option<Duration>),
    /// Nothing.
    Silence,
}

impl Sign {
    fn of(outcome: &Result<Response, TransportError>) -> Self {
        let Ok(response) = outcome else {
            return Self::Silence;
        };
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Self::Overload(Refusal::read(response).retry_after)
            }
            StatusCode::BAD_REQUEST if Verdict::is_limit(&Refusal::read(response)) => {
                Self::Overload(None)
            }
            _ => Self::Fine,
        }
    }
}

/// The window, without its places.
#[derive(Debug)]
struct Window {
    size: usize,
    /// Places to take away as soon as they are given back.
    debt: usize,
    successes: u32,
    cut_at: Moment,
    usual: BTreeMap<&'static str, Usual>,
    /// One bit for each of the last eight answers: whether it was slow.
    slow: u8,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: FIRST_WINDOW,
            debt: 0,
            successes: 0,
            cut_at: Moment::default(),
            usual: BTreeMap::new(),
            slow: 0,
        }
    }
}

impl Window {
    /// Takes note of an outcome; returns how many places to add.
    fn note(&mut self, (op, sent): (Operation, Moment), now: Moment, sign: &Sign) -> usize {
        let is_slow = self
            .usual
            .entry(op.name())
            .or_default()
            .is_slow(now.since(sent));
        self.slow = self.slow << 1 | u8::from(is_slow);
        let overload = matches!(sign, Sign::Overload(_)) || self.slow.count_ones() >= SLOW_ANSWERS;
        if overload {
            if sent >= self.cut_at {
                self.size = (self.size / 2).max(LEAST_WINDOW);
                self.cut_at = now;
            }
            (self.successes, self.slow) = (0, 0);
            return 0;
        }
        if *sign == Sign::Fine {
            self.successes += 1;
        }
        if self.successes < SUCCESSES || self.size >= MOST_WINDOW {
            return 0;
        }
        self.successes = 0;
        self.size += 1;
        if self.debt > 0 {
            self.debt -= 1;
            return 0;
        }
        1
    }
}

/// The last answer times of one kind of call, in milliseconds.
#[derive(Debug, Default)]
struct Usual {
    samples: Vec<u32>,
    next: usize,
}

impl Usual {
    /// Whether `took` is slow beside what was usual before.
    fn is_slow(&mut self, took: Duration) -> bool {
        let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let median = self.median();
        if self.samples.len() < SAMPLES {
            self.samples.push(millis);
        } else if let Some(oldest) = self.samples.get_mut(self.next) {
            *oldest = millis;
        }
        self.next = (self.next + 1) % SAMPLES;
        took >= SLOW && median.is_some_and(|median| millis > median.saturating_mul(SLOWER))
    }

    fn median(&self) -> Option<u32> {
        if self.samples.len() < LEAST_SAMPLES {
            return None;
        }
        let mut sorted = self.samples.clone();
        let middle = sorted.len() / 2;
        let (_, median, _) = sorted.select_nth_unstable(middle);
        Some(*median)
    }
}

#[cfg(test)]
#[path = "pacing_tests.rs"]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests;
