//! `key=value` on a configuration: typed as clients expect it, everything else kept as it is.
//!
//! Invariants:
//! - An unknown key is refused unless it is forced; then the value is JSON where it reads as JSON, else text.
//! - Keys that only make sense together are completed: a client stops at half a health check.
//! - The placeholder of a secret is no value.
//!
//! Not here: whether the result is valid (`findings`), writing it (`controller::settings`).

use serde_json::{Map, Value, json};

use super::findings::profile_path;
use super::known::{Kind, Setting, find, is_on_the_way, settings, similar};
use crate::domain::secrets::PLACEHOLDER;
use crate::domain::tree::{Step, TreePath};

/// What is to become of one key.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Below the profile in force, or from `profiles` on.
    path: TreePath,
    /// Its new text; `None` takes the key away.
    text: Option<String>,
}

impl Assignment {
    /// Gives `key` a value.
    ///
    /// # Errors
    /// A sentence about the key.
    pub fn set(key: &str, text: String) -> Result<Self, String> {
        if text.contains(PLACEHOLDER) {
            return Err(format!(
                "{key}: {PLACEHOLDER} stands for a secret and is none; give the value itself, best by key=@FILE"
            ));
        }
        Ok(Self {
            path: TreePath::parse(key)?,
            text: Some(text),
        })
    }

    /// Takes `key` away, so that its default holds.
    ///
    /// # Errors
    /// A sentence about the key.
    pub fn unset(key: &str) -> Result<Self, String> {
        Ok(Self {
            path: TreePath::parse(key)?,
            text: None,
        })
    }

    /// Where it is in this document.
    pub fn place(&self, entity: &Map<String, Value>) -> TreePath {
        if self.path.steps().first() == Some(&Step::Key("profiles".to_owned())) {
            self.path.clone()
        } else {
            self.path.below(&profile_path(entity))
        }
    }
}

/// The document with everything assigned; `force` admits keys that nobody knows.
///
/// # Errors
/// Every refusal, as sentences.
pub fn assigned(
    entity: &Map<String, Value>,
    assignments: &[Assignment],
    force: bool,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut document = Value::Object(entity.clone());
    let mut refused = Vec::new();
    for one in assignments {
        if let Err(problem) = apply(&mut document, entity, one, force) {
            refused.push(problem);
        }
    }
    let members = document.as_object().filter(|_| refused.is_empty());
    members.cloned().ok_or(refused)
}

fn apply(
    document: &mut Value,
    entity: &Map<String, Value>,
    one: &Assignment,
    force: bool,
) -> Result<(), String> {
    let place = one.place(entity);
    let relative =
        below_profile(&place).ok_or_else(|| format!("{place}: name a key below profiles[N]"))?;
    let root = TreePath::default().then(Step::Key("profiles".to_owned()));
    let root = place
        .steps()
        .get(1)
        .map_or(root.clone(), |index| root.then(index.clone()));
    if root.get(document).is_none() {
        return Err(format!(
            "{root}: there is no such profile; set changes a profile that is there"
        ));
    }
    let Some(text) = &one.text else {
        let is_known = find(&relative).is_some() || is_on_the_way(&relative);
        if !is_known && !force && place.get(document).is_none() {
            return Err(unknown(&place, &relative));
        }
        place.remove(document);
        return Ok(());
    };
    let value = match find(&relative) {
        Some(setting) => {
            typed(setting, &relative, text).map_err(|problem| format!("{place}: {problem}"))?
        }
        None if is_on_the_way(&relative) && !force => {
            return Err(format!(
                "{place} is a section; set the keys below it one by one"
            ));
        }
        None if force => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        None => return Err(unknown(&place, &relative)),
    };
    complete(document, &root, &relative)?;
    place.set(document, value)
}

fn below_profile(place: &TreePath) -> Option<TreePath> {
    let profile = TreePath::default().then(Step::Key("profiles".to_owned()));
    let profile = profile.then(place.steps().get(1)?.clone());
    place
        .within(&profile)
        .filter(|rest| !rest.steps().is_empty())
}

fn unknown(place: &TreePath, relative: &TreePath) -> String {
    let meant = similar(relative);
    let hint = if meant.is_empty() {
        "cse-server config show lists the known keys".to_owned()
    } else {
        format!("do you mean {}?", meant.join(" or ").replace("[]", "[0]"))
    };
    format!("{place} is no key that servers or clients know; {hint} --force writes it all the same")
}

/// The value in the JSON type that clients expect; an empty text stays one, whatever the type.
fn typed(setting: &Setting, path: &TreePath, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let refused = || format!("found {:?}, expected {}", cut(trimmed), setting.kind);
    match setting.kind {
        Kind::Flag => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Ok(json!(true)),
            "false" => Ok(json!(false)),
            _ => Err(refused()),
        },
        Kind::Minutes | Kind::Percent => {
            let number = trimmed.trim_end_matches('%').parse::<u64>();
            number.map(Value::from).map_err(|_not_a_number| refused())
        }
        Kind::Certificates => {
            let is_list = !matches!(path.steps().last(), Some(Step::Index(_)));
            if is_list {
                Ok(certificates(text).into())
            } else {
                Ok(json!(trimmed))
            }
        }
        Kind::Yaml => Ok(json!(text)),
        Kind::Text | Kind::Port | Kind::Version | Kind::Time | Kind::Secret | Kind::Proxy => {
            Ok(json!(trimmed))
        }
    }
}

/// No problem repeats more than this of what was typed.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The certificates of a bundle, each for itself; a text without any stays one, to be refused as a whole.
fn certificates(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = bundle.split_inclusive(END).map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Sections whose keys are required together get the others' defaults as soon as one is set.
fn complete(document: &mut Value, root: &TreePath, relative: &TreePath) -> Result<(), String> {
    const WHOLE: [&str; 5] = [
        "K8Config.mhc",
        "K8Config.cni",
        "K8Config.cpi",
        "K8Config.csi[0]",
        "vcdConfig.sysLogger",
    ];
    for section in WHOLE {
        let section = TreePath::parse(section)?;
        if relative
            .within(&section)
            .is_none_or(|rest| rest.steps().is_empty())
        {
            continue;
        }
        let prefix = format!("{}.", super::known::pattern(&section));
        let inside = settings().filter_map(|one| Some((one.path.strip_prefix(&prefix)?, one)));
        for (key, setting) in inside {
            let place = section.then(Step::Key(key.to_owned())).below(root);
            let is_optional = key == "applyToExisting";
            if !is_optional && place.get(document).is_none_or(Value::is_null) {
                place.set(
                    document,
                    setting.default_value().unwrap_or_else(|| json!("")),
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;
    use crate::domain::tree::changes;

    fn run(
        document: &Value,
        assignments: &[(&str, &str)],
        force: bool,
    ) -> Result<Value, Vec<String>> {
        let list: Vec<Assignment> = assignments
            .iter()
            .map(|(key, text)| Assignment::set(key, (*text).to_owned()).unwrap())
            .collect();
        assigned(document.as_object().unwrap(), &list, force).map(Value::Object)
    }

    fn small() -> Value {
        json!({"profiles": [{"zeta": {"kept": [1]}, "name": "production", "active": "true", "K8Config": {"csi": [{"version": "1.4.0"}]}}]})
    }

    #[test]
    fn values_get_the_type_that_clients_expect() {
        let new = run(
            &small(),
            &[
                ("active", "TRUE"),
                ("serverConfig.rdePollIntervalInMin", "2"),
                ("profiles[0].K8Config.csi[0].version", "1.6.0"),
                ("K8Config.mhc.maxUnhealthyNodes", "60%"),
                ("vcdConfig.sysLogger.host", "log.example.test"),
                ("K8Config.certificateAuthorities", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n"),
                ("containerRegistryUrl", "registry.example.test"),
            ],
            false,
        )
        .unwrap();
        let profile = &new["profiles"][0];
        assert_eq!(profile["active"], true);
        assert_eq!(profile["serverConfig"]["rdePollIntervalInMin"], 2);
        assert_eq!(
            profile["K8Config"]["csi"][0],
            json!({"version": "1.6.0", "name": "csi for cloud director"})
        );
        let limits = json!({"maxUnhealthyNodes": 60, "nodeStartupTimeout": "900s", "nodeNotReadyTimeout": "300s", "nodeUnknownTimeout": "300s"});
        assert_eq!(profile["K8Config"]["mhc"], limits);
        assert_eq!(
            profile["vcdConfig"]["sysLogger"],
            json!({"host": "log.example.test", "port": "514"})
        );
        assert_eq!(
            profile["K8Config"]["certificateAuthorities"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(
            profile["zeta"],
            json!({"kept": [1]}),
            "what is unknown stays"
        );
        assert!(
            new.to_string().starts_with(r#"{"profiles":[{"zeta""#),
            "and in its place"
        );
    }

    #[test]
    fn refusals_say_what_and_all_at_once() {
        let refused = run(
            &small(),
            &[
                ("serverConfig.rdePollIntervalInMins", "2"),
                ("K8Config.mhc", "x"),
                ("active", "maybe"),
                ("profiles[3].name", "x"),
            ],
            false,
        )
        .unwrap_err();
        assert_eq!(refused.len(), 4, "{refused:?}");
        assert!(
            refused[0].contains("do you mean serverConfig.rdePollIntervalInMin?"),
            "{refused:?}"
        );
        assert!(
            refused[1].contains("section")
                && refused[2].contains("true or false")
                && refused[3].contains("no such profile")
        );
        assert!(
            Assignment::set(
                "githubConfig.githubPersonalAccessToken",
                PLACEHOLDER.to_owned()
            )
            .is_err()
        );
    }

    #[test]
    fn forced_keys_are_json_or_text() {
        let new = run(&small(), &[("own.number", "5"), ("own.text", "five")], true).unwrap();
        assert_eq!(
            new["profiles"][0]["own"],
            json!({"number": 5, "text": "five"})
        );
    }

    #[test]
    fn a_key_that_is_taken_away_leaves_the_rest() {
        let old = small();
        let list = [
            Assignment::unset("active").unwrap(),
            Assignment::unset("K8Config.mhc").unwrap(),
        ];
        let new = Value::Object(assigned(old.as_object().unwrap(), &list, false).unwrap());
        let told: Vec<String> = changes(&old, &new)
            .iter()
            .map(|one| one.path.to_string())
            .collect();
        assert_eq!(told, ["profiles[0].active"]);
    }
}
