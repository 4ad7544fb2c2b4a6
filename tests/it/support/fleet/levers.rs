//! Levers of the simulated site, spelled as its control API does.

use cse_server::sim::levers::{Action, Lever, LeverError};
use serde_json::Value;

use super::Fleet;

impl Fleet {
    /// Pulls a lever that is there; what it answers.
    pub(crate) fn pull(&self, action: &Value) -> Value {
        self.try_pull(action)
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// Pulls a lever that may be about something that is not there.
    pub(crate) fn try_pull(&self, action: &Value) -> Result<Value, LeverError> {
        let action: Action = serde_json::from_value(action.clone()).unwrap();
        let at = (self.clock.now(), self.clock.wall());
        let mut world = self.world();
        let mut lever = Lever {
            world: &mut world,
            faults: &self.faults,
            at,
        };
        lever.pull(&action)
    }
}
