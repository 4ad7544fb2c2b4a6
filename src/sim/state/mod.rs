//! The whole world in a file: what a simulator goes on from after a restart, or on another machine.

pub(crate) mod pairs;
pub(crate) mod rng;
pub(crate) mod secret;
