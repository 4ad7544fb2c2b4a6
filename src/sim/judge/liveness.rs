//! L1, L3, L4: how long things may take, judged over a whole history.
//!
//! Who asks says when it was [`Calm`]: nothing goes wrong then, and a replica with a free slot is there all
//! the time. What began before counts from there on.
//!
//! Invariants:
//! - A record is taken to be as old as the last change of it; a write of somebody else does not renew it.
//!
//! Not here: what is lawful whatever happens (`super::Judge`).
//! Source: the timers of the protocol: hot poll, full poll, term and jitter of a takeover.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Invariant, Verdict};
use crate::clock::Moment;
use crate::domain::claim::{Claim, ClaimPhase, Hold};
use crate::domain::status::ClusterState;
use crate::sim::entities::look::Look;
use crate::sim::history::{Actor, Deed, Entry};

/// A span of time in which nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calm {
    /// Its beginning.
    pub from: Moment,
    /// Its end.
    pub until: Moment,
}

/// How often replicas look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between looks at clusters with work to do.
    pub hot_poll: Duration,
    /// Between looks at all clusters.
    pub poll: Duration,
    /// What requests and their answers take.
    pub margin: Duration,
}

impl Default for Pace {
    /// As the server does it unless told otherwise.
    fn default() -> Self {
        Self {
            hot_poll: Duration::from_secs(10),
            poll: Duration::from_mins(1),
            margin: Duration::from_secs(2),
        }
    }
}

/// A cluster that waits for a replica.
#[derive(Clone, Debug)]
struct Wait {
    invariant: Invariant,
    since: Moment,
    limit: Duration,
    what: &'static str,
    claim: Claim,
}

/// Every wait that was too long: L3 and L4.
pub fn too_long<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    calm: Calm,
    pace: Pace,
) -> Vec<Verdict> {
    let mut waits: BTreeMap<&str, Wait> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in entries {
        match &entry.deed {
            Deed::Written(written) => {
                let urn = written.entity.as_str();
                let before = waits.remove(urn);
                let same = before.as_ref().filter(|wait| {
                    wait.claim == written.look.claim && entry.by.actor != Actor::Replica
                });
                if let Some(wait) = same {
                    waits.insert(urn, wait.clone());
                    continue;
                }
                found.extend(before.and_then(|wait| wait.judge(urn, entry.at, calm)));
                if let Some(wait) = Wait::of(&written.look, entry.at, pace) {
                    waits.insert(urn, wait);
                }
            }
            Deed::Gone { entity } => {
                waits.remove(entity.as_str());
            }
            Deed::Seen { .. }
            | Deed::Machine(_)
            | Deed::Item(_)
            | Deed::Leaked { .. }
            | Deed::Started { .. }
            | Deed::Stopping { .. } => {}
        }
    }
    found.extend(
        waits
            .iter()
            .filter_map(|(urn, wait)| wait.judge(urn, calm.until, calm)),
    );
    found
}

impl Wait {
    /// What a document waits for; nothing if nothing is to be done.
    fn of(look: &Look, since: Moment, pace: Pace) -> Option<Self> {
        let claim = &look.claim;
        let Pace {
            hot_poll,
            poll,
            margin,
        } = pace;
        let over = claim.phase() == ClaimPhase::Done && !look.marked;
        let (invariant, limit, what) = match claim.heartbeat.as_ref().filter(|_| !over) {
            None if look.state.is_empty() && claim.holder.is_none() && !over => {
                (Invariant::L4, poll * 10, "nobody claims the new cluster")
            }
            None => return None,
            Some(record) => match record.hold {
                Hold::Released => (
                    Invariant::L3,
                    hot_poll + margin,
                    "nobody takes the free claim",
                ),
                Hold::Waiting => (
                    Invariant::L3,
                    record.term + poll + margin,
                    "nobody looks again after the pause",
                ),
                Hold::Held => (
                    Invariant::L3,
                    record.term + record.term / 5 + poll + margin,
                    "nobody renews or takes the claim",
                ),
            },
        };
        Some(Self {
            invariant,
            since,
            limit,
            what,
            claim: claim.clone(),
        })
    }

    fn judge(&self, urn: &str, end: Moment, calm: Calm) -> Option<Verdict> {
        let from = self.since.max(calm.from);
        let until = end.min(calm.until);
        let took = until.since(from);
        (until > from && took > self.limit).then(|| Verdict {
            invariant: self.invariant,
            entity: urn.to_owned(),
            at: until,
            number: 0,
            replica: String::new(),
            what: format!(
                "{} for {:.1} s, {:.1} s are allowed; the record is {:?}",
                self.what,
                took.as_secs_f64(),
                self.limit.as_secs_f64(),
                self.claim.heartbeat_text
            ),
        })
    }
}

/// L1: every cluster that is neither gone, nor provisioned, nor at its end in a named error; and every one
/// whose state changed in the last `stays` before `now`.
pub fn unsettled<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    now: Moment,
    stays: Duration,
) -> Vec<Verdict> {
    let mut last: BTreeMap<&str, (&Look, Moment)> = BTreeMap::new();
    for entry in entries {
        match &entry.deed {
            Deed::Written(written) => {
                let look = written.look.as_ref();
                let known = last.get(written.entity.as_str());
                let since = known.filter(|(old, _)| old.state == look.state);
                let since = since.map_or(entry.at, |(_, since)| *since);
                last.insert(&written.entity, (look, since));
            }
            Deed::Gone { entity } => {
                last.remove(entity.as_str());
            }
            Deed::Seen { .. }
            | Deed::Machine(_)
            | Deed::Item(_)
            | Deed::Leaked { .. }
            | Deed::Started { .. }
            | Deed::Stopping { .. } => {}
        }
    }
    let verdict = |(urn, (look, since)): (&str, (&Look, Moment))| {
        let what = match ClusterState::from_wire(&look.state) {
            ClusterState::Provisioned | ClusterState::Unknown => None,
            ClusterState::Error => {
                let named = !look.sets.errors.value.is_empty();
                let over = look.claim.phase() == ClaimPhase::Done;
                (!(named && over)).then(|| "is in an error that is not its end".to_owned())
            }
            ClusterState::Unclaimed | ClusterState::Provisioning | ClusterState::Deleting => {
                Some(format!("ends in the state \"{}\"", look.state))
            }
        };
        let fresh = now.since(since) < stays;
        let fresh = fresh.then(|| format!("came to \"{}\" only at the end", look.state));
        what.or(fresh).map(|what| Verdict {
            invariant: Invariant::L1,
            entity: urn.to_owned(),
            at: now,
            number: 0,
            replica: String::new(),
            what,
        })
    };
    last.into_iter().filter_map(verdict).collect()
}
