//! The cluster's vApps and the machines in them.
//!
//! Invariants:
//! - A name is a place to look, never a proof: that is CAPVCD's metadata, or the entity's record of the id
//!   where the metadata names nobody else and the name fits.
//!
//! Source: CAPVCD finds its vApp by name and by metadata `CapvcdInfraId`; `externalId` up to CAPVCD 1.3.2.

use std::collections::BTreeMap;

use super::or_gap;
use super::scope::Scope;
use crate::controller::observe::{power, visible};
use crate::domain::ids::{VappId, VdcId};
use crate::domain::marker::Marker;
use crate::reconcile::estate::{ClusterVapp, EstateSeen, NodeVm, Proof};
use crate::reconcile::marks::{self, INFRA_ID, MACHINE_DESCRIPTION};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{Vapp, VappVm};
use crate::vcd::transport::Transport;

/// Most vApps looked at for one cluster: one per zone and pool, and look-alikes.
const MAX_VAPPS: usize = 64;

/// Where a vApp was come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the listing of a VDC of the cluster: it exists.
    Home,
    /// In the entity's records or in a search, both of which may be out of date.
    Elsewhere,
}

/// Adds the vApps of the cluster and those of its name.
pub(super) async fn survey<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    if scope.is_cut {
        let gap = "the entity names more objects than are looked at";
        seen.gaps.push(gap.to_owned());
    }
    let (mut listed, mut elsewhere) = (BTreeMap::new(), Vec::new());
    for vdc in vdcs(client, scope, seen).await? {
        let what = format!("vApps of VDC {vdc}");
        let Some(vdc) = or_gap(&mut seen.gaps, &what, client.vdc(&vdc).await)? else {
            continue;
        };
        let fitting = vdc.vapps.into_iter().filter(|vapp| fits(&vapp.name, scope));
        listed.extend(fitting.map(|vapp| (vapp.id, Place::Home)));
    }
    for name in &scope.names {
        // In other VDCs, too: zones have vApps of their own, and the entity may name the wrong VDC.
        let found = or_gap(
            &mut seen.gaps,
            "vApps of the cluster",
            client.vapps_beginning(name).await,
        )?;
        let found = found.unwrap_or_default().into_iter();
        elsewhere.extend(
            found
                .filter(|vapp| fits(&vapp.name, scope))
                .map(|vapp| vapp.id),
        );
    }
    for vapp in elsewhere.into_iter().chain(scope.vapps.iter().cloned()) {
        listed.entry(vapp).or_insert(Place::Elsewhere);
    }
    if listed.len() > MAX_VAPPS {
        let gap = format!(
            "{} vApps could be the cluster's; {MAX_VAPPS} are looked at",
            listed.len()
        );
        seen.gaps.push(gap);
    }
    for (id, place) in listed.into_iter().take(MAX_VAPPS) {
        look(client, scope, (&id, place), seen).await?;
    }
    Ok(())
}

fn fits(vapp: &str, scope: &Scope) -> bool {
    scope
        .names
        .iter()
        .any(|name| marks::is_vapp_name(vapp, name))
}

async fn vdcs<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    seen: &mut EstateSeen,
) -> Result<Vec<VdcId>, VcdError> {
    let mut found = scope.vdcs.clone();
    for name in &scope.vdc_names {
        let what = format!("VDC \"{name}\"");
        let Some(vdcs) = or_gap(&mut seen.gaps, &what, client.find_vdcs(name).await)? else {
            continue;
        };
        // CAPVCD writes names where ids belong, and the other way round; one that leads on is enough.
        found.extend(vdcs.into_iter().map(|vdc| vdc.id));
    }
    if found.is_empty() {
        let names: Vec<&str> = scope.vdc_names.iter().map(String::as_str).collect();
        seen.gaps.push(format!(
            "the VDC of the cluster (\"{}\") does not exist, or the token's user may not see it",
            names.join("\", \"")
        ));
    }
    Ok(found.into_iter().collect())
}

/// One vApp. One that is listed and cannot be read is a gap: it may have gone just now, or be hidden.
async fn look<T: Transport>(
    client: &VcdClient<T>,
    scope: &Scope,
    (id, place): (&VappId, Place),
    seen: &mut EstateSeen,
) -> Result<(), VcdError> {
    let vapp = visible(client.vapp(id).await)?;
    let metadata = visible(client.vapp_metadata(id).await)?;
    let (Some(vapp), Some(metadata)) = (vapp, metadata) else {
        if place == Place::Home {
            seen.gaps
                .push(format!("vApp {id} is listed but cannot be read"));
        }
        return Ok(());
    };
    // A bootstrap vApp carries the server's own marker and is looked after elsewhere.
    if Marker::parse(&vapp.description).is_none() {
        let proof = proof(scope, &vapp, &metadata);
        // A name means nothing in a VDC that is not the cluster's.
        if place == Place::Elsewhere && !proof.suffices() {
            return Ok(());
        }
        seen.vapps
            .push(cluster_vapp(scope, vapp, (proof, metadata)));
    }
    Ok(())
}

fn proof(scope: &Scope, vapp: &Vapp, metadata: &BTreeMap<String, String>) -> Proof {
    match metadata.get(INFRA_ID) {
        Some(value) if marks::urn(value).is_some() && marks::urn(value) == scope.entity => {
            Proof::Marked
        }
        None if scope.vapps.contains(&vapp.id) && fits(&vapp.name, scope) => Proof::Recorded,
        Some(_) | None => Proof::Unproven,
    }
}

fn cluster_vapp(
    scope: &Scope,
    vapp: Vapp,
    (proof, metadata): (Proof, BTreeMap<String, String>),
) -> ClusterVapp {
    ClusterVapp {
        deployed: vapp.deployed || vapp.vms.iter().any(|vm| vm.deployed),
        vms: vapp.vms.into_iter().map(|vm| node(scope, vm)).collect(),
        id: vapp.id,
        name: vapp.name,
        proof,
        busy: vapp.busy,
        metadata,
    }
}

fn node(scope: &Scope, vm: VappVm) -> NodeVm {
    let proof = if vm.description.trim() == MACHINE_DESCRIPTION {
        Proof::Marked
    } else if scope.nodes.contains(&vm.name) {
        Proof::Recorded
    } else {
        Proof::Unproven
    };
    NodeVm {
        id: vm.id,
        name: vm.name,
        power: power(vm.status),
        deployed: vm.deployed,
        proof,
        busy: vm.busy,
    }
}
