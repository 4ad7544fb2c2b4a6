//! The simulator over HTTP and HTTPS, for real clients and real processes.
//!
//! Flow: bind first, so that the address is known; make the world with it; then serve.
//!
//! Invariants:
//! - The world's lock is never held across an await.
//! - A request that has been read is processed, whether or not its client still waits.
//! - A lost reply closes the connection without a byte, as a dying cell does.
//!
//! Not here: what is answered (`World::handle`), what goes wrong (`sim::faults`), certificates (`sim::tls`).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::handler::Handler;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimePrinter;
use rustls::ServerConfig;
use tokio::task::JoinHandle;

use super::faults::{self, Fault, Faults};
use super::reply::{Problem, Reply};
use super::request_log::{Delivery, user_agent};
pub use super::tls::{TlsIdentity, TlsIdentityError, tls_identity};
use super::versions;
use super::world::{World, lock, respond};
use crate::clock::{Clock, Moment};
use crate::vcd::transport::{Request, Response};

/// Largest request body accepted, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

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
    serve_app(listener, tls, answer, site)
}

/// Serves `answer` on `listener`.
pub(crate) fn serve_app<H: Handler<T, S>, T: 'static, S: Clone + Send + Sync + 'static>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    answer: H,
    state: S,
) -> io::Result<Server> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let handle = Handle::new();
    let app = answer.with_state(state).into_make_service();
    let server = axum_server::from_tcp(listener)?.handle(handle.clone());
    let plain = NoDelayAcceptor::new();
    let task = if let Some(config) = tls {
        let tls = RustlsAcceptor::new(RustlsConfig::from_config(config));
        tokio::spawn(server.acceptor(tls.acceptor(plain)).serve(app))
    } else {
        tokio::spawn(server.acceptor(plain).serve(app))
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
    let body = if body.is_end_stream() {
        Bytes::new()
    } else if let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await {
        body
    } else {
        return too_large(parts.uri.path()).map(Body::from);
    };
    let request = Request::from_parts(parts, body);
    let sent = site.clock.now();
    let caller = user_agent(request.headers());
    let fault = site.faults.strike(caller, &request, sent);
    let travel = lock(&site.world).answer_time();
    if !travel.is_zero() {
        site.clock.sleep(travel).await;
    }
    let outgoing = if let Some(Fault::Delayed(delay)) = fault {
        // In a task of its own: a client that hangs up does not take back what it sent.
        let late = tokio::spawn(async move {
            site.clock.sleep(delay).await;
            site.process(&request, fault, sent)
        });
        late.await.unwrap_or(Outgoing::Nothing)
    } else {
        site.process(&request, fault, sent)
    };
    match outgoing {
        Outgoing::Whole(response) => response.map(Body::from),
        Outgoing::Half(response) => half(response),
        Outgoing::Nothing => cut(axum::response::Response::new(()), Bytes::new()),
    }
}

impl Site {
    /// Answers at once; a delay is over by now.
    fn process(&self, request: &Request, fault: Option<Fault>, sent: Moment) -> Outgoing {
        let delivery = &Delivery {
            caller: user_agent(request.headers()),
            sent,
            fault,
        };
        match fault {
            None | Some(Fault::Delayed(_)) => Outgoing::Whole(self.handle(request, delivery)),
            Some(Fault::NotSent | Fault::RequestLost) => {
                self.note_struck(request, delivery, None);
                Outgoing::Nothing
            }
            Some(Fault::ReplyLost) => {
                self.handle(request, delivery);
                Outgoing::Nothing
            }
            Some(Fault::Refused(refusal)) => {
                let response = refusal.response(request.uri().path());
                self.note_struck(request, delivery, Some(response.status().as_u16()));
                Outgoing::Whole(response)
            }
            Some(Fault::ProcessedButRefused(refusal)) => {
                self.handle(request, delivery);
                Outgoing::Whole(refusal.response(request.uri().path()))
            }
            Some(Fault::Malformed) => {
                Outgoing::Whole(faults::malformed(self.handle(request, delivery)))
            }
            Some(Fault::Truncated) => Outgoing::Half(self.handle(request, delivery)),
        }
    }

    fn handle(&self, request: &Request, delivery: &Delivery<'_>) -> Response {
        let mut world = lock(&self.world);
        // Read under the lock, so that moments come to the world in order.
        let wall = self.clock.wall();
        let mut response = world.serve(request, delivery, self.clock.now(), wall);
        // The server below would tell this machine's date, which is not that of a site with a clock of its own.
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&wall);
        if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
            response.headers_mut().insert(DATE, date);
        }
        response
    }

    fn note_struck(&self, request: &Request, delivery: &Delivery<'_>, status: Option<u16>) {
        let mut world = lock(&self.world);
        let at = (self.clock.now(), self.clock.wall());
        world.note_struck(request, delivery, status, at);
    }
}

/// The refusal of a body that nobody would send to VCD.
fn too_large(path: &str) -> Response {
    let message = format!("The request is longer than {MAX_REQUEST_BYTES} bytes.");
    let problem = Problem::new(413, "REQUEST_ENTITY_TOO_LARGE", message);
    let version = versions::highest(&versions::DEFAULT);
    let xml = path.starts_with("/api/");
    respond(
        Reply::problem(&problem, xml, version, "too-large"),
        "too-large",
    )
}

fn half(response: Response) -> axum::response::Response {
    let (parts, body) = response.into_parts();
    let sent = body.slice(..body.len() / 2);
    let mut response = axum::response::Response::from_parts(parts, ());
    response
        .headers_mut()
        .insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
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
