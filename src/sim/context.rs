//! What every handler of the simulator may use besides the state of its own area.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::auth::Sessions;
use super::choices::{
    InvalidRewrite, RestrictedWrites, UnresolvableRewrite, UnresolvedDeletion, UnversionedAccept,
};
use super::directory::Directory;
use super::history::History;
use super::schedule::Schedule;
use super::tasks::{Reference, Starter, Task, TaskState, Tasks};
use super::timings::Timings;
use super::world::Due;
use crate::clock::Moment;

/// Switches where sites differ or documents leave it open.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a behavior may be invoked on a resolved entity only.
    ///
    /// VCD's documents say so. Yet the CSE server has to read the API token of a new cluster, and
    /// resolves the cluster only when it is finished, so the sites it runs on permit it. Off by
    /// default; on, it shows how a server copes with the documented rule.
    pub behaviors_need_resolution: bool,
    /// What a `PUT` makes of an entity whose resolution failed.
    pub unresolvable_rewrite: UnresolvableRewrite,
    /// What happens to a `PUT` that makes a resolved entity invalid.
    pub invalid_rewrite: InvalidRewrite,
    /// What happens to a `DELETE` of an entity that was never resolved.
    pub unresolved_deletion: UnresolvedDeletion,
    /// Whether `invokeHooks=false` deletes an entity that was never resolved, too.
    pub unhooked_deletion_of_unresolved: bool,
    /// Whether an entity that a `PUT` set to `IN_DELETION` goes by itself. Else it waits for a `DELETE`.
    pub marked_entities_go: bool,
    /// Whether the `ETag` of an entity comes without quotes. Both spellings are taken back.
    pub bare_etags: bool,
    /// Whether `If-Match: *` is refused as stale.
    pub wildcard_tag_is_stale: bool,
    /// What happens to restricted fields that a writer without full control sends.
    pub restricted_writes: RestrictedWrites,
    /// Whether a provider without tenant context lists the entities of its own organization only, as
    /// documented. Off, administrator rights reach those of all organizations: the CSE server finds the
    /// clusters of all tenants that way.
    pub providers_list_own_org_only: bool,
    /// Whether grants on an entity of one tenant mean nothing to another tenant.
    pub tenancy_barrier: bool,
    /// Whether a grant on an entity type counts as one on each of its entities.
    pub type_grants_open_entities: bool,
    /// Whether a behavior without an access level of its own can be invoked by nobody, as documented.
    /// Off, full control suffices.
    pub ungoverned_behaviors_are_closed: bool,
    /// Whether entities have dates from API 39.0 on. Off, from 38.0 on, where masks begin.
    pub entities_are_dated_late: bool,
    /// Whether lists of entities can be filtered and sorted by `owner` and `org`, by name and by id.
    pub lists_filter_by_owner: bool,
    /// Whether an interface counts as in use only once a type that implements it has entities.
    pub interfaces_free_until_entities: bool,
    /// Whether a page size above the limit is cut to it. Off, it is a 400.
    pub oversized_pages_are_cut: bool,
    /// The version an `Accept` header without one is answered in.
    pub unversioned_accept: UnversionedAccept,
    /// Whether a wrong API token is 401. Off, it is 400, as the standard has it.
    pub invalid_grant_is_unauthorized: bool,
    /// Whether `expires_in` of an access token is the idle time of its session. Off, it is 30 days, as
    /// the vendor's examples show.
    pub tokens_tell_idle_time: bool,
    /// Whether a tenant that names another organization as its context stays in its own. Off, it is 403.
    pub foreign_context_is_ignored: bool,
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
    /// Whether CAPVCD tells no events of a cluster any more whose infrastructure is there, as releases up to
    /// 1.3.2 do.
    pub controllers_skip_events: bool,
    /// Whether an upgrade rolls workers while it still rolls the control plane.
    pub workers_upgrade_at_once: bool,
    /// Whether node pools and health checks stay that the manifests name no more.
    pub projector_never_prunes: bool,
    /// Whether an empty vApp is busy until the task that composes it ends. Off: CAPVCD changes its
    /// networks at once, without a look at that task.
    pub empty_vapps_compose_busily: bool,
    /// Whether CPUs and memory of a running VM change although hot-add is off. Off, that is 400.
    pub hardware_changes_while_on: bool,
    /// Whether a disk that another VM has is accepted for attaching, and the task fails. Off, it is 400
    /// at once.
    pub attached_disks_fail_late: bool,
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
