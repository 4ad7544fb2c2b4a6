//! Putting a backup back: look at what is there, plan, and write one entity after the other.
//!
//! Invariants:
//! - Every write is planned again on the document it replaces; running it again goes on where it stopped.
//! - The configuration is made anew only while there is none, and found by its name after an unclear answer.
//! - An entity that fails stops nobody else's restore.
//!
//! Not here: what is to be written (`plan`), the conditional write (`controller::settings::change`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::plan::{Orders, Standing, compare, configuration_anew, missing_grants};
use super::saved::{CLUSTERS, CONFIGURATION, SavedEntity};
use super::store::Backup;
use super::take::query;
use crate::controller::settings::change::{Plan, change};
use crate::domain::ids::EntityId;
use crate::telemetry::chain;
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::EntityDocument;
use crate::vcd::transport::Transport;

/// State of an entity whose content VCD has checked.
const RESOLVED: &str = "RESOLVED";
/// Most places that are named per entity.
const MOST_PLACES: usize = 12;

/// What became, or would become, of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is as in the backup.
    Same,
    /// It differs, and nobody said that it may be overwritten.
    Kept,
    /// It would be put back.
    WouldRestore,
    /// It was put back.
    Restored,
    /// It is not there, and would be made anew.
    WouldRecreate,
    /// It was made anew, under another id.
    Recreated,
    /// It is not there, and cannot be made anew.
    Gone,
    /// It must not be written now.
    Refused,
    /// It could not be put back.
    Failed,
    /// It is not in the backup.
    Newer,
}

impl State {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Kept => "kept",
            Self::WouldRestore => "would restore",
            Self::Restored => "restored",
            Self::WouldRecreate => "would recreate",
            Self::Recreated => "recreated",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Newer => "newer",
        }
    }

    /// Whether something is left to be done by a person or by another run.
    pub const fn is_left(self) -> bool {
        match self {
            Self::Same | Self::Restored | Self::Recreated | Self::Newer => false,
            Self::Kept
            | Self::WouldRestore
            | Self::WouldRecreate
            | Self::Gone
            | Self::Refused
            | Self::Failed => true,
        }
    }
}

/// One entity of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What became of it.
    pub state: State,
    /// Its URN in the backup, or in VCD for one that is newer.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Name of its organization.
    pub org: String,
    /// Places that differ.
    pub places: Vec<String>,
    /// What the operator should know or do.
    pub notes: Vec<String>,
}

/// What is to be restored, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Nothing is written without it.
    pub apply: bool,
    /// How far it may go.
    pub orders: Orders,
    /// Only entities with one of these names or ids; all of them when empty.
    pub only: Vec<String>,
}

impl Wish {
    fn covers(&self, id: &str, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == id || one == name)
    }
}

/// Compares and, if it is wished, puts back.
///
/// # Errors
/// The entities cannot be listed; nothing was written.
pub async fn restore<T: Transport>(
    client: &VcdClient<T>,
    backup: &Backup,
    wish: &Wish,
) -> Result<Vec<Restored>, VcdError> {
    let mut there = BTreeMap::new();
    for nss in [CONFIGURATION, CLUSTERS] {
        client
            .each_entity(&query(nss), |one| {
                drop(there.insert(one.id.to_string(), one));
            })
            .await?;
    }
    let mut result = Vec::new();
    for saved in &backup.entities {
        let live = find(saved, &there);
        if wish.covers(&saved.id, &saved.name) {
            result.push(one(client, (saved, live), wish).await);
        }
    }
    let known = |id: &str| {
        backup.entities.iter().any(|saved| {
            saved.id == id
                || (saved.is_configuration()
                    && find(saved, &there).is_some_and(|live| live.id.as_str() == id))
        })
    };
    let newer = there
        .values()
        .filter(|live| !known(live.id.as_str()) && wish.covers(live.id.as_str(), &live.name));
    result.extend(newer.map(|live| {
        Restored {
            state: State::Newer,
            id: live.id.to_string(),
            name: live.name.clone(),
            org: live
                .org
                .as_ref()
                .map(|org| org.name.clone())
                .unwrap_or_default(),
            places: Vec::new(),
            notes: vec!["not in the backup; it is left alone".to_owned()],
        }
    }));
    Ok(result)
}

/// The live entity: by its id, a configuration by type and name as well, for it may have been made anew.
fn find<'a>(
    saved: &SavedEntity,
    there: &'a BTreeMap<String, EntityDocument>,
) -> Option<&'a EntityDocument> {
    there.get(&saved.id).or_else(|| {
        let alike = |one: &&EntityDocument| saved.is_configuration() && is_alike(saved, one);
        there.values().find(alike)
    })
}

fn is_alike(saved: &SavedEntity, live: &EntityDocument) -> bool {
    live.entity_type == saved.entity_type && live.name == saved.name
}

async fn one<T: Transport>(
    client: &VcdClient<T>,
    (saved, live): (&SavedEntity, Option<&EntityDocument>),
    wish: &Wish,
) -> Restored {
    let mut told = Restored {
        state: State::Same,
        id: saved.id.clone(),
        name: saved.name.clone(),
        org: saved.org().to_owned(),
        places: Vec::new(),
        notes: Vec::new(),
    };
    match live {
        Some(live) => existing(client, (saved, live), wish, &mut told).await,
        None if saved.is_configuration() => anew(client, saved, wish, &mut told).await,
        None => {
            told.state = State::Gone;
            told.notes = gone();
        }
    }
    told
}

/// What a person has to know about a cluster whose entity is gone.
fn gone() -> Vec<String> {
    [
        "its entity is gone, and VCD gives a new one another id, which CAPVCD, the agent and the marks on its vApp do not know: it is not made anew",
        "if the cluster still runs it goes on, without resize, upgrade and repair; only VCD's own database backup brings the id back",
        "do not run cse-server orphans --delete --with-running for it: without entity its VMs count as left over",
    ]
    .map(str::to_owned)
    .to_vec()
}

async fn existing<T: Transport>(
    client: &VcdClient<T>,
    (saved, live): (&SavedEntity, &EntityDocument),
    wish: &Wish,
    told: &mut Restored,
) {
    let was_made_anew = live.id.as_str() != saved.id;
    match compare(saved, &live.entity, wish.orders) {
        Standing::Same => {}
        Standing::Refused(reason) => {
            told.state = State::Refused;
            told.notes.push(reason);
            return;
        }
        Standing::Differs { wanted, notes } => {
            told.notes = notes;
            told.places = places(live, &wanted);
            told.state = match (wish.orders.overwrite, wish.apply) {
                (false, _) => State::Kept,
                (true, false) => State::WouldRestore,
                (true, true) => match write(client, (saved, &live.id), wish).await {
                    Ok(()) => State::Restored,
                    Err(reason) => return failed(told, reason),
                },
            };
        }
    }
    let unresolved = saved.state == RESOLVED
        && live.state != RESOLVED
        && (told.state == State::Restored || was_made_anew);
    if wish.apply
        && (unresolved || was_made_anew)
        && let Err(reason) = settle(client, saved, &live.id, unresolved).await
    {
        failed(told, reason);
    }
}

fn failed(told: &mut Restored, reason: String) {
    told.state = State::Failed;
    told.notes.push(reason);
}

fn places(live: &EntityDocument, wanted: &serde_json::Map<String, Value>) -> Vec<String> {
    let changes = super::plan::told(&live.entity, wanted);
    let mut places: Vec<String> = changes
        .iter()
        .take(MOST_PLACES)
        .map(|one| one.path.to_string())
        .collect();
    if changes.len() > MOST_PLACES {
        places.push(format!("{} more", changes.len() - MOST_PLACES));
    }
    places
}

async fn write<T: Transport>(
    client: &VcdClient<T>,
    (saved, id): (&SavedEntity, &EntityId),
    wish: &Wish,
) -> Result<(), String> {
    let make = |now: &serde_json::Map<String, Value>| match compare(saved, now, wish.orders) {
        Standing::Same => Ok(now.clone()),
        Standing::Differs { wanted, .. } => Ok(wanted),
        Standing::Refused(reason) => Err(vec![reason]),
    };
    let plan = Plan {
        make: &make,
        places: &|_| Vec::new(),
    };
    let changed = change(client, id, &plan).await;
    changed.map(drop).map_err(|error| chain(&error).to_string())
}

/// The configuration, made anew and given its access controls.
async fn anew<T: Transport>(
    client: &VcdClient<T>,
    saved: &SavedEntity,
    wish: &Wish,
    told: &mut Restored,
) {
    let (content, notes) = match configuration_anew(saved) {
        Ok(made) => made,
        Err(reason) => {
            told.state = State::Refused;
            told.notes.push(reason);
            return;
        }
    };
    told.notes = notes;
    if !wish.apply {
        told.state = State::WouldRecreate;
        return;
    }
    let made = make(client, saved, &content).await;
    let settled = match made {
        Ok(id) => settle(client, saved, &id, true).await,
        Err(reason) => Err(reason),
    };
    match settled {
        Ok(()) => told.state = State::Recreated,
        Err(reason) => failed(told, reason),
    }
}

/// Posts the entity, unless it has appeared meanwhile; its id.
async fn make<T: Transport>(
    client: &VcdClient<T>,
    saved: &SavedEntity,
    content: &serde_json::Map<String, Value>,
) -> Result<EntityId, String> {
    let said = |error: VcdError| chain(&error).to_string();
    let listed = |all: Vec<EntityDocument>| {
        all.into_iter()
            .find(|one| is_alike(saved, one))
            .map(|one| one.id)
    };
    if let Some(id) = listed(client.entities(&query(CONFIGURATION)).await.map_err(said)?) {
        return Ok(id);
    }
    let posted = client
        .post_entity(&saved.entity_type, &saved.name, content)
        .await;
    let owner = match &posted {
        Ok(task) => client
            .task(task)
            .await
            .ok()
            .and_then(|task| EntityId::parse(task.owner.as_deref()?).ok()),
        Err(_) => None,
    };
    if let Some(id) = owner {
        return Ok(id);
    }
    // Posted or not: the list tells.
    let found = listed(client.entities(&query(CONFIGURATION)).await.map_err(said)?);
    match (found, posted) {
        (Some(id), _) => Ok(id),
        (None, Err(error)) => Err(said(error)),
        (None, Ok(_)) => Err(
            "VCD accepted the new entity and does not show it; run the restore again".to_owned(),
        ),
    }
}

/// Has VCD check the entity, and gives it the access controls it had.
async fn settle<T: Transport>(
    client: &VcdClient<T>,
    saved: &SavedEntity,
    id: &EntityId,
    resolve: bool,
) -> Result<(), String> {
    let said = |error: VcdError| chain(&error).to_string();
    if resolve {
        let resolved = client.resolve_entity(id).await.map_err(said)?.value;
        if resolved.state != RESOLVED {
            let why = resolved.message.unwrap_or_default();
            return Err(format!(
                "{id} is {} after it was checked: {why}",
                resolved.state
            ));
        }
    }
    if saved.access_controls.is_empty() || id.as_str() == saved.id {
        return Ok(());
    }
    let live = client.entity_grants(id).await.map_err(said)?;
    for grant in missing_grants(&saved.access_controls, &live) {
        client.grant_entity(id, &grant).await.map_err(|error| {
            format!(
                "{id} is there, but tenants may not be able to read it: {}",
                chain(&error)
            )
        })?;
    }
    Ok(())
}
