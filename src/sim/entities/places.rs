//! Where the members of a JSON object, and those of the objects in it, lie: found once per text, for readers that
//! look up one value after the other.
//!
//! Flow: [`Places::of`] a text -> [`Places::find`] in it.
//!
//! Invariants:
//! - What is found is what [`scan::find`] finds in the same text.

use super::scan::{self, Member, Members};

/// The members of an object, in the order of the text.
#[derive(Clone, Debug)]
pub(super) struct Places(Box<[Place]>);

/// One member, as positions in the text.
#[derive(Clone, Debug)]
struct Place {
    start: usize,
    value: usize,
    end: usize,
    /// Those of the object that is its value; deeper ones are not kept.
    below: Option<Places>,
}

impl Places {
    /// Those of the object that is all of `text`.
    pub(super) fn of(text: &[u8]) -> Self {
        let below = |member: &Member<'_>| Self::at(text, member.value, |_| None);
        Self::at(text, 0, |member| Some(below(member)))
    }

    fn at(text: &[u8], at: usize, below: impl Fn(&Member<'_>) -> Option<Self>) -> Self {
        let place = |member: Member<'_>| Place {
            start: member.start,
            value: member.value,
            end: member.end,
            below: below(&member),
        };
        Self(Members::of(text, at).map(place).collect())
    }

    /// Beginning and end of the value that `path` leads to in the text these are of.
    pub(super) fn find(&self, text: &[u8], path: &[&str]) -> Option<(usize, usize)> {
        let Some((name, rest)) = path.split_first() else {
            return Some((0, text.len()));
        };
        let is_it = |place: &&Place| {
            Member::placed(text, (place.start, place.value, place.end))
                .is_some_and(|member| member.is(name))
        };
        let place = self.0.iter().find(is_it)?;
        match (&place.below, rest) {
            (_, []) => Some((place.value, place.end)),
            (Some(below), _) => below.find(text, rest),
            (None, _) => scan::find(text, place.value, rest.iter().copied()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::Places;
    use crate::sim::entities::scan;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), "[ab\"{,]{0,3}".prop_map(Value::from)];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec(("[ab\"]", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_same_is_found_as_without_them(
            json in any_json(),
            paths in prop::collection::vec(prop::collection::vec("[ab\"]", 0..5), 1..12),
        ) {
            let text = serde_json::to_vec(&json).unwrap();
            let places = Places::of(&text);
            for path in paths {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let want = scan::find(&text, 0, path.iter().copied());
                prop_assert_eq!(places.find(&text, &path), want, "{:?} in {}", path, json);
            }
        }
    }
}
