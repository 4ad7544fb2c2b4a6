//! What tests share: a small site to talk to.

pub(crate) mod site;
