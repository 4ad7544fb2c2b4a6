//! What a tenant changes in a cluster that exists, as Terraform writes it: read, change, write back under
//! the tag that was read.
//!
//! Source: go-vcloud-director, resizing, upgrade and deletion of CSE 4.1 and 4.2 clusters.

use bytes::Bytes;
use http::{Method, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::templates::TkgImage;
use super::tenant::Tenant;
use crate::clock::Moment;
use crate::sim::world::World;
use crate::yaml;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterEdit {
    /// A worker pool gets so many nodes.
    Resize {
        /// Name of the pool.
        pool: String,
        /// How many.
        replicas: u32,
    },
    /// Everything moves to another image, control plane and workers in one go.
    Upgrade {
        /// The image.
        to: &'static TkgImage,
    },
    /// The cluster is marked for deletion; clients always ask for the forced one.
    Delete,
}

impl World {
    /// Changes a cluster through the API as the tenant's author does. False when the tenant may not, or
    /// when the cluster is not there or not readable.
    pub fn edit_cluster(
        &mut self,
        (tenant, urn): (&Tenant, &str),
        edit: &ClusterEdit,
        now: Moment,
        wall: Timestamp,
    ) -> bool {
        let token = self.exchange(tenant, now, wall).unwrap_or_default();
        let path = format!("/cloudapi/1.0.0/entities/{urn}");
        let call = |method: Method| {
            http::Request::builder()
                .method(method)
                .uri(&path)
                .header(header::ACCEPT, "application/json;version=37.2")
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
        };
        let Ok(read) = call(Method::GET).body(Bytes::new()) else {
            return false;
        };
        let answer = self.handle(&read, now, wall);
        let tag = answer.headers().get(header::ETAG).cloned();
        let Ok(mut entity) = serde_json::from_slice::<Value>(answer.body()) else {
            return false;
        };
        let spec = entity
            .pointer_mut("/entity/spec")
            .and_then(Value::as_object_mut);
        let (Some(tag), Some(())) = (tag, spec.and_then(|spec| change(spec, edit))) else {
            return false;
        };
        let body = Bytes::from(entity.to_string());
        let Ok(write) = call(Method::PUT).header(header::IF_MATCH, tag).body(body) else {
            return false;
        };
        self.handle(&write, now, wall).status().is_success()
    }
}

/// Applies an edit to `spec`; nothing comes back when it does not fit.
fn change(spec: &mut Map<String, Value>, edit: &ClusterEdit) -> Option<()> {
    if *edit == ClusterEdit::Delete {
        let flags = spec.get_mut("vcdKe")?.as_object_mut()?;
        for flag in ["markForDelete", "forceDelete"] {
            flags.insert(flag.to_owned(), json!(true));
        }
        return Some(());
    }
    let text = spec.get("capiYaml")?.as_str()?;
    let mut documents = yaml::read_documents(text).ok()?;
    let mut changed = false;
    for document in &mut documents {
        changed |= change_document(document, edit).is_some();
    }
    if !changed {
        return None;
    }
    let text = yaml::write_documents(&documents).ok()?;
    spec.insert("capiYaml".to_owned(), json!(text));
    Some(())
}

fn change_document(document: &mut Value, edit: &ClusterEdit) -> Option<()> {
    let kind = document.get("kind")?.as_str()?.to_owned();
    let name = document.pointer("/metadata/name")?.as_str()?.to_owned();
    let mut set = |path: &str, value: &str| -> Option<()> {
        let (parent, key) = path.rsplit_once('/')?;
        let parent = document.pointer_mut(parent)?.as_object_mut()?;
        parent.insert(key.to_owned(), json!(value));
        Some(())
    };
    match edit {
        ClusterEdit::Resize { pool, replicas } if kind == "MachineDeployment" && name == *pool => {
            let spec = document.get_mut("spec")?.as_object_mut()?;
            spec.insert("replicas".to_owned(), json!(replicas));
            Some(())
        }
        ClusterEdit::Upgrade { to } => match kind.as_str() {
            "VCDMachineTemplate" => set("/spec/template/spec/template", &to.template_name()),
            "MachineDeployment" => set("/spec/template/spec/version", to.kubernetes()),
            "KubeadmControlPlane" => {
                const CONFIG: &str = "/spec/kubeadmConfigSpec/clusterConfiguration";
                set(&format!("{CONFIG}/dns/imageTag"), to.core_dns);
                set(&format!("{CONFIG}/etcd/local/imageTag"), to.etcd);
                set("/spec/version", to.kubernetes())
            }
            "Cluster" => {
                set("/metadata/annotations/TKGVERSION", to.tkg);
                set("/metadata/labels/tanzuKubernetesRelease", to.release)
            }
            _ => None,
        },
        ClusterEdit::Resize { .. } | ClusterEdit::Delete => None,
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests {
    use super::*;
    use crate::sim::seed::{ClusterRequest, CseShape, TKG_IMAGES};
    use crate::sim::timings::Timings;

    fn site() -> (World, Tenant, String, (Moment, Timestamp)) {
        let at = (Moment::default(), "2026-03-01T09:00:00Z".parse().unwrap());
        let mut world = World::new("https://vcd.sim.example", 1, Timings::default());
        world.seed_site();
        let tenant = world.seed_tenant("acme");
        let request = ClusterRequest {
            name: "blue".to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![("red".to_owned(), 2), ("green".to_owned(), 1)],
            auto_repair: false,
        };
        let urn = world.create_cluster(&tenant, &request, at.0, at.1);
        (world, tenant, urn, at)
    }

    fn documents(world: &World, urn: &str) -> Vec<Value> {
        let content = world.entity_content(urn).unwrap();
        yaml::read_documents(content["spec"]["capiYaml"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_resize_changes_one_number() {
        let (mut world, tenant, urn, (now, wall)) = site();
        let before = documents(&world, &urn);
        let edit = |pool: &str| ClusterEdit::Resize {
            pool: pool.to_owned(),
            replicas: 5,
        };
        assert!(world.edit_cluster((&tenant, &urn), &edit("red"), now, wall));
        let after = documents(&world, &urn);
        let changed: Vec<&Value> = after.iter().filter(|one| !before.contains(one)).collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0]["metadata"]["name"], "red");
        assert_eq!(changed[0]["spec"]["replicas"], 5);
        assert!(!world.edit_cluster((&tenant, &urn), &edit("yellow"), now, wall));
    }

    #[test]
    fn an_upgrade_moves_every_document_that_names_a_version() {
        let (mut world, tenant, urn, (now, wall)) = site();
        let to = TKG_IMAGES
            .iter()
            .find(|image| image.kubernetes().starts_with("v1.28"))
            .unwrap();
        let edit = ClusterEdit::Upgrade { to };
        assert!(world.edit_cluster((&tenant, &urn), &edit, now, wall));
        let text = serde_json::to_string(&documents(&world, &urn)).unwrap();
        assert!(!text.contains("v1.27.8"), "{text}");
        assert_eq!(text.matches(to.kubernetes()).count(), 3 + 3, "{text}");
        assert!(text.contains(to.etcd) && text.contains(to.core_dns));
    }

    #[test]
    fn a_deletion_is_a_mark_and_only_the_tenant_may_set_it() {
        let (mut world, tenant, urn, (now, wall)) = site();
        let stranger = world.seed_tenant("nimbus");
        let edit = ClusterEdit::Delete;
        assert!(!world.edit_cluster((&stranger, &urn), &edit, now, wall));
        assert!(world.edit_cluster((&tenant, &urn), &edit, now, wall));
        let content = world.entity_content(&urn).unwrap();
        assert_eq!(content["spec"]["vcdKe"]["markForDelete"], true);
        assert_eq!(content["spec"]["vcdKe"]["forceDelete"], true);
    }
}
