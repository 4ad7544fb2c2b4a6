//! What the poll remembers of provisioned clusters, so that looking at them again costs a hash.
//!
//! Flow: `poll` hands over a listed cluster's raw texts; the answer is whether somebody has to take it.
//!
//! Invariants:
//! - The YAML of a cluster is read when something that matters has changed, and once after the start:
//!   edits made while no server ran are found by the first listing.
//! - Per cluster a key, a hash and a verdict are kept: at most 64 bytes.
//! - The answer is that of `day_two::wants_look` on the same content; who claims asks it again.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;
use twox_hash::XxHash3_64;
use uuid::Uuid;

use super::day_two::wants_look;
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
    by_cluster: BTreeMap<u128, Verdict>,
}

impl Known {
    /// From where clusters are looked at from now on; true when that changes verdicts.
    pub(super) fn look_from(&mut self, look: Look) -> bool {
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

    /// Forgets all when more clusters are remembered than there can be.
    pub(super) fn fit(&mut self, listed: u64) {
        let known = u64::try_from(self.by_cluster.len()).unwrap_or(u64::MAX);
        if known > listed.saturating_mul(2).saturating_add(SLACK) {
            self.by_cluster.clear();
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
