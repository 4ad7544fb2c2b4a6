//! The manifests of a cluster, as an API server with the Cluster API webhooks takes them.
//!
//! Flow: YAML -> [`Manifest`]: the pools and versions the controllers shall reach. Everything
//! around it is checked by [`Home::find`]: entity, organization, VDC, network, token.
//!
//! Invariants:
//! - What the webhooks refuse is refused here with their reason; nothing is repaired silently.
//!
//! Source: Cluster API v1beta1 (`Cluster`, `KubeadmControlPlane`, `MachineDeployment`), CAPVCD
//! v1beta2 (`VCDCluster`, `VCDMachineTemplate`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::infra::Infra;

/// A set of equal nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) control_plane: bool,
    pub(crate) replicas: u32,
    pub(crate) version: String,
    pub(crate) catalog: String,
    pub(crate) template: String,
    pub(crate) sizing_policy: String,
    pub(crate) placement_policy: String,
    pub(crate) storage_profile: String,
    pub(crate) disk_mib: u64,
}

/// What a set of manifests asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) cluster: String,
    pub(crate) tkg_version: String,
    pub(crate) pods: Vec<Value>,
    pub(crate) services: Vec<Value>,
    /// Worker pools in document order, then the control plane.
    pub(crate) pools: Vec<Pool>,
    /// Whether a `MachineHealthCheck` replaces lost nodes.
    pub(crate) health_check: bool,
    pub(crate) endpoint_host: Option<String>,
}

/// Where a cluster lives, as its `VCDCluster` and Secret say and the site confirms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Home {
    pub(crate) rde_id: String,
    pub(crate) org_id: String,
    /// Bare UUIDs.
    pub(crate) vdc: String,
    pub(crate) network: String,
    /// The API token the controllers work with.
    #[serde(with = "crate::sim::state::secret")]
    pub(crate) token: SecretString,
}

/// Parsed documents of one file.
pub(crate) struct Documents(Vec<Value>);

impl Documents {
    /// Parses a multi-document YAML text; empty documents are skipped.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|_cause| {
            "error converting YAML to JSON: the manifests are no YAML".to_owned()
        })?;
        Ok(Self(
            parsed
                .into_iter()
                .filter(|document| !document.is_null())
                .collect(),
        ))
    }

    fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(move |document| text(document, "/kind") == Some(kind))
    }

    fn one(&self, kind: &str) -> Result<&Value, String> {
        self.all(kind)
            .next()
            .ok_or_else(|| format!("no {kind} in the manifests"))
    }

    fn named(&self, kind: &str, name: &str) -> Result<&Value, String> {
        let found = self
            .all(kind)
            .find(|document| text(document, "/metadata/name") == Some(name));
        found.ok_or_else(|| format!("{kind} \"{name}\" not found"))
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn owned(value: &Value, pointer: &str) -> String {
    text(value, pointer).unwrap_or_default().to_owned()
}

fn list(value: &Value, pointer: &str) -> Vec<Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

impl Manifest {
    /// Reads what the documents ask for.
    ///
    /// # Errors
    /// The reason the API server would refuse them with.
    pub(crate) fn of(documents: &Documents) -> Result<Self, String> {
        let cluster = documents.one("Cluster")?;
        let vcd_cluster = documents.one("VCDCluster")?;
        let mut pools = Vec::new();
        for deployment in documents.all("MachineDeployment") {
            pools.push(worker_pool(documents, deployment)?);
        }
        pools.push(control_plane(documents, cluster)?);
        Ok(Self {
            cluster: owned(cluster, "/metadata/name"),
            tkg_version: owned(cluster, "/metadata/annotations/TKGVERSION"),
            pods: list(cluster, "/spec/clusterNetwork/pods/cidrBlocks"),
            services: list(cluster, "/spec/clusterNetwork/services/cidrBlocks"),
            pools,
            health_check: documents.all("MachineHealthCheck").next().is_some(),
            endpoint_host: text(vcd_cluster, "/spec/controlPlaneEndpoint/host")
                .filter(|host| !host.is_empty())
                .map(str::to_owned),
        })
    }

    /// The pool of this name.
    pub(crate) fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// The control plane.
    pub(crate) fn control_plane(&self) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.control_plane)
    }

    /// Version of the control plane.
    pub(crate) fn version(&self) -> &str {
        self.control_plane()
            .map(|pool| pool.version.as_str())
            .unwrap_or_default()
    }
}

fn worker_pool(documents: &Documents, deployment: &Value) -> Result<Pool, String> {
    let name = owned(deployment, "/metadata/name");
    let machines = "/spec/template/spec";
    let config = owned(deployment, &format!("{machines}/bootstrap/configRef/name"));
    documents.named("KubeadmConfigTemplate", &config)?;
    let template = owned(deployment, &format!("{machines}/infrastructureRef/name"));
    let smallest =
        "/metadata/annotations/cluster.x-k8s.io~1cluster-api-autoscaler-node-group-min-size";
    let replicas = match deployment.pointer("/spec/replicas") {
        Some(count) => count.as_u64(),
        None => text(deployment, smallest).map_or(Some(1), |count| count.parse().ok()),
    };
    let replicas = replicas.and_then(|count| u32::try_from(count).ok());
    let pool = Pool {
        control_plane: false,
        replicas: replicas
            .ok_or_else(|| format!("MachineDeployment \"{name}\": spec.replicas: Invalid value"))?,
        version: owned(deployment, &format!("{machines}/version")),
        name,
        ..machine_template(documents, &template)?
    };
    Ok(pool)
}

fn control_plane(documents: &Documents, cluster: &Value) -> Result<Pool, String> {
    let name = owned(cluster, "/spec/controlPlaneRef/name");
    let plane = documents.named("KubeadmControlPlane", &name)?;
    let replicas = plane
        .pointer("/spec/replicas")
        .map_or(Some(1), Value::as_u64);
    let replicas = replicas
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or_default();
    let denied = |why: &str| {
        format!(
            "admission webhook \"validation.kubeadmcontrolplane.controlplane.cluster.x-k8s.io\" \
             denied the request: KubeadmControlPlane \"{name}\" is invalid: spec.replicas: {why}"
        )
    };
    if replicas == 0 {
        return Err(denied("Forbidden: cannot be 0"));
    }
    if replicas % 2 == 0 {
        return Err(denied(
            "Forbidden: cannot be an even number when etcd is stacked",
        ));
    }
    let template = owned(plane, "/spec/machineTemplate/infrastructureRef/name");
    let version = owned(plane, "/spec/version");
    Ok(Pool {
        control_plane: true,
        replicas,
        version,
        name,
        ..machine_template(documents, &template)?
    })
}

/// A pool with what its `VCDMachineTemplate` says; name, size and version are left to the caller.
fn machine_template(documents: &Documents, name: &str) -> Result<Pool, String> {
    let template = documents.named("VCDMachineTemplate", name)?;
    let of = |field: &str| owned(template, &format!("/spec/template/spec/{field}"));
    let disk = of("diskSize");
    let gib: u64 = disk.trim_end_matches("Gi").parse().unwrap_or_default();
    Ok(Pool {
        name: String::new(),
        control_plane: false,
        replicas: 0,
        version: String::new(),
        catalog: of("catalog"),
        template: of("template"),
        sizing_policy: of("sizingPolicy"),
        placement_policy: of("placementPolicy"),
        storage_profile: of("storageProfile"),
        disk_mib: gib.saturating_mul(1024),
    })
}

impl Home {
    /// Finds where the cluster of `documents` shall live.
    ///
    /// # Errors
    /// Why the API server refuses the documents, or CAPVCD could never work with them.
    pub(crate) fn find(
        documents: &Documents,
        ctx: &Context<'_>,
        infra: &Infra,
        entities: &Entities,
    ) -> Result<Self, String> {
        require_namespace(documents)?;
        let cluster = documents.one("VCDCluster")?;
        let of = |field: &str| owned(cluster, &format!("/spec/{field}"));
        let rde_id = of("rdeId");
        if entities.get(&rde_id).is_none() {
            return Err(format!(
                "VCDCluster spec.rdeId \"{rde_id}\" names no entity"
            ));
        }
        if of("site").trim_end_matches('/') != ctx.site {
            return Err(format!(
                "VCDCluster spec.site \"{}\" cannot be reached",
                of("site")
            ));
        }
        let org = ctx.directory.org_by_name(&of("org"));
        let org = org.ok_or_else(|| format!("organization \"{}\" not found", of("org")))?;
        let mut vdcs = infra.vdcs.values();
        let vdc = vdcs.find(|vdc| vdc.org_id == org.id && vdc.name == of("ovdc"));
        let vdc = vdc.ok_or_else(|| format!("VDC \"{}\" not found", of("ovdc")))?;
        let mut networks = infra.networks.values();
        let network = networks.find(|one| one.vdc == vdc.uuid && one.name == of("ovdcNetwork"));
        let network =
            network.ok_or_else(|| format!("network \"{}\" not found", of("ovdcNetwork")))?;
        let token = refresh_token(documents, cluster)?;
        let user = ctx.directory.token_user(token.expose_secret());
        if user.is_none_or(|user| user.org_id != org.id) {
            return Err(format!(
                "the refreshToken was refused by organization \"{}\"",
                org.name
            ));
        }
        Ok(Self {
            rde_id,
            org_id: org.id.clone(),
            vdc: vdc.uuid.clone(),
            network: network.uuid.clone(),
            token,
        })
    }
}

/// Namespaced objects need their namespace, which only a `Namespace` in the file can bring.
fn require_namespace(documents: &Documents) -> Result<(), String> {
    let namespace = owned(documents.one("Cluster")?, "/metadata/namespace");
    if namespace.is_empty() || namespace == "default" {
        return Ok(());
    }
    documents
        .named("Namespace", &namespace)
        .map(|_found| ())
        .map_err(|_missing| format!("namespaces \"{namespace}\" not found"))
}

fn refresh_token(documents: &Documents, cluster: &Value) -> Result<SecretString, String> {
    let reference = |field: &str| text(cluster, &format!("/spec/userContext/secretRef/{field}"));
    let name = reference("name").unwrap_or("capi-user-credentials");
    let secret = documents.named("Secret", name)?;
    if reference("namespace")
        .is_some_and(|wanted| text(secret, "/metadata/namespace") != Some(wanted))
    {
        return Err(format!(
            "Secret \"{name}\" is in another namespace than spec.userContext.secretRef says"
        ));
    }
    let plain = text(secret, "/stringData/refreshToken").map(str::to_owned);
    let encoded = text(secret, "/data/refreshToken").and_then(|text| STANDARD.decode(text).ok());
    let token = plain.or_else(|| encoded.and_then(|bytes| String::from_utf8(bytes).ok()));
    let token = token
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty());
    token
        .map(SecretString::from)
        .ok_or_else(|| format!("Secret \"{name}\" holds no refreshToken"))
}
