//! What happens later: due moments in order, without a thread or a timer.
//!
//! Flow: handlers put an event at a moment; `World::advance` takes out what is due before it answers.
//!
//! Invariants:
//! - Events come out by due moment, then in the order they were put in, so one seed gives one history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// Events waiting for their moment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub(crate) struct Schedule<E> {
    #[serde(with = "super::state::pairs")]
    waiting: BTreeMap<(Moment, u64), E>,
    put_in: u64,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            put_in: 0,
        }
    }
}

impl<E> Schedule<E> {
    /// Lets `event` happen at `due`.
    pub(crate) fn put(&mut self, due: Moment, event: E) {
        self.waiting.insert((due, self.put_in), event);
        self.put_in += 1;
    }

    /// Takes back the events that `which` says no to.
    pub(crate) fn retain(&mut self, which: impl Fn(&E) -> bool) {
        self.waiting.retain(|_, event| which(event));
    }

    /// Takes back the earliest event that `which` says yes to.
    pub(crate) fn take_first(&mut self, which: impl Fn(&E) -> bool) -> Option<E> {
        let mut waiting = self.waiting.iter();
        let (key, _) = waiting.find(|(_, event)| which(event))?;
        let key = *key;
        self.waiting.remove(&key)
    }

    /// Takes the earliest event due at or before `now`, with its own moment.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<(Moment, E)> {
        let entry = self.waiting.first_entry()?;
        let (due, _) = *entry.key();
        (due <= now).then(|| (due, entry.remove()))
    }
}
