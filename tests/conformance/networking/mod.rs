//! Networks, edge gateways and what they serve.

#![expect(
    clippy::too_many_lines,
    reason = "the functions are lists of facts, each short"
)]

pub(crate) mod balancers;
pub(crate) mod clusters;
pub(crate) mod gateways;
pub(crate) mod nat;
pub(crate) mod networks;
pub(crate) mod spaces;
mod tenant;
