//! The documents of a CAPI YAML: what they are and how to find one.
//!
//! Documents are told apart by API group and kind; versions change and order means nothing to
//! clients, which sort and rearrange as they write back.

use std::fmt;

use serde_json::Value;

/// The kinds of document the server looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The cluster as a whole.
    Cluster,
    /// Its infrastructure in VCD.
    VcdCluster,
    /// Template of machines.
    VcdMachineTemplate,
    /// The control plane.
    KubeadmControlPlane,
    /// A worker pool.
    MachineDeployment,
    /// The node health check.
    MachineHealthCheck,
    /// Join configuration of workers.
    KubeadmConfigTemplate,
    /// A Secret, above all the one with the token.
    Secret,
    /// A namespace.
    Namespace,
}

impl Kind {
    /// API group (empty for core) and kind.
    const fn group_and_kind(self) -> (&'static str, &'static str) {
        match self {
            Self::Cluster => ("cluster.x-k8s.io", "Cluster"),
            Self::VcdCluster => ("infrastructure.cluster.x-k8s.io", "VCDCluster"),
            Self::VcdMachineTemplate => ("infrastructure.cluster.x-k8s.io", "VCDMachineTemplate"),
            Self::KubeadmControlPlane => ("controlplane.cluster.x-k8s.io", "KubeadmControlPlane"),
            Self::MachineDeployment => ("cluster.x-k8s.io", "MachineDeployment"),
            Self::MachineHealthCheck => ("cluster.x-k8s.io", "MachineHealthCheck"),
            Self::KubeadmConfigTemplate => ("bootstrap.cluster.x-k8s.io", "KubeadmConfigTemplate"),
            Self::Secret => ("", "Secret"),
            Self::Namespace => ("", "Namespace"),
        }
    }

    /// Whether `document` is of this kind.
    pub fn is(self, document: &Value) -> bool {
        (
            api_group(document),
            text_at(document, &["kind"]).unwrap_or_default(),
        ) == self.group_and_kind()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group_and_kind().1)
    }
}

/// The API group of a document: its `apiVersion` up to the slash, empty for core.
pub(crate) fn api_group(document: &Value) -> &str {
    let api_version = text_at(document, &["apiVersion"]).unwrap_or_default();
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The value at `path`, walking objects by key and lists by index.
pub(crate) fn value_at<'a>(document: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.get(key)
        }
    })
}

/// The text at `path`; `None` if absent, blank or something else.
pub(crate) fn text_at<'a>(document: &'a Value, path: &[&str]) -> Option<&'a str> {
    value_at(document, path)?
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// `metadata.name`, empty if there is none.
pub(crate) fn name_of(document: &Value) -> &str {
    text_at(document, &["metadata", "name"]).unwrap_or_default()
}

/// Every document of a CAPI YAML; their content (a token may be in it) is not in `Debug`.
#[derive(Clone, PartialEq)]
pub struct Documents(pub(crate) Vec<Value>);

impl Documents {
    /// All documents in the order of the YAML.
    pub fn all(&self) -> &[Value] {
        &self.0
    }

    /// The documents of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |document| kind.is(document))
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Documents({})", self.0.len())
    }
}
