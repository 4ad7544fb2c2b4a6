//! Carrying one step of a plan out.
//!
//! Flow: a [`Step`] in; one change of the site, after the reads that it needs.
//!
//! Invariants:
//! - Ids are looked up by name at the moment of use: an earlier step may have made the thing.
//! - Nothing is repeated here: after a failure the next run looks at the site and plans again.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::objects::{CONFIG_TYPE, CONFIG_VIEW, CSE, ENTITY_TYPES, FULL_ENTITY, INTERFACES, Site};
use super::plan::{Audience, Step};
use super::read;
use crate::controller::settings::CONFIG_NAME;
use crate::domain::ids::EntityId;
use crate::domain::versioned::ETag;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::IdName;
use crate::vcd::registry::{BehaviorLevel, FULL_CONTROL, SizingPolicy};
use crate::vcd::right_sets::RightSetKind;
use crate::vcd::transport::Transport;

/// Why a step was not done, or not surely.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// VCD refused, or could not be asked.
    #[error("{doing}")]
    Vcd {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        cause: VcdError,
    },
    /// Something that an earlier step made is not there.
    #[error("{0} is not there any more; somebody else changes the site at this moment")]
    Gone(String),
    /// VCD does not accept the configuration.
    #[error("VCD does not accept the server configuration ({id}): {why}")]
    Unresolved {
        /// The entity.
        id: EntityId,
        /// What VCD says.
        why: String,
    },
}

impl StepError {
    fn of(step: &Step, cause: VcdError) -> Self {
        Self::Vcd {
            doing: step.describe(),
            cause,
        }
    }
}

impl Step {
    /// What it does, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::RegisterInterface(urn) => format!("register interface {urn}"),
            Self::AddBehavior => format!("add behavior {FULL_ENTITY}"),
            Self::RegisterType(urn) => format!("register entity type {urn}"),
            Self::ProtectBehavior(urn) => format!("demand full control for getFullEntity on {urn}"),
            Self::ShareType(urn) => format!("let holders of {CONFIG_VIEW:?} read {urn}"),
            Self::CreateSet(kind, name, _) => format!("create {} {name:?}", kind.name()),
            Self::AddRights(kind, name, rights) => {
                format!("add {} rights to {} {name:?}", rights.len(), kind.name())
            }
            Self::Publish(kind, name, Audience::All) => {
                format!("publish {} {name:?} to all organizations", kind.name())
            }
            Self::Publish(kind, name, Audience::Orgs(orgs)) => {
                format!(
                    "publish {} {name:?} to {} organizations",
                    kind.name(),
                    orgs.len()
                )
            }
            Self::CreatePolicy(name) => format!("create sizing policy {name:?}"),
            Self::CreateConfig(_) => format!("create entity {CONFIG_NAME:?}"),
            Self::ResolveConfig(_) => format!("resolve entity {CONFIG_NAME:?}"),
            Self::ReplaceConfig(..) => format!("change entity {CONFIG_NAME:?}"),
        }
    }
}

/// Carries a step out.
///
/// Repeat: never; plan again. Cancel: may leave it done.
///
/// # Errors
/// [`StepError`]; the site may have changed all the same.
pub async fn apply<T: Transport>(
    client: &VcdClient<T>,
    site: &Site,
    step: Step,
) -> Result<(), StepError> {
    let doing = step.describe();
    let failed = |cause: VcdError| StepError::Vcd { doing, cause };
    let done = match step {
        Step::RegisterInterface(urn) => register_interface(client, urn).await,
        Step::AddBehavior => {
            let execution = json!({"type": "noop", "id": "getFullEntity"});
            let body = json!({"name": "getFullEntity", "execution": execution});
            client.create_behavior(CSE, &body).await
        }
        Step::RegisterType(urn) => register_type(client, urn).await,
        Step::ProtectBehavior(urn) => protect(client, urn).await,
        Step::ShareType(urn) => return share(client, urn).await,
        Step::CreateSet(kind, name, description) => {
            client.create_right_set(kind, &name, &description).await
        }
        Step::AddRights(kind, name, rights) => {
            return add_rights(client, (kind, &name), rights).await;
        }
        Step::Publish(kind, name, audience) => {
            return publish(client, (kind, &name), audience).await;
        }
        Step::CreatePolicy(name) => match policy(site, &name) {
            Some(policy) => client.create_sizing_policy(&policy).await,
            None => return Err(gone("sizing policy", &name)),
        },
        Step::CreateConfig(content) => return create_config(client, &content).await,
        Step::ResolveConfig(id) => return resolve(client, &id).await,
        Step::ReplaceConfig(id, seen, content) => replace(client, (&id, seen), content).await,
    };
    done.map_err(failed)
}

fn gone(kind: &str, name: &str) -> StepError {
    StepError::Gone(format!("{kind} {name:?}"))
}

async fn register_interface<T: Transport>(
    client: &VcdClient<T>,
    urn: &str,
) -> Result<(), VcdError> {
    for interface in INTERFACES.iter().filter(|one| one.urn == urn) {
        let (vendor, nss, version) = interface.identity;
        let body =
            json!({"name": interface.name, "vendor": vendor, "nss": nss, "version": version});
        client.create_interface(&body).await?;
    }
    Ok(())
}

async fn register_type<T: Transport>(client: &VcdClient<T>, urn: &str) -> Result<(), VcdError> {
    for wanted in ENTITY_TYPES.iter().filter(|one| one.urn == urn) {
        client.create_entity_type(&wanted.document()).await?;
    }
    Ok(())
}

/// A new version takes over the access of the one before it, so that it may be there already.
async fn protect<T: Transport>(client: &VcdClient<T>, urn: &str) -> Result<(), VcdError> {
    let levels = client.behavior_levels(urn).await?;
    if levels.iter().any(|level| level.behavior_id == FULL_ENTITY) {
        return Ok(());
    }
    let level = BehaviorLevel {
        behavior_id: FULL_ENTITY.to_owned(),
        access_level_id: FULL_CONTROL.to_owned(),
    };
    client.add_behavior_level(urn, &level).await
}

async fn share<T: Transport>(client: &VcdClient<T>, urn: &'static str) -> Result<(), StepError> {
    let failed = |cause: VcdError| StepError::of(&Step::ShareType(urn), cause);
    let rights = client.rights().await.map_err(failed)?;
    let right = rights.get(CONFIG_VIEW);
    let right = right.ok_or_else(|| gone("right", CONFIG_VIEW))?;
    let grants = client.type_grants(urn).await.map_err(failed)?;
    if grants
        .iter()
        .any(|grant| grant.right_id.as_ref() == Some(right))
    {
        return Ok(());
    }
    client.grant_reading(urn, right).await.map_err(failed)
}

async fn add_rights<T: Transport>(
    client: &VcdClient<T>,
    (kind, name): (RightSetKind, &str),
    rights: Vec<String>,
) -> Result<(), StepError> {
    let step = Step::AddRights(kind, name.to_owned(), rights.clone());
    let failed = |cause: VcdError| StepError::of(&step, cause);
    let set = client.right_set(kind, name).await.map_err(failed)?;
    let set = set.ok_or_else(|| gone(kind.name(), name))?;
    let known = client.rights().await.map_err(failed)?;
    let references = rights.into_iter().map(|name| match known.get(&name) {
        Some(id) => Ok(IdName {
            id: id.clone(),
            name,
        }),
        None => Err(gone("right", &name)),
    });
    let references: Vec<IdName> = references.collect::<Result<_, _>>()?;
    let added = client.add_rights(kind, &set.id, &references);
    added.await.map_err(failed)
}

async fn publish<T: Transport>(
    client: &VcdClient<T>,
    (kind, name): (RightSetKind, &str),
    audience: Audience,
) -> Result<(), StepError> {
    let step = Step::Publish(kind, name.to_owned(), audience.clone());
    let failed = |cause: VcdError| StepError::of(&step, cause);
    let set = client.right_set(kind, name).await.map_err(failed)?;
    let set = set.ok_or_else(|| gone(kind.name(), name))?;
    let Audience::Orgs(names) = audience else {
        return client.publish_to_all(kind, &set.id).await.map_err(failed);
    };
    let orgs = references(client, &names).await.map_err(failed)?;
    client
        .publish_to(kind, &set.id, &orgs)
        .await
        .map_err(failed)
}

async fn references<T: Transport>(
    client: &VcdClient<T>,
    names: &BTreeSet<String>,
) -> Result<Vec<IdName>, VcdError> {
    let orgs = client.orgs().await?.into_iter();
    let meant = orgs.filter(|org| names.contains(&org.name));
    Ok(meant
        .map(|org| IdName {
            id: org.id.to_string(),
            name: org.name,
        })
        .collect())
}

fn policy(site: &Site, name: &str) -> Option<SizingPolicy> {
    let mut policies = site.sizing_policies.iter();
    let found = policies.find(|policy| policy.name == name)?;
    Some(SizingPolicy {
        name: found.name.clone(),
        cpu_count: Some(found.cpus),
        memory: Some(found.memory_mib),
    })
}

async fn create_config<T: Transport>(
    client: &VcdClient<T>,
    content: &Map<String, Value>,
) -> Result<(), StepError> {
    let failed = |cause: VcdError| StepError::of(&Step::CreateConfig(Map::new()), cause);
    let created = client.post_entity(CONFIG_TYPE, CONFIG_NAME, content);
    created.await.map_err(failed)?;
    let found = read::current_config(client).await.map_err(failed)?;
    let found = found.ok_or_else(|| gone("entity", CONFIG_NAME))?;
    resolve(client, &found).await
}

/// Under the tag of the read that the plan was made on: whoever wrote since then is not overwritten.
async fn replace<T: Transport>(
    client: &VcdClient<T>,
    (id, seen): (&EntityId, ETag),
    content: Map<String, Value>,
) -> Result<(), VcdError> {
    let mut document = client.get_entity(id).await?.value;
    document.entity = content;
    client.replace_entity(&document, seen).await.map(drop)
}

async fn resolve<T: Transport>(client: &VcdClient<T>, id: &EntityId) -> Result<(), StepError> {
    let failed = |cause: VcdError| StepError::of(&Step::ResolveConfig(id.clone()), cause);
    let resolved = client.resolve_entity(id).await.map_err(failed)?.value;
    if resolved.state == "RESOLVED" {
        return Ok(());
    }
    let why = resolved.message.unwrap_or(resolved.state);
    Err(StepError::Unresolved {
        id: resolved.id,
        why,
    })
}
