//! Bringing a server configuration of CSE 4.0 or 4.1 up to 4.2: versions rise, everything else stays.
//!
//! Invariants:
//! - A version only rises. What is newer than the wanted one, or no version at all ("main"), stays.
//! - No key is removed, and of those that are missing only versions are added, where their neighbours are.
//! - Only the profile in use changes.
//!
//! Source: CSE 4.2 documentation, upgrading the server: which versions of a release go together.

use serde_json::{Map, Value};

/// Where versions are, below a profile.
const VERSIONS: [&[&str]; 12] = [
    &["bootstrapClusterConfig", "kindVersion"],
    &["bootstrapClusterConfig", "kindestNodeVersion"],
    &["bootstrapClusterConfig", "clusterctl", "version"],
    &["bootstrapClusterConfig", "capiEcosystem", "coreCapiVersion"],
    &[
        "bootstrapClusterConfig",
        "capiEcosystem",
        "certManagerVersion",
    ],
    &[
        "bootstrapClusterConfig",
        "capiEcosystem",
        "controlPlaneProvider",
        "version",
    ],
    &[
        "bootstrapClusterConfig",
        "capiEcosystem",
        "bootstrapProvider",
        "version",
    ],
    &[
        "bootstrapClusterConfig",
        "capiEcosystem",
        "infraProvider",
        "version",
    ],
    &[
        "bootstrapClusterConfig",
        "capiEcosystem",
        "infraProvider",
        "capvcdRde",
        "version",
    ],
    &["K8Config", "cpi", "version"],
    &["K8Config", "csi", "0", "version"],
    &["K8Config", "rdeProjectorVersion"],
];

/// Longest version that is told, in characters.
const SHOWN_CHARS: usize = 40;

/// What becomes of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Upgraded {
    /// The whole content.
    pub content: Map<String, Value>,
    /// What rose: place, from, to.
    pub changes: Vec<String>,
    /// What should have, but stays.
    pub notes: Vec<String>,
}

/// Raises the versions in `content` to those in `wanted`.
pub fn upgrade(content: &Map<String, Value>, wanted: &Map<String, Value>) -> Upgraded {
    let mut upgraded = Upgraded {
        content: content.clone(),
        changes: Vec::new(),
        notes: Vec::new(),
    };
    let Some(wanted) = profiles(wanted).and_then(|profiles| profiles.get(in_use(profiles))) else {
        return upgraded;
    };
    let index = profiles(content).map_or(0, |profiles| in_use(profiles));
    let profiles = upgraded.content.get_mut("profiles");
    let profile = profiles.and_then(Value::as_array_mut);
    let Some(profile) = profile.and_then(|profiles| profiles.get_mut(index)) else {
        return upgraded;
    };
    let mut rises = Vec::new();
    for path in VERSIONS {
        let target = path.iter().try_fold(wanted, |place, key| child(place, key));
        if let Some(target) = target
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            rises.push(raise(profile, path, target));
        }
    }
    rises.extend(instances(profile, wanted));
    for rise in rises {
        match rise {
            Rise::Risen(what) => upgraded.changes.push(what),
            Rise::Odd(what) => upgraded.notes.push(what),
            Rise::Stays => {}
        }
    }
    upgraded
}

enum Rise {
    Risen(String),
    Odd(String),
    Stays,
}

fn profiles(content: &Map<String, Value>) -> Option<&Vec<Value>> {
    content.get("profiles").and_then(Value::as_array)
}

/// The first active profile, or else the first: what the server reads.
fn in_use(profiles: &[Value]) -> usize {
    let active = |profile: &Value| match profile.get("active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
    };
    profiles.iter().position(active).unwrap_or(0)
}

fn child<'v>(place: &'v Value, key: &str) -> Option<&'v Value> {
    match place {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        Value::Object(_) => place.get(key),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Raises one version. Where the object that should hold it is missing, the server has its defaults.
fn raise(profile: &mut Value, path: &[&str], target: &str) -> Rise {
    let shown = path.join(".").replace(".0.", "[0].");
    let Some((last, way)) = path.split_last() else {
        return Rise::Stays;
    };
    let mut place = profile;
    for key in way {
        let next = match place {
            Value::Object(object) => object.get_mut(*key),
            Value::Array(items) => key.parse::<usize>().ok().and_then(|at| items.get_mut(at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Rise::Odd(format!("{shown}: not what belongs there, left as it is"));
            }
        };
        let Some(next) = next else {
            return Rise::Stays;
        };
        place = next;
    }
    let Some(object) = place.as_object_mut() else {
        return Rise::Odd(format!("{shown}: not what belongs there, left as it is"));
    };
    let found = object.get(*last).cloned().unwrap_or_default();
    match found.as_str().map(str::trim) {
        None | Some("") if found.is_null() || found.is_string() => {
            object.insert((*last).to_owned(), Value::from(target));
            Rise::Risen(format!("{shown}: {target}"))
        }
        Some(old) => match (numbers(old), numbers(target)) {
            (Some(is), Some(wanted)) if is < wanted => {
                let what = format!("{shown}: {old} -> {target}");
                object.insert((*last).to_owned(), Value::from(target));
                Rise::Risen(what)
            }
            (Some(_), Some(_)) => Rise::Stays,
            _ => {
                let old: String = old.chars().take(SHOWN_CHARS).collect();
                Rise::Odd(format!(
                    "{shown}: {old:?} is no version number, left as it is ({target} is meant)"
                ))
            }
        },
        None => Rise::Odd(format!(
            "{shown}: no text, left as it is ({target} is meant)"
        )),
    }
}

/// Raises the version of every server instance that has one.
fn instances(profile: &mut Value, wanted: &Value) -> Vec<Rise> {
    let target = child(wanted, "vcdKeInstances").and_then(|list| child(list, "0"));
    let target = target
        .and_then(|one| child(one, "version"))
        .and_then(Value::as_str);
    let Some(target) = target else {
        return Vec::new();
    };
    let target = target.to_owned();
    let count = child(profile, "vcdKeInstances")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let mut rises = Vec::new();
    for index in 0..count {
        let index = index.to_string();
        let versioned = child(profile, "vcdKeInstances")
            .and_then(|list| child(list, &index))
            .is_some_and(Value::is_object);
        if versioned {
            rises.push(raise(
                profile,
                &["vcdKeInstances", &index, "version"],
                &target,
            ));
        }
    }
    rises
}

/// `v1.4.0` or `1.4.0` as numbers; `None` for anything else.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let bare = version.strip_prefix('v').unwrap_or(version);
    bare.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use serde_json::json;

    use super::super::objects::shipped_config;
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    /// With two profiles, keys of somebody's own, and versions of all ages.
    fn old() -> Map<String, Value> {
        object(&json!({"zeal": 1, "profiles": [
            {"name": "resting", "active": false, "K8Config": {"cpi": {"version": "1.0.0"}}},
            {"name": "p", "active": "true", "own": {"b": [1, 2], "a": null},
             "vcdKeInstances": [{"name": "a", "version": "4.1.0", "x": 1}, {"name": "b"}, 7],
             "serverConfig": {"staleHeartbeatIntervalInMin": 60},
             "bootstrapClusterConfig": {"kindVersion": "v0.14.0", "kindestNodeVersion": "v9.9.9",
                "proxyConfig": {"httpProxy": "http://proxy:3128"},
                "capiEcosystem": {"infraProvider": {"name": "capvcd", "version": "1.0.0",
                    "capvcdRde": {"version": "1.1.0"}}}},
             "K8Config": {"cpi": {"name": "cpi", "version": "1.2.0"}, "csi": [{"name": "csi", "version": "main"}]}}
        ]}))
    }

    #[test]
    fn versions_rise_and_everything_else_stays_byte_for_byte() {
        let old = old();
        let upgraded = upgrade(&old, &shipped_config());
        let profile = &upgraded.content["profiles"][1];
        let at = |pointer: &str| {
            profile
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(at("/K8Config/cpi/version"), "1.6.1");
        assert_eq!(at("/K8Config/rdeProjectorVersion"), "0.7.1");
        assert_eq!(at("/bootstrapClusterConfig/kindVersion"), "v0.19.0");
        assert_eq!(at("/bootstrapClusterConfig/kindestNodeVersion"), "v9.9.9");
        assert_eq!(
            at("/bootstrapClusterConfig/capiEcosystem/infraProvider/version"),
            "v1.3.2"
        );
        assert_eq!(
            at("/bootstrapClusterConfig/capiEcosystem/infraProvider/capvcdRde/version"),
            "1.3.0"
        );
        assert_eq!(at("/vcdKeInstances/0/version"), "4.2.3");
        assert_eq!(at("/vcdKeInstances/1/version"), "4.2.3");
        assert_eq!(at("/K8Config/csi/0/version"), "main");
        assert_eq!(upgraded.notes.len(), 1, "{:?}", upgraded.notes);
        assert!(
            upgraded
                .changes
                .contains(&"K8Config.cpi.version: 1.2.0 -> 1.6.1".to_owned())
        );

        assert_eq!(upgraded.content["profiles"][0], old["profiles"][0]);
        assert_eq!(upgraded.content["zeal"], 1);
        for key in ["own", "serverConfig", "name", "active"] {
            assert_eq!(
                profile[key].to_string(),
                old["profiles"][1][key].to_string()
            );
        }
        assert_eq!(
            profile["bootstrapClusterConfig"]["proxyConfig"]["httpProxy"],
            "http://proxy:3128"
        );
        assert_eq!(profile["vcdKeInstances"][0]["x"], 1);
        assert!(
            profile.get("containerRegistryUrl").is_none()
                && profile["K8Config"].get("mhc").is_none()
        );
        let again = upgrade(&upgraded.content, &shipped_config());
        assert_eq!(again.changes, Vec::<String>::new());
        assert_eq!(again.content, upgraded.content);
    }

    #[test]
    fn what_is_as_wanted_or_makes_no_sense_is_left_alone() {
        let wanted = shipped_config();
        assert_eq!(upgrade(&wanted, &wanted).changes, Vec::<String>::new());
        for odd in [
            json!({}),
            json!({"profiles": 7}),
            json!({"profiles": []}),
            json!({"profiles": [7]}),
        ] {
            let odd = object(&odd);
            assert_eq!(upgrade(&odd, &wanted).content, odd);
        }
        let odd = object(&json!({"profiles": [{"K8Config": [], "bootstrapClusterConfig": "x"}]}));
        let upgraded = upgrade(&odd, &wanted);
        assert_eq!(upgraded.content, odd);
        assert!(upgraded.notes.len() >= 8, "{:?}", upgraded.notes);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("v1.10.0") > numbers("1.9.3"));
        for text in ["", "main", "1.x", "v", "1.2.3-rc1"] {
            assert_eq!(numbers(text), None, "{text}");
        }
    }
}
