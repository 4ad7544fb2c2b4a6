//! The VCD client on real sockets: what goes out, and what each kind of answer becomes.
//!
//! Method: a stand-in server answers one call in one way; no test waits for time to pass except for
//! the short limits it sets itself.

mod entities;
mod estate;
mod failures;
mod infrastructure;
mod lists;
mod login;
mod negotiation;
mod network;
mod offers;
#[cfg(feature = "sim")]
mod simulated;
mod site;
#[cfg(feature = "sim")]
mod tls;
mod vapps;
mod vms;
mod xml_tree;
