//! Whether this replica may take a cluster, by the record alone.
//!
//! Flow: `poll` hands in the record and how long it has not changed as seen here; `claim` acts on the
//! answer and checks it again on the document it is about to write.
//!
//! Invariants:
//! - Age is "unchanged, as observed here", never a time written by somebody else.
//! - A holder's own term in the record can lengthen the wait, never shorten it.
//! - A record of this very process that it is not at work on may be a late write of its own, or that of
//!   another process with the same identity: it is left alone for as long as a living holder would need to
//!   renew it. So two processes of one identity do not take a cluster from each other in turns.
//! - A release counts only where nobody has signed: who puts a name over our released record holds it.
//!
//! Not here: safety. A claim saves double work; effects are safe because of ids and markers.

use std::time::Duration;

use super::policy::Policy;
use crate::domain::claim::{Claim, Hold, HolderId};

/// Longest term of its own that a holder is granted: the record is the tenant's to write as well.
const MAX_TERM: Duration = Duration::from_hours(24);

/// Who this process is, and whose claims it may take back at once.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This process.
    pub me: HolderId,
    /// Processes that ran here before and are proven dead.
    pub predecessors: Vec<HolderId>,
}

/// What the record says to this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimable {
    /// Nobody holds it.
    Free,
    /// This process holds it according to the record.
    Mine,
    /// The dead predecessor of this process holds it.
    Inherited,
    /// Somebody holds it; it may be taken if it stays unchanged for the given time from now on.
    Held {
        /// Time still to wait.
        for_another: Duration,
    },
    /// The holder has been silent for its whole term.
    Silent,
}

/// Reads a claim: free, mine, held or silent.
///
/// `unchanged_for` is how long this observer has seen the same record; `jitter` in `0.0..1.0` spreads
/// the takeovers of several observers over a fifth of the term.
pub fn claimable(
    claim: &Claim,
    identity: &Identity,
    observed: (Duration, f64),
    policy: &Policy,
) -> Claimable {
    let (unchanged_for, jitter) = observed;
    if claim.is_free() && claim.holder.is_none() {
        // Whoever let go asked for a pause: nothing could be done for the cluster just then.
        let pause = claim.pause().min(MAX_TERM);
        return match pause.checked_sub(unchanged_for) {
            Some(rest) if !rest.is_zero() => Claimable::Held { for_another: rest },
            _ => Claimable::Free,
        };
    }
    let holder = claim.holder.as_ref();
    if holder == Some(&identity.me) {
        return after(policy.self_fence, unchanged_for, Claimable::Mine);
    }
    if holder.is_some_and(|holder| identity.predecessors.contains(holder)) {
        return Claimable::Inherited;
    }
    let term = match &claim.heartbeat {
        Some(heartbeat) if heartbeat.hold == Hold::Held => {
            policy.takeover.max(heartbeat.term.min(MAX_TERM))
        }
        Some(_) | None => policy.foreign_takeover,
    };
    let term = term.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
    after(term, unchanged_for, Claimable::Silent)
}

fn after(term: Duration, unchanged_for: Duration, answer: Claimable) -> Claimable {
    match term.checked_sub(unchanged_for) {
        Some(rest) if !rest.is_zero() => Claimable::Held { for_another: rest },
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::claim::{ClaimPhase, Heartbeat};

    fn record(term_secs: u64, hold: Hold) -> String {
        let heartbeat = Heartbeat {
            epoch: 1,
            seq: 1,
            nonce: 1,
            term: Duration::from_secs(term_secs),
            phase: ClaimPhase::Creating,
            incarnation: 1,
            hold,
        };
        heartbeat.to_string()
    }

    fn me() -> HolderId {
        HolderId::new("a", 1)
    }

    fn predecessor() -> HolderId {
        HolderId::new("a", 0)
    }

    /// What this replica reads from a record that did not change for `secs`.
    fn read(worker: &str, heartbeat: &str, secs: u64, jitter: f64) -> Claimable {
        let identity = Identity {
            me: me(),
            predecessors: vec![predecessor()],
        };
        let claim = Claim::from_wire(worker, heartbeat);
        let observed = (Duration::from_secs(secs), jitter);
        claimable(&claim, &identity, observed, &Policy::standard(Vec::new()))
    }

    fn held_for(secs: u64) -> Claimable {
        let for_another = Duration::from_secs(secs);
        Claimable::Held { for_another }
    }

    #[test]
    fn nothing_is_waited_for_when_the_claim_is_free_or_ours() {
        let held = record(180, Hold::Held);
        let released = record(180, Hold::Released);
        let waiting = record(60, Hold::Waiting);
        let (me, before) = (me(), predecessor());
        let cases = [
            ("never claimed", "", "", 0, Claimable::Free),
            ("a pause asked for", "", &waiting, 59, held_for(1)),
            ("the pause is over", "", &waiting, 60, Claimable::Free),
            ("released", "", &released, 0, Claimable::Free),
            ("mine", me.as_str(), &held, 90, Claimable::Mine),
            ("a twin's", me.as_str(), &held, 89, held_for(1)),
            (
                "predecessor",
                before.as_str(),
                &held,
                0,
                Claimable::Inherited,
            ),
        ];
        for (name, worker, heartbeat, secs, want) in cases {
            assert_eq!(read(worker, heartbeat, secs, 0.0), want, "{name}");
        }
    }

    #[test]
    fn a_foreign_claim_is_waited_out_for_the_longer_of_both_terms() {
        let [short, held, long] = [5, 180, 600].map(|term| record(term, Hold::Held));
        let cases = [
            ("fresh", "b/7", held.as_str(), 0, held_for(180)),
            ("a second too early", "b/7", &held, 179, held_for(1)),
            ("silent", "b/7", &held, 180, Claimable::Silent),
            ("longer term counts", "b/7", &long, 180, held_for(420)),
            ("shorter does not", "b/7", &short, 5, held_for(175)),
            (
                "no term is for ever",
                "b/7",
                &record(u64::MAX, Hold::Held),
                86_400,
                Claimable::Silent,
            ),
            ("original server", "w1", "beat", 1799, held_for(1)),
            (
                "signed over a release",
                "w1",
                &record(180, Hold::Released),
                1799,
                held_for(1),
            ),
            ("it is silent", "w1", "beat", 1800, Claimable::Silent),
        ];
        for (name, worker, heartbeat, secs, want) in cases {
            assert_eq!(read(worker, heartbeat, secs, 0.0), want, "{name}");
        }
    }

    #[test]
    fn jitter_lengthens_the_wait_by_a_fifth_of_the_term_at_most() {
        let held = record(180, Hold::Held);
        assert_eq!(read("b/7", &held, 200, 1.0), held_for(16));
    }
}
