//! Rules of this repository that neither the compiler nor clippy can check: what may stand where.
//!
//! Goal: the architecture in `src/lib.rs` stays true, file by file.
//!
//! Method: rules about words are data ([`RULES`]). Each is tried on every file in its place, and each is
//! shown an offending line to prove that it would notice. Every test counts what it looked at.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "tidy/rules.rs"]
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rules::{RULES, Source, has_word};

/// Files over this length need a reason in [`LONG_FILES`].
const LONG: usize = 500;
/// No file is longer.
const TOO_LONG: usize = 600;
/// Files between the two limits that are one room with one purpose all the same.
const LONG_FILES: &[&str] = &[];

/// Crates that only the simulator may bring in.
const SIMULATOR_CRATES: &[&str] = &[
    "axum",
    "axum-server",
    "indicatif",
    "jsonschema",
    "rcgen",
    "wiremock",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `dirs`, whose name ends in one of `endings`.
fn sources(dirs: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut waiting: Vec<PathBuf> = dirs.iter().map(|dir| top().join(dir)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.is_file()
            && endings
                .iter()
                .any(|end| path.to_string_lossy().ends_with(end))
        {
            let relative = path
                .strip_prefix(top())
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source {
                path: relative,
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn rust_sources() -> Vec<Source> {
    let found = sources(&["src", "tests", "benches"], &[".rs"]);
    assert!(
        found.len() > 30,
        "only {} files: the walk is broken",
        found.len()
    );
    found
}

#[test]
fn words_stand_only_where_they_belong() {
    let sources = rust_sources();
    let mut found = Vec::new();
    for rule in RULES {
        let mut looked_at = 0;
        for source in sources.iter().filter(|source| rule.holds_in(&source.path)) {
            looked_at += 1;
            found.extend(rule.violations(source));
        }
        for place in rule.within.split_whitespace() {
            let exists = top().join(place).exists();
            assert!(exists, "{}: {place} does not exist", rule.name);
        }
        assert!(looked_at > 0, "{}: no file looked at", rule.name);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rule_notices_each_of_its_words() {
    for rule in RULES {
        for place in rule.within.split_whitespace() {
            for word in rule.words.split_whitespace() {
                let path = format!("{place}x.rs");
                let source = Source {
                    path,
                    text: format!("//! Doc.\nuse {word};\n"),
                };
                assert!(
                    rule.holds_in(&source.path),
                    "{}: {}",
                    rule.name,
                    source.path
                );
                let found = rule.violations(&source);
                assert!(!found.is_empty(), "{}: {word} goes unnoticed", rule.name);
            }
        }
    }
    let quiet = "// tokio\nlet x = \"https://tokio.example\"; // tokio\nuse tokiox::y;\n";
    let source = Source {
        path: "src/domain/x.rs".to_owned(),
        text: quiet.to_owned(),
    };
    let found: Vec<String> = RULES
        .iter()
        .filter(|rule| rule.holds_in(&source.path))
        .flat_map(|rule| rule.violations(&source))
        .collect();
    assert_eq!(found.len(), 1, "only the address counts as code: {found:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in rust_sources() {
        let first = source.text.lines().next().unwrap_or_default();
        let said = first.strip_prefix("//! ").unwrap_or_default();
        assert!(
            said.len() > 10,
            "{}: begins without a module doc",
            source.path
        );
    }
}

#[test]
fn files_are_short_enough_to_be_read() {
    let lengths = rust_sources().into_iter();
    let long: Vec<(usize, String)> = lengths
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > LONG)
        .collect();
    let too_long: Vec<_> = long.iter().filter(|(lines, _)| *lines > TOO_LONG).collect();
    assert!(
        too_long.is_empty(),
        "more than {TOO_LONG} lines: {too_long:?}"
    );
    let long: BTreeSet<String> = long.into_iter().map(|(_, path)| path).collect();
    let known: BTreeSet<String> = LONG_FILES.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(
        long, known,
        "files over {LONG} lines, and the list of those that may be"
    );
}

/// A file that no `mod` names is compiled by nobody.
#[test]
fn every_file_is_part_of_the_program() {
    let sources = sources(&["src"], &[".rs"]);
    let roots = ["src/lib.rs", "src/main.rs", "src/bin/cse-agent.rs"];
    let mut looked_at = 0;
    for source in sources
        .iter()
        .filter(|source| !roots.contains(&source.path.as_str()))
    {
        let path = Path::new(&source.path);
        let stem = path.file_stem().unwrap().to_string_lossy();
        let dir = path.parent().unwrap();
        let (name, parents) = if stem == "mod" {
            let name = dir.file_name().unwrap().to_string_lossy().into_owned();
            (name, candidates(dir.parent().unwrap()))
        } else {
            (stem.into_owned(), candidates(dir))
        };
        let file_name = path.file_name().unwrap().to_string_lossy();
        let by_path = format!("#[path = \"{file_name}\"]");
        let named = sources.iter().any(|other| {
            let is_parent = parents.contains(&other.path);
            let beside = Path::new(&other.path).parent() == Some(dir);
            is_parent && has_word(&other.text, &format!("mod {name};"))
                || beside && other.text.contains(&by_path)
        });
        assert!(named, "{}: no module names it", source.path);
        looked_at += 1;
    }
    assert!(looked_at > 20, "only {looked_at} files: the walk is broken");
}

/// Files that may declare the modules which lie in `dir`.
fn candidates(dir: &Path) -> Vec<String> {
    let inside = ["mod.rs", "lib.rs", "main.rs"].map(|name| dir.join(name));
    let beside = dir.with_extension("rs");
    inside
        .iter()
        .chain([&beside])
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn nothing_names_a_place_on_somebodys_machine() {
    let endings = [
        ".rs", ".toml", ".md", ".service", ".sh", ".json", ".yaml", ".xml", "run",
    ];
    let dirs = [
        "src",
        "tests",
        "benches",
        "config",
        "systemd",
        ".ci",
        "README.md",
        "Cargo.toml",
    ];
    let sources = sources(&dirs, &endings);
    let found = |path: &str| sources.iter().any(|source| source.path == path);
    for known in [
        ".ci/run",
        "systemd/cse-server.service",
        "config/cse-server.toml",
        "Cargo.toml",
    ] {
        assert!(found(known), "{known} is not looked at");
    }
    for source in sources
        .iter()
        .filter(|source| !source.path.starts_with("tests/tidy"))
    {
        for (number, line) in source.text.lines().enumerate() {
            for place in ["/home/", "/Users/", "/root/"] {
                // Scripts of bootstrap machines and of nodes run as root.
                let scripts = ["src/bootstrap/", "src/sim/actors/"];
                let scripted = scripts.iter().any(|dir| source.path.starts_with(dir));
                let allowed = place == "/root/" && scripted;
                let named = line.contains(place) && !allowed;
                assert!(!named, "{}:{}: {place}", source.path, number + 1);
            }
        }
    }
}

/// Crates that only the agent may bring in.
const AGENT_CRATES: &[&str] = &["kube", "k8s-openapi"];

/// The packaged program holds no more of an HTTP server than health and metrics need, which is hyper alone: the
/// simulator and what it needs stay out. What `cargo build` makes speaks to no Kubernetes API: that is the
/// agent's, and costs minutes to compile.
#[test]
fn the_production_build_brings_no_server_crate_but_hyper() {
    let packages = |features: &[&str]| -> BTreeSet<String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(top())
            .args(["tree", "--locked", "--offline", "-e", "normal"]);
        cargo
            .args(["--prefix", "none", "--format", "{p} [{f}]"])
            .args(features);
        let output = cargo.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo tree: {said}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    };
    let has = |tree: &BTreeSet<String>, name: &str| {
        tree.iter().any(|line| line.split(' ').next() == Some(name))
    };
    let production = packages(&["--no-default-features"]);
    let everything = packages(&[]);
    let agent = packages(&["--no-default-features", "--features", "agent"]);
    for name in AGENT_CRATES {
        assert!(!has(&everything, name), "{name} is in the default build");
        assert!(has(&agent, name), "the list of crates is out of date");
    }
    for name in SIMULATOR_CRATES {
        assert!(!has(&agent, name), "{name} is in the agent");
    }
    assert!(
        !has(&agent, "ring"),
        "a second TLS provider is in the agent"
    );
    assert!(
        production.len() > 50 && has(&production, "reqwest"),
        "{production:?}"
    );
    for name in SIMULATOR_CRATES {
        assert!(!has(&production, name), "{name} is in the production build");
    }
    assert!(
        has(&everything, "axum"),
        "the list of crates is out of date"
    );
    let hyper = production
        .iter()
        .find(|line| line.starts_with("hyper v"))
        .unwrap();
    assert!(
        hyper.contains("server"),
        "health and metrics are served by another crate: {hyper}"
    );
    assert!(
        !has(&everything, "ring"),
        "a second TLS provider is in the tree"
    );
}

/// The unit's times fit the program's.
#[test]
fn the_unit_fits_the_program() {
    let unit = fs::read_to_string(top().join("systemd/cse-server.service")).unwrap();
    let values = |key: &str| -> Vec<String> {
        let lines = unit.lines();
        let of_key = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        of_key.map(ToOwned::to_owned).collect()
    };
    let value = |key: &str| match values(key).as_slice() {
        [value] => value.clone(),
        other => panic!("the unit sets {key} to {other:?}"),
    };
    let seconds = |key: &str| value(key).trim_end_matches('s').parse::<u64>().unwrap();
    assert_eq!(value("Type"), "notify");
    assert_eq!(value("Restart"), "always");
    assert_eq!(value("WatchdogSignal"), "SIGKILL");
    // The exit code of a wrong command line. Whatever else is wrong may be mended without this machine.
    assert_eq!(value("RestartPreventExitStatus"), "64");
    assert_eq!(value("StartLimitIntervalSec"), "0");
    assert_eq!(value("Alias"), "cse.service");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    // A file that is not there must not keep the program from saying so.
    let secrets = ["vcd-api-token", "ovf-env.xml"];
    let loaded = secrets.map(|name| format!("{name}:/etc/cse-server/{name}"));
    assert_eq!(values("LoadCredential"), loaded);
    let blank = secrets.map(|name| format!("{name}:\\n"));
    assert_eq!(values("SetCredential"), blank);
    assert_eq!(value("RuntimeDirectoryPreserve"), "restart");
    // Longest drain_timeout_secs that the configuration accepts, plus time to write the releases.
    assert!(seconds("TimeoutStopSec") >= 40 + 5);
    // A hung replica is gone before it would have to fence itself by the smallest self_fence_secs.
    assert!(seconds("WatchdogSec") < 60);
}
