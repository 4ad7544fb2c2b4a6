//! Which clusters need a server at all.
//!
//! Flow: `poll` asks for each listed entity; those that need nothing cost no request of their own.
//!
//! Invariants:
//! - Entities of plain Cluster API users (`isVCDKECluster` absent or false) are never touched.
//! - A cluster that was provisioned is never created again, whatever else its document says.
//! - States this server does not know are left alone.

use jiff::Timestamp;

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
    /// Since when a failed creation keeps its bootstrap VM, if it keeps one: the date of the newest error.
    pub bootstrap_since: Option<Timestamp>,
    /// Whether a cluster that was left alone after a rollback is ready by its own status.
    pub restorable: bool,
}

impl Summary {
    /// Whether the cluster is to be deleted: asked for, or begun.
    ///
    /// What has begun goes on although a client's rewrite has dropped the mark.
    pub fn wants_deletion(&self) -> bool {
        let begun = self.claim.phase() == ClaimPhase::Deleting;
        let asked = self.marked_for_delete || self.state == ClusterState::Deleting;
        begun || asked && self.state != ClusterState::Unknown
    }
}

/// Whether some replica has work to do on the cluster.
pub fn needs_work(summary: &Summary) -> bool {
    if !summary.is_vcdke {
        return false;
    }
    if summary.wants_deletion() {
        return true;
    }
    let phase = summary.claim.phase();
    let unfinished = match phase {
        ClaimPhase::Creating | ClaimPhase::Teardown | ClaimPhase::Deleting => true,
        ClaimPhase::Pending | ClaimPhase::Done => false,
    };
    match summary.state {
        ClusterState::Unclaimed => true,
        // An original server's unfinished creation has no phase of ours: it waits for the stale term.
        ClusterState::Provisioning => {
            // One whose work is over went back in time: what it ended in is to be seen in VCD.
            unfinished || matches!(phase, ClaimPhase::Pending | ClaimPhase::Done)
        }
        ClusterState::Error => unfinished || summary.restorable,
        ClusterState::Provisioned | ClusterState::Deleting | ClusterState::Unknown => false,
    }
}

/// Whether a running cluster's record is held by a server of our kind.
///
/// One that works on it lets go in the end. A record that stays was left behind by a server that is lost, or written
/// back by a client: somebody has to let go of it.
pub fn is_held(summary: &Summary) -> bool {
    let claim = &summary.claim;
    let ours = claim.heartbeat.is_some() && !claim.is_free();
    summary.is_vcdke && summary.state == ClusterState::Provisioned && ours
}

#[cfg(test)]
mod tests {
    use super::ClusterState as S;
    use super::*;

    /// A cluster of ours in this state, wanted.
    fn cluster(state: S, claim: Claim) -> Summary {
        Summary {
            is_vcdke: true,
            marked_for_delete: false,
            state,
            claim,
            bootstrap_since: None,
            restorable: false,
        }
    }

    fn marked(summary: Summary) -> Summary {
        Summary {
            marked_for_delete: true,
            ..summary
        }
    }

    fn record(phase: &str, hold: &str) -> Claim {
        let heartbeat = format!("k1;e=1;s=1;n=1;t=180;p={phase};i=1;x={hold}");
        Claim::from_wire("a/1", &heartbeat)
    }

    fn foreign() -> Claim {
        Claim::from_wire("w1", "beat")
    }

    #[test]
    fn a_running_cluster_that_somebody_of_our_kind_holds_is_to_be_let_go() {
        let held = || cluster(S::Provisioned, record("done", "held"));
        let cases = [
            ("held", held(), true),
            (
                "since its creation",
                cluster(S::Provisioned, record("creating", "held")),
                true,
            ),
            (
                "released",
                cluster(S::Provisioned, record("done", "released")),
                false,
            ),
            (
                "by an original server",
                cluster(S::Provisioned, foreign()),
                false,
            ),
            ("failed", cluster(S::Error, record("done", "held")), false),
            (
                "of a plain CAPVCD user",
                Summary {
                    is_vcdke: false,
                    ..held()
                },
                false,
            ),
        ];
        for (name, summary, want) in cases {
            assert_eq!(is_held(&summary), want, "{name}");
        }
    }

    #[test]
    fn whatever_creation_began_or_should_begin_needs_work() {
        let creating = || record("creating", "held");
        let cases = [
            ("new", cluster(S::Unclaimed, Claim::default())),
            ("in creation", cluster(S::Provisioning, creating())),
            (
                "handed over",
                cluster(S::Provisioning, record("creating", "released")),
            ),
            (
                "in creation and marked",
                marked(cluster(S::Provisioning, creating())),
            ),
            ("of an original server", cluster(S::Provisioning, foreign())),
            (
                "cleaning up after failure",
                cluster(S::Error, record("teardown", "held")),
            ),
            (
                "state went back, record did not",
                cluster(S::Provisioning, record("done", "released")),
            ),
            (
                "left alone after a rollback, and ready",
                Summary {
                    restorable: true,
                    ..cluster(S::Error, record("done", "released"))
                },
            ),
            (
                "new and marked",
                marked(cluster(S::Unclaimed, Claim::default())),
            ),
            (
                "failed and marked",
                marked(cluster(S::Error, record("done", "released"))),
            ),
            (
                "ready and marked",
                marked(cluster(S::Provisioned, record("done", "released"))),
            ),
            (
                "of an original server, marked",
                marked(cluster(S::Provisioned, foreign())),
            ),
            (
                "in deletion, the mark is lost",
                cluster(S::Deleting, record("deleting", "held")),
            ),
            (
                "deletion begun by an original server",
                cluster(S::Deleting, foreign()),
            ),
            (
                "in deletion, the state was written over",
                cluster(S::Provisioning, record("deleting", "waiting")),
            ),
        ];
        for (name, summary) in cases {
            assert!(needs_work(&summary), "{name}");
        }
    }

    #[test]
    fn finished_unwanted_and_foreign_clusters_are_left_alone() {
        let done = || record("done", "released");
        let new = || cluster(S::Unclaimed, Claim::default());
        let cases = [
            (
                "new, of a plain CAPVCD user",
                Summary {
                    is_vcdke: false,
                    ..new()
                },
            ),
            (
                "marked, of a plain CAPVCD user",
                marked(Summary {
                    is_vcdke: false,
                    ..new()
                }),
            ),
            (
                "state of a later server, marked",
                marked(cluster(S::Unknown, Claim::default())),
            ),
            ("failed for good", cluster(S::Error, done())),
            (
                "failed for good, bootstrap VM kept",
                Summary {
                    bootstrap_since: Some(Timestamp::UNIX_EPOCH),
                    ..cluster(S::Error, done())
                },
            ),
            ("failed at an original server", cluster(S::Error, foreign())),
            ("ready", cluster(S::Provisioned, done())),
            (
                "ready, record rolled back",
                cluster(S::Provisioned, record("creating", "held")),
            ),
            (
                "state of a later server",
                cluster(S::Unknown, Claim::default()),
            ),
        ];
        for (name, summary) in cases {
            assert!(!needs_work(&summary), "{name}");
        }
    }
}
