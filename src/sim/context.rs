//! What every handler of the simulator may use besides the state of its own area.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::auth::Sessions;
use super::directory::Directory;
use super::history::History;
use super::schedule::Schedule;
use super::tasks::{Reference, Starter, Task, TaskState, Tasks};
use super::timings::Timings;
use super::world::Due;
use crate::clock::Moment;

/// Switches where sites differ or documents leave it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a behavior may be invoked on a resolved entity only.
    ///
    /// VCD's documents say so. Yet the CSE server has to read the API token of a new cluster, and
    /// resolves the cluster only when it is finished, so the sites it runs on permit it. Off by
    /// default; on, it shows how a server copes with the documented rule.
    pub behaviors_need_resolution: bool,
}

/// The shared parts of the world, lent to one handler for one request or one due event.
pub(crate) struct Context<'a> {
    pub(crate) now: Moment,
    pub(crate) wall: Timestamp,
    /// Base URL that goes into every href, such as `https://127.0.0.1:8443`; no trailing slash.
    pub(crate) site: &'a str,
    pub(crate) rng: &'a mut fastrand::Rng,
    pub(crate) timings: &'a Timings,
    pub(crate) settings: &'a Settings,
    pub(crate) directory: &'a mut Directory,
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) tasks: &'a mut Tasks,
    pub(crate) schedule: &'a mut Schedule<Due>,
    pub(crate) history: &'a mut History,
}

impl Context<'_> {
    /// A fresh bare UUID from the seed.
    pub(crate) fn uuid(&mut self) -> String {
        new_uuid(self.rng).to_string()
    }

    /// Starts a task on `owner` and returns its bare UUID. Whoever starts it puts the event that ends it
    /// into the schedule. `operation` is its name and its sentence for people.
    pub(crate) fn start_task(
        &mut self,
        starter: &Starter,
        operation: (&'static str, String),
        owner: Reference,
    ) -> String {
        let uuid = self.uuid();
        let org_name = self.directory.org_name(&starter.org_id).unwrap_or_default();
        self.tasks.add(Task {
            uuid: uuid.clone(),
            operation_name: operation.0.into(),
            operation: operation.1,
            owner,
            user: starter.user(self.site),
            org: Reference::org(self.site, (&starter.org_id, org_name)),
            started: self.wall,
            ended: None,
            request_id: starter.request_id.clone(),
            state: TaskState::Running { progress: 1 },
        });
        uuid
    }
}

/// A version-4 UUID from the world's seed.
pub(crate) fn new_uuid(rng: &mut fastrand::Rng) -> Uuid {
    Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
}
