//! cse-server: a highly available replacement for the VMware Cloud Director Container Service
//! Extension server.

pub mod clock;
pub mod domain;
pub mod reconcile;
#[cfg(feature = "sim")]
pub mod sim;
pub mod vcd;
