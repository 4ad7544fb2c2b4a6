//! What a site set up for CSE 4.2 has: interfaces, behavior, entity types, roles, bundle, policies.
//!
//! Invariants:
//! - The lists and schemas are files of `config/`, which an operator can read; they are part of the program.
//!
//! Source: CSE 4.2 set-up guide of the Terraform provider for VCD (names, rights, sizes); CSE and CAPVCD
//! documentation of the entities' fields and their restrictions (schemas, in our own words).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::vcd::right_sets::RightSetKind;

/// Interface of clusters that every VCD has.
pub const KUBERNETES: &str = "urn:vcloud:interface:vmware:k8s:1.0.0";
/// Interface with the behavior that shows a whole cluster entity, secrets included.
pub const CSE: &str = "urn:vcloud:interface:cse:capvcd:1.0.0";
/// Interface of the server configuration.
pub const SERVER_CONFIG: &str = "urn:vcloud:interface:vmware:VCDKEConfig:1.0.0";
/// The behavior.
pub const FULL_ENTITY: &str = "urn:vcloud:behavior-interface:getFullEntity:cse:capvcd:1.0.0";
/// Type of the configuration entity that is written.
pub const CONFIG_TYPE: &str = "urn:vcloud:type:vmware:VCDKEConfig:1.1.0";
/// Whoever holds it may read the configuration; tenants' clients need it.
pub const CONFIG_VIEW: &str = "vmware:VCDKEConfig: View";
/// Role of the servers' account.
pub const SERVICE_ROLE: &str = "CSE Admin Role";
/// Global role of tenants that create clusters.
pub const AUTHOR_ROLE: &str = "Kubernetes Cluster Author";

const SITE: &str = include_str!("../../config/init/site.json");
const CONFIG: &str = include_str!("../../config/server-config.json");

/// An interface to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its URN.
    pub urn: &'static str,
    /// Vendor, nss and version.
    pub identity: (&'static str, &'static str, &'static str),
    /// Its name.
    pub name: &'static str,
}

/// The interfaces that VCD does not bring along.
pub const INTERFACES: [Interface; 2] = [
    Interface {
        urn: SERVER_CONFIG,
        identity: ("vmware", "VCDKEConfig", "1.0.0"),
        name: "VCDKEConfig",
    },
    Interface {
        urn: CSE,
        identity: ("cse", "capvcd", "1.0.0"),
        name: "cseInterface",
    },
];

/// An entity type to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityType {
    /// Its URN.
    pub urn: &'static str,
    /// nss and version; the vendor is always `vmware`.
    pub identity: (&'static str, &'static str),
    /// Its name.
    pub name: &'static str,
    /// URNs of its interfaces.
    pub interfaces: &'static [&'static str],
    /// Whether only those with full control may call [`FULL_ENTITY`] on its entities.
    pub shows_all: bool,
    /// Whether its entities are read by everybody with [`CONFIG_VIEW`].
    pub is_public: bool,
    schema: &'static str,
}

impl EntityType {
    /// Its JSON schema; an object.
    pub fn schema(&self) -> Value {
        serde_json::from_str(self.schema).unwrap_or_default()
    }

    /// The document to register it with.
    pub fn document(&self) -> Value {
        let (nss, version) = self.identity;
        json!({
            "name": self.name,
            "vendor": "vmware",
            "nss": nss,
            "version": version,
            "interfaces": self.interfaces,
            "schema": self.schema(),
        })
    }
}

const CONFIG_TYPE_1_0: EntityType = EntityType {
    urn: "urn:vcloud:type:vmware:VCDKEConfig:1.0.0",
    identity: ("VCDKEConfig", "1.0.0"),
    name: "VCD-KE RDE Schema",
    interfaces: &[SERVER_CONFIG],
    shows_all: false,
    is_public: true,
    schema: include_str!("../../config/init/schemas/VCDKEConfig-1.0.0.json"),
};

/// In ascending order of their versions: a new version takes over the access of the one before it.
///
/// Version 1.1.0 of clusters comes from CSE 4.0, which has no behavior; CAPVCD asks for it to this day.
pub const ENTITY_TYPES: [EntityType; 5] = [
    CONFIG_TYPE_1_0,
    EntityType {
        urn: CONFIG_TYPE,
        identity: ("VCDKEConfig", "1.1.0"),
        schema: include_str!("../../config/init/schemas/VCDKEConfig-1.1.0.json"),
        ..CONFIG_TYPE_1_0
    },
    CLUSTER_TYPE_1_1,
    EntityType {
        urn: "urn:vcloud:type:vmware:capvcdCluster:1.2.0",
        identity: ("capvcdCluster", "1.2.0"),
        interfaces: &[KUBERNETES, CSE],
        shows_all: true,
        schema: include_str!("../../config/init/schemas/capvcdCluster-1.2.0.json"),
        ..CLUSTER_TYPE_1_1
    },
    EntityType {
        urn: "urn:vcloud:type:vmware:capvcdCluster:1.3.0",
        identity: ("capvcdCluster", "1.3.0"),
        interfaces: &[KUBERNETES, CSE],
        shows_all: true,
        schema: include_str!("../../config/init/schemas/capvcdCluster-1.3.0.json"),
        ..CLUSTER_TYPE_1_1
    },
];

const CLUSTER_TYPE_1_1: EntityType = EntityType {
    urn: "urn:vcloud:type:vmware:capvcdCluster:1.1.0",
    identity: ("capvcdCluster", "1.1.0"),
    name: "CAPVCD Cluster",
    interfaces: &[KUBERNETES],
    shows_all: false,
    is_public: false,
    schema: include_str!("../../config/init/schemas/capvcdCluster-1.1.0.json"),
};

/// A role, global role or rights bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RightSet {
    /// Which of the three it is.
    pub kind: RightSetKind,
    /// Its name; clients and guides know it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Names of its rights.
    pub rights: Vec<String>,
}

/// A right that older versions of VCD do not have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionBound {
    /// Its name.
    pub right: String,
    /// Version of VCD that brought it.
    pub since: String,
}

/// A VM sizing policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizingPolicy {
    /// Its name; clients know it.
    pub name: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

/// The lists of `config/init/site.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Roles and the bundle.
    pub right_sets: Vec<RightSet>,
    /// Rights among them that may be missing.
    pub version_bound: Vec<VersionBound>,
    /// Sizing policies.
    pub sizing_policies: Vec<SizingPolicy>,
}

impl Site {
    /// As shipped.
    pub fn shipped() -> Self {
        serde_json::from_str(SITE).unwrap_or_default()
    }

    /// Rights of the set of this name; none when there is no such set.
    pub fn rights(&self, name: &str) -> Vec<&str> {
        let sets = self.right_sets.iter().filter(|set| set.name == name);
        sets.flat_map(|set| set.rights.iter().map(String::as_str))
            .collect()
    }

    /// The version of VCD that brought a right, when older ones in use do not have it.
    pub fn since(&self, right: &str) -> Option<&str> {
        let mut bound = self.version_bound.iter();
        let found = bound.find(|bound| bound.right == right)?;
        Some(&found.since)
    }
}

/// Content of the configuration entity as CSE 4.2.3 ships it; `config/server-config.json`.
pub fn shipped_config() -> Map<String, Value> {
    serde_json::from_str(CONFIG).unwrap_or_default()
}

/// Whether registering the types above brings the right into being.
pub(super) fn comes_with_a_type(right: &str) -> bool {
    let prefixes = ["vmware:VCDKEConfig: ", "vmware:capvcdCluster: "];
    prefixes.iter().any(|prefix| right.starts_with(prefix))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail loudly")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::server_config::ServerConfig;

    #[test]
    fn what_is_shipped_can_be_read() {
        let site: Site = serde_json::from_str(SITE).unwrap();
        let kinds: Vec<RightSetKind> = site.right_sets.iter().map(|set| set.kind).collect();
        let wanted = [
            RightSetKind::Role,
            RightSetKind::GlobalRole,
            RightSetKind::RightsBundle,
        ];
        assert_eq!(kinds, wanted);
        let counts: Vec<usize> = site.right_sets.iter().map(|set| set.rights.len()).collect();
        assert_eq!(counts, [15, 62, 30]);
        for set in &site.right_sets {
            let once: BTreeSet<&String> = set.rights.iter().collect();
            assert_eq!(once.len(), set.rights.len(), "{}", set.name);
        }
        assert_eq!(site.sizing_policies.len(), 4);
        assert!(!site.rights(SERVICE_ROLE).is_empty() && !site.rights(AUTHOR_ROLE).is_empty());
        for bound in &site.version_bound {
            let named = |set: &RightSet| set.rights.contains(&bound.right);
            assert!(site.right_sets.iter().any(named), "{}", bound.right);
        }
        for registered in &ENTITY_TYPES {
            assert!(registered.schema().is_object(), "{}", registered.urn);
            let (nss, version) = registered.identity;
            assert_eq!(
                registered.urn,
                format!("urn:vcloud:type:vmware:{nss}:{version}")
            );
        }
        let config: Map<String, Value> = serde_json::from_str(CONFIG).unwrap();
        assert_eq!(ServerConfig::problems(&config), Vec::new());
    }

    #[test]
    fn tenants_may_use_no_right_on_entities_that_the_bundle_does_not_publish() {
        let site = Site::shipped();
        let bundle: BTreeSet<&str> = site
            .rights("Kubernetes Clusters Rights Bundle")
            .into_iter()
            .collect();
        let author = site.rights(AUTHOR_ROLE).into_iter();
        let on_entities = author.filter(|right| right.starts_with("vmware:"));
        for right in on_entities {
            assert!(bundle.contains(right), "{right}");
        }
    }
}
