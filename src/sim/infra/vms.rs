//! Requests on single VMs: read, power, deploy, undeploy, reconfigure, delete; and power requests in
//! general, which vApps share.
//!
//! Source: VCD API, VM operations.

use http::Method;

use super::access::{self, require, right};
use super::machine::{Status, Vm};
use super::operations::{Change, Kind, Operation, Starter};
use super::vm_changes::{self, VmChange};
use super::vm_document::{self, VM, vm_reference};
use super::{Infra, metadata, no_such_url, vm_sections};
use crate::sim::call::Call;
use crate::sim::context::Context;
use crate::sim::reply::{Problem, Reply};
use crate::sim::timings::Timings;
use crate::sim::xml::{Element, task_document};

/// Media type of a task, the part after `application/`.
const TASK: &str = "vnd.vmware.vcloud.task+xml";

/// 202 with the task, by its bare UUID.
pub(crate) fn task_reply(call: &Call<'_>, ctx: &Context<'_>, task: &str) -> Reply {
    let body = ctx
        .tasks
        .get(task)
        .map(|task| task_document(task, ctx.site))
        .unwrap_or_default();
    Reply::xml(202, call.version, TASK, body)
        .with_header("location", format!("{}/api/task/{task}", ctx.site))
}

/// Answers requests below `/api/vApp/vm-{uuid}`.
pub(crate) fn handle(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    uuid: &str,
    rest: &[&str],
) -> Result<Reply, Problem> {
    let vm = access::vm(call, infra, uuid)?.clone();
    match (call.method, rest) {
        (&Method::GET, []) => Ok(Reply::xml(
            200,
            call.version,
            VM,
            vm_document::vm(ctx, infra, &vm).document(),
        )),
        (&Method::DELETE, []) => delete(call, ctx, infra, &vm),
        (&Method::POST, ["action", "reconfigureVm"]) => {
            let body = Element::parse(call.body)?;
            let changes = vm_changes::of_reconfigure(call, &body, &vm)?;
            reconfigure(call, ctx, infra, &vm, changes)
        }
        (_, ["metadata", path @ ..]) => {
            let object = metadata::Object {
                uuid: vm.uuid.clone(),
                free: infra.require_vm_free(&vm.uuid),
                values: vm.metadata.clone(),
                owner: vm_reference(&vm, ctx.site),
            };
            metadata::handle(call, ctx, infra, object, path)
        }
        (&Method::POST, action) => {
            let request = PowerRequest::parse(call, action)?;
            power(call, ctx, infra, &vm, request)
        }
        (_, [section]) => vm_sections::handle(call, ctx, infra, &vm, section),
        _ => Err(no_such_url()),
    }
}

/// Starts the task that applies `changes` to `vm`.
pub(crate) fn reconfigure(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vm: &Vm,
    changes: Vec<VmChange>,
) -> Result<Reply, Problem> {
    infra.require_vm_free(&vm.uuid)?;
    let kind = Kind {
        name: "vappUpdateVm",
        busy_name: "VAPP_UPDATE_VM",
        verb: "Updating Virtual Machine",
        takes: ctx.timings.reconfigure,
    };
    let change = Change::Reconfigure {
        vm: vm.uuid.clone(),
        changes,
    };
    Ok(start(call, ctx, infra, vm, (kind, change)))
}

fn start(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vm: &Vm,
    (kind, change): (Kind, Change),
) -> Reply {
    let task = infra.submit_on_vm(vm, &Starter::of(call), (kind, change), ctx);
    task_reply(call, ctx, &task)
}

impl Infra {
    /// Starts an operation on one VM that is known to be free; returns its task's bare UUID.
    pub(crate) fn submit_on_vm(
        &mut self,
        vm: &Vm,
        starter: &Starter,
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

/// Refuses a VM that is still deployed.
pub(crate) fn require_undeployed(vm: &Vm) -> Result<(), Problem> {
    if vm.deployed {
        return Err(Problem::bad_request(format!(
            "The requested operation could not be executed since VM \"{}\" is running. Stop the VM \
             and retry the operation.",
            vm.name
        )));
    }
    Ok(())
}

fn delete(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vm: &Vm,
) -> Result<Reply, Problem> {
    require(call, right::DELETE, "VAPP_DELETE_VM", &vm.uuid)?;
    infra.require_vm_free(&vm.uuid)?;
    require_undeployed(vm)?;
    let kind = Kind {
        name: "vappDeleteVm",
        busy_name: "VAPP_DELETE_VM",
        verb: "Deleting Virtual Machine",
        takes: ctx.timings.delete,
    };
    let change = Change::DeleteVm {
        vm: vm.uuid.clone(),
    };
    Ok(start(call, ctx, infra, vm, (kind, change)))
}

fn power(
    call: &Call<'_>,
    ctx: &mut Context<'_>,
    infra: &mut Infra,
    vm: &Vm,
    request: PowerRequest,
) -> Result<Reply, Problem> {
    require(call, right::POWER, "VAPP_VM_POWER_OPERATIONS", &vm.uuid)?;
    infra.require_vm_free(&vm.uuid)?;
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
    let operation = request.operation(false, vec![vm.uuid.clone()], ctx.timings);
    Ok(start(call, ctx, infra, vm, operation))
}

/// A power request on a vApp or VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PowerRequest {
    PowerOn,
    /// Off at once.
    PowerOff,
    /// Off through the guest.
    Shutdown,
    Suspend,
    Restart,
    Deploy {
        power_on: bool,
    },
    Undeploy,
}

impl PowerRequest {
    /// Reads it from the path below the object, and from the body of a deployment.
    pub(crate) fn parse(call: &Call<'_>, path: &[&str]) -> Result<Self, Problem> {
        match path {
            ["power", "action", "powerOn"] => Ok(Self::PowerOn),
            ["power", "action", "powerOff"] => Ok(Self::PowerOff),
            ["power", "action", "shutdown"] => Ok(Self::Shutdown),
            ["power", "action", "suspend"] => Ok(Self::Suspend),
            ["power", "action", "reboot" | "reset"] => Ok(Self::Restart),
            ["action", "deploy"] => {
                // Without a body VCD deploys and powers on.
                let asked = if call.body.is_empty() {
                    None
                } else {
                    Some(Element::parse(call.body)?)
                };
                let power_on = asked.is_none_or(|body| body.attribute("powerOn") != Some("false"));
                Ok(Self::Deploy { power_on })
            }
            ["action", "undeploy"] => Self::parse_undeploy(call),
            _ => Err(no_such_url()),
        }
    }

    fn parse_undeploy(call: &Call<'_>) -> Result<Self, Problem> {
        let body = Element::parse(call.body)?;
        let action = body.text_of("UndeployPowerAction").unwrap_or("default");
        if ["powerOff", "shutdown", "suspend", "force", "default"].contains(&action) {
            return Ok(Self::Undeploy);
        }
        Err(Problem::bad_request(format!(
            "The value \"{action}\" of UndeployPowerAction is invalid."
        )))
    }

    /// Whether it makes sense for deployed objects only.
    pub(crate) fn needs_deployed(self) -> bool {
        match self {
            Self::PowerOff | Self::Shutdown | Self::Suspend | Self::Restart | Self::Undeploy => {
                true
            }
            Self::PowerOn | Self::Deploy { .. } => false,
        }
    }

    /// Whether `vm` is in a state it can be applied to.
    pub(crate) fn fits(self, vm: &Vm) -> bool {
        match self {
            Self::PowerOn => matches!(vm.status, Status::PoweredOff | Status::Suspended),
            Self::PowerOff | Self::Shutdown | Self::Suspend | Self::Restart => {
                vm.status == Status::PoweredOn
            }
            Self::Deploy { .. } => !vm.deployed && vm.status == Status::PoweredOff,
            Self::Undeploy => vm.deployed,
        }
    }

    /// The operation it starts on `vms`, in the words for a vApp or for a VM.
    pub(crate) fn operation(
        self,
        of_vapp: bool,
        vms: Vec<String>,
        timings: &Timings,
    ) -> (Kind, Change) {
        let kind =
            |vapp: (&'static str, &'static str), vm: (&'static str, &'static str), verb, takes| {
                let (name, busy_name) = if of_vapp { vapp } else { vm };
                Kind {
                    name,
                    busy_name,
                    verb,
                    takes,
                }
            };
        let on = kind(
            ("vappPowerOn", "VAPP_POWER_ON"),
            ("vappPowerOnVm", "VAPP_POWER_ON_VM"),
            "Starting",
            timings.power,
        );
        let off = kind(
            ("vappPowerOff", "VAPP_POWER_OFF"),
            ("vappPowerOffVm", "VAPP_POWER_OFF_VM"),
            "Powering Off",
            timings.power,
        );
        let deploy = Kind {
            name: "vappDeploy",
            busy_name: "VAPP_DEPLOY",
            ..on
        };
        let undeploy = kind(
            ("vappUndeployPowerOff", "VAPP_UNDEPLOY_POWER_OFF"),
            ("vappUndeployVm", "VAPP_UNDEPLOY_VM"),
            "Stopping",
            timings.undeploy,
        );
        match self {
            Self::PowerOn => (on, Change::PowerOn { vms }),
            Self::PowerOff => (off, Change::PowerOff { vms }),
            Self::Shutdown => (
                Kind {
                    verb: "Shutting Down",
                    ..off
                },
                Change::PowerOff { vms },
            ),
            Self::Suspend => (
                Kind {
                    verb: "Suspending",
                    ..off
                },
                Change::Suspend { vms },
            ),
            Self::Restart => (
                Kind {
                    verb: "Rebooting",
                    ..off
                },
                Change::Restart { vms },
            ),
            Self::Deploy { power_on: true } => (deploy, Change::PowerOn { vms }),
            Self::Deploy { power_on: false } => (deploy, Change::Deploy { vms }),
            Self::Undeploy => (undeploy, Change::Undeploy { vms }),
        }
    }
}
