//! What a service manager would see of a replica: when it gave signs of life.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cse_server::clock::{Clock, Moment};
use cse_server::controller::run::Hooks;
use cse_server::domain::server_config::ServerConfig;

/// Moments of all signs of life, of every replica that writes here.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Mutex<Vec<Moment>>>);

impl Life {
    /// Hooks that write down the time of `clock`.
    pub(crate) fn at(&self, clock: Clock) -> Witness {
        Witness {
            life: self.clone(),
            clock,
        }
    }

    /// How many signs there were, and the longest time between two.
    pub(crate) fn signs(&self) -> (usize, Duration) {
        let moments = self.0.lock().unwrap();
        let gaps = moments.windows(2).map(|pair| pair[1].since(pair[0]));
        (moments.len(), gaps.max().unwrap_or_default())
    }
}

/// The hooks of one replica.
pub(crate) struct Witness {
    life: Life,
    clock: Clock,
}

impl Witness {
    fn sign(&self) {
        self.life.0.lock().unwrap().push(self.clock.now());
    }
}

impl Hooks for Witness {
    fn ready(&mut self, _status: &str) {
        self.sign();
    }

    fn progress(&mut self, _status: &str) {
        self.sign();
    }

    fn waiting(&mut self) {
        self.sign();
    }

    fn stopping(&mut self, _status: &str) {
        self.sign();
    }

    fn configured(&mut self, _server: &ServerConfig) {}
}
