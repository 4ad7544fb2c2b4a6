//! Edits of a running cluster: what a client asks for against what runs, and the rules between them.
//!
//! Flow: the content of a provisioned cluster's entity -> [`RunningCluster`] (what its controllers
//! report) and a [`ClusterSpec`] (what is asked for) -> every [`Violation`].
//!
//! Invariants:
//! - What the report does not say is not compared: clients drop keys when they write the entity, and
//!   a missing key proves nothing.
//! - Rules of creation that a running cluster may break without harm (address ranges, storage class)
//!   are no violations.
//!
//! Not here: how far an edit has come (`reconcile::day_two`), whether a template exists in VCD.
//! Source: rules of go-vcloud-director's updates, of Cluster API's webhooks and of CAPVCD
//! (CSE 4.1, 4.2); `status.capvcd` of `capvcdCluster` 1.1.0 to 1.3.0.

mod check;
mod running;
mod version;
mod violation;

use serde_json::{Map, Value};

pub use self::check::violations;
pub use self::running::{RunningCluster, RunningPool};
pub use self::version::{KubernetesVersion, version_in_template};
pub use self::violation::Violation;
use super::cluster::{ClusterSpec, SecureFields};

/// What is asked for of a running cluster, and what is wrong with it.
#[derive(Debug)]
pub struct Edit {
    /// What is asked for; `None` when a part is missing without which nothing can be said.
    pub spec: Option<ClusterSpec>,
    /// Every rule it breaks.
    pub violations: Vec<Violation>,
}

impl Edit {
    /// Reads what the entity's content asks for and checks it against what runs.
    pub fn read(entity: &Map<String, Value>, running: &RunningCluster) -> Self {
        let (spec, problems) = ClusterSpec::read(entity, SecureFields::LeftOut);
        let mut violations: Vec<Violation> = problems
            .into_iter()
            .filter(|problem| violation::concerns(problem, running))
            .map(Violation::Invalid)
            .collect();
        if let Some(spec) = &spec {
            violations.extend(check::violations(running, spec));
        }
        Self { spec, violations }
    }
}

#[cfg(test)]
#[path = "edit/tests.rs"]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]
mod tests;
