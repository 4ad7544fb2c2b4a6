//! The one door for YAML: several documents in, several documents out.
//!
//! What goes through is the CAPI YAML of a tenant (hostile input) and the cloud-config and manifests
//! made for a bootstrap VM, which cloud-init (libyaml) and `kubectl` (go-yaml) read.
//!
//! Invariants:
//! - Reading is bounded in bytes, documents, nodes, depth and aliases before any value exists.
//! - Plain scalars mean what they mean to go-yaml: `yes` is true and `1_000` a number, as
//!   it reads them, and a text that another reader would take for something else is written quoted.
//! - Errors name a line and never quote the input: it may hold a token.
//!
//! Lost on the way: comments, anchors (expanded), flow style and empty documents.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Longest text accepted, in bytes. VCD's entities stay far below; a larger one is an attack.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Most documents in one text: a cluster with 25 pools has about 60.
const MAX_DOCUMENTS: usize = 64;
/// Most aliases in one text; clients write none.
const MAX_ALIASES: usize = 64;
/// Most nodes over all documents, after expanding aliases.
const MAX_NODES: usize = 20_000;
/// Commands must not be re-wrapped, so lines are never folded below this width.
const NO_FOLDING: usize = 1_000_000;

/// Why a text is no readable YAML, or a value could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlProblem {
    /// Above [`MAX_BYTES`].
    #[error("it is {bytes} bytes long, at most {MAX_BYTES} are accepted")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A syntax error, a duplicate key or an exceeded budget.
    #[error("line {line}: {reason}")]
    Unreadable {
        /// Line of the text, from 1; 0 when the reader could not tell.
        line: u64,
        /// What is wrong, in one line.
        reason: String,
    },
    /// The writer refused the value.
    #[error("writing YAML: {reason}")]
    Unwritable {
        /// What is wrong, in one line.
        reason: String,
    },
}

/// Reads every document of `text`; empty documents are left out.
///
/// # Errors
/// [`YamlProblem`]: too large, malformed, with a duplicate key or beyond a budget.
pub fn read_documents(text: &str) -> Result<Vec<Value>, YamlProblem> {
    if text.len() > MAX_BYTES {
        return Err(YamlProblem::TooLarge { bytes: text.len() });
    }
    let options = serde_saphyr::options! {
        // go-yaml reads 0644 as octal, and so do we; by default it would become the float 644.0.
        legacy_octal_numbers: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: MAX_DOCUMENTS,
            max_aliases: MAX_ALIASES,
            max_nodes: MAX_NODES,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        YamlProblem::Unreadable {
            line: error.location().map_or(0, |location| location.line()),
            reason: one_line(&error.without_snippet().to_string()),
        }
    })
}

/// Writes `documents` one after the other, with `---` between them.
///
/// # Errors
/// [`YamlProblem::Unwritable`]: the writer refused a value; no known value makes it do so.
pub fn write_documents(documents: &[Value]) -> Result<String, YamlProblem> {
    let portable: Vec<Portable<'_>> = documents.iter().map(Portable).collect();
    let options = serde_saphyr::ser_options! { folded_wrap_chars: NO_FOLDING };
    serde_saphyr::to_string_multiple_with_options(&portable, options).map_err(|error| {
        YamlProblem::Unwritable {
            reason: one_line(&error.to_string()),
        }
    })
}

/// Cuts a reader's message to one line of at most 200 characters.
fn one_line(message: &str) -> String {
    message
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

/// A value written so that libyaml and go-yaml read it too.
///
/// A block scalar whose text starts with a tab is valid YAML, but both refuse it; such texts are
/// double quoted.
struct Portable<'a>(&'a Value);

impl Serialize for Portable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::String(text) if text.trim_start_matches('\n').starts_with('\t') => {
                serde_saphyr::DoubleQuoted(text).serialize(serializer)
            }
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Portable)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, Portable(value))))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_go_yaml_reads() {
        for (text, want) in [
            ("a: yes", json!({"a": true})),
            ("a: \"yes\"", json!({"a": "yes"})),
            ("a: true", json!({"a": true})),
            ("a: 1.20", json!({"a": 1.2})),
            ("a: \"1.20\"", json!({"a": "1.20"})),
            ("a: 0644", json!({"a": 420})),
            ("a: 1_000", json!({"a": 1000})),
            ("a: 2024-01-02", json!({"a": "2024-01-02"})),
            ("a: ~", json!({"a": null})),
            ("a: <0%%", json!({"a": "<0%%"})),
        ] {
            assert_eq!(read_documents(text).unwrap(), [want], "{text}");
        }
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        for text in [
            "yes", "no", "on", "y", "1.20", "0644", "1_000", "12:30:45", "null", "~", "", "<<",
            "=", "0x1f",
        ] {
            let written = write_documents(&[json!({ "a": text })]).unwrap();
            let quoted = [format!("a: \"{text}\"\n"), format!("a: '{text}'\n")];
            assert!(quoted.contains(&written), "{written}");
        }
    }

    #[test]
    fn a_text_that_starts_with_a_tab_is_no_block_scalar() {
        let written = write_documents(&[json!({"a": "\tx\ny\n", "b": "\n\tx\n"})]).unwrap();
        assert_eq!(written, "a: \"\\tx\\ny\\n\"\nb: \"\\n\\tx\\n\"\n");
    }

    #[test]
    fn long_commands_are_not_wrapped() {
        let command = "word ".repeat(400);
        let written = write_documents(&[json!({ "a": command })]).unwrap();
        assert_eq!(written.trim_end().lines().count(), 1, "{written}");
    }

    #[test]
    fn documents_are_separated_and_empty_ones_left_out() {
        let documents = read_documents("a: 1\n---\n---\n# nothing\n---\nb: 2\n").unwrap();
        assert_eq!(documents, [json!({"a": 1}), json!({"b": 2})]);
        assert_eq!(write_documents(&documents).unwrap(), "a: 1\n---\nb: 2\n");
    }

    #[test]
    fn hostile_texts_are_refused_with_a_line() {
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                      d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
        let deep = "[".repeat(5000);
        for (name, text) in [
            ("laughs", laughs.to_owned()),
            ("deep", deep),
            ("many documents", "a: 1\n---\n".repeat(100)),
            ("many nodes", "- 1\n".repeat(30_000)),
            ("duplicate key", "a: 1\na: 2\n".to_owned()),
            ("syntax", "a: [1\nb: 2\n".to_owned()),
        ] {
            let problem = read_documents(&text).unwrap_err();
            assert!(
                matches!(problem, YamlProblem::Unreadable { .. }),
                "{name}: {problem:?}"
            );
        }
        let duplicate = read_documents("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(
            matches!(duplicate, YamlProblem::Unreadable { line: 3, .. }),
            "{duplicate}"
        );
        let large = "a".repeat(MAX_BYTES + 1);
        assert_eq!(
            read_documents(&large),
            Err(YamlProblem::TooLarge {
                bytes: MAX_BYTES + 1
            })
        );
    }

    #[test]
    fn errors_do_not_quote_the_input() {
        let problem =
            read_documents("refreshToken: s3cr3t\nbroken: [\nrefreshToken: s3cr3t").unwrap_err();
        assert!(!problem.to_string().contains("s3cr3t"), "{problem}");
    }

    /// Texts that other readers stumble over, alone and glued to arbitrary ones.
    fn hostile() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "yes", "no", "1.20", "0644", "1_000", "\t", "\n", " ", "---", "...", "- a", "a: b",
            "#", "|", ">", "'", "\"", "\\", "$(id)", "\r", "\u{7}", "\u{85}", "\u{2028}", "é", "~",
            "%", "@", "`", "!!str", "&a", "*a", "<<", "{", "]", ",", "?",
        ]);
        prop_oneof![
            prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()),
            any::<String>()
        ]
    }

    fn hostile_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            hostile().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(hostile(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(prop::collection::btree_map(hostile(), hostile_value(), 1..4), 1..4)) {
            let documents: Vec<Value> =
                values.into_iter().map(|map| Value::Object(map.into_iter().collect())).collect();
            let text = write_documents(&documents).unwrap();
            prop_assert_eq!(read_documents(&text).unwrap(), documents, "{}", text);
        }
    }
}
