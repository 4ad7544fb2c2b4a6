//! Carrying out one action in VCD with the tenant's own token.
//!
//! Invariants:
//! - Nothing is decided here and nothing is repeated here.
//! - Every object that is created carries the marker from its first moment; every VM is created off.
//! - Deleting what is already gone is success.

use secrecy::ExposeSecret;

use super::Deps;
use super::claim::Held;
use super::estate;
use super::guest::USER_DATA_KEY;
use super::memory::Memory;
use super::observe::bootstrap_vapp_name;
use super::tenant::{Targets, Tenant, vdc_not_found};
use super::user_data::user_data;
use crate::bootstrap::phases::CUSTOMIZATION;
use crate::domain::ids::{TaskId, VappId};
use crate::domain::marker::Marker;
use crate::reconcile::decision::Action;
use crate::reconcile::failure::FailureReason;
use crate::reconcile::removal::Removing;
use crate::reconcile::standing::WITNESS;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::NewVm;
use crate::vcd::transport::Transport;

/// Name of the bootstrap VM; the original server's, so that operators and clients recognise it.
pub(super) const BOOTSTRAP_VM_NAME: &str = "EPHEMERAL_TEMP_VM";

/// What an action left behind.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Done.
    Done,
    /// A vApp was made.
    Composed(VappId),
    /// Under way.
    Started(TaskId),
}

/// Why an action did not happen.
#[derive(Debug)]
pub(super) enum ActError {
    /// VCD's answer, or none.
    Vcd(VcdError),
    /// The request cannot be carried out.
    Blocked(FailureReason),
}

impl From<VcdError> for ActError {
    fn from(error: VcdError) -> Self {
        Self::Vcd(error)
    }
}

/// Carries out `action`.
pub(super) async fn execute<T: Transport>(
    deps: &Deps<T>,
    held: &Held<T>,
    memory: &Memory<T>,
    action: &Action,
) -> Result<Outcome, ActError> {
    if *action == Action::ResolveEntity {
        deps.client.resolve_entity(&held.document().id).await?;
        return Ok(Outcome::Done);
    }
    let no_token = || ActError::Blocked(FailureReason::TokenMissing);
    let client = memory.client().ok_or_else(no_token)?;
    if let Some(outcome) = remove(client, action).await {
        return outcome;
    }
    let tenant = memory.tenant.as_ref().ok_or_else(no_token)?;
    let started = match action {
        Action::ComposeVapp => return compose(held, tenant).await,
        Action::ConnectNetwork(vapp) => {
            let network = &targets(tenant)?.network;
            client.add_vapp_network(vapp, network).await
        }
        Action::CreateVm(vapp) => {
            let vm = new_vm(held, tenant, targets(tenant)?);
            client.add_vm(vapp, &vm).await
        }
        Action::WriteUserData(vm) => {
            let text = user_data(deps, held, tenant).map_err(ActError::Blocked)?;
            let pairs = [
                (USER_DATA_KEY, text.expose_secret()),
                ("guestinfo.userdata.encoding", "base64"),
                ("disk.enableUUID", "1"),
            ];
            client.set_extra_config(vm, &pairs).await
        }
        Action::PowerOn(vm) => client.power_on(vm).await,
        Action::WriteWitness(vapp) => {
            let entity = held.document().id.as_str();
            client.set_vapp_metadata(vapp, WITNESS, entity).await
        }
        Action::UndeployVapp(_)
        | Action::DeleteVapp(_)
        | Action::UndeployVm(_)
        | Action::DeleteVm(_)
        | Action::Remove(_)
        | Action::ResolveEntity
        | Action::DeleteEntity => return Ok(Outcome::Done),
    };
    Ok(Outcome::Started(started?))
}

/// Carries out what switches off or removes; `None` for every other action.
async fn remove<T: Transport>(
    client: &VcdClient<T>,
    action: &Action,
) -> Option<Result<Outcome, ActError>> {
    let started = match action {
        Action::UndeployVapp(vapp) | Action::Remove(Removing::StopVapp(vapp)) => {
            client.undeploy_vapp(vapp).await.map(Some)
        }
        Action::DeleteVapp(vapp) | Action::Remove(Removing::DeleteVapp(vapp)) => {
            client.delete_vapp(vapp).await.map(Some)
        }
        Action::UndeployVm(vm) | Action::Remove(Removing::StopVm(vm)) => {
            client.undeploy_vm(vm).await.map(Some)
        }
        Action::DeleteVm(vm) | Action::Remove(Removing::DeleteVm(vm)) => {
            client.delete_vm(vm).await.map(Some)
        }
        Action::Remove(Removing::DeleteItem(item)) => estate::remove(client, item).await,
        Action::Remove(Removing::Detach { disk, vm }) => estate::detach(client, disk, vm).await,
        Action::ComposeVapp
        | Action::ConnectNetwork(_)
        | Action::CreateVm(_)
        | Action::WriteUserData(_)
        | Action::PowerOn(_)
        | Action::WriteWitness(_)
        | Action::ResolveEntity
        | Action::DeleteEntity => return None,
    };
    Some(match started {
        Ok(Some(task)) => Ok(Outcome::Started(task)),
        Ok(None) | Err(VcdError::NotVisible { .. }) => Ok(Outcome::Done),
        Err(error) => Err(error.into()),
    })
}

/// Removes a vApp this holder has just made, after it turned out that it no longer holds the cluster.
///
/// It has never been committed, so nobody else relies on it; whoever holds the cluster now would
/// remove it too, this only spares the wait.
pub(super) async fn take_back<T: Transport>(memory: &Memory<T>, vapp: &VappId) {
    if let Some(tenant) = &memory.tenant
        && let Err(error) = tenant.client.unfenced().delete_vapp(vapp).await
    {
        tracing::debug!(vapp = %vapp, error = %crate::telemetry::chain(&error), "own uncommitted vApp was not removed");
    }
}

async fn compose<T: Transport>(held: &Held<T>, tenant: &Tenant<T>) -> Result<Outcome, ActError> {
    let name = bootstrap_vapp_name(&tenant.spec.name);
    let description = marker(held).to_string();
    let vapp = tenant
        .client
        .compose_vapp(&tenant.vdc, &name, &description)
        .await?;
    Ok(Outcome::Composed(vapp.id))
}

/// The marker of what this holder makes now.
pub(super) fn marker<T: Transport>(held: &Held<T>) -> Marker {
    Marker {
        entity: held.document().id.clone(),
        epoch: held.heartbeat().epoch,
        incarnation: held.heartbeat().incarnation,
    }
}

fn targets<T: Transport>(tenant: &Tenant<T>) -> Result<&Targets, ActError> {
    let found = tenant.targets.as_ref();
    found.ok_or_else(|| ActError::Blocked(vdc_not_found(&tenant.spec.vdc)))
}

fn new_vm<T: Transport>(held: &Held<T>, tenant: &Tenant<T>, targets: &Targets) -> NewVm {
    NewVm {
        name: BOOTSTRAP_VM_NAME.to_owned(),
        description: marker(held).to_string(),
        computer_name: "cse-bootstrap".to_owned(),
        template_vm_href: targets.template_vm_href.clone(),
        network: tenant.spec.network.clone(),
        sizing_policy_urn: targets.sizing_policy.clone(),
        storage_profile_href: None,
        customization_script: CUSTOMIZATION.to_owned(),
    }
}
