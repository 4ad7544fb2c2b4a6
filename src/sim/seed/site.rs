//! The provider's side: accounts, roles, interfaces, types and sizing policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::json;

use super::rights::{ADMIN, ADMIN_ROLE, AUTHOR, AUTHOR_ROLE, BUNDLE, BUNDLE_NAME};
use super::{TOKEN_CHARS, schema_cluster, schema_config};
use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::context::new_uuid;
use crate::sim::control::NewUser;
use crate::sim::directory::{SYSTEM, derived_urn, role_id};
use crate::sim::infra::access::right;
use crate::sim::infra::site::Policy;
use crate::sim::registry::{Registry, TypeDefinition};
use crate::sim::rights::{self, Kind, RightSet};
use crate::sim::world::World;

/// Name of the server's account.
pub(crate) const SERVICE_USER: &str = "cse-service";
/// Name of the account that set everything up.
pub(crate) const ADMINISTRATOR: &str = "administrator";

/// Sizing policies of a CSE set-up: name, CPUs, memory in MiB.
const POLICIES: [(&str, u32, u32); 4] = [
    ("TKG small", 2, 4048),
    ("TKG medium", 2, 8192),
    ("TKG large", 4, 16384),
    ("TKG extra-large", 8, 32768),
];

/// How to reach the provider's organization.
#[derive(Clone)]
pub struct SiteAccess {
    /// API token of the server's account.
    pub provider_token: String,
    /// Name of the server's account; its role is "CSE Admin Role".
    pub provider_user: String,
    /// API token of a system administrator.
    pub administrator_token: String,
}

impl fmt::Debug for SiteAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteAccess")
            .field("provider_user", &self.provider_user)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Sets the site up as the CSE 4.2 guide does: accounts, roles, bundle, interfaces, behavior,
    /// entity types in every version a server may meet, and sizing policies.
    pub fn seed_site(&mut self) -> SiteAccess {
        self.seed_types();
        self.seed_roles();
        self.seed_network_site();
        let rights = right::ADMINISTRATIVE.iter();
        let rights = rights.map(|right| (*right).to_owned());
        self.directory.rights.extend(rights);
        for (name, cpus, memory_mib) in POLICIES {
            let uuid = new_uuid(&mut self.rng).to_string();
            let name = name.to_owned();
            self.infra.policies.insert(
                uuid.clone(),
                Policy {
                    uuid,
                    name,
                    cpus,
                    memory_mib,
                    vdcs: None,
                    more: serde_json::Map::new(),
                },
            );
        }
        let provider_token = self.new_token();
        self.add_user(NewUser {
            org: SYSTEM,
            name: SERVICE_USER,
            role: ADMIN_ROLE,
            rights: &ADMIN,
            api_token: Some(&provider_token),
            ..NewUser::default()
        });
        let administrator_token = self.seed_administrator();
        SiteAccess {
            provider_token,
            provider_user: SERVICE_USER.to_owned(),
            administrator_token,
        }
    }

    /// A fresh API token.
    pub(super) fn new_token(&mut self) -> String {
        std::iter::repeat_with(|| self.rng.alphanumeric())
            .take(TOKEN_CHARS)
            .collect()
    }

    /// A system administrator: holds every right that is known.
    fn seed_administrator(&mut self) -> String {
        let mut rights: BTreeSet<String> = self.directory.rights.clone();
        for set in self.directory.right_sets.values() {
            rights.extend(set.rights.iter().cloned());
        }
        rights.insert("General: Administrator Control".to_owned());
        let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
        let token = self.new_token();
        self.add_user(NewUser {
            org: SYSTEM,
            name: ADMINISTRATOR,
            role: "System Administrator",
            rights: &rights,
            api_token: Some(&token),
            ..NewUser::default()
        });
        token
    }

    fn seed_types(&mut self) {
        let config =
            self.registry
                .put_interface(("vmware", "VCDKEConfig", "1.0.0"), "VCDKEConfig", false);
        let cse = self
            .registry
            .put_interface(("cse", "capvcd", "1.0.0"), "cseInterface", false);
        let noop = json!({"type": "noop", "id": "getFullEntity"});
        let full = self
            .registry
            .put_behavior(&cse, "getFullEntity", noop)
            .unwrap_or_default();
        for version in ["1.0.0", "1.1.0"] {
            let urn = self.seed_type(TypeDefinition {
                nss: "VCDKEConfig".to_owned(),
                version: version.to_owned(),
                name: "VCD-KE RDE Schema".to_owned(),
                schema: schema_config::schema(version),
                interfaces: vec![config.clone()],
                ..TypeDefinition::default()
            });
            self.share_type(&urn);
        }
        for version in ["1.1.0", "1.2.0", "1.3.0"] {
            let mut interfaces = vec![Registry::kubernetes()];
            // Type 1.1.0 comes from CSE 4.0, which has no behavior.
            interfaces.extend((version != "1.1.0").then(|| cse.clone()));
            let urn = self.seed_type(TypeDefinition {
                nss: "capvcdCluster".to_owned(),
                version: version.to_owned(),
                name: "CAPVCD Cluster".to_owned(),
                schema: schema_cluster::schema(version),
                interfaces,
                ..TypeDefinition::default()
            });
            if version != "1.1.0" {
                self.registry
                    .require_level(&urn, &full, &Level::FullControl.urn());
            }
        }
    }

    fn seed_type(&mut self, definition: TypeDefinition) -> String {
        let definition = TypeDefinition {
            vendor: "vmware".to_owned(),
            ..definition
        };
        let prefix = format!("vmware:{}", definition.nss);
        rights::add_type(&mut self.directory, &prefix);
        let registered = self.registry.put_type(definition);
        debug_assert!(registered.is_ok(), "the seeded schemas compile");
        registered.unwrap_or_default()
    }

    /// Lets everybody with the View right read the entities of a type, tenants included.
    fn share_type(&mut self, urn: &str) {
        let id = format!("urn:vcloud:accessControl:{}", new_uuid(&mut self.rng));
        let system = self.directory.org_by_name(SYSTEM).map(|org| org.id.clone());
        let grant = Grant {
            id: id.clone(),
            grantee: Grantee::Right("vmware:VCDKEConfig: View".to_owned()),
            level: Level::ReadOnly,
            tenant_id: system.unwrap_or_default(),
        };
        if let Some(registered) = self.registry.types.get_mut(urn) {
            registered.grants.insert(id, grant);
        }
    }

    fn seed_roles(&mut self) {
        let system = self.directory.org_by_name(SYSTEM).map(|org| org.id.clone());
        let system = system.unwrap_or_default();
        let set = |kind, id: String, name: &str, rights: &[&str]| RightSet {
            kind,
            id,
            name: name.to_owned(),
            description: String::new(),
            org_id: None,
            rights: rights.iter().map(|right| (*right).to_owned()).collect(),
            tenants: BTreeSet::new(),
            published_to_all: kind != Kind::Role,
        };
        let admin = RightSet {
            org_id: Some(system.clone()),
            description: "Used for administrative purposes".to_owned(),
            ..set(Kind::Role, role_id(&system, ADMIN_ROLE), ADMIN_ROLE, &ADMIN)
        };
        let author = derived_urn("globalRole", AUTHOR_ROLE);
        let bundle = derived_urn("rightsBundle", BUNDLE_NAME);
        let sets = [
            admin,
            set(Kind::GlobalRole, author, AUTHOR_ROLE, &AUTHOR),
            set(Kind::Bundle, bundle, BUNDLE_NAME, &BUNDLE),
        ];
        let by_id: BTreeMap<String, RightSet> =
            sets.into_iter().map(|set| (set.id.clone(), set)).collect();
        for set in by_id.values() {
            self.directory.rights.extend(set.rights.iter().cloned());
        }
        self.directory.right_sets.extend(by_id);
    }
}
