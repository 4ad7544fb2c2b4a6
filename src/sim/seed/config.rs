//! The server configuration entity `vcdKeConfig`.
//!
//! Source: CSE 4.2 documentation, server configuration; values as CSE 4.2.3 ships them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::SEEDED_AT;
use super::site::ADMINISTRATOR;
use crate::clock::Moment;
use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::directory::{SYSTEM, derived_urn};
use crate::sim::entities::NewEntity;
use crate::sim::world::World;

/// Content of a configuration entity of type 1.1.0, as a fresh CSE 4.2.3 has it.
pub fn default_config() -> Value {
    json!({"profiles": [{
        "name": "production",
        "active": true,
        "vcdKeInstances": [{"name": "vcd-container-service-extension", "version": "4.2.3"}],
        "serverConfig": {
            "rdePollIntervalInMin": 1,
            "heartbeatWatcherTimeoutInMin": 10,
            "staleHeartbeatIntervalInMin": 30,
        },
        "vcdConfig": {"sysLogger": {"host": "", "port": ""}},
        "githubConfig": {"githubPersonalAccessToken": ""},
        "bootstrapClusterConfig": bootstrap(),
        "K8Config": {
            "cni": {"name": "antrea", "version": ""},
            "cpi": {"name": "cpi for cloud director", "version": "1.6.1"},
            "csi": [{"name": "csi for cloud director", "version": "1.6.0"}],
            "mhc": {
                "maxUnhealthyNodes": 100,
                "nodeStartupTimeout": "900s",
                "nodeNotReadyTimeout": "300s",
                "nodeUnknownTimeout": "300s",
            },
            "rdeProjectorVersion": "0.7.1",
            "certificateAuthorities": [],
        },
        "containerRegistryUrl": "projects.registry.vmware.com",
    }]})
}

fn bootstrap() -> Value {
    json!({
        "sizingPolicy": "TKG small",
        "dockerVersion": "",
        "kubectlVersion": "",
        "kindVersion": "v0.19.0",
        "kindestNodeVersion": "v1.27.1",
        "clusterctl": {"version": "v1.4.0", "clusterctlyaml": ""},
        "capiEcosystem": {
            "coreCapiVersion": "v1.4.0",
            "certManagerVersion": "v1.11.1",
            "controlPlaneProvider": {"name": "KCP", "version": "v1.4.0"},
            "bootstrapProvider": {"name": "CAPBK", "version": "v1.4.0"},
            "infraProvider": {
                "name": "capvcd",
                "version": "v1.3.2",
                "capvcdRde": {"vendor": "vmware", "nss": "capvcdCluster", "version": "1.3.0"},
            },
        },
        "proxyConfig": {
            "httpProxy": "",
            "httpsProxy": "",
            "noProxy": "localhost,127.0.0.1,cluster.local,.svc",
        },
        "certificateAuthorities": [],
    })
}

impl World {
    /// Stores `config` as the resolved entity `vcdKeConfig` of the provider's organization; anything
    /// but an object is stored as an empty one. Needs `seed_site` before.
    pub fn seed_config(&mut self, config: Value) {
        let content = match config {
            Value::Object(content) => content,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => serde_json::Map::new(),
        };
        let Some(rules) = self
            .registry
            .types
            .get("urn:vcloud:type:vmware:VCDKEConfig:1.1.0")
        else {
            return;
        };
        let rules = Arc::clone(&rules.rules);
        let org_id = self.directory.org_by_name(SYSTEM).map(|org| org.id.clone());
        let mut users = self.directory.users.values();
        let owner_id = users
            .find(|user| user.name == ADMINISTRATOR)
            .map(|user| user.id.clone());
        let new = NewEntity {
            rules,
            name: "vcdKeConfig".to_owned(),
            external_id: None,
            content,
            owner_id: owner_id.unwrap_or_default(),
            org_id: org_id.clone().unwrap_or_default(),
        };
        let tenant_id = org_id.unwrap_or_default();
        let (mut ctx, areas) = self.split(Moment::default(), SEEDED_AT);
        let id = areas.entities.add(new, &mut ctx);
        // Tenants read it by the right that their bundle gives them.
        let grant = Grant {
            id: derived_urn("accessControl", &id),
            grantee: Grantee::Right("vmware:VCDKEConfig: View".to_owned()),
            level: Level::ReadOnly,
            tenant_id,
        };
        if let Some(entity) = areas.entities.get_mut(&id) {
            entity.grants.insert(grant.id.clone(), grant);
        }
        areas.entities.resolve(&id, &mut ctx);
    }
}
