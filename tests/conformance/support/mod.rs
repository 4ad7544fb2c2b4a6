//! What the cases stand on.

pub(crate) mod bench;
pub(crate) mod legacy;
pub(crate) mod wire;
