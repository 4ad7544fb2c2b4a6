//! What stands of a cluster before a server makes or removes anything: the guard of "never again".
//!
//! A document can go back in time: clients write old copies of it, and backups are restored. The cluster
//! itself cannot. Before a creation is declared complete, a witness is written on the cluster's vApp; it
//! outlasts every document. And a vApp of the cluster without any bootstrap VM contradicts a document that
//! knows of no creation.
//!
//! Flow: `create`, `cleanup` and [`super::decide`] ask here before they make or remove anything.
//!
//! Invariants:
//! - A cluster with the witness is never created again and nothing of it is ever cleaned up.
//! - What stands without a witness is not touched on the word of a document that has no attempt.
//! - A provisioned cluster is restored by evidence: its own status says that its control plane is ready.

use super::create::fail;
use super::decision::{Change, Decision};
use super::estate::ClusterVapp;
use super::failure::FailureReason;
use super::observation::{DocumentSeen, Observation};
use super::policy::Policy;
use crate::domain::status::ClusterState;

/// Metadata key of the witness on the cluster's vApp; the value is the entity's URN.
pub const WITNESS: &str = "CseProvisioned";

/// Whether one of the cluster's own vApps carries the witness.
pub(super) fn was_provisioned<'a>(vapps: impl IntoIterator<Item = &'a ClusterVapp>) -> bool {
    let mut proven = vapps.into_iter().filter(|vapp| vapp.proof.suffices());
    proven.any(has_witness)
}

/// Whether the vApp says that the cluster was provisioned.
pub(super) fn has_witness(vapp: &ClusterVapp) -> bool {
    vapp.metadata.contains_key(WITNESS)
}

/// The vApps that are proven to be the cluster's.
pub(super) fn proven(vapps: &[ClusterVapp]) -> impl Iterator<Item = &ClusterVapp> {
    vapps.iter().filter(|vapp| vapp.proof.suffices())
}

/// What speaks against creating anything now, as the decision to be taken instead.
pub(super) fn contradiction(seen: &Observation, policy: &Policy) -> Option<Decision> {
    let complete = seen.vm.as_ref().is_some_and(|vm| vm.report.exit == Some(0));
    if complete || proven(&seen.cluster_vapps).next().is_none() {
        return None;
    }
    if was_provisioned(&seen.cluster_vapps) {
        return Some(resume(
            seen,
            "the cluster was provisioned before, and its document went back to an earlier version",
        ));
    }
    // Without a witness it is what a bootstrap VM of ours is building.
    let builds = |vm: &super::observation::VmSeen| vm.marker.is_some();
    if seen.vapps.iter().flat_map(|vapp| &vapp.vms).any(builds) {
        return None;
    }
    let document = &seen.document;
    Some(
        match (knows_an_attempt(document), document.control_plane_ready) {
            (false, true) => resume(
                seen,
                "the cluster stands and is ready, and its document knows of no creation",
            ),
            (false, false) => end(FailureReason::RollbackDetected),
            // Half-built or finished: nobody can tell any more. A person decides.
            (true, true) => end(FailureReason::BootstrapVmLost(
                "the bootstrap VM is gone while a part of the cluster stands",
            )),
            (true, false) => fail(
                seen,
                policy,
                FailureReason::BootstrapVmLost(
                    "the bootstrap VM is gone while a part of the cluster stands",
                ),
            ),
        },
    )
}

/// Whether the document itself knows that something was made or tried.
fn knows_an_attempt(document: &DocumentSeen) -> bool {
    document.committed_vapp.is_some()
        || document.committed_vm.is_some()
        || document.incarnation > 1
        || document.failed_attempts > 0
}

/// The step for a cluster whose record says that the work is over.
pub(super) fn after_the_end(seen: &Observation) -> Decision {
    match seen.document.state {
        ClusterState::Error if is_restorable(&seen.document) => {
            resume(seen, "the cluster's own status says that it is ready")
        }
        ClusterState::Error if seen.inspection_over => Decision::Commit(Change::EndInspection),
        // The state alone went back: what the work ended in is to be seen in VCD.
        ClusterState::Unclaimed | ClusterState::Provisioning => gone_back(seen),
        ClusterState::Error
        | ClusterState::Provisioned
        | ClusterState::Deleting
        | ClusterState::Unknown => Decision::Settled,
    }
}

/// Whether a cluster that was left alone after a rollback may be reported as provisioned again.
fn is_restorable(document: &DocumentSeen) -> bool {
    document.rollback_reported && document.control_plane_ready
}

fn gone_back(seen: &Observation) -> Decision {
    if let Err(reason) = &seen.preparation {
        return end(reason.clone());
    }
    let stands = proven(&seen.cluster_vapps).next().is_some();
    let ready = stands && seen.document.control_plane_ready;
    if ready || was_provisioned(&seen.cluster_vapps) {
        return resume(
            seen,
            "the cluster stands, and its state went back to an earlier one",
        );
    }
    end(FailureReason::RollbackDetected)
}

/// Goes on where a provisioned cluster was before it was declared: whatever is left of the bootstrap goes,
/// and as soon as its own status says that it is ready, it is provisioned.
pub(super) fn resume(seen: &Observation, because: &'static str) -> Decision {
    let document = &seen.document;
    let markers = || seen.vapps.iter().filter_map(|vapp| vapp.marker.as_ref());
    let incarnation = markers().map(|marker| marker.incarnation).max();
    let later = markers().filter(|marker| marker.epoch > document.epoch);
    let epoch = later.map(|marker| marker.epoch.saturating_add(1)).max();
    Decision::Commit(Change::ResumeProvisioned {
        incarnation: incarnation.unwrap_or(0).max(document.incarnation),
        epoch_at_least: epoch.unwrap_or(document.epoch),
        because,
    })
}

/// Ends without another attempt, whatever the flags say.
fn end(reason: FailureReason) -> Decision {
    Decision::Commit(Change::Fail {
        reason,
        retry: false,
    })
}
