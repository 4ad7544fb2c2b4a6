//! The nouns of the system: no I/O, no async, no wire attributes.

pub mod error_class;
pub mod ids;
pub mod versioned;
