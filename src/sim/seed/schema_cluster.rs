//! JSON schema of `vmware:capvcdCluster` 1.1.0, 1.2.0 and 1.3.0, in our own words.
//!
//! Invariants:
//! - The schema is open: writers keep keys of their own under `status`, and lose nothing by it.
//! - Types are demanded where clients parse them; `private` became `secure` with 1.2.0.
//!
//! Source: CSE and CAPVCD documentation of the entity's fields and their restrictions.

use serde_json::{Map, Value, json};

/// The schema of one version.
pub(super) fn schema(version: &str) -> Value {
    let secure = if version == "1.1.0" {
        json!("private")
    } else {
        json!(["private", "secure"])
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["kind", "metadata", "apiVersion", "spec"],
        "properties": {
            "kind": {"enum": ["CAPVCDCluster"]},
            "apiVersion": {
                "type": "string",
                "default": if version == "1.1.0" { "capvcd.vmware.com/v1.1" } else { "capvcd.vmware.com/v1.2" },
            },
            "metadata": strings(&["name", "orgName", "virtualDataCenterName", "site"]),
            "spec": spec(version),
            "status": status(version, &secure),
        },
    })
}

/// An object with string properties.
pub(super) fn strings(names: &[&str]) -> Value {
    let properties: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": "string"})))
        .collect();
    json!({"type": "object", "properties": properties})
}

fn spec(version: &str) -> Value {
    let mut properties = json!({
        "capiYaml": {"type": "string"},
        "yamlSet": {"type": "array", "items": {"type": "string"}},
    });
    let Some(map) = properties.as_object_mut() else {
        return properties;
    };
    if version != "1.1.0" {
        map.insert("vcdKe".to_owned(), spec_vcd_ke());
    }
    if version == "1.3.0" {
        let projector = json!({
            "type": "object",
            "x-vcloud-restricted": "private",
            "properties": {"operations": {"type": "array", "items": operation()}},
        });
        map.insert("projector".to_owned(), projector);
    }
    json!({"type": "object", "properties": properties})
}

fn spec_vcd_ke() -> Value {
    let flag = |default: bool| json!({"type": "boolean", "default": default});
    json!({
        "type": "object",
        "properties": {
            "isVCDKECluster": {"type": "boolean"},
            "markForDelete": flag(false),
            "forceDelete": flag(false),
            "autoRepairOnErrors": flag(true),
            "defaultStorageClassOptions": storage_class(),
            "secure": {
                "type": "object",
                "x-vcloud-restricted": ["private", "secure"],
                "properties": {"apiToken": {"type": "string"}},
            },
        },
    })
}

fn storage_class() -> Value {
    json!({
        "type": "object",
        "properties": {
            "vcdStorageProfileName": {"type": "string"},
            "k8sStorageClassName": {"type": "string"},
            "useDeleteReclaimPolicy": {"type": "boolean"},
            "fileSystem": {"type": "string"},
        },
    })
}

fn operation() -> Value {
    json!({
        "type": "object",
        "required": ["verb", "values", "valueType", "sequence"],
        "properties": {
            "verb": {"enum": ["apply", "create"]},
            "name": {"type": "string"},
            "valueType": {"enum": ["yamlLink", "yamlString"]},
            "values": {"type": "array", "x-vcloud-restricted": ["private", "secure"]},
            "sequence": {"type": "integer", "minimum": 1},
            "retryUntilSuccess": {"type": "boolean", "default": false},
        },
    })
}

fn status(version: &str, secure: &Value) -> Value {
    let mut properties = json!({"capvcd": capvcd(secure)});
    if version != "1.1.0"
        && let Some(map) = properties.as_object_mut()
    {
        let state = json!({"type": "string"});
        let server = json!({
            "type": "object",
            "properties": {
                "state": state, "vcdKeVersion": {"type": "string"},
                "defaultStorageClass": storage_class(),
            },
        });
        map.insert("vcdKe".to_owned(), server);
        map.insert("cpi".to_owned(), component());
    }
    if version == "1.3.0"
        && let Some(map) = properties.as_object_mut()
    {
        map.insert("projector".to_owned(), projector_status());
    }
    json!({"type": "object", "x-vcloud-restricted": "protected", "properties": properties})
}

fn sets() -> [(String, Value); 3] {
    ["vcdResourceSet", "eventSet", "errorSet"].map(|name| {
        (
            name.to_owned(),
            json!({"type": "array", "items": {"type": "object"}}),
        )
    })
}

fn component() -> Value {
    let mut component = strings(&["name", "version"]);
    if let Some(properties) = component
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    {
        properties.extend(sets());
    }
    component
}

fn projector_status() -> Value {
    let mut projector = component();
    if let Some(properties) = projector
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    {
        properties.insert(
            "lastAppliedSequence".to_owned(),
            json!({"type": "integer", "minimum": 1, "default": 1}),
        );
        properties.insert("lastAppliedTimestamp".to_owned(), json!({"type": "string"}));
        properties.insert("operations".to_owned(), json!({"type": "array"}));
        let retry = json!({"type": "object", "properties": {"operation": operation()}});
        properties.insert(
            "retrySet".to_owned(),
            json!({"type": "array", "items": retry}),
        );
    }
    projector
}

fn capvcd(secure: &Value) -> Value {
    let blocks = json!({
        "type": "object",
        "properties": {"cidrBlocks": {"type": "array", "items": {"type": "string"}}},
    });
    let mut capvcd = strings(&[
        "name",
        "version",
        "uid",
        "parentUid",
        "phase",
        "kubernetes",
        "capvcdVersion",
        "createdByVersion",
    ]);
    let Some(properties) = capvcd.get_mut("properties").and_then(Value::as_object_mut) else {
        return capvcd;
    };
    let more = json!({
        "useAsManagementCluster": {"type": "boolean"},
        "upgrade": {
            "type": "object",
            "properties": {
                "current": strings(&["kubernetesVersion", "tkgVersion"]),
                "previous": {"type": ["object", "null"]},
                "ready": {"type": "boolean"},
            },
        },
        "nodePool": {"type": "array", "items": node_pool()},
        "k8sNetwork": {"type": "object", "properties": {"pods": blocks, "services": blocks}},
        "clusterApiStatus": api_status(),
        "clusterResourceSetBindings": {"type": "array", "items": {"type": "object"}},
        "vcdProperties": {
            "type": "object",
            "properties": {
                "site": {"type": "string"},
                "organizations": {"type": "array", "items": strings(&["id", "name"])},
                "orgVdcs": {
                    "type": "array",
                    "items": strings(&["id", "name", "ovdcNetworkName"]),
                },
            },
        },
        "private": {
            "type": "object",
            "x-vcloud-restricted": secure,
            "properties": {"kubeConfig": {"type": "string"}},
        },
    });
    if let Value::Object(more) = more {
        properties.extend(more);
    }
    properties.extend(sets());
    capvcd
}

fn api_status() -> Value {
    let endpoint = json!({
        "type": "object",
        "properties": {"host": {"type": "string"}, "port": {"type": "integer"}},
    });
    json!({
        "type": "object",
        "properties": {
            "phase": {"type": "string"},
            "apiEndpoints": {"type": "array", "items": endpoint},
        },
    })
}

fn node_pool() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "sizingPolicy": {"type": "string"},
            "placementPolicy": {"type": "string"},
            "storageProfile": {"type": "string"},
            "diskSizeMb": {"type": "integer"},
            "nvidiaGpuEnabled": {"type": "boolean"},
            "desiredReplicas": {"type": "integer"},
            "availableReplicas": {"type": "integer"},
            "nodeStatus": {"type": "object"},
        },
    })
}
