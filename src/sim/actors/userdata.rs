//! The user data of a guest, as cloud-init's data source `VMware` takes it from guestinfo.
//!
//! Invariants:
//! - Only what cloud-init would run is run: a `#cloud-config` header, readable YAML, a `runcmd` that
//!   starts a file which `write_files` has put there.
//! - The phases are those the files bring along; no name of a phase is known here.
//!
//! Source: cloud-init, data source `VMware`, modules `write_files` and `runcmd`. Encodings with gzip
//! are not modelled; a guest that got them runs nothing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Where the runner looks for phases.
const PHASES: &str = "/opt/cse/phases/";
/// The manifests of the cluster.
const MANIFESTS: &str = "/opt/cse/cluster.yaml";

/// One phase script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    /// File name without number and ending.
    pub(crate) name: String,
    pub(crate) script: String,
}

/// What a guest runs.
pub(crate) struct Program {
    /// In the order of their file names.
    pub(crate) phases: Vec<Phase>,
    /// Content of `/opt/cse/cluster.yaml`.
    pub(crate) manifests: Option<String>,
}

/// Reads the program out of a VM's extra config; `None` when cloud-init would run nothing.
pub(crate) fn program(extra_config: &BTreeMap<String, String>) -> Option<Program> {
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
    starts_a_file(&config, &files).then(|| Program {
        phases: files
            .iter()
            .filter_map(|(path, script)| phase(path, script))
            .collect(),
        manifests: files.get(MANIFESTS).cloned(),
    })
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

/// `/opt/cse/phases/NN-<name>.sh` as a phase.
fn phase(path: &str, script: &str) -> Option<Phase> {
    let file = path.strip_prefix(PHASES)?.strip_suffix(".sh")?;
    let (number, name) = file.split_once('-')?;
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && !name.is_empty()).then(|| Phase {
        name: name.to_owned(),
        script: script.to_owned(),
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
