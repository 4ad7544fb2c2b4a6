//! The nouns of the system, in reading order: no I/O, no async, no wire attributes.

pub mod claim;
pub mod cluster;
pub mod edit;
pub mod error_class;
pub mod ids;
pub mod marker;
pub mod phase;
pub mod server_config;
pub mod status;
pub mod versioned;
