//! What a client reads out of an entity, and on what it gives the whole read up.
//!
//! Source: go-vcloud-director, reading a cluster of CSE 4.1 and 4.2.

use std::collections::BTreeMap;

use serde_json::Value;

use super::typed::rewritten;
use super::yaml;

/// A cluster as a client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// The content as the client would write it back.
    pub(crate) typed: Value,
    /// `status.vcdKe.state`; empty when there is none.
    pub(crate) state: String,
    /// Name, kind (`event` or `error`) and text of everything that happened, all sections together.
    pub(crate) events: Vec<(String, &'static str, String)>,
    /// `vcdKeVersion` as numbers.
    pub(crate) cse_version: Option<Vec<u64>>,
    /// What only a cluster that CAPVCD has reported on has.
    pub(crate) details: Option<Details>,
}

/// What is read from the manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) control_plane_ip: String,
    pub(crate) control_planes: u64,
    pub(crate) kubernetes: String,
    pub(crate) template: String,
    pub(crate) pools: BTreeMap<String, u64>,
    pub(crate) health_check: bool,
}

impl Cluster {
    /// Reads an entity's content.
    ///
    /// # Errors
    /// What a client says; it then knows nothing of the cluster at all.
    pub(crate) fn read(content: &Value) -> Result<Self, String> {
        let typed = rewritten(content)?;
        let status = &typed["status"];
        for path in [["capvcd", "capvcdVersion"], ["csi", "version"]] {
            version(text(&status[path[0]][path[1]]), &path.join("."))?;
        }
        version(text(&status["cpi"]["version"]).trim(), "cpi.version")?;
        let reported = status["capvcd"]["vcdProperties"]["orgVdcs"].is_array();
        Ok(Self {
            state: text(&status["vcdKe"]["state"]).to_owned(),
            events: events(status),
            cse_version: version(text(&status["vcdKe"]["vcdKeVersion"]), "vcdKeVersion")?,
            details: if reported {
                Some(details(&typed)?)
            } else {
                None
            },
            typed,
        })
    }

    /// What a client would print of a failed creation.
    pub(crate) fn printed_errors(&self) -> String {
        let errors = list(&self.typed["status"]["capvcd"]["errorSet"]);
        let text = |error: &Value| text(&error["additionalDetails"]["Detailed Error"]).to_owned();
        errors.iter().map(text).collect::<Vec<_>>().join(",\n")
    }
}

fn events(status: &Value) -> Vec<(String, &'static str, String)> {
    let keys = [
        ("vcdKe", "Detailed Event"),
        ("capvcd", ""),
        ("cpi", "Detailed Event"),
        ("csi", "Detailed Description"),
        ("projector", "event"),
    ];
    let mut all = Vec::new();
    for (section, key) in keys {
        for (set, kind, key) in [
            ("eventSet", "event", key),
            ("errorSet", "error", "Detailed Error"),
        ] {
            all.extend(list(&status[section][set]).iter().map(|entry| {
                let detail = text(&entry["additionalDetails"][key]).to_owned();
                (text(&entry["name"]).to_owned(), kind, detail)
            }));
        }
    }
    all
}

fn details(typed: &Value) -> Result<Details, String> {
    let capvcd = &typed["status"]["capvcd"];
    let mut found = Details {
        control_plane_ip: text(&capvcd["clusterApiStatus"]["apiEndpoints"][0]["host"]).to_owned(),
        ..Details::default()
    };
    for document in yaml::split(text(&typed["spec"]["capiYaml"]))? {
        let name = text(&document["metadata"]["name"]).to_owned();
        match text(&document["kind"]) {
            "KubeadmControlPlane" => {
                found.control_planes = document["spec"]["replicas"].as_u64().unwrap_or_default();
                if list(&document["spec"]["kubeadmConfigSpec"]["users"]).is_empty() {
                    return Err("users of the control plane are empty".to_owned());
                }
                text(&document["spec"]["version"]).clone_into(&mut found.kubernetes);
                needed_version(&found.kubernetes, "version of the control plane")?;
            }
            "VCDMachineTemplate" => {
                let machine = &document["spec"]["template"]["spec"];
                let size = text(&machine["diskSize"]).replace("Gi", "");
                size.parse::<u64>()
                    .map_err(|cause| format!("disk size {size:?} of {name}: {cause}"))?;
                if name.contains("control-plane-node-pool") {
                    text(&machine["template"]).clone_into(&mut found.template);
                } else {
                    found.pools.entry(name).or_default();
                }
            }
            "MachineDeployment" => {
                let replicas = document["spec"]["replicas"].as_u64().unwrap_or_default();
                found.pools.insert(name, replicas);
            }
            "Cluster" => {
                let tkg = text(&document["metadata"]["annotations"]["TKGVERSION"]);
                needed_version(tkg, "TKGVERSION")?;
                for blocks in ["pods", "services"] {
                    let network = &document["spec"]["clusterNetwork"][blocks]["cidrBlocks"];
                    if list(network).is_empty() {
                        return Err(format!("no CIDR blocks of {blocks}"));
                    }
                }
            }
            "MachineHealthCheck" => found.health_check = true,
            _ => {}
        }
    }
    if found.template.is_empty() {
        return Err("no template of a control plane".to_owned());
    }
    Ok(found)
}

fn needed_version(given: &str, what: &str) -> Result<(), String> {
    match version(given, what)? {
        Some(_) => Ok(()),
        None => Err(format!("{what} is empty")),
    }
}

/// The numbers of a version; `None` when there is none.
fn version(given: &str, what: &str) -> Result<Option<Vec<u64>>, String> {
    if given.is_empty() {
        return Ok(None);
    }
    let wrong = |why: &dyn std::fmt::Display| format!("{what} is no version but {given:?}: {why}");
    let plain = given.strip_prefix('v').unwrap_or(given);
    let core = plain.split(['-', '+']).next().unwrap_or_default();
    let numbers = core.split('.').map(|number| {
        number
            .parse()
            .map_err(|cause: std::num::ParseIntError| wrong(&cause))
    });
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~');
    if plain.chars().all(allowed) {
        Ok(Some(numbers))
    } else {
        Err(wrong(&"odd characters"))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
