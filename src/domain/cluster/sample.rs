//! One valid cluster document for tests, in the shape that clients of CSE 4.2 write.

use serde_json::{Map, Value, json};

use super::document::name_of;
use crate::yaml;

/// The CAPI YAML of cluster `kite7`: health check, autoscaler, one fixed and one autoscaled pool.
pub(crate) const CAPI_YAML: &str = include_str!("../../../tests/fixtures/capi/kite7.yaml");

/// Name of its control plane.
pub(crate) const PLANE: &str = "kite7-control-plane-node-pool";

/// The entity content with `yaml`, a token and a storage class.
pub(crate) fn entity_with(yaml: &str) -> Map<String, Value> {
    let content = json!({
        "apiVersion": "capvcd.vmware.com/v1.1",
        "kind": "CAPVCDCluster",
        "metadata": {
            "name": "kite7", "orgName": "nimbus", "virtualDataCenterName": "nimbus-vdc-a",
            "site": "https://vcd.example.test",
        },
        "spec": {
            "vcdKe": {
                "isVCDKECluster": true, "markForDelete": false, "forceDelete": false, "autoRepairOnErrors": false,
                "defaultStorageClassOptions": {
                    "filesystem": "ext4", "k8sStorageClassName": "kite-default",
                    "vcdStorageProfileName": "gold", "useDeleteReclaimPolicy": true,
                },
                "secure": {"apiToken": "tenant-token-7f3a"},
            },
            "capiYaml": yaml,
            "projector": {"operations": []},
        },
    });
    content.as_object().cloned().unwrap_or_default()
}

/// The entity content with the sample YAML.
pub(crate) fn entity() -> Map<String, Value> {
    entity_with(CAPI_YAML)
}

/// The entity content after `edit` has changed the YAML's documents.
pub(crate) fn entity_edited(edit: impl FnOnce(&mut Vec<Value>)) -> Map<String, Value> {
    let mut documents = yaml::read_documents(CAPI_YAML).unwrap_or_default();
    edit(&mut documents);
    entity_with(&yaml::write_documents(&documents).unwrap_or_default())
}

/// Sets the value at `pointer` in every document of `kind` called `name` (any if empty).
pub(crate) fn set(
    documents: &mut [Value],
    kind: &str,
    name: &str,
    (pointer, value): (&str, Value),
) {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    for document in documents.iter_mut() {
        let is_meant = document["kind"] == kind && (name.is_empty() || name_of(document) == name);
        if is_meant && let Some(Value::Object(fields)) = document.pointer_mut(parent) {
            fields.insert(key.to_owned(), value.clone());
        }
    }
}

/// What CAPVCD reports of the sample cluster.
pub(crate) fn report() -> Value {
    let nodes = |pool: &str, count: usize| -> Value {
        (0..count)
            .map(|n| (format!("{pool}-{n}"), json!("Running")))
            .collect::<Map<String, Value>>()
            .into()
    };
    json!({
        "phase": "Provisioned",
        "kubernetes": "v1.27.8+vmware.1",
        "upgrade": {
            "current": {"kubernetesVersion": "v1.27.8+vmware.1", "tkgVersion": "v2.5.0"},
            "previous": null, "ready": true,
        },
        "nodePool": [
            {"name": "blue", "desiredReplicas": 4, "availableReplicas": 4, "sizingPolicy": "TKG medium",
             "storageProfile": "gold", "diskSizeMb": 40960, "nodeStatus": nodes("blue", 4)},
            {"name": "red", "desiredReplicas": 2, "availableReplicas": 2, "diskSizeMb": 20480,
             "placementPolicy": "gpu-profile", "nodeStatus": nodes("red", 2)},
            {"name": PLANE, "desiredReplicas": 3, "availableReplicas": 3, "sizingPolicy": "TKG small",
             "storageProfile": "gold", "diskSizeMb": 20480, "nodeStatus": nodes(PLANE, 3)},
        ],
        "k8sNetwork": {
            "pods": {"cidrBlocks": ["100.96.0.0/11"]}, "services": {"cidrBlocks": ["100.64.0.0/13"]},
        },
        "vcdProperties": {
            "site": "https://vcd.example.test",
            "organizations": [{"name": "nimbus", "id": "urn:vcloud:org:1"}],
            "orgVdcs": [{"name": "nimbus-vdc-a", "id": "nimbus-vdc-a", "ovdcNetworkName": "kite-net"}],
        },
        "clusterApiStatus": {"phase": "Ready", "apiEndpoints": [{"host": "192.0.2.10", "port": 6443}]},
    })
}
