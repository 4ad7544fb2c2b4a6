//! The simulated VCD: its whole state, and the one door through which requests come in.
//!
//! Flow: `gate` makes a `Call` of a request; the handlers of each area answer from and change the
//! state here; what takes time goes to the schedule and happens in [`World::advance`].
//!
//! Invariants:
//! - Pure: state, request and moment in, response out; no clock, no thread, no socket.
//! - One seed, one history: all chance comes from `rng`, all order from the schedule and B-trees.

use jiff::Timestamp;

use super::context::Context;
use super::directory::Directory;
use super::entities::Entities;
use super::history::History;
use super::infra::Infra;
use super::registry::Registry;
use super::schedule::Schedule;
use super::tasks::Tasks;
use super::timings::Timings;
use crate::clock::Moment;

/// What the schedule can hold; each area handles its own.
#[derive(Debug)]
pub(crate) enum Due {
    /// A behavior invocation ends.
    Entities(super::entities::Due),
    /// A vApp or VM operation ends.
    Infra(super::infra::Due),
    /// A bootstrap guest goes on to its next step.
    Guest(super::actors::guest::Due),
    /// The in-cluster controllers of a cluster go on to their next step.
    Capvcd(super::actors::capvcd::Due),
}

/// A whole VCD site.
#[derive(Debug)]
pub struct World {
    pub(crate) site: String,
    pub(crate) rng: fastrand::Rng,
    pub(crate) timings: Timings,
    pub(crate) directory: Directory,
    pub(crate) tasks: Tasks,
    pub(crate) schedule: Schedule<Due>,
    pub(crate) history: History,
    pub(crate) registry: Registry,
    pub(crate) entities: Entities,
    pub(crate) infra: Infra,
}

impl World {
    /// Lends the shared parts to a handler, beside the three areas it may also need.
    pub(crate) fn split(
        &mut self,
        now: Moment,
        wall: Timestamp,
    ) -> (Context<'_>, &mut Registry, &mut Entities, &mut Infra) {
        let context = Context {
            now,
            wall,
            site: &self.site,
            rng: &mut self.rng,
            timings: &self.timings,
            directory: &mut self.directory,
            tasks: &mut self.tasks,
            schedule: &mut self.schedule,
            history: &mut self.history,
        };
        (
            context,
            &mut self.registry,
            &mut self.entities,
            &mut self.infra,
        )
    }
}
