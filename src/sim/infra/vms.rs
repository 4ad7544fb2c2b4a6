//! Requests on single VMs: read, power, deploy, undeploy, reconfigure, delete.
//!
//! Source: VCD API, VM operations.

use http::Method;

use super::access::{self, require, right};
use super::machine::Vm;
use super::operations::{Change, Kind};
use super::power::PowerRequest;
use super::submissions::vm_deletion;
use super::vm_changes::{self, VmChange};
use super::vm_document::{self, VM, vm_reference};
use super::{Desk, Infra, disks, media, metadata, vm_actions, vm_sections};
use crate::sim::reply::{Problem, Reply};
use crate::sim::tasks::Starter;

/// Answers requests below `/api/vApp/vm-{uuid}`.
pub(crate) fn handle(desk: &mut Desk<'_, '_>, uuid: &str, rest: &[&str]) -> Result<Reply, Problem> {
    let vm = access::vm(desk.call, desk.infra, uuid)?.clone();
    match (desk.call.method, rest) {
        (&Method::GET, []) => Ok(Reply::xml(
            200,
            desk.call.version,
            VM,
            vm_document::vm(desk.ctx, desk.infra, &vm).document(),
        )),
        (&Method::DELETE, []) => delete(desk, &vm),
        (&Method::POST, ["action", "reconfigureVm"]) => {
            let body = desk.call.document("Vm")?;
            let changes = vm_changes::of_reconfigure(desk.call, desk.infra, &body, &vm)?;
            reconfigure(desk, &vm, changes)
        }
        (_, ["metadata", path @ ..]) => {
            let object = metadata::Object {
                uuid: vm.uuid.clone(),
                free: desk.infra.require_vm_free(&vm.uuid),
                right: right::EDIT,
                values: vm.metadata.clone(),
                owner: vm_reference(&vm, desk.ctx.site),
            };
            metadata::handle(desk, object, path)
        }
        (_, ["disk", "action", "attach"]) => disks::attach_or_detach(desk, &vm, true),
        (_, ["disk", "action", "detach"]) => disks::attach_or_detach(desk, &vm, false),
        (_, ["media", "action", "insertMedia"]) => media::insert_or_eject(desk, &vm, true),
        (_, ["media", "action", "ejectMedia"]) => media::insert_or_eject(desk, &vm, false),
        (_, ["vmCapabilities"]) => vm_actions::vm_capabilities(desk, &vm),
        (_, ["virtualHardwareSection", item @ ("cpu" | "memory")]) => {
            vm_actions::hardware_item(desk, &vm, item)
        }
        (&Method::GET, ["question"]) => Err(vm_actions::question(&vm)),
        (&Method::POST, ["action", action]) if vm_actions::is_known(action) => {
            vm_actions::action(desk, &vm, action)
        }
        (&Method::POST, action) => {
            let request = PowerRequest::parse(desk.call, action)?;
            power(desk, &vm, request)
        }
        (_, [] | ["action" | "power", ..]) => Err(Problem::wrong_method()),
        (_, [section]) => vm_sections::handle(desk, &vm, section),
        _ => Err(Problem::no_such_url()),
    }
}

/// Starts the task that applies `changes` to `vm`.
pub(crate) fn reconfigure(
    desk: &mut Desk<'_, '_>,
    vm: &Vm,
    changes: Vec<VmChange>,
) -> Result<Reply, Problem> {
    let words = ("vappUpdateVm", "VAPP_UPDATE_VM", "Updating Virtual Machine");
    reconfigure_as(desk, vm, (words, changes))
}

/// The same under another name.
pub(crate) fn reconfigure_as(
    desk: &mut Desk<'_, '_>,
    vm: &Vm,
    ((name, busy_name, verb), changes): ((&'static str, &'static str, &'static str), Vec<VmChange>),
) -> Result<Reply, Problem> {
    desk.infra.require_vm_free(&vm.uuid)?;
    for change in &changes {
        if let VmChange::Name(name) = change {
            desk.infra
                .require_free_vm_name(&vm.vapp, name, Some(&vm.uuid))?;
        }
    }
    let kind = Kind {
        name,
        busy_name,
        verb,
        takes: desk.ctx.timings.reconfigure,
    };
    let change = Change::Reconfigure {
        vm: vm.uuid.clone(),
        changes,
    };
    Ok(start(desk, vm, (kind, change)))
}

/// Starts an operation on `vm`, which is known to be free.
pub(crate) fn start(desk: &mut Desk<'_, '_>, vm: &Vm, (kind, change): (Kind, Change)) -> Reply {
    let task = desk
        .infra
        .submit_on_vm((vm, &Starter::of(desk.call)), (kind, change), desk.ctx);
    desk.accepted(&task)
}

impl Infra {
    /// Refuses a VM that is still deployed, or that a named disk is attached to.
    pub(crate) fn require_deletable(&self, vm: &Vm) -> Result<(), Problem> {
        if vm.deployed {
            return Err(Problem::bad_request(format!(
                "The requested operation could not be executed since VM \"{}\" is running. Stop the VM \
                 and retry the operation.",
                vm.name
            )));
        }
        match self.disks_of(&vm.uuid).first() {
            Some((_, disk)) => Err(Problem::bad_request(format!(
                "The requested operation could not be executed since the independent disk \"{}\" is \
                 attached to VM \"{}\". Detach the disk and retry the operation.",
                disk.name, vm.name
            ))),
            None => Ok(()),
        }
    }
}

fn delete(desk: &mut Desk<'_, '_>, vm: &Vm) -> Result<Reply, Problem> {
    require(desk.call, right::DELETE, "VAPP_DELETE_VM", &vm.uuid)?;
    desk.infra.require_vm_free(&vm.uuid)?;
    desk.infra.require_deletable(vm)?;
    let deletion = vm_deletion(vm, desk.ctx.timings);
    Ok(start(desk, vm, deletion))
}

fn power(desk: &mut Desk<'_, '_>, vm: &Vm, request: PowerRequest) -> Result<Reply, Problem> {
    require(
        desk.call,
        right::POWER,
        "VAPP_VM_POWER_OPERATIONS",
        &vm.uuid,
    )?;
    desk.infra.require_vm_free(&vm.uuid)?;
    if !request.fits(vm) {
        let state = if request.needs_deployed() {
            "not running"
        } else {
            "running"
        };
        return Err(Problem::bad_request(format!(
            "The requested operation could not be executed since VM \"{}\" is {state}.",
            vm.name
        )));
    }
    let operation = request.operation(false, vec![vm.uuid.clone()], desk.ctx.timings);
    Ok(start(desk, vm, operation))
}
