//! What tenants do, as the client behind Terraform does it: post, read, change, write back.
//!
//! They reach the site directly: the replicas' troubles are not theirs.

use cse_server::sim::seed::{ClusterRequest, CseShape, Tenant, cluster_payload};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::site::Site;
use crate::support::client::typed::rewritten;
use crate::support::client::yaml;

/// Writes of one change before a client gives up on conflicts.
const TRIES: u32 = 6;
/// Name of the one pool of workers.
const POOL: &str = "workers";
const JSON: &str = "application/json;version=37.2";
/// Workers of a new cluster.
pub(crate) const FIRST_WORKERS: u32 = 1;

/// The author of a tenant's clusters, at work on a site.
pub(crate) struct Author<'a> {
    site: &'a Site,
    tenant: &'a Tenant,
    session: String,
}

/// A cluster's entity as it was read.
pub(crate) struct Read {
    etag: String,
    envelope: Value,
}

impl Read {
    pub(crate) fn content(&self) -> &Value {
        &self.envelope["entity"]
    }

    /// Whether a deletion is asked for.
    pub(crate) fn is_marked(&self) -> bool {
        self.content()["spec"]["vcdKe"]["markForDelete"] == true
    }

    /// Workers that the cluster is to have.
    pub(crate) fn workers(&self) -> u32 {
        workers(self.content())
    }

    /// Workers that the cluster says it wants and has.
    pub(crate) fn has(&self) -> Option<(u64, u64)> {
        let pools = self.content()["status"]["capvcd"]["nodePool"].as_array()?;
        let pool = pools.iter().find(|pool| pool["name"] == POOL)?;
        let count = |key: &str| pool[key].as_u64();
        Some((count("desiredReplicas")?, count("availableReplicas")?))
    }

    /// What a client would write back later.
    pub(crate) fn copy(&self) -> Value {
        rewritten(self.content()).expect("a client can read it")
    }
}

/// Workers that this content asks for.
pub(crate) fn workers(content: &Value) -> u32 {
    let mut documents = yaml::split(content["spec"]["capiYaml"].as_str().unwrap()).unwrap();
    let pool = yaml::find(&mut documents, "MachineDeployment", POOL);
    let replicas = pool["spec"]["replicas"].as_u64().unwrap();
    u32::try_from(replicas).unwrap()
}

impl<'a> Author<'a> {
    /// The author of the `n`-th tenant.
    pub(crate) async fn of(site: &'a Site, n: usize) -> Self {
        let tenant = &site.tenants[n];
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            tenant.api_token
        );
        let url = format!("{}/oauth/tenant/{}/token", site.url, tenant.org);
        let request = site.http.post(url).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let (status, body) = text(request.header("accept", JSON)).await;
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        Self {
            session: body["access_token"].as_str().unwrap().to_owned(),
            site,
            tenant,
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.site.url);
        let request = self.site.http.request(method, url);
        let request = request.header("accept", JSON);
        request
            .header("content-type", "application/json")
            .bearer_auth(&self.session)
    }

    /// Asks for a small cluster; returns its URN.
    pub(crate) async fn ask_for(&self, name: &str) -> String {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![(POOL.to_owned(), FIRST_WORKERS)],
            auto_repair: true,
        };
        let payload = cluster_payload(self.tenant, &self.site.url, &request);
        let path = payload["entityType"].as_str().unwrap();
        let path = format!("/cloudapi/1.0.0/entityTypes/{path}");
        let post = self.request(Method::POST, &path).body(payload.to_string());
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), 202, "{name}");
        let task = answer.headers()["location"].to_str().unwrap().to_owned();
        let task = task.strip_prefix(&self.site.url).unwrap();
        let request = self.request(Method::GET, task);
        let (_, body) = text(request.header("accept", "application/*+json;version=37.2")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        body["owner"]["id"].as_str().unwrap().to_owned()
    }

    /// The entity, unless it is gone.
    pub(crate) async fn read(&self, urn: &str) -> Option<Read> {
        let path = format!("/cloudapi/1.0.0/entities/{urn}");
        let answer = self.request(Method::GET, &path).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(Read {
                etag: answer.headers()["etag"].to_str().unwrap().to_owned(),
                envelope: serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
            }),
            403 | 404 => None,
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }

    /// Changes the entity; false when it is gone, or when others kept writing it.
    pub(crate) async fn change(&self, urn: &str, change: impl Fn(&mut Value)) -> bool {
        for _ in 0..TRIES {
            let Some(read) = self.read(urn).await else {
                return false;
            };
            let mut envelope = read.envelope;
            change(&mut envelope["entity"]);
            let path = format!("/cloudapi/1.0.0/entities/{urn}");
            let put = self.request(Method::PUT, &path).body(envelope.to_string());
            let (status, body) = text(put.header("if-match", &read.etag)).await;
            match status {
                200 => return true,
                // Written by somebody else meanwhile, or gone.
                403 | 404 | 409 | 412 => {}
                _ if body.to_lowercase().contains("etag") => {}
                _ => panic!("{status}: {body}"),
            }
        }
        false
    }

    /// Sets both flags of a deletion.
    pub(crate) async fn mark(&self, urn: &str) -> bool {
        let mark = |content: &mut Value| {
            for flag in ["markForDelete", "forceDelete"] {
                content["spec"]["vcdKe"][flag] = json!(true);
            }
        };
        self.change(urn, mark).await
    }

    /// Asks for so many workers.
    pub(crate) async fn resize(&self, urn: &str, workers: u32) -> bool {
        let resize = |content: &mut Value| {
            let manifests = content["spec"]["capiYaml"].as_str().unwrap();
            let mut documents = yaml::split(manifests).unwrap();
            let pool = yaml::find(&mut documents, "MachineDeployment", POOL);
            pool["spec"]["replicas"] = json!(workers);
            content["spec"]["capiYaml"] = json!(yaml::join(&documents));
        };
        self.change(urn, resize).await
    }

    /// Writes content of any age under a fresh tag, as an update of a typed client does.
    pub(crate) async fn overwrite(&self, urn: &str, copy: &Value) -> bool {
        let overwrite = |content: &mut Value| content.clone_from(copy);
        self.change(urn, overwrite).await
    }
}

async fn text(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
