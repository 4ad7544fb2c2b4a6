//! What Terraform posts to create a cluster, and the posting of it.
//!
//! Source: go-vcloud-director, cluster creation of CSE 4.1 and 4.2; the odd extra `name` and the
//! spelling `filesystem` are its own. CSE 4.0: the guide of the Terraform provider for VCD.

use bytes::Bytes;
use http::{Method, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::capi_yaml;
use super::tenant::Tenant;
use crate::clock::Moment;
use crate::sim::world::World;

/// Which CSE version's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CseShape {
    /// CSE 4.0: type 1.1.0, which has no secure fields; the token is in a Secret of the manifests.
    V40,
    /// CSE 4.1: type 1.2.0.
    V41,
    /// CSE 4.2: type 1.3.0, with `spec.projector`.
    V42,
}

impl CseShape {
    /// Version of the entity type.
    pub(crate) const fn type_version(self) -> &'static str {
        match self {
            Self::V40 => "1.1.0",
            Self::V41 => "1.2.0",
            Self::V42 => "1.3.0",
        }
    }
}

/// What a tenant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRequest {
    /// Cluster name, at most 31 characters.
    pub name: String,
    /// Payload shape.
    pub shape: CseShape,
    /// Control-plane nodes.
    pub control_planes: u32,
    /// Worker pools: name and size.
    pub pools: Vec<(String, u32)>,
    /// `autoRepairOnErrors`.
    pub auto_repair: bool,
}

/// Body of `POST /cloudapi/1.0.0/entityTypes/{type}` for a new cluster; `site` without `/api`.
pub fn cluster_payload(tenant: &Tenant, site: &str, request: &ClusterRequest) -> Value {
    let version = request.shape.type_version();
    let mut spec = json!({
        "vcdKe": {
            "isVCDKECluster": true,
            "markForDelete": false,
            "forceDelete": false,
            "autoRepairOnErrors": request.auto_repair,
            "defaultStorageClassOptions": {
                "filesystem": "ext4",
                "k8sStorageClassName": format!("{}-default", request.name),
                "vcdStorageProfileName": tenant.storage_profile,
                "useDeleteReclaimPolicy": true,
            },
        },
        "capiYaml": capi_yaml::text(tenant, site, request),
    });
    if request.shape == CseShape::V42
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("projector".to_owned(), json!({"operations": []}));
    }
    if request.shape != CseShape::V40
        && let Some(flags) = spec.get_mut("vcdKe").and_then(Value::as_object_mut)
    {
        let secure = json!({"apiToken": tenant.api_token});
        flags.insert("secure".to_owned(), secure);
    }
    json!({
        "entityType": format!("urn:vcloud:type:vmware:capvcdCluster:{version}"),
        "name": request.name,
        "entity": {
            "apiVersion": "capvcd.vmware.com/v1.1",
            "kind": "CAPVCDCluster",
            "name": request.name,
            "metadata": {
                "name": request.name,
                "orgName": tenant.org,
                "virtualDataCenterName": tenant.vdc,
                "site": site,
            },
            "spec": spec,
        },
    })
}

impl World {
    /// Creates a cluster through the API as the tenant's author does and returns its URN; empty when
    /// the tenant is not one of this world.
    pub fn create_cluster(
        &mut self,
        tenant: &Tenant,
        request: &ClusterRequest,
        now: Moment,
        wall: Timestamp,
    ) -> String {
        let token = self.exchange(tenant, now, wall).unwrap_or_default();
        self.post_cluster((tenant, &token), request, now, wall)
    }

    /// The same with an access token of the tenant's author at hand.
    pub(super) fn post_cluster(
        &mut self,
        (tenant, token): (&Tenant, &str),
        request: &ClusterRequest,
        now: Moment,
        wall: Timestamp,
    ) -> String {
        let payload = cluster_payload(tenant, &self.site, request);
        let version = request.shape.type_version();
        let path =
            format!("/cloudapi/1.0.0/entityTypes/urn:vcloud:type:vmware:capvcdCluster:{version}");
        let post = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::ACCEPT, "application/json;version=37.0")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Bytes::from(payload.to_string()));
        let location = post.ok().and_then(|post| {
            let response = self.handle(&post, now, wall);
            let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
            Some(location.to_owned())
        });
        let task = location.as_deref().and_then(|url| url.rsplit('/').next());
        let task = task.and_then(|uuid| self.tasks.get(uuid));
        task.map(|task| task.owner.id.clone()).unwrap_or_default()
    }

    /// An access token for the tenant's API token.
    pub(super) fn exchange(
        &mut self,
        tenant: &Tenant,
        now: Moment,
        wall: Timestamp,
    ) -> Option<String> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", &tenant.api_token)
            .finish();
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(format!("/oauth/tenant/{}/token", tenant.org))
            .header(header::ACCEPT, "application/json;version=37.0")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .ok()?;
        let response = self.handle(&request, now, wall);
        let body: Value = serde_json::from_slice(response.body()).ok()?;
        Some(body.get("access_token")?.as_str()?.to_owned())
    }
}
