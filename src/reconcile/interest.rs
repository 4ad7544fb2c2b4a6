//! Which clusters need a server at all.
//!
//! Flow: `poll` asks for each listed entity; those that need nothing cost no request of their own.
//!
//! Invariants:
//! - Entities of plain Cluster API users (`isVCDKECluster` absent or false) are never touched.
//! - A cluster that was provisioned is never created again, whatever else its document says.
//! - States this server does not know are left alone.

use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::status::ClusterState;

/// The few facts of a listed entity that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `spec.vcdKe.isVCDKECluster`.
    pub is_vcdke: bool,
    /// `spec.vcdKe.markForDelete`.
    pub marked_for_delete: bool,
    /// `status.vcdKe.state`.
    pub state: ClusterState,
    /// The claim record.
    pub claim: Claim,
}

/// Whether some replica has work to do on the cluster.
pub fn needs_work(summary: &Summary) -> bool {
    if !summary.is_vcdke {
        return false;
    }
    let phase = summary.claim.phase();
    let unfinished = match phase {
        ClaimPhase::Creating | ClaimPhase::Teardown => true,
        ClaimPhase::Deleting => !summary.claim.is_free(),
        ClaimPhase::Pending | ClaimPhase::Done => false,
    };
    match summary.state {
        // A marked cluster that nobody began needs no creation; deletion is not this server's yet.
        ClusterState::Unclaimed => unfinished || !summary.marked_for_delete,
        // An original server's unfinished creation has no phase of ours: it waits for the stale term.
        ClusterState::Provisioning => {
            unfinished || (phase == ClaimPhase::Pending && !summary.marked_for_delete)
        }
        ClusterState::Error => unfinished,
        ClusterState::Provisioned | ClusterState::Deleting | ClusterState::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_clusters_of_ours_need_work() {
        let record = |phase: &str, hold: &str| {
            Claim::from_wire(
                "a/1",
                &format!("k1;e=1;s=1;n=1;t=180;p={phase};i=1;x={hold}"),
            )
        };
        let free = Claim::default();
        let foreign = Claim::from_wire("w1", "beat");
        use ClusterState as S;
        let cases = [
            ("new", true, false, S::Unclaimed, free.clone(), true),
            (
                "new, of a plain CAPVCD user",
                false,
                false,
                S::Unclaimed,
                free.clone(),
                false,
            ),
            (
                "new and already marked",
                true,
                true,
                S::Unclaimed,
                free.clone(),
                false,
            ),
            (
                "in creation",
                true,
                false,
                S::Provisioning,
                record("creating", "held"),
                true,
            ),
            (
                "handed over",
                true,
                false,
                S::Provisioning,
                record("creating", "released"),
                true,
            ),
            (
                "in creation and marked",
                true,
                true,
                S::Provisioning,
                record("creating", "held"),
                true,
            ),
            (
                "of an original server",
                true,
                false,
                S::Provisioning,
                foreign.clone(),
                true,
            ),
            (
                "cleaning up after failure",
                true,
                false,
                S::Error,
                record("teardown", "held"),
                true,
            ),
            (
                "failed for good",
                true,
                false,
                S::Error,
                record("done", "released"),
                false,
            ),
            (
                "failed at an original server",
                true,
                false,
                S::Error,
                foreign,
                false,
            ),
            (
                "ready",
                true,
                false,
                S::Provisioned,
                record("done", "released"),
                false,
            ),
            (
                "ready, record rolled back",
                true,
                false,
                S::Provisioned,
                record("creating", "held"),
                false,
            ),
            (
                "state of a later server",
                true,
                false,
                S::Unknown,
                free,
                false,
            ),
        ];
        for (name, is_vcdke, marked_for_delete, state, claim, want) in cases {
            let summary = Summary {
                is_vcdke,
                marked_for_delete,
                state,
                claim,
            };
            assert_eq!(needs_work(&summary), want, "{name}");
        }
    }
}
