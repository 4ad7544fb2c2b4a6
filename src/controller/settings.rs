//! The shared configuration: finding the entity, understanding it, and what it makes of the policy.
//!
//! Flow: read at start-up and again at every poll interval; a change is in force for the next claim.
//!
//! Invariants:
//! - An invalid configuration never replaces a good one.
//! - The replica's own times bend to the shared ones: nobody is given up later than
//!   `staleHeartbeatIntervalInMin`, nobody holds on longer than `heartbeatWatcherTimeoutInMin`.
//! - A changed interval is in force for the next claim. A claim that is held keeps the times it was taken
//!   with, and its record says so (`t=`): no change shortens anybody's lease.
//!
//! Source: entity `vcdKeConfig` of type `vmware:VCDKEConfig` 1.0.0 and 1.1.0 (CSE 4.0 to 4.2).

pub mod change;

use crate::domain::ids::EntityId;
use crate::domain::phase::Phase;
use crate::domain::server_config::{ConfigProblem, ServerConfig};
use crate::domain::versioned::ETag;
use crate::reconcile::policy::{ClaimTimes, LocalTimes, PhasePlan, Policy, TooTight};
use crate::vcd::VcdClient;
use crate::vcd::error::VcdError;
use crate::vcd::model::{EntityDocument, EntityQuery};
use crate::vcd::paging::MAX_PAGE_SIZE;
use crate::vcd::transport::Transport;

/// Name of the configuration entity; a contract with clients.
pub const CONFIG_NAME: &str = "vcdKeConfig";

/// A tag no server ever gave out.
const IMPOSSIBLE_TAG: &str = "\"cse-server-probe\"";

/// Why there is no shared configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// VCD could not be asked.
    #[error("cannot read the server configuration, entity \"{CONFIG_NAME}\"")]
    Vcd(#[from] VcdError),
    /// Whether VCD honours `If-Match` could not be tried.
    #[error(
        "cannot test a conditional write on the server configuration, entity \"{CONFIG_NAME}\""
    )]
    Probe(#[source] VcdError),
    /// The entity is not there.
    #[error(
        "no entity \"{CONFIG_NAME}\" of type vmware:VCDKEConfig is visible; create the server configuration, \
         or, if it is there, give the service account the role \"CSE Admin Role\""
    )]
    Missing,
    /// There are several, and clients would refuse to work.
    #[error(
        "{count} entities \"{CONFIG_NAME}\" of the same type vmware:VCDKEConfig exist; clients accept \
         exactly one per version: delete the others"
    )]
    Several {
        /// How many.
        count: usize,
    },
    /// The entity makes no sense.
    #[error("the server configuration ({id}) is invalid: {}", list(problems))]
    Invalid {
        /// The entity.
        id: EntityId,
        /// Every problem.
        problems: Vec<ConfigProblem>,
    },
    /// Its intervals leave a replica with this file no time to work.
    #[error("the server configuration ({id}) cannot be kept by this replica")]
    Times {
        /// The entity.
        id: EntityId,
        /// Which intervals, and what to do.
        #[source]
        cause: TooTight,
    },
    /// VCD, or something before it, does not honour `If-Match`.
    #[error(
        "VCD accepted a write with a wrong If-Match; claims would not be safe: check for a proxy that \
         drops the header, and for a VCD older than 10.3"
    )]
    ConditionalWritesIgnored,
}

impl SettingsError {
    /// For a place that has room for the problems alone, such as the status line of the unit.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Invalid { problems, .. } => list(problems),
            Self::Times { cause, .. } => cause.to_string(),
            Self::Vcd(_)
            | Self::Probe(_)
            | Self::Missing
            | Self::Several { .. }
            | Self::ConditionalWritesIgnored => self.to_string(),
        }
    }
}

fn list(problems: &[ConfigProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The shared configuration as read.
#[derive(Debug)]
pub struct Settings {
    /// The entity it was read from.
    pub document: EntityDocument,
    /// What it says.
    pub server: ServerConfig,
}

/// Every configuration entity, of whatever version of its type.
pub fn config_query() -> EntityQuery {
    EntityQuery {
        vendor: "vmware".to_owned(),
        nss: "VCDKEConfig".to_owned(),
        version: None,
        filter: Some(format!("name=={CONFIG_NAME}")),
        page_size: MAX_PAGE_SIZE,
    }
}

/// Finds the configuration entity, whatever it says; the newest type version wins.
///
/// # Errors
/// - [`SettingsError::Vcd`], [`SettingsError::Missing`], [`SettingsError::Several`].
pub async fn find_document<T: Transport>(
    client: &VcdClient<T>,
) -> Result<EntityDocument, SettingsError> {
    let mut found = client.entities(&config_query()).await?;
    found.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
    let document = found.pop().ok_or(SettingsError::Missing)?;
    let twins = found
        .iter()
        .filter(|other| other.entity_type == document.entity_type)
        .count();
    if twins > 0 {
        return Err(SettingsError::Several { count: twins + 1 });
    }
    Ok(document)
}

/// Finds and understands the configuration entity.
///
/// # Errors
/// - [`SettingsError`]: see its variants; each says what to do.
pub async fn read_settings<T: Transport>(client: &VcdClient<T>) -> Result<Settings, SettingsError> {
    let document = find_document(client).await?;
    match ServerConfig::parse(&document.entity) {
        Ok(server) => Ok(Settings { document, server }),
        Err(_) => Err(SettingsError::Invalid {
            problems: ServerConfig::problems(&document.entity),
            id: document.id,
        }),
    }
}

/// Proves that VCD refuses a write with a wrong tag; without that, claims protect nothing.
///
/// Writes the configuration back unchanged under an impossible tag.
///
/// # Errors
/// - [`SettingsError::ConditionalWritesIgnored`]: do not start.
/// - [`SettingsError::Probe`]: could not be tried.
pub async fn probe_conditional_writes<T: Transport>(
    client: &VcdClient<T>,
    settings: &Settings,
) -> Result<(), SettingsError> {
    let document = client.get_entity(&settings.document.id).await;
    let document = document.map_err(SettingsError::Probe)?.value;
    match client
        .replace_entity(&document, ETag::new(IMPOSSIBLE_TAG))
        .await
    {
        Err(VcdError::Conflict { .. }) => Ok(()),
        Err(error) => Err(SettingsError::Probe(error)),
        Ok(_) => Err(SettingsError::ConditionalWritesIgnored),
    }
}

impl Settings {
    /// The times of a replica under this configuration.
    ///
    /// # Errors
    /// - [`SettingsError::Times`]: this replica cannot work under it; do not start, or keep the last good one.
    pub fn times(&self, local: &LocalTimes) -> Result<ClaimTimes, SettingsError> {
        ClaimTimes::settle(local, &self.server.timers()).map_err(|cause| SettingsError::Times {
            id: self.document.id.clone(),
            cause,
        })
    }
}

/// The policy of a replica with these times.
pub(crate) fn policy(times: &ClaimTimes) -> Policy {
    Policy::standard(phase_plans()).with_times(times)
}

fn phase_plans() -> Vec<PhasePlan> {
    Phase::ALL
        .into_iter()
        .map(|phase| PhasePlan {
            name: phase.name(),
            started: phase.started_event(),
            succeeded: phase.succeeded_event(),
            deadline: phase.deadline(),
        })
        .collect()
}
