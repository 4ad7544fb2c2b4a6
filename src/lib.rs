//! cse-server: a highly available replacement for the VMware Cloud Director Container Service
//! Extension server.

pub mod bootstrap;
pub mod clock;
pub mod domain;
#[cfg(feature = "sim")]
pub mod sim;
pub mod vcd;
pub mod yaml;
