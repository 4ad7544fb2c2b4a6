//! `/healthz`, `/readyz` and `/metrics` over plain HTTP, for whoever watches this machine.
//!
//! Invariants:
//! - Answers only; nothing can be changed or started here, and nothing tells a secret or a tenant's name.
//! - Bounded: a few connections at once, one request each, a short time for its head.
//! - Runs beside the loop and never keeps it: a loop that hangs is told here as well.
//!
//! Not here: where it listens, and that this is this machine only unless asked for (`config`).
//! Source: health endpoints as Kubernetes has them; `OpenMetrics` 1.0.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use super::Meters;
use crate::clock::Clock;
use crate::telemetry::syslog::Target;

/// Connections at once; more wait.
const CONNECTIONS: usize = 8;
/// Longest time for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// Longest time for a request and its answer.
const WHOLE: Duration = Duration::from_secs(15);
/// Pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_secs(1);
const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is shown.
pub struct Page {
    /// Figures and health.
    pub meters: Arc<Meters>,
    /// Knows how much was not forwarded.
    pub syslog: Option<Target>,
}

/// Listens at `address`.
///
/// # Errors
/// The address is in use, or not one of this machine.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers for ever.
pub async fn serve(listener: TcpListener, page: Arc<Page>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    let clock = Clock::system();
                    // Whoever does not read the answer gives the place back all the same.
                    tokio::select! {
                        () = answer(stream, page) => {}
                        () = clock.sleep(WHOLE) => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "connection for metrics not taken");
                // Out of file descriptors, as a rule: asking again at once would cost a whole processor.
                Clock::system().sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, page: Arc<Page>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = reply(request.method(), request.uri().path(), &page);
        async move { Ok::<_, Infallible>(reply) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "request for metrics not answered");
    }
}

fn reply(method: &Method, path: &str, page: &Page) -> Response<Full<Bytes>> {
    let now = page.meters.now();
    let health = page.meters.health();
    let verdict = match path {
        "/healthz" => health.live(now),
        "/readyz" => health.useful(now),
        "/metrics" => Ok(()),
        _ => {
            return say(
                StatusCode::NOT_FOUND,
                PLAIN,
                "try /healthz, /readyz or /metrics\n",
            );
        }
    };
    if *method != Method::GET && *method != Method::HEAD {
        let mut refused = say(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n");
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match verdict {
        Err(why) => say(StatusCode::SERVICE_UNAVAILABLE, PLAIN, &format!("{why}\n")),
        Ok(()) if path == "/metrics" => {
            if let Some(syslog) = &page.syslog {
                page.meters.set_syslog_lost(syslog.lost());
            }
            say(StatusCode::OK, OPEN_METRICS, &page.meters.encode())
        }
        Ok(()) => say(StatusCode::OK, PLAIN, "ok\n"),
    }
}

fn say(status: StatusCode, kind: &'static str, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn three_pages_are_there_and_nothing_can_be_changed() {
        let meters = Arc::new(Meters::new(Clock::system()));
        let page = Arc::new(Page {
            meters: Arc::clone(&meters),
            syslog: None,
        });
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, page));
        let get = async |path: &str| {
            ask(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
        };
        assert!(get("/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
        let starting = get("/readyz").await;
        assert!(starting.starts_with("HTTP/1.1 503 ") && starting.contains("not listed yet\n"));
        meters.health().polled(meters.now(), Duration::from_mins(1));
        meters.health().ready();
        assert!(get("/readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));
        let figures = get("/metrics").await;
        assert!(
            figures.contains(OPEN_METRICS) && figures.ends_with("# EOF\n"),
            "{figures}"
        );
        assert!(get("/etc/passwd").await.starts_with("HTTP/1.1 404 "));
        let posted = ask(
            address,
            "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        assert!(posted.starts_with("HTTP/1.1 405 ") && posted.contains("allow: GET, HEAD"));
        assert!(
            ask(address, "\x16\x03\x01 no HTTP\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 400 ")
        );
    }
}
