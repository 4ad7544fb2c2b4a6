//! The nouns of the system: no I/O, no async, no wire attributes.

pub mod cluster;
pub mod ids;
pub mod phase;
pub mod server_config;
pub mod versioned;
