//! The life of an entity between its requests: what each hook's outcome leads to.
//!
//! Flow: `create`, `replace` and `api` begin a step here; where the type has a hook, the step goes on in
//! [`go_on`] when the hook's behavior ends, else at once.
//!
//! Invariants:
//! - `PreCreate`: replaces the content or lets it be; its failure removes the entity.
//! - `PostCreate`: resolves the entity; its failure makes it `RESOLUTION_ERROR`.
//! - `PostUpdate` changes nothing. `PreDelete` that fails leaves the entity as it was.
//! - `PostDelete` runs `IN_DELETION`; its failure leaves the entity there.
//!
//! Source: VCD, life-cycle hooks of runtime defined entities; `deleteDefinedEntity` in SWG 37.2.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::behaviors::{self, Invocation};
use super::content::Content;
use super::hooks::Hook;
use super::replace::Replacement;
use super::{Entities, RdeState};
use crate::sim::context::Context;
use crate::sim::registry::Registry;
use crate::sim::reply::Problem;
use crate::sim::tasks::{Reference, Starter, TaskState};

/// What a running invocation is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Somebody invoked it.
    Call,
    /// A hook before creation; whether resolution was asked for.
    PreCreate {
        resolve: bool,
    },
    PostCreate,
    PostUpdate,
    /// A hook before the deletion that the task, by bare UUID, stands for.
    PreDelete {
        task: String,
    },
    /// The same before a change that begins a deletion.
    PreMark {
        task: String,
        change: Box<Replacement>,
    },
    PostDelete {
        task: String,
    },
}

/// What every step of a life needs.
pub(super) struct Lives<'l, 'c> {
    pub(super) ctx: &'l mut Context<'c>,
    pub(super) entities: &'l mut Entities,
    pub(super) registry: &'l Registry,
}

impl<'l, 'c> Lives<'l, 'c> {
    pub(super) fn of(
        ctx: &'l mut Context<'c>,
        entities: &'l mut Entities,
        registry: &'l Registry,
    ) -> Self {
        Self {
            ctx,
            entities,
            registry,
        }
    }

    /// Whether the type of `id` has a behavior for `hook`.
    fn has(&self, id: &str, hook: Hook) -> bool {
        let entity = self.entities.get(id);
        entity.is_some_and(|entity| hook.behavior(&entity.type_urn, self.registry).is_some())
    }

    /// Runs the hook of `id`; its task by bare UUID. `None` when its type has no such hook.
    fn run(&mut self, id: &str, hook: Hook, starter: &Starter, purpose: Purpose) -> Option<String> {
        let entity = self.entities.get(id)?;
        let behavior = hook.behavior(&entity.type_urn, self.registry)?;
        let invocation = Invocation::hook(entity, behavior, starter, purpose);
        Some(behaviors::start(invocation, (entity, behavior), self.ctx))
    }

    /// The entity exists since just now.
    pub(super) fn born(&mut self, id: &str, starter: &Starter, (hooks, resolve): (bool, bool)) {
        if hooks && self.has(id, Hook::PreCreate) {
            if let Some(entity) = self.entities.get_mut(id) {
                entity.state = RdeState::PreValidated;
            }
            self.run(id, Hook::PreCreate, starter, Purpose::PreCreate { resolve });
        } else {
            self.pre_created(id, starter, (hooks, resolve));
        }
    }

    fn pre_created(&mut self, id: &str, starter: &Starter, (hooks, resolve): (bool, bool)) {
        if hooks && self.has(id, Hook::PostCreate) {
            self.run(id, Hook::PostCreate, starter, Purpose::PostCreate);
        } else if resolve && self.entities.resolve(id, self.ctx) == Some(RdeState::ResolutionError)
        {
            // The entity stays, with the reason in its message; the task goes on until it is resolved.
            self.ctx.history.count("entity.unresolvable", id);
        }
    }

    /// After a change; the task of the hook, if there is one, by bare UUID.
    pub(super) fn changed(&mut self, id: &str, starter: &Starter) -> Option<String> {
        self.run(id, Hook::PostUpdate, starter, Purpose::PostUpdate)
    }

    /// Deletes `id`, at once or, with hooks, in a task that is returned by bare UUID.
    pub(super) fn delete(&mut self, id: &str, starter: &Starter, hooks: bool) -> Option<String> {
        let marked = self.entities.get(id)?.state == RdeState::InDeletion;
        let veto = hooks && !marked && self.has(id, Hook::PreDelete);
        let clean_up = hooks && self.has(id, Hook::PostDelete);
        if !(veto || clean_up) {
            self.entities.delete(id, self.ctx);
            return None;
        }
        let operation = format!("Deleting Runtime Defined Entity {id}");
        let owner = Reference::entity(id);
        let task = (self.ctx).start_task(starter, ("deleteDefinedEntity", operation), owner);
        if veto {
            let purpose = Purpose::PreDelete { task: task.clone() };
            self.run(id, Hook::PreDelete, starter, purpose);
        } else {
            self.clean_up(id, starter, task.clone());
        }
        Some(task)
    }

    /// A change that begins a deletion and must be asked first; its task by bare UUID. Gives the change
    /// back when nobody need be asked.
    pub(super) fn ask_to_mark(
        &mut self,
        id: &str,
        starter: &Starter,
        change: Box<Replacement>,
    ) -> Result<String, Box<Replacement>> {
        if !self.has(id, Hook::PreDelete) {
            return Err(change);
        }
        let operation = format!("Updating Runtime Defined Entity {id}");
        let owner = Reference::entity(id);
        let task = (self.ctx).start_task(starter, ("updateDefinedEntity", operation), owner);
        let purpose = Purpose::PreMark {
            task: task.clone(),
            change,
        };
        self.run(id, Hook::PreDelete, starter, purpose);
        Ok(task)
    }

    /// Nobody objects to the deletion: the last hook, or the end.
    fn clean_up(&mut self, id: &str, starter: &Starter, task: String) {
        if !self.has(id, Hook::PostDelete) {
            self.entities.delete(id, self.ctx);
            self.succeed(&task);
            return;
        }
        if let Some(entity) = self.entities.get_mut(id) {
            entity.state = RdeState::InDeletion;
            entity.touch(self.ctx.wall);
        }
        self.run(id, Hook::PostDelete, starter, Purpose::PostDelete { task });
    }

    fn succeed(&mut self, task: &str) {
        let success = TaskState::Success { result: None };
        self.ctx.tasks.finish(task, success, self.ctx.wall);
    }

    fn fail(&mut self, task: &str, problem: &Problem) {
        let failed = TaskState::Failed(problem.clone());
        self.ctx.tasks.finish(task, failed, self.ctx.wall);
    }
}

/// Lets the life of an entity go on after one of its behaviors ended with `outcome`.
pub(super) fn go_on(invocation: Invocation, outcome: &TaskState, lives: &mut Lives<'_, '_>) {
    let Invocation {
        entity_id: id,
        starter,
        purpose,
        ..
    } = invocation;
    let failure = match outcome {
        TaskState::Failed(problem) => Some(problem),
        TaskState::Running { .. } | TaskState::Success { .. } | TaskState::Canceled => None,
    };
    match (purpose, failure) {
        (Purpose::Call | Purpose::PostUpdate, _) => {}
        (Purpose::PreCreate { resolve }, None) => {
            if let Some(entity) = lives.entities.get_mut(&id) {
                entity.state = RdeState::PreCreated;
                if let Some(content) = replaced(outcome) {
                    entity.content = Content::of(&content);
                }
                entity.touch(lives.ctx.wall);
            }
            lives.pre_created(&id, &starter, (true, resolve));
        }
        (Purpose::PreCreate { .. }, Some(problem)) => {
            if let Some(task) = lives.entities.remove(&id).and_then(|gone| gone.create_task) {
                lives.fail(&task, problem);
            }
        }
        (Purpose::PostCreate, None) => {
            lives.entities.resolve(&id, lives.ctx);
        }
        (Purpose::PostCreate, Some(problem)) => unresolvable(&id, problem, lives),
        (Purpose::PreDelete { task }, None) => lives.clean_up(&id, &starter, task),
        (Purpose::PreMark { task, change }, None) => {
            let problem = change.apply(&id, lives).err();
            match problem {
                None => lives.succeed(&task),
                Some(problem) => lives.fail(&task, &problem),
            }
        }
        (Purpose::PostDelete { task }, None) => {
            lives.entities.delete(&id, lives.ctx);
            lives.succeed(&task);
        }
        (
            Purpose::PreDelete { task }
            | Purpose::PreMark { task, .. }
            | Purpose::PostDelete { task },
            Some(problem),
        ) => lives.fail(&task, problem),
    }
}

fn unresolvable(id: &str, problem: &Problem, lives: &mut Lives<'_, '_>) {
    let Some(entity) = lives.entities.get_mut(id) else {
        return;
    };
    entity.state = RdeState::ResolutionError;
    entity.message = Some(problem.message.clone());
    entity.touch(lives.ctx.wall);
    if let Some(task) = entity.create_task.take() {
        lives.fail(&task, problem);
    }
}

/// The content that a `PreCreate` hook returned in place of the one it was given.
fn replaced(outcome: &TaskState) -> Option<serde_json::Map<String, Value>> {
    let TaskState::Success { result } = outcome else {
        return None;
    };
    let returned: Value = serde_json::from_str(result.as_deref()?).ok()?;
    // The echo of a `noop` without a value of its own is no new content.
    let echo = returned.get("entityId").is_some() && returned.get("typeId").is_some();
    returned.as_object().filter(|_| !echo).cloned()
}
