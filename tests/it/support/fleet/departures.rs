//! Replicas that come and go while nobody waits for them.

use super::Fleet;

impl Fleet {
    /// Names of the replicas that run, frozen ones included.
    pub(crate) fn running(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// Whether a replica of this name runs.
    pub(crate) fn runs(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    /// Tells a replica to drain, as SIGTERM does, and does not wait for its end.
    pub(crate) fn terminate(&mut self, name: &str) {
        let running = self.running.remove(name).unwrap();
        running.stop.cancel();
        self.leaving.insert(name.to_owned(), running);
    }

    /// Starts a replica as a service manager does: only one of the name runs at a time, so one that still
    /// drains is killed before.
    pub(crate) async fn restart(&mut self, name: &str) {
        if let Some(leaving) = self.leaving.remove(name) {
            leaving.task.abort();
            // Ended or not makes no difference: its claims are proven to be nobody's.
            drop(leaving.task.await);
            let dead = self.dead.entry(name.to_owned()).or_default();
            dead.insert(0, leaving.me);
        }
        self.start(name);
    }
}
