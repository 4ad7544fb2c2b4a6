//! What to look for: read from the entity, whether or not its YAML can be read.
//!
//! Invariants:
//! - Everything here is a tenant's word: it says where to look, and is proof of nothing but what it records
//!   by id.
//! - Bounded: names, VDCs and records beyond a limit are not looked at, and a gap says so.
//!
//! Source: `metadata`, `status.{capvcd,cpi,csi}.vcdResourceSet`, `status.capvcd.vcdProperties` and
//! `externalId` of `vmware:capvcdCluster` 1.1.0 to 1.3.0. Clients drop the sets of CPI and CSI.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::domain::cluster::{ClusterSpec, SecureFields};
use crate::domain::ids::{EntityId, VappId, VdcId};
use crate::reconcile::estate::Serves;
use crate::vcd::model::EntityDocument;

/// Most records of one entity that are looked at: three for each of hundreds of Services and volumes.
const MAX_RECORDS: usize = 2_000;
/// Most VDCs one cluster is looked for in.
const MAX_VDCS: usize = 16;

/// Where and what to look for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The cluster; none finds nothing.
    pub entity: Option<EntityId>,
    /// Names the cluster goes by: its vApp has one of them.
    pub names: BTreeSet<String>,
    /// VDCs by name.
    pub vdc_names: BTreeSet<String>,
    /// VDCs by id.
    pub vdcs: BTreeSet<VdcId>,
    /// Networks by name.
    pub networks: BTreeSet<String>,
    /// vApps the entity names by id.
    pub vapps: BTreeSet<VappId>,
    /// Everything else it names by id, and whom that serves.
    pub recorded: BTreeMap<String, Serves>,
    /// Names of its nodes.
    pub nodes: BTreeSet<String>,
    /// Whether the entity names more than is looked at.
    pub is_cut: bool,
}

impl Scope {
    /// Reads the entity; never fails.
    pub fn of(document: &EntityDocument) -> Self {
        let content = &document.entity;
        let mut scope = Self {
            entity: Some(document.id.clone()),
            ..Self::default()
        };
        let metadata = object(content.get("metadata"));
        scope.add_name(&document.name);
        scope.add_name(text(metadata, "name"));
        scope.add_vdc(text(metadata, "virtualDataCenterName"));
        insert(&mut scope.networks, text(metadata, "ovdcNetworkName"));
        if let Ok(spec) = ClusterSpec::parse(content, SecureFields::LeftOut) {
            scope.add_name(&spec.name);
            scope.add_vdc(&spec.vdc);
            insert(&mut scope.networks, &spec.network);
        }
        if let Some(vapp) = document.external_id().and_then(|id| VappId::parse(id).ok()) {
            scope.vapps.insert(vapp);
        }
        scope.add_status(object(content.get("status")));
        scope
    }

    fn add_status(&mut self, status: Option<&Map<String, Value>>) {
        let section = |key: &str| object(status.and_then(|status| status.get(key)));
        let sections = [
            ("capvcd", Serves::ControlPlane),
            ("cpi", Serves::Service),
            ("csi", Serves::Volume),
        ];
        for (key, serves) in sections {
            for entry in list(section(key), "vcdResourceSet") {
                self.add_record(text(object(Some(entry)), "id"), serves);
            }
        }
        let capvcd = section("capvcd");
        for pool in list(capvcd, "nodePool") {
            let nodes = object(pool.get("nodeStatus")).into_iter().flatten();
            self.nodes.extend(nodes.map(|(name, _)| name.clone()));
        }
        let properties = object(capvcd.and_then(|capvcd| capvcd.get("vcdProperties")));
        for vdc in list(properties, "orgVdcs") {
            let vdc = object(Some(vdc));
            self.add_vdc(text(vdc, "name"));
            // CAPVCD sometimes writes the name here.
            self.add_vdc(text(vdc, "id"));
            insert(&mut self.networks, text(vdc, "ovdcNetworkName"));
        }
    }

    fn add_record(&mut self, id: &str, serves: Serves) {
        if id.is_empty() {
            return;
        }
        if self.recorded.len() >= MAX_RECORDS {
            self.is_cut = true;
        } else if let Ok(vapp) = VappId::parse(id) {
            self.vapps.insert(vapp);
        } else {
            self.recorded.entry(id.to_owned()).or_insert(serves);
        }
    }

    fn add_name(&mut self, name: &str) {
        insert(&mut self.names, name);
    }

    fn add_vdc(&mut self, vdc: &str) {
        if self.vdcs.len() + self.vdc_names.len() >= MAX_VDCS {
            self.is_cut = true;
        } else if let Ok(id) = VdcId::parse(vdc) {
            self.vdcs.insert(id);
        } else {
            insert(&mut self.vdc_names, vdc);
        }
    }
}

fn insert(set: &mut BTreeSet<String>, text: &str) {
    if !text.is_empty() {
        set.insert(text.to_owned());
    }
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn text<'a>(section: Option<&'a Map<String, Value>>, key: &str) -> &'a str {
    let value = section.and_then(|section| section.get(key));
    value.and_then(Value::as_str).unwrap_or_default().trim()
}

fn list<'a>(section: Option<&'a Map<String, Value>>, key: &str) -> &'a [Value] {
    let value = section.and_then(|section| section.get(key));
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(entity: &Value) -> EntityDocument {
        let rest = json!({"externalId": "urn:vcloud:vapp:1"});
        EntityDocument {
            id: EntityId::parse("urn:vcloud:entity:vmware:capvcdCluster:5b7e").unwrap(),
            entity_type: "urn:vcloud:type:vmware:capvcdCluster:1.3.0".to_owned(),
            name: "kite7".to_owned(),
            state: "RESOLVED".to_owned(),
            message: None,
            owner: None,
            org: None,
            entity: entity.as_object().cloned().unwrap(),
            rest: rest.as_object().cloned().unwrap(),
        }
    }

    #[test]
    fn a_broken_yaml_leaves_metadata_and_records() {
        let entity = json!({
            "spec": {"capiYaml": "{[ no yaml"},
            "metadata": {"name": "kite", "virtualDataCenterName": "vdc1", "ovdcNetworkName": "net"},
            "status": {
                "capvcd": {
                    "vcdResourceSet": [
                        {"type": "VApp", "id": "urn:vcloud:vapp:2", "name": "kite7"},
                        {"type": "lb-pool", "id": "urn:vcloud:loadBalancerPool:3", "name": "x"},
                    ],
                    "nodePool": [{"name": "p", "nodeStatus": {"p-1": "Running"}}],
                    "vcdProperties": {"orgVdcs": [{"id": "vdc2", "name": "vdc1"}]},
                },
                "cpi": {"vcdResourceSet": [{"id": "4"}, {"id": 5}, "odd", null]},
                "csi": {"vcdResourceSet": {"not": "a list"}},
            },
        });
        let scope = Scope::of(&document(&entity));
        let set = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(scope.names, set(&["kite", "kite7"]));
        assert_eq!(scope.vdc_names, set(&["vdc1", "vdc2"]));
        assert_eq!(scope.networks, set(&["net"]));
        assert_eq!(scope.nodes, set(&["p-1"]));
        let vapps: Vec<&str> = scope.vapps.iter().map(VappId::as_str).collect();
        assert_eq!(vapps, ["urn:vcloud:vapp:1", "urn:vcloud:vapp:2"]);
        let recorded: Vec<_> = scope.recorded.into_iter().collect();
        let pool = "urn:vcloud:loadBalancerPool:3".to_owned();
        let want = [
            ("4".to_owned(), Serves::Service),
            (pool, Serves::ControlPlane),
        ];
        assert_eq!(recorded, want);
        assert!(!scope.is_cut);
    }

    #[test]
    fn an_endless_document_is_cut_and_says_so() {
        let many: Vec<Value> = (0..=MAX_RECORDS)
            .map(|n| json!({"id": n.to_string()}))
            .collect();
        let entity = json!({"status": {"cpi": {"vcdResourceSet": many}}});
        let scope = Scope::of(&document(&entity));
        assert_eq!((scope.recorded.len(), scope.is_cut), (MAX_RECORDS, true));
        for odd in [json!({"status": 5}), json!({"metadata": []}), json!({})] {
            assert!(!Scope::of(&document(&odd)).is_cut, "{odd}");
        }
    }
}
