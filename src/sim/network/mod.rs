//! Edge gateways and what they serve: load balancers, NAT, IP spaces, certificates.
//!
//! Source: VCD `OpenAPI`, networking.

use serde::{Deserialize, Serialize};

use super::call::Call;
use super::context::Context;
use super::infra::Infra;
use super::reply::{Problem, Reply};

/// All networking services of the site.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Services {}

/// A change that ends now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {}

/// Answers a request of the networking paths.
pub(crate) fn handle(
    _call: &Call<'_>,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
    _services: &mut Services,
) -> Result<Reply, Problem> {
    Err(Problem::no_such_url())
}

/// Lets a change end.
pub(crate) fn fire(
    _due: Due,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
    _services: &mut Services,
) {
}
