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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Whether a behavior may be invoked on a resolved entity only.
    ///
    /// VCD's documents say so. Yet the CSE server has to read the API token of a new cluster, and
    /// resolves the cluster only when it is finished, so the sites it runs on permit it. Off by
    /// default; on, it shows how a server copes with the documented rule.
    pub behaviors_need_resolution: bool,
    /// Whether a pool member counts as up although no powered-on machine behind the gateway has its
    /// address. Off: the service engines see nobody there.
    pub pool_members_need_no_machine: bool,
    /// Whether a pool or virtual service stays out of lists while the task that creates it runs. Off:
    /// it is listed as `PENDING`, and its name is taken.
    pub new_balancers_are_hidden: bool,
    /// Whether an edge gateway says `REALIZED` while a task changes it, instead of `CONFIGURING`.
    pub busy_gateways_stay_realized: bool,
    /// Whether two NAT rules of a gateway may not have one name. go-vcloud-director says that they may.
    pub nat_rule_names_are_unique: bool,
    /// Whether an address that is in use, or marked so, can be given back to its IP space.
    pub used_addresses_are_released: bool,
    /// Whether networking objects that are not there give 404, as some documents have it, and not 403.
    pub missing_network_objects_are_404: bool,
    /// Whether two virtual services of a gateway may not share an address, as before VCD 10.4.
    pub virtual_addresses_are_exclusive: bool,
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
