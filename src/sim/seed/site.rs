//! The provider's side: accounts, roles, interfaces, types and sizing policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::json;

use super::TOKEN_CHARS;
use crate::setup::objects::{
    ENTITY_TYPES, FULL_ENTITY, INTERFACES, RightSet as Shipped, SERVICE_ROLE, Site,
};
use crate::sim::access::{Grant, Grantee, Level};
use crate::sim::context::new_uuid;
use crate::sim::control::NewUser;
use crate::sim::directory::{SYSTEM, derived_urn, role_id};
use crate::sim::infra::access::right::CATALOG_CHANGES;
use crate::sim::infra::site::Policy;
use crate::sim::registry::TypeDefinition;
use crate::sim::rights::{self, Kind, RightSet};
use crate::sim::world::World;
use crate::vcd::right_sets::RightSetKind;

/// Name of the server's account.
pub(crate) const SERVICE_USER: &str = "cse-service";
/// Name of the account that set everything up.
pub(crate) const ADMINISTRATOR: &str = "administrator";

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
        for policy in Site::shipped().sizing_policies {
            let uuid = new_uuid(&mut self.rng).to_string();
            self.infra.policies.insert(
                uuid.clone(),
                Policy {
                    uuid,
                    name: policy.name,
                    cpus: policy.cpus,
                    memory_mib: policy.memory_mib,
                    vdcs: None,
                    more: serde_json::Map::new(),
                },
            );
        }
        let provider_token = self.new_token();
        self.add_user(NewUser {
            org: SYSTEM,
            name: SERVICE_USER,
            role: SERVICE_ROLE,
            rights: &Site::shipped().rights(SERVICE_ROLE),
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

    /// A site as VCD is installed, on which nothing is set up for Kubernetes yet; returns the API token of
    /// its system administrator.
    pub fn seed_bare_site(&mut self) -> String {
        let sets = Site::shipped().right_sets.into_iter();
        let rights = sets.flat_map(|set| set.rights);
        // The others come with the entity types.
        let own = ["vmware:VCDKEConfig: ", "vmware:capvcdCluster: "];
        let built_in = rights.filter(|right| !own.iter().any(|type_of| right.starts_with(type_of)));
        self.directory.rights.extend(built_in);
        self.directory
            .rights
            .extend(CATALOG_CHANGES.map(str::to_owned));
        self.seed_network_site();
        self.seed_administrator()
    }

    /// Makes rights unknown, as on a VCD that is older than they are. Nobody must hold them.
    pub fn forget_rights(&mut self, rights: &[&str]) {
        self.directory
            .rights
            .retain(|right| !rights.contains(&right.as_str()));
        for user in self.directory.users.values_mut() {
            let held = std::sync::Arc::make_mut(&mut user.rights);
            held.retain(|right| !rights.contains(&right.as_str()));
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
        for interface in INTERFACES {
            let urn = self
                .registry
                .put_interface(interface.identity, interface.name, false);
            if FULL_ENTITY.ends_with(urn.trim_start_matches("urn:vcloud:interface:")) {
                let noop = json!({"type": "noop", "id": "getFullEntity"});
                self.registry.put_behavior(&urn, "getFullEntity", noop);
            }
        }
        for shipped in ENTITY_TYPES {
            let (nss, version) = shipped.identity;
            let interfaces = shipped.interfaces.iter();
            let urn = self.seed_type(TypeDefinition {
                nss: nss.to_owned(),
                version: version.to_owned(),
                name: shipped.name.to_owned(),
                schema: shipped.schema(),
                interfaces: interfaces.map(|urn| (*urn).to_owned()).collect(),
                ..TypeDefinition::default()
            });
            if shipped.is_public {
                self.share_type(&urn);
            }
            if shipped.shows_all {
                let level = Level::FullControl.urn();
                self.registry.require_level(&urn, FULL_ENTITY, &level);
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
        let set = |shipped: Shipped| {
            let (kind, id) = match shipped.kind {
                RightSetKind::Role => (Kind::Role, role_id(&system, &shipped.name)),
                RightSetKind::GlobalRole => {
                    (Kind::GlobalRole, derived_urn("globalRole", &shipped.name))
                }
                RightSetKind::RightsBundle => {
                    (Kind::Bundle, derived_urn("rightsBundle", &shipped.name))
                }
            };
            RightSet {
                kind,
                id,
                org_id: (kind == Kind::Role).then(|| system.clone()),
                description: if kind == Kind::Role {
                    shipped.description
                } else {
                    String::new()
                },
                name: shipped.name,
                rights: shipped.rights.into_iter().collect(),
                tenants: BTreeSet::new(),
                published_to_all: kind != Kind::Role,
            }
        };
        let sets = Site::shipped().right_sets.into_iter().map(set);
        let by_id: BTreeMap<String, RightSet> = sets.map(|set| (set.id.clone(), set)).collect();
        for set in by_id.values() {
            self.directory.rights.extend(set.rights.iter().cloned());
        }
        let catalogs = CATALOG_CHANGES.map(str::to_owned);
        self.directory.rights.extend(catalogs);
        self.directory.right_sets.extend(by_id);
    }
}
