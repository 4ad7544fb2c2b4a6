//! The estate of one cluster: everything in VCD that belongs to it, surveyed and removed piece by piece.
//!
//! Flow: [`Scope::of`] the entity -> [`survey`] with the author's token -> an [`EstateSeen`] to decide on ->
//! [`remove`] or [`detach`] one object -> the next survey.
//!
//! Invariants:
//! - What cannot be looked at is a named gap, never "nothing there".
//! - What carries the mark of another cluster is none of this one's, whatever the entity says: documents are
//!   copied, rolled back and edited by tenants, marks are written by those who make the objects.
//! - Objects are removed by id. What is gone already is success.
//!
//! Not here: in which order things go (`reconcile`), the bootstrap vApp (`controller::observe`), what a mark
//! looks like (`reconcile::marks`).
//! Source: inventory, names and marks as CAPVCD, CPI and CSI write them.

mod machines;
mod network;
mod scope;
mod volumes;

use crate::domain::error_class::ErrorClass;
use crate::domain::ids::{DiskId, GatewayId, TaskId, VmId};
use crate::reconcile::estate::{EstateItem, EstateKind, EstateSeen};
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::transport::Transport;

use super::observe::visible;
pub use scope::Scope;

/// Looks at everything of the cluster, with the token of its author.
///
/// Repeat: safe. Cancel: safe.
///
/// # Errors
/// Failures that may pass, and refused tokens. What VCD refuses for good is a gap.
pub async fn survey<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
) -> Result<EstateSeen, VcdError> {
    let mut seen = EstateSeen::default();
    machines::survey(client, scope, &mut seen).await?;
    network::survey(client, scope, &mut seen).await?;
    volumes::survey(client, scope, &mut seen).await?;
    Ok(seen)
}

/// Starts to remove one object; none when it is gone already. An unproven object is left alone.
///
/// An IP address takes two calls: one gives up the claim, the next one releases it.
/// Repeat: after a survey. Cancel: may leave it removed.
///
/// # Errors
/// See [`VcdError::class`]; [`ErrorClass::Transient`] among others while VCD is at work on it or on its
/// gateway.
pub async fn remove<T: Transport>(
    client: &VcdClient<T>,
    item: &EstateItem,
) -> Result<Option<TaskId>, VcdError> {
    if !item.proof.suffices() {
        return Ok(None);
    }
    let within = item.within.as_deref().unwrap_or_default();
    let started = match item.kind {
        EstateKind::VirtualService => client.delete_virtual_service(&item.id).await,
        EstateKind::Pool => client.delete_pool(&item.id).await,
        EstateKind::NatRule => match GatewayId::parse(within) {
            Ok(gateway) => client.delete_nat_rule(&gateway, &item.id).await,
            Err(_) => return Ok(None),
        },
        EstateKind::PortProfile => client.delete_port_profile(&item.id).await,
        EstateKind::AddressClaim => client.give_back_allocation(within, &item.id).await,
        EstateKind::Disk => match DiskId::parse(&item.id) {
            Ok(disk) => client.delete_disk(&disk).await.map(Some),
            Err(_) => return Ok(None),
        },
    };
    Ok(visible(started)?.flatten())
}

/// Starts to detach a disk from one VM; none when disk or VM is gone already.
///
/// Repeat: after a survey. Cancel: may leave it detached.
///
/// # Errors
/// See [`VcdError::class`].
pub async fn detach<T: Transport>(
    client: &VcdClient<T>,
    item: &EstateItem,
    vm: &VmId,
) -> Result<Option<TaskId>, VcdError> {
    let Ok(disk) = DiskId::parse(&item.id) else {
        return Ok(None);
    };
    visible(client.detach_disk(vm, &disk).await)
}

/// The answer, or a gap with the reason if VCD refuses for good.
fn or_gap<R>(
    seen: &mut EstateSeen,
    what: &str,
    answer: Result<R, VcdError>,
) -> Result<Option<R>, VcdError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == ErrorClass::Terminal => {
            seen.gaps.push(format!("{what}: {}", chain(&error)));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
