//! The control API: what an operator of the simulator can see and do while it serves.
//!
//! Flow: its own listener -> [`Operator::answer`] -> one row of [`ROUTES`] -> the world, the faults, the clock.
//! JSON in and out; scenarios may be TOML.
//!
//! Invariants:
//! - It has no login: it listens where the operator says, on this machine only unless told otherwise. Bodies
//!   need a JSON or TOML content type, so that no page in a browser can send one unasked.
//! - Bad input is answered 400 with what is wrong and where; nothing is changed then.
//!
//! Not here: what actions do (`sim::levers`).

mod answer;
mod past;
mod routes;

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

pub(crate) use self::answer::{Asked, Refused};
use super::server::{Server, Site, serve_app};
use super::standalone::Keeper;

/// Largest body accepted, in bytes.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A site and its operator's hands on it.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) site: Site,
    keeper: Option<Arc<Keeper>>,
}

impl Operator {
    /// Takes a site in hand; with a keeper it can be saved.
    pub(crate) fn new(site: Site, keeper: Option<Arc<Keeper>>) -> Self {
        Self { site, keeper }
    }

    /// The same without a state file.
    pub fn of(site: Site) -> Self {
        Self::new(site, None)
    }

    /// Where the state goes unless told otherwise.
    pub(crate) fn state_file(&self) -> Option<&Path> {
        Some(self.keeper.as_ref()?.file.as_path())
    }
}

/// Serves the control API on `listener`. Runs within tokio.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, operator: Operator) -> io::Result<Server> {
    serve_app(listener, None, answer, operator)
}

async fn answer(
    State(operator): State<Operator>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let answer = match axum::body::to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => {
            // Saving and loading take as long as the disk does.
            let work = move || routes::answer(&operator, &Asked::of(&parts, &body));
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|_| Err(Refused::broken()))
        }
        Err(_) => Err(Refused::too_large(MAX_BODY_BYTES)),
    };
    let (status, document) = match answer {
        Ok(document) => (StatusCode::OK, document),
        Err(refused) => (refused.status, refused.document()),
    };
    respond(status, &document)
}

fn respond(status: StatusCode, document: &Value) -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::from(format!("{document:#}\n")));
    *response.status_mut() = status;
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
