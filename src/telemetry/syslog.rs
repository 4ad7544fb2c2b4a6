//! Forwarding to the syslog server of the shared configuration (`vcdConfig.sysLogger`).
//!
//! Flow: [`forwarding`] gives a sink for the log, a [`Target`] to be set whenever the configuration changes,
//! and a [`Forwarder`] to be run beside everything else.
//!
//! Invariants:
//! - Nobody who logs ever waits: a line goes into a bounded queue or is lost. What is lost is counted and
//!   told, once an hour at most.
//! - Only INFO and above is forwarded; DEBUG and TRACE stay in the journal.
//! - A message is one datagram of at most [`MAX_BYTES`], cut at a whole character.
//!
//! Source: RFC 5424 (format), RFC 5426 (UDP). Which transport the original server uses is not documented; its
//! setting has a host and a port and nothing about TLS, and 514 means UDP. The enterprise number is the one
//! for examples (RFC 5612): the product has none.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::{mpsc, watch};
use tracing::{Level, info, warn};

use super::event;
use super::journal::{IDENTIFIER, priority};
use super::record::{Record, Sink};
use super::text::stamp;
use crate::clock::{Clock, Moment};
use crate::domain::server_config::SysLogger;

/// Lines that wait for the server.
const QUEUE: usize = 1_024;
/// Longest message: every receiver should take as much.
const MAX_BYTES: usize = 2_048;
/// Longest value in the structured data; the message itself has to have room.
const MAX_VALUE_BYTES: usize = 160;
/// Facility `daemon`.
const FACILITY: u8 = 3;
/// Longest wait for a name look-up.
const LOOKUP: Duration = Duration::from_secs(5);
/// Time after which a name is looked up again when sending failed.
const RETRY: Duration = Duration::from_secs(30);
/// Time between two lines about losses.
const TELL_AGAIN: Duration = Duration::from_hours(1);
/// Fields that become structured data.
const DATA: [&str; 7] = [
    "cluster_id",
    "cluster_name",
    "org",
    "phase",
    "attempt",
    "pass",
    "request_id",
];

/// Everything that forwarding consists of.
pub fn forwarding(replica: &str, clock: Clock) -> (Lines, Target, Forwarder) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let (server, changes) = watch::channel(None);
    let shared = Arc::new(Shared::default());
    let lines = Lines {
        queue: sender.clone(),
        shared: Arc::clone(&shared),
        origin: Origin::here(replica),
    };
    let target = Target {
        queue: sender,
        server,
        shared: Arc::clone(&shared),
    };
    let forwarder = Forwarder {
        queue,
        changes,
        shared,
        clock,
        route: None,
        retry_at: Moment::default(),
        told: None,
    };
    (lines, target, forwarder)
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether lines are wanted at all.
    is_on: AtomicBool,
    lost: AtomicU64,
}

impl Shared {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where lines are to go.
#[derive(Clone, Debug)]
pub struct Target {
    queue: mpsc::Sender<String>,
    server: watch::Sender<Option<SysLogger>>,
    shared: Arc<Shared>,
}

impl Target {
    /// Forwards to this server from now on, or to none.
    pub fn set(&self, server: Option<SysLogger>) {
        let is_on = server.is_some();
        let changed = self.server.send_if_modified(|known| {
            let changes = *known != server;
            known.clone_from(&server);
            changes
        });
        self.shared.is_on.store(is_on, Ordering::Relaxed);
        if changed {
            let server = server.map(|server| format!("{}:{}", server.host, server.port));
            info!(
                event = event::SYSLOG_SET,
                server = server.as_deref().unwrap_or("none"),
                "forwarding to syslog is set"
            );
        }
    }

    /// Waits until everything is sent, for a second at most.
    pub async fn flush(&self, clock: &Clock) {
        for _ in 0..50 {
            if self.queue.capacity() == self.queue.max_capacity() {
                return;
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lines that were to be forwarded and are lost.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

/// The sink: puts lines into the queue.
pub struct Lines {
    queue: mpsc::Sender<String>,
    shared: Arc<Shared>,
    origin: Origin,
}

impl Sink for Lines {
    fn write(&self, record: &Record) {
        if record.level > Level::INFO || !self.shared.is_on.load(Ordering::Relaxed) {
            return;
        }
        if self.queue.try_send(message(record, &self.origin)).is_err() {
            self.shared.lose();
        }
    }
}

/// Takes lines out of the queue and sends them.
pub struct Forwarder {
    queue: mpsc::Receiver<String>,
    changes: watch::Receiver<Option<SysLogger>>,
    shared: Arc<Shared>,
    clock: Clock,
    route: Option<UdpSocket>,
    retry_at: Moment,
    /// When losses were told, and how many there were by then.
    told: Option<(Moment, u64)>,
}

impl Forwarder {
    /// Forwards until nobody can log or set a target any more.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (self.route, self.retry_at, self.told) = (None, Moment::default(), None);
                }
                line = self.queue.recv() => match line {
                    Some(line) => self.forward(&line).await,
                    None => return,
                },
            }
        }
    }

    async fn forward(&mut self, line: &str) {
        let Some(server) = self.changes.borrow().clone() else {
            // Logged before forwarding was switched off.
            return;
        };
        let sent = match self.route(&server).await {
            Some(route) => route
                .send(line.as_bytes())
                .await
                .map_err(|error| error.to_string()),
            None => Err("the name cannot be looked up".to_owned()),
        };
        if let Err(why) = &sent {
            self.shared.lose();
            self.tell(&server, why);
        } else if self.shared.lost.load(Ordering::Relaxed) > self.told.map_or(0, |(_, lost)| lost) {
            self.tell(&server, "more was logged at once than the server takes");
        }
    }

    /// A socket on the way to the server; a name is looked up anew only after a while.
    async fn route(&mut self, server: &SysLogger) -> Option<&UdpSocket> {
        if self.route.is_none() && self.clock.now() >= self.retry_at {
            self.retry_at = self.clock.now().plus(RETRY);
            self.route = tokio::select! {
                route = open(server) => route,
                () = self.clock.sleep(LOOKUP) => None,
            };
        }
        self.route.as_ref()
    }

    fn tell(&mut self, server: &SysLogger, why: &str) {
        if self.clock.now() >= self.retry_at {
            // The server may have moved.
            self.route = None;
        }
        let now = self.clock.now();
        let lost = self.shared.lost.load(Ordering::Relaxed);
        if self
            .told
            .is_some_and(|(told, _)| now.since(told) < TELL_AGAIN)
        {
            return;
        }
        self.told = Some((now, lost));
        warn!(
            event = event::SYSLOG_LOST,
            server = %format_args!("{}:{}", server.host, server.port),
            lost,
            reason = why,
            "log lines do not reach the syslog server; they are complete here"
        );
    }
}

async fn open(server: &SysLogger) -> Option<UdpSocket> {
    let address = lookup_host((server.host.as_str(), server.port))
        .await
        .ok()?
        .next()?;
    let here: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(here).await.ok()?;
    socket.connect(address).await.ok()?;
    Some(socket)
}

/// Who sends the messages.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the machine.
    pub host: String,
    /// Name of the replica.
    pub replica: String,
    /// Number of the process.
    pub process: u32,
}

impl Origin {
    fn here(replica: &str) -> Self {
        Self {
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            replica: replica.to_owned(),
            process: std::process::id(),
        }
    }
}

/// One record as RFC 5424 wants it.
pub fn message(record: &Record, origin: &Origin) -> String {
    let mut text = format!(
        "<{}>1 {} {} {IDENTIFIER} {} {} [cse@32473 replica=\"{}\"",
        FACILITY * 8 + priority(record.level),
        stamp(record.time),
        name(&origin.host, 255),
        origin.process,
        name(record.text("event").unwrap_or_default(), 32),
        escaped(&origin.replica),
    );
    // Writing to a string does not fail.
    for key in DATA {
        if let Some(value) = record.get(key) {
            let value = escaped(&value.to_string());
            write!(text, " {key}=\"{value}\"").unwrap_or(());
        }
    }
    text.push_str("] ");
    text.push_str(&record.message);
    for key in ["action", "reason", "error"] {
        if let Some(value) = record.get(key) {
            write!(text, ", {key}: {value}").unwrap_or(());
        }
    }
    cut(&mut text, MAX_BYTES);
    text
}

/// A header field: printable ASCII without blanks, `-` for nothing.
fn name(text: &str, limit: usize) -> String {
    let plain: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(limit)
        .collect();
    if plain.is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}

/// A value of structured data: `"`, `\` and `]` are escaped.
fn escaped(text: &str) -> String {
    let mut short = text.to_owned();
    cut(&mut short, MAX_VALUE_BYTES);
    let mut escaped = String::with_capacity(short.len());
    for c in short.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
}

#[cfg(test)]
#[path = "syslog_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
