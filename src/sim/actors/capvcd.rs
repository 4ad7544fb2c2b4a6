//! capvcd actor.

/// Its next step.
#[derive(Debug)]
pub(crate) enum Due {}
