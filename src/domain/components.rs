//! Which versions of its components a cluster runs, against what the server configuration says.
//!
//! New versions in the configuration reach new clusters only: those that run are upgraded by their
//! owners, and this is the list of what is due and how.
//!
//! Invariants:
//! - What a component has not reported is unknown, never taken for old.
//!
//! Source: `status` of `capvcdCluster` as CAPVCD, CPI, CSI and the projector fill it; upgrade notes of
//! the providers.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use super::cluster::{Kind, text_at};
use super::edit::RunningCluster;
use super::server_config::ServerConfig;
use crate::yaml;

/// Longest version that is repeated, in characters; a tenant could write anything there.
const MOST_CHARS: usize = 64;

/// A part of a cluster that has a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Kubernetes itself, against the version its owner asks for.
    Kubernetes,
    /// The infrastructure provider.
    Capvcd,
    /// The cloud provider.
    Cpi,
    /// The storage driver.
    Csi,
    /// The agent that applies edits: the vendor's projector, or ours.
    Agent,
}

impl Part {
    /// All of them, as they are shown.
    pub const ALL: [Self; 5] = [
        Self::Kubernetes,
        Self::Capvcd,
        Self::Cpi,
        Self::Csi,
        Self::Agent,
    ];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Capvcd => "CAPVCD",
            Self::Cpi => "CPI",
            Self::Csi => "CSI",
            Self::Agent => "agent",
        }
    }
}

/// How a running version stands to the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same.
    Same,
    /// Older.
    Older,
    /// Newer.
    Newer,
    /// Another one, but neither is a number.
    Different,
    /// The cluster does not say.
    NotReported,
    /// Nothing is wanted.
    NotConfigured,
}

impl Standing {
    /// In words, for people and scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Older => "older",
            Self::Newer => "newer",
            Self::Different => "different",
            Self::NotReported => "not reported",
            Self::NotConfigured => "not configured",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One part of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartVersion {
    /// Which.
    pub part: Part,
    /// What runs.
    pub running: Option<String>,
    /// What is wanted.
    pub wanted: Option<String>,
    /// How the two stand to each other.
    pub standing: Standing,
    /// What to do about it; empty when nothing is to be done.
    pub advice: &'static str,
}

/// Every part of the cluster with this content.
pub fn versions(content: &Map<String, Value>, config: &ServerConfig) -> Vec<PartVersion> {
    let part = |part| {
        let running = running(part, content);
        let wanted = wanted(part, content, config);
        let standing = standing(running.as_deref(), wanted.as_deref());
        PartVersion {
            part,
            advice: advice(part, running.as_deref(), standing),
            running,
            wanted,
            standing,
        }
    };
    Part::ALL.into_iter().map(part).collect()
}

fn running(part: Part, content: &Map<String, Value>) -> Option<String> {
    let status = content.get("status")?;
    let text = |path: &[&str]| text_at(status, path).map(clean);
    match part {
        Part::Kubernetes => RunningCluster::read(content)?
            .version
            .map(|version| clean(&version)),
        Part::Capvcd => text(&["capvcd", "capvcdVersion"]).or_else(|| text(&["capvcd", "version"])),
        Part::Cpi => text(&["cpi", "version"]),
        Part::Csi => text(&["csi", "version"]),
        Part::Agent => text(&["projector", "version"]),
    }
}

fn wanted(part: Part, content: &Map<String, Value>, config: &ServerConfig) -> Option<String> {
    let kubernetes = &config.kubernetes;
    match part {
        Part::Kubernetes => asked_for(content),
        Part::Capvcd => Some(config.bootstrap.capvcd_version.clone()),
        Part::Cpi => kubernetes.cpi.version.clone(),
        Part::Csi => kubernetes.csi.version.clone(),
        Part::Agent => kubernetes.projector_version.clone(),
    }
}

/// The version its owner asks for.
fn asked_for(content: &Map<String, Value>) -> Option<String> {
    let yaml = content.get("spec")?.get("capiYaml")?.as_str()?;
    let documents = yaml::read_documents(yaml).ok()?;
    let control_plane = documents
        .iter()
        .find(|one| Kind::KubeadmControlPlane.is(one))?;
    text_at(control_plane, &["spec", "version"]).map(clean)
}

fn clean(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(MOST_CHARS)
        .collect()
}

/// The numbers of a version, without `v` and without what comes behind `+` or `-`.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let core = version.strip_prefix('v').unwrap_or(version);
    let core = core.split(['+', '-']).next()?;
    core.split('.').map(|part| part.parse().ok()).collect()
}

fn standing(running: Option<&str>, wanted: Option<&str>) -> Standing {
    let (running, wanted) = match (running, wanted) {
        (_, None) => return Standing::NotConfigured,
        (None, Some(_)) => return Standing::NotReported,
        (Some(running), Some(wanted)) => (running, wanted),
    };
    let plain = |version: &'_ str| version.trim_start_matches('v').to_owned();
    if plain(running) == plain(wanted) {
        return Standing::Same;
    }
    match (numbers(running), numbers(wanted)) {
        (Some(running), Some(wanted)) => match running.cmp(&wanted) {
            Ordering::Less => Standing::Older,
            Ordering::Greater => Standing::Newer,
            // Another build of the same version.
            Ordering::Equal => Standing::Different,
        },
        _ => Standing::Different,
    }
}

fn advice(part: Part, running: Option<&str>, standing: Standing) -> &'static str {
    let minor = running
        .and_then(numbers)
        .and_then(|all| all.get(1).copied());
    match (standing, part) {
        (Standing::Same | Standing::NotConfigured, _) => "",
        (Standing::NotReported, _) => {
            "it has not written its status: check that it runs and that the API token inside the cluster is valid"
        }
        (Standing::Newer, Part::Kubernetes) => "the request asks for an older version: set it back",
        (Standing::Newer, _) => {
            "newer than configured: raise the version in vcdKeConfig if new clusters are to have it too"
        }
        (Standing::Older | Standing::Different, Part::Kubernetes) => {
            "an upgrade is asked for that the cluster has not taken over yet: see its events"
        }
        (Standing::Older | Standing::Different, Part::Capvcd) => {
            "upgrade it inside the cluster with clusterctl (infrastructure provider vcd)"
        }
        (Standing::Older | Standing::Different, Part::Cpi)
            if minor.is_some_and(|minor| minor < 4) =>
        {
            "delete its Deployment and apply the new manifest: versions before 1.4 cannot be patched"
        }
        (Standing::Older | Standing::Different, Part::Csi)
            if minor.is_some_and(|minor| minor < 4) =>
        {
            "delete its StatefulSet, then apply the new manifest: volumes stay"
        }
        (Standing::Older | Standing::Different, Part::Cpi | Part::Csi) => {
            "apply the manifest of the new version inside the cluster with kubectl"
        }
        (Standing::Older | Standing::Different, Part::Agent) => {
            "set the new image in its Deployment inside the cluster with kubectl"
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::cluster::sample;

    fn config() -> ServerConfig {
        let config = json!({"profiles": [{
            "K8Config": {"cpi": {"version": "1.6.1"}, "csi": [{"version": "1.6.0"}], "rdeProjectorVersion": "0.7.1"},
            "bootstrapClusterConfig": {"capiEcosystem": {"infraProvider": {"version": "v1.3.2"}}},
        }]});
        ServerConfig::parse(config.as_object().unwrap()).unwrap()
    }

    fn standings(status: &Value) -> Vec<(Standing, &'static str)> {
        let mut content = sample::entity();
        content.insert("status".to_owned(), status.clone());
        let versions = versions(&content, &config()).into_iter();
        versions.map(|one| (one.standing, one.advice)).collect()
    }

    #[test]
    fn versions_are_compared_however_they_are_written() {
        let mut capvcd = sample::report();
        capvcd
            .as_object_mut()
            .unwrap()
            .insert("capvcdVersion".to_owned(), json!("1.3.2"));
        let status = json!({"capvcd": capvcd, "cpi": {"version": " 1.6.1\n"}, "csi": {"version": "v1.6.0"},
            "projector": {"version": "0.7.1"}});
        for (standing, advice) in standings(&status) {
            assert_eq!((standing, advice), (Standing::Same, ""));
        }
    }

    #[test]
    fn what_differs_comes_with_what_to_do() {
        let mut capvcd = sample::report();
        let fields = capvcd.as_object_mut().unwrap();
        fields.insert("capvcdVersion".to_owned(), json!("1.10.0"));
        fields.remove("upgrade");
        fields.insert("kubernetes".to_owned(), json!("v1.26.11+vmware.1"));
        let status =
            json!({"capvcd": capvcd, "cpi": {"version": "1.3.0"}, "csi": {"version": "main"}});
        let found = standings(&status);
        let want = [
            Standing::Older,
            Standing::Newer,
            Standing::Older,
            Standing::Different,
            Standing::NotReported,
        ];
        assert_eq!(
            found
                .iter()
                .map(|(standing, _)| *standing)
                .collect::<Vec<_>>(),
            want
        );
        assert!(
            found.iter().all(|(_, advice)| !advice.is_empty()),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|(_, advice)| advice.contains("before 1.4")),
            "{found:?}"
        );
    }

    #[test]
    fn a_cluster_without_status_is_unknown_and_not_old() {
        let found = standings(&json!({}));
        assert!(
            found
                .iter()
                .all(|(standing, _)| *standing == Standing::NotReported)
        );
    }
}
