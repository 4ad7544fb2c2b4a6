//! Reads a cluster entity's content into a [`ClusterSpec`], collecting everything that is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::checks;
use super::document::{Documents, Kind, name_of, text_at, value_at};
use super::problem::{SpecProblem, excerpt};
use super::{
    CREDENTIALS_SECRET, ClusterFlags, ClusterSpec, MachineTemplate, SecureFields,
    StorageClassOptions, place, pool,
};
use crate::yaml::{self, YamlProblem};

/// Most control plane nodes: etcd recommends no more.
const MOST_CONTROL_PLANES: u32 = 7;

/// See [`ClusterSpec::parse`].
pub(super) fn parse(
    entity: &Map<String, Value>,
    secure: SecureFields,
) -> Result<ClusterSpec, Vec<SpecProblem>> {
    let documents = documents(entity)?;
    let mut problems = Vec::new();
    let spec = assemble(entity, documents, secure, &mut problems);
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        // A missing part always leaves its problem behind.
        Some(_) | None => Err(problems),
    }
}

/// The documents of `spec.capiYaml`, each a Kubernetes object.
fn documents(entity: &Map<String, Value>) -> Result<Documents, Vec<SpecProblem>> {
    let text = entity
        .get("spec")
        .and_then(|spec| spec.get("capiYaml"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if text.trim().is_empty() {
        return Err(vec![SpecProblem::YamlMissing]);
    }
    let documents = yaml::read_documents(text).map_err(|problem| vec![from_yaml(problem)])?;
    let is_object = |document: &Value| {
        let has = |path: &[&str]| text_at(document, path).is_some();
        has(&["apiVersion"]) && has(&["kind"]) && has(&["metadata", "name"])
    };
    let strange = documents
        .iter()
        .enumerate()
        .filter(|(_, document)| !is_object(document));
    let problems: Vec<SpecProblem> = strange
        .map(|(index, _)| SpecProblem::NoObject { index: index + 1 })
        .collect();
    if problems.is_empty() {
        Ok(Documents(documents))
    } else {
        Err(problems)
    }
}

fn from_yaml(problem: YamlProblem) -> SpecProblem {
    match problem {
        YamlProblem::TooLarge { bytes } => SpecProblem::YamlTooLarge {
            bytes,
            limit: yaml::MAX_BYTES,
        },
        YamlProblem::Unreadable { line, reason } => SpecProblem::YamlUnreadable { line, reason },
        YamlProblem::Unwritable { reason } => SpecProblem::YamlUnreadable { line: 0, reason },
    }
}

fn assemble(
    entity: &Map<String, Value>,
    documents: Documents,
    secure: SecureFields,
    problems: &mut Vec<SpecProblem>,
) -> Option<ClusterSpec> {
    let cluster = single(&documents, Kind::Cluster, problems);
    let vcd_cluster = single(&documents, Kind::VcdCluster, problems);
    let control_plane = single(&documents, Kind::KubeadmControlPlane, problems);
    if documents.of(Kind::KubeadmConfigTemplate).next().is_none() {
        problems.push(SpecProblem::DocumentMissing {
            kind: Kind::KubeadmConfigTemplate,
        });
    }
    let pools = pool::pools(&documents, problems);
    let storage_class = storage_class(entity, problems);
    let api_token = token(entity, &documents);
    if api_token.is_none() && secure == SecureFields::Included {
        problems.push(SpecProblem::TokenMissing);
    }
    let (cluster, vcd_cluster, control_plane) = (cluster?, vcd_cluster?, control_plane?);
    let name = cluster_name(entity, cluster, problems);
    let namespace = namespace(cluster, &name, problems);
    let place = place::read(entity, vcd_cluster, problems);
    place::check_ranges(cluster, vcd_cluster, &place.site, problems);
    let count = control_plane_count(control_plane, problems);
    let version = kubernetes_version(control_plane, problems);
    let template = control_plane_template(&documents, control_plane, problems);
    Some(ClusterSpec {
        name,
        namespace,
        org: place.org,
        vdc: place.vdc,
        network: place.network,
        site: place.site,
        kubernetes_version: version?,
        control_plane_count: count?,
        control_plane: template?,
        pools,
        control_plane_host: text_at(vcd_cluster, &["spec", "controlPlaneEndpoint", "host"])
            .map(str::to_owned),
        vip_subnet: text_at(
            vcd_cluster,
            &["spec", "loadBalancerConfigSpec", "vipSubnet"],
        )
        .map(str::to_owned),
        storage_class,
        flags: ClusterFlags::read(entity),
        api_token,
        documents,
    })
}

/// The one document of a kind there must be exactly one of.
fn single<'a>(
    documents: &'a Documents,
    kind: Kind,
    problems: &mut Vec<SpecProblem>,
) -> Option<&'a Value> {
    match documents.of(kind).count() {
        0 => problems.push(SpecProblem::DocumentMissing { kind }),
        1 => {}
        count => problems.push(SpecProblem::DocumentRepeated { kind, count }),
    }
    documents.of(kind).next()
}

fn cluster_name(
    entity: &Map<String, Value>,
    cluster: &Value,
    problems: &mut Vec<SpecProblem>,
) -> String {
    let name = name_of(cluster);
    if !checks::is_name(name) {
        problems.push(SpecProblem::NameInvalid {
            what: "cluster",
            name: excerpt(name),
        });
    }
    let in_entity = entity
        .get("metadata")
        .and_then(|metadata| text_at(metadata, &["name"]));
    if let Some(other) = in_entity.filter(|other| *other != name) {
        problems.push(SpecProblem::NameMismatch {
            entity: excerpt(other),
            yaml: excerpt(name),
        });
    }
    name.to_owned()
}

fn namespace(cluster: &Value, name: &str, problems: &mut Vec<SpecProblem>) -> String {
    let namespace = text_at(cluster, &["metadata", "namespace"])
        .map_or_else(|| format!("{name}-ns"), str::to_owned);
    if !checks::is_dns_label(&namespace) {
        problems.push(SpecProblem::FieldInvalid {
            kind: Kind::Cluster,
            name: excerpt(name),
            field: "metadata.namespace",
            found: excerpt(&namespace),
            expected: "a namespace of lower case letters, digits and hyphens",
        });
    }
    namespace
}

/// An absent count is one node, as Cluster API has it.
fn control_plane_count(control_plane: &Value, problems: &mut Vec<SpecProblem>) -> Option<u32> {
    let replicas = value_at(control_plane, &["spec", "replicas"]);
    let count = match replicas {
        None | Some(Value::Null) => 1,
        Some(value) => value.as_u64().unwrap_or(0),
    };
    let small = u32::try_from(count)
        .ok()
        .filter(|count| *count <= MOST_CONTROL_PLANES && count % 2 == 1);
    if small.is_none() {
        problems.push(SpecProblem::ControlPlaneCount { count });
    }
    small
}

fn kubernetes_version(control_plane: &Value, problems: &mut Vec<SpecProblem>) -> Option<String> {
    let version = text_at(control_plane, &["spec", "version"]).unwrap_or_default();
    if !checks::is_kubernetes_version(version) {
        problems.push(SpecProblem::FieldInvalid {
            kind: Kind::KubeadmControlPlane,
            name: excerpt(name_of(control_plane)),
            field: "spec.version",
            found: excerpt(version),
            expected: "a version such as v1.27.8+vmware.1",
        });
        return None;
    }
    Some(version.to_owned())
}

/// The template the control plane refers to; without a reference, the one named like a control
/// plane's, else any.
fn control_plane_template(
    documents: &Documents,
    control_plane: &Value,
    problems: &mut Vec<SpecProblem>,
) -> Option<MachineTemplate> {
    let reference = ["spec", "machineTemplate", "infrastructureRef", "name"];
    if let Some(wanted) = text_at(control_plane, &reference) {
        return pool::template(documents, name_of(control_plane), wanted, problems);
    }
    let mut templates = documents.of(Kind::VcdMachineTemplate);
    let by_name = documents
        .of(Kind::VcdMachineTemplate)
        .find(|document| name_of(document).contains("control-plane"));
    let Some(document) = by_name.or_else(|| templates.next()) else {
        problems.push(SpecProblem::DocumentMissing {
            kind: Kind::VcdMachineTemplate,
        });
        return None;
    };
    pool::read_template(document, problems)
}

/// The schema says `fileSystem`, clients write `filesystem`; a section without class name means none.
fn storage_class(
    entity: &Map<String, Value>,
    problems: &mut Vec<SpecProblem>,
) -> Option<StorageClassOptions> {
    let section = entity
        .get("spec")?
        .get("vcdKe")?
        .get("defaultStorageClassOptions")?;
    let name = text_at(section, &["k8sStorageClassName"])?;
    if !checks::is_name(name) {
        problems.push(SpecProblem::NameInvalid {
            what: "storage class",
            name: excerpt(name),
        });
    }
    let filesystem =
        text_at(section, &["fileSystem"]).or_else(|| text_at(section, &["filesystem"]));
    let filesystem = filesystem.unwrap_or("ext4").to_ascii_lowercase();
    if !matches!(filesystem.as_str(), "ext4" | "xfs") {
        problems.push(SpecProblem::FileSystem {
            found: excerpt(&filesystem),
        });
    }
    Some(StorageClassOptions {
        name: name.to_owned(),
        storage_profile: text_at(section, &["vcdStorageProfileName"])
            .filter(|name| checks::is_vcd_name(name))
            .map(str::to_owned),
        filesystem,
        delete_with_claim: value_at(section, &["useDeleteReclaimPolicy"])
            .and_then(Value::as_bool)
            .unwrap_or(false),
    })
}

/// From the secure field (4.1 and later), else from the Secret in the YAML (4.0).
/// The tenant's API token, however broken the rest of the content is.
pub fn api_token(entity: &Map<String, Value>) -> Option<SecretString> {
    let readable = documents(entity).unwrap_or_else(|_| {
        // One document that nobody can read must not hide the others.
        let text = entity
            .get("spec")
            .and_then(|spec| text_at(spec, &["capiYaml"]));
        let parts = text.unwrap_or_default().split("\n---");
        let parts = parts.map(yaml::read_documents);
        Documents(parts.filter_map(Result::ok).flatten().collect())
    });
    token(entity, &readable)
}

fn token(entity: &Map<String, Value>, documents: &Documents) -> Option<SecretString> {
    let spec = entity.get("spec")?;
    if let Some(token) = text_at(spec, &["vcdKe", "secure", "apiToken"]) {
        return Some(SecretString::from(token));
    }
    let mut secrets = documents.of(Kind::Secret);
    let secret = secrets.find(|document| name_of(document) == CREDENTIALS_SECRET)?;
    if let Some(token) = text_at(secret, &["stringData", "refreshToken"]) {
        return Some(SecretString::from(token));
    }
    let encoded = text_at(secret, &["data", "refreshToken"])?;
    let token = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let token = token.trim();
    (!token.is_empty()).then(|| SecretString::from(token))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
