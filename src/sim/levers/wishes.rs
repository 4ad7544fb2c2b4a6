//! A tenant asks for a cluster, as the Terraform provider does.
//!
//! Invariants:
//! - The request goes the way of every other one, with the tenant's own token: what VCD refuses is refused.
//!
//! Not here: the payload (`sim::seed`), what becomes of it (replicas).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::LeverError;
use crate::clock::Moment;
use crate::sim::seed::{ClusterRequest, CseShape, DEFAULT_CATALOG, Tenant};
use crate::sim::world::World;

/// Name of the one pool of workers.
const POOL: &str = "workers";

impl World {
    /// Posts a cluster entity with one control plane node, `workers` workers and auto-repair; answers its id.
    pub(super) fn ask_for_cluster(
        &mut self,
        (org, name): (&str, &str),
        workers: u32,
        at: (Moment, Timestamp),
    ) -> Result<Value, LeverError> {
        let mut tenants = self.guide().tenants.into_iter();
        let guide = tenants.find(|tenant| tenant.org == org);
        let guide = guide.ok_or_else(|| LeverError::unknown("organization with a user", org))?;
        let tenant = Tenant {
            org: guide.org,
            // The request names an organization and its author; nobody asks for their ids.
            org_id: String::new(),
            author_id: String::new(),
            vdc: guide.vdc,
            network: guide.network,
            catalog: DEFAULT_CATALOG.to_owned(),
            template: guide.template,
            author: guide.user,
            api_token: guide.api_token,
            storage_profile: guide.storage_profile,
        };
        let request = ClusterRequest {
            name: name.to_owned(),
            shape: CseShape::V42,
            control_planes: 1,
            pools: vec![(POOL.to_owned(), workers)],
            auto_repair: true,
        };
        let id = self.create_cluster(&tenant, &request, at.0, at.1);
        if id.is_empty() {
            return Err(LeverError::invalid("name", "VCD refuses the entity"));
        }
        Ok(json!({ "id": id }))
    }
}
