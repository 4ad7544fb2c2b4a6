//! The named disks of the cluster's persistent volumes.
//!
//! Source: the CSI driver names a disk after its volume and, from 1.4 on, describes it by the URN of the
//! entity; before that only `status.csi.vcdResourceSet` tells.

use super::or_gap;
use super::scope::Scope;
use crate::controller::observe::visible;
use crate::domain::ids::VmId;
use crate::reconcile::estate::{EstateItem, EstateKind, EstateSeen, Proof, Serves};
use crate::reconcile::marks;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::DiskRecord;
use crate::vcd::transport::Transport;

/// Beginning of the names Kubernetes gives to volumes.
const VOLUME_NAME: &str = "pvc-";
/// Most disks that are read one by one where the list does not show their descriptions.
const MAX_DISKS_READ: usize = 256;

/// Adds the disks.
pub(super) async fn survey<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    let listed = or_gap(seen, "named disks", client.disks(None).await)?;
    let mut listed = listed.unwrap_or_default();
    describe(client, scope, &mut listed, seen).await?;
    for record in listed {
        let description = record.description.as_deref().unwrap_or_default();
        let Some(proof) = proof(scope, &record, description) else {
            continue;
        };
        let attached_to = attachments(client, &record).await?;
        seen.items.push(EstateItem {
            kind: EstateKind::Disk,
            id: record.id.as_str().to_owned(),
            name: record.name,
            within: None,
            serves: Serves::Volume,
            proof,
            busy: false,
            attached_to,
        });
    }
    Ok(())
}

/// Reads descriptions that the list does not show, of disks that may be the cluster's.
///
/// Where the list shows some, an absent one is empty.
async fn describe<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    listed: &mut [DiskRecord],
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    if listed.iter().any(|record| record.description.is_some()) {
        return Ok(());
    }
    let candidate = |record: &&mut DiskRecord| {
        record.name.starts_with(VOLUME_NAME) || scope.recorded.contains_key(record.id.as_str())
    };
    for (count, record) in listed.iter_mut().filter(candidate).enumerate() {
        if count >= MAX_DISKS_READ {
            let gap = format!("named disks: more than {MAX_DISKS_READ} without a description");
            seen.gaps.push(gap);
            return Ok(());
        }
        let disk = visible(client.disk(&record.id).await)?;
        record.description = disk.map(|disk| disk.description);
    }
    Ok(())
}

fn proof(scope: &Scope, record: &DiskRecord, description: &str) -> Option<Proof> {
    let entity = scope.entity.as_ref()?;
    if let Some(owner) = marks::urn(description) {
        return (owner == *entity).then_some(Proof::Marked);
    }
    if scope.recorded.contains_key(record.id.as_str()) {
        return Some(Proof::Recorded);
    }
    let mentioned = marks::mentions(description, entity) || marks::mentions(&record.name, entity);
    mentioned.then_some(Proof::Unproven)
}

/// The VMs the disk is attached to, as the disk itself says; the list may lag behind.
async fn attachments<T: Transport>(
    client: &VcdClient<T>,
    record: &DiskRecord,
) -> Result<Vec<VmId>, VcdError> {
    if !record.attached {
        return Ok(Vec::new());
    }
    let vms = visible(client.vms_of_disk(&record.id).await)?;
    Ok(vms.unwrap_or_default())
}
