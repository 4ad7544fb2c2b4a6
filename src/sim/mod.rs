//! A stateful VCD that can be told to misbehave: the ground that demo, tests and benchmarks stand on.

pub(crate) mod actors;
pub(crate) mod call;
pub(crate) mod context;
pub(crate) mod directory;
pub(crate) mod entities;
pub(crate) mod history;
pub(crate) mod infra;
pub(crate) mod registry;
pub(crate) mod reply;
pub(crate) mod schedule;
pub(crate) mod tasks;
pub(crate) mod timings;
pub(crate) mod world;
pub(crate) mod xml;
