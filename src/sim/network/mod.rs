//! Edge gateways and what they serve: load balancers, NAT, IP spaces, certificates.
//!
//! Flow: [`handle`] answers requests of the networking paths; what takes time becomes a task and a
//! [`Due`] in the schedule, and happens in [`fire`]. In-cluster controllers go through [`inside`].
//!
//! Invariants:
//! - The effect of a task happens at its end; until then its gateway is busy and refuses other work.
//! - What a caller may not see and what does not exist answer alike.
//!
//! Not here: machines and the addresses they have in a network (`sim::infra`).
//! Source: VCD `OpenAPI`, networking; go-vcloud-director, CAPVCD and the VCD cloud provider.

#![expect(
    dead_code,
    reason = "the endpoints that use the rest are not there yet"
)]

mod addresses;
mod changes;
pub(crate) mod inside;
mod kinds;
pub(crate) mod model;
mod nat;
pub(crate) mod networks;
pub(crate) mod objects;
mod pools;
mod profiles;
mod rules;
mod spaces;
pub(crate) mod specs;
mod virtual_services;

pub(crate) use changes::{Due, fire};
pub(crate) use model::Services;

use super::call::Call;
use super::context::Context;
use super::infra::Infra;
use super::reply::{Problem, Reply};

/// Answers a request of the networking paths.
pub(crate) fn handle(
    _call: &Call<'_>,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
    _services: &mut Services,
) -> Result<Reply, Problem> {
    Err(Problem::no_such_url())
}
