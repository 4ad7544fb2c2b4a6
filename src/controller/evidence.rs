//! What stands of the cluster itself, looked at before anything is created and before it is declared complete.
//!
//! Flow: `observe` hands over the vApps of the VDC that could be the cluster's -> metadata of each ->
//! `cluster_vapps` of the observation.
//!
//! Invariants:
//! - In a VDC without a vApp of the cluster's name this costs no request.
//! - Proof is CAPVCD's metadata alone: a name is nobody's property.
//!
//! Not here: everything else that belongs to a cluster (`estate`), when it matters (`reconcile::sight`), what
//! follows from it (`reconcile`).

use super::estate;
use super::observe::{bootstrap_vapp_name, visible};
use crate::domain::ids::{EntityId, VappId};
use crate::reconcile::estate::{ClusterVapp, EstateSeen, Proof};
use crate::reconcile::marks::{self, INFRA_ID};
use crate::reconcile::observation::VappSeen;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, NamedRef};
use crate::vcd::transport::Transport;

/// Most vApps of a cluster's name that are looked at.
const MAX_CANDIDATES: usize = 16;

/// What a VDC lists that may concern the cluster.
#[derive(Clone)]
pub(super) struct Listing {
    /// vApps that are, or pretend to be, the bootstrap vApp.
    pub(super) vapps: Vec<VappSeen>,
    /// vApps of the cluster's name.
    pub(super) candidates: Vec<NamedRef<VappId>>,
}

/// The vApps that could be those of the cluster, by their names.
pub(super) fn candidates(vapps: &[NamedRef<VappId>], cluster: &str) -> Vec<NamedRef<VappId>> {
    let bootstrap = bootstrap_vapp_name(cluster);
    vapps
        .iter()
        .filter(|vapp| vapp.name != bootstrap && marks::is_vapp_name(&vapp.name, cluster))
        .take(MAX_CANDIDATES)
        .cloned()
        .collect()
}

/// The candidates with their proofs and witnesses. Their machines are of no interest here.
pub(super) async fn cluster_vapps<T: Transport>(
    client: &VcdClient<T>,
    entity: &EntityId,
    candidates: &[NamedRef<VappId>],
) -> Result<Vec<ClusterVapp>, VcdError> {
    let mut found = Vec::new();
    for vapp in candidates {
        let Some(metadata) = visible(client.vapp_metadata(&vapp.id).await)? else {
            continue;
        };
        let named = metadata.get(INFRA_ID).and_then(|value| marks::urn(value));
        found.push(ClusterVapp {
            id: vapp.id.clone(),
            name: vapp.name.clone(),
            proof: if named.as_ref() == Some(entity) {
                Proof::Marked
            } else {
                Proof::Unproven
            },
            busy: false,
            deployed: false,
            vms: Vec::new(),
            metadata,
        });
    }
    Ok(found)
}

/// Everything that belongs to the cluster.
pub(super) async fn survey<T: Transport>(
    client: &VcdClient<T>,
    document: &EntityDocument,
) -> Result<EstateSeen, VcdError> {
    estate::survey(client, &estate::Scope::of(document)).await
}
