//! The shared configuration, as it stands in VCD and as a replica takes it.
//!
//! A running replica keeps the last good configuration when this one is not valid, and cannot tell so in VCD:
//! what replicas live by then is in their journals alone.

use serde::Serialize;

use super::words::{count, printable};
use crate::controller::settings::{CONFIG_NAME, Settings, SettingsError};
use crate::reconcile::policy::LocalTimes;
use crate::telemetry::chain;

/// Longest problem, in characters.
const MOST_CHARS: usize = 400;
/// Most problems that are told.
const MOST_PROBLEMS: usize = 20;

/// Whether there is a configuration, and whether it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Valid: every replica lives by it.
    Valid,
    /// There, and refused by every replica.
    Refused,
    /// There is none, or this login may not see it.
    Missing,
    /// It could not be read.
    Unreadable,
}

/// What is told about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigurationView {
    /// Whether it can be used.
    pub standing: Standing,
    /// URN of the entity.
    pub id: Option<String>,
    /// Version of its entity type.
    pub type_version: Option<String>,
    /// Name of the profile in force.
    pub profile: Option<String>,
    /// The release that new clusters are told to come from.
    pub release: Option<String>,
    /// `rdePollIntervalInMin`, in seconds.
    pub poll_secs: Option<u64>,
    /// `heartbeatWatcherTimeoutInMin`, in seconds.
    pub watcher_secs: Option<u64>,
    /// `staleHeartbeatIntervalInMin`, in seconds.
    pub stale_secs: Option<u64>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

impl ConfigurationView {
    /// What was read, or why nothing was; `times` are those of the file this command was started with.
    pub fn of(read: &Result<Settings, SettingsError>, times: &LocalTimes) -> Self {
        let settings = match read {
            Ok(settings) => settings,
            Err(error) => return Self::failed(error),
        };
        let kind = &settings.document.entity_type;
        let server = &settings.server;
        let refused = settings.times(times).err();
        let secs = |time: std::time::Duration| Some(time.as_secs());
        Self {
            standing: if refused.is_some() {
                Standing::Refused
            } else {
                Standing::Valid
            },
            id: Some(settings.document.id.as_str().to_owned()),
            type_version: kind
                .rsplit(':')
                .next()
                .map(|version| printable(version, 20)),
            profile: Some(printable(&server.profile, 40)),
            release: Some(server.release_told(kind)),
            poll_secs: secs(server.timers().poll),
            watcher_secs: secs(server.timers().watcher),
            stale_secs: secs(server.timers().stale),
            problems: refused.iter().map(text).collect(),
        }
    }

    fn failed(error: &SettingsError) -> Self {
        let (standing, problems, id) = match error {
            SettingsError::Invalid { id, problems } => {
                let told = problems.iter().take(MOST_PROBLEMS);
                let mut told: Vec<String> = told
                    .map(|one| printable(&one.to_string(), MOST_CHARS))
                    .collect();
                if problems.len() > MOST_PROBLEMS {
                    told.push(count(
                        problems.len() - MOST_PROBLEMS,
                        "more problem",
                        "more problems",
                    ));
                }
                (Standing::Refused, told, Some(id.as_str().to_owned()))
            }
            SettingsError::Several { .. }
            | SettingsError::Times { .. }
            | SettingsError::ConditionalWritesIgnored => {
                (Standing::Refused, vec![text(error)], None)
            }
            SettingsError::Missing => (Standing::Missing, vec![text(error)], None),
            SettingsError::Vcd(_) | SettingsError::Probe(_) => {
                (Standing::Unreadable, vec![text(error)], None)
            }
        };
        Self {
            standing,
            id,
            type_version: None,
            profile: None,
            release: None,
            poll_secs: None,
            watcher_secs: None,
            stale_secs: None,
            problems,
        }
    }

    /// Whether replicas can start with it, if that is known.
    pub const fn is_configured(&self) -> Option<bool> {
        match self.standing {
            Standing::Valid => Some(true),
            Standing::Refused => Some(false),
            // Whoever may not see it cannot tell.
            Standing::Missing | Standing::Unreadable => None,
        }
    }

    /// In a line or more.
    pub fn lines(&self) -> Vec<String> {
        let minutes = |secs: Option<u64>| secs.unwrap_or_default() / 60;
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let first = match self.standing {
            Standing::Valid => format!(
                "{CONFIG_NAME} is valid: type {}, profile {}, clusters are told to come from {}; poll {} min, watcher {} min, stale {} min",
                or_dash(&self.type_version),
                or_dash(&self.profile),
                or_dash(&self.release),
                minutes(self.poll_secs),
                minutes(self.watcher_secs),
                minutes(self.stale_secs)
            ),
            Standing::Refused => format!(
                "{CONFIG_NAME} is REFUSED by every replica: those that run keep the last good one, none can start. Correct it:"
            ),
            Standing::Missing => "no configuration is visible to this login:".to_owned(),
            Standing::Unreadable => "the configuration cannot be read:".to_owned(),
        };
        let problems = self.problems.iter().map(|problem| format!("  - {problem}"));
        std::iter::once(first).chain(problems).collect()
    }
}

fn text(error: &SettingsError) -> String {
    printable(&chain(error).to_string(), MOST_CHARS)
}
