//! What one effect may be, by the document and the objects that were seen.

use cse_server::domain::claim::ClaimPhase;
use cse_server::domain::ids::{VappId, VmId};
use cse_server::domain::status::ClusterState;
use cse_server::reconcile::decision::Action;
use cse_server::reconcile::estate::{ClusterVapp, EstateItem, EstateKind, EstateSeen, Proof};
use cse_server::reconcile::observation::{Observation, VappSeen};
use cse_server::reconcile::removal::Removing;
use cse_server::reconcile::standing::WITNESS;

use super::policy;

/// Whether any vApp proven the cluster's says that it was provisioned.
fn has_witness(vapps: &[ClusterVapp]) -> bool {
    let mut proven = vapps.iter().filter(|vapp| vapp.proof.suffices());
    proven.any(|vapp| vapp.metadata.contains_key(WITNESS))
}

/// A cluster that was provisioned is neither created again nor taken apart for another attempt.
pub(super) fn respects_the_witness(seen: &Observation, action: &Action) -> bool {
    let complete = seen.vm.as_ref().is_some_and(|vm| vm.report.exit == Some(0));
    match action {
        Action::ComposeVapp | Action::CreateVm(_) | Action::PowerOn(_) => {
            complete || !has_witness(&seen.cluster_vapps)
        }
        // Deleting it is the tenant's wish.
        Action::Remove(_) if seen.document.phase == ClaimPhase::Deleting => true,
        Action::Remove(_) => {
            let estate = seen.estate.as_ref();
            estate.is_some_and(|estate| !has_witness(&estate.vapps))
        }
        Action::ConnectNetwork(_)
        | Action::DeleteEntity
        | Action::WriteUserData(_)
        | Action::WriteWitness(_)
        | Action::ResolveEntity
        | Action::UndeployVapp(_)
        | Action::DeleteVapp(_)
        | Action::UndeployVm(_)
        | Action::DeleteVm(_) => true,
    }
}

/// Whether removing the vApp is covered: committed, or marked as this entity's.
fn our_vapp(seen: &Observation, id: &VappId) -> bool {
    let committed = seen.document.committed_vapp.as_ref() == Some(id);
    committed
        || seen
            .vapps
            .iter()
            .any(|vapp| vapp.id == *id && vapp.marker.is_some())
}

fn our_vm(seen: &Observation, id: &VmId) -> bool {
    let mut vms = seen.vapps.iter().flat_map(|vapp| &vapp.vms);
    vms.any(|vm| vm.id == *id && vm.marker.is_some())
}

fn creating(phase: ClaimPhase) -> bool {
    matches!(phase, ClaimPhase::Pending | ClaimPhase::Creating)
}

/// What one effect may be, by the document and the objects that were seen.
pub(super) fn is_covered(seen: &Observation, action: &Action) -> bool {
    let document = &seen.document;
    let creates = creating(document.phase) && !document.marked_for_delete;
    let is_committed = |vm: &VmId| document.committed_vm.as_ref() == Some(vm);
    let deleting = document.phase == ClaimPhase::Deleting;
    match action {
        Action::Remove(removing) => {
            let failed = document.state == ClusterState::Error && document.auto_repair;
            let cleans = document.phase == ClaimPhase::Teardown && failed;
            (deleting || cleans) && is_removable(seen, removing)
        }
        Action::DeleteEntity => deleting && may_leave(seen),
        Action::ComposeVapp => creates && document.committed_vapp.is_none(),
        Action::ConnectNetwork(vapp) | Action::CreateVm(vapp) => {
            creates && document.committed_vapp.as_ref() == Some(vapp)
        }
        Action::WriteUserData(vm) | Action::PowerOn(vm) => creates && is_committed(vm),
        Action::ResolveEntity => !document.resolved,
        Action::WriteWitness(vapp) => {
            let proven = |one: &&ClusterVapp| one.proof.suffices() && one.id == *vapp;
            document.control_plane_ready && seen.cluster_vapps.iter().any(|one| proven(&one))
        }
        Action::UndeployVapp(vapp) | Action::DeleteVapp(vapp) => our_vapp(seen, vapp),
        Action::UndeployVm(vm) | Action::DeleteVm(vm) => our_vm(seen, vm) && !is_committed(vm),
    }
}

/// Whether the object is proven the cluster's, and nothing is in it or uses it.
fn is_removable(seen: &Observation, removing: &Removing) -> bool {
    let Some(estate) = &seen.estate else {
        return false;
    };
    let vapps = || estate.vapps.iter().filter(|vapp| vapp.proof.suffices());
    let nodes = || vapps().flat_map(|vapp| vapp.vms.iter().filter(|vm| vm.proof.suffices()));
    let deletes_volumes = seen.document.deletion.forced && seen.document.deletion.reclaims_volumes;
    match removing {
        Removing::StopVapp(id) => {
            vapps().any(|vapp| vapp.id == *id && vapp.vms.iter().all(|vm| vm.proof.suffices()))
        }
        Removing::StopVm(id) => nodes().any(|vm| vm.id == *id),
        Removing::Detach { vm: id, .. } => nodes().any(|vm| vm.id == *id),
        Removing::DeleteVm(id) => {
            let used = estate
                .items
                .iter()
                .any(|item| item.kind == EstateKind::Disk && item.attached_to.contains(id));
            nodes().any(|vm| vm.id == *id && !vm.deployed) && !used
        }
        Removing::DeleteVapp(id) => vapps().any(|vapp| vapp.id == *id && vapp.vms.is_empty()),
        Removing::DeleteItem(item) => {
            let volume = item.kind == EstateKind::Disk;
            item.proof.suffices() && (!volume || deletes_volumes && item.attached_to.is_empty())
        }
    }
}

/// Whether the entity may go: nothing proven is left, and nothing can be on its way.
fn may_leave(seen: &Observation) -> bool {
    let document = &seen.document;
    let never = document.deletion.never_built;
    let quiet = seen.removal.empty_for >= Some(policy().quarantine);
    let deletes_volumes = document.deletion.forced && document.deletion.reclaims_volumes;
    let left = |estate: &EstateSeen| {
        let volume = |item: &EstateItem| item.kind == EstateKind::Disk && !deletes_volumes;
        let items = estate.items.iter().filter(|item| !volume(item));
        let vapps = estate.vapps.iter().map(|vapp| vapp.proof);
        let mut proofs = items.map(|item| item.proof).chain(vapps);
        proofs.any(Proof::suffices) || !(never || estate.gaps.is_empty())
    };
    let blind = seen.preparation.is_err();
    let empty = match &seen.estate {
        _ if blind => never,
        Some(estate) => !left(estate) && !seen.vapps.iter().any(|vapp| our_vapp(seen, &vapp.id)),
        None => false,
    };
    empty && (quiet || never && document.incarnation == 0)
}

/// A later attempt's objects are the successor's, and the committed vApp goes by written intent only.
pub(super) fn respects_intent(seen: &Observation, action: &Action) -> bool {
    let document = &seen.document;
    let (Action::UndeployVapp(id) | Action::DeleteVapp(id)) = action else {
        return true;
    };
    let later = |vapp: &&VappSeen| {
        let marker = vapp.marker.as_ref();
        marker.is_some_and(|marker| marker.incarnation > document.incarnation)
    };
    !creating(document.phase)
        || (document.committed_vapp.as_ref() != Some(id)
            && !seen.vapps.iter().filter(later).any(|vapp| vapp.id == *id))
}
