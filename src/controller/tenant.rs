//! The tenant's side of one cluster: its author's token, and the VDC, network, template and policy the
//! request names.
//!
//! Flow: `observe` asks for a [`Tenant`] once per claim and keeps it in memory; `act` works through it.
//!
//! Invariants:
//! - Infrastructure is touched with the author's own token only, and the token for this cluster only.
//! - The token stays in memory, is wiped when dropped, and never reaches a log or an error text.
//! - What is missing becomes a [`FailureReason`] a tenant can act on; what merely fails stays an error.
//!
//! Source: behavior `getFullEntity` of interface `cse:capvcd:1.0.0` (CSE 4.1+); token Secret in
//! `spec.capiYaml` (CSE 4.0).

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::Deps;
use crate::domain::cluster::{ClusterSpec, SecureFields};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, VdcId};
use crate::reconcile::failure::FailureReason;
use crate::reconcile::preflight::{PreflightProblem, Quoted};
use crate::vcd::error::VcdError;
use crate::vcd::fence::Fence;
use crate::vcd::model::{EntityDocument, NetworkRef, Task, TaskStatus};
use crate::vcd::transport::Transport;
use crate::vcd::{Login, VcdClient};

/// The behavior that returns an entity with its secure fields.
const GET_FULL_ENTITY: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
/// Looks at the behavior's task before giving up for this pass.
const MAX_TASK_LOOKS: u32 = 30;
/// Time between two of them: it reads one document.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Access to a tenant's side, and what the request names there.
pub(crate) struct Tenant<T: Transport> {
    pub(crate) client: VcdClient<T>,
    pub(crate) token: SecretString,
    pub(crate) spec: ClusterSpec,
    pub(crate) vdc: VdcId,
    /// What creation needs and cleaning up does not; looked up when creating.
    pub(crate) targets: Option<Targets>,
}

impl<T: Transport> Tenant<T> {
    /// The same, of a holder that changes nothing while `fence` is closed.
    pub(crate) fn behind(self, fence: Fence) -> Self {
        let client = self.client.behind(fence);
        Self { client, ..self }
    }
}

/// Where the bootstrap VM goes and what it is made of.
pub(crate) struct Targets {
    pub(crate) network: NetworkRef,
    pub(crate) template_vm_href: String,
    pub(crate) sizing_policy: Option<String>,
}

/// Why there is no tenant's side to work with.
#[derive(Debug)]
pub(crate) enum NoTenant {
    /// Somebody must change something.
    Blocked(FailureReason),
    /// VCD refuses the author's token.
    Refused(VcdError),
    /// It may work later.
    Failed(VcdError),
    /// The document shows no token, and VCD refused to show more in a way that may be a mistake.
    Unshown(VcdError),
}

impl From<VcdError> for NoTenant {
    fn from(error: VcdError) -> Self {
        Self::Failed(error)
    }
}

impl From<FailureReason> for NoTenant {
    fn from(reason: FailureReason) -> Self {
        Self::Blocked(reason)
    }
}

/// Signs in as the cluster's author and finds its VDC.
pub(crate) async fn sign_in<T: Transport>(
    deps: &Deps<T>,
    document: &EntityDocument,
) -> Result<Tenant<T>, NoTenant> {
    let full = full_entity(deps, &document.id).await?;
    let parsed = match full.content() {
        Some(content) => ClusterSpec::parse(content, SecureFields::Included),
        None => ClusterSpec::parse(&document.entity, SecureFields::LeftOut),
    };
    let spec = parsed.map_err(|problems| {
        FailureReason::Preflight(problems.into_iter().map(PreflightProblem::Spec).collect())
    })?;
    let token = spec.api_token.clone().ok_or_else(|| full.no_token())?;
    let org = document
        .org
        .as_ref()
        .map_or(spec.org.as_str(), |org| org.name.as_str());
    let login = Login {
        org: org.to_owned(),
        token: token.clone(),
    };
    let client = deps.client.for_tenant(login.clone());
    let mut vdcs = match client.find_vdcs(&spec.vdc).await {
        Ok(vdcs) => vdcs,
        Err(error) => return Err(why_refused(deps, &login, error).await),
    };
    let vdc = vdcs.pop().ok_or_else(|| vdc_not_found(&spec.vdc))?;
    Ok(Tenant {
        client,
        token,
        vdc: vdc.id,
        spec,
        targets: None,
    })
}

/// What a failed call with the author's token means.
pub(crate) fn refused_token(error: VcdError) -> NoTenant {
    match error.class() {
        ErrorClass::Unauthenticated => NoTenant::Refused(error),
        ErrorClass::Transient
        | ErrorClass::Throttled { .. }
        | ErrorClass::Conflict
        | ErrorClass::OutcomeUnknown
        | ErrorClass::Terminal => NoTenant::Failed(error),
    }
}

/// A token that VCD refuses may be one of a system administrator, which no waiting mends.
async fn why_refused<T: Transport>(deps: &Deps<T>, login: &Login, error: VcdError) -> NoTenant {
    if error.class() == ErrorClass::Unauthenticated && deps.client.is_token_of_provider(login).await
    {
        let org = Quoted::of(&login.org);
        let problem = PreflightProblem::TokenOfSystemAdministrator { org };
        return FailureReason::Preflight(vec![problem]).into();
    }
    refused_token(error)
}

/// No VDC of that name, as a reason.
pub(crate) fn vdc_not_found(name: &str) -> FailureReason {
    let name = Quoted::of(name);
    FailureReason::Preflight(vec![PreflightProblem::VdcNotFound { name }])
}

/// What VCD shows of an entity besides what a read does.
pub(crate) enum Full {
    /// The content with its secure fields.
    Shown(Map<String, Value>),
    /// The behavior is not there (CSE 4.0 types), or shows nothing.
    Absent,
    /// Refused in a way that may be a mistake: "not visible", a page that is not VCD's.
    Refused(VcdError),
}

impl Full {
    pub(crate) const fn content(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Shown(content) => Some(content),
            Self::Absent | Self::Refused(_) => None,
        }
    }

    /// Why there is no token: it is missing only where nothing was held back.
    pub(crate) fn no_token(self) -> NoTenant {
        match self {
            Self::Shown(_) | Self::Absent => FailureReason::TokenMissing.into(),
            Self::Refused(error) => NoTenant::Unshown(error),
        }
    }
}

/// The entity's content with its secure fields.
pub(crate) async fn full_entity<T: Transport>(
    deps: &Deps<T>,
    entity: &EntityId,
) -> Result<Full, VcdError> {
    let arguments = Value::Object(Map::new());
    let task = match deps
        .client
        .invoke_behavior(entity, GET_FULL_ENTITY, &arguments)
        .await
    {
        Ok(task) => task,
        Err(error) if error.class() == ErrorClass::Terminal && error.is_verdict() => {
            return Ok(Full::Absent);
        }
        Err(error) if error.class() == ErrorClass::Terminal => return Ok(Full::Refused(error)),
        Err(error) => return Err(error),
    };
    for _ in 0..MAX_TASK_LOOKS {
        match deps.client.task(&task).await? {
            report if report.status == TaskStatus::Running => {
                deps.clock.sleep(LOOK_EVERY).await;
            }
            report => return contents_of(&report),
        }
    }
    Err(VcdError::still_running())
}

/// A task that failed for a reason that may pass says nothing about what the entity holds.
fn contents_of(task: &Task) -> Result<Full, VcdError> {
    match &task.status {
        TaskStatus::Failed { class, .. } if *class != ErrorClass::Terminal => {
            Err(VcdError::behavior_failed())
        }
        TaskStatus::Failed { .. } | TaskStatus::Running | TaskStatus::Success => {
            let content = task.result.as_deref().and_then(entity_of);
            Ok(content.map_or(Full::Absent, Full::Shown))
        }
    }
}

fn entity_of(result: &str) -> Option<Map<String, Value>> {
    let parsed: Value = serde_json::from_str(result).ok()?;
    parsed.get("entity")?.as_object().cloned()
}

/// Whether the cluster's kubeconfig has arrived in its document.
pub(crate) fn has_kubeconfig(full: &Map<String, Value>) -> bool {
    full.get("status")
        .and_then(|at| at.get("capvcd"))
        .and_then(|at| at.get("private"))
        .and_then(|at| at.get("kubeConfig"))
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty())
}
