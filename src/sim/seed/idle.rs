//! Clusters that were finished before the simulation began, for measuring what idle ones cost.

use serde_json::{Map, Value, json};

use super::SEEDED_AT;
use super::payload::{ClusterRequest, CseShape};
use super::tenant::Tenant;
use crate::clock::Moment;
use crate::sim::world::World;

impl World {
    /// Adds a provisioned cluster of about `bytes` bytes, as real ones have 32 kB; returns its URN, which
    /// is empty when the tenant is not one of this world.
    pub fn seed_provisioned(&mut self, tenant: &Tenant, name: &str, bytes: usize) -> String {
        let token = self.exchange(tenant, Moment::default(), SEEDED_AT);
        self.seed_one((tenant, &token.unwrap_or_default()), name, bytes)
    }

    /// Adds as many of them as `count`, named `cluster-000000` and so on, of one login; returns how many
    /// could be added.
    pub fn seed_fleet(&mut self, tenant: &Tenant, count: u32, bytes: usize) -> u32 {
        let token = self.exchange(tenant, Moment::default(), SEEDED_AT);
        let token = token.unwrap_or_default();
        let added = (0..count).filter(|number| {
            let name = format!("cluster-{number:06}");
            !self.seed_one((tenant, &token), &name, bytes).is_empty()
        });
        u32::try_from(added.count()).unwrap_or(u32::MAX)
    }

    fn seed_one(&mut self, (tenant, token): (&Tenant, &str), name: &str, bytes: usize) -> String {
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 3,
            pools: vec![("pool-1".to_owned(), 3)],
            auto_repair: false,
        };
        let urn = self.post_cluster((tenant, token), &request, Moment::default(), SEEDED_AT);
        self.modify_entity(&urn, SEEDED_AT, |content| {
            let size = Value::Object(content.clone()).to_string().len();
            finish(content, bytes.saturating_sub(size));
        });
        let (mut ctx, areas) = self.split(Moment::default(), SEEDED_AT);
        areas.entities.resolve(&urn, &mut ctx);
        urn
    }
}

/// Puts the status of a finished cluster in, and `bytes` more of YAML, which says nothing.
fn finish(content: &mut Map<String, Value>, bytes: usize) {
    let spec = content.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(Value::String(yaml)) = spec.and_then(|spec| spec.get_mut("capiYaml")) {
        yaml.push_str("# ");
        yaml.push_str(&"x".repeat(bytes));
    }
    let status = json!({
        "vcdKe": {
            "state": "provisioned",
            "workerId": "",
            "heartbeatString": "k1;e=1;s=9;n=00;t=180;p=done;i=1;x=released",
        },
        "capvcd": { "phase": "Provisioned" },
    });
    content.insert("status".to_owned(), status);
}
