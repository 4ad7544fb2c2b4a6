//! Changes that take time: a task, the gateway it keeps busy, and what it does at its end.
//!
//! Flow: handlers and in-cluster controllers call [`Services::submit`]; the schedule brings [`fire`],
//! which applies the change, sets the gateway free and ends the task.
//!
//! Invariants:
//! - A gateway is held by one task at most; a second one is refused with 400 `BUSY_ENTITY`.
//! - A pool and a virtual service are there from the request on, though not realized; everything
//!   else that is created is there from the end of its task on.
//! - Every effect is counted in the history under the name of the object.
//!
//! Source: VCD `OpenAPI`, asynchronous operations; the text of `BUSY_ENTITY`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Services;
use super::kinds::Kind;
use super::model::{Busy, LoadBalancing, NatRule, PortProfile};
use super::networks::{self, NewNetwork};
use super::spaces::{Mark, Wish};
use super::specs::{PoolSpec, VirtualServiceSpec};
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::infra::Infra;
use crate::sim::reply::Problem;
use crate::sim::tasks::{Reference, Starter, TaskState};
use crate::sim::world;

/// Something that happens now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Due {
    /// A task ends.
    Change {
        /// Bare UUID.
        task: String,
        change: Change,
    },
    /// The engines report the health of a virtual service for the first time.
    Settle { service: String },
}

/// What a task does at its end; every id is a bare UUID.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    Pool(String, Edit<PoolSpec>),
    Service(String, Edit<ServiceChange>),
    Rule(String, Edit<NatRule>),
    Profile(String, Edit<PortProfile>),
    Network(String, Edit<NewNetwork>),
    Allocate(Wish),
    /// Usage and description of an allocation.
    Mark(String, Mark),
    Release(String),
    Balancing(String, LoadBalancing),
}

/// What becomes of an object.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Edit<T> {
    Create(Box<T>),
    Replace(Box<T>),
    Delete,
}

/// A virtual service as it is to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceChange {
    pub(crate) pool: String,
    pub(crate) engine_group: String,
    pub(crate) spec: VirtualServiceSpec,
}

/// A change to be started.
pub(crate) struct Operation<'a> {
    pub(crate) kind: Kind,
    pub(crate) starter: &'a Starter,
    /// The object the task belongs to.
    pub(crate) owner: Reference,
    /// What is busy meanwhile.
    pub(crate) holds: Vec<String>,
    pub(crate) change: Change,
}

/// A networking object as tasks refer to it: it has no address in the legacy API.
pub(crate) fn owner(urn: &str, name: &str) -> Reference {
    Reference {
        href: String::new(),
        id: urn.to_owned(),
        name: name.to_owned(),
        media_type: "application/json".to_owned(),
    }
}

impl Services {
    /// Refuses when a task holds `uuid`; `entity` such as `gateway`.
    pub(crate) fn require_free(&self, entity: &str, uuid: &str) -> Result<(), Problem> {
        let Some(busy) = self.busy.get(uuid) else {
            return Ok(());
        };
        Err(Problem::new(
            400,
            "BUSY_ENTITY",
            format!(
                "The entity Ref: com.vmware.vcloud.entity.{entity}:{uuid} is busy completing an \
                 operation {}(com.vmware.vcloud.entity.task:{}).",
                busy.operation, busy.task
            ),
        ))
    }

    /// Starts a change whose objects are known to be free; returns its task, by bare UUID.
    pub(crate) fn submit(&mut self, operation: Operation<'_>, ctx: &mut Context<'_>) -> String {
        let Operation {
            kind,
            starter,
            owner,
            holds,
            change,
        } = operation;
        let sentence = format!("{} {}({})", kind.verb, owner.name, bare(&owner.id));
        let task = ctx.start_task(starter, (kind.name, sentence), owner);
        ctx.history.tie(&task);
        for uuid in holds {
            let busy = Busy {
                task: task.clone(),
                operation: kind.busy_name.to_owned(),
            };
            self.busy.insert(uuid, busy);
        }
        let due = Due::Change {
            task: task.clone(),
            change,
        };
        put(due, ctx.timings.network, ctx);
        task
    }
}

/// Lets `due` happen after about `takes`.
pub(super) fn put(due: Due, takes: Duration, ctx: &mut Context<'_>) {
    let at = ctx.now.plus(ctx.timings.vary(takes, ctx.rng));
    ctx.schedule.put(at, world::Due::Network(due));
}

/// Lets happen what is due.
pub(crate) fn fire(due: Due, ctx: &mut Context<'_>, infra: &mut Infra, services: &mut Services) {
    match due {
        Due::Settle { service } => {
            if let Some(service) = services.virtuals.get_mut(&service) {
                service.settled = true;
            }
        }
        Due::Change { task, change } => {
            ctx.history.resume(&task);
            let outcome = apply(change, ctx, infra, services);
            services.busy.retain(|_, busy| busy.task != task);
            let state = match outcome {
                Ok(result) => TaskState::Success { result },
                Err(problem) => TaskState::Failed(problem),
            };
            ctx.tasks.finish(&task, state, ctx.wall);
        }
    }
}

/// The object a change works on has vanished meanwhile.
pub(super) fn gone(what: &str, uuid: &str) -> Problem {
    let message = format!("The {what} {uuid} is no longer available for this operation.");
    Problem::new(400, "INVALID_REFERENCE", message)
}

/// Applies `change`; the answer is the task's result, where it has one.
fn apply(
    change: Change,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    services: &mut Services,
) -> Result<Option<String>, Problem> {
    let done = match change {
        Change::Allocate(wish) => return services.allocate(&wish, ctx).map(Some),
        Change::Mark(uuid, mark) => services.mark(&uuid, mark),
        Change::Release(uuid) => services.release(&uuid, ctx),
        Change::Balancing(gateway, balancing) => {
            let found = services.gateways.get_mut(&gateway);
            found
                .ok_or_else(|| gone("edge gateway", &gateway))
                .map(|found| {
                    found.load_balancing = balancing;
                })
        }
        Change::Network(uuid, edit) => networks::apply(&uuid, edit, ctx, (infra, services)),
        Change::Pool(uuid, edit) => services.edit_pool(&uuid, edit, ctx),
        Change::Service(uuid, edit) => services.edit_virtual_service(&uuid, edit, ctx),
        Change::Rule(uuid, edit) => services.edit_rule(&uuid, edit, ctx),
        Change::Profile(uuid, edit) => services.edit_profile(&uuid, edit, ctx),
    };
    done.map(|()| None)
}
