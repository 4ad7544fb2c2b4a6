//! The network between one replica and the site: a TCP relay that can be cut in every direction.
//!
//! Invariants:
//! - Nothing is lost inside a connection: bytes that may not pass wait, and arrive late when the way is free
//!   again, even if their sender has given up long ago. So a request can reach the site minutes after the replica
//!   that sent it was taken for dead.
//! - The relay ends with its value: no port stays taken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cse_server::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that are under way at once, for each connection and direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// Real time after which whoever has sent a request has given up on it.
const LATE: Duration = Duration::from_secs(2);

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    /// It works.
    Open,
    /// Connections are reset, and new ones end at once.
    Broken,
    /// Nothing arrives, neither here nor there.
    Silent,
    /// Requests do not arrive.
    Mute,
    /// Requests arrive and have their effect; no answer comes back.
    Deaf,
    /// Every piece takes so long.
    Slow(Duration),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Requests,
    Answers,
}

impl Net {
    /// How long a piece waits; nothing while it may not pass at all.
    fn delay(self, way: Way) -> Option<Duration> {
        match (self, way) {
            (Self::Open, _) | (Self::Mute, Way::Answers) | (Self::Deaf, Way::Requests) => {
                Some(Duration::ZERO)
            }
            (Self::Slow(delay), _) => Some(delay),
            (Self::Broken | Self::Silent, _)
            | (Self::Mute, Way::Requests)
            | (Self::Deaf, Way::Answers) => None,
        }
    }
}

/// The way of one replica to the site.
pub(crate) struct Network {
    address: SocketAddr,
    state: watch::Sender<Net>,
    late: Arc<AtomicU32>,
    relay: JoinHandle<()>,
}

/// One way of one connection.
struct Lane {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: Way,
    late: Arc<AtomicU32>,
}

impl Network {
    /// Opens a way to `site`, a host and port of this machine.
    pub(crate) async fn to(site: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(Net::Open);
        let late = Arc::new(AtomicU32::new(0));
        let relay = tokio::spawn(relay(listener, site, (seen, Arc::clone(&late))));
        Self {
            address,
            state,
            late,
            relay,
        }
    }

    /// Where the replica connects.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn state(&self) -> Net {
        *self.state.borrow()
    }

    /// Pieces of requests that arrived when their sender had given up.
    pub(crate) fn late_requests(&self) -> u32 {
        self.late.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, net: Net) {
        self.state.send_replace(net);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

type Shared = (watch::Receiver<Net>, Arc<AtomicU32>);

async fn relay(listener: TcpListener, site: SocketAddr, shared: Shared) {
    // Connections end with this set.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((replica, _)) = accepted
                    && *shared.0.borrow() != Net::Broken
                {
                    connections.spawn(connection(replica, site, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(replica: TcpStream, site: SocketAddr, (mut state, late): Shared) {
    let Ok(site) = TcpStream::connect(site).await else {
        return;
    };
    for stream in [&replica, &site] {
        stream.set_nodelay(true).unwrap_or_default();
    }
    let (from_replica, to_replica) = replica.into_split();
    let (from_site, to_site) = site.into_split();
    let along = |from, to, way| Lane {
        from,
        to,
        way,
        late: Arc::clone(&late),
    };
    let requests = along(from_replica, to_site, Way::Requests).carry(state.clone());
    let answers = along(from_site, to_replica, Way::Answers).carry(state.clone());
    let both = async {
        tokio::join!(requests, answers);
    };
    tokio::select! {
        () = both => {}
        // Whatever is left unread makes it a reset.
        _ = state.wait_for(|state| *state == Net::Broken) => {}
    }
}

impl Lane {
    /// Carries bytes until their sender has said all, or nobody takes them.
    async fn carry(mut self, mut state: watch::Receiver<Net>) {
        let clock = Clock::system();
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = self.from.read(&mut chunk).await {
            let came = clock.now();
            let free = state.wait_for(|state| state.delay(self.way).is_some());
            let Ok(delay) = free.await.map(|state| state.delay(self.way)) else {
                return;
            };
            clock.sleep(delay.unwrap_or_default()).await;
            if self.way == Way::Requests && clock.now().since(came) > LATE {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
            if self.to.write_all(&chunk[..length]).await.is_err() {
                return;
            }
        }
        self.to.shutdown().await.unwrap_or_default();
    }
}
