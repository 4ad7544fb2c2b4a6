//! What was done, for tests and the demo to judge: effects counted per cluster.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of effects.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// (effect, subject) -> how often it was applied. Effects: `vapp.composed`, `vm.created`,
    /// `vm.powered_on`, `vm.deleted`, `vapp.deleted`, `entity.replaced`, ... ; subject: the marker in
    /// the object's description, or the entity URN.
    #[serde(with = "super::state::pairs")]
    pub(crate) effects: BTreeMap<(Cow<'static, str>, String), u32>,
}

impl History {
    /// Counts one applied effect on `subject`.
    pub(crate) fn count(&mut self, effect: &'static str, subject: &str) {
        *self
            .effects
            .entry((Cow::Borrowed(effect), subject.to_owned()))
            .or_default() += 1;
    }
}
