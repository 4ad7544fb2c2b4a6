//! How components write into the entity: read, change, write back with the version read, and try again
//! when somebody else was faster.
//!
//! Flow: [`Desk::put`] queues edits -> [`begin`] reads the entity -> some time later [`finish`] writes, if
//! the entity is still the one that was read -> the next edit.
//!
//! Invariants:
//! - Each component is a process of its own: its edits come one after the other, those of different
//!   components race, and all of them race with every server.
//! - Nobody waits for ever: after some attempts an edit is lost without a word.
//! - Nothing is written without a `status` that somebody else has put there, and nothing that would
//!   change nothing.
//!
//! Source: CAPVCD `PatchRDE` (10 attempts), CPI `RDEManager` (9 attempts).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::capvcd;
use super::cluster::Cluster;
use super::sections::{Component, Edit, edited};
use crate::sim::context::Context;
use crate::sim::entities::{Entities, Entity, RdeState};
use crate::sim::world;

/// Attempts for a whole status.
const STATUS_ATTEMPTS: u32 = 10;
/// Attempts for an entry of a set.
const ENTRY_ATTEMPTS: u32 = 9;

/// What all components of a cluster have to write.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Desk {
    writers: BTreeMap<Component, Writer>,
    /// Writes that came too late, because the entity had changed.
    pub(super) conflicts: u64,
    /// Edits given up after too many of them.
    pub(super) lost: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Writer {
    queue: VecDeque<Edit>,
    /// Revision that was read for the first edit of the queue.
    read: Option<u64>,
    attempts: u32,
    /// Newest appointment.
    ticket: u64,
}

/// A write is due.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {
    /// Entity URN.
    pub(super) rde_id: String,
    component: Component,
    ticket: u64,
}

impl Desk {
    /// Queues an edit; a whole status replaces one that still waits.
    pub(super) fn put(&mut self, component: Component, edit: Edit) {
        let writer = self.writers.entry(component).or_default();
        if matches!(edit, Edit::Status(_)) {
            let mut waiting = writer
                .queue
                .iter_mut()
                .skip(usize::from(writer.read.is_some()));
            if let Some(place) = waiting.find(|one| matches!(one, Edit::Status(_))) {
                *place = edit;
                return;
            }
        }
        writer.queue.push_back(edit);
    }

    /// Forgets everything: the processes have ended.
    pub(super) fn clear(&mut self) {
        for writer in self.writers.values_mut() {
            writer.queue.clear();
            writer.read = None;
            writer.attempts = 0;
        }
    }
}

/// Lets every idle component that has something to write read the entity.
pub(super) fn begin(cluster: &mut Cluster, ctx: &mut Context<'_>, entities: &mut Entities) {
    for component in [
        Component::Capvcd,
        Component::Cpi,
        Component::Csi,
        Component::Projector,
    ] {
        begin_one(cluster, component, ctx, entities);
    }
}

fn begin_one(
    cluster: &mut Cluster,
    component: Component,
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) {
    let rde_id = cluster.home.rde_id.clone();
    let Some(writer) = cluster.desk.writers.get_mut(&component) else {
        return;
    };
    while let (None, Some(edit)) = (writer.read, writer.queue.front()) {
        let Some(entity) = entities.get(&rde_id).filter(|one| is_writable(one)) else {
            writer.queue.clear();
            return;
        };
        if changes(entity, component, edit) {
            writer.read = Some(entity.revision);
            writer.ticket += 1;
            let due = Due {
                rde_id: rde_id.clone(),
                component,
                ticket: writer.ticket,
            };
            let later = ctx
                .now
                .plus(ctx.timings.vary(ctx.timings.entity_write, ctx.rng));
            let due = world::Due::Capvcd(capvcd::Due::Write(due));
            ctx.schedule.put(later, due);
        } else if let Some(done) = writer.queue.pop_front() {
            settle(&rde_id, &done, ctx, entities);
        }
    }
}

/// Writes what was read for, if the entity is still the same; then goes on.
pub(super) fn finish(
    due: &Due,
    cluster: &mut Cluster,
    ctx: &mut Context<'_>,
    entities: &mut Entities,
) {
    let Some(writer) = cluster.desk.writers.get_mut(&due.component) else {
        return;
    };
    if writer.ticket != due.ticket {
        return;
    }
    let (Some(read), Some(edit)) = (writer.read.take(), writer.queue.front()) else {
        return;
    };
    let Some(entity) = entities.get(&due.rde_id) else {
        writer.queue.clear();
        return;
    };
    if entity.revision == read {
        carry_out(due, edit, ctx, entities);
        writer.attempts = 0;
        if let Some(done) = writer.queue.pop_front() {
            settle(&due.rde_id, &done, ctx, entities);
        }
    } else {
        ctx.history.count("entity.report_conflict", &due.rde_id);
        cluster.desk.conflicts += 1;
        writer.attempts += 1;
        let limit = match edit {
            Edit::Status(_) | Edit::Tie(_) | Edit::Put(_) => STATUS_ATTEMPTS,
            Edit::Event(_)
            | Edit::Error(_)
            | Edit::Forgive { .. }
            | Edit::Add(_)
            | Edit::Remove { .. } => ENTRY_ATTEMPTS,
        };
        if writer.attempts >= limit {
            writer.queue.pop_front();
            writer.attempts = 0;
            cluster.desk.lost += 1;
        }
    }
    begin_one(cluster, due.component, ctx, entities);
}

fn carry_out(due: &Due, edit: &Edit, ctx: &mut Context<'_>, entities: &mut Entities) {
    ctx.history.count("entity.reported", &due.rde_id);
    if let Edit::Tie(vapp) = edit {
        if let Some(entity) = entities.get_mut(&due.rde_id) {
            entity.external_id = Some(vapp.clone());
            entity.touch(ctx.wall);
        }
        return;
    }
    entities.modify(&due.rde_id, ctx.wall, |content| {
        let Some(status) = content.get_mut("status").and_then(Value::as_object_mut) else {
            return;
        };
        let section = due.component.section();
        if let Some(after) = edited(status.get(section), due.component, edit) {
            status.insert(section.to_owned(), after);
        }
    });
}

/// After it has written its whole status, CAPVCD resolves an entity that is not.
fn settle(rde_id: &str, done: &Edit, ctx: &mut Context<'_>, entities: &mut Entities) {
    let unresolved = entities
        .get(rde_id)
        .is_some_and(|one| matches!(one.state, RdeState::PreCreated | RdeState::ResolutionError));
    if matches!(done, Edit::Status(_)) && unresolved {
        entities.resolve(rde_id, ctx);
    }
}

/// Nothing is written where nobody has put a `status`, nor while the entity is being deleted.
fn is_writable(entity: &Entity) -> bool {
    entity.state != RdeState::InDeletion && entity.content.has_object(&["status"])
}

fn changes(entity: &Entity, component: Component, edit: &Edit) -> bool {
    if let Edit::Tie(vapp) = edit {
        return entity.external_id.as_ref() != Some(vapp);
    }
    let section = entity.content.at(&["status", component.section()]);
    edited(section.as_ref(), component, edit).is_some()
}
