//! Reads that lag behind: entities as a new cell knows them, records as the query service knows them.
//!
//! Flow: a lever takes a copy; while it is there, reads of its kind are answered from it, by putting it in
//! the place of the true state for the time of one request.
//!
//! Invariants:
//! - Writes see the true state always, so a stale read followed by a write ends in a conflict, not in a loss.
//! - Copies are not saved: after a restart all reads are true.

use std::mem;

use http::Method;

use crate::sim::actors::Actors;
use crate::sim::call::Call;
use crate::sim::entities::Entities;
use crate::sim::infra::Infra;
use crate::sim::world::World;

/// What reads are answered from, where it is not the true state.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    pub(super) entities: Option<Entities>,
    pub(super) records: Option<Infra>,
}

/// What kind of read a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Entities,
    Records,
    Other,
}

impl Reads {
    /// Tells by method and path.
    pub(crate) fn of(call: &Call<'_>) -> Self {
        if *call.method != Method::GET {
            return Self::Other;
        }
        match call.path().as_slice() {
            ["cloudapi", _, "entities", ..] => Self::Entities,
            ["api", "query", ..] => Self::Records,
            _ => Self::Other,
        }
    }
}

impl World {
    /// Puts the copy in the place of the true state, and back the second time.
    pub(crate) fn swap_stale(&mut self, reads: Reads) {
        match reads {
            Reads::Entities => {
                if let Some(entities) = &mut self.stale.entities {
                    mem::swap(entities, &mut self.entities);
                }
            }
            Reads::Records => {
                if let Some(records) = &mut self.stale.records {
                    mem::swap(records, &mut self.infra);
                }
            }
            Reads::Other => {}
        }
    }

    /// Lets the query service answer from what is there now.
    pub(super) fn freeze_records(&mut self) {
        let infra = &self.infra;
        // Every field, so that none is forgotten: the query service has records of most of them.
        let copy = Infra {
            rules: infra.rules,
            vdcs: infra.vdcs.clone(),
            networks: infra.networks.clone(),
            catalogs: infra.catalogs.clone(),
            media: infra.media.clone(),
            templates: infra.templates.clone(),
            policies: infra.policies.clone(),
            storage_profiles: infra.storage_profiles.clone(),
            vapps: infra.vapps.clone(),
            vms: infra.vms.clone(),
            disks: infra.disks.clone(),
            busy: infra.busy.clone(),
            actors: Actors::default(),
            macs: infra.macs,
        };
        self.stale.records = Some(copy);
    }
}
