//! Who works inside the simulated machines: the bootstrap guest and the cluster's own controllers.

pub(crate) mod capvcd;
pub(crate) mod guest;
