//! The loop: sign in, pass after pass, until told to stop.
//!
//! Flow: [`run`] signs in with the token of the file and calls `pass` about once a minute.
//!
//! Invariants:
//! - Neither an outage of VCD nor one of the API server ends the program; waits grow up to
//!   [`backoff::MAX_DELAY`].
//! - A new token in the file is used at the next pass. One that VCD refused is not tried again until the file
//!   changes or [`RETRY_REFUSED`] has passed.
//! - A failure is logged when it begins and when its text changes, not at every pass.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::credentials::{TokenFile, same};
use super::kubernetes::Kubernetes;
use super::pass::{Agent, Ended};
use crate::chance::Chance;
use crate::clock::{Clock, Moment};
use crate::domain::error_class::ErrorClass;
use crate::reconcile::backoff;
use crate::telemetry::chain;
use crate::vcd::transport::Transport;
use crate::vcd::{ClientOptions, Login, VcdClient};

pub use super::pass::Home;

/// After this a refused token is tried once more: the refusal may have been a fault of VCD.
const RETRY_REFUSED: Duration = Duration::from_mins(10);
/// Share of the interval by which passes are spread.
const SPREAD: f64 = 0.1;

/// Everything the agent works with.
#[derive(Debug)]
pub struct Setup<T: Transport> {
    /// The way to VCD.
    pub transport: Arc<T>,
    /// How VCD is spoken to.
    pub options: ClientOptions,
    /// Organization of the tenant, by name.
    pub org: String,
    /// The tenant's token.
    pub token: TokenFile,
    /// Which cluster this is.
    pub home: Home,
    /// Its API server.
    pub kubernetes: Kubernetes,
    /// Between two passes.
    pub interval: Duration,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub chance: Arc<Chance>,
}

/// Works until `stop`.
///
/// Cancel: safe.
pub async fn run<T: Transport>(setup: Setup<T>, stop: CancellationToken) {
    let clock = setup.clock.clone();
    let agent = Agent::new(
        setup.home.clone(),
        setup.kubernetes.clone(),
        setup.clock.clone(),
    );
    let mut worker = Worker {
        setup,
        agent,
        session: None,
        refused: None,
        failures: 0,
        complaint: None,
    };
    while !stop.is_cancelled() {
        tokio::select! {
            wait = worker.turn() => tokio::select! {
                () = clock.sleep(wait) => {}
                () = stop.cancelled() => {}
            },
            () = stop.cancelled() => {}
        }
    }
    info!("agent stops");
}

struct Worker<T: Transport> {
    setup: Setup<T>,
    agent: Agent,
    session: Option<(SecretString, VcdClient<T>)>,
    /// A token that VCD does not take, and since when.
    refused: Option<(SecretString, Moment)>,
    failures: u32,
    /// The failure as last logged.
    complaint: Option<String>,
}

impl<T: Transport> Worker<T> {
    /// One pass, and how long to wait for the next.
    async fn turn(&mut self) -> Duration {
        let token = match self.setup.token.read() {
            Ok(token) => token,
            Err(error) => {
                self.complain(&chain(&error).to_string());
                return self.pause();
            }
        };
        if self.is_hopeless(&token) {
            return self.pause();
        }
        let outcome = match self.client(token.clone()).await {
            Ok(client) => self.agent.pass(&client).await,
            Err(error) => Err(Ended::Vcd(error)),
        };
        match outcome {
            Ok(()) => {
                if self.complaint.take().is_some() {
                    info!("the agent works again");
                }
                self.failures = 0;
                self.refused = None;
                self.pause()
            }
            Err(ended) => self.failed(ended, token),
        }
    }

    fn is_hopeless(&self, token: &SecretString) -> bool {
        let now = self.setup.clock.now();
        self.refused.as_ref().is_some_and(|(refused, since)| {
            same(refused, token) && now.since(*since) < RETRY_REFUSED
        })
    }

    /// The session for this token; a new one if the token is new.
    async fn client(
        &mut self,
        token: SecretString,
    ) -> Result<VcdClient<T>, crate::vcd::error::VcdError> {
        let login = |token: &SecretString| Login {
            org: self.setup.org.clone(),
            token: token.clone(),
        };
        let client = match &self.session {
            Some((known, client)) if same(known, &token) => return Ok(client.clone()),
            Some((_, client)) => {
                info!("the API token has changed");
                client.for_tenant(login(&token))
            }
            None => {
                let transport = Arc::clone(&self.setup.transport);
                VcdClient::connect(transport, login(&token), self.setup.options.clone()).await?
            }
        };
        self.session = Some((token, client.clone()));
        Ok(client)
    }

    fn failed(&mut self, ended: Ended, token: SecretString) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let jitter = self.setup.chance.next_fraction();
        let (text, class) = match ended {
            Ended::Vcd(error) => (format!("VCD: {}", chain(&error)), error.class()),
            Ended::Cluster(reason) => (format!("cluster: {reason}"), ErrorClass::Transient),
        };
        self.complain(&text);
        if class == ErrorClass::Unauthenticated {
            self.refused = Some((token, self.setup.clock.now()));
            // The file may change any time.
            return self.pause();
        }
        // Each try costs VCD a login or a read: never faster than a pass.
        self.pause()
            .max(backoff::delay(&class, self.failures, jitter))
    }

    fn complain(&mut self, text: &str) {
        if self.complaint.as_deref() == Some(text) {
            debug!(reason = text, "still");
        } else {
            warn!(reason = text, "the agent cannot do its work");
            self.complaint = Some(text.to_owned());
        }
    }

    /// The interval, a little more or less.
    fn pause(&self) -> Duration {
        let share = 1.0 - SPREAD + 2.0 * SPREAD * self.setup.chance.next_fraction();
        self.setup.interval.mul_f64(share)
    }
}
