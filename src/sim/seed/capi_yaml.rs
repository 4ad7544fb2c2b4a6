//! The manifests of a new cluster, document by document and in the order clients write them.
//!
//! Invariants:
//! - Namespace, credentials and `rdeId` are missing, as in reality: the server has to supply them. Only
//!   CSE 4.0 brings the credentials along.
//!
//! Source: go-vcloud-director, templates of CSE 4.1 and 4.2 (which are equal).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::payload::{ClusterRequest, CseShape};
use super::templates::{DEFAULT_IMAGE, TkgImage};
use super::tenant::Tenant;

const CAPI: &str = "cluster.x-k8s.io/v1beta1";
const INFRASTRUCTURE: &str = "infrastructure.cluster.x-k8s.io/v1beta2";
const CONTROL_PLANE: &str = "controlplane.cluster.x-k8s.io/v1beta1";
const BOOTSTRAP: &str = "bootstrap.cluster.x-k8s.io/v1beta1";
/// What clients append to `containerRegistryUrl`.
const REGISTRY: &str = "projects.registry.vmware.com/tkg";
/// Eviction off; the doubled percent signs are what clients really write.
const EVICTION: &str = "nodefs.available<0%%,nodefs.inodesFree<0%%,imagefs.available<0%%";
const TRUST: &str = "mv /etc/ssl/certs/custom_certificate_*.crt \
                     /usr/local/share/ca-certificates && update-ca-certificates";

/// The whole text, documents separated by `---` lines.
pub(super) fn text(tenant: &Tenant, site: &str, request: &ClusterRequest) -> String {
    let image = TkgImage::of_template(&tenant.template).unwrap_or(&DEFAULT_IMAGE);
    let names = Names::of(request);
    let mut documents = Vec::new();
    if request.shape == CseShape::V40 {
        documents.push(credentials(&names, tenant));
    } else {
        documents.push(health_check(&names));
    }
    for (pool, replicas) in &request.pools {
        documents.push(machine_template(
            &names,
            tenant,
            (pool, "TKG medium", "40Gi"),
        ));
        documents.push(machine_deployment(&names, image, (pool, *replicas)));
    }
    documents.push(cluster(&names, image));
    documents.push(vcd_cluster(&names, tenant, site));
    documents.push(machine_template(
        &names,
        tenant,
        (&names.control_plane, "TKG small", "20Gi"),
    ));
    documents.push(kubeadm_control_plane(&names, image, request.control_planes));
    documents.push(kubeadm_config_template(&names));
    let rendered = documents.iter().map(|document| {
        let text = serde_saphyr::to_string(document);
        debug_assert!(text.is_ok(), "JSON values are always YAML");
        text.unwrap_or_default()
    });
    rendered.collect::<Vec<_>>().join("---\n")
}

struct Names {
    cluster: String,
    namespace: String,
    control_plane: String,
    config: String,
}

impl Names {
    fn of(request: &ClusterRequest) -> Self {
        let name = &request.name;
        Self {
            cluster: name.clone(),
            namespace: format!("{name}-ns"),
            control_plane: match request.shape {
                CseShape::V40 => format!("{name}-control-plane"),
                CseShape::V41 | CseShape::V42 => format!("{name}-control-plane-node-pool"),
            },
            config: format!("{name}-kct"),
        }
    }

    fn metadata(&self, name: &str) -> Map<String, Value> {
        [("name", name), ("namespace", &self.namespace)]
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .into_iter()
            .collect()
    }

    fn reference(&self, api: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": api, "kind": kind, "name": name, "namespace": self.namespace})
    }
}

fn credentials(names: &Names, tenant: &Tenant) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata("capi-user-credentials"),
        "type": "Opaque",
        "data": {
            "username": "",
            "password": "",
            "refreshToken": BASE64.encode(&tenant.api_token),
        },
    })
}

fn health_check(names: &Names) -> Value {
    let mut metadata = names.metadata(&names.cluster);
    let labels = json!({"clusterctl.cluster.x-k8s.io": "", "clusterctl.cluster.x-k8s.io/move": ""});
    metadata.insert("labels".to_owned(), labels);
    json!({
        "apiVersion": CAPI,
        "kind": "MachineHealthCheck",
        "metadata": metadata,
        "spec": {
            "clusterName": names.cluster,
            "maxUnhealthy": "100%",
            "nodeStartupTimeout": "900s",
            "selector": {"matchLabels": {"cluster.x-k8s.io/cluster-name": names.cluster}},
            "unhealthyConditions": [
                {"type": "Ready", "status": "Unknown", "timeout": "300s"},
                {"type": "Ready", "status": "False", "timeout": "300s"},
            ],
        },
    })
}

fn machine_template(
    names: &Names,
    tenant: &Tenant,
    (name, policy, disk): (&str, &str, &str),
) -> Value {
    let mut spec = json!({
        "catalog": tenant.catalog,
        "template": tenant.template,
        "sizingPolicy": policy,
        "placementPolicy": "",
        "storageProfile": tenant.storage_profile,
        "diskSize": disk,
    });
    // Only worker pools may ask for a GPU.
    if name != names.control_plane
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("enableNvidiaGPU".to_owned(), json!(false));
    }
    json!({
        "apiVersion": INFRASTRUCTURE,
        "kind": "VCDMachineTemplate",
        "metadata": names.metadata(name),
        "spec": {"template": {"spec": spec}},
    })
}

fn machine_deployment(names: &Names, image: &TkgImage, (name, replicas): (&str, u32)) -> Value {
    json!({
        "apiVersion": CAPI,
        "kind": "MachineDeployment",
        "metadata": names.metadata(name),
        "spec": {
            "clusterName": names.cluster,
            "replicas": replicas,
            "selector": {"matchLabels": null},
            "template": {"spec": {
                "bootstrap": {
                    "configRef": names.reference(BOOTSTRAP, "KubeadmConfigTemplate", &names.config),
                },
                "clusterName": names.cluster,
                "infrastructureRef": names.reference(INFRASTRUCTURE, "VCDMachineTemplate", name),
                "version": image.kubernetes(),
            }},
        },
    })
}

fn cluster(names: &Names, image: &TkgImage) -> Value {
    let mut metadata = names.metadata(&names.cluster);
    metadata.insert(
        "labels".to_owned(),
        json!({
            "cluster-role.tkg.tanzu.vmware.com/management": "",
            "tanzuKubernetesRelease": image.release,
            "tkg.tanzu.vmware.com/cluster-name": names.cluster,
        }),
    );
    let annotations = json!({"osInfo": "ubuntu,20.04,amd64", "TKGVERSION": image.tkg});
    metadata.insert("annotations".to_owned(), annotations);
    let plane = &names.control_plane;
    json!({
        "apiVersion": CAPI,
        "kind": "Cluster",
        "metadata": metadata,
        "spec": {
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["100.96.0.0/11"]},
                "serviceDomain": "cluster.local",
                "services": {"cidrBlocks": ["100.64.0.0/13"]},
            },
            "controlPlaneRef": names.reference(CONTROL_PLANE, "KubeadmControlPlane", plane),
            "infrastructureRef": names.reference(INFRASTRUCTURE, "VCDCluster", &names.cluster),
        },
    })
}

fn vcd_cluster(names: &Names, tenant: &Tenant, site: &str) -> Value {
    json!({
        "apiVersion": INFRASTRUCTURE,
        "kind": "VCDCluster",
        "metadata": names.metadata(&names.cluster),
        "spec": {
            "site": site,
            "org": tenant.org,
            "ovdc": tenant.vdc,
            "ovdcNetwork": tenant.network,
            "useAsManagementCluster": false,
            "userContext": {
                "secretRef": {"name": "capi-user-credentials", "namespace": names.namespace},
            },
        },
    })
}

fn node_registration() -> Value {
    json!({
        "criSocket": "/run/containerd/containerd.sock",
        "kubeletExtraArgs": {"cloud-provider": "external", "eviction-hard": EVICTION},
    })
}

fn kubeadm_control_plane(names: &Names, image: &TkgImage, replicas: u32) -> Value {
    let plane = &names.control_plane;
    json!({
        "apiVersion": CONTROL_PLANE,
        "kind": "KubeadmControlPlane",
        "metadata": names.metadata(plane),
        "spec": {
            "kubeadmConfigSpec": {
                "clusterConfiguration": {
                    "apiServer": {"certSANs": ["localhost", "127.0.0.1"]},
                    "controllerManager": {"extraArgs": {"enable-hostpath-provisioner": "true"}},
                    "dns": {"imageRepository": REGISTRY, "imageTag": image.core_dns},
                    "etcd": {"local": {"imageRepository": REGISTRY, "imageTag": image.etcd}},
                    "imageRepository": REGISTRY,
                },
                "initConfiguration": {"nodeRegistration": node_registration()},
                "joinConfiguration": {"nodeRegistration": node_registration()},
                "preKubeadmCommands": [TRUST],
                "users": [{"name": "root", "sshAuthorizedKeys": [""]}],
            },
            "machineTemplate": {
                "infrastructureRef": names.reference(INFRASTRUCTURE, "VCDMachineTemplate", plane),
            },
            "replicas": replicas,
            "version": image.kubernetes(),
        },
    })
}

fn kubeadm_config_template(names: &Names) -> Value {
    json!({
        "apiVersion": BOOTSTRAP,
        "kind": "KubeadmConfigTemplate",
        "metadata": names.metadata(&names.config),
        "spec": {"template": {"spec": {
            "joinConfiguration": {"nodeRegistration": node_registration()},
            "preKubeadmCommands": [TRUST],
            "useExperimentalRetryJoin": true,
            "users": [{"name": "root", "sshAuthorizedKeys": [""]}],
        }}},
    })
}
