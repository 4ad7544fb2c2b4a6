//! The loop of one replica: poll, claim within the slots, watch the work, drain.
//!
//! Invariants:
//! - Nothing new begins once the replica drains.
//!
//! Not here: which clusters are claimed (`claims`), what is done for a cluster (`workflow`), signals and systemd ([`Hooks`] are given).

mod claims;
mod figures;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::Deps;
use super::crew::Crew;
use super::document::Content;
use super::housekeeping::Housekeeping;
use super::poll::{Found, Poller};
use super::settings::{Settings, SettingsError, policy, read_settings};
use super::watch::{Scope, Watch};
use crate::chance::Chance;
use crate::clock::{Clock, Moment};
use crate::domain::claim::HolderId;
use crate::domain::server_config::ServerConfig;
use crate::metrics::Meters;
use crate::reconcile::backoff::delay;
use crate::reconcile::claimable::Identity;
use crate::reconcile::policy::{ClaimTimes, LocalTimes};
use crate::reconcile::sharing::Slots;
use crate::telemetry::{chain, event};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

/// Full sweeps happen every so many poll intervals; the hot poll finds new work in between.
const SWEEP_EVERY: u32 = 5;
/// Longest time without a sign of life to the service manager; its watchdog waits six times as long.
const LIFE_SIGN: Duration = Duration::from_secs(5);
/// Longest pause between two tries to list the clusters while VCD does not answer.
const MAX_POLL_PAUSE: Duration = Duration::from_mins(1);
/// What makes a replica what it is.
pub struct Setup<T: Transport> {
    /// Signed in as the service account.
    pub client: VcdClient<T>,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub chance: Arc<Chance>,
    /// This process.
    pub me: HolderId,
    /// Proven dead processes whose claims may be taken back at once.
    pub predecessors: Vec<HolderId>,
    /// Times of the local file.
    pub times: LocalTimes,
    /// Most clusters at work at once.
    pub slots: Slots,
    /// Longest time a drain may take.
    pub drain_timeout: Duration,
    /// Counts what happens.
    pub meters: Arc<Meters>,
    /// PEM certificates that VCD's certificate is checked with; bootstrap VMs trust them too.
    pub site_authorities: Vec<String>,
}

/// What the surroundings want to know; systemd in production, nothing in tests.
pub trait Hooks {
    /// The first complete listing is done.
    fn ready(&mut self, status: &str);
    /// A pass of the loop is done.
    fn progress(&mut self, status: &str);
    /// The loop waits for one bounded call or for time to pass.
    fn waiting(&mut self);
    /// The replica drains.
    fn stopping(&mut self, status: &str);
    /// This shared configuration is in force from now on.
    fn configured(&mut self, server: &ServerConfig);
}

impl Hooks for () {
    fn ready(&mut self, _status: &str) {}
    fn progress(&mut self, _status: &str) {}
    fn waiting(&mut self) {}
    fn stopping(&mut self, _status: &str) {}
    fn configured(&mut self, _server: &ServerConfig) {}
}

/// A changed configuration that was not taken over.
struct Refused {
    /// Why, as it was logged.
    reason: String,
    /// The same for the status line.
    in_short: String,
}

/// One replica.
pub struct Replica<T: Transport> {
    setup: Setup<T>,
    deps: Arc<Deps<T>>,
    poller: Poller,
    watch: Watch,
    housekeeping: Housekeeping,
    crew: Crew,
    /// Claims that may begin before the next listing.
    batch: usize,
    /// Moment of the first listing.
    first_listing: Option<Moment>,
    times: ClaimTimes,
    next_sweep: Moment,
    next_hot: Moment,
    next_settings: Moment,
    poll_failures: u32,
    refused_settings: Option<Refused>,
    settings_content: Content,
    /// The configuration in force has not been told to the surroundings yet.
    is_newly_configured: bool,
    known_clusters: u64,
}

impl<T: Transport> Replica<T> {
    /// A replica under the given shared configuration.
    ///
    /// # Errors
    /// - [`SettingsError::Times`]: its intervals and the replica's own file do not go together.
    pub fn new(setup: Setup<T>, settings: Settings) -> Result<Self, SettingsError> {
        let now = setup.clock.now();
        let times = settings.times(&setup.times)?;
        let settings_content = settings.document.entity.clone();
        let deps = Arc::new(deps(&setup, settings, &times));
        let next_settings = now.plus(deps.server_config.timers().poll);
        Ok(Self {
            setup,
            deps,
            poller: Poller::default(),
            watch: Watch::default(),
            housekeeping: Housekeeping::default(),
            crew: Crew::default(),
            batch: 0,
            first_listing: None,
            times,
            next_sweep: now,
            next_hot: now,
            next_settings,
            poll_failures: 0,
            refused_settings: None,
            settings_content,
            is_newly_configured: true,
            known_clusters: 0,
        })
    }

    /// Works until `stop` is cancelled, then drains.
    pub async fn run(mut self, stop: CancellationToken, hooks: &mut impl Hooks) {
        let mut ready = false;
        while !stop.is_cancelled() {
            self.tell_settings(hooks);
            let clock = self.setup.clock.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.poll_if_due() => {}
                () = show_life(&clock, hooks) => {}
            }
            if stop.is_cancelled() {
                break;
            }
            self.claim_some();
            if !ready && self.poll_failures == 0 {
                ready = true;
                info!(
                    event = event::REPLICA_READY,
                    clusters = self.known_clusters,
                    heartbeat_secs = self.times.heartbeat.as_secs(),
                    self_fence_secs = self.times.self_fence.as_secs(),
                    takeover_secs = self.times.takeover.as_secs(),
                    "ready"
                );
                self.setup.meters.health().ready();
                hooks.ready(&self.status());
            }
            self.show_figures();
            hooks.progress(&self.status());
            let wait = self.next_due().since(clock.now()).min(LIFE_SIGN);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((entity, ended)) = self.crew.next_ended() => self.ended(&entity, ended),
                () = self.setup.clock.sleep(wait) => {}
            }
        }
        self.setup.meters.health().stopping();
        hooks.stopping(&format!(
            "draining, {} clusters to hand over",
            self.crew.len()
        ));
        let clock = self.setup.clock.clone();
        tokio::select! {
            biased;
            () = self.hand_everything_over() => {}
            () = show_life(&clock, hooks) => {}
        }
    }

    fn next_due(&self) -> Moment {
        if self.poller.has_hot_poll() {
            self.next_sweep.min(self.next_hot).min(self.next_settings)
        } else {
            self.next_sweep.min(self.next_settings)
        }
    }

    async fn poll_if_due(&mut self) {
        let now = self.setup.clock.now();
        if now >= self.next_settings {
            self.reload_settings().await;
        }
        self.poller.look_from(self.deps.look(), now);
        let begun = self.setup.clock.now();
        let (complete, result) = if now >= self.next_sweep {
            (true, self.poller.full(&self.setup.client).await)
        } else if now >= self.next_hot && self.poller.has_hot_poll() {
            (false, self.poller.hot(&self.setup.client).await)
        } else {
            return;
        };
        self.count_poll(complete, result.is_ok(), begun);
        match result {
            Ok(found) => self.note(found, complete),
            Err(error) => self.poll_failed(&error),
        }
    }

    fn note(&mut self, found: Found, complete: bool) {
        let now = self.setup.clock.now();
        self.first_listing.get_or_insert(now);
        self.batch = claims::BATCH;
        if self.poll_failures > 0 {
            info!(
                event = event::POLL_RECOVERED,
                failures = self.poll_failures,
                "VCD answers again"
            );
            self.poll_failures = 0;
        }
        debug!(
            complete,
            requests = found.requests,
            unchanged_pages = found.unchanged_pages,
            need_work = found.rows.len(),
            "polled"
        );
        if complete {
            self.known_clusters = found.total;
            let poll = self.deps.server_config.timers().poll;
            let every = if self.poller.has_hot_poll() {
                SWEEP_EVERY
            } else {
                1
            };
            // Shifted by chance, so that the sweeps of several replicas do not fall together.
            let spread = 0.9 + 0.2 * self.setup.chance.next_fraction();
            self.next_sweep = now.plus((poll * every).mul_f64(spread));
        }
        // Varied, so that no replica is always the first to see what has just arrived.
        let spread = 0.8 + 0.4 * self.setup.chance.next_fraction();
        self.next_hot = now.plus(self.times.hot_poll.mul_f64(spread));
        let scope = if complete {
            Scope::Full
        } else if self.poller.has_hot_poll() {
            Scope::Hot
        } else {
            Scope::Partial
        };
        let at = (now, self.setup.clock.wall());
        let rows = self.housekeeping.due(found.rows, &self.deps.policy, at);
        self.watch.note(rows, scope, now, &self.setup.chance);
    }

    fn poll_failed(&mut self, error: &VcdError) {
        self.poll_failures = self.poll_failures.saturating_add(1);
        let wait = delay(
            &error.class(),
            self.poll_failures,
            self.setup.chance.next_fraction(),
        )
        .min(MAX_POLL_PAUSE);
        let next = self.setup.clock.now().plus(wait);
        self.next_hot = self.next_hot.max(next);
        self.next_sweep = self.next_sweep.max(next);
        if self.poll_failures == 1 || self.poll_failures.is_multiple_of(10) {
            warn!(
                event = event::POLL_FAILED,
                failures = self.poll_failures,
                retry_in_secs = wait.as_secs(),
                request_id = error.request_id(),
                error = %chain(error),
                "cannot list the clusters"
            );
        }
    }

    async fn reload_settings(&mut self) {
        let poll = self.deps.server_config.timers().poll;
        self.next_settings = self.setup.clock.now().plus(poll);
        match read_settings(&self.setup.client).await {
            Ok(settings) if settings.document.entity == self.settings_content => {
                self.setup.meters.config_in_force(true);
                if self.refused_settings.take().is_some() {
                    info!(
                        event = event::CONFIG_ACCEPTED,
                        "the server configuration is again the one that is in force"
                    );
                }
            }
            Ok(settings) => match settings.times(&self.setup.times) {
                Ok(times) => self.accept(settings, times),
                Err(problem) => self.refuse(&problem),
            },
            Err(SettingsError::Vcd(error)) => {
                debug!(
                    request_id = error.request_id(),
                    error = %chain(&error),
                    "server configuration not read"
                );
            }
            Err(problem) => self.refuse(&problem),
        }
    }

    fn accept(&mut self, settings: Settings, times: ClaimTimes) {
        self.refused_settings = None;
        self.settings_content.clone_from(&settings.document.entity);
        self.times = times;
        self.is_newly_configured = true;
        self.setup.meters.config_accepted();
        self.setup.meters.config_in_force(true);
        self.deps = Arc::new(deps(&self.setup, settings, &times));
        info!(
            event = event::CONFIG_ACCEPTED,
            heartbeat_secs = times.heartbeat.as_secs(),
            self_fence_secs = times.self_fence.as_secs(),
            takeover_secs = times.takeover.as_secs(),
            "the server configuration has changed; it is in force for clusters claimed from now on"
        );
    }

    fn refuse(&mut self, problem: &SettingsError) {
        let text = chain(problem).to_string();
        self.setup.meters.config_in_force(false);
        let known = self.refused_settings.as_ref();
        if known.is_none_or(|known| known.reason != text) {
            error!(event = event::CONFIG_REFUSED, reason = %text, "the changed server configuration is refused, the last good one stays in force");
            self.setup.meters.config_refused();
            self.refused_settings = Some(Refused {
                reason: text,
                in_short: problem.in_short(),
            });
        }
    }

    fn status(&self) -> String {
        let others = self.watch.held_by_others(&self.crew.active());
        let refused = self.refused_settings.as_ref().map(|refused| {
            format!(
                "; vcdKeConfig is refused, the last good one is in force: {}",
                refused.in_short
            )
        });
        format!(
            "{} at work, {} held by others, {} clusters known{}{}",
            self.crew.len(),
            others,
            self.known_clusters,
            if self.poll_failures > 0 {
                ", VCD does not answer"
            } else {
                ""
            },
            refused.unwrap_or_default(),
        )
    }

    /// Lets every workflow finish its call and release its claim, within the drain time.
    async fn hand_everything_over(mut self) {
        info!(
            event = event::REPLICA_DRAINING,
            at_work = self.crew.len(),
            "draining"
        );
        self.crew.drain();
        let clock = self.setup.clock.clone();
        let deadline = clock.sleep(self.setup.drain_timeout);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                ended = self.crew.next_ended() => match ended {
                    None => break,
                    Some((entity, ended)) => self.ended(&entity, ended),
                },
                () = &mut deadline => {
                    warn!(event = event::REPLICA_STOPPED, left = self.crew.len(), "drain time is over, the rest is left to run out");
                    self.crew.abandon().await;
                    break;
                }
            }
        }
        info!(event = event::REPLICA_STOPPED, "stopped");
    }
}

/// Signs of life while the loop waits for VCD; never ends.
///
/// Runs in the loop's own task beside the call it waits for, which has its own time limit: a loop that
/// hangs outside of that call gives no sign.
async fn show_life(clock: &Clock, hooks: &mut impl Hooks) {
    loop {
        clock.sleep(LIFE_SIGN).await;
        hooks.waiting();
    }
}

fn deps<T: Transport>(setup: &Setup<T>, settings: Settings, times: &ClaimTimes) -> Deps<T> {
    let server = Arc::new(settings.server);
    let instance = server.instances.first().map_or_else(String::new, |known| {
        known.id.clone().unwrap_or_else(|| known.name.clone())
    });
    Deps {
        client: setup.client.clone(),
        clock: setup.clock.clone(),
        chance: Arc::clone(&setup.chance),
        policy: policy(times),
        identity: Identity {
            me: setup.me.clone(),
            predecessors: setup.predecessors.clone(),
        },
        instance,
        server_config: server,
        meters: Arc::clone(&setup.meters),
        site_authorities: setup.site_authorities.clone(),
    }
}
