//! Setting a VCD up for Kubernetes clusters: what has to be there, what is there, what is done about it.
//!
//! Flow: [`read`] looks at the site, [`plan()`] compares it with [`objects`] and gives a list of [`Step`]s,
//! [`apply`] carries one out. The next run looks again: a run that broke off is taken up where it ended.
//!
//! Invariants:
//! - Things are added: rights, types, policies, keys. Nothing is removed, renamed or lowered, and what the
//!   plan does not know is in no request.
//! - A step that would overwrite (the configuration entity) spends the tag of the read it was planned on.
//!
//! Not here: the command (`cli::init`), the wire (`vcd::registry`, `vcd::right_sets`).
//! Source: CSE 4.2 set-up guide of the Terraform provider for VCD; server configuration wizard of CSE 4.2.

pub mod apply;
pub mod config;
pub mod objects;
mod plan;
pub mod read;

pub use plan::{Audience, Line, Mark, Plan, Step, Wanted, plan};
