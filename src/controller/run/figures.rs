//! What the loop tells about itself: figures for whoever watches, the configuration to its surroundings.
//!
//! Invariants:
//! - Read only: nothing here changes what the replica does.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::warn;

use super::{Hooks, Replica};
use crate::clock::Moment;
use crate::metrics::{ClusterLabels, Load};
use crate::reconcile::sharing::Errand;
use crate::telemetry::event;
use crate::vcd::transport::Transport;

/// Polls that may fail or be late in a row before the last good one is too old.
const LATE_POLLS: u32 = 3;
/// What a poll of a large site may take.
const POLL: Duration = Duration::from_mins(1);

impl<T: Transport> Replica<T> {
    /// Tells a configuration that has come into force, and what of it is left out.
    pub(super) fn tell_settings(&mut self, hooks: &mut impl Hooks) {
        if !std::mem::take(&mut self.is_newly_configured) {
            return;
        }
        let server = &self.deps.server_config;
        for remark in &server.remarks {
            warn!(
                event = event::CONFIG_IGNORED,
                reason = %remark,
                "a part of the server configuration is wrong and left out, the rest is in force"
            );
        }
        hooks.configured(server);
    }

    pub(super) fn count_poll(&self, complete: bool, is_ok: bool, begun: Moment) {
        let kind = if complete { "full" } else { "quick" };
        let took = self.setup.clock.now().since(begun);
        let patience = is_ok.then(|| self.patience());
        self.setup.meters.polled(kind, took, patience);
    }

    /// How long the last good poll counts as fresh.
    fn patience(&self) -> Duration {
        let interval = if self.poller.has_hot_poll() {
            self.times.hot_poll
        } else {
            self.deps.server_config.timers().poll
        };
        interval * LATE_POLLS + POLL
    }

    pub(super) fn show_figures(&self) {
        let active = self.crew.active();
        let mut clusters = BTreeMap::new();
        for (entity, claim, errand) in self.watch.overview() {
            let holder = if active.contains(entity) {
                "this_replica"
            } else if claim.is_free() {
                "nobody"
            } else {
                "other_replica"
            };
            let record = claim.heartbeat.as_ref();
            let labels = ClusterLabels {
                errand: match errand {
                    Errand::Creation => "creation",
                    Errand::Removal => "removal",
                    Errand::Upkeep => "upkeep",
                },
                phase: record.map_or("none", |record| record.phase.as_str()),
                holder,
            };
            *clusters.entry(labels).or_insert(0) += 1;
        }
        let load = Load {
            known: usize::try_from(self.known_clusters).unwrap_or(usize::MAX),
            at_work: self.crew.len(),
            slots: self.setup.slots.total,
            window: self.setup.client.window(),
            pause: self.setup.client.pause(),
        };
        self.setup.meters.see(&clusters, &load);
    }
}
