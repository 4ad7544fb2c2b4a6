//! Until when a holder may change anything: checked right before each request that does, not once per effect.
//!
//! Flow: who holds a claim extends the fence with every acknowledged write; a client that was made with it sends
//! nothing but reads when it is closed.
//!
//! Invariants:
//! - An effect of several requests that stands still between two of them, because the process or its host does,
//!   does not go on when somebody else may have taken over.
//! - A fence narrows the window; it is not what claims are safe by.
//!
//! Source: claim protocol, rule R9 and invariant I8.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, Moment};

/// Shared by a holder and the clients it acts through.
#[derive(Clone, Debug)]
pub struct Fence {
    clock: Clock,
    until: Arc<Mutex<Moment>>,
}

impl Fence {
    /// Open until `until`.
    pub fn new(clock: Clock, until: Moment) -> Self {
        let until = Arc::new(Mutex::new(until));
        Self { clock, until }
    }

    /// Open until `until`, or closed when that is over.
    pub fn set(&self, until: Moment) {
        *self.until() = until;
    }

    /// Whether nothing may be changed any more.
    pub fn is_closed(&self) -> bool {
        self.clock.now() > *self.until()
    }

    fn until(&self) -> MutexGuard<'_, Moment> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
