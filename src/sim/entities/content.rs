//! What an entity holds, kept once and as text: hundred thousand clusters fit into memory, and a read
//! costs a copy of the text without what the reader may not see.
//!
//! Flow: writers hand in or change a parsed object ([`Content::of`], [`Content::edit`]); readers copy
//! ([`Content::write`]) or look one value up ([`Content::at`], [`Content::plain_at`]).
//!
//! Invariants:
//! - The text is one JSON object without blanks; nothing but this module makes it.
//! - Where sections and restricted fields lie is found once per text; what lists filter by, once per text and
//!   path.
//! - A clone shares the text.
//!
//! Source: VCD `x-vcloud-restricted`: `private` for full control only; `secure` left out below API
//! 38.0 and shown as asterisks from there on.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::places::Places;
use super::render::{MASK, View};
use super::scan::{self, Members};
use crate::sim::registry::FieldRules;

/// Paths whose values are remembered; lists that filter by more of them read some again.
const REMEMBERED_PATHS: usize = 8;

/// The content of one entity, secure fields included.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    text: Arc<str>,
    places: OnceLock<Places>,
    restricted: OnceLock<Box<[Restricted]>>,
    looked_up: RefCell<Vec<LookedUp>>,
}

/// A dotted path, and the text of the plain value there.
type LookedUp = (Box<str>, Option<Box<str>>);

/// A member of an object that not everybody sees, as positions in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Restricted {
    start: usize,
    value: usize,
    end: usize,
    private: bool,
    secure: bool,
}

impl Content {
    /// Keeps `object`.
    pub(crate) fn of(object: &Map<String, Value>) -> Self {
        // JSON values with text keys always serialize.
        let text = serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned());
        Self::of_text(Arc::from(text))
    }

    fn of_text(text: Arc<str>) -> Self {
        Self {
            text,
            places: OnceLock::new(),
            restricted: OnceLock::new(),
            looked_up: RefCell::default(),
        }
    }

    /// The whole content, parsed.
    pub(crate) fn parse(&self) -> Map<String, Value> {
        // Only text that was written from an object comes here.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The whole content as JSON text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Must be called when the rules of the type may have become others.
    pub(crate) fn forget_rules(&mut self) {
        self.restricted = OnceLock::new();
    }

    /// Lets `change` have its way with the content.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut object = self.parse();
        change(&mut object);
        *self = Self::of(&object);
    }

    /// The value that `path` leads to, parsed; for one value this is much less work than
    /// [`Content::parse`].
    pub(crate) fn at(&self, path: &[&str]) -> Option<Value> {
        serde_json::from_str(self.raw_at(path)?).ok()
    }

    /// The JSON text of the value that `path` leads to.
    pub(crate) fn raw_at(&self, path: &[&str]) -> Option<&str> {
        let text = self.text.as_bytes();
        let places = self.places.get_or_init(|| Places::of(text));
        let (start, end) = places.find(text, path)?;
        self.text.get(start..end)
    }

    /// The text that `path` leads to, unless that is something else.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<String> {
        match self.at(path)? {
            Value::String(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    /// Whether `path` leads to an object.
    pub(crate) fn has_object(&self, path: &[&str]) -> bool {
        self.raw_at(path).is_some_and(|json| json.starts_with('{'))
    }

    /// The text of the plain value at a dotted path; objects, arrays and nulls have none.
    pub(crate) fn plain_at(&self, path: &str) -> Option<String> {
        if let Ok(known) = self.looked_up.try_borrow()
            && let Some((_, value)) = known.iter().find(|(known, _)| **known == *path)
        {
            return value.as_deref().map(str::to_owned);
        }
        let found = scan::find(self.text.as_bytes(), 0, path.split('.'));
        let plain = found.and_then(|(start, end)| plain(self.text.get(start..end)?));
        if let Ok(mut known) = self.looked_up.try_borrow_mut() {
            if known.len() >= REMEMBERED_PATHS {
                known.clear();
            }
            known.push((Box::from(path), plain.as_deref().map(Box::from)));
        }
        plain
    }

    /// Copies what `view` shows to the end of `out`. `rules` are those of the entity's type.
    pub(crate) fn write(&self, rules: &FieldRules, view: View, out: &mut Vec<u8>) {
        let text = self.text.as_bytes();
        let restricted = self.restricted.get_or_init(|| {
            let mut found = Vec::new();
            search(text, 0, rules, &mut found);
            found.into_boxed_slice()
        });
        let copy = |from: usize, to: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(text.get(from..to).unwrap_or_default());
        };
        let mut from = 0;
        for member in restricted {
            // Inside one that is not shown.
            if member.start < from {
                continue;
            }
            let hidden = (member.private && !view.full) || (member.secure && !view.masked);
            if hidden {
                copy(from, member.start, out);
                from = member.end;
                // One comma goes with it: its own, or the one before the last.
                if text.get(from) == Some(&b',') {
                    from += 1;
                } else if out.last() == Some(&b',') {
                    out.pop();
                }
            } else if member.secure {
                copy(from, member.value, out);
                out.push(b'"');
                out.extend_from_slice(MASK.as_bytes());
                out.push(b'"');
                from = member.end;
            }
        }
        copy(from, text.len(), out);
    }
}

/// Collects the restricted members of the value at `at`, in the order of the text.
fn search(text: &[u8], at: usize, rules: &FieldRules, found: &mut Vec<Restricted>) {
    if let Some(items) = &rules.items
        && text.get(at) == Some(&b'[')
    {
        for value in scan::values(text, at) {
            search(text, value, items, found);
        }
        return;
    }
    if rules.properties.is_empty() {
        return;
    }
    for member in Members::of(text, at) {
        let Some(rules) = member
            .name()
            .and_then(|name| rules.properties.get(name.as_ref()))
        else {
            continue;
        };
        if rules.private || rules.secure {
            found.push(Restricted {
                start: member.start,
                value: member.value,
                end: member.end,
                private: rules.private,
                secure: rules.secure,
            });
        }
        if !rules.secure {
            search(text, member.value, rules, found);
        }
    }
}

/// The text of a plain JSON value.
fn plain(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text: Box<str> = raw.into();
        if !text.starts_with('{') {
            return Err(de::Error::custom("the content of an entity is no object"));
        }
        if scan::is_compact(text.as_bytes()) {
            return Ok(Self::of_text(Arc::from(text)));
        }
        let object = serde_json::from_str(&text).map_err(de::Error::custom)?;
        Ok(Self::of(&object))
    }
}

/// The plain value at a dotted path, unless `view` hides it or something above it.
pub(super) fn visible_at(
    content: &Content,
    rules: &FieldRules,
    path: &str,
    view: View,
) -> Option<String> {
    let mut rules = Some(rules);
    let hidden = path.split('.').any(|part| {
        rules = rules.and_then(|rules| rules.properties.get(part));
        rules.is_some_and(|rules| rules.secure || (rules.private && !view.full))
    });
    if hidden {
        return None;
    }
    content.plain_at(path)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{Content, visible_at};
    use crate::sim::entities::render::{MASK, View};
    use crate::sim::registry::{FieldRules, TypeRules};

    const VIEWS: [View; 4] = [
        View {
            full: false,
            masked: false,
            dated: false,
        },
        View {
            full: false,
            masked: true,
            dated: false,
        },
        View {
            full: true,
            masked: false,
            dated: false,
        },
        View {
            full: true,
            masked: true,
            dated: false,
        },
    ];

    fn rules() -> TypeRules {
        let schema = json!({"properties": {
            "a": {"x-vcloud-restricted": "private", "properties": {
                "a": {"x-vcloud-restricted": "secure"},
                "b": {"x-vcloud-restricted": "private"},
            }},
            "b": {"x-vcloud-restricted": ["private", "secure"]},
            "c": {"x-vcloud-restricted": "protected", "properties": {
                "b": {"x-vcloud-restricted": "secure"},
                "\"": {"x-vcloud-restricted": "secure"},
            }, "items": {"properties": {"c": {"x-vcloud-restricted": "private"}}}},
            "d": {"x-vcloud-restricted": "secure"},
        }});
        TypeRules::compile(("v", "n", "1.0.0"), &schema).unwrap()
    }

    /// What the copying must come to, told in the plain way.
    fn shown(object: &Map<String, Value>, rules: &FieldRules, view: View) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in object {
            let Some(rules) = rules.properties.get(name) else {
                out.insert(name.clone(), value.clone());
                continue;
            };
            if rules.private && !view.full {
                continue;
            }
            if !rules.secure {
                out.insert(name.clone(), field(value, rules, view));
            } else if view.masked {
                out.insert(name.clone(), json!(MASK));
            }
        }
        out
    }

    fn field(value: &Value, rules: &FieldRules, view: View) -> Value {
        match (value, &rules.items) {
            (Value::Object(object), _) => Value::Object(shown(object, rules, view)),
            (Value::Array(values), Some(rules)) => values
                .iter()
                .map(|value| field(value, rules, view))
                .collect(),
            (plain, _) => plain.clone(),
        }
    }

    fn any_content() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[a\",{}]{0,4}".prop_map(Value::from),
        ];
        let name = "[a-e\"]";
        let below = leaf.prop_recursive(3, 24, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        prop::collection::vec((name, below), 0..6).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_copied_is_what_a_parser_would_leave(object in any_content()) {
            let (content, rules) = (Content::of(&object), rules());
            prop_assert_eq!(content.parse(), object.clone());
            for view in VIEWS {
                let mut out = b"before,".to_vec();
                content.write(&rules.fields, view, &mut out);
                let text = String::from_utf8(out).unwrap();
                let want = Value::Object(shown(&object, &rules.fields, view)).to_string();
                prop_assert_eq!(text.strip_prefix("before,"), Some(want.as_str()));
            }
        }
    }

    #[test]
    fn single_values_are_found_and_forgotten_with_the_text() {
        let object = json!({"s": {"t": "a\"b", "n": 1.50, "f": true, "z": null, "l": [1]}});
        let mut content = Content::of(object.as_object().unwrap());
        let table = [
            ("s.t", Some("a\"b")),
            ("s.n", Some("1.5")),
            ("s.f", Some("true")),
            ("s.z", None),
            ("s.l", None),
            ("s.l.0", None),
            ("s", None),
            ("x.y", None),
            ("", None),
        ];
        for _ in 0..2 {
            for (path, want) in table {
                assert_eq!(content.plain_at(path).as_deref(), want, "{path}");
            }
        }
        assert_eq!(content.at(&["s", "l"]), Some(json!([1])));
        assert_eq!(content.text_at(&["s", "t"]).as_deref(), Some("a\"b"));
        assert_eq!(content.text_at(&["s", "f"]), None);
        assert!(content.has_object(&["s"]) && !content.has_object(&["s", "t"]));
        content.edit(|object| {
            object.insert("s".to_owned(), json!({"t": "new"}));
        });
        assert_eq!(content.plain_at("s.t").as_deref(), Some("new"));
        assert_eq!(content.plain_at("s.n"), None);
    }

    #[test]
    fn what_is_hidden_cannot_be_looked_up() {
        let object = json!({"a": {"b": 1, "e": 2}, "d": {"e": 3}, "c": {"e": 4}});
        let (content, rules) = (Content::of(object.as_object().unwrap()), rules());
        for view in VIEWS {
            let at = |path| visible_at(&content, &rules.fields, path, view);
            assert_eq!(at("a.e").is_some(), view.full);
            assert_eq!(at("d.e"), None);
            assert_eq!(at("c.e").as_deref(), Some("4"));
        }
    }

    #[test]
    fn a_file_holds_it_as_json_and_may_have_been_laid_out_by_hand() {
        let object = json!({"b": 1, "a": {"x y": [1, 2]}});
        let content = Content::of(object.as_object().unwrap());
        let text = serde_json::to_string(&content).unwrap();
        assert_eq!(text, content.text());
        for file in [text, serde_json::to_string_pretty(&object).unwrap()] {
            let read: Content = serde_json::from_str(&file).unwrap();
            assert_eq!(read.text(), content.text());
        }
        assert!(serde_json::from_str::<Content>("[1]").is_err());
    }
}
