//! The simulated VCD: its whole state, and the one door through which requests come in.
//!
//! Flow: `gate` makes a `Call` of a request; the handlers of each area answer from and change the
//! state here; what takes time goes to the schedule and happens in [`World::advance`].
//!
//! Invariants:
//! - Pure: state, request and moment in, response out; no clock, no thread, no socket.
//! - One seed, one history: all chance comes from `rng`, all order from the schedule and B-trees.

use jiff::Timestamp;

use super::context::{Context, new_uuid};
use super::directory::{Directory, Org};
use super::entities::Entities;
use super::history::History;
use super::infra::Infra;
use super::registry::Registry;
use super::schedule::Schedule;
use super::tasks::Tasks;
use super::timings::Timings;
use super::{actors, entities, infra};
use crate::clock::Moment;

/// What the schedule can hold; each area handles its own.
#[derive(Debug)]
pub(crate) enum Due {
    /// A behavior invocation ends.
    Entities(entities::Due),
    /// A vApp or VM operation ends.
    Infra(infra::Due),
    /// A bootstrap guest goes on to its next step.
    Guest(actors::guest::Due),
    /// The in-cluster controllers of a cluster go on to their next step.
    Capvcd(actors::capvcd::Due),
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
    /// An empty site whose hrefs begin with `site`, with the provider's organization System only.
    ///
    /// All chance comes from `seed`. `site` has no trailing slash.
    pub fn new(site: &str, seed: u64, timings: Timings) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut directory = Directory::default();
        let system = Org {
            id: format!("urn:vcloud:org:{}", new_uuid(&mut rng)),
            name: "System".to_owned(),
            full_name: "System".to_owned(),
        };
        directory.orgs.insert(system.id.clone(), system);
        Self {
            site: site.trim_end_matches('/').to_owned(),
            rng,
            timings,
            directory,
            tasks: Tasks::default(),
            schedule: Schedule::default(),
            history: History::default(),
            registry: Registry::default(),
            entities: Entities::default(),
            infra: Infra::default(),
        }
    }

    /// Lets everything happen that is due at `now`, each at its own moment and date.
    pub fn advance(&mut self, now: Moment, wall: Timestamp) {
        while let Some((moment, due)) = self.schedule.take_due(now) {
            let earlier = wall.checked_sub(now.since(moment)).unwrap_or(wall);
            let (mut ctx, _, entities, infra) = self.split(moment, earlier);
            match due {
                Due::Entities(due) => entities::fire(due, &mut ctx, entities),
                Due::Infra(due) => infra::fire(due, &mut ctx, infra, entities),
                Due::Guest(due) => actors::guest::fire(due, &mut ctx, infra, entities),
                Due::Capvcd(due) => actors::capvcd::fire(due, &mut ctx, infra, entities),
            }
        }
    }

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
