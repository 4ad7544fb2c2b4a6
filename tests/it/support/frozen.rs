//! A replica that stands still: its requests neither leave nor return until it thaws.
//!
//! That is what a stopped process or a stunned machine looks like from outside: whatever it had decided
//! on before, it does afterwards, however late.

use std::sync::{Arc, Mutex, PoisonError};

use cse_server::sim::transport::InProcess;
use cse_server::vcd::transport::{CallLimits, Request, Response, Transport, TransportError};
use http::Method;
use tokio::sync::watch;

use super::snare::{Snare, Snares};
use super::versions::Versions;

/// A connection that can be stopped in both directions.
#[derive(Clone)]
pub(crate) struct Freezable {
    inner: InProcess,
    frozen: watch::Receiver<bool>,
    sent: Sent,
    versions: Versions,
    snared: Option<Snared>,
}

/// Whose way snares are laid in, and what stops it.
#[derive(Clone)]
struct Snared {
    name: Arc<str>,
    snares: Snares,
    freeze: watch::Sender<bool>,
}

/// Method and target, with its query, of every request that left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<Mutex<Vec<String>>>);

impl Sent {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Forgets what was sent so far.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Freezable {
    pub(crate) fn new(
        inner: InProcess,
        frozen: watch::Receiver<bool>,
        (sent, versions): (Sent, Versions),
    ) -> Self {
        Self {
            inner,
            frozen,
            sent,
            versions,
            snared: None,
        }
    }

    /// The same on a way on which snares may lie; some of them freeze the replica.
    pub(crate) fn snared(self, name: &str, snares: &Snares, freeze: &watch::Sender<bool>) -> Self {
        let way = Snared {
            name: Arc::from(name),
            snares: snares.clone(),
            freeze: freeze.clone(),
        };
        Self {
            snared: Some(way),
            ..self
        }
    }

    fn step(&self, request: &Request) -> Option<Snare> {
        let snared = self.snared.as_ref()?;
        snared.snares.step(&snared.name, request)
    }

    fn hold(&self) {
        if let Some(snared) = &self.snared {
            snared.freeze.send_replace(true);
        }
    }

    fn answered(
        &self,
        (method, target): (&Method, &str),
        snare: Option<Snare>,
        answer: Response,
    ) -> Response {
        match &self.snared {
            Some(snared) => snared
                .snares
                .answered(&snared.name, (method, target), snare, answer),
            None => answer,
        }
    }

    fn look(&self) {
        let world = self.inner.world().lock();
        let world = world.unwrap_or_else(PoisonError::into_inner);
        self.versions.look(&world);
    }

    async fn thawed(&self) {
        let mut frozen = self.frozen.clone();
        // Without a sender there is nobody left who could thaw it, nor anybody who froze it.
        let open = frozen.wait_for(|frozen| !frozen).await.is_ok();
        assert!(open || !*self.frozen.borrow(), "frozen for ever");
    }
}

impl Transport for Freezable {
    async fn send(&self, request: Request, limits: CallLimits) -> Result<Response, TransportError> {
        let decided = self.inner.clock().now();
        self.thawed().await;
        let line = format!("{} {}", request.method(), request.uri());
        self.sent.0.lock().unwrap().push(line);
        self.versions.sent(&request);
        let reads = (request.method() == Method::GET).then(|| request.uri().path().to_owned());
        let snare = self.step(&request);
        if snare == Some(Snare::HoldRequest) {
            self.hold();
            self.thawed().await;
        }
        let (method, target) = (request.method().clone(), request.uri().to_string());
        let mut answer = self.inner.send_from(request.clone(), limits, decided).await;
        match snare {
            Some(Snare::TwiceFirst) => drop(self.inner.send_from(request, limits, decided).await),
            Some(Snare::TwiceSecond) => {
                answer = self.inner.send_from(request, limits, decided).await;
            }
            Some(Snare::HoldAnswer) => self.hold(),
            Some(Snare::HoldRequest | Snare::Stale) | None => {}
        }
        self.look();
        self.thawed().await;
        let answer = self.answered((&method, &target), snare, answer?);
        if let Some(path) = reads {
            self.inner.note_received(&path, &answer);
        }
        Ok(answer)
    }
}
