//! Hooks: behaviors that a type binds to moments in the life of its entities.
//!
//! Invariants:
//! - A hook belongs to one of the interfaces that its type implements; access levels do not count for it.
//!
//! Not here: what follows from the outcome of a hook (`life`), how a behavior runs (`behaviors`).
//! Source: VCD `OpenAPI` 37.2, `hooks` of entity types; life-cycle hooks of runtime defined entities.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sim::registry::{Behavior, Registry};

/// A moment to which a behavior can be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hook {
    PreCreate,
    PostCreate,
    PostUpdate,
    PreDelete,
    PostDelete,
}

impl Hook {
    /// All of them, in the order of an entity's life.
    pub(crate) const ALL: [Self; 5] = [
        Self::PreCreate,
        Self::PostCreate,
        Self::PostUpdate,
        Self::PreDelete,
        Self::PostDelete,
    ];

    /// As the type's `hooks` spell it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PreCreate => "PreCreate",
            Self::PostCreate => "PostCreate",
            Self::PostUpdate => "PostUpdate",
            Self::PreDelete => "PreDelete",
            Self::PostDelete => "PostDelete",
        }
    }

    /// The behavior that the type `type_urn` binds to this moment.
    pub(super) fn behavior<'r>(
        self,
        type_urn: &str,
        registry: &'r Registry,
    ) -> Option<&'r Behavior> {
        let found = registry.types.get(type_urn)?;
        let bound = found.definition.hooks.as_ref()?.get(self.name())?;
        let bound = bound.as_str()?;
        found
            .overrides
            .get(bound)
            .or_else(|| registry.behavior(bound))
    }
}

/// The first thing wrong with the `hooks` of a type that implements `interfaces`.
pub(crate) fn objection(
    hooks: &Value,
    interfaces: &[String],
    registry: &Registry,
) -> Option<String> {
    let Value::Object(hooks) = hooks else {
        return Some("hooks is no object".to_owned());
    };
    let wrong = |(name, behavior): (&String, &Value)| {
        if !Hook::ALL.iter().any(|hook| hook.name() == name) {
            return Some(format!("There is no hook {name}."));
        }
        let behavior = behavior.as_str().unwrap_or_default();
        let mut implemented = interfaces
            .iter()
            .filter_map(|id| registry.interfaces.get(id));
        let known = implemented.any(|interface| interface.behaviors.contains_key(behavior));
        (!known).then(|| {
            format!(
                "The behavior {behavior} of {name} is of no interface that the type implements."
            )
        })
    };
    hooks.iter().find_map(wrong)
}
