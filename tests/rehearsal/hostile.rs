//! Values that try to be more than values, in every field of order and configuration.
//!
//! Goal: no value is ever more than a value to shell, YAML, units or command lines.
//!
//! Method: each value is put into each field, in its place and behind what is there. An order is refused
//! in words, or its user data has exactly the keys it always has. What is not refused is then rehearsed,
//! all fields at once: the same calls happen with the same number of arguments, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use cse_server::yaml;
use libtest_mimic::Trial;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::order::{Order, Registry, Rendered, Site, files};
use super::standin::record::Call;
use super::vm::Vm;
use super::{chosen, table, trial};

/// Runs anything it is allowed to run, which then leaves a file of this name.
const PWNED: &str = "PWNED";

fn values() -> Vec<(&'static str, String)> {
    let quoted = format!("'\"; touch {PWNED}; '\"");
    vec![
        ("substitution", format!("$(touch {PWNED})")),
        (
            "without blanks",
            format!("$({{touch,{PWNED}}})&&${{IFS}}|x"),
        ),
        ("backticks", format!("`touch {PWNED}`")),
        ("quotes", quoted),
        ("line break", format!("x\ntouch {PWNED}\n")),
        ("carriage return", format!("x\rtouch {PWNED}")),
        ("semicolon", format!(";touch {PWNED};")),
        ("flag", "--kubeconfig=/etc/passwd".to_owned()),
        ("short flag", "-o/tmp/x".to_owned()),
        (
            "other lines",
            format!("x\u{85}runcmd:\u{2028}- touch {PWNED}\u{2029}\u{feff}"),
        ),
        (
            "document",
            "x\n---\nruncmd: [\"touch PWNED\"]\n#cloud-config".to_owned(),
        ),
        ("template", "## template: jinja\n{{ 7*7 }}%n%s%%".to_owned()),
        ("backslash", "\\\\\\\"\\n%h$HOME".to_owned()),
        ("nul", format!("a\0touch {PWNED}")),
        ("escape", "\u{1b}[2J\u{7f}\u{202e}\u{200b}ünï🙂".to_owned()),
        ("path", "../../../../etc/passwd".to_owned()),
        ("brackets", "{a,b}[1-9]*?~&|<>#".to_owned()),
        ("tab", "\t- tab".to_owned()),
        ("long", "x".repeat(40_000)),
    ]
}

pub(crate) fn trials() -> Vec<Trial> {
    let base: Arc<OnceLock<Vec<Call>>> = Arc::default();
    values()
        .into_iter()
        .map(|(name, value)| {
            let base = Arc::clone(&base);
            trial(format!("hostile: {name}"), move || {
                attack(name, &value, base.get_or_init(undisturbed));
            })
        })
        .collect()
}

/// A site on which every field of the configuration is in use.
const SITE: Site = Site {
    proxy: true,
    authorities: true,
    registry: Registry::Complete,
    github_token: true,
    mirror: true,
    clusterctl_override: false,
};

/// An order in which every field has a value.
fn order() -> Order {
    let mut order = Order::at(SITE);
    let profile = &mut order.profile;
    profile["name"] = json!("production");
    profile["vcdKeInstances"] =
        json!([{"name": "one", "version": "4.2.3", "vcdKeInstanceId": "i"}]);
    profile["vcdConfig"] = json!({"sysLogger": {"host": "syslog.example.test", "port": "514"}});
    let bootstrap = &mut profile["bootstrapClusterConfig"];
    for (key, value) in [
        ("sizingPolicy", "TKG small"),
        ("dockerVersion", "24.0.9"),
        ("kubectlVersion", "v1.27.8"),
        ("kindVersion", "v0.19.0"),
        ("kindestNodeVersion", "v1.27.1"),
    ] {
        bootstrap[key] = json!(value);
    }
    bootstrap["clusterctl"] = json!({"version": "v1.4.0"});
    bootstrap["capiEcosystem"] = json!({
        "coreCapiVersion": "v1.4.0", "certManagerVersion": "v1.11.1",
        "controlPlaneProvider": {"name": "KCP", "version": "v1.4.0"},
        "bootstrapProvider": {"name": "CAPBK", "version": "v1.4.0"},
        "infraProvider": {"name": "capvcd", "version": "v1.3.2",
            "capvcdRde": {"vendor": "vmware", "nss": "capvcdCluster", "version": "1.3.0"}},
    });
    profile["K8Config"]["cni"] = json!({"name": "antrea", "version": "v1.15.1"});
    profile["K8Config"]["cpi"] = json!({"name": "cpi", "version": "1.6.1"});
    profile["K8Config"]["csi"] = json!([{"name": "csi", "version": "1.6.0"}]);
    profile["K8Config"]["rdeProjectorVersion"] = json!("0.7.1");
    order
}

/// Every text in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    /// Of a document of the YAML: its place, and a JSON pointer.
    Document(usize, String),
    /// Of the entity.
    Entity(String),
    /// Of the shared configuration.
    Profile(String),
    Org,
    User,
    Token,
    Marker,
}

impl Field {
    fn all(order: &Order) -> Vec<Self> {
        let mut fields = vec![Self::Org, Self::User, Self::Token, Self::Marker];
        for (index, document) in order.documents().iter().enumerate() {
            let places = texts(document, "");
            fields.extend(places.into_iter().map(|place| Self::Document(index, place)));
        }
        let entity = texts(&Value::Object(order.content.clone()), "");
        let of_entity = entity.into_iter().filter(|place| place != "/spec/capiYaml");
        fields.extend(of_entity.map(Self::Entity));
        fields.extend(texts(&order.profile, "").into_iter().map(Self::Profile));
        fields
    }

    /// Puts `value` there, or behind what is there.
    fn set(&self, order: &mut Order, value: &str, behind: bool) {
        let change = |text: &mut String| {
            if !behind {
                text.clear();
            }
            text.push_str(value);
        };
        let change_at = |root: &mut Value, place: &str| {
            if let Some(Value::String(text)) = root.pointer_mut(place) {
                change(text);
            }
        };
        match self {
            Self::Document(index, place) => {
                let mut documents = order.documents();
                change_at(&mut documents[*index], place);
                order.set_documents(&documents);
            }
            Self::Entity(place) => {
                let mut content = Value::Object(std::mem::take(&mut order.content));
                change_at(&mut content, place);
                if let Value::Object(content) = content {
                    order.content = content;
                }
            }
            Self::Profile(place) => change_at(&mut order.profile, place),
            Self::Org => change(&mut order.org),
            Self::User => change(&mut order.user),
            Self::Token => change(&mut order.token),
            Self::Marker => change(&mut order.marker),
        }
    }
}

/// Pointers to every text below `value`.
fn texts(value: &Value, at: &str) -> Vec<String> {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::String(_) => vec![at.to_owned()],
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| texts(item, &format!("{at}/{index}")))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, item)| texts(item, &format!("{at}/{}", escaped(key))))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The calls of an order without hostile values.
fn undisturbed() -> Vec<Call> {
    let vm = equipped(&order().files());
    vm.assert_done(&vm.run(), "undisturbed");
    vm.calls()
}

fn equipped(files: &BTreeMap<String, String>) -> Vm {
    let vm = Vm::with(files, Vec::new());
    vm.write("world/registry", "complete");
    vm
}

fn attack(name: &str, value: &str, undisturbed: &[Call]) {
    let plain = order().files();
    let mut all = order();
    let fields = Field::all(&all);
    assert!(fields.len() > 150, "{}", fields.len());
    let mut accepted = BTreeSet::new();
    // Which ones are left to other values takes turns.
    for field in chosen(fields, value.len()) {
        for behind in [false, true] {
            let context = format!("{name}: {field:?} behind: {behind}");
            let mut one = order();
            field.set(&mut one, value, behind);
            match one.render() {
                Rendered::Refused(why) => {
                    assert!(!why.is_empty() && why.len() < 8_000, "{context}: {why}");
                    table::count("hostile values", name, "refused");
                }
                Rendered::Data(data) => {
                    check_data(data.cloud_config.expose_secret(), &plain, &context);
                    table::count("hostile values", name, "harmless");
                    // A field takes one value; a longer one says more.
                    let short = (field.clone(), false);
                    if behind && accepted.contains(&short) {
                        accepted.remove(&short);
                    }
                    accepted.insert((field.clone(), behind));
                }
            }
        }
    }
    for (field, behind) in accepted {
        let before = (all.content.clone(), all.profile.clone());
        let others = [
            all.org.clone(),
            all.user.clone(),
            all.token.clone(),
            all.marker.clone(),
        ];
        field.set(&mut all, value, behind);
        // Together they may be too much: then this one stays out.
        if matches!(all.render(), Rendered::Refused(_)) {
            (all.content, all.profile) = before;
            [all.org, all.user, all.token, all.marker] = others;
        }
    }
    rehearse(name, value, &all, undisturbed);
}

/// Exactly the keys, files and scripts there always are, in characters nobody disagrees about.
fn check_data(text: &str, plain: &BTreeMap<String, String>, context: &str) {
    assert!(text.is_ascii(), "{context}");
    let documents = yaml::read_documents(text).unwrap();
    let keys = documents[0].as_object().unwrap().keys();
    let keys: Vec<&str> = keys.map(String::as_str).collect();
    assert_eq!(
        (documents.len(), keys),
        (1, vec!["write_files", "runcmd"]),
        "{context}"
    );
    let command = json!([["/bin/bash", "/opt/cse/bootstrap.sh"]]);
    assert_eq!(documents[0]["runcmd"], command, "{context}");
    let written = files(text);
    // A field may switch one of these off.
    let optional = |path: &&String| path.contains("registry") || path.contains("storage-class");
    let paths = |files: &BTreeMap<String, String>| -> BTreeSet<String> {
        files
            .keys()
            .filter(|path| !optional(path))
            .cloned()
            .collect()
    };
    assert_eq!(paths(&written), paths(plain), "{context}");
    for (path, content) in &written {
        let is_constant = path.ends_with(".sh") || path.ends_with(".service");
        assert!(!is_constant || *content == plain[path], "{context}: {path}");
        let splits = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\0');
        let is_yaml = path.ends_with(".yaml");
        assert!(!is_yaml || !content.contains(splits), "{context}: {path}");
    }
}

fn rehearse(name: &str, value: &str, order: &Order, undisturbed: &[Call]) {
    let vm = equipped(&order.files());
    let end = vm.run();
    let story = || format!("{name}\n{}", vm.story());
    let left = vm.tree("");
    let pwned = left.keys().filter(|path| path.ends_with(PWNED)).count();
    assert_eq!(pwned, 0, "{}", story());
    vm.assert_done(&end, name);
    let calls = vm.calls();
    let shape = |call: &Call| (call.phase.clone(), call.tool.clone(), call.arguments.len());
    let (got, want): (Vec<_>, Vec<_>) = (
        calls.iter().map(shape).collect(),
        undisturbed.iter().map(shape).collect(),
    );
    assert_eq!(got, want, "{}", story());
    for (call, other) in calls.iter().zip(undisturbed) {
        let inputs = call.input.lines().count() == other.input.lines().count();
        assert!(inputs, "{}", call.line());
        for (word, before) in call.arguments.iter().zip(&other.arguments) {
            let is_flag = before.starts_with('-');
            assert!(!is_flag || word == before, "{name}: {word} for {before}");
        }
    }
    let unit = vm.read("system/etc/systemd/system/docker.service");
    assert!(!unit.contains(value), "{unit}");
    let daemon: Value = serde_json::from_str(&vm.read("system/etc/docker/daemon.json")).unwrap();
    assert_eq!(daemon.as_object().unwrap().len(), 5);
    table::count("hostile values", name, "rehearsed, all at once");
}
