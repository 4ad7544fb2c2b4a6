//! JSON schema of `vmware:VCDKEConfig` 1.0.0 and 1.1.0, in our own words.
//!
//! Invariants:
//! - Nothing in it is restricted, so everybody with the View right reads all of it.
//! - `items` is a list of one schema: only the first profile is ever checked.
//!
//! Source: CSE documentation, server configuration.

use serde_json::{Value, json};

use super::schema_cluster::strings;

/// The schema of one version.
pub(super) fn schema(version: &str) -> Value {
    let newer = version != "1.0.0";
    let mut profile = json!({
        "name": {"type": "string"},
        "active": {"type": ["boolean", "string"]},
        "vcdKeInstances": {
            "type": "array",
            "items": strings(&["name", "version", "vcdKeInstanceId"]),
        },
        "serverConfig": {
            "type": "object",
            "properties": {
                "rdePollIntervalInMin": {"type": "integer"},
                "heartbeatWatcherTimeoutInMin": {"type": "integer"},
                "staleHeartbeatIntervalInMin": {"type": "integer"},
            },
        },
        "vcdConfig": {
            "type": "object",
            "properties": {"sysLogger": required(strings(&["host", "port"]), &["host", "port"])},
        },
        "githubConfig": strings(&["githubPersonalAccessToken"]),
        "bootstrapClusterConfig": bootstrap(newer),
        "K8Config": kubernetes(newer),
    });
    if newer {
        put(
            &mut profile,
            "containerRegistryUrl",
            json!({"type": "string"}),
        );
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "profiles": {
                "type": "array",
                "items": [{
                    "type": "object",
                    "required": ["name", "active"],
                    "properties": profile,
                }],
            },
        },
    })
}

fn required(mut schema: Value, names: &[&str]) -> Value {
    put(&mut schema, "required", json!(names));
    schema
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn bootstrap(newer: bool) -> Value {
    let mut ecosystem = json!({
        "coreCapiVersion": {"type": "string"},
        "controlPlaneProvider": strings(&["name", "version"]),
        "bootstrapProvider": strings(&["name", "version"]),
        "infraProvider": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "capvcdRde": strings(&["vendor", "nss", "version"]),
            },
        },
    });
    let mut properties = json!({
        "sizingPolicy": {"type": "string"},
        "dockerVersion": {"type": "string"},
        "kindVersion": {"type": "string"},
        "kubectlVersion": {"type": "string"},
        "clusterctl": strings(&["version", "clusterctlyaml"]),
        "proxyConfig": strings(&["httpProxy", "httpsProxy", "noProxy"]),
    });
    if newer {
        put(
            &mut ecosystem,
            "certManagerVersion",
            json!({"type": "string"}),
        );
        put(
            &mut properties,
            "kindestNodeVersion",
            json!({"type": "string"}),
        );
        put(&mut properties, "certificateAuthorities", texts());
    }
    put(
        &mut properties,
        "capiEcosystem",
        json!({"type": "object", "properties": ecosystem}),
    );
    json!({"type": "object", "properties": properties})
}

fn kubernetes(newer: bool) -> Value {
    let component = || required(strings(&["name", "version"]), &["name", "version"]);
    let mut properties = json!({
        "csi": {"type": "array", "items": [component()]},
        "cpi": component(),
        "cni": component(),
    });
    if newer {
        let timeouts = [
            "nodeStartupTimeout",
            "nodeNotReadyTimeout",
            "nodeUnknownTimeout",
        ];
        let mut check = strings(&timeouts);
        if let Some(known) = check.get_mut("properties") {
            let share = json!({"type": "number", "minimum": 1, "maximum": 100});
            put(known, "maxUnhealthyNodes", share);
        }
        let all = ["maxUnhealthyNodes", timeouts[0], timeouts[1], timeouts[2]];
        put(&mut properties, "mhc", required(check, &all));
        put(
            &mut properties,
            "rdeProjectorVersion",
            json!({"type": "string"}),
        );
        put(&mut properties, "certificateAuthorities", texts());
    }
    required(
        json!({"type": "object", "properties": properties}),
        &["csi", "cpi", "cni"],
    )
}
