//! Runtime defined entities: the documents that clients, server and in-cluster controllers share.
//!
//! Flow: `create`, `api` and `list` answer requests; the modelled in-cluster writers use [`Entities::modify`]
//! and [`Entities::resolve`] directly.
//!
//! Invariants:
//! - Content lies as text and is parsed by whoever changes it, not by whoever reads or lists it.
//! - Every change of content, name, owner or state raises the revision, and the `ETag` with it.
//! - The stored content includes secure fields; only `render` and behaviors decide what is shown.
//! - The task that created an entity ends when the entity is first resolved, not before.
//!
//! Source: VCD `OpenAPI`, runtime defined entities.

pub(crate) mod api;
mod behaviors;
pub(crate) mod content;
mod convert;
pub(crate) mod create;
pub(crate) mod grants;
pub(crate) mod hooks;
mod life;
mod list;
pub(crate) mod look;
mod metadata;
pub(crate) mod migrate;
mod places;
mod render;
mod replace;
mod scan;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::behaviors::Invocation;
use self::content::Content;
use self::life::Lives;
use self::metadata::Entry;
use self::migrate::Migration;
use self::walk::Walks;
use super::access::Grant;
use super::context::Context;
use super::registry::{Registry, TypeRules};
use super::tasks::TaskState;

/// What happens to an entity later.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Due {
    /// A behavior invocation ends.
    Behavior(Box<Invocation>),
    /// The deletion that a client began by setting the state ends.
    Deletion {
        /// Entity URN.
        id: String,
    },
    /// The entities of a type change to another version.
    Migration(Box<Migration>),
}

/// Where an entity stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RdeState {
    /// Waits for its `PreCreate` hook.
    PreValidated,
    PreCreated,
    Resolved,
    ResolutionError,
    InDeletion,
}

impl RdeState {
    /// As VCD spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PreValidated => "PRE_VALIDATED",
            Self::PreCreated => "PRE_CREATED",
            Self::Resolved => "RESOLVED",
            Self::ResolutionError => "RESOLUTION_ERROR",
            Self::InDeletion => "IN_DELETION",
        }
    }
}

/// One entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entity {
    /// `urn:vcloud:entity:<vendor>:<nss>:<uuid>`
    pub(crate) id: String,
    pub(crate) type_urn: String,
    /// Schema and restrictions of the type.
    #[serde(skip)]
    pub(crate) rules: Arc<TypeRules>,
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) state: RdeState,
    /// Why resolution failed.
    pub(crate) message: Option<String>,
    pub(crate) owner_id: String,
    pub(crate) org_id: String,
    /// The content, secure fields included.
    pub(crate) content: Content,
    /// Raised by every change.
    pub(crate) revision: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// Task that runs until the entity is resolved, by bare UUID.
    pub(crate) create_task: Option<String>,
    /// Grants by id, besides the owner's full control.
    pub(crate) grants: BTreeMap<String, Grant>,
    /// Metadata entries by id.
    metadata: BTreeMap<String, Entry>,
}

impl Entity {
    /// The version tag clients see.
    pub(crate) fn etag(&self) -> String {
        format!("\"r{}\"", self.revision)
    }

    /// This entity as one of another version of its type would look.
    pub(super) fn converted(&self, rules: Arc<TypeRules>, content: &Map<String, Value>) -> Self {
        Self {
            type_urn: rules.type_urn.clone(),
            rules,
            content: Content::of(content),
            ..self.clone()
        }
    }

    /// Records that something a client can see has changed.
    pub(crate) fn touch(&mut self, wall: Timestamp) {
        self.revision += 1;
        self.modified = wall;
    }
}

/// What is needed to make an entity.
#[derive(Debug)]
pub(crate) struct NewEntity {
    pub(crate) rules: Arc<TypeRules>,
    pub(crate) name: String,
    pub(crate) external_id: Option<String>,
    pub(crate) content: Map<String, Value>,
    pub(crate) owner_id: String,
    pub(crate) org_id: String,
}

/// All entities, by URN.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entities {
    by_id: BTreeMap<Arc<str>, Entity>,
    /// Lists that somebody is in the middle of.
    walks: Walks,
    /// What may have changed since the history was last told.
    touched: Vec<String>,
}

impl Entities {
    /// The entity `id`.
    pub(crate) fn get(&self, id: &str) -> Option<&Entity> {
        self.by_id.get(id)
    }

    /// All entities, by URN.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.by_id.values()
    }

    /// The entity `id`, to be changed; whoever changes it calls [`Entity::touch`].
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Entity> {
        self.walks.end();
        let entity = self.by_id.get_mut(id)?;
        note(&mut self.touched, id);
        Some(entity)
    }

    /// Ids of what may have changed since this was last called, in the order of the changes.
    pub(crate) fn take_touched(&mut self) -> Vec<String> {
        std::mem::take(&mut self.touched)
    }

    /// Takes the place of `others`, of which nothing stays.
    pub(crate) fn replace_all(&mut self, others: &Self) {
        let gone = others
            .by_id
            .keys()
            .filter(|id| !self.by_id.contains_key(*id));
        self.touched.extend(gone.map(|id| id.as_ref().to_owned()));
    }

    /// Must be called before anything changes on which it depends who sees what.
    pub(crate) fn end_walks(&mut self) {
        self.walks.end();
    }

    /// Adds an unresolved entity and returns its URN.
    pub(crate) fn add(&mut self, new: NewEntity, ctx: &mut Context<'_>) -> String {
        let uuid = ctx.uuid();
        let id = format!(
            "urn:vcloud:entity:{}:{}:{uuid}",
            new.rules.vendor, new.rules.nss
        );
        let entity = Entity {
            id: id.clone(),
            type_urn: new.rules.type_urn.clone(),
            rules: new.rules,
            name: new.name,
            external_id: new.external_id,
            state: RdeState::PreCreated,
            message: None,
            owner_id: new.owner_id,
            org_id: new.org_id,
            content: Content::of(&new.content),
            revision: 1,
            created: ctx.wall,
            modified: ctx.wall,
            create_task: None,
            grants: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        self.walks.end();
        self.by_id.insert(Arc::from(id.as_str()), entity);
        note(&mut self.touched, &id);
        id
    }

    /// Changes the content of `id` the way a writer with full control would, without validation, and
    /// raises its revision. False when there is no such entity.
    pub(crate) fn modify(
        &mut self,
        id: &str,
        wall: Timestamp,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> bool {
        let Some(entity) = self.get_mut(id) else {
            return false;
        };
        entity.content.edit(change);
        entity.touch(wall);
        true
    }

    /// Validates the content of `id` against its type's schema and sets the state by the outcome.
    /// Ends the task that created it. `None` when there is no such entity.
    pub(crate) fn resolve(&mut self, id: &str, ctx: &mut Context<'_>) -> Option<RdeState> {
        let entity = self.get_mut(id)?;
        if matches!(entity.state, RdeState::InDeletion | RdeState::PreValidated) {
            return Some(entity.state);
        }
        match entity.rules.validate(&entity.content.parse()) {
            Ok(()) => {
                entity.state = RdeState::Resolved;
                entity.message = None;
                ctx.history.count("entity.resolved", id);
                if let Some(task) = entity.create_task.take() {
                    ctx.tasks
                        .finish(&task, TaskState::Success { result: None }, ctx.wall);
                }
            }
            Err(reason) => {
                entity.state = RdeState::ResolutionError;
                entity.message = Some(reason);
            }
        }
        entity.touch(ctx.wall);
        Some(entity.state)
    }

    /// Puts an entity back that was saved with its rules left out; false when its type is not known.
    pub(crate) fn restore(&mut self, mut entity: Entity, registry: &Registry) -> bool {
        let Some(registered) = registry.types.get(&entity.type_urn) else {
            return false;
        };
        entity.rules = Arc::clone(&registered.rules);
        entity.content.forget_rules();
        self.walks.end();
        note(&mut self.touched, &entity.id);
        self.by_id.insert(Arc::from(entity.id.as_str()), entity);
        true
    }

    /// Takes `id` out of the world.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Entity> {
        self.walks.end();
        note(&mut self.touched, id);
        self.by_id.remove(id)
    }
}

/// Adds `id`, unless it was the last one.
fn note(touched: &mut Vec<String>, id: &str) {
    if touched.last().is_none_or(|last| last != id) {
        touched.push(id.to_owned());
    }
}

/// Lets `due` happen.
pub(crate) fn fire(
    due: Due,
    ctx: &mut Context<'_>,
    (entities, registry): (&mut Entities, &Registry),
) {
    match due {
        Due::Behavior(invocation) => {
            let outcome = behaviors::finish(&invocation, ctx, entities);
            life::go_on(
                *invocation,
                &outcome,
                &mut Lives::of(ctx, entities, registry),
            );
        }
        Due::Deletion { id } => entities.delete(&id, ctx),
        Due::Migration(migration) => migrate::finish(&migration, ctx, (entities, registry)),
    }
}
