//! guest actor.

use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::infra::Infra;

/// Its next step.
#[derive(Debug)]
pub(crate) enum Due {}

/// Lets `due` happen.
pub(crate) fn fire(
    due: Due,
    _ctx: &mut Context<'_>,
    _infra: &mut Infra,
    _entities: &mut Entities,
) {
    match due {}
}
