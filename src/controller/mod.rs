//! The shell: one file per arrow of the flow, with little logic each.
//!
//! Flow: poll -> observe -> decide (`reconcile`) -> claim -> act -> record.
//!
//! Invariants:
//! - A replica keeps nothing that another one, or its own successor, would need.
//! - Everything is bounded: clusters at work, pages, looks, waits, re-reads.
//!
//! # The rules of the claim protocol, and where each one lives
//!
//! | Rule | Where |
//! |---|---|
//! | the record in keys that typed clients keep | `domain::claim`, `document` |
//! | times, their bounds, profiles | `reconcile::policy::ClaimTimes`, `settings` |
//! | free, mine, inherited, silent | `reconcile::claimable`, `watch` |
//! | R1 intent before the first effect of a phase | the claim itself writes the phase (`claiming`); every later phase is a commit of its own (`record`) |
//! | R2 deterministic names, R3 marker in the create call, R4 off until committed, R5 into the vApp's id | `act`, `reconcile::create` |
//! | R6 delete by id | `act`, `reconcile::teardown`, `reconcile::removal` |
//! | R7 sweep of older and uncommitted objects, R8 incarnation raised when a commit is dropped | `reconcile::create` |
//! | R9 no effect without a young acknowledged write | `reconcile::policy::Policy::admits_effect`; a call waits for its place for less than the margin (`vcd::pacing`) |
//! | R10 a look after each create | the commit of the new id is that look: it is refused when somebody else has written; then the own vApp is taken back (`workflow`) |
//! | R11 quarantine, a last look, `If-Match` on the deletion | `reconcile::delete`, `claim` |
//! | R12 running tasks of the parent before a create is repeated | for a VM the tasks in its vApp (busy: wait); a vApp is in the listing from the moment VCD accepts its composition, and its twin is swept (R7) |
//! | nobody claims for a term after a record went back in time | `watch`; the epoch goes above every one seen (`claiming`) |
//! | hand-over on SIGTERM: effects end, then the release | `workflow`, `crew` |
//! | own claims at once after a restart | `cli` with `state_dir`, `reconcile::claimable` |
//! | batches, slots, shares, modesty after a start | `run`, `reconcile::sharing` |
//! | window of calls, pauses that VCD asks for | `vcd::pacing` |
//! | connections of their own for pages of listings | `vcd::http` |
//! | looks at tasks every 2 to 15 s | `reconcile::backoff` |
//! | lost holders of running clusters, seen by the quick poll | `poll` |
//!
//! Three things of the plan are left out. The quarantine does not grow with the longest task queue seen: an
//! object is visible from the moment VCD accepts the request, however long its task waits, so what has to
//! be waited for is the request alone. No replica stops work it holds for a term after a rollback: its
//! next write tells it that the claim is lost, and until then R9 bounds what it does. And tasks are read one by
//! one, not in batches of an organization: each belongs to the owner of a cluster, whose own token reads it, and
//! the query that lists several runs behind.
//!
//! Not here: decisions (`reconcile`), HTTP (`vcd`), start-up and exit codes (`cli`).

mod act;
mod at_hand;
mod claim;
mod claiming;
mod crew;
mod day_two;
mod deletion;
mod deletion_document;
mod deletion_record;
pub(crate) mod document;
pub mod estate;
mod evidence;
mod guest;
mod history;
mod housekeeping;
mod known;
mod listed;
mod memory;
mod observe;
pub mod orphans;
pub mod poll;
mod preflight;
mod record;
mod repair;
pub mod run;
pub mod settings;
mod tenant;
mod user_data;
mod watch;
mod workflow;

use std::sync::Arc;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::server_config::ServerConfig;
use crate::metrics::Meters;
use crate::reconcile::claimable::Identity;
use crate::reconcile::policy::Policy;
use crate::vcd::VcdClient;
use crate::vcd::transport::Transport;

/// What every workflow of a replica shares; replaced as a whole when the shared configuration changes.
pub(crate) struct Deps<T: Transport> {
    /// The service account's client.
    pub(crate) client: VcdClient<T>,
    pub(crate) clock: Clock,
    pub(crate) chance: Arc<Chance>,
    pub(crate) policy: Policy,
    pub(crate) identity: Identity,
    /// `vcdKeInstanceId`.
    pub(crate) instance: String,
    pub(crate) server_config: Arc<ServerConfig>,
    pub(crate) meters: Arc<Meters>,
    /// PEM certificates that VCD's certificate is checked with, for the bootstrap VM.
    pub(crate) site_authorities: Vec<String>,
}
