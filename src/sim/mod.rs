//! A stateful VCD that can be told to misbehave: the ground that demo, tests and benchmarks stand on.

pub(crate) mod access;
pub(crate) mod actors;
pub(crate) mod call;
pub(crate) mod context;
pub(crate) mod directory;
pub(crate) mod entities;
pub mod history;
pub(crate) mod infra;
pub(crate) mod registry;
pub(crate) mod reply;
pub(crate) mod schedule;
pub(crate) mod tasks;
pub mod timings;
pub mod view;
pub mod world;
pub(crate) mod xml;
