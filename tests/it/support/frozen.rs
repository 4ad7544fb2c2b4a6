//! A replica that stands still: its requests neither leave nor return until it thaws.
//!
//! That is what a stopped process or a stunned machine looks like from outside: whatever it had decided
//! on before, it does afterwards, however late.

use std::sync::{Arc, Mutex, PoisonError};

use cse_server::sim::transport::InProcess;
use cse_server::vcd::transport::{CallLimits, Request, Response, Transport, TransportError};
use tokio::sync::watch;

use super::versions::Versions;

/// A connection that can be stopped in both directions.
#[derive(Clone)]
pub(crate) struct Freezable {
    inner: InProcess,
    frozen: watch::Receiver<bool>,
    sent: Sent,
    versions: Versions,
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
        let reads =
            (request.method() == http::Method::GET).then(|| request.uri().path().to_owned());
        let answer = self.inner.send_from(request, limits, decided).await;
        self.look();
        self.thawed().await;
        if let (Some(path), Ok(response)) = (reads, &answer) {
            self.inner.note_received(&path, response);
        }
        answer
    }
}
