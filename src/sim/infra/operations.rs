//! Work that takes time: a task, the objects it keeps busy, and the change it makes at its end.
//!
//! Flow: handlers and actors call [`Infra::submit`]; the schedule brings [`fire`], which applies the
//! change, sets the objects free and ends the task.
//!
//! Invariants:
//! - An object is held by one task at most; a second one is refused with 400 `BUSY_ENTITY`.
//! - The change sees the world as it is at the end; what it needs and no longer finds fails the task.
//!
//! Source: VCD API, tasks and the text of `BUSY_ENTITY`.

use std::time::Duration;

use super::Infra;
use super::effects;
use super::machine::{MetadataValue, VappNetwork};
use super::vm_changes::VmChange;
use crate::sim::call::{Call, Principal};
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::reply::Problem;
use crate::sim::tasks::{Reference, Task, TaskState};
use crate::sim::timings::Timings;
use crate::sim::world;

/// A task that holds an object.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    /// Bare UUID.
    pub(crate) task: String,
    /// Such as `VDC_RECOMPOSE_VAPP`.
    pub(crate) operation: &'static str,
}

/// An operation that ends now.
#[derive(Debug)]
pub(crate) struct Due {
    /// Bare UUID.
    task: String,
    change: Change,
}

/// What an operation does at its end; every id is a bare UUID.
#[derive(Debug)]
pub(crate) enum Change {
    /// Ends the composition of a vApp and of the VMs copied into it.
    Compose {
        vapp: String,
        added: Vec<String>,
    },
    /// Ends the copies into a vApp and takes VMs away.
    Recompose {
        vapp: String,
        added: Vec<String>,
        removed: Vec<String>,
        power_on: bool,
    },
    /// Replaces the networks of a vApp.
    Networks {
        vapp: String,
        networks: Vec<VappNetwork>,
    },
    /// Sets or, without a value, deletes metadata of a vApp or a VM.
    Metadata {
        object: String,
        entries: Vec<((String, String), Option<MetadataValue>)>,
    },
    PowerOn {
        vms: Vec<String>,
    },
    /// Powers off; the VMs stay deployed.
    PowerOff {
        vms: Vec<String>,
    },
    Suspend {
        vms: Vec<String>,
    },
    /// The guests start again.
    Restart {
        vms: Vec<String>,
    },
    /// Deploys without powering on.
    Deploy {
        vms: Vec<String>,
    },
    /// Powers off and undeploys.
    Undeploy {
        vms: Vec<String>,
    },
    DeleteVapp {
        vapp: String,
    },
    DeleteVm {
        vm: String,
    },
    Reconfigure {
        vm: String,
        changes: Vec<VmChange>,
    },
}

/// On whose behalf an operation runs.
#[derive(Clone, Debug)]
pub(crate) struct Starter {
    /// `urn:vcloud:user:<uuid>`
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    /// `urn:vcloud:org:<uuid>`
    pub(crate) org_id: String,
    pub(crate) request_id: String,
}

impl Starter {
    /// The caller of a request.
    pub(crate) fn of(call: &Call<'_>) -> Self {
        let Principal {
            user_id,
            user_name,
            acting_org_id,
            ..
        } = &call.principal;
        Self {
            user_id: user_id.clone(),
            user_name: user_name.clone(),
            org_id: acting_org_id.clone(),
            request_id: call.request_id.clone(),
        }
    }
}

/// What an operation is called, in its three spellings, and how long it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// `operationName` of the task, such as `vdcRecomposeVapp`.
    pub(crate) name: &'static str,
    /// Name in `BUSY_ENTITY`, such as `VDC_RECOMPOSE_VAPP`.
    pub(crate) busy_name: &'static str,
    /// First words of the task's sentence, such as `Recomposing Virtual Application`.
    pub(crate) verb: &'static str,
    /// Before variation.
    pub(crate) takes: Duration,
}

/// An operation to be started.
pub(crate) struct Operation<'a> {
    pub(crate) kind: Kind,
    pub(crate) starter: &'a Starter,
    /// The object the task belongs to.
    pub(crate) owner: Reference,
    /// Bare UUIDs that are busy meanwhile.
    pub(crate) holds: Vec<String>,
    pub(crate) change: Change,
}

impl Infra {
    /// Refuses when a task holds `uuid`; `entity` is `vapp` or `vm`.
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

    /// Refuses when a task holds the vApp or one of its VMs.
    pub(crate) fn require_vapp_free(&self, vapp: &str) -> Result<(), Problem> {
        self.require_free("vapp", vapp)?;
        self.vms
            .values()
            .filter(|vm| vm.vapp == vapp)
            .try_for_each(|vm| self.require_free("vm", &vm.uuid))
    }

    /// Refuses when a task holds the VM or its vApp.
    pub(crate) fn require_vm_free(&self, vm: &str) -> Result<(), Problem> {
        self.require_free("vm", vm)?;
        match self.vms.get(vm) {
            Some(vm) => self.require_free("vapp", &vm.vapp),
            None => Ok(()),
        }
    }

    /// Starts an operation whose objects are known to be free; returns its task, by bare UUID.
    pub(crate) fn submit(&mut self, operation: Operation<'_>, ctx: &mut Context<'_>) -> String {
        let Operation {
            kind,
            starter,
            owner,
            holds,
            change,
        } = operation;
        let task = ctx.uuid();
        for uuid in holds {
            self.busy.insert(
                uuid,
                Busy {
                    task: task.clone(),
                    operation: kind.busy_name,
                },
            );
        }
        ctx.tasks.add(new_task(&task, (kind, owner), starter, ctx));
        let ends = ctx.now.plus(Timings::vary(kind.takes, ctx.rng));
        ctx.schedule.put(
            ends,
            world::Due::Infra(Due {
                task: task.clone(),
                change,
            }),
        );
        task
    }
}

fn new_task(
    uuid: &str,
    (kind, owner): (Kind, Reference),
    starter: &Starter,
    ctx: &Context<'_>,
) -> Task {
    let bare = |urn: &str| urn.rsplit(':').next().unwrap_or_default().to_owned();
    Task {
        uuid: uuid.to_owned(),
        operation_name: kind.name,
        operation: format!("{} {} ({})", kind.verb, owner.name, bare(&owner.id)),
        owner,
        user: Reference {
            href: format!("{}/api/admin/user/{}", ctx.site, bare(&starter.user_id)),
            id: starter.user_id.clone(),
            name: starter.user_name.clone(),
            media_type: "application/vnd.vmware.admin.user+xml".to_owned(),
        },
        org: Reference {
            href: format!("{}/api/org/{}", ctx.site, bare(&starter.org_id)),
            id: starter.org_id.clone(),
            name: ctx
                .directory
                .org_name(&starter.org_id)
                .unwrap_or_default()
                .to_owned(),
            media_type: "application/vnd.vmware.vcloud.org+xml".to_owned(),
        },
        started: ctx.wall,
        ended: None,
        request_id: starter.request_id.clone(),
        state: TaskState::Running { progress: 1 },
    }
}

/// Lets an operation end.
pub(crate) fn fire(due: Due, ctx: &mut Context<'_>, infra: &mut Infra, _entities: &mut Entities) {
    let Due { task, change } = due;
    let outcome = effects::apply(change, ctx, infra);
    infra.busy.retain(|_, busy| busy.task != task);
    let state = match outcome {
        Ok(()) => TaskState::Success { result: None },
        Err(problem) => TaskState::Failed(problem),
    };
    ctx.tasks.finish(&task, state, ctx.wall);
}
