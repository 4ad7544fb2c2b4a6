//! How long the bootstrap VM of a failed creation is kept, and when it is collected.
//!
//! Flow: `controller::poll` finds failed clusters that keep one; when the time is over, the cluster is
//! claimed, [`super::decide`] begins the removal, `cleanup` carries it out.
//!
//! Invariants:
//! - The only place where the wall clock decides: this is housekeeping. A clock that is wrong collects a VM
//!   of a failed creation earlier or later; it never touches a cluster that works, because whether anything
//!   is removed is decided by state, record and ids.
//! - Only the bootstrap vApp goes. What was built of the cluster itself stays until the cluster is deleted.

use std::time::Duration;

use jiff::Timestamp;

use super::interest::Summary;
use super::policy::Policy;
use crate::domain::claim::ClaimPhase;
use crate::domain::status::ClusterState;

/// Longest time for inspection that is granted, whatever a configuration says.
const MAX_INSPECTION: Duration = Duration::from_hours(24 * 365);

/// Until when the bootstrap VM of a creation that failed at `failed` is kept.
pub fn until(failed: Timestamp, policy: &Policy) -> Timestamp {
    let kept = policy.inspection.min(MAX_INSPECTION);
    failed.checked_add(kept).unwrap_or(Timestamp::MAX)
}

/// Since when the cluster keeps a bootstrap VM for inspection; `None` when it does not.
pub fn kept_since(summary: &Summary) -> Option<Timestamp> {
    let failed = summary.state == ClusterState::Error;
    let over = summary.claim.phase() == ClaimPhase::Done;
    let bootstrap = summary.bootstrap_since;
    bootstrap.filter(|_| failed && over && summary.is_vcdke && !summary.marked_for_delete)
}

/// Whether the cluster keeps a bootstrap VM, and long enough.
pub fn is_over(summary: &Summary, now: Timestamp, policy: &Policy) -> bool {
    kept_since(summary).is_some_and(|since| until(since, policy) <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::claim::Claim;

    fn at(hours: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_hours(hours)
    }

    fn failed(phase: &str) -> Summary {
        let heartbeat = format!("k1;e=1;s=1;n=1;t=180;p={phase};i=1;x=released");
        Summary {
            is_vcdke: true,
            marked_for_delete: false,
            state: ClusterState::Error,
            claim: Claim::from_wire("", &heartbeat),
            bootstrap_since: Some(at(100)),
            restorable: false,
        }
    }

    #[test]
    fn only_a_failed_creation_that_is_over_keeps_something_and_for_a_day() {
        let policy = Policy::standard(Vec::new());
        let summary = failed("done");
        let provisioned = Summary {
            state: ClusterState::Provisioned,
            ..failed("done")
        };
        let nothing = Summary {
            bootstrap_since: None,
            ..failed("done")
        };
        let marked = Summary {
            marked_for_delete: true,
            ..failed("done")
        };
        let undated = Summary {
            bootstrap_since: Some(Timestamp::MIN),
            ..failed("done")
        };
        let future = Summary {
            bootstrap_since: Some(Timestamp::MAX),
            ..failed("done")
        };
        let cases = [
            (
                "a second too early",
                &summary,
                at(124) - Duration::from_secs(1),
                false,
            ),
            ("a day later", &summary, at(124), true),
            ("nothing kept", &nothing, at(1000), false),
            ("being cleaned up", &failed("teardown"), at(1000), false),
            ("provisioned", &provisioned, at(1000), false),
            ("marked for deletion", &marked, at(1000), false),
            ("failed at an unknown time", &undated, at(0), true),
            ("failed at the end of time", &future, at(1000), false),
        ];
        for (name, summary, now, want) in cases {
            assert_eq!(is_over(summary, now, &policy), want, "{name}");
        }
    }
}
