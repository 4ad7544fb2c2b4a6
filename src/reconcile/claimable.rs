//! Whether this replica may take a cluster, by the record alone.
//!
//! Flow: `poll` hands in the record and how long it has not changed as seen here; `claim` acts on the
//! answer and checks it again on the document it is about to write.
//!
//! Invariants:
//! - Age is "unchanged, as observed here", never a time written by somebody else.
//! - A holder's own term in the record can lengthen the wait, never shorten it.
//!
//! Not here: safety. A claim saves double work; effects are safe because of ids and markers.

use std::time::Duration;

use super::policy::Policy;
use crate::domain::claim::{Claim, HolderId};

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
    if claim.is_free() {
        return Claimable::Free;
    }
    let holder = claim.holder.as_ref();
    if holder == Some(&identity.me) {
        return Claimable::Mine;
    }
    if holder.is_some_and(|holder| identity.predecessors.contains(holder)) {
        return Claimable::Inherited;
    }
    let term = match &claim.heartbeat {
        Some(heartbeat) => policy.takeover.max(heartbeat.term.min(MAX_TERM)),
        None => policy.foreign_takeover,
    };
    let term = term.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
    match term.checked_sub(unchanged_for) {
        Some(rest) if !rest.is_zero() => Claimable::Held { for_another: rest },
        _ => Claimable::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::claim::{ClaimPhase, Heartbeat, Hold};

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

    #[test]
    fn claims_are_read_as_the_protocol_says() {
        let identity = Identity {
            me: HolderId::new("a", 1),
            predecessors: vec![HolderId::new("a", 0)],
        };
        let me = identity.me.to_string();
        let before = HolderId::new("a", 0).to_string();
        let other = HolderId::new("b", 7).to_string();
        let held = record(180, Hold::Held);
        let long = record(600, Hold::Held);
        let secs = Duration::from_secs;
        let cases = [
            ("never claimed", "", "", 0, Claimable::Free),
            (
                "released",
                &other,
                &record(180, Hold::Released),
                0,
                Claimable::Free,
            ),
            ("mine", &me, &held, 9999, Claimable::Mine),
            ("predecessor", &before, &held, 0, Claimable::Inherited),
            (
                "fresh",
                &other,
                &held,
                0,
                Claimable::Held {
                    for_another: secs(180),
                },
            ),
            (
                "a second too early",
                &other,
                &held,
                179,
                Claimable::Held {
                    for_another: secs(1),
                },
            ),
            ("silent", &other, &held, 180, Claimable::Silent),
            (
                "holder's longer term counts",
                &other,
                &long,
                180,
                Claimable::Held {
                    for_another: secs(420),
                },
            ),
            (
                "holder's shorter term does not",
                &other,
                &record(5, Hold::Held),
                5,
                Claimable::Held {
                    for_another: secs(175),
                },
            ),
            (
                "no term is for ever",
                &other,
                &record(u64::MAX, Hold::Held),
                86_400,
                Claimable::Silent,
            ),
            (
                "original server",
                "w1",
                "beat",
                1799,
                Claimable::Held {
                    for_another: secs(1),
                },
            ),
            (
                "original server silent",
                "w1",
                "beat",
                1800,
                Claimable::Silent,
            ),
        ];
        let policy = Policy::standard(Vec::new());
        for (name, worker, heartbeat, unchanged, want) in cases {
            let claim = Claim::from_wire(worker, heartbeat);
            let got = claimable(&claim, &identity, (secs(unchanged), 0.0), &policy);
            assert_eq!(got, want, "{name}");
        }
        let late = claimable(
            &Claim::from_wire(&other, &held),
            &identity,
            (secs(200), 1.0),
            &policy,
        );
        assert_eq!(
            late,
            Claimable::Held {
                for_another: secs(16)
            },
            "jitter lengthens the wait"
        );
    }
}
