//! Whether the replica lives and is of use, as seen from beside its loop.
//!
//! Invariants:
//! - Life signs are those that feed systemd's watchdog: whoever reports them has just seen progress.
//! - Ready means: every cluster was seen once, and the last poll that came to its end is young enough.
//!
//! Not here: what is done about it (systemd, a load balancer, an alert).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// Longest time without a life sign; as `WatchdogSec=` of the unit.
const LIFE: Duration = Duration::from_secs(30);

/// What is known about the loop.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    alive: Option<Moment>,
    polled: Option<(Moment, Duration)>,
    is_ready: bool,
    is_stopping: bool,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop has just made progress.
    pub fn alive(&self, now: Moment) {
        self.state().alive = Some(now);
    }

    /// A poll came to its end; the next is due within `patience`.
    pub fn polled(&self, now: Moment, patience: Duration) {
        self.state().polled = Some((now, patience));
    }

    /// Every cluster was seen once.
    pub fn ready(&self) {
        self.state().is_ready = true;
    }

    /// Nothing new is begun any more.
    pub fn stopping(&self) {
        self.state().is_stopping = true;
    }

    /// Whether the loop makes progress.
    ///
    /// # Errors
    /// Since when it does not, in words.
    pub fn live(&self, now: Moment) -> Result<(), String> {
        match self.state().alive {
            // Start-up is watched by systemd's own time limit.
            None => Ok(()),
            Some(alive) if now.since(alive) <= LIFE => Ok(()),
            Some(alive) => Err(format!(
                "the loop has made no progress for {} s",
                now.since(alive).as_secs()
            )),
        }
    }

    /// Whether the replica is of use.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub fn useful(&self, now: Moment) -> Result<(), String> {
        self.live(now)?;
        let state = self.state();
        match state.polled {
            _ if state.is_stopping => Err("draining".to_owned()),
            Some((at, patience)) if state.is_ready && now.since(at) <= patience => Ok(()),
            Some((at, _)) if state.is_ready => Err(format!(
                "the clusters were last listed {} s ago",
                now.since(at).as_secs()
            )),
            Some(_) | None => Err("starting: the clusters are not listed yet".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment::from_origin(Duration::from_secs(secs))
    }

    #[test]
    fn a_replica_is_of_use_between_its_first_listing_and_its_drain_while_polls_are_young() {
        let health = Health::default();
        let words = |now| (health.live(at(now)).err(), health.useful(at(now)).err());
        let starting = Some("starting: the clusters are not listed yet".to_owned());
        assert_eq!(
            words(500),
            (None, starting.clone()),
            "start-up may take its time"
        );
        health.alive(at(500));
        health.polled(at(500), Duration::from_secs(90));
        assert_eq!(words(501), (None, starting), "a part of the clusters");
        health.ready();
        assert_eq!(words(530), (None, None));
        let stuck = Some("the loop has made no progress for 31 s".to_owned());
        assert_eq!(words(531), (stuck.clone(), stuck));
        health.alive(at(591));
        let old = Some("the clusters were last listed 91 s ago".to_owned());
        assert_eq!(words(591), (None, old));
        health.polled(at(591), Duration::from_secs(90));
        assert_eq!(words(592), (None, None));
        health.stopping();
        assert_eq!(words(592), (None, Some("draining".to_owned())));
    }
}
