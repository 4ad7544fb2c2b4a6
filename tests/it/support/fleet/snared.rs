//! Replicas that are stopped at exactly one call, and told to go without anybody waiting for it.

use super::Fleet;
use crate::support::snare::{Snare, Which};

impl Fleet {
    /// Lays a snare in the way of a replica, which may be started later.
    pub(crate) fn snare(&self, name: &str, which: Which, snare: Snare) {
        self.snares.lay(name, which, snare);
    }

    /// Whether a replica stands still.
    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        let running = self.running.get(name);
        running.is_some_and(|running| *running.frozen.borrow())
    }

    /// Tells a replica to drain, as SIGTERM does; it goes on running until it has.
    pub(crate) fn ask_to_stop(&self, name: &str) {
        self.running[name].stop.cancel();
    }

    /// Whether nobody holds the cluster.
    pub(crate) fn is_let_go(&self, urn: &str) -> bool {
        let holder = self.cluster(urn).holder;
        holder.is_none_or(|holder| holder.is_empty())
    }
}
