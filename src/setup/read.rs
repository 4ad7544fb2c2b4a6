//! What a site has of what CSE needs; reads only.
//!
//! Flow: a login of a system administrator in, [`SiteSeen`] out.
//!
//! Not here: what is missing (`setup::plan`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::objects::{CONFIG_TYPE, CONFIG_VIEW, CSE, ENTITY_TYPES, Site};
use crate::controller::settings::{CONFIG_NAME, config_query};
use crate::domain::ids::EntityId;
use crate::domain::versioned::ETag;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::registry::EntityType;
use crate::vcd::right_sets::RightSetKind;
use crate::vcd::transport::Transport;

/// What is there.
#[derive(Debug, Default, PartialEq)]
pub struct SiteSeen {
    /// URNs of interfaces.
    pub interfaces: BTreeSet<String>,
    /// URNs of the behaviors of the interface [`CSE`].
    pub behaviors: BTreeSet<String>,
    /// Types of the vendor `vmware` by URN.
    pub types: BTreeMap<String, TypeSeen>,
    /// Names of rights.
    pub rights: BTreeSet<String>,
    /// Roles, global roles and bundles among those that are wanted, by name.
    pub sets: BTreeMap<String, SetSeen>,
    /// CPUs and memory (MiB) of compute policies by name.
    pub policies: BTreeMap<String, (Option<u32>, Option<u32>)>,
    /// The configuration entities, the newest type first.
    pub configs: Vec<ConfigSeen>,
}

/// An entity type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeSeen {
    /// URNs of its interfaces.
    pub interfaces: BTreeSet<String>,
    /// URN of behavior to URN of the access level that it demands.
    pub levels: BTreeMap<String, String>,
    /// Whether everybody with [`CONFIG_VIEW`] may read its entities.
    pub is_shared: bool,
}

/// A role, global role or bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetSeen {
    /// Names of its rights.
    pub rights: BTreeSet<String>,
    /// Whether all organizations have it.
    pub is_published_to_all: bool,
    /// Names of the organizations it is published to one by one.
    pub orgs: BTreeSet<String>,
}

/// A configuration entity.
#[derive(Debug, PartialEq)]
pub struct ConfigSeen {
    /// Its id.
    pub id: EntityId,
    /// URN of its type.
    pub entity_type: String,
    /// Its state, such as `RESOLVED`.
    pub state: String,
    /// Its content.
    pub content: Map<String, Value>,
    /// The tag of this read.
    pub etag: ETag,
}

/// Reads what `site` is about.
///
/// Repeat: safe. Cancel: safe.
///
/// # Errors
/// See [`VcdError::class`].
pub async fn read<T: Transport>(client: &VcdClient<T>, site: &Site) -> Result<SiteSeen, VcdError> {
    let interfaces: BTreeSet<String> = client.interfaces().await?.into_iter().collect();
    let mut behaviors = BTreeSet::new();
    if interfaces.contains(CSE) {
        let found = client.behaviors(CSE).await?;
        behaviors.extend(found.into_iter().map(|behavior| behavior.id));
    }
    let rights = client.rights().await?;
    let types = types(client, rights.get(CONFIG_VIEW)).await?;
    let policies = client.sizing_policies().await?.into_iter();
    Ok(SiteSeen {
        behaviors,
        types,
        sets: sets(client, site).await?,
        policies: policies
            .map(|policy| (policy.name, (policy.cpu_count, policy.memory)))
            .collect(),
        // Before the types are registered nobody can ask for their entities.
        configs: configs(client).await?,
        interfaces,
        rights: rights.into_keys().collect(),
    })
}

async fn types<T: Transport>(
    client: &VcdClient<T>,
    view: Option<&String>,
) -> Result<BTreeMap<String, TypeSeen>, VcdError> {
    let mut types = BTreeMap::new();
    for EntityType { id, interfaces } in client.entity_types("vmware").await? {
        let wanted = ENTITY_TYPES.iter().find(|wanted| wanted.urn == id);
        let mut seen = TypeSeen {
            interfaces: interfaces.unwrap_or_default().into_iter().collect(),
            ..TypeSeen::default()
        };
        if wanted.is_some_and(|wanted| wanted.shows_all) {
            let levels = client.behavior_levels(&id).await?.into_iter();
            seen.levels = levels
                .map(|level| (level.behavior_id, level.access_level_id))
                .collect();
        }
        if wanted.is_some_and(|wanted| wanted.is_public) {
            let grants = client.type_grants(&id).await?;
            let for_readers = |right: &String| Some(right) == view;
            let mut rights = grants.iter().filter_map(|grant| grant.right_id.as_ref());
            seen.is_shared = rights.any(for_readers);
        }
        types.insert(id, seen);
    }
    Ok(types)
}

async fn sets<T: Transport>(
    client: &VcdClient<T>,
    site: &Site,
) -> Result<BTreeMap<String, SetSeen>, VcdError> {
    let mut sets = BTreeMap::new();
    for wanted in &site.right_sets {
        let (kind, name): (RightSetKind, _) = (wanted.kind, &wanted.name);
        let Some(found) = client.right_set(kind, name).await? else {
            continue;
        };
        let mut orgs = BTreeSet::new();
        let is_published_to_all = found.publish_all == Some(true);
        if kind.is_published() && !is_published_to_all {
            orgs = client.published_to(kind, &found.id).await?;
        }
        let seen = SetSeen {
            rights: client.rights_in(kind, &found.id).await?,
            is_published_to_all,
            orgs,
        };
        sets.insert(name.clone(), seen);
    }
    Ok(sets)
}

async fn configs<T: Transport>(client: &VcdClient<T>) -> Result<Vec<ConfigSeen>, VcdError> {
    let mut configs = Vec::new();
    for id in listed(client).await?.into_iter().map(|one| one.id) {
        // A list has no tags.
        let read = client.get_entity(&id).await?;
        configs.push(ConfigSeen {
            id: read.value.id,
            entity_type: read.value.entity_type,
            state: read.value.state,
            content: read.value.entity,
            etag: read.etag,
        });
    }
    Ok(configs)
}

/// Id of the configuration entity of the type that is written, if there is one.
pub(super) async fn current_config<T: Transport>(
    client: &VcdClient<T>,
) -> Result<Option<EntityId>, VcdError> {
    let mut found = listed(client).await?.into_iter();
    let current = found.find(|one| one.entity_type == CONFIG_TYPE);
    Ok(current.map(|one| one.id))
}

/// The configuration entities, the newest type first.
async fn listed<T: Transport>(client: &VcdClient<T>) -> Result<Vec<EntityDocument>, VcdError> {
    let mut found = match client.entities(&config_query()).await {
        // There is no such type yet.
        Err(VcdError::NotVisible { .. }) => Vec::new(),
        found => found?,
    };
    found.retain(|one| one.name == CONFIG_NAME);
    found.sort_by(|a, b| b.entity_type.cmp(&a.entity_type));
    Ok(found)
}
