//! A model of the client behind Terraform: how it creates, reads, changes and deletes a cluster.
//!
//! It speaks HTTP to the simulated site as the author of a tenant, logged in by password so that it goes
//! on when the API token in the cluster is revoked. It knows nothing of the server.
//!
//! Source: go-vcloud-director, `vcd_cse_kubernetes_cluster`.

mod deletion;
pub(crate) mod read;
pub(crate) mod typed;
pub(crate) mod yaml;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cse_server::sim::seed::{ClusterRequest, CseShape, Tenant, cluster_payload};
use serde_json::{Value, json};

use self::read::Cluster;
use super::fleet::{Fleet, SITE};
use super::site::{Answer, Ask, basic, entity};

/// Time between two looks of a client that waits.
const POLL: Duration = Duration::from_secs(10);
/// Writes of one change before a client gives up on conflicts.
const TRIES: u32 = 6;
pub(crate) const PASSWORD: &str = "author's own";

/// Which CSE release the client takes the server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Type 1.1.0: written by hand or by the portal; the token is in the manifests.
    V40,
    /// Type 1.2.0.
    V41,
    /// Type 1.3.0.
    V42,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::V40, Self::V41, Self::V42];
}

/// An entity as it was read.
pub(crate) struct Found {
    pub(crate) envelope: Value,
    etag: String,
}

impl Found {
    pub(crate) fn content(&self) -> &Value {
        &self.envelope["entity"]
    }
}

/// One user of a tenant and its client.
#[derive(Clone)]
pub(crate) struct Client {
    tenant: Tenant,
}

impl Client {
    /// The client of the fleet's `n`-th tenant.
    pub(crate) fn of(fleet: &Fleet, n: usize) -> Self {
        let tenant = fleet.tenants[n].clone();
        fleet.world().set_password(&tenant.author, PASSWORD);
        Self { tenant }
    }

    fn call(&self, fleet: &Fleet, ask: Ask) -> Answer {
        let login = basic(
            "/cloudapi/1.0.0/sessions",
            &self.tenant.author,
            &self.tenant.org,
            PASSWORD,
        );
        let at = (fleet.clock.now(), fleet.clock.wall());
        let mut world = fleet.world();
        let session = Answer(world.handle(&login.version("37.0").request(), at.0, at.1));
        let token = session.header("x-vmware-vcloud-access-token");
        let token = token.expect("the author may log in").to_owned();
        let ask = ask.by(&token).version("37.0").request();
        Answer(world.handle(&ask, at.0, at.1))
    }

    /// Posts a cluster; returns its URN.
    pub(crate) fn post(&self, fleet: &mut Fleet, shape: Shape, request: &ClusterRequest) -> String {
        let mut payload = cluster_payload(&self.tenant, SITE, request);
        if shape == Shape::V40 {
            old_fashioned(&mut payload, &self.tenant.api_token);
        }
        let path = payload["entityType"].as_str().unwrap();
        let path = format!("/cloudapi/1.0.0/entityTypes/{path}");
        let answer = self.call(fleet, Ask::post(&path).json(&payload));
        assert_eq!(answer.status(), 202, "{}", answer.text());
        let task = answer.header("location").unwrap().to_owned();
        let task = task.strip_prefix(SITE).unwrap();
        let owner = self.call(fleet, Ask::get(task)).json();
        let urn = owner["owner"]["id"].as_str().unwrap().to_owned();
        fleet.urns.push(urn.clone());
        urn
    }

    /// Asks for a small cluster.
    pub(crate) fn ask(
        &self,
        fleet: &mut Fleet,
        shape: Shape,
        (name, repair): (&str, bool),
    ) -> String {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: if shape == Shape::V42 {
                CseShape::V42
            } else {
                CseShape::V41
            },
            control_planes: 1,
            pools: vec![("workers-a".to_owned(), 1)],
            auto_repair: repair,
        };
        self.post(fleet, shape, &request)
    }

    /// URN of the one configuration that clients look for.
    pub(crate) fn configuration(&self, fleet: &Fleet) -> String {
        let list = "/cloudapi/1.0.0/entities/types/vmware/VCDKEConfig/1.1.0";
        let query = "filter=name==vcdKeConfig&pageSize=128";
        let found = self
            .call(fleet, Ask::get(&format!("{list}?{query}")))
            .json();
        let found = found["values"].as_array().unwrap();
        assert_eq!(found.len(), 1, "exactly one is accepted");
        found[0]["id"].as_str().unwrap().to_owned()
    }

    /// The entity, unless it is gone.
    pub(crate) fn get(&self, fleet: &Fleet, urn: &str) -> Option<Found> {
        let answer = self.call(fleet, Ask::get(&entity(urn)));
        match answer.status() {
            200 => Some(Found {
                etag: answer.etag(),
                envelope: answer.json(),
            }),
            403 => None,
            other => panic!("{other}: {}", answer.text()),
        }
    }

    /// Writes an entity's content back, with everything around it as it was read.
    ///
    /// # Errors
    /// What the site answered.
    pub(crate) fn put(&self, fleet: &Fleet, found: &Found, content: &Value) -> Result<(), String> {
        let mut envelope = found.envelope.clone();
        envelope["entity"] = content.clone();
        let urn = envelope["id"].as_str().unwrap();
        let ask = Ask::put(&entity(urn)).header("if-match", &found.etag);
        let answer = self.call(fleet, ask.json(&envelope));
        if answer.status() == 200 {
            return Ok(());
        }
        Err(answer.text())
    }

    /// Writes content of any age under a fresh tag, as an update does: the tag protects nothing.
    ///
    /// # Errors
    /// What the site answered last.
    pub(crate) fn overwrite(
        &self,
        fleet: &Fleet,
        urn: &str,
        content: &Value,
    ) -> Result<(), String> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let found = self.get(fleet, urn).ok_or("the cluster is gone")?;
            match self.put(fleet, &found, content) {
                Ok(()) => return Ok(()),
                Err(error) if error.to_lowercase().contains("etag") => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Reads a cluster.
    ///
    /// # Errors
    /// What a client says when it cannot.
    pub(crate) fn read(&self, fleet: &Fleet, urn: &str) -> Result<Cluster, String> {
        let found = self.get(fleet, urn).ok_or("the cluster is gone")?;
        Cluster::read(found.content())
    }

    /// Waits for a creation.
    ///
    /// # Errors
    /// What is printed when the creation has failed, or when `limit` is over.
    pub(crate) async fn wait(
        &self,
        fleet: &Fleet,
        urn: &str,
        limit: Duration,
    ) -> Result<Cluster, String> {
        let end = fleet.clock.now().plus(limit);
        // Every look is decoded into the same structure: a key that has vanished keeps its value.
        let mut repairs = false;
        while fleet.clock.now() < end {
            let found = self.get(fleet, urn).ok_or("the cluster is gone")?;
            let cluster = Cluster::read(found.content())?;
            let flag = &found.content()["spec"]["vcdKe"]["autoRepairOnErrors"];
            repairs = flag.as_bool().unwrap_or(repairs);
            match cluster.state.as_str() {
                "provisioned" => return Ok(cluster),
                "error" if !repairs => {
                    let errors = cluster.printed_errors();
                    return Err(format!("Error events:\n{errors}"));
                }
                _ => fleet.pass(POLL).await,
            }
        }
        Err("timeout reached".to_owned())
    }

    /// Changes the manifests of a cluster read before, and reads it again.
    ///
    /// # Errors
    /// What a client says when it refuses, or when the site does.
    pub(crate) fn update(
        &self,
        fleet: &Fleet,
        (urn, cluster): (&str, &mut Cluster),
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<(), String> {
        if cluster.state != "provisioned" {
            let state = &cluster.state;
            return Err(format!("not in 'provisioned' state, as it is in '{state}'"));
        }
        let yaml = cluster.typed["spec"]["capiYaml"].as_str().unwrap();
        let mut documents = yaml::split(yaml)?;
        change(&mut documents);
        cluster.typed["spec"]["capiYaml"] = json!(yaml::join(&documents));
        self.overwrite(fleet, urn, &cluster.typed)?;
        *cluster = self.read(fleet, urn)?;
        Ok(())
    }
}

/// CSE 4.0: type 1.1.0, no secure section, the token in a Secret among the manifests.
fn old_fashioned(payload: &mut Value, token: &str) {
    payload["entityType"] = json!("urn:vcloud:type:vmware:capvcdCluster:1.1.0");
    let spec = payload["entity"]["spec"].as_object_mut().unwrap();
    spec["vcdKe"].as_object_mut().unwrap().remove("secure");
    let yaml = spec["capiYaml"].as_str().unwrap().to_owned();
    let namespace = format!("{}-ns", payload["name"].as_str().unwrap());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "capi-user-credentials", "namespace": namespace},
        "data": {"username": "", "password": "", "refreshToken": STANDARD.encode(token)},
    });
    let secret = serde_saphyr::to_string(&secret).unwrap();
    payload["entity"]["spec"]["capiYaml"] = json!(format!("{secret}---\n{yaml}"));
}
