//! What tests share: a small site to talk to.

pub(crate) mod bootstrap;
pub(crate) mod lab;
pub(crate) mod site;
pub(crate) mod xml;
