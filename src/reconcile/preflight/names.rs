//! Names that are taken: by other clusters of the organization, and by vApps of others.
//!
//! CAPVCD finds entities by name and vApps by name: two clusters of one name in an organization get at
//! each other's machines.

use super::{Facts, PreflightProblem, Quoted};
use crate::domain::cluster::ClusterSpec;
use crate::domain::ids::EntityId;

/// Another cluster entity of the same name in the same organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// Its URN.
    pub id: EntityId,
    /// How far it has come.
    pub standing: Standing,
}

/// How far a cluster has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Something of it exists in VCD.
    Established,
    /// Nothing exists yet, but it is wanted.
    Starting,
    /// Nothing exists, and nothing is to come: it failed at once, or is to be deleted.
    Empty,
}

impl Namesake {
    /// Whether the name is this cluster's and not `own`'s. Of two that start at the same time exactly
    /// one gets it, whoever looks.
    fn has_precedence(&self, own: &EntityId) -> bool {
        match self.standing {
            Standing::Established => true,
            Standing::Starting => self.id < *own,
            Standing::Empty => false,
        }
    }
}

/// Entities and vApps.
pub(super) fn check(spec: &ClusterSpec, facts: &Facts, problems: &mut Vec<PreflightProblem>) {
    let own = &facts.entity.id;
    let taken = facts
        .namesakes
        .iter()
        .find(|other| other.id != *own && other.has_precedence(own));
    if let Some(other) = taken {
        problems.push(PreflightProblem::ClusterNameTaken {
            name: Quoted::of(&spec.name),
            by: other.id.clone(),
        });
    }
    for name in &facts.foreign_vapps {
        let (name, vdc) = (Quoted::of(name), Quoted::of(&spec.vdc));
        problems.push(PreflightProblem::VappNameTaken { name, vdc });
    }
}
