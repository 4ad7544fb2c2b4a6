//! What is wrong with a server configuration, and what this server takes but clients choke on.
//!
//! Invariants:
//! - An error is what makes this server refuse it ([`ServerConfig::problems`]); a warning never is.
//! - No finding repeats a secret.
//!
//! Source: go-vcloud-director (types it demands, one profile), schema 1.1.0 (what is required together).

use serde_json::{Map, Value};

use super::ServerConfig;
use super::known::{Kind, find, is_on_the_way};
use crate::domain::secrets::{PLACEHOLDER, holds_placeholder};
use crate::domain::tree::{Step, TreePath, leaves};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Replicas refuse the configuration.
    Error,
    /// Replicas take it, but clients may fail, or it has no effect.
    Warning,
}

impl Severity {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing to say about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where, such as `profiles[0].serverConfig.rdePollIntervalInMin`; empty for the whole.
    pub path: String,
    /// What is there.
    pub found: String,
    /// What belongs there, or what to do.
    pub expected: String,
}

impl Finding {
    /// An error.
    pub fn error(path: &str, found: impl Into<String>, expected: impl Into<String>) -> Self {
        let path = path.to_owned();
        Self {
            severity: Severity::Error,
            path,
            found: found.into(),
            expected: expected.into(),
        }
    }

    fn warning(path: &TreePath, found: &str, expected: &str) -> Self {
        Self {
            severity: Severity::Warning,
            path: path.to_string(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let Self {
            severity,
            path,
            found,
            expected,
        } = self;
        let at = if path.is_empty() {
            "the document"
        } else {
            path
        };
        format!(
            "{}: {at}: found {found}, expected {expected}",
            severity.as_str()
        )
    }
}

/// Errors first, then warnings, each in the order of the document.
pub fn findings(entity: &Map<String, Value>) -> Vec<Finding> {
    let problems = ServerConfig::problems(entity).into_iter();
    let errors = problems.map(|one| Finding::error(&one.path, one.found, one.expected));
    errors.chain(warnings(entity)).collect()
}

/// The number of the profile in force: the first active one, else the first.
pub fn profile_in_force(entity: &Map<String, Value>) -> usize {
    let profiles = entity.get("profiles").and_then(Value::as_array);
    let is_active = |profile: &Value| match profile.get("active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        None | Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) => false,
    };
    profiles
        .and_then(|all| all.iter().position(is_active))
        .unwrap_or(0)
}

/// Path of the profile in force.
pub fn profile_path(entity: &Map<String, Value>) -> TreePath {
    let profiles = TreePath::default().then(Step::Key("profiles".to_owned()));
    profiles.then(Step::Index(profile_in_force(entity)))
}

fn warnings(entity: &Map<String, Value>) -> Vec<Finding> {
    let document = Value::Object(entity.clone());
    let root = profile_path(entity);
    let mut found = profiles(entity, &root);
    let Some(profile) = root.get(&document) else {
        return found;
    };
    for (path, value) in leaves(profile) {
        let full = path.below(&root);
        if holds_placeholder(value) {
            let left_out = format!("{PLACEHOLDER}, which stands for a secret that is left out");
            found.push(Finding::warning(
                &full,
                &left_out,
                "the secret itself, or the live configuration to take it from",
            ));
        }
        match find(&path) {
            Some(setting) => found.extend(spelling(setting.kind, &full, value)),
            None if is_on_the_way(&path) => {}
            None => found.push(Finding::warning(
                &full,
                "a key that no server reads",
                "a known key, or none",
            )),
        }
    }
    found.extend(together(profile, &root));
    found
}

fn profiles(entity: &Map<String, Value>, root: &TreePath) -> Vec<Finding> {
    let mut found = Vec::new();
    let count = entity
        .get("profiles")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if count > 1 {
        let profiles = TreePath::default().then(Step::Key("profiles".to_owned()));
        let there = format!("{count} profiles, of which replicas use {root}");
        found.push(Finding::warning(
            &profiles,
            &there,
            "one profile: all clients read the first one, whatever is active",
        ));
    }
    for key in entity.keys().filter(|key| *key != "profiles") {
        let path = TreePath::default().then(Step::Key(key.clone()));
        found.push(Finding::warning(
            &path,
            "a key that no server reads",
            "profiles alone",
        ));
    }
    found
}

/// Clients are written in Go: a number where they expect a text ends them, and the other way round.
fn spelling(kind: Kind, path: &TreePath, value: &Value) -> Option<Finding> {
    let is_empty = matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
    let (wanted, fits) = match kind {
        Kind::Flag => ("true or false without quotes", value.is_boolean()),
        Kind::Minutes | Kind::Percent => ("a whole number without quotes", value.is_u64()),
        Kind::Text
        | Kind::Port
        | Kind::Version
        | Kind::Time
        | Kind::Secret
        | Kind::Proxy
        | Kind::Certificates
        | Kind::Yaml => ("a text in quotes", value.is_string()),
    };
    if is_empty || fits {
        return None;
    }
    let there = match value {
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Null | Value::Array(_) | Value::Object(_) => "something else",
    };
    Some(Finding::warning(
        path,
        there,
        &format!("{wanted}: clients stop at anything else"),
    ))
}

/// Keys that clients or the schema want together.
fn together(profile: &Value, root: &TreePath) -> Vec<Finding> {
    let mut found = Vec::new();
    let k8s = root.then(Step::Key("K8Config".to_owned()));
    let section = profile.get("K8Config");
    if !section.is_some_and(Value::is_object) {
        found.push(Finding::warning(
            &k8s,
            "no object",
            "an object: clients refuse to create clusters without it",
        ));
    }
    if let Some(check) = section
        .and_then(|section| section.get("mhc"))
        .filter(|check| check.is_object())
    {
        let wanted = [
            "maxUnhealthyNodes",
            "nodeStartupTimeout",
            "nodeNotReadyTimeout",
            "nodeUnknownTimeout",
        ];
        let missing: Vec<&str> = wanted
            .into_iter()
            .filter(|key| check.get(*key).is_none())
            .collect();
        if !missing.is_empty() {
            let path = k8s.then(Step::Key("mhc".to_owned()));
            let there = format!("nothing for {}", missing.join(", "));
            found.push(Finding::warning(
                &path,
                &there,
                "all four limits, or no mhc at all: clients stop at a missing one",
            ));
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(document: &Value) -> Vec<(Severity, String)> {
        let found = findings(document.as_object().unwrap()).into_iter();
        found.map(|one| (one.severity, one.path)).collect()
    }

    #[test]
    fn what_clients_choke_on_is_a_warning_and_what_we_refuse_an_error() {
        let document = json!({"profiles": [{"active": "true", "serverConfig": {"rdePollIntervalInMin": "0"},
            "K8Config": {"mhc": {"maxUnhealthyNodes": "60", "nodeStartupTimeout": 900}}, "extra": {"x": 1}}], "more": 1});
        let at = |path: &str| path.to_owned();
        let want = [
            (
                Severity::Error,
                at("profiles[0].serverConfig.rdePollIntervalInMin"),
            ),
            (Severity::Warning, at("more")),
            (Severity::Warning, at("profiles[0].active")),
            (
                Severity::Warning,
                at("profiles[0].serverConfig.rdePollIntervalInMin"),
            ),
            (
                Severity::Warning,
                at("profiles[0].K8Config.mhc.maxUnhealthyNodes"),
            ),
            (
                Severity::Warning,
                at("profiles[0].K8Config.mhc.nodeStartupTimeout"),
            ),
            (Severity::Warning, at("profiles[0].extra.x")),
            (Severity::Warning, at("profiles[0].K8Config.mhc")),
        ];
        assert_eq!(told(&document), want);
    }

    #[test]
    fn a_good_configuration_has_nothing_to_say() {
        let document = json!({"profiles": [{"name": "production", "active": true, "K8Config": {"csi": [{"name": "c", "version": "1.6.0"}],
            "certificateAuthorities": []}}]});
        assert_eq!(told(&document), []);
        let two = json!({"profiles": [{"name": "a", "K8Config": {}}, {"name": "b", "active": true, "K8Config": {}}]});
        assert_eq!(told(&two), [(Severity::Warning, "profiles".to_owned())]);
        assert_eq!(profile_in_force(two.as_object().unwrap()), 1);
    }
}
