//! The nouns of the system, in reading order: no I/O, no async, no wire attributes.

pub mod claim;
pub mod cluster;
pub mod components;
pub mod edit;
pub mod error_class;
pub mod ids;
pub mod marker;
pub mod phase;
pub mod secrets;
pub mod server_config;
pub mod site;
pub mod status;
pub mod tkg;
pub mod tree;
pub mod versioned;
