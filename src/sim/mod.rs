//! A stateful VCD that can be told to misbehave: the ground that demo, tests and benchmarks stand on.

pub(crate) mod access;
pub(crate) mod actors;
pub(crate) mod auth;
pub(crate) mod call;
pub(crate) mod context;
pub mod control;
pub(crate) mod directory;
pub(crate) mod entities;
pub mod faults;
pub(crate) mod fiql;
pub(crate) mod gate;
pub mod history;
pub(crate) mod infra;
pub(crate) mod paging;
pub(crate) mod registry;
pub(crate) mod reply;
pub(crate) mod rights;
pub(crate) mod schedule;
pub mod seed;
pub mod server;
pub(crate) mod task_api;
pub(crate) mod tasks;
pub mod timings;
pub mod transport;
pub(crate) mod versions;
pub mod view;
pub mod world;
pub(crate) mod xml;

pub use self::auth::SessionLimits;
pub use self::context::Settings;
pub use self::infra::view::VmView;
