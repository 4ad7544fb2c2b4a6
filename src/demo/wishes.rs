//! What the tenants want once their clusters run: one is resized, one upgraded, one deleted.
//!
//! Flow: the clusters as they were asked for -> [`wishes`]; content of an entity -> whether a wish has come
//! true. Pure.
//!
//! Invariants:
//! - Every wish concerns another cluster; with too few clusters the later wishes are left out.

use serde_json::{Map, Value};

use crate::sim::seed::{ClusterEdit, ClusterRequest, TKG_IMAGES, TkgImage};

/// Nodes that a resize adds.
const MORE: u32 = 2;
/// Kubernetes version that clusters are upgraded to: the next minor one after that of new clusters.
const NEXT_MINOR: &str = "v1.28.";

/// A cluster as its tenant asked for it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) urn: String,
    /// Index of the tenant.
    pub(super) tenant: usize,
    pub(super) request: ClusterRequest,
}

impl Asked {
    fn nodes(&self) -> u32 {
        let workers: u32 = self.request.pools.iter().map(|(_, size)| size).sum();
        self.request.control_planes + workers
    }
}

/// What is wanted of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) cluster: Asked,
    pub(super) edit: ClusterEdit,
    pub(super) fulfilled: bool,
}

impl Wish {
    /// Whether servers are needed: a deletion waits for one, everything else is done inside the cluster.
    pub(super) fn needs_server(&self) -> bool {
        self.edit == ClusterEdit::Delete
    }

    /// The wish as part of a sentence.
    pub(super) fn text(&self) -> String {
        let name = &self.cluster.request.name;
        match &self.edit {
            ClusterEdit::Resize { pool, replicas } => {
                format!("resize {name}: {pool} to {replicas} nodes")
            }
            ClusterEdit::Upgrade { to } => format!("upgrade {name} to {}", to.kubernetes()),
            ClusterEdit::Delete => format!("delete {name}"),
        }
    }

    /// Whether it has come true; `content` is that of the entity, nothing once it is gone.
    pub(super) fn is_true(&self, content: Option<&Map<String, Value>>) -> bool {
        let status = content.and_then(|content| content.get("status")?.get("capvcd"));
        match (&self.edit, content, status) {
            (ClusterEdit::Delete, content, _) => content.is_none(),
            (ClusterEdit::Resize { pool, replicas }, Some(_), Some(status)) => {
                has_nodes(status, pool, *replicas)
            }
            (ClusterEdit::Upgrade { to }, Some(_), Some(status)) => {
                let upgrade = status.get("upgrade").unwrap_or(&Value::Null);
                let current = upgrade.pointer("/current/kubernetesVersion");
                let pools = &self.cluster.request.pools;
                current.and_then(Value::as_str) == Some(to.kubernetes())
                    && upgrade.get("ready") == Some(&Value::Bool(true))
                    && pools
                        .iter()
                        .all(|(pool, size)| has_nodes(status, pool, *size))
            }
            (ClusterEdit::Resize { .. } | ClusterEdit::Upgrade { .. }, _, _) => false,
        }
    }
}

/// Whether the pool wants so many nodes and has them.
fn has_nodes(status: &Value, pool: &str, nodes: u32) -> bool {
    let pools = status.get("nodePool").and_then(Value::as_array);
    let mut pools = pools.into_iter().flatten();
    let found = pools.find(|one| one.get("name").and_then(Value::as_str) == Some(pool));
    let count = |key: &str| found.and_then(|one| one.get(key)?.as_u64());
    let nodes = Some(u64::from(nodes));
    count("desiredReplicas") == nodes && count("availableReplicas") == nodes
}

/// The wishes of one run: the smallest cluster is upgraded, of the rest the first is resized and the last
/// deleted.
pub(super) fn wishes(clusters: &[Asked]) -> Vec<Wish> {
    let mut left = clusters.to_vec();
    let smallest = (0..left.len()).min_by_key(|index| left.get(*index).map(Asked::nodes));
    let upgraded = smallest
        .filter(|_| left.len() > 1)
        .map(|at| left.remove(at));
    let resized = (!left.is_empty()).then(|| left.remove(0));
    let deleted = left.pop();
    let wish = |cluster: Asked, edit: ClusterEdit| Wish {
        cluster,
        edit,
        fulfilled: false,
    };
    let resize = resized.and_then(|cluster| {
        let (pool, size) = cluster.request.pools.first()?.clone();
        let replicas = size + MORE;
        Some(wish(cluster, ClusterEdit::Resize { pool, replicas }))
    });
    let upgrade = upgraded.and_then(|cluster| {
        let to = next_minor()?;
        Some(wish(cluster, ClusterEdit::Upgrade { to }))
    });
    let delete = deleted.map(|cluster| wish(cluster, ClusterEdit::Delete));
    resize.into_iter().chain(upgrade).chain(delete).collect()
}

fn next_minor() -> Option<&'static TkgImage> {
    TKG_IMAGES
        .iter()
        .find(|image| image.kubernetes().starts_with(NEXT_MINOR))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sim::seed::CseShape;

    fn asked(name: &str, control_planes: u32, workers: u32) -> Asked {
        Asked {
            urn: format!("urn:{name}"),
            tenant: 0,
            request: ClusterRequest {
                name: name.to_owned(),
                shape: CseShape::V42,
                control_planes,
                pools: vec![("red".to_owned(), workers)],
                auto_repair: true,
            },
        }
    }

    fn texts(clusters: &[Asked]) -> Vec<String> {
        wishes(clusters).iter().map(Wish::text).collect()
    }

    fn content(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_wish_has_a_cluster_of_its_own() {
        let all = [asked("a", 3, 1), asked("b", 1, 1), asked("c", 1, 3)];
        let [resize, upgrade, delete] = [
            "resize a: red to 3 nodes",
            "upgrade b to v1.28.11+vmware.2",
            "delete c",
        ];
        assert_eq!(texts(&all), [resize, upgrade, delete]);
        assert_eq!(texts(&all[..2]), [resize, upgrade]);
        assert_eq!(texts(&all[..1]), [resize]);
        assert!(texts(&[]).is_empty());
    }

    #[test]
    fn a_wish_is_true_when_the_status_says_so_and_not_before() {
        let all = [asked("a", 3, 1), asked("b", 1, 1), asked("c", 1, 3)];
        let wishes = wishes(&all);
        let pool = |desired: u32, available: u32| json!({"name": "red", "desiredReplicas": desired, "availableReplicas": available});
        let resized = |desired, available| {
            content(&json!({"status": {"capvcd": {"nodePool": [pool(desired, available)]}}}))
        };
        for (desired, available, want) in
            [(1, 1, false), (3, 1, false), (3, 2, false), (3, 3, true)]
        {
            let content = resized(desired, available);
            assert_eq!(
                wishes[0].is_true(Some(&content)),
                want,
                "{desired} {available}"
            );
        }
        let upgraded = |version: &str, ready: bool| {
            content(
                &json!({"status": {"capvcd": {"nodePool": [pool(1, 1)], "upgrade": {
                "current": {"kubernetesVersion": version}, "ready": ready}}}}),
            )
        };
        for (version, ready, want) in [
            ("v1.27.8+vmware.1", true, false),
            ("v1.28.11+vmware.2", false, false),
            ("v1.28.11+vmware.2", true, true),
        ] {
            let content = upgraded(version, ready);
            assert_eq!(wishes[1].is_true(Some(&content)), want, "{version} {ready}");
        }
        assert!(!wishes[2].is_true(Some(&resized(1, 1))));
        assert!(wishes[2].is_true(None));
        assert!(
            !wishes[0].is_true(None),
            "a cluster that is gone is not resized"
        );
    }
}
