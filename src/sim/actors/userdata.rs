//! The user data of a guest, as cloud-init's data source `VMware` takes it from guestinfo.
//!
//! Invariants:
//! - Only what cloud-init would run is run: a `#cloud-config` header, readable YAML, a `runcmd` that
//!   starts a file which `write_files` has put there.
//! - The phases are those the files bring along; no name of a phase is known here.
//! - What happens after a restart, at a time limit and at the end is read from the files, too.
//!
//! Source: cloud-init, data source `VMware`, modules `write_files` and `runcmd`. Encodings with gzip
//! are not modelled; a guest that got them runs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the runner looks for phases.
const PHASES: &str = "/opt/cse/phases/";
/// The manifests of the cluster.
const MANIFESTS: &str = "/opt/cse/cluster.yaml";
/// Settings of the runner; a line `CSE_LIMIT_<phase>=<seconds>` limits a phase.
const ENVIRONMENT: &str = "/opt/cse/env";
/// Where units of systemd are.
const UNITS: &str = "/etc/systemd/system/";
/// Scripts that make a node of a machine.
const NODE_SCRIPTS: [&str; 2] = ["/root/control_plane.sh", "/root/node.sh"];
/// What a node publishes for metering, as lines `NAME=value`.
const METERING: &str = "/etc/vcloud/metering";
/// Limit of a phase without one of its own, in seconds.
const DEFAULT_LIMIT_SECS: u64 = 1800;

/// One phase script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// File name without number and ending.
    pub(crate) name: String,
    pub(crate) script: String,
    /// After this time the runner gives the phase up.
    pub(crate) limit: Duration,
}

/// What a guest runs; its manifests hold a token, so they are never printed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Program {
    /// In the order of their file names.
    pub(crate) phases: Vec<Phase>,
    /// Content of `/opt/cse/cluster.yaml`.
    pub(crate) manifests: Option<String>,
    /// A unit of its own starts the runner again after a restart of the VM.
    pub(crate) survives_restart: bool,
    /// The runner overwrites the user data at its end, because a token is in it.
    pub(crate) clears_user_data: bool,
    /// The runner gives signs of life.
    pub(crate) beats: bool,
}

/// What the script of a node does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeScript {
    /// Keys of its phases, in order.
    pub(crate) keys: Vec<String>,
    /// Keys and values published with the metering phase.
    pub(crate) metering: BTreeMap<String, String>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phases: Vec<&str> = self
            .phases
            .iter()
            .map(|phase| phase.name.as_str())
            .collect();
        f.debug_struct("Program")
            .field("phases", &phases)
            .finish_non_exhaustive()
    }
}

/// Reads the program out of a VM's extra config; `None` when cloud-init would run nothing.
pub(crate) fn program(extra_config: &BTreeMap<String, String>) -> Option<Program> {
    let files = started_files(extra_config)?;
    let phases: Vec<Phase> = files
        .iter()
        .filter_map(|(path, script)| phase(path, script, &files))
        .collect();
    (!phases.is_empty()).then(|| Program {
        survives_restart: enables_a_unit(&files),
        beats: files
            .values()
            .any(|file| file.contains("guestinfo.cse.beat")),
        clears_user_data: files
            .values()
            .any(|file| file.contains("guestinfo.userdata ---")),
        phases,
        manifests: files.get(MANIFESTS).cloned(),
    })
}

/// Reads the keys that a node's script sets to `in_progress`, in their order, and what the node publishes
/// about itself for metering; `None` when there is no such script.
///
/// It is the script of CAPVCD: `/root/control_plane.sh` or `/root/node.sh`, whose phases are lines
/// `vmtoolsd --cmd "info-set <key> in_progress"`.
pub(crate) fn node_script(extra_config: &BTreeMap<String, String>) -> Option<NodeScript> {
    let files = started_files(extra_config)?;
    let script = NODE_SCRIPTS.iter().find_map(|path| files.get(*path))?;
    let keys = script.lines().filter_map(|line| {
        let set = line.split_once("info-set ")?.1;
        let mut words = set.split([' ', '"']);
        let key = words.next()?;
        (words.next()? == "in_progress").then(|| key.to_owned())
    });
    let published = files.get(METERING).map(String::as_str).unwrap_or_default();
    let metering = published.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let key = format!("guestinfo.metering.{}", name.trim().to_lowercase());
        Some((key, value.trim().to_owned()))
    });
    Some(NodeScript {
        keys: keys.collect(),
        metering: metering.collect(),
    })
}

/// The files cloud-init writes, where it also starts one of them.
fn started_files(extra_config: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let data = extra_config.get("guestinfo.userdata")?;
    let text = match extra_config
        .get("guestinfo.userdata.encoding")
        .map(String::as_str)
    {
        Some("base64" | "b64") => decode(data)?,
        None | Some("") => data.clone(),
        Some(_) => return None,
    };
    if text.lines().next()?.trim_end() != "#cloud-config" {
        return None;
    }
    let config: Value = serde_saphyr::from_str(&text).ok()?;
    let files = files(&config);
    starts_a_file(&config, &files).then_some(files)
}

fn decode(text: &str) -> Option<String> {
    // Line breaks are legal in guestinfo values and in YAML block scalars.
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    String::from_utf8(STANDARD.decode(packed).ok()?).ok()
}

/// Path -> content of `write_files`.
fn files(config: &Value) -> BTreeMap<String, String> {
    let entries = config.get("write_files").and_then(Value::as_array);
    let read = |entry: &Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let content = text("content").unwrap_or_default();
        let content = match text("encoding") {
            None | Some("" | "text/plain") => content.to_owned(),
            Some("b64" | "base64") => decode(content)?,
            Some(_) => return None,
        };
        Some((text("path")?.to_owned(), content))
    };
    entries.into_iter().flatten().filter_map(read).collect()
}

/// Whether `runcmd` names a file that was written; everything else it does is not modelled.
fn starts_a_file(config: &Value, files: &BTreeMap<String, String>) -> bool {
    let commands = config.get("runcmd").and_then(Value::as_array);
    commands.into_iter().flatten().any(|command| match command {
        Value::Array(words) => words
            .iter()
            .filter_map(Value::as_str)
            .any(|word| files.contains_key(word)),
        Value::String(line) => line.split_whitespace().any(|word| files.contains_key(word)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    })
}

/// Whether a script enables a unit that was written and that starts a file that was written.
fn enables_a_unit(files: &BTreeMap<String, String>) -> bool {
    files.iter().any(|(path, unit)| {
        let Some(name) = path.strip_prefix(UNITS) else {
            return false;
        };
        let starts = unit.lines().filter(|line| line.starts_with("ExecStart="));
        let mut words = starts.flat_map(|line| line.split([' ', '=']));
        let enabled = format!("systemctl enable {name}");
        words.any(|word| files.contains_key(word))
            && files.values().any(|script| script.contains(&enabled))
    })
}

/// Limit of a phase: `CSE_LIMIT_control_plane=1800` for the phase `control-plane`.
fn limit(name: &str, files: &BTreeMap<String, String>) -> Duration {
    let variable = format!("CSE_LIMIT_{}", name.replace('-', "_"));
    let lines = files
        .get(ENVIRONMENT)
        .map(|text| text.lines())
        .into_iter()
        .flatten();
    let mut values = lines.filter_map(|line| {
        let (key, value) = line.trim_start_matches("export ").split_once('=')?;
        (key == variable)
            .then(|| value.trim_matches(['\'', '"']))?
            .parse()
            .ok()
    });
    Duration::from_secs(values.next().unwrap_or(DEFAULT_LIMIT_SECS))
}

/// `/opt/cse/phases/NN-<name>.sh` as a phase.
fn phase(path: &str, script: &str, files: &BTreeMap<String, String>) -> Option<Phase> {
    let file = path.strip_prefix(PHASES)?.strip_suffix(".sh")?;
    let (number, name) = file.split_once('-')?;
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && !name.is_empty()).then(|| Phase {
        name: name.to_owned(),
        script: script.to_owned(),
        limit: limit(name, files),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(userdata: &str, encoding: Option<&str>) -> Option<Vec<String>> {
        let mut config = BTreeMap::new();
        config.insert("guestinfo.userdata".to_owned(), userdata.to_owned());
        if let Some(encoding) = encoding {
            config.insert(
                "guestinfo.userdata.encoding".to_owned(),
                encoding.to_owned(),
            );
        }
        Some(
            program(&config)?
                .phases
                .into_iter()
                .map(|phase| phase.name)
                .collect(),
        )
    }

    const CONFIG: &str = "#cloud-config\nwrite_files:\n- path: /opt/cse/run.sh\n  content: x\n\
        - path: /opt/cse/phases/20-b.sh\n  content: b\n\
        - path: /opt/cse/phases/10-a-a.sh\n  encoding: b64\n  content: Yg==\n\
        - path: /opt/cse/phases/readme.txt\n  content: no\n\
        runcmd:\n- [/bin/bash, /opt/cse/run.sh]\n";

    #[test]
    fn phases_run_in_the_order_of_their_names() {
        let packed = STANDARD.encode(CONFIG);
        let want = Some(vec!["a-a".to_owned(), "b".to_owned()]);
        assert_eq!(names(&packed, Some("base64")), want);
        assert_eq!(names(CONFIG, None), want);
    }

    #[test]
    fn limits_restarts_and_clearing_are_read_from_the_files() {
        let plain = "#cloud-config\nwrite_files:\n- {path: /r.sh, content: systemctl enable r.service}\n\
            - {path: /opt/cse/phases/10-a-b.sh, content: x}\nruncmd: [/r.sh]\n";
        let unit = "- {path: /etc/systemd/system/r.service, content: ExecStart=/bin/sh /r.sh}\n\
            - {path: /opt/cse/env, content: CSE_LIMIT_a_b='60'}\n\
            - {path: /clear.sh, content: report guestinfo.userdata ---}\nruncmd";
        let read = |text: &str| {
            let config = BTreeMap::from([("guestinfo.userdata".to_owned(), text.to_owned())]);
            let program = program(&config)?;
            let limit = program.phases.first().map(|phase| phase.limit.as_secs());
            Some((program.survives_restart, program.clears_user_data, limit))
        };
        assert_eq!(read(plain), Some((false, false, Some(1800))));
        assert_eq!(
            read(&plain.replace("runcmd", unit)),
            Some((true, true, Some(60)))
        );
    }

    #[test]
    fn a_script_of_a_node_names_its_phases_itself() {
        let text = "#cloud-config\nwrite_files:\n- path: /etc/vcloud/metering\n  content: |\n    \
            CLUSTER_ID=urn:x\n    MACHINE_TYPE= worker\n- path: /root/node.sh\n  content: |\n    \
            vmtoolsd --cmd \"info-set guestinfo.metering.status in_progress\"\n    \
            vmtoolsd --cmd \"info-set guestinfo.metering.status successful\"\n    \
            vmtoolsd --cmd \"info-set guestinfo.x.status in_progress\"\n\
            runcmd:\n- bash /root/node.sh\n";
        let config = BTreeMap::from([("guestinfo.userdata".to_owned(), text.to_owned())]);
        assert!(program(&config).is_none(), "no phases of ours");
        let script = node_script(&config);
        let keys = script.as_ref().map(|script| script.keys.clone());
        let want = ["guestinfo.metering.status", "guestinfo.x.status"].map(str::to_owned);
        assert_eq!(keys, Some(want.to_vec()));
        let metering = script.map(|script| script.metering).unwrap_or_default();
        let cluster = metering.get("guestinfo.metering.cluster_id");
        assert_eq!(cluster.map(String::as_str), Some("urn:x"));
        assert_eq!(metering.len(), 2);
    }

    #[test]
    fn what_cloud_init_would_not_run_is_not_run() {
        let packed = STANDARD.encode(CONFIG);
        let no_header = STANDARD.encode(CONFIG.replacen("#cloud-config\n", "", 1));
        let no_command = STANDARD.encode(CONFIG.replace("/opt/cse/run.sh]", "/opt/other.sh]"));
        let table = [
            ("missing encoding", packed.as_str(), None),
            ("unknown encoding", packed.as_str(), Some("gzip+base64")),
            ("no header", no_header.as_str(), Some("base64")),
            ("no command", no_command.as_str(), Some("base64")),
            ("no base64", "%%%", Some("base64")),
        ];
        for (name, data, encoding) in table {
            assert_eq!(names(data, encoding), None, "{name}");
        }
    }
}
