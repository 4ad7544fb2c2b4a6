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

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Infra;
use super::catalog_effects::{self, CatalogChange};
use super::disk_effects::DiskChange;
use super::effects;
use super::machine::{Lease, MetadataValue, VappNetwork};
use super::uploads;
use super::vm_changes::VmChange;
use crate::sim::context::Context;
use crate::sim::directory::bare;
use crate::sim::reply::Problem;
use crate::sim::tasks::{Reference, Starter, TaskState};
use crate::sim::world;
use crate::sim::xml::Element;

/// A task that holds an object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Busy {
    /// Bare UUID.
    pub(crate) task: String,
    /// Such as `VDC_RECOMPOSE_VAPP`.
    pub(crate) operation: Cow<'static, str>,
}

/// An operation that ends now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Due {
    /// Bare UUID.
    task: String,
    change: Change,
}

/// What an operation does at its end; every id is a bare UUID.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// Ends the composition of a vApp and of the VMs copied into it.
    Compose {
        vapp: String,
        added: Vec<String>,
        power_on: bool,
    },
    /// Ends the copies into a vApp and takes VMs away.
    Recompose {
        vapp: String,
        added: Vec<String>,
        removed: Vec<String>,
        power_on: bool,
        name: Option<String>,
        description: Option<String>,
    },
    /// Replaces the networks of a vApp.
    Networks {
        vapp: String,
        networks: Vec<VappNetwork>,
    },
    Lease {
        vapp: String,
        lease: Lease,
    },
    VappProduct {
        vapp: String,
        sections: Vec<Element>,
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
    /// Whatever changes a named disk.
    Disk {
        disk: String,
        change: DiskChange,
    },
    /// Whatever changes a catalog or its items.
    Catalog(CatalogChange),
}

impl Change {
    /// Whether the operation stops when its task is canceled.
    fn stops(&self) -> bool {
        matches!(
            self,
            Self::Compose { .. }
                | Self::Recompose { .. }
                | Self::Catalog(CatalogChange::Upload { .. })
        )
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
        let sentence = format!("{} {} ({})", kind.verb, owner.name, bare(&owner.id));
        let task = ctx.start_task(starter, (kind.name, sentence), owner);
        ctx.history.tie(&task);
        for uuid in holds {
            self.busy.insert(
                uuid,
                Busy {
                    task: task.clone(),
                    operation: kind.busy_name.into(),
                },
            );
        }
        let ends = ctx.now.plus(ctx.timings.vary(kind.takes, ctx.rng));
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

/// Lets the operation of `task` never end by itself.
pub(crate) fn forget(task: &str, ctx: &mut Context<'_>) {
    take_due(task, ctx, |_| true);
}

/// Lets the operation of `task` end after `takes` instead of when it would have.
pub(crate) fn hasten(task: &str, takes: Duration, ctx: &mut Context<'_>) {
    if let Some(due) = take_due(task, ctx, |_| true) {
        let ends = ctx.now.plus(ctx.timings.vary(takes, ctx.rng));
        ctx.schedule.put(ends, world::Due::Infra(due));
    }
}

fn take_due(task: &str, ctx: &mut Context<'_>, which: impl Fn(&Change) -> bool) -> Option<Due> {
    let of_task = |due: &world::Due| matches!(due, world::Due::Infra(due) if due.task == task && which(&due.change));
    let Some(world::Due::Infra(due)) = ctx.schedule.take_first(of_task) else {
        return None;
    };
    Some(due)
}

/// Stops the operation of `task`, if it is one that can be stopped: nothing is left of what it copied.
pub(crate) fn cancel(task: &str, ctx: &mut Context<'_>, infra: &mut Infra) {
    let Some(Due { change, .. }) = take_due(task, ctx, Change::stops) else {
        return;
    };
    ctx.tasks.finish(task, TaskState::Canceled, ctx.wall);
    if let Change::Catalog(CatalogChange::Upload { object }) = &change {
        catalog_effects::forget_item(object, ctx, infra);
    } else {
        effects::abandon(&change, infra);
    }
    infra.busy.retain(|_, busy| busy.task != task);
}

/// Lets an operation end.
pub(crate) fn fire(due: Due, ctx: &mut Context<'_>, infra: &mut Infra) {
    if let Some(later) = uploads::waits_until(&due.change, ctx.now, infra) {
        ctx.schedule.put(later, world::Due::Infra(due));
        return;
    }
    let Due { task, change } = due;
    ctx.history.resume(&task);
    let outcome = match ctx.tasks.ordered_failure(&task) {
        Some(problem) => {
            effects::abandon(&change, infra);
            Err(problem)
        }
        None => effects::apply(change, ctx, infra),
    };
    infra.busy.retain(|_, busy| busy.task != task);
    let state = match outcome {
        Ok(()) => TaskState::Success { result: None },
        Err(problem) => TaskState::Failed(problem),
    };
    ctx.tasks.finish(&task, state, ctx.wall);
}
