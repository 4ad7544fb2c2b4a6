//! Every key of a profile that servers and clients know: its kind, its default and what it is for.
//!
//! Flow: `config show` and `config set` look keys up here; reading the configuration (`parse`) does not
//! depend on it, and a test holds the two together.
//!
//! Source: JSON schema of `vmware:VCDKEConfig` 1.0.0 and 1.1.0; defaults of the schema, else what the vendor's
//! samples ship; `downloadMirrorUrl`, `agent.image` and `mhc.applyToExisting` are keys of this server.

mod table;

use std::fmt;

use serde_json::{Value, json};

use self::table::SETTINGS;
use super::value::parse_duration;
use crate::domain::tree::{Step, TreePath};

/// What belongs under a key, and the JSON type that clients expect there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of text.
    Text,
    /// `true` or `false`, as a truth value.
    Flag,
    /// Whole minutes, as a number.
    Minutes,
    /// A percentage, as a number.
    Percent,
    /// A port, as text.
    Port,
    /// A version, as text, with or without `v`.
    Version,
    /// A time such as `900s`, as text.
    Time,
    /// A password or token, as text.
    Secret,
    /// A URL that may hold a password, as text.
    Proxy,
    /// One or several PEM certificates, each a text of the list.
    Certificates,
    /// Several lines of YAML, as text.
    Yaml,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a line of text",
            Self::Flag => "true or false",
            Self::Minutes => "a whole number of minutes",
            Self::Percent => "a whole number of percent",
            Self::Port => "a port",
            Self::Version => "a version such as v1.4.0",
            Self::Time => "a time such as 900s or 15m",
            Self::Secret => "a secret text",
            Self::Proxy => "a URL such as http://proxy.example.test:3128",
            Self::Certificates => "PEM certificates; name a file with @FILE",
            Self::Yaml => "a YAML text; name a file with @FILE",
        })
    }
}

/// A key below a profile.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Path below the profile; `[]` stands for every element of a list.
    pub path: &'static str,
    /// What belongs there.
    pub kind: Kind,
    /// What holds where the key is absent; empty for none.
    pub default: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// All settings.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter()
}

/// A path with `[]` for every index.
pub fn pattern(path: &TreePath) -> String {
    let any: Vec<String> = path
        .steps()
        .iter()
        .map(|step| match step {
            Step::Key(key) => format!(".{key}"),
            Step::Index(_) => "[]".to_owned(),
        })
        .collect();
    any.concat().trim_start_matches('.').to_owned()
}

/// The setting at a path below the profile; a list of certificates as a whole is one, too.
pub fn find(path: &TreePath) -> Option<&'static Setting> {
    let wanted = pattern(path);
    settings().find(|setting| {
        setting.path == wanted
            || setting
                .path
                .strip_suffix("[]")
                .is_some_and(|list| list == wanted)
    })
}

/// Whether a path below the profile leads to settings.
pub fn is_on_the_way(path: &TreePath) -> bool {
    let wanted = pattern(path);
    let leads = |setting: &Setting| {
        let rest = setting.path.strip_prefix(wanted.as_str());
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    wanted.is_empty() || settings().any(leads)
}

/// Settings that a mistyped path may mean, at most three.
pub fn similar(path: &TreePath) -> Vec<&'static str> {
    let last = path.last_key().unwrap_or_default().to_lowercase();
    let whole = pattern(path).to_lowercase();
    let alike = |setting: &&Setting| {
        let known = setting.path.to_lowercase();
        let end = known
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .trim_end_matches("[]")
            .to_owned();
        known == whole || end == last || distance(&end, &last) <= 2
    };
    let mut found: Vec<&str> = settings()
        .filter(alike)
        .map(|setting| setting.path)
        .collect();
    // A forgotten index first.
    let bare = |path: &str| path.replace("[]", "").to_lowercase();
    found.sort_by_key(|path| bare(path) != bare(&whole));
    found.truncate(3);
    found
}

/// How many letters have to be changed, added or taken away; short words only.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (number, letter) in b.chars().take(64).enumerate() {
        let mut next = vec![number + 1];
        for (column, other) in a.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let kept = at(&row, column) + usize::from(*other != letter);
            let best = kept
                .min(at(&row, column + 1) + 1)
                .min(at(&next, column) + 1);
            next.push(best);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

impl Setting {
    /// Its default as clients expect it in JSON; `None` when there is none.
    pub fn default_value(&self) -> Option<Value> {
        if self.default.is_empty() {
            return None;
        }
        Some(match self.kind {
            Kind::Minutes | Kind::Percent => json!(self.default.parse::<u64>().unwrap_or_default()),
            Kind::Text
            | Kind::Flag
            | Kind::Port
            | Kind::Version
            | Kind::Time
            | Kind::Secret
            | Kind::Proxy
            | Kind::Certificates
            | Kind::Yaml => json!(self.default),
        })
    }

    /// Whether a value means the same as the default; blank and absent are the same.
    pub fn is_default(&self, value: &Value) -> bool {
        let text = match value {
            Value::Null => return true,
            Value::Array(items) => return items.is_empty(),
            Value::Object(members) => return members.is_empty(),
            Value::String(text) => text.trim().to_owned(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
        };
        if text.is_empty() || text == self.default {
            return true;
        }
        match self.kind {
            Kind::Version => text.trim_start_matches('v') == self.default.trim_start_matches('v'),
            Kind::Time => {
                parse_duration(&text).is_some()
                    && parse_duration(&text) == parse_duration(self.default)
            }
            Kind::Text => {
                text.eq_ignore_ascii_case(self.default) && self.path == "containerRegistryUrl"
            }
            Kind::Flag
            | Kind::Minutes
            | Kind::Percent
            | Kind::Port
            | Kind::Secret
            | Kind::Proxy
            | Kind::Certificates
            | Kind::Yaml => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_mistyped_ones_are_guessed() {
        for setting in settings() {
            let concrete = setting.path.replace("[]", "[0]");
            let path = TreePath::parse(&concrete).unwrap_or_default();
            assert_eq!(find(&path).map(|found| found.path), Some(setting.path));
            assert!(!is_on_the_way(&path), "{concrete}");
        }
        let guess = |text: &str| similar(&TreePath::parse(text).unwrap_or_default());
        assert_eq!(
            guess("rdePollIntervalInMin"),
            ["serverConfig.rdePollIntervalInMin"]
        );
        assert_eq!(
            guess("serverconfig.rdepollintervalinmins"),
            ["serverConfig.rdePollIntervalInMin"]
        );
        assert_eq!(
            guess("K8Config.csi.version").first(),
            Some(&"K8Config.csi[].version")
        );
        assert_eq!(guess("nothing.of.the.kind"), [""; 0]);
        let section = TreePath::parse("K8Config.mhc").unwrap_or_default();
        assert!(is_on_the_way(&section) && find(&section).is_none());
    }

    #[test]
    fn a_default_is_known_however_it_is_written() {
        let is_default = |path: &str, value: Value| {
            let path = TreePath::parse(path).unwrap_or_default();
            find(&path).map(|setting| setting.is_default(&value))
        };
        for (path, value, want) in [
            ("K8Config.cpi.version", json!("v1.4.0"), true),
            ("K8Config.cpi.version", json!("1.6.1"), false),
            ("K8Config.mhc.nodeStartupTimeout", json!("15m"), true),
            ("K8Config.mhc.nodeStartupTimeout", json!("901"), false),
            ("serverConfig.rdePollIntervalInMin", json!(1), true),
            ("serverConfig.rdePollIntervalInMin", json!("2"), false),
            ("bootstrapClusterConfig.dockerVersion", json!(" "), true),
            ("K8Config.certificateAuthorities", json!([]), true),
        ] {
            assert_eq!(
                is_default(path, value.clone()),
                Some(want),
                "{path} {value}"
            );
        }
    }
}
