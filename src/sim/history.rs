//! What was done, for tests and the demo to judge: effects counted per cluster.

use std::collections::BTreeMap;

/// Counts of effects.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// (effect, subject) -> how often it was applied. Effects: `vapp.composed`, `vm.created`,
    /// `vm.powered_on`, `vm.deleted`, `vapp.deleted`, `entity.replaced`, ... ; subject: the marker in
    /// the object's description, or the entity URN.
    pub(crate) effects: BTreeMap<(&'static str, String), u32>,
}

impl History {
    /// Counts one applied effect on `subject`.
    pub(crate) fn count(&mut self, effect: &'static str, subject: &str) {
        *self
            .effects
            .entry((effect, subject.to_owned()))
            .or_default() += 1;
    }
}
