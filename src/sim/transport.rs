//! The simulator without a network: requests reach the world through a function call.
//!
//! Flow: a client's request waits its way there, is processed under the world's lock, and the answer
//! waits its way back, all on the given clock, so that many replicas share one virtual time.
//!
//! Invariants:
//! - The world's lock is never held across an await.
//! - Who drops the call on the way there leaves nothing behind; on the way back, the effect is done.
//! - The caller's time limit counts on the same clock; a limit of 30 s is 30 s of virtual time.
//! - A delayed request is processed even if nobody waits for it any more, as on a real network.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use twox_hash::XxHash3_64;

use super::faults::{self, Fault, Faults};
use super::gate;
use super::request_log::Delivery;
use super::world::{World, lock};
use crate::clock::{Clock, Moment};
use crate::vcd::transport::{CallLimits, Obstacle, Request, Response, Transport, TransportError};

/// One request as its sender saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Label of the sender.
    pub caller: Arc<str>,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// When it was sent.
    pub sent: Moment,
    /// When the answer was there, or the wait for it over.
    pub ended: Moment,
    /// Status of the answer, or why there was none.
    pub outcome: Result<u16, String>,
    /// Of both bodies.
    pub digest: u64,
}

/// Time of the answer, caller, method, path without ids, what came back.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let segments = path.split('/').filter(|part| !part.is_empty());
        let segments: Vec<String> = segments.map(gate::decode).collect();
        let (at, caller, method) = (
            self.ended.since_origin().as_millis(),
            &self.caller,
            &self.method,
        );
        write!(
            f,
            "{at} {caller} {method} {} -> ",
            gate::template(&segments)
        )?;
        match &self.outcome {
            Ok(status) => write!(f, "{status}"),
            Err(reason) => f.write_str(reason),
        }
    }
}

/// Every request, in the order in which they ended.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Exchange>>>);

impl Journal {
    /// All requests so far, one line each.
    pub fn lines(&self) -> Vec<String> {
        self.read(|all| all.iter().map(Exchange::to_string).collect())
    }

    /// Lets `look` see all requests so far.
    pub fn read<R>(&self, look: impl FnOnce(&[Exchange]) -> R) -> R {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, exchange: Exchange) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }
}

/// When a request was sent, and what goes wrong with it.
type Sending = (Moment, Option<Fault>);

/// A transport into a [`World`] of the same process.
#[derive(Clone, Debug)]
pub struct InProcess {
    world: Arc<Mutex<World>>,
    clock: Clock,
    faults: Arc<Faults>,
    caller: Arc<str>,
    journal: Option<Journal>,
}

impl InProcess {
    /// Connects to `world`; `faults` decides what goes wrong on the way.
    pub fn new(world: Arc<Mutex<World>>, clock: Clock, faults: Arc<Faults>) -> Self {
        Self {
            world,
            clock,
            faults,
            caller: Arc::from(""),
            journal: None,
        }
    }

    /// The same connection under a name that faults can aim at.
    #[must_use]
    pub fn labelled(&self, caller: &str) -> Self {
        Self {
            caller: Arc::from(caller),
            ..self.clone()
        }
    }

    /// The same connection, writing down every request.
    #[must_use]
    pub fn recorded(&self, journal: &Journal) -> Self {
        Self {
            journal: Some(journal.clone()),
            ..self.clone()
        }
    }

    /// The world on the other end.
    pub fn world(&self) -> &Arc<Mutex<World>> {
        &self.world
    }

    /// The clock it all happens on.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn process(&self, request: &Request, (sent, fault): Sending) -> Response {
        let delivery = Delivery {
            caller: &self.caller,
            sent,
            fault,
        };
        let mut world = lock(&self.world);
        // Read under the lock, so that moments come to the world in order.
        world.serve(request, &delivery, self.clock.now(), self.clock.wall())
    }

    fn note_struck(&self, request: &Request, (sent, fault): Sending, status: Option<u16>) {
        let delivery = Delivery {
            caller: &self.caller,
            sent,
            fault,
        };
        let mut world = lock(&self.world);
        let at = (self.clock.now(), self.clock.wall());
        world.note_struck(request, &delivery, status, at);
    }

    fn answer_time(&self) -> Duration {
        lock(&self.world).answer_time()
    }

    async fn deliver(
        &self,
        request: &Request,
        sending: Sending,
    ) -> Result<Response, TransportError> {
        let (_, fault) = sending;
        let travel = self.answer_time() / 2;
        if fault == Some(Fault::NotSent) {
            self.note_struck(request, sending, None);
            return Err(TransportError::NotSent {
                host: self.host(),
                obstacle: Obstacle::Refused,
                reason: "connection refused".to_owned(),
            });
        }
        self.clock.sleep(travel).await;
        let answer = match fault {
            None => Ok(self.process(request, sending)),
            Some(Fault::NotSent | Fault::RequestLost) => {
                self.note_struck(request, sending, None);
                Err(self.unanswered("connection closed"))
            }
            Some(Fault::ReplyLost) => {
                self.process(request, sending);
                Err(self.unanswered("connection closed"))
            }
            Some(Fault::Refused(refusal)) => {
                let response = refusal.response(request.uri().path());
                self.note_struck(request, sending, Some(response.status().as_u16()));
                Ok(response)
            }
            Some(Fault::ProcessedButRefused(refusal)) => {
                self.process(request, sending);
                Ok(refusal.response(request.uri().path()))
            }
            Some(Fault::Malformed) => Ok(faults::malformed(self.process(request, sending))),
            Some(Fault::Truncated) => {
                self.process(request, sending);
                Err(self.unanswered("body cut short"))
            }
            Some(Fault::Delayed(delay)) => {
                let late = request.clone();
                self.deliver_late(late, sending, delay).await
            }
        };
        self.clock.sleep(travel).await;
        answer
    }

    /// Processes the request `delay` later in a task of its own, which outlives its caller.
    async fn deliver_late(
        &self,
        request: Request,
        sending: Sending,
        delay: Duration,
    ) -> Result<Response, TransportError> {
        let connection = self.clone();
        let late = tokio::spawn(async move {
            connection.clock.sleep(delay).await;
            connection.process(&request, sending)
        });
        // The task is never cancelled; it only ends early when the simulator itself panics.
        late.await
            .map_err(|cause| self.unanswered(&cause.to_string()))
    }

    /// Sends a request that its caller let go at `sent`, wherever it has been since.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub async fn send_from(
        &self,
        request: Request,
        limits: CallLimits,
        sent: Moment,
    ) -> Result<Response, TransportError> {
        let answer = self.send_limited(&request, limits, sent).await;
        self.write_down(&request, sent, &answer);
        answer
    }

    /// Tells the history that the caller has `response` now, which may be later than it came back.
    pub fn note_received(&self, path: &str, response: &Response) {
        let mut world = lock(&self.world);
        let at = (self.clock.now(), self.clock.wall());
        world.note_seen((&self.caller, path), response, at);
    }

    async fn send_limited(
        &self,
        request: &Request,
        limits: CallLimits,
        sent: Moment,
    ) -> Result<Response, TransportError> {
        let fault = self.faults.strike(&self.caller, request, self.clock.now());
        let delivery = self.deliver(request, (sent, fault));
        let response = tokio::select! {
            biased;
            answer = delivery => answer?,
            () = self.clock.sleep(limits.timeout) => return Err(self.unanswered("timed out")),
        };
        if response.body().len() > limits.max_body_bytes {
            return Err(TransportError::TooLarge {
                limit: limits.max_body_bytes,
            });
        }
        Ok(response)
    }

    fn host(&self) -> String {
        let site = lock(&self.world).site.clone();
        site.split("://").last().unwrap_or_default().to_owned()
    }

    fn unanswered(&self, reason: &str) -> TransportError {
        TransportError::Unanswered {
            host: self.host(),
            reason: reason.to_owned(),
        }
    }

    fn write_down(
        &self,
        request: &Request,
        sent: Moment,
        answer: &Result<Response, TransportError>,
    ) {
        let Some(journal) = &self.journal else { return };
        let outcome = match answer {
            Ok(response) => Ok(response.status().as_u16()),
            Err(
                TransportError::NotSent { reason, .. } | TransportError::Unanswered { reason, .. },
            ) => Err(reason.clone()),
            Err(TransportError::TooLarge { .. }) => Err("too large".to_owned()),
        };
        let asked = XxHash3_64::oneshot(request.body());
        let digest = match answer {
            Ok(response) => XxHash3_64::oneshot_with_seed(asked, response.body()),
            Err(_) => asked,
        };
        journal.write(Exchange {
            caller: Arc::clone(&self.caller),
            method: request.method().clone(),
            target: request.uri().to_string(),
            sent,
            ended: self.clock.now(),
            outcome,
            digest,
        });
    }
}

impl Transport for InProcess {
    async fn send(&self, request: Request, limits: CallLimits) -> Result<Response, TransportError> {
        let sent = self.clock.now();
        self.send_from(request, limits, sent).await
    }
}
