//! The rules between what is asked for and what runs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::version::{KubernetesVersion, version_in_template};
use super::{RunningCluster, RunningPool, Violation};
use crate::domain::cluster::{
    ClusterSpec, Kind, MachineTemplate, PoolSize, excerpt, name_of, text_at,
};

/// Annotation of the Cluster document with the TKG release.
const TKG_VERSION: &str = "TKGVERSION";
/// Label of the Cluster document with the Tanzu Kubernetes release.
const RELEASE: &str = "tanzuKubernetesRelease";

/// Every rule that `spec` breaks against the cluster that runs.
///
/// The request itself is taken as readable: [`super::Edit::read`] adds what is wrong with its text.
pub fn violations(running: &RunningCluster, spec: &ClusterSpec) -> Vec<Violation> {
    let mut found = Vec::new();
    workers(spec, &mut found);
    upgrade(running, spec, &mut found);
    worker_versions(spec, &mut found);
    templates(spec, &mut found);
    release(running, spec, &mut found);
    place(running, spec, &mut found);
    machines(running, spec, &mut found);
    found
}

/// Name of the control plane's document, under which CAPVCD reports it too.
pub(super) fn control_plane_name(spec: &ClusterSpec) -> &str {
    let mut documents = spec.documents.of(Kind::KubeadmControlPlane);
    documents.next().map(name_of).unwrap_or_default()
}

fn workers(spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let at_least = |size: &PoolSize| match size {
        PoolSize::Fixed(count) | PoolSize::Autoscaled { min: count, .. } => *count,
    };
    // Pools that are empty altogether are a problem of the text already.
    let can_have = spec.pools.iter().any(|pool| {
        !matches!(
            pool.size,
            PoolSize::Fixed(0) | PoolSize::Autoscaled { max: 0, .. }
        )
    });
    if can_have && spec.pools.iter().all(|pool| at_least(&pool.size) == 0) {
        found.push(Violation::NoWorkerLeft);
    }
    let mut names = BTreeSet::new();
    for pool in &spec.pools {
        if !names.insert(&pool.name) {
            found.push(Violation::PoolRepeated(excerpt(&pool.name)));
        }
    }
}

fn upgrade(running: &RunningCluster, spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let asked = &spec.kubernetes_version;
    let Some(current) = running.version.as_ref().filter(|current| *current != asked) else {
        return;
    };
    let (Some(from), Some(to)) = (
        KubernetesVersion::parse(current),
        KubernetesVersion::parse(asked),
    ) else {
        return;
    };
    let (running_version, asked) = (excerpt(current), excerpt(asked));
    if running.upgrade_ready == Some(false) {
        found.push(Violation::UpgradeUnderWay {
            running: running_version,
            asked,
        });
    } else if to < from {
        found.push(Violation::Downgrade {
            running: running_version,
            asked,
        });
    } else if !from.may_become(to) {
        found.push(Violation::SkipsMinor {
            running: running_version,
            asked,
            next: format!("v{}.{}", from.major, from.minor.saturating_add(1)),
        });
    }
}

fn worker_versions(spec: &ClusterSpec, found: &mut Vec<Violation>) {
    for document in spec.documents.of(Kind::MachineDeployment) {
        let asked = text_at(document, &["spec", "template", "spec", "version"]);
        let Some(asked) = asked.filter(|asked| *asked != spec.kubernetes_version) else {
            continue;
        };
        found.push(Violation::WorkerVersion {
            pool: excerpt(name_of(document)),
            asked: excerpt(asked),
            control_plane: excerpt(&spec.kubernetes_version),
        });
    }
}

fn templates(spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let control_plane = (control_plane_name(spec), &spec.control_plane);
    let pools = spec
        .pools
        .iter()
        .map(|pool| (pool.name.as_str(), &pool.template));
    for (owner, machine) in std::iter::once(control_plane).chain(pools) {
        let held = version_in_template(&machine.template);
        let Some(held) = held.filter(|held| *held != spec.kubernetes_version) else {
            continue;
        };
        found.push(Violation::TemplateVersion {
            owner: excerpt(owner),
            asked: excerpt(&spec.kubernetes_version),
            template: excerpt(&machine.template),
            held: excerpt(held),
        });
    }
}

/// Clients stop reading a cluster whose annotation is no version; a hand-made one may have none.
fn release(running: &RunningCluster, spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let Some(cluster) = spec.documents.of(Kind::Cluster).next() else {
        return;
    };
    if let Some(tkg) = text_at(cluster, &["metadata", "annotations", TKG_VERSION]) {
        let lowest = running.tkg_version.as_deref();
        match (
            KubernetesVersion::parse(tkg),
            lowest.and_then(KubernetesVersion::parse),
        ) {
            (None, _) => found.push(Violation::Release {
                field: TKG_VERSION,
                found: excerpt(tkg),
                expected: "a version such as v2.5.0".to_owned(),
            }),
            (Some(asked), Some(lowest)) if asked < lowest => found.push(Violation::Release {
                field: TKG_VERSION,
                found: excerpt(tkg),
                expected: format!("{lowest}, which runs, or a later one"),
            }),
            (Some(_), _) => {}
        }
    }
    let label = text_at(cluster, &["metadata", "labels", RELEASE]);
    let wanted = KubernetesVersion::parse(&spec.kubernetes_version);
    if let (Some(label), Some(wanted)) = (label, wanted)
        && KubernetesVersion::parse(label) != Some(wanted)
    {
        found.push(Violation::Release {
            field: RELEASE,
            found: excerpt(label),
            expected: format!("the release of {wanted}"),
        });
    }
}

fn place(running: &RunningCluster, spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let cluster = spec.documents.of(Kind::Cluster).next();
    let range = |key| {
        let path = ["spec", "clusterNetwork", key, "cidrBlocks", "0"];
        cluster.and_then(|cluster: &Value| text_at(cluster, &path))
    };
    let facts = [
        ("the organization", &running.org, Some(spec.org.as_str())),
        ("the VDC", &running.vdc, Some(spec.vdc.as_str())),
        ("the network", &running.network, Some(spec.network.as_str())),
        ("the range of pods", &running.pods, range("pods")),
        (
            "the range of services",
            &running.services,
            range("services"),
        ),
        (
            "the address of the API",
            &running.endpoint,
            spec.control_plane_host.as_deref(),
        ),
    ];
    for (what, runs, asked) in facts {
        found.extend(changed(None, what, (runs.as_deref(), asked)));
    }
}

fn machines(running: &RunningCluster, spec: &ClusterSpec, found: &mut Vec<Violation>) {
    let control_plane = control_plane_name(spec);
    if let Some(pool) = running.pool(control_plane) {
        machine(pool, &spec.control_plane, found);
    }
    for asked in &spec.pools {
        if let Some(pool) = running.pool(&asked.name) {
            machine(pool, &asked.template, found);
        }
    }
}

fn machine(pool: &RunningPool, asked: &MachineTemplate, found: &mut Vec<Violation>) {
    let gib = |mib: u64| {
        if mib.is_multiple_of(1024) {
            format!("{}Gi", mib / 1024)
        } else {
            format!("{mib}Mi")
        }
    };
    let disks = (pool.disk_mib.map(gib), asked.disk_mib.map(gib));
    let facts = [
        (
            "the size of the disk",
            disks.0.as_deref(),
            disks.1.as_deref(),
        ),
        (
            "the sizing policy",
            pool.sizing_policy.as_deref(),
            asked.sizing_policy.as_deref(),
        ),
        (
            "the placement policy",
            pool.placement_policy.as_deref(),
            asked.placement_policy.as_deref(),
        ),
        (
            "the storage profile",
            pool.storage_profile.as_deref(),
            asked.storage_profile.as_deref(),
        ),
    ];
    for (what, runs, asked) in facts {
        found.extend(changed(Some(&pool.name), what, (runs, asked)));
    }
}

/// Only what both sides name is compared.
fn changed(
    pool: Option<&str>,
    what: &'static str,
    (running, asked): (Option<&str>, Option<&str>),
) -> Option<Violation> {
    let (running, asked) = (running?, asked?);
    (running != asked).then(|| Violation::Immutable {
        pool: pool.map(excerpt),
        what,
        running: excerpt(running),
        asked: excerpt(asked),
    })
}
