//! What the poll remembers of provisioned clusters, so that looking at them again costs a hash.
//!
//! Flow: `poll` hands over a listed cluster's raw texts; the answer is whether somebody has to take it.
//!
//! Invariants:
//! - The YAML of a cluster is read when something that matters has changed, and once after the start:
//!   edits made while no server ran are found by the first listing.
//! - Per cluster a key, a hash and a verdict are kept: at most 64 bytes, and as much again for one that an
//!   original server has worked on.
//! - Of a record that an original server left behind it is known since when it has not changed: nobody has
//!   to wait for the stale interval when such a cluster is to be deleted after years.
//! - The answer is that of `day_two::wants_look` on the same content; who claims asks it again.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use twox_hash::XxHash3_64;
use uuid::Uuid;

use super::day_two::wants_look;
use crate::clock::Moment;
use crate::domain::claim::{Claim, HolderId};
use crate::reconcile::day_two::Look;

/// Clusters beyond those that are listed, before all is forgotten: deleted ones are not told.
const SLACK: u64 = 1_024;

#[derive(Clone, Copy, Debug)]
struct Verdict {
    fingerprint: u64,
    wants_look: bool,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Known {
    look: Look,
    now: Moment,
    by_cluster: BTreeMap<u128, Verdict>,
    /// Hash of an original server's record, and since when it has been the same as seen here.
    left_behind: BTreeMap<u128, (u64, Moment)>,
}

impl Known {
    /// From where clusters are looked at from now on; true when that changes verdicts.
    pub(super) fn look_from(&mut self, look: Look, now: Moment) -> bool {
        self.now = now;
        let changes = self.look.health_check != look.health_check;
        self.look = look;
        if changes {
            self.by_cluster.clear();
        }
        changes
    }

    /// Whether a provisioned cluster wants somebody to look at it.
    pub(super) fn wants_look(&mut self, id: &str, fingerprint: u64, raw: &RawValue) -> bool {
        let key = key(id);
        if let Some(verdict) = self.by_cluster.get(&key)
            && verdict.fingerprint == fingerprint
        {
            return verdict.wants_look;
        }
        let wants_look = read(raw).is_some_and(|entity| wants_look(&entity, &self.look));
        let verdict = Verdict {
            fingerprint,
            wants_look,
        };
        self.by_cluster.insert(key, verdict);
        wants_look
    }

    /// Since when the record of an original server has been the same as seen here; nothing for others.
    pub(super) fn same_since(&mut self, id: &str, claim: &Claim) -> Option<Moment> {
        let key = key(id);
        if claim.holder.is_none() || claim.heartbeat.is_some() {
            self.left_behind.remove(&key);
            return None;
        }
        let worker = claim.holder.as_ref().map_or("", HolderId::as_str);
        let texts = [worker, &claim.heartbeat_text, &claim.stamp];
        let hash = texts.iter().fold(0, |so_far: u64, text| {
            so_far.rotate_left(7) ^ XxHash3_64::oneshot(text.as_bytes())
        });
        let now = self.now;
        let (known, since) = self.left_behind.entry(key).or_insert((hash, now));
        if *known != hash {
            (*known, *since) = (hash, now);
        }
        Some(*since)
    }

    /// Forgets all when more clusters are remembered than there can be.
    pub(super) fn fit(&mut self, listed: u64) {
        let known = u64::try_from(self.by_cluster.len()).unwrap_or(u64::MAX);
        if known > listed.saturating_mul(2).saturating_add(SLACK) {
            self.by_cluster.clear();
        }
        let left_behind = u64::try_from(self.left_behind.len()).unwrap_or(u64::MAX);
        if left_behind > listed.saturating_mul(2).saturating_add(SLACK) {
            self.left_behind.clear();
        }
    }
}

/// The UUID of a URN; of a text without one a hash of it.
fn key(id: &str) -> u128 {
    let uuid = id.rsplit(':').next().unwrap_or_default();
    Uuid::parse_str(uuid).map_or_else(
        |_| u128::from(XxHash3_64::oneshot(id.as_bytes())),
        |uuid| uuid.as_u128(),
    )
}

fn read(raw: &RawValue) -> Option<super::document::Content> {
    let mut listed: Value = serde_json::from_str(raw.get()).ok()?;
    match listed.get_mut("entity")?.take() {
        Value::Object(entity) => Some(entity),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// One number for several texts; an absent one counts too.
pub(super) fn fingerprint(texts: &[Option<&RawValue>]) -> u64 {
    texts.iter().fold(0, |so_far: u64, text| {
        let hash = text.map_or(1, |text| XxHash3_64::oneshot(text.get().as_bytes()));
        so_far.rotate_left(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hash
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn texts_and_their_places_make_the_fingerprint() {
        let (a, b) = (raw("1"), raw("2"));
        let prints = [
            fingerprint(&[Some(&a), Some(&b)]),
            fingerprint(&[Some(&b), Some(&a)]),
            fingerprint(&[Some(&a), None]),
            fingerprint(&[None, Some(&a)]),
            fingerprint(&[None, None]),
        ];
        let distinct: std::collections::BTreeSet<u64> = prints.into_iter().collect();
        assert_eq!(distinct.len(), prints.len());
    }

    #[test]
    fn an_original_servers_record_is_as_old_as_it_was_seen_unchanged() {
        let mut known = Known::default();
        let at = |secs| Moment::from_origin(std::time::Duration::from_secs(secs));
        let mut since = |secs, worker: &str, text: &str, stamp: &str| {
            known.look_from(Look::default(), at(secs));
            known.same_since("urn:1", &Claim::from_wire(worker, text).stamped(stamp))
        };
        assert_eq!(since(10, "w1", "beat", "t1"), Some(at(10)));
        assert_eq!(since(500, "w1", "beat", "t1"), Some(at(10)));
        assert_eq!(
            since(510, "w1", "beat", "t2"),
            Some(at(510)),
            "only its time is new"
        );
        assert_eq!(since(600, "w2", "beat", "t2"), Some(at(600)));
        assert_eq!(since(610, "", "beat", "t2"), None, "nobody's");
        let ours = "k1;e=1;s=1;n=1;t=180;p=done;i=1;x=held";
        assert_eq!(
            since(620, "a/1", ours, "t"),
            None,
            "one of ours has a term of its own"
        );
        assert_eq!(
            since(630, "w2", "beat", "t2"),
            Some(at(630)),
            "nothing is remembered of before"
        );
    }

    #[test]
    fn a_record_is_small_and_forgotten_with_the_clusters() {
        assert!(size_of::<(u128, Verdict)>() <= 32);
        let mut known = Known::default();
        let entity = raw("{}");
        for n in 0..2_000 {
            assert!(!known.wants_look(&format!("urn:vcloud:entity:a:b:{n}"), 1, &entity));
        }
        known.fit(900);
        assert_eq!(known.by_cluster.len(), 2_000);
        known.fit(100);
        assert_eq!(known.by_cluster.len(), 0);
    }
}
