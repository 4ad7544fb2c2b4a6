//! Operations that requests and in-cluster controllers both start: compose, recompose, work on one VM.
//!
//! Not here: what each does at its end (`infra::effects`), who may ask for it (`infra::{vapps, vms}`).

use super::Infra;
use super::document::vapp_reference;
use super::machine::{Vapp, Vm};
use super::operations::{Change, Kind, Operation};
use super::vm_document::vm_reference;
use crate::sim::context::Context;
use crate::sim::reply::Problem;
use crate::sim::tasks::Starter;
use crate::sim::timings::Timings;

/// VMs that come into a vApp and VMs that go.
#[derive(Debug, Default)]
pub(crate) struct Recomposition {
    /// Copies, by bare UUID.
    pub(crate) added: Vec<String>,
    /// By bare UUID.
    pub(crate) removed: Vec<String>,
    /// Whether the copies are powered on at once.
    pub(crate) power_on: bool,
    /// What the vApp is called from now on.
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
}

/// How a vApp comes to be.
#[derive(Debug)]
pub(crate) struct Composition {
    /// `operationName`, the name in `BUSY_ENTITY`, and the first words of the sentence.
    pub(crate) words: (&'static str, &'static str, &'static str),
    /// VMs in it, by bare UUID.
    pub(crate) added: Vec<String>,
    pub(crate) power_on: bool,
}

/// Words of a plain composition.
pub(crate) const COMPOSE: (&str, &str, &str) = (
    "vdcComposeVapp",
    "VDC_COMPOSE_VAPP",
    "Composing Virtual Application",
);

impl Infra {
    /// Refuses a second vApp of one name in a VDC, where the site has that rule.
    pub(crate) fn require_free_name(&self, vapp: &Vapp) -> Result<(), Problem> {
        let twin = self
            .vapps
            .values()
            .any(|one| one.vdc == vapp.vdc && one.name == vapp.name);
        if twin && self.rules.unique_vapp_names {
            let text = format!("The VCD entity {} already exists.", vapp.name);
            return Err(Problem::new(400, "DUPLICATE_NAME", text));
        }
        Ok(())
    }

    /// Refuses a second VM of one name in a vApp; `own` is the VM that shall have it, if it exists.
    pub(crate) fn require_free_vm_name(
        &self,
        vapp: &str,
        name: &str,
        own: Option<&str>,
    ) -> Result<(), Problem> {
        let mut others = self
            .vms
            .values()
            .filter(|vm| vm.vapp == vapp && Some(vm.uuid.as_str()) != own);
        if others.any(|vm| vm.name == name) {
            return Err(duplicate_vm(name));
        }
        Ok(())
    }

    /// Puts a vApp into the world and starts the task that ends its composition.
    pub(crate) fn compose(
        &mut self,
        (vapp, added): (Vapp, Vec<String>),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> String {
        let composition = Composition {
            words: COMPOSE,
            added,
            power_on: false,
        };
        self.compose_as((vapp, composition), starter, ctx).0
    }

    /// The same for any way a vApp comes to be; returns the bare UUIDs of vApp and task.
    pub(crate) fn compose_as(
        &mut self,
        (vapp, composition): (Vapp, Composition),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> (String, String) {
        let Composition {
            words: (name, busy_name, verb),
            added,
            power_on,
        } = composition;
        let uuid = vapp.uuid.clone();
        let free = added.is_empty() && !ctx.settings.empty_vapps_compose_busily;
        let copies = u32::try_from(added.len()).unwrap_or(u32::MAX);
        let takes = ctx
            .timings
            .compose
            .saturating_add(ctx.timings.recompose.saturating_mul(copies));
        let operation = Operation {
            kind: Kind {
                name,
                busy_name,
                verb,
                takes,
            },
            starter,
            owner: vapp_reference(&vapp, ctx.site),
            holds: if free {
                Vec::new()
            } else {
                added.iter().cloned().chain([uuid.clone()]).collect()
            },
            change: Change::Compose {
                vapp: uuid.clone(),
                added,
                power_on,
            },
        };
        self.vapps.insert(uuid.clone(), vapp);
        let task = self.submit(operation, ctx);
        (uuid, task)
    }

    /// Starts the task that ends copies into a vApp and takes VMs away; returns its bare UUID.
    pub(crate) fn recompose(
        &mut self,
        (vapp, plan): (&Vapp, Recomposition),
        starter: &Starter,
        ctx: &mut Context<'_>,
    ) -> String {
        let Recomposition {
            added,
            removed,
            power_on,
            name,
            description,
        } = plan;
        let takes = match (added.is_empty(), removed.is_empty()) {
            (false, _) => ctx.timings.recompose,
            (true, false) => ctx.timings.delete,
            (true, true) => ctx.timings.reconfigure,
        };
        let kind = Kind {
            name: "vdcRecomposeVapp",
            busy_name: "VDC_RECOMPOSE_VAPP",
            verb: "Recomposing Virtual Application",
            takes,
        };
        let vms = added.iter().chain(&removed).cloned();
        let operation = Operation {
            kind,
            starter,
            owner: vapp_reference(vapp, ctx.site),
            holds: vms.chain([vapp.uuid.clone()]).collect(),
            change: Change::Recompose {
                vapp: vapp.uuid.clone(),
                added,
                removed,
                power_on,
                name,
                description,
            },
        };
        self.submit(operation, ctx)
    }

    /// Starts the task that deletes a vApp that is known to be empty and free.
    pub(crate) fn delete_vapp(&mut self, vapp: &Vapp, starter: &Starter, ctx: &mut Context<'_>) {
        let (kind, change) = vapp_deletion(&vapp.uuid, ctx.timings);
        let operation = Operation {
            kind,
            starter,
            owner: vapp_reference(vapp, ctx.site),
            holds: vec![vapp.uuid.clone()],
            change,
        };
        self.submit(operation, ctx);
    }

    /// Starts an operation on one VM that is known to be free; returns its task's bare UUID.
    pub(crate) fn submit_on_vm(
        &mut self,
        (vm, starter): (&Vm, &Starter),
        (kind, change): (Kind, Change),
        ctx: &mut Context<'_>,
    ) -> String {
        let owner = vm_reference(vm, ctx.site);
        let holds = vec![vm.uuid.clone()];
        self.submit(
            Operation {
                kind,
                starter,
                owner,
                holds,
                change,
            },
            ctx,
        )
    }
}

/// What deletes a vApp with everything in it.
pub(crate) fn vapp_deletion(vapp: &str, timings: &Timings) -> (Kind, Change) {
    let kind = Kind {
        name: "vdcDeleteVapp",
        busy_name: "VDC_DELETE_VAPP",
        verb: "Deleting Virtual Application",
        takes: timings.delete,
    };
    let vapp = vapp.to_owned();
    (kind, Change::DeleteVapp { vapp })
}

/// What deletes a VM.
pub(crate) fn vm_deletion(vm: &Vm, timings: &Timings) -> (Kind, Change) {
    let kind = Kind {
        name: "vappDeleteVm",
        busy_name: "VAPP_DELETE_VM",
        verb: "Deleting Virtual Machine",
        takes: timings.delete,
    };
    let change = Change::DeleteVm {
        vm: vm.uuid.clone(),
    };
    (kind, change)
}

/// The refusal of a second VM of one name.
pub(crate) fn duplicate_vm(name: &str) -> Problem {
    let text = format!("There is already a VM named \"{name}\".");
    Problem::new(400, "DUPLICATE_NAME", text)
}
