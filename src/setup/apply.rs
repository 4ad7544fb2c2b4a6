//! Carrying one step of a plan out.
//!
//! Flow: a [`Step`] in; one change of the site, after the reads that it needs.
//!
//! Invariants:
//! - Ids are looked up by name at the moment of use: an earlier step may have made the thing.
//! - Nothing is repeated here: after a failure the next run looks at the site and plans again.

use std::collections::BTreeSet;

use serde_json::json;

use super::objects::{CONFIG_TYPE, CONFIG_VIEW, CSE, ENTITY_TYPES, FULL_ENTITY, INTERFACES, Site};
use super::plan::{Audience, Step};
use super::read::{self, CONFIG_NAME};
use crate::domain::ids::EntityId;
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
    let failed = |cause: VcdError| StepError::Vcd {
        doing: doing.clone(),
        cause,
    };
    match step {
        Step::RegisterInterface(urn) => register_interface(client, urn).await.map_err(failed),
        Step::AddBehavior => {
            let execution = json!({"type": "noop", "id": "getFullEntity"});
            let body = json!({"name": "getFullEntity", "execution": execution});
            client.create_behavior(CSE, &body).await.map_err(failed)
        }
        Step::RegisterType(urn) => register_type(client, urn).await.map_err(failed),
        Step::ProtectBehavior(urn) => protect(client, urn).await.map_err(failed),
        Step::ShareType(urn) => {
            let rights = client.rights().await.map_err(failed)?;
            let right = rights.get(CONFIG_VIEW);
            let right = right.ok_or_else(|| gone("right", CONFIG_VIEW))?;
            share(client, urn, right).await.map_err(failed)
        }
        Step::CreateSet(kind, name, description) => {
            let created = client.create_right_set(kind, &name, &description);
            created.await.map_err(failed)
        }
        Step::AddRights(kind, name, rights) => {
            let set = client.right_set(kind, &name).await.map_err(failed)?;
            let set = set.ok_or_else(|| gone(kind.name(), &name))?;
            let known = client.rights().await.map_err(failed)?;
            let named = rights.into_iter().map(|right| match known.get(&right) {
                Some(id) => Ok(IdName {
                    id: id.clone(),
                    name: right,
                }),
                None => Err(gone("right", &right)),
            });
            let named: Vec<IdName> = named.collect::<Result<_, _>>()?;
            let added = client.add_rights(kind, &set.id, &named);
            added.await.map_err(failed)
        }
        Step::Publish(kind, name, audience) => {
            let set = client.right_set(kind, &name).await.map_err(failed)?;
            let set = set.ok_or_else(|| gone(kind.name(), &name))?;
            publish(client, (kind, &set.id), audience)
                .await
                .map_err(failed)
        }
        Step::CreatePolicy(name) => {
            let policy = policy(site, &name).ok_or_else(|| gone("sizing policy", &name))?;
            client.create_sizing_policy(&policy).await.map_err(failed)
        }
        Step::CreateConfig(content) => {
            let created = client.create_entity(CONFIG_TYPE, CONFIG_NAME, &content);
            created.await.map_err(failed)?;
            let found = read::current_config(client).await.map_err(failed)?;
            let found = found.ok_or_else(|| gone("entity", CONFIG_NAME))?;
            resolve(client, &found, failed).await
        }
        Step::ResolveConfig(id) => resolve(client, &id, failed).await,
        Step::ReplaceConfig(id, seen, content) => {
            let read = client.get_entity(&id).await.map_err(failed)?;
            let mut document = read.value;
            document.entity = content;
            // The tag of the read that the plan was made on: whoever wrote since then is not overwritten.
            let replaced = client.replace_entity(&document, seen).await;
            replaced.map(drop).map_err(failed)
        }
    }
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

async fn share<T: Transport>(
    client: &VcdClient<T>,
    urn: &str,
    right: &str,
) -> Result<(), VcdError> {
    let grants = client.type_grants(urn).await?;
    if grants
        .iter()
        .any(|grant| grant.right_id.as_deref() == Some(right))
    {
        return Ok(());
    }
    client.grant_reading(urn, right).await
}

async fn publish<T: Transport>(
    client: &VcdClient<T>,
    (kind, id): (RightSetKind, &str),
    audience: Audience,
) -> Result<(), VcdError> {
    let Audience::Orgs(names) = audience else {
        return client.publish_to_all(kind, id).await;
    };
    let orgs = references(client, &names).await?;
    client.publish_to(kind, id, &orgs).await
}

async fn references<T: Transport>(
    client: &VcdClient<T>,
    names: &BTreeSet<String>,
) -> Result<Vec<IdName>, VcdError> {
    let orgs = client.orgs().await?.into_iter();
    let named = orgs.filter(|org| names.contains(&org.name));
    Ok(named
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

async fn resolve<T: Transport>(
    client: &VcdClient<T>,
    id: &EntityId,
    failed: impl Fn(VcdError) -> StepError,
) -> Result<(), StepError> {
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
