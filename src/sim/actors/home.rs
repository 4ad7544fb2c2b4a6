//! Where a cluster lives, and with whose token its controllers work.
//!
//! Invariants:
//! - Everything the `VCDCluster` names exists when it is applied; the token is one of its organization.
//!
//! Source: CAPVCD v1beta2, `VCDCluster`; its example of the Secret `capi-user-credentials`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::{Documents, owned, text};
use crate::sim::context::Context;
use crate::sim::entities::Entities;
use crate::sim::infra::Infra;

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
