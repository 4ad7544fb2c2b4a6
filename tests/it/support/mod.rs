//! What tests share: a small site to talk to, and a fleet of replicas on virtual time.

pub(crate) mod bootstrap;
pub(crate) mod client;
pub(crate) mod fleet;
mod frozen;
pub(crate) mod lab;
mod lawful;
pub(crate) mod life;
pub(crate) mod original;
pub(crate) mod process;
pub(crate) mod serving;
pub(crate) mod site;
pub(crate) mod snare;
pub(crate) mod systemd;
pub(crate) mod vcd;
pub(crate) mod versions;
pub(crate) mod xml;
