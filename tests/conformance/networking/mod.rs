//! Networks, edge gateways and what they serve.

pub(crate) mod balancers;
pub(crate) mod clusters;
pub(crate) mod gateways;
pub(crate) mod nat;
pub(crate) mod networks;
pub(crate) mod spaces;
mod tenant;
