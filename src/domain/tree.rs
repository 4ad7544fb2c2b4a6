//! Places in a JSON document, and what differs between two documents.
//!
//! Invariants:
//! - Setting a value keeps every other key, known or not, where it is.
//! - A path is written as it is read: `profiles[0].serverConfig.rdePollIntervalInMin`.
//!
//! Not here: which paths mean something (`server_config`), what may be shown of a value (`secrets`).

use std::fmt;

use serde_json::{Map, Value};

/// Most steps of a path; documents nest far less.
const MOST_STEPS: usize = 64;
/// Greatest index that a path may name.
const MOST_INDEX: usize = 9_999;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A place in a document; empty for the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreePath(Vec<Step>);

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_plain(key) && number == 0 => f.write_str(key)?,
                Step::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                // Escaped, for a key may hold anything.
                Step::Key(key) => write!(f, "[{}]", Value::from(key.as_str()))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '+' | '$');
    !key.is_empty() && key.chars().all(fits)
}

impl TreePath {
    /// Reads `a.b[0].c`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, indexes) = match part.find('[') {
                Some(at) => part.split_at(at),
                None => (part, ""),
            };
            if !is_plain(key) || !(indexes.is_empty() || indexes.ends_with(']')) {
                return Err(format!(
                    "{text:?} is no path: write it like serverConfig.rdePollIntervalInMin or K8Config.csi[0].version"
                ));
            }
            steps.push(Step::Key(key.to_owned()));
            for index in indexes.split_terminator(']') {
                let index = index.strip_prefix('[').and_then(|index| index.parse().ok());
                let index = index.filter(|index| *index <= MOST_INDEX).ok_or_else(|| {
                    format!("{text:?} is no path: an index is a number in brackets, such as csi[0]")
                })?;
                steps.push(Step::Index(index));
            }
        }
        if steps.len() > MOST_STEPS {
            return Err(format!("a path has at most {MOST_STEPS} steps"));
        }
        Ok(Self(steps))
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The same, one step deeper.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The same below `root`.
    #[must_use]
    pub fn below(&self, root: &Self) -> Self {
        Self(root.0.iter().chain(&self.0).cloned().collect())
    }

    /// What is left of it below `root`; `None` when it is not there.
    pub fn within(&self, root: &Self) -> Option<Self> {
        self.0
            .strip_prefix(&*root.0)
            .map(|rest| Self(rest.to_vec()))
    }

    /// Whether one of the two is the other, or holds it.
    pub fn touches(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }

    /// The last key of the path; an element has that of its list.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// The value there.
    pub fn get<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(*index),
        })
    }

    /// Puts a value there; objects on the way that are missing or `null` are made, lists are made and grow
    /// by one element.
    ///
    /// # Errors
    /// Something else stands where an object or a list has to be; as a sentence.
    pub fn set(&self, document: &mut Value, new: Value) -> Result<(), String> {
        let mut at = document;
        for step in &self.0 {
            at = match step {
                Step::Key(key) => {
                    if at.is_null() {
                        *at = Value::Object(Map::new());
                    }
                    let members = at.as_object_mut();
                    let members = members.ok_or_else(|| {
                        format!("{self}: there is no object that could hold {key:?}; remove with --unset what stands there")
                    })?;
                    members.entry(key.clone()).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if at.is_null() {
                        *at = Value::Array(Vec::new());
                    }
                    let items = at.as_array_mut();
                    let items = items.ok_or_else(|| format!("{self}: there is no list"))?;
                    if items.len() == *index {
                        items.push(Value::Null);
                    }
                    let length = items.len();
                    items.get_mut(*index).ok_or_else(|| {
                        format!(
                            "{self}: the list has {length} elements; the next one is [{length}]"
                        )
                    })?
                }
            };
        }
        *at = new;
        Ok(())
    }

    /// Takes what is there away; the order of the rest stays. `None` when nothing was there.
    pub fn remove(&self, document: &mut Value) -> Option<Value> {
        let (last, before) = self.0.split_last()?;
        let mut at = document;
        for step in before {
            at = match step {
                Step::Key(key) => at.get_mut(key)?,
                Step::Index(index) => at.get_mut(*index)?,
            };
        }
        match (last, at) {
            (Step::Key(key), Value::Object(members)) => members.shift_remove(key),
            (Step::Index(index), Value::Array(items)) if *index < items.len() => {
                Some(items.remove(*index))
            }
            _ => None,
        }
    }
}

/// One difference between two documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: TreePath,
    /// What was there; `None` for nothing.
    pub from: Option<Value>,
    /// What is there; `None` for nothing.
    pub to: Option<Value>,
}

/// Everything that differs, in the order of the documents; the order of keys is no difference.
pub fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare((Some(old), Some(new)), &TreePath::default(), &mut found);
    found
}

fn compare((old, new): (Option<&Value>, Option<&Value>), path: &TreePath, found: &mut Vec<Change>) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let step = path.then(Step::Key(key.clone()));
                compare((old.get(key), new.get(key)), &step, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                let step = path.then(Step::Index(index));
                compare((old.get(index), new.get(index)), &step, found);
            }
        }
        (old, new) if old == new => {}
        (old, new) => found.push(Change {
            path: path.clone(),
            from: old.cloned(),
            to: new.cloned(),
        }),
    }
}

/// Every value that holds no others, with its place; an empty object or list counts as one.
pub fn leaves(document: &Value) -> Vec<(TreePath, &Value)> {
    let mut found = Vec::new();
    walk(document, &TreePath::default(), &mut found);
    found
}

fn walk<'a>(value: &'a Value, path: &TreePath, found: &mut Vec<(TreePath, &'a Value)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, member) in members {
                walk(member, &path.then(Step::Key(key.clone())), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &path.then(Step::Index(index)), found);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => found.push((path.clone(), value)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_written_as_they_are_read() {
        for text in ["a", "a.b", "profiles[0].x", "csi[0][1].version"] {
            assert_eq!(TreePath::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "", ".", "a..b", "a.", "[0]", "a[x]", "a[0", "a b", "a[99999]",
        ] {
            assert!(TreePath::parse(text).is_err(), "{text:?}");
        }
        let odd = TreePath::default().then(Step::Key("a.\u{1b}".to_owned()));
        assert_eq!(odd.to_string(), "[\"a.\\u001b\"]");
    }

    #[test]
    fn setting_keeps_everything_else_in_its_order() {
        let mut document = json!({"z": 1, "a": {"y": 1, "b": 2}, "odd": [{"k": 1}]});
        TreePath::parse("a.b")
            .unwrap()
            .set(&mut document, json!(3))
            .unwrap();
        TreePath::parse("n.m[0].k")
            .unwrap()
            .set(&mut document, json!("x"))
            .unwrap();
        let want = r#"{"z":1,"a":{"y":1,"b":3},"odd":[{"k":1}],"n":{"m":[{"k":"x"}]}}"#;
        assert_eq!(document.to_string(), want);
        assert!(
            TreePath::parse("z.b")
                .unwrap()
                .set(&mut document, json!(3))
                .is_err()
        );
        assert!(
            TreePath::parse("odd[5]")
                .unwrap()
                .set(&mut document, json!(3))
                .is_err()
        );
        assert_eq!(
            TreePath::parse("a.y").unwrap().remove(&mut document),
            Some(json!(1))
        );
        assert_eq!(TreePath::parse("a.q").unwrap().remove(&mut document), None);
        assert!(document.to_string().starts_with(r#"{"z":1,"a":{"b":3},"#));
    }

    #[test]
    fn only_what_differs_is_told() {
        let old = json!({"a": 1, "b": [1, 2], "c": {"d": null}});
        let new = json!({"c": {"d": null}, "b": [1], "a": "1", "e": {}});
        let found = changes(&old, &new);
        let told: Vec<String> = found.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(told, ["a", "b[1]", "e"]);
        assert_eq!(changes(&old, &old), []);
    }
}
