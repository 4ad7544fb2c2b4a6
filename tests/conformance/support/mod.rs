//! What the cases stand on.

pub(crate) mod bench;
pub(crate) mod legacy;
pub(crate) mod people;
pub(crate) mod rde;
pub(crate) mod wire;
