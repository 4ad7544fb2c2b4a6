//! Signs of life by two looks: a claim is alive while it changes, whatever its time says.
//!
//! Flow: every look at the fleet calls [`Pulses::look`] for each held cluster; between two looks at least a
//! heartbeat apart, the claims of living holders have changed.
//!
//! Invariants:
//! - 40 bytes per held cluster, and at most [`MOST_CLAIMS`] of them.
//! - One look proves nothing: until a second one there is no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use twox_hash::XxHash3_64;

use crate::domain::claim::Claim;

/// Most claims that are remembered; more than the slots of any fleet.
pub const MOST_CLAIMS: usize = 200_000;

/// What is known of one claim.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    record: u64,
    /// When the record was seen to be another one.
    changed: Option<Duration>,
    first: Duration,
}

/// The claims of a fleet over several looks; times count from any origin.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    claims: BTreeMap<u64, Pulse>,
}

/// What the looks so far have shown of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// It was seen to change, so long ago.
    Renewed(Duration),
    /// It has been the same for so long.
    Same(Duration),
    /// It was looked at once.
    Unknown,
}

impl Pulses {
    /// Notes the claim on a cluster at `now`.
    pub fn look(&mut self, cluster: &str, claim: &Claim, now: Duration) -> Sign {
        let key = XxHash3_64::oneshot(cluster.as_bytes());
        let record = record(claim);
        let Some(known) = self.claims.get_mut(&key) else {
            if self.claims.len() < MOST_CLAIMS {
                let pulse = Pulse {
                    record,
                    changed: None,
                    first: now,
                };
                self.claims.insert(key, pulse);
            }
            return Sign::Unknown;
        };
        if known.record != record {
            known.record = record;
            known.changed = Some(now);
        }
        match known.changed {
            Some(at) => Sign::Renewed(now.saturating_sub(at)),
            None if now > known.first => Sign::Same(now.saturating_sub(known.first)),
            None => Sign::Unknown,
        }
    }
}

fn record(claim: &Claim) -> u64 {
    let holder = claim.holder.as_ref().map_or("", |holder| holder.as_str());
    let text = format!("{holder}\n{}\n{}", claim.heartbeat_text, claim.stamp);
    XxHash3_64::oneshot(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(nonce: u64) -> Claim {
        Claim::from_wire(
            "a/1",
            &format!("k1;e=1;s=1;n={nonce:x};t=180;p=creating;i=1;x=held"),
        )
    }

    #[test]
    fn only_what_changes_between_two_looks_is_alive() {
        let at = Duration::from_secs;
        let mut pulses = Pulses::default();
        assert_eq!(pulses.look("c", &claim(1), at(0)), Sign::Unknown);
        assert_eq!(pulses.look("c", &claim(1), at(40)), Sign::Same(at(40)));
        assert_eq!(pulses.look("c", &claim(2), at(50)), Sign::Renewed(at(0)));
        assert_eq!(pulses.look("c", &claim(2), at(55)), Sign::Renewed(at(5)));
        let stamped = claim(2).stamped("2026-03-01T09:00:00Z");
        assert_eq!(
            pulses.look("c", &stamped, at(60)),
            Sign::Renewed(at(0)),
            "an original server may renew nothing but the time"
        );
        assert_eq!(pulses.look("d", &claim(2), at(60)), Sign::Unknown);
    }
}
