//! VDCs, networks, templates, policies, vApps and VMs.

use super::call::Call;
use super::context::Context;
use super::entities::Entities;
use super::reply::{Problem, Reply};

/// A vApp or VM operation that ends later.
#[derive(Debug)]
pub(crate) enum Due {}

/// All infrastructure of the site.
#[derive(Debug, Default)]
pub(crate) struct Infra {}

/// Answers a request about infrastructure.
pub(crate) fn handle(
    _call: &Call<'_>,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
) -> Result<Reply, Problem> {
    Err(Problem::new(404, "RESOURCE_NOT_FOUND", "No such resource."))
}

/// Lets `due` happen.
pub(crate) fn fire(
    due: Due,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
    _entities: &mut Entities,
) {
    match due {}
}
