//! Power requests, which vApps and VMs share: what they ask for, when they fit, what they start.
//!
//! Source: VCD API, `power/action`, `action/deploy`, `action/undeploy`.

use super::machine::{Status, Vm};
use super::operations::{Change, Kind};
use crate::sim::call::Call;
use crate::sim::reply::Problem;
use crate::sim::timings::Timings;
use crate::sim::xml::Element;

/// `operationName` of the task, and the name in `BUSY_ENTITY`.
type Words = (&'static str, &'static str);

const ON_VAPP: Words = ("vappDeploy", "VAPP_DEPLOY");
const ON_VM: Words = ("vappDeployVm", "VAPP_DEPLOY_VM");
const OFF_VAPP: Words = ("vappPowerOff", "VAPP_POWER_OFF");
const OFF_VM: Words = ("vappPowerOffVm", "VAPP_POWER_OFF_VM");
const UNDEPLOY_VAPP: Words = ("vappUndeployPowerOff", "VAPP_UNDEPLOY_POWER_OFF");
const UNDEPLOY_VM: Words = ("vappUndeployVm", "VAPP_UNDEPLOY_VM");

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
            _ => Err(Problem::no_such_url()),
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
        let kind = |vapp: Words, vm: Words, verb, takes| {
            let (name, busy_name) = if of_vapp { vapp } else { vm };
            Kind {
                name,
                busy_name,
                verb,
                takes,
            }
        };
        let on = |verb| kind(ON_VAPP, ON_VM, verb, timings.power);
        let off = |verb| kind(OFF_VAPP, OFF_VM, verb, timings.power);
        match self {
            Self::PowerOn | Self::Deploy { power_on: true } => {
                (on("Starting"), Change::PowerOn { vms })
            }
            Self::Deploy { power_on: false } => (on("Deploying"), Change::Deploy { vms }),
            Self::PowerOff => (off("Powering Off"), Change::PowerOff { vms }),
            Self::Shutdown => (off("Shutting Down"), Change::PowerOff { vms }),
            Self::Suspend => (off("Suspending"), Change::Suspend { vms }),
            Self::Restart => (off("Rebooting"), Change::Restart { vms }),
            Self::Undeploy => {
                let kind = kind(UNDEPLOY_VAPP, UNDEPLOY_VM, "Stopping", timings.undeploy);
                (kind, Change::Undeploy { vms })
            }
        }
    }
}
