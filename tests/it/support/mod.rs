//! What the scenarios share.

pub mod fleet;
