//! A reader's finger on JSON text: where a member begins and ends, without parsing what lies between.
//!
//! Invariants:
//! - The text is valid JSON without blanks between its tokens: it was written by this program.
//! - Whatever the text is, nothing here panics or runs on; what makes no sense is not found.
//!
//! Not here: what is looked for (`content`).

use memchr::memchr2;

/// One member of an object, as positions in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member<'t> {
    /// Its name between the quotes, escapes as they stand.
    name: &'t [u8],
    /// Where its name begins, with the quote.
    pub(super) start: usize,
    /// Where its value begins.
    pub(super) value: usize,
    /// Where its value ends.
    pub(super) end: usize,
}

impl<'t> Member<'t> {
    /// The one whose name, value and end are at these positions; `None` where none can be.
    pub(super) fn placed(
        text: &'t [u8],
        (start, value, end): (usize, usize, usize),
    ) -> Option<Self> {
        // Between them are the quotes and the colon.
        let name = text.get(start.checked_add(1)?..value.checked_sub(2)?)?;
        Some(Self {
            name,
            start,
            value,
            end,
        })
    }
}

impl Member<'_> {
    /// The name without escapes; `None` if it is no text.
    pub(super) fn name(&self) -> Option<std::borrow::Cow<'_, str>> {
        if memchr::memchr(b'\\', self.name).is_none() {
            return std::str::from_utf8(self.name)
                .ok()
                .map(std::borrow::Cow::Borrowed);
        }
        let quoted = [b"\"", self.name, b"\""].concat();
        serde_json::from_slice(&quoted)
            .ok()
            .map(std::borrow::Cow::Owned)
    }

    /// Whether this is its name.
    pub(super) fn is(&self, name: &str) -> bool {
        if memchr::memchr(b'\\', self.name).is_none() {
            return self.name == name.as_bytes();
        }
        self.name().is_some_and(|own| own == name)
    }
}

/// The members of the object at a position; none if there is no object.
#[derive(Clone, Debug)]
pub(super) struct Members<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Members<'t> {
    /// Those of the object that begins at `at`.
    pub(super) fn of(text: &'t [u8], at: usize) -> Self {
        let at = if text.get(at) == Some(&b'{') {
            at + 1
        } else {
            text.len()
        };
        Self { text, at }
    }

    fn read(&mut self) -> Option<Member<'t>> {
        if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
        }
        let start = self.at;
        let after = skip_string(self.text, start)?;
        if self.text.get(after) != Some(&b':') {
            return None;
        }
        let value = after + 1;
        let end = skip(self.text, value)?;
        self.at = end;
        Member::placed(self.text, (start, value, end))
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Member<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.read();
        if member.is_none() {
            self.at = self.text.len();
        }
        member
    }
}

/// Where the values of the array at `at` begin.
pub(super) fn values(text: &[u8], at: usize) -> impl Iterator<Item = usize> {
    let mut next = (text.get(at) == Some(&b'[') && text.get(at + 1) != Some(&b']'))
        .then_some(at.saturating_add(1));
    std::iter::from_fn(move || {
        let value = next?;
        let end = skip(text, value)?;
        next = (text.get(end) == Some(&b',')).then_some(end + 1);
        Some(value)
    })
}

/// Beginning and end of the value below the object at `at` that `path` leads to.
pub(super) fn find<'p>(
    text: &[u8],
    at: usize,
    path: impl IntoIterator<Item = &'p str>,
) -> Option<(usize, usize)> {
    let mut found = (at, text.len());
    for part in path {
        let member = Members::of(text, found.0).find(|member| member.is(part))?;
        found = (member.value, member.end);
    }
    Some(found)
}

/// Where the value that begins at `at` ends.
fn skip(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => skip_string(text, at),
        b'{' | b'[' => skip_nested(text, at),
        _ => {
            let rest = text.get(at..)?;
            let length = rest.iter().position(|byte| b",}]".contains(byte));
            Some(at + length.unwrap_or(rest.len()))
        }
    }
}

fn skip_nested(text: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut open) = (at, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at = skip_string(text, at)?;
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
    }
}

/// Where the string whose quote is at `at` ends.
fn skip_string(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // What is escaped is one byte, or `u` and digits that need no care.
        at += 2;
    }
}

/// Whether there is no blank between the tokens of valid JSON.
pub(super) fn is_compact(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if byte.is_ascii_whitespace() {
            return false;
        }
        at = match skip_string(text, at) {
            Some(after) => after,
            None => at + 1,
        };
    }
    true
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "tests fail loudly"
)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{Members, find, is_compact, values};

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "[\"\\\\\n{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let name = prop_oneof!["[a-c]{0,2}", "[\"\\\\é\n]{1,2}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_object() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::vec(("[a-d\"\\\\]{0,2}", any_json()), 0..5)
            .prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn members_are_found_where_a_parser_finds_them(object in any_object()) {
            let text = Value::Object(object.clone()).to_string();
            prop_assert!(is_compact(text.as_bytes()));
            let found: Map<String, Value> = Members::of(text.as_bytes(), 0)
                .map(|member| {
                    let value = serde_json::from_str(&text[member.value..member.end]).unwrap();
                    (member.name().unwrap().into_owned(), value)
                })
                .collect();
            prop_assert_eq!(&found, &object);
            for (name, value) in &object {
                let (start, end) = find(text.as_bytes(), 0, [name.as_str()]).unwrap();
                prop_assert_eq!(&text[start..end], value.to_string());
                let items = values(text.as_bytes(), start).count();
                prop_assert_eq!(items, value.as_array().map_or(0, Vec::len));
                for (below, value) in value.as_object().into_iter().flatten() {
                    let path = [name.as_str(), below.as_str()];
                    let (start, end) = find(text.as_bytes(), 0, path).unwrap();
                    prop_assert_eq!(&text[start..end], value.to_string());
                }
            }
        }

        #[test]
        fn broken_text_ends_the_search(text in "[{}\\[\\],:\"\\\\a1 ]{0,24}") {
            let bytes = text.as_bytes();
            for at in 0..=bytes.len() {
                prop_assert!(Members::of(bytes, at).count() <= bytes.len());
                prop_assert!(values(bytes, at).count() <= bytes.len());
            }
            is_compact(bytes);
        }
    }

    #[test]
    fn blanks_between_tokens_are_noticed() {
        assert!(is_compact(br#"{"a b":[" ",1]}"#));
        assert!(!is_compact(
            json!({"a": 1}).to_string().replace(':', ": ").as_bytes()
        ));
        assert!(!is_compact(b"{\"a\":\n1}"));
    }
}
