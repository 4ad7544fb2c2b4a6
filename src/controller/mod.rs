//! The shell: one file per arrow of the flow, with little logic each.
//!
//! Flow: poll -> observe -> decide (`reconcile`) -> claim -> act -> record.
//!
//! Invariants:
//! - A replica keeps nothing that another one, or its own successor, would need.
//! - Everything is bounded: clusters at work, pages, looks, waits, re-reads.
//!
//! Not here: decisions (`reconcile`), HTTP (`vcd`), start-up and exit codes (`cli`).

mod act;
mod claim;
mod claiming;
mod day_two;
mod deletion;
mod deletion_document;
mod deletion_record;
mod document;
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
    /// PEM certificates that VCD's certificate is checked with, for the bootstrap VM.
    pub(crate) site_authorities: Vec<String>,
}
