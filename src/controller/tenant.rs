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

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::Deps;
use crate::domain::cluster::{ClusterSpec, SecureFields};
use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{EntityId, VdcId};
use crate::reconcile::failure::FailureReason;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, NetworkRef, Task, TaskStatus, Vdc};
use crate::vcd::transport::Transport;
use crate::vcd::{Login, VcdClient};

/// The behavior that returns an entity with its secure fields.
const GET_FULL_ENTITY: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
/// Looks at the behavior's task before giving up for this pass.
const MAX_TASK_LOOKS: u32 = 30;

/// Access to a tenant's side, and what the request names there.
pub(crate) struct Tenant<T: Transport> {
    pub(crate) client: VcdClient<T>,
    pub(crate) token: SecretString,
    pub(crate) spec: ClusterSpec,
    pub(crate) vdc: VdcId,
    /// What creation needs and cleaning up does not; looked up when creating.
    pub(crate) targets: Option<Targets>,
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
    let parsed = match &full {
        Some(content) => ClusterSpec::parse(content, SecureFields::Included),
        None => ClusterSpec::parse(&document.entity, SecureFields::LeftOut),
    };
    let spec = parsed.map_err(|problems| {
        FailureReason::InvalidSpec(problems.iter().map(ToString::to_string).collect())
    })?;
    let token = spec.api_token.clone().ok_or(FailureReason::TokenMissing)?;
    let org = document
        .org
        .as_ref()
        .map_or(spec.org.as_str(), |org| org.name.as_str());
    let login = Login {
        org: org.to_owned(),
        token: token.clone(),
    };
    let client = deps.client.for_tenant(login);
    let mut vdcs = client.find_vdcs(&spec.vdc).await.map_err(refused_token)?;
    let vdc = vdcs.pop().ok_or_else(|| not_found("VDC", &spec.vdc))?;
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

fn not_found(what: &'static str, name: &str) -> FailureReason {
    FailureReason::NotFound {
        what,
        name: name.to_owned(),
    }
}

/// The entity's content with its secure fields; `None` where the behavior is not there (CSE 4.0 types).
pub(crate) async fn full_entity<T: Transport>(
    deps: &Deps<T>,
    entity: &EntityId,
) -> Result<Option<Map<String, Value>>, VcdError> {
    let arguments = Value::Object(Map::new());
    let task = match deps
        .client
        .invoke_behavior(entity, GET_FULL_ENTITY, &arguments)
        .await
    {
        Ok(task) => task,
        Err(error) if error.class() == ErrorClass::Terminal => return Ok(None),
        Err(error) => return Err(error),
    };
    for _ in 0..MAX_TASK_LOOKS {
        match deps.client.task(&task).await? {
            report if report.status == TaskStatus::Running => {
                deps.clock.sleep(deps.policy.task_poll / 3).await;
            }
            report => return contents_of(&report),
        }
    }
    Err(VcdError::still_running())
}

/// A task that failed for a reason that may pass says nothing about what the entity holds.
fn contents_of(task: &Task) -> Result<Option<Map<String, Value>>, VcdError> {
    match &task.status {
        TaskStatus::Failed { class, .. } if *class != ErrorClass::Terminal => {
            Err(VcdError::behavior_failed())
        }
        TaskStatus::Failed { .. } | TaskStatus::Running | TaskStatus::Success => {
            Ok(task.result.as_deref().and_then(entity_of))
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

/// Finds network, template and sizing policy of the request.
pub(crate) async fn find_targets<T: Transport>(
    deps: &Deps<T>,
    tenant: &Tenant<T>,
    vdc: &Vdc,
) -> Result<Targets, NoTenant> {
    let spec = &tenant.spec;
    let network = vdc
        .networks
        .iter()
        .find(|network| network.name == spec.network)
        .cloned()
        .ok_or_else(|| not_found("network", &spec.network))?;
    let machine = &spec.control_plane;
    let templates = tenant
        .client
        .find_templates(&machine.catalog, &machine.template)
        .await?;
    let reference = templates
        .first()
        .ok_or_else(|| not_found("template", &machine.template))?;
    let template = tenant.client.template(reference).await?;
    if !template.ready {
        return Err(FailureReason::TemplateNotReady(machine.template.clone()).into());
    }
    let wanted = deps.server_config.bootstrap.sizing_policy.as_str();
    let policies = tenant.client.find_policies(wanted).await?;
    let sizing_policy = match policies.into_iter().next() {
        Some(policy) => Some(policy.id),
        None if wanted.is_empty() => None,
        None => return Err(not_found("VM sizing policy", wanted).into()),
    };
    Ok(Targets {
        network,
        template_vm_href: template.vm_href,
        sizing_policy,
    })
}
