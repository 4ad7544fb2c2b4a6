//! The simulator over HTTP and HTTPS, for real clients and real processes.
//!
//! Flow: bind first, so that the address is known; make the world with it; then serve.
//!
//! Invariants:
//! - The world's lock is never held across an await.
//! - A lost reply closes the connection without a byte, as a dying cell does.
//!
//! Not here: what is answered (`World::handle`), what goes wrong (`sim::faults`), certificates (`sim::tls`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use bytes::Bytes;
use futures_util::stream;
use rustls::ServerConfig;
use tokio::task::JoinHandle;

use super::faults::{self, Fault, Faults};
pub use super::tls::{TlsIdentity, TlsIdentityError, tls_identity};
use super::world::{World, lock};
use crate::clock::Clock;
use crate::vcd::transport::{Request, Response};

/// Largest request body accepted, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Header by which a client process tells faults its label.
const CALLER_HEADER: &str = "user-agent";

/// A world to serve, with its clock and its faults.
#[derive(Clone, Debug)]
pub struct Site {
    /// The simulated VCD.
    pub world: Arc<Mutex<World>>,
    /// The time it lives in.
    pub clock: Clock,
    /// What goes wrong on the way; a request's caller is its `User-Agent`.
    pub faults: Arc<Faults>,
}

/// A serving simulator; it stops when told to, not when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

/// Takes a free port of this machine, so that the site's URL is known before the world is made.
///
/// # Errors
/// No port can be had.
pub fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves `site` on `listener`, with TLS if a configuration is given. Runs within tokio.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    site: Site,
) -> io::Result<Server> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let handle = Handle::new();
    let app = Router::new()
        .fallback(answer)
        .with_state(site)
        .into_make_service();
    let task = if let Some(config) = tls {
        let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(config))?;
        tokio::spawn(server.handle(handle.clone()).serve(app))
    } else {
        let server = axum_server::from_tcp(listener)?;
        tokio::spawn(server.handle(handle.clone()).serve(app))
    };
    Ok(Server {
        address,
        handle,
        task,
    })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets running requests finish for `grace`, then ends.
    ///
    /// # Errors
    /// Serving had failed before.
    pub async fn stop(self, grace: Duration) -> io::Result<()> {
        self.handle.graceful_shutdown(Some(grace));
        self.task.await.map_err(io::Error::other)?
    }
}

/// How the answer leaves.
enum Outgoing {
    Whole(Response),
    /// Nothing at all, and the connection closes.
    Nothing,
    /// The first half, and the connection closes.
    Half(Response),
}

async fn answer(
    State(site): State<Site>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        let mut refusal = axum::response::Response::new(Body::empty());
        *refusal.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
        return refusal;
    };
    let request = Request::from_parts(parts, body);
    let caller = request
        .headers()
        .get(CALLER_HEADER)
        .and_then(|value| value.to_str().ok());
    let fault = site.faults.strike(caller.unwrap_or_default(), &request);
    let travel = lock(&site.world).answer_time();
    site.clock.sleep(travel).await;
    // In a task of its own: a client that hangs up does not take back what it sent.
    let process = tokio::spawn(async move { site.process(&request, fault).await });
    match process.await {
        Ok(Outgoing::Whole(response)) => response.map(Body::from),
        Ok(Outgoing::Half(response)) => half(response),
        Ok(Outgoing::Nothing) | Err(_) => cut(axum::response::Response::new(()), Bytes::new()),
    }
}

impl Site {
    async fn process(&self, request: &Request, fault: Option<Fault>) -> Outgoing {
        match fault {
            None => Outgoing::Whole(self.handle(request)),
            Some(Fault::NotSent | Fault::RequestLost) => Outgoing::Nothing,
            Some(Fault::ReplyLost) => {
                self.handle(request);
                Outgoing::Nothing
            }
            Some(Fault::Refused(refusal)) => {
                Outgoing::Whole(refusal.response(request.uri().path()))
            }
            Some(Fault::ProcessedButRefused(refusal)) => {
                self.handle(request);
                Outgoing::Whole(refusal.response(request.uri().path()))
            }
            Some(Fault::Malformed) => Outgoing::Whole(faults::malformed(self.handle(request))),
            Some(Fault::Truncated) => Outgoing::Half(self.handle(request)),
            Some(Fault::Delayed(delay)) => {
                self.clock.sleep(delay).await;
                Outgoing::Whole(self.handle(request))
            }
        }
    }

    fn handle(&self, request: &Request) -> Response {
        let mut world = lock(&self.world);
        // Read under the lock, so that moments come to the world in order.
        world.handle(request, self.clock.now(), self.clock.wall())
    }
}

fn half(response: Response) -> axum::response::Response {
    let (parts, body) = response.into_parts();
    let sent = body.slice(..body.len() / 2);
    let mut response = axum::response::Response::from_parts(parts, ());
    response.headers_mut().insert(
        http::header::CONTENT_LENGTH,
        http::HeaderValue::from(body.len()),
    );
    cut(response, sent)
}

/// A response whose body fails after `sent`, which makes the server close the connection. With
/// nothing sent, the failure comes before the head is flushed, so the client sees no answer at all.
fn cut(response: http::Response<()>, sent: Bytes) -> axum::response::Response {
    let sent = (!sent.is_empty()).then_some(Ok(sent));
    let failure = Err(io::Error::other("cut short by a fault"));
    let body = stream::iter(sent.into_iter().chain([failure]));
    response.map(|()| Body::from_stream(body))
}
