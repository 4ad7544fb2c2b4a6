//! Changing the shared configuration, or any entity: read, change what is meant, write under the tag of the read.
//!
//! Flow: [`change`] reads, plans and writes, and does so again after a lost race, unless somebody changed the
//! very same keys; [`replace`] writes one time what was decided on an earlier read.
//!
//! Invariants:
//! - Every write is conditional; a lost race is never answered with the old document under a new tag.
//! - After a lost answer the entity is read before anything is written again.
//!
//! Not here: what a valid configuration is (`domain::server_config`), output (`cli::config`).

use serde_json::{Map, Value};

use crate::domain::error_class::ErrorClass;
use crate::domain::ids::EntityId;
use crate::domain::tree::{self, Change, TreePath};
use crate::domain::versioned::Versioned;
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// Most times that a lost race is run again.
const MOST_RACES: u32 = 5;

/// Content of an entity.
type Content = Map<String, Value>;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The change is not wanted on this document; sentences for the operator.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// Somebody else wrote in between what is to be changed, or so often that it is no use.
    #[error("somebody else changed the entity meanwhile (VCD does not tell who): {}", paths(.0))]
    Meanwhile(Vec<Change>),
    /// A call failed.
    #[error("the entity is as it was")]
    Vcd(#[source] VcdError),
    /// Whether it was written cannot be found out.
    #[error("whether the entity was written is not known ({reason})")]
    Unknown {
        /// Why not.
        reason: String,
        /// What the look afterwards failed with.
        #[source]
        cause: VcdError,
    },
}

fn paths(changes: &[Change]) -> String {
    let listed: Vec<String> = changes
        .iter()
        .take(8)
        .map(|one| one.path.to_string())
        .collect();
    let more = changes.len().saturating_sub(listed.len());
    let and = if more > 0 {
        format!(" and {more} more places")
    } else {
        String::new()
    };
    format!("{}{and}", listed.join(", "))
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The content as it was read for the write.
    pub before: Content,
    /// The content as it is now.
    pub after: Content,
    /// What others wrote while this was under way.
    pub meanwhile: Vec<Change>,
}

impl Changed {
    /// What is different now.
    pub fn changes(&self) -> Vec<Change> {
        differences(&self.before, &self.after)
    }
}

/// What differs between two contents.
pub fn differences(old: &Content, new: &Content) -> Vec<Change> {
    tree::changes(&Value::Object(old.clone()), &Value::Object(new.clone()))
}

/// What is to become of an entity.
pub struct Plan<'a> {
    /// The new content for the one that was read.
    pub make: &'a dyn Fn(&Content) -> Result<Content, Vec<String>>,
    /// The places it means to change; nobody else may have changed them meanwhile.
    pub places: &'a dyn Fn(&Content) -> Vec<TreePath>,
}

/// Changes an entity; an unchanged content is not written.
///
/// Repeat: safe. Cancel: may leave it written.
///
/// # Errors
/// [`ChangeError`]: nothing was changed, but for [`ChangeError::Unknown`].
pub async fn change<T: Transport>(
    client: &VcdClient<T>,
    id: &EntityId,
    plan: &Plan<'_>,
) -> Result<Changed, ChangeError> {
    let mut first: Option<Content> = None;
    let mut tried: Option<(Content, String)> = None;
    let mut meanwhile = Vec::new();
    for _ in 0..MOST_RACES {
        let read = look(client, id, tried.as_ref()).await?;
        let Versioned {
            value: mut document,
            etag,
        } = read;
        let before = document.entity.clone();
        let first = first.get_or_insert_with(|| before.clone());
        if let Some((wanted, _)) = &tried
            && *wanted == before
        {
            return Ok(Changed {
                before: first.clone(),
                after: before,
                meanwhile,
            });
        }
        meanwhile = differences(first, &before);
        let places = (plan.places)(first);
        if meanwhile
            .iter()
            .any(|one| places.iter().any(|place| one.path.touches(place)))
        {
            return Err(ChangeError::Meanwhile(meanwhile));
        }
        let wanted = (plan.make)(&before).map_err(ChangeError::Refused)?;
        if wanted == before {
            return Ok(Changed {
                after: wanted,
                before,
                meanwhile,
            });
        }
        document.entity.clone_from(&wanted);
        match client.replace_entity(&document, etag).await {
            Ok(_) => {
                return Ok(Changed {
                    before,
                    after: wanted,
                    meanwhile,
                });
            }
            Err(error) if error.class() == ErrorClass::Conflict => {}
            Err(error) if error.class() == ErrorClass::OutcomeUnknown => {
                tried = Some((wanted, chain(&error).to_string()));
            }
            Err(error) => return Err(ChangeError::Vcd(error)),
        }
    }
    Err(ChangeError::Meanwhile(meanwhile))
}

async fn look<T: Transport>(
    client: &VcdClient<T>,
    id: &EntityId,
    tried: Option<&(Content, String)>,
) -> Result<Versioned<EntityDocument>, ChangeError> {
    client.get_entity(id).await.map_err(|cause| match tried {
        Some((_, reason)) => ChangeError::Unknown {
            reason: reason.clone(),
            cause,
        },
        None => ChangeError::Vcd(cause),
    })
}

/// Writes `wanted` in place of what was read, provided nobody has written since.
///
/// Repeat: safe after a read. Cancel: may leave it written.
///
/// # Errors
/// [`ChangeError`]: nothing was changed, but for [`ChangeError::Unknown`].
pub async fn replace<T: Transport>(
    client: &VcdClient<T>,
    read: Versioned<EntityDocument>,
    wanted: Content,
) -> Result<Changed, ChangeError> {
    let Versioned {
        value: mut document,
        etag,
    } = read;
    let before = document.entity.clone();
    document.entity.clone_from(&wanted);
    let Err(error) = client.replace_entity(&document, etag).await else {
        return Ok(Changed {
            before,
            after: wanted,
            meanwhile: Vec::new(),
        });
    };
    let reason = chain(&error).to_string();
    match error.class() {
        ErrorClass::Conflict | ErrorClass::OutcomeUnknown => {
            let tried = Some((wanted, reason));
            let now = look(client, &document.id, tried.as_ref())
                .await?
                .value
                .entity;
            match tried {
                Some((wanted, _)) if wanted == now => Ok(Changed {
                    before,
                    after: now,
                    meanwhile: Vec::new(),
                }),
                // The request was lost on its way.
                _ if now == before => Err(ChangeError::Vcd(error)),
                _ => Err(ChangeError::Meanwhile(differences(&before, &now))),
            }
        }
        ErrorClass::Transient
        | ErrorClass::Throttled { .. }
        | ErrorClass::Unauthenticated
        | ErrorClass::Terminal => Err(ChangeError::Vcd(error)),
    }
}
