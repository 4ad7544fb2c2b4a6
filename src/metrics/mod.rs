//! What a replica counts about itself, and how it is asked for it.
//!
//! Flow: the shell (`controller`) and the wire (`vcd`) tell [`Meters`] what has just happened; [`server`]
//! shows the figures and the [`health`].
//!
//! Invariants:
//! - Names follow Prometheus: base units, `_total` for counters, `_seconds` for times.
//! - Labels take their values from this program's own closed lists: no tenant, cluster or object names. The
//!   number of series does not grow with the site.
//! - A registry is a value: several replicas in one process count apart.
//!
//! Not here: decisions; nothing in the program reads these figures.
//! Source: Prometheus, "Metric and label naming".

pub mod health;
pub mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use self::health::Health;
use crate::clock::{Clock, Moment};
use crate::vcd::meter::{CallEnd, CallMeter};

/// What every name begins with.
const PREFIX: &str = "cse_server";

/// A gauge that holds a fraction.
type Fraction = Gauge<f64, AtomicU64>;
type Times = Histogram;
/// Counters by one label of a closed list.
type Counted<L> = Family<L, Counter>;

/// Clusters that need work, as the last listings and claims show them.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub(crate) struct ClusterLabels {
    /// `creation`, `removal` or `upkeep`.
    pub(crate) errand: &'static str,
    /// Phase of the claim, or `none`.
    pub(crate) phase: &'static str,
    /// `this_replica`, `other_replica` or `nobody`.
    pub(crate) holder: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OriginLabels {
    origin: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PollLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabels {
    class: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionKindLabels {
    action: &'static str,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    outcome: &'static str,
    status: u32,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MethodLabels {
    method: &'static str,
}

/// The figures of one replica.
pub struct Meters {
    registry: Registry,
    names: Vec<String>,
    clock: Clock,
    health: Health,
    clusters: Family<ClusterLabels, Gauge>,
    shown: Mutex<BTreeMap<ClusterLabels, i64>>,
    known: Gauge,
    at_work: Gauge,
    slots: Gauge,
    claims: Counted<OriginLabels>,
    claim_failures: Counted<ClassLabels>,
    ends: Counted<EndLabels>,
    attempts: Counted<OutcomeLabels>,
    passes: Counted<ClassLabels>,
    actions: Counted<ActionLabels>,
    action_times: Family<ActionKindLabels, Times>,
    polls: Counted<PollLabels>,
    poll_times: Family<KindLabels, Times>,
    last_poll: Fraction,
    calls: Counted<CallLabels>,
    call_times: Family<MethodLabels, Times>,
    window: Gauge,
    pause: Fraction,
    configs: Counted<OutcomeLabels>,
    config_refused: Gauge,
    ready: Gauge,
    syslog_lost: Counter,
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// From a fast answer to the longest time limit of a call.
fn seconds() -> Times {
    Histogram::new([
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
    ])
}

/// Registers under the common prefix.
struct Desk {
    registry: Registry,
    names: Vec<String>,
}

impl Desk {
    fn put<M: Metric + Default + Clone>(&mut self, name: &str, help: &str) -> M {
        self.put_this(name, help, M::default())
    }

    fn put_this<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        self.names.push(format!("{PREFIX}_{name}"));
        metric
    }

    fn times<L>(&mut self, name: &str, help: &str) -> Family<L, Times>
    where
        L: Clone + std::hash::Hash + Eq,
        Family<L, Times>: Metric + Clone,
    {
        self.put_this(name, help, Family::new_with_constructor(seconds))
    }
}

impl Meters {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        let mut desk = Desk {
            registry: Registry::with_prefix(PREFIX),
            names: Vec::new(),
        };
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        desk.registry.register("build", "What runs", build);
        desk.names.push(format!("{PREFIX}_build_info"));
        let started: Fraction = desk.put("start_time_seconds", "When the process began");
        started.set(unix_time(&clock));
        let meters = Self {
            clusters: desk.put(
                "clusters_needing_work",
                "Clusters that need work, by errand, phase of the claim and holder",
            ),
            shown: Mutex::default(),
            known: desk.put("clusters", "Clusters in VCD at the last full listing"),
            at_work: desk.put("clusters_at_work", "Clusters this replica is at work on"),
            slots: desk.put("slots", "Most clusters this replica works on at once"),
            claims: desk.put("claims", "Clusters claimed, by what their claim was before"),
            claim_failures: desk.put("claim_failures", "Claims that could not be decided"),
            ends: desk.put("work_ended", "Ends of the work on a cluster"),
            attempts: desk.put(
                "attempts_failed",
                "Attempts to create a cluster that failed",
            ),
            passes: desk.put(
                "passes_failed",
                "Passes over a cluster that failed and are repeated",
            ),
            actions: desk.put("actions", "Effects on VCD, by kind and outcome"),
            action_times: desk.times("action_duration_seconds", "Time to carry out an effect"),
            polls: desk.put("polls", "Listings of the clusters"),
            poll_times: desk.times("poll_duration_seconds", "Time of a listing"),
            last_poll: desk.put(
                "last_poll_timestamp_seconds",
                "When the last listing came to its end",
            ),
            calls: desk.put("vcd_requests", "Requests to VCD; status 0 is no answer"),
            call_times: desk.times("vcd_request_duration_seconds", "Time until VCD answered"),
            window: desk.put("vcd_window", "Requests that may be under way at once"),
            pause: desk.put(
                "vcd_pause_seconds",
                "What is left of a pause that VCD asked for",
            ),
            configs: desk.put("config_changes", "Changes of the server configuration"),
            config_refused: desk.put(
                "config_refused",
                "1 while the server configuration in VCD is not the one in force",
            ),
            ready: desk.put("ready", "1 while the replica is of use"),
            syslog_lost: desk.put(
                "syslog_lost",
                "Log lines that did not reach the syslog server",
            ),
            health: Health::default(),
            registry: desk.registry,
            names: desk.names,
            clock,
        };
        meters.beginning_at_zero()
    }

    /// Whatever an alert waits for is there from the start: of a counter that appears with its first event,
    /// Prometheus sees no increase.
    fn beginning_at_zero(self) -> Self {
        for origin in ["free", "own", "silent"] {
            drop(self.claims.get_or_create(&OriginLabels { origin }));
        }
        for end in ["provisioned", "settled", "lost", "deleted", "panicked"] {
            drop(self.ends.get_or_create(&EndLabels { end }));
        }
        for outcome in ["repeated", "final"] {
            drop(self.attempts.get_or_create(&OutcomeLabels { outcome }));
        }
        for outcome in ["accepted", "refused"] {
            drop(self.configs.get_or_create(&OutcomeLabels { outcome }));
        }
        self
    }

    /// The time by the replica's clock.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Whether the replica lives.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Names of all figures, without the endings that the text format adds.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All figures in the text format of `OpenMetrics`.
    pub fn encode(&self) -> String {
        let is_ready = self.health.useful(self.now()).is_ok();
        self.ready.set(i64::from(is_ready));
        let mut text = String::new();
        // Writing to a string does not fail.
        encode(&mut text, &self.registry).unwrap_or(());
        text
    }

    pub(crate) fn set_syslog_lost(&self, lost: u64) {
        self.syslog_lost.inner().store(lost, Ordering::Relaxed);
    }

    /// What the listings show, and how much of it is worked on here.
    pub(crate) fn see(&self, clusters: &BTreeMap<ClusterLabels, i64>, load: &Load) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.keys().filter(|labels| !clusters.contains_key(labels)) {
            self.clusters.get_or_create(gone).set(0);
        }
        for (labels, count) in clusters {
            self.clusters.get_or_create(labels).set(*count);
        }
        shown.clone_from(clusters);
        self.known.set(whole(load.known));
        self.at_work.set(whole(load.at_work));
        self.slots.set(whole(load.slots));
        self.window.set(whole(load.window.unwrap_or_default()));
        self.pause.set(load.pause.as_secs_f64());
    }

    pub(crate) fn claimed(&self, origin: &'static str) {
        self.claims.get_or_create(&OriginLabels { origin }).inc();
    }

    pub(crate) fn claim_failed(&self, class: &'static str) {
        self.claim_failures
            .get_or_create(&ClassLabels { class })
            .inc();
    }

    pub(crate) fn ended(&self, end: &'static str) {
        self.ends.get_or_create(&EndLabels { end }).inc();
    }

    pub(crate) fn attempt_failed(&self, is_repeated: bool) {
        let outcome = if is_repeated { "repeated" } else { "final" };
        self.attempts
            .get_or_create(&OutcomeLabels { outcome })
            .inc();
    }

    pub(crate) fn pass_failed(&self, class: &'static str) {
        self.passes.get_or_create(&ClassLabels { class }).inc();
    }

    pub(crate) fn acted(&self, action: &'static str, outcome: &'static str, took: Duration) {
        self.actions
            .get_or_create(&ActionLabels { action, outcome })
            .inc();
        let times = self
            .action_times
            .get_or_create(&ActionKindLabels { action });
        times.observe(took.as_secs_f64());
    }

    /// A listing ended; with `patience` it came to its end, and the next one does within that time.
    pub(crate) fn polled(&self, kind: &'static str, took: Duration, patience: Option<Duration>) {
        let outcome = if patience.is_some() { "ok" } else { "failed" };
        self.polls
            .get_or_create(&PollLabels { kind, outcome })
            .inc();
        let times = self.poll_times.get_or_create(&KindLabels { kind });
        times.observe(took.as_secs_f64());
        if let Some(patience) = patience {
            self.last_poll.set(unix_time(&self.clock));
            self.health.polled(self.now(), patience);
        }
    }

    pub(crate) fn config_accepted(&self) {
        let outcome = "accepted";
        self.configs.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(crate) fn config_refused(&self) {
        let outcome = "refused";
        self.configs.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Whether what is in VCD is something else than what is in force.
    pub(crate) fn config_in_force(&self, is_in_force: bool) {
        self.config_refused.set(i64::from(!is_in_force));
    }
}

/// How busy a replica is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) known: usize,
    pub(crate) at_work: usize,
    pub(crate) slots: usize,
    pub(crate) window: Option<usize>,
    pub(crate) pause: Duration,
}

impl CallMeter for Meters {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn ended(&self, call: &CallEnd) {
        let labels = CallLabels {
            method: call.method,
            outcome: call.outcome,
            status: u32::from(call.status),
        };
        self.calls.get_or_create(&labels).inc();
        let method = call.method;
        let times = self.call_times.get_or_create(&MethodLabels { method });
        times.observe(call.took.as_secs_f64());
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unix_time(clock: &Clock) -> f64 {
    clock.wall().as_duration().as_secs_f64()
}
