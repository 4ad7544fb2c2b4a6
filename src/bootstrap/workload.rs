//! What the add-ons of a new cluster need before they start: credentials, settings, storage class.
//!
//! Source: manifests and configuration of cloud-provider-for-cloud-director 1.4 to 1.6 and of
//! cloud-director-named-disk-csi-driver 1.4 to 1.6.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::BootstrapInputs;
use crate::domain::cluster::StorageClassOptions;
use crate::yaml::{self, YamlProblem};

/// The driver that makes volumes from named disks.
const PROVISIONER: &str = "named-disk.csi.cloud-director.vmware.com";

/// Secrets and config maps in `kube-system`.
pub(super) fn settings(inputs: &BootstrapInputs<'_>) -> Result<Vec<Value>, YamlProblem> {
    let spec = inputs.spec;
    let id = inputs.entity.as_str();
    let site = spec.site.trim_end_matches('/');
    let cloud_provider = json!({
        "vcd": {"host": site, "org": spec.org, "vdc": spec.vdc},
        "loadbalancer": {
            // For services in networks without a route: the range is hidden behind the gateway.
            "oneArm": {"startIP": "192.168.8.2", "endIP": "192.168.8.100"},
            "ports": {"http": 80, "https": 443},
            "network": spec.network,
            "vipSubnet": spec.vip_subnet.as_deref().unwrap_or_default(),
            "certAlias": format!("{id}-cert"),
            "enableVirtualServiceSharedIP": false,
        },
        "clusterid": id,
        "vAppName": spec.name,
    });
    let storage = json!({
        "vcd": {"host": site, "org": spec.org, "vdc": spec.vdc, "vAppName": spec.name},
        "clusterid": id,
    });
    // No zones; manifests for several zones mount it all the same.
    let zones = json!({"zoneType": "dcgroup", "zones": []});
    Ok(vec![
        secret("vcloud-clusterid-secret", &json!({ "clusterid": id })),
        secret(
            "vcloud-basic-auth",
            &json!({"username": "", "password": "", "refreshToken": inputs.token.expose_secret()}),
        ),
        config_map(
            "vcloud-ccm-configmap",
            ("vcloud-ccm-config.yaml", cloud_provider),
            true,
        )?,
        config_map(
            "vcloud-csi-configmap",
            ("vcloud-csi-config.yaml", storage),
            true,
        )?,
        config_map(
            "vcloud-capvcd-zones",
            ("vcloud-cse-zones.yaml", zones),
            false,
        )?,
    ])
}

fn secret(name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "kube-system"},
        "type": "Opaque",
        "stringData": data,
    })
}

fn config_map(
    name: &str,
    (key, content): (&str, Value),
    immutable: bool,
) -> Result<Value, YamlProblem> {
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": {key: yaml::write_documents(&[content])?},
    });
    if immutable && let Some(fields) = map.as_object_mut() {
        fields.insert("immutable".to_owned(), Value::Bool(true));
    }
    Ok(map)
}

/// The cluster's default storage class.
pub(super) fn storage_class(options: &StorageClassOptions) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": options.name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": if options.delete_with_claim { "Delete" } else { "Retain" },
        "parameters": {
            "storageProfile": options.storage_profile.as_deref().unwrap_or("*"),
            "filesystem": options.filesystem,
        },
    })
}
