//! Worker pools and the machine templates of pools and control plane.

use serde_json::Value;

use super::checks;
use super::document::{Documents, Kind, name_of, text_at, value_at};
use super::problem::{SpecProblem, excerpt};

/// Most nodes of one pool; Kubernetes itself supports 5000 in a cluster.
const MOST_NODES: u32 = 5000;
const MIN_ANNOTATION: &str = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size";
const MAX_ANNOTATION: &str = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size";

/// What the machines of a pool or of the control plane are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineTemplate {
    /// Name of the `VCDMachineTemplate` document.
    pub name: String,
    /// Catalog with the VM template.
    pub catalog: String,
    /// VM template, by name.
    pub template: String,
    /// Sizing policy, by name.
    pub sizing_policy: Option<String>,
    /// Placement policy, by name; a vGPU policy counts as one.
    pub placement_policy: Option<String>,
    /// Storage profile, by name; `None` for the VDC's default.
    pub storage_profile: Option<String>,
    /// Size of the disk in MiB; `None` for that of the template.
    pub disk_mib: Option<u64>,
}

/// How many nodes a pool is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSize {
    /// Exactly so many.
    Fixed(u32),
    /// As many as the autoscaler thinks fit.
    Autoscaled {
        /// At least.
        min: u32,
        /// At most.
        max: u32,
    },
}

/// One worker pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Name of its `MachineDeployment`.
    pub name: String,
    /// How many nodes.
    pub size: PoolSize,
    /// What they are made from.
    pub template: MachineTemplate,
}

/// Reads the template called `wanted` for `owner`.
pub(super) fn template(
    documents: &Documents,
    owner: &str,
    wanted: &str,
    problems: &mut Vec<SpecProblem>,
) -> Option<MachineTemplate> {
    let Some(document) = documents
        .of(Kind::VcdMachineTemplate)
        .find(|document| name_of(document) == wanted)
    else {
        problems.push(SpecProblem::TemplateMissing {
            owner: excerpt(owner),
            template: excerpt(wanted),
        });
        return None;
    };
    read_template(document, problems)
}

/// Reads one `VCDMachineTemplate` document.
pub(super) fn read_template(
    document: &Value,
    problems: &mut Vec<SpecProblem>,
) -> Option<MachineTemplate> {
    let name = name_of(document);
    let text = |key| text_at(document, &["spec", "template", "spec", key]);
    let mut needed = |field: &'static str, key| {
        let value = text(key).filter(|value| checks::is_vcd_name(value));
        if value.is_none() {
            let expected = "a name in VCD";
            problems.push(SpecProblem::FieldMissing {
                kind: Kind::VcdMachineTemplate,
                name: excerpt(name),
                field,
                expected,
            });
        }
        value.map(str::to_owned)
    };
    let catalog = needed("spec.template.spec.catalog", "catalog");
    let template = needed("spec.template.spec.template", "template");
    let disk_mib = text("diskSize").map(|size| {
        checks::disk_size_mib(size).ok_or_else(|| SpecProblem::DiskSize {
            template: excerpt(name),
            found: excerpt(size),
        })
    });
    let disk_mib = disk_mib
        .transpose()
        .map_err(|problem| problems.push(problem))
        .ok()?;
    let optional = |key| {
        text(key)
            .filter(|value| checks::is_vcd_name(value))
            .map(str::to_owned)
    };
    Some(MachineTemplate {
        name: name.to_owned(),
        catalog: catalog?,
        template: template?,
        sizing_policy: optional("sizingPolicy"),
        placement_policy: optional("placementPolicy"),
        storage_profile: optional("storageProfile"),
        disk_mib,
    })
}

/// Reads every worker pool, and whether they can make a cluster together.
pub(super) fn pools(documents: &Documents, problems: &mut Vec<SpecProblem>) -> Vec<Pool> {
    let found: Vec<&Value> = documents.of(Kind::MachineDeployment).collect();
    if found.is_empty() {
        problems.push(SpecProblem::NoPools);
        return Vec::new();
    }
    let sizes: Vec<Option<PoolSize>> = found
        .iter()
        .map(|document| size(document, problems))
        .collect();
    let is_empty = |size: &Option<PoolSize>| {
        matches!(
            size,
            Some(PoolSize::Fixed(0) | PoolSize::Autoscaled { max: 0, .. })
        )
    };
    if sizes.iter().all(is_empty) {
        problems.push(SpecProblem::AllPoolsEmpty);
    }
    found
        .iter()
        .zip(sizes)
        .filter_map(|(document, size)| pool(documents, document, size, problems))
        .collect()
}

fn pool(
    documents: &Documents,
    document: &Value,
    size: Option<PoolSize>,
    problems: &mut Vec<SpecProblem>,
) -> Option<Pool> {
    let name = name_of(document);
    if !checks::is_name(name) {
        problems.push(SpecProblem::NameInvalid {
            what: "worker pool",
            name: excerpt(name),
        });
    }
    let reference = ["spec", "template", "spec", "infrastructureRef", "name"];
    let template = template(
        documents,
        name,
        text_at(document, &reference).unwrap_or_default(),
        problems,
    )?;
    Some(Pool {
        name: name.to_owned(),
        size: size?,
        template,
    })
}

/// The autoscaler's limits count even beside `replicas`, which it overrides. Without either,
/// Cluster API makes one node.
fn size(document: &Value, problems: &mut Vec<SpecProblem>) -> Option<PoolSize> {
    let annotation = |key: &str| {
        let value = value_at(document, &["metadata", "annotations", key])?;
        value
            .as_u64()
            .or_else(|| value.as_str()?.trim().parse().ok())
    };
    if let (Some(min), Some(max)) = (annotation(MIN_ANNOTATION), annotation(MAX_ANNOTATION)) {
        return autoscaled(document, (min, max), problems);
    }
    let replicas = match value_at(document, &["spec", "replicas"]) {
        None | Some(Value::Null) => return Some(PoolSize::Fixed(1)),
        Some(replicas) => replicas,
    };
    if let Some(wanted) = replicas.as_u64() {
        return node_count(document, wanted, problems).map(PoolSize::Fixed);
    }
    problems.push(SpecProblem::FieldInvalid {
        kind: Kind::MachineDeployment,
        name: excerpt(name_of(document)),
        field: "spec.replicas",
        found: excerpt(&replicas.to_string()),
        expected: "a number of nodes",
    });
    None
}

fn autoscaled(
    document: &Value,
    (min, max): (u64, u64),
    problems: &mut Vec<SpecProblem>,
) -> Option<PoolSize> {
    let min = node_count(document, min, problems)?;
    let max = node_count(document, max, problems)?;
    if min > max {
        let pool = excerpt(name_of(document));
        problems.push(SpecProblem::AutoscalerRange { pool, min, max });
        return None;
    }
    Some(PoolSize::Autoscaled { min, max })
}

fn node_count(document: &Value, wanted: u64, problems: &mut Vec<SpecProblem>) -> Option<u32> {
    let count = u32::try_from(wanted)
        .ok()
        .filter(|count| *count <= MOST_NODES);
    if count.is_none() {
        let pool = excerpt(name_of(document));
        problems.push(SpecProblem::PoolTooLarge {
            pool,
            count: wanted,
            limit: MOST_NODES,
        });
    }
    count
}
