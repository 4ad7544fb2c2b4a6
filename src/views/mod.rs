//! What operators are told about clusters and replicas: from entities as VCD shows them to tables, stories
//! and explanations.
//!
//! Flow: `cli` reads entities and the shared configuration -> [`cluster::ClusterSeen`] ->
//! [`situation`] -> a row of [`fleet`], or an [`explain::Explanation`]; [`timeline`] merges what everybody has
//! written into one entity.
//!
//! Invariants:
//! - Nothing is asked of a server, and nothing of a server's memory is needed: what stands in VCD is enough,
//!   with every server down, too.
//! - Pure: what time it is, and when something was seen, is handed in.
//! - Whatever comes from an entity is hostile: it is read with limits, and [`words::printable`] stands between
//!   it and every line.
//! - Nothing is claimed that cannot be known: one look at a claim does not prove that its holder lives; an
//!   age comes with the clock it was told by.
//!
//! Not here: reading VCD and printing (`cli`), what servers decide (`reconcile`).

pub mod cluster;
pub mod configuration;
pub mod explain;
pub mod fleet;
pub mod pulse;
pub mod remedy;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod sample;
pub mod situation;
pub mod story;
pub mod timeline;
pub mod words;

use jiff::Timestamp;

use crate::domain::server_config::{NodeHealthCheck, ServerConfig};
use crate::reconcile::policy::Policy;

/// From where a cluster is looked at.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The time, by VCD's clock where VCD tells it.
    pub now: Timestamp,
    /// The times that replicas live by, as far as the shared configuration tells.
    pub policy: Policy,
    /// Limits that running clusters with a health check are to have.
    pub health_check: Option<NodeHealthCheck>,
    /// Whether the shared configuration can be used, if that is known.
    pub is_configured: Option<bool>,
}

impl Outlook {
    /// With the times of `config`, or the usual ones.
    pub fn new(now: Timestamp, config: Option<&ServerConfig>) -> Self {
        let mut policy = Policy::standard(Vec::new());
        if let Some(config) = config {
            policy.foreign_takeover = config.timers().stale;
            policy.takeover = policy.takeover.min(config.timers().stale);
        }
        Self {
            now,
            policy,
            health_check: config.and_then(ServerConfig::limits_for_existing),
            is_configured: config.map(|_| true),
        }
    }
}
