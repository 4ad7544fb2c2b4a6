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

mod addresses;
mod balancer_api;
mod certificate_api;
mod changes;
mod desk;
mod engine_api;
mod firewall_api;
mod gateway_api;
pub(crate) mod inside;
mod kinds;
pub(crate) mod model;
mod nat;
mod nat_api;
mod network_api;
pub(crate) mod networks;
pub(crate) mod objects;
mod pools;
mod profile_api;
mod profiles;
mod rules;
mod space_api;
mod spaces;
pub(crate) mod specs;
#[cfg(test)]
mod tests;
mod virtual_services;

pub(crate) use changes::{Due, fire};
pub(crate) use desk::right;
pub(crate) use model::Services;

use desk::Desk;

use super::call::Call;
use super::context::Context;
use super::infra::Infra;
use super::reply::{Problem, Reply};

/// Answers a request of the networking paths.
///
/// # Errors
/// The refusal VCD gives: 403 for what is not permitted or not there, 400 for what does not fit.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    services: &mut Services,
) -> Result<Reply, Problem> {
    let path = call.path();
    let mut desk = Desk {
        call,
        ctx,
        infra,
        services,
    };
    let ["cloudapi", _, area, rest @ ..] = path.as_slice() else {
        return Err(Problem::no_such_url());
    };
    match (*area, rest) {
        ("edgeGateways", rest) => gateway_api::handle(&mut desk, rest),
        ("orgVdcNetworks", rest) => network_api::handle(&mut desk, rest),
        ("loadBalancer", ["pools", rest @ ..]) => balancer_api::pools(&mut desk, rest),
        ("loadBalancer", ["virtualServices", rest @ ..]) => {
            balancer_api::virtual_services(&mut desk, rest)
        }
        ("loadBalancer", ["serviceEngineGroups", rest @ ..]) => engine_api::handle(&desk, rest),
        ("applicationPortProfiles", rest) => profile_api::handle(&mut desk, rest),
        ("ipSpaces", rest) => space_api::handle(&mut desk, rest),
        ("firewallGroups", rest) => firewall_api::groups(&desk, rest),
        ("ssl", rest) => certificate_api::handle(&mut desk, rest),
        _ => Err(Problem::no_such_url()),
    }
}
