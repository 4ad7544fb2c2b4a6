//! FIQL, the filter language of lists and of the query service.
//!
//! Flow: a list parses `filter=`, checks the keys it knows, then asks [`Filter::matches`] per row.
//!
//! Invariants:
//! - Parsing is bounded in length and in depth; what does not parse is a 400, never a match.
//! - A comparison with a value that is not there is false, `!=` included, as in a database.
//!
//! Not here: which keys exist (each list), `_context` (a key that is accepted and holds always).
//! Source: VCD API, query filters: `==` `!=` `=gt=` `=ge=` `=lt=` `=le=`, `;` and, `,` or, `*` within
//! equality; values may hold colons, blanks and balanced parentheses.

#[cfg(test)]
mod properties;

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use winnow::combinator::{alt, delimited, separated};
use winnow::error::{ContextError, ErrMode};
use winnow::token::take_while;
use winnow::{ModalResult, Parser};

use super::gate::decode;
use super::reply::Problem;

/// Longest filter accepted, in bytes.
const MAX_FILTER_BYTES: usize = 8192;

/// Deepest nesting of parentheses accepted.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// One `key operator value`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    key: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Is(Comparison),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    root: Node,
}

/// Whether text compares by case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// `OpenAPI` lists.
    Sensitive,
    /// The legacy query service.
    Ignored,
}

impl Filter {
    /// Parses `text` as it stands after URL decoding. `encoded` is `filterEncoded=true`: the values
    /// were percent-encoded once more.
    pub(crate) fn parse(text: &str, encoded: bool) -> Result<Self, Problem> {
        let invalid = || Problem::bad_request("The filter is invalid or too long.");
        if text.len() > MAX_FILTER_BYTES || depth(text) > MAX_DEPTH {
            return Err(invalid());
        }
        // The error of the parser says little to a client, and may quote what it sent.
        let mut root = any.parse(text.trim()).ok().ok_or_else(invalid)?;
        if encoded {
            root.decode();
        }
        Ok(Self { root })
    }

    /// The first key that `known` does not accept.
    pub(crate) fn unknown_key(&self, known: &dyn Fn(&str) -> bool) -> Option<&str> {
        self.root.unknown_key(known)
    }

    /// Whether a row matches; `value` looks a key up in it.
    pub(crate) fn matches<'r>(
        &self,
        case: Case,
        value: &dyn Fn(&str) -> Option<Cow<'r, str>>,
    ) -> bool {
        self.matches_as(case, &|key, _| value(key))
    }

    /// The same where a row spells a value in the way it is asked for: `value` gets the key and the value
    /// that it is compared with.
    pub(crate) fn matches_as<'r>(
        &self,
        case: Case,
        value: &dyn Fn(&str, &str) -> Option<Cow<'r, str>>,
    ) -> bool {
        self.root.matches(case, value)
    }
}

impl Node {
    fn decode(&mut self) {
        match self {
            Self::Is(comparison) => comparison.value = decode(&comparison.value),
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(Self::decode),
        }
    }

    fn unknown_key(&self, known: &dyn Fn(&str) -> bool) -> Option<&str> {
        match self {
            Self::Is(comparison) => {
                let key = comparison.key.as_str();
                (key != "_context" && !known(key)).then_some(key)
            }
            Self::All(nodes) | Self::Any(nodes) => {
                nodes.iter().find_map(|node| node.unknown_key(known))
            }
        }
    }

    fn matches<'r>(&self, case: Case, value: &dyn Fn(&str, &str) -> Option<Cow<'r, str>>) -> bool {
        match self {
            Self::Is(comparison) => {
                comparison.key == "_context"
                    || value(&comparison.key, &comparison.value)
                        .is_some_and(|value| comparison.holds(case, &value))
            }
            Self::All(nodes) => nodes.iter().all(|node| node.matches(case, value)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(case, value)),
        }
    }
}

impl Comparison {
    fn holds(&self, case: Case, value: &str) -> bool {
        let equal = || match case {
            Case::Sensitive => wild(&self.value, value),
            Case::Ignored => wild(&self.value.to_lowercase(), &value.to_lowercase()),
        };
        match self.operator {
            Operator::Equal => equal(),
            Operator::NotEqual => !equal(),
            Operator::Greater => compare(value, &self.value) == Ordering::Greater,
            Operator::GreaterOrEqual => compare(value, &self.value) != Ordering::Less,
            Operator::Less => compare(value, &self.value) == Ordering::Less,
            Operator::LessOrEqual => compare(value, &self.value) != Ordering::Greater,
        }
    }
}

/// A value read once, for many comparisons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparable<'v> {
    text: Cow<'v, str>,
    number: Option<f64>,
    date: Option<Timestamp>,
}

impl<'v> Comparable<'v> {
    pub(crate) fn of(text: Cow<'v, str>) -> Self {
        // Names are the common case; only what begins with a digit or a sign can be anything else.
        let numeric = text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_digit() || b"+-.".contains(&first));
        let number = numeric.then(|| text.parse().ok()).flatten();
        let date = numeric.then(|| text.parse().ok()).flatten();
        Self { text, number, date }
    }

    /// Orders two values: as numbers or as dates if both are, else as text.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        if let (Some(a), Some(b)) = (self.number, other.number) {
            return a.total_cmp(&b);
        }
        if let (Some(a), Some(b)) = (self.date, other.date) {
            return a.cmp(&b);
        }
        self.text.cmp(&other.text)
    }
}

fn compare(a: &str, b: &str) -> Ordering {
    Comparable::of(Cow::Borrowed(a)).compare(&Comparable::of(Cow::Borrowed(b)))
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
fn wild(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

fn depth(text: &str) -> usize {
    let step = |(depth, deepest): (usize, usize), c: char| match c {
        '(' => (depth + 1, deepest.max(depth + 1)),
        ')' => (depth.saturating_sub(1), deepest),
        _ => (depth, deepest),
    };
    text.chars().fold((0, 0), step).1
}

fn any(input: &mut &str) -> ModalResult<Node> {
    separated(1.., all, ',')
        .map(|nodes| single(nodes, Node::Any))
        .parse_next(input)
}

fn all(input: &mut &str) -> ModalResult<Node> {
    separated(1.., term, ';')
        .map(|nodes| single(nodes, Node::All))
        .parse_next(input)
}

fn single(mut nodes: Vec<Node>, group: fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(node)) => node,
        (_, last) => {
            nodes.extend(last);
            group(nodes)
        }
    }
}

fn term(input: &mut &str) -> ModalResult<Node> {
    alt((delimited('(', any, ')'), comparison.map(Node::Is))).parse_next(input)
}

fn comparison(input: &mut &str) -> ModalResult<Comparison> {
    let key = take_while(1.., |c: char| {
        c.is_ascii_alphanumeric() || "._-:@/|".contains(c)
    });
    let build = |(key, operator, value): (&str, Operator, String)| Comparison {
        key: key.to_owned(),
        operator,
        value,
    };
    (key, operator, value).map(build).parse_next(input)
}

fn operator(input: &mut &str) -> ModalResult<Operator> {
    alt((
        "==".value(Operator::Equal),
        "!=".value(Operator::NotEqual),
        "=gt=".value(Operator::Greater),
        "=ge=".value(Operator::GreaterOrEqual),
        "=lt=".value(Operator::Less),
        "=le=".value(Operator::LessOrEqual),
    ))
    .parse_next(input)
}

/// Everything up to the end of the comparison; parentheses inside a value must balance.
fn value(input: &mut &str) -> ModalResult<String> {
    let mut open = 0_usize;
    let mut end = input.len();
    for (at, c) in input.char_indices() {
        match c {
            '(' => open += 1,
            ')' if open > 0 => open -= 1,
            ')' => {
                end = at;
                break;
            }
            ';' | ',' if open == 0 => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let (value, rest) = input
        .split_at_checked(end)
        .ok_or(ErrMode::Backtrack(ContextError::new()))?;
    *input = rest;
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Case, Filter};

    fn check(filter: &str, case: Case) -> Option<bool> {
        let row = [
            ("name", "blue (east)"),
            ("state", "RESOLVED"),
            ("id", "urn:vcloud:entity:vmware:capvcdCluster:1"),
            ("count", "10"),
            ("created", "2026-03-01T10:00:00.000Z"),
        ];
        let value = |key: &str| {
            row.iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| Cow::Borrowed(*value))
        };
        Filter::parse(filter, false)
            .ok()
            .map(|filter| filter.matches(case, &value))
    }

    #[test]
    fn filters_decide_as_documented() {
        let table = [
            ("state==RESOLVED", Some(true)),
            ("state==resolved", Some(false)),
            ("state!=RESOLVED", Some(false)),
            ("name==blue (east)", Some(true)),
            ("name==bl*(e*)", Some(true)),
            ("name==b*z", Some(false)),
            ("name==*", Some(true)),
            ("id==urn:vcloud:entity:vmware:capvcdCluster:1", Some(true)),
            ("state==X,name==blue*", Some(true)),
            ("state==X;name==blue*", Some(false)),
            ("(state==X,state==RESOLVED);(count=gt=9)", Some(true)),
            ("count=lt=9", Some(false)),
            ("count=ge=10;count=le=10", Some(true)),
            ("created=gt=2026-02-01T00:00:00.000+02:00", Some(true)),
            ("missing==x", Some(false)),
            ("missing!=x", Some(false)),
            ("_context==includeAccessible;state==RESOLVED", Some(true)),
            ("name==", Some(false)),
            ("state", None),
            ("", None),
            ("(state==X", None),
            ("state==X)", None),
            ("state==X;", None),
        ];
        for (filter, want) in table {
            assert_eq!(check(filter, Case::Sensitive), want, "{filter}");
        }
        assert_eq!(check("state==resolved", Case::Ignored), Some(true));
    }

    #[test]
    fn deep_and_long_filters_are_refused() {
        let deep = format!("{}a==b{}", "(".repeat(5000), ")".repeat(5000));
        assert!(Filter::parse(&deep, false).is_err());
        assert!(Filter::parse(&"a".repeat(9000), false).is_err());
    }

    #[test]
    fn encoded_values_are_decoded_once_more() {
        let value = |_: &str| Some(Cow::Borrowed("TKG small"));
        let matches = |encoded| {
            Filter::parse("name==TKG%20small", encoded).map(|f| f.matches(Case::Sensitive, &value))
        };
        assert_eq!(matches(true), Ok(true));
        assert_eq!(matches(false), Ok(false));
    }
}
