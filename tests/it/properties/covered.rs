//! What one effect may be, by the document and the objects that were seen.

use cse_server::domain::claim::ClaimPhase;
use cse_server::domain::ids::{VappId, VmId};
use cse_server::domain::status::ClusterState;
use cse_server::reconcile::decision::Action;
use cse_server::reconcile::estate::ClusterVapp;
use cse_server::reconcile::observation::{Observation, VappSeen};
use cse_server::reconcile::standing::WITNESS;

use super::removal::{is_removable, may_leave};

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
pub(super) fn our_vapp(seen: &Observation, id: &VappId) -> bool {
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
            let condemned = seen.removal.condemned.contains(removing.subject());
            (deleting || cleans && condemned) && is_removable(seen, removing)
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
