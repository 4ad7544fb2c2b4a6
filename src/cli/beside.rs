//! What runs beside the loop of a replica: the log's filter on SIGHUP, forwarding, health and metrics.
//!
//! Invariants:
//! - Nothing here ends the replica: what cannot be had is told in the log, and the clusters go on.
//! - SIGHUP is taken from the start on; until then it would end the process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::exit::{Failure, SYSTEM};
use crate::config::{self, process_environment};
use crate::metrics::Meters;
use crate::metrics::server::{Page, listen, serve};
use crate::telemetry::syslog::Target;
use crate::telemetry::{Filter, chain, event};

/// Takes SIGHUP from now on.
pub(super) fn take_hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::new(SYSTEM, &error))
}

/// Reads the filter again at every SIGHUP.
pub(super) fn follow_hangups(mut hangups: Signal, file: &Path, filter: Filter) {
    let file = file.to_owned();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            // The file is small and local; nobody waits for it.
            reread(&file, &filter);
        }
    });
}

fn reread(file: &Path, filter: &Filter) {
    let read = config::read_log_filter(file, &process_environment);
    let problem = match read {
        Ok(text) => match filter.set(&text) {
            Ok(()) => return,
            Err(problem) => chain(&problem).to_string(),
        },
        Err(problem) => chain(&problem).to_string(),
    };
    warn!(
        event = event::FILTER_REFUSED,
        file = %file.display(),
        reason = problem,
        "log filter not changed, the old one stays"
    );
}

/// Answers for health and metrics, if that is wanted.
pub(super) async fn serve_figures(
    address: Option<SocketAddr>,
    meters: Arc<Meters>,
    syslog: Target,
) {
    let Some(address) = address else { return };
    match listen(address).await {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            info!(event = event::METRICS_LISTENING, %address, "health and metrics can be asked for");
            let page = Page {
                meters,
                syslog: Some(syslog),
            };
            tokio::spawn(serve(listener, Arc::new(page)));
        }
        Err(problem) => error!(
            event = event::METRICS_UNAVAILABLE,
            %address,
            error = %chain(&problem),
            "cannot listen for health and metrics; the replica works without them"
        ),
    }
}
