//! What the cases stand on.

pub(crate) mod bench;
pub(crate) mod wire;
