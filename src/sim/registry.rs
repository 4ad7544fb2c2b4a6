//! Interfaces, entity types and behaviors.

/// Everything registered.
#[derive(Debug, Default)]
pub(crate) struct Registry {}
